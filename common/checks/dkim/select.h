/*
 * Which of many DKIM-Signature fields are evaluated.
 */
#pragma once

#include "mail/header.h"

/*
 * The signatures of header, of PosternDkimSignature *, in its order, at most
 * POSTERN_DKIM_SIGNATURES_REPORTED_MAX; header must outlive them. At most POSTERN_DKIM_SIGNATURES_MAX are not
 * decided, and are to be evaluated; the others are decided: wrong in themselves, which costs nothing, or
 * SKIPPED. Those come first that may be aligned with From, of its domain or of one near it, then those
 * without l=; and of equals the last and the first in turn, so that neither whoever adds fields on top nor
 * below pushes out the one at the other end.
 */
GPtrArray *postern_dkim_select(const PosternHeader *header);
