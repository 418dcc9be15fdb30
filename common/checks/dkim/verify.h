/*
 * Verifies a DKIM signature (RFC 6376 6.1.3) by checks/signature/digest.h and OpenSSL: one that libopendkim
 * would misread (signature.h, misread), or that several keys may have made. All others are the
 * library's.
 */
#pragma once

#include "checks/dkim/signature.h"

/* Decides signature, which has at least one key that can be tried; octets is the message that header indexes.
 */
void postern_dkim_verify(PosternDkimSignature *signature, const char *octets, gsize length,
                         const PosternHeader *header);
