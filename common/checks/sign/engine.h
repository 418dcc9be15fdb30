/*
 * libopendkim, for signing, as the check SIGN uses it.
 */
#pragma once

#include "checks/check.h"
#include "checks/sign/key.h"

/* All keys (of PosternSignKey *), the engine's, in the order of the table. */
GPtrArray *postern_sign_engine_all(const PosternSignEngine *engine);

/* The keys of domain (lower case), of PosternSignKey *, the engine's; NULL: none. */
GPtrArray *postern_sign_engine_keys_of(const PosternSignEngine *engine, const char *domain);

/*
 * The value of a field DKIM-Signature by key, folded, over fields (of const PosternHeaderField *, in the
 * order of the header, all of them, From among them) and body; now is t=. The caller's. NULL and error:
 * POSTERN_ERROR_INPUT if libopendkim cannot read the message, POSTERN_ERROR_UNAVAILABLE if it or
 * OpenSSL fails.
 */
char *postern_sign_engine_field(PosternSignEngine *engine, const PosternSignKey *key, GPtrArray *fields,
                                const char *body, gsize length, gint64 now,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
