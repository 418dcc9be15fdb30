/*
 * Public keys (RFC 6376 3.6.1), decoded once and kept: decoding one costs several times what its use does.
 */
#pragma once

#include "checks/check.h"

/*
 * TRUE if one of the keys that answer has for algorithm made signature over digest, of length octets. FALSE:
 * *ret_temporary says whether the DNS failed, and *ret_reason (the caller's) what was wrong.
 */
gboolean postern_arc_engine_verify(PosternArcEngine *engine, const PosternAnswer *answer,
                                   const char *algorithm, const guint8 *digest, gsize length,
                                   GBytes *signature, gboolean *ret_temporary, char **ret_reason);
