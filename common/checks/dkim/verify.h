/*
 * Verifies a DKIM signature (RFC 6376 6.1.3).
 */
#pragma once

#include "checks/dkim/signature.h"
#include "checks/signature/digest.h"

/* Decides signature, which is not decided and has a key that can be tried; header and body are the message's.
 */
void postern_dkim_verify(PosternDkimSignature *signature, const PosternHeader *header,
                         PosternDigestBody *body);
