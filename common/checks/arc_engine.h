/*
 * Public keys (RFC 6376 3.6.1), decoded once and kept: decoding one costs several times what its use does.
 */
#pragma once

#include <openssl/evp.h>

#include "checks/check.h"

/*
 * The key that answer has for algorithm, owned by engine and good until the next call; or NULL:
 * *ret_temporary says whether the DNS failed, and *ret_reason (the caller's) why there is none.
 */
EVP_PKEY *postern_arc_engine_key(PosternArcEngine *engine, const PosternAnswer *answer, const char *algorithm,
                                 gboolean *ret_temporary, char **ret_reason);

/* TRUE where signature is key's over a SHA-256 digest, as rsa-sha256 (RFC 6376 3.3.1) and ed25519-sha256 (RFC
 * 8463 3) make it. */
gboolean postern_arc_engine_verify(EVP_PKEY *key, const guint8 *digest, gsize length, GBytes *signature);
