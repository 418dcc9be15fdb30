/*
 * DEFLATE (RFC 1951), plain and as gzip (RFC 1952), by zlib.
 */
#pragma once

#include <zlib.h>

#include "checks/container/opening.h"

/*
 * Unpacks one stream, which octets begin with: gzip, with its checksum looked at, if header is not NULL (or
 * else plain); header is filled as inflateGetHeader() does. expected: octets it will unpack to, 0: unknown.
 * *ret_consumed: octets of it that were read. FALSE: it is cut or damaged, or opening->over.
 */
gboolean postern_inflate(PosternOpening *opening, const guint8 *octets, gsize length, gz_header *header,
                         guint64 expected, PosternUnpacked *unpacked, gsize *ret_consumed);

/* Hands on what a stream of zlib (RFC 1950) unpacks to, which octets begin with. FALSE: it is cut or damaged,
 * and nothing was handed on. */
gboolean postern_zlib_open(PosternOpening *opening, const guint8 *octets, gsize length);

/* TRUE: octets begin as such a stream does. */
gboolean postern_zlib_is(const guint8 *octets, gsize length);

/* Opens a gzip file: its members are one file (RFC 1952 2.2). */
void postern_gzip_open(PosternOpening *opening);
