/*
 * Brotli (RFC 7932). It has no mark, so that what a file is called or said to be is all that tells it.
 */
#pragma once

#include "checks/container/opening.h"

/* TRUE: it is called so (".br"), or has such a type. */
gboolean postern_brotli_is_declared(const PosternItem *item);

/* Opens it if it is what it is called; one that is cut is noted as AMBIGUOUS. FALSE: it is something else. */
gboolean postern_brotli_open(PosternOpening *opening);
