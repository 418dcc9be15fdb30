/*
 * libopendkim, for verification, as the DKIM check uses it. Keys come from the signatures themselves, which
 * carry what the answers said; the library asks nobody.
 */
#pragma once

#include "checks/check.h"
#include "checks/dkim/signature.h"

/* TRUE if a signature of a part of the body passes (postern_dkim_engine_accept_partial_body()). */
gboolean postern_dkim_engine_accepts_partial_body(const PosternDkimEngine *engine);

/*
 * Evaluates the signatures that are not decided (of PosternDkimSignature *, in the order of the header):
 * octets is the message that header indexes. Every one is decided afterwards.
 */
void postern_dkim_engine_verify(PosternDkimEngine *engine, const char *octets, gsize length,
                                const PosternHeader *header, GPtrArray *signatures);
