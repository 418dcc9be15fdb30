/*
 * Wrappings that programs for mail put files and messages in, beside MIME.
 */
#pragma once

#include "checks/container/opening.h"

/*
 * winmail.dat of Outlook (MS-OXTNEF): the member of each attachment has its short and its long name. The
 * message text is none. What is cut is noted as AMBIGUOUS.
 */
void postern_tnef_open(PosternOpening *opening);

/*
 * Signed data with their content in them (RFC 5652 5; RFC 8551 3.5.2, smime.p7m): the content is the one
 * member. A signature alone has none; what OpenSSL cannot read is noted as AMBIGUOUS.
 */
gboolean postern_signed_is(const guint8 *octets, gsize length);
void postern_signed_open(PosternOpening *opening);

/*
 * Compressed data (RFC 3274; RFC 8551 3.6, smime.p7z): what they unpack to is the one member. What cannot be
 * read or unpacked is noted as AMBIGUOUS, another method than zlib as UNKNOWN_CONTAINER.
 */
gboolean postern_compressed_is(const guint8 *octets, gsize length);
void postern_compressed_open(PosternOpening *opening);

/* editdata.mso, in which Office keeps the objects of a page: they are the one member. */
void postern_active_mime_open(PosternOpening *opening);

/*
 * Rich text: each object in it (\objdata) is a member, put together of its digits and of what stands there as
 * it is (\bin), control words left out; once more without what groups in it hold, if that differs.
 */
void postern_rtf_open(PosternOpening *opening);

/* An object of OLE 1 (MS-OLEDS 2.2.5): what its program made of it is a member, and the file that a Package
 * holds. */
void postern_ole1_open(PosternOpening *opening);

/* AppleSingle and AppleDouble (RFC 1740), and MacBinary: the forks of a file are the members. */
void postern_apple_open(PosternOpening *opening);
gboolean postern_macbinary_is(const guint8 *octets, gsize length);
void postern_macbinary_open(PosternOpening *opening);

/* A message of OpenPGP in armor (RFC 9580 6.2), anywhere in a text; one that is not encrypted is noted as
 * UNKNOWN_CONTAINER. */
gboolean postern_openpgp_is(const guint8 *octets, gsize length);
void postern_openpgp_open(PosternOpening *opening);
/* The same without armor, for what is called so. FALSE: its first packet is none of those that tell. */
gboolean postern_openpgp_packets_open(PosternOpening *opening);
