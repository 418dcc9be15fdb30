/*
 * Kinds of file whose mark is so short that random octets have it: what follows the mark must be right, too.
 */
#pragma once

#include <glib.h>

/* compress (.Z): the first codes are such as a compressor writes. */
gboolean postern_compress_is(const guint8 *octets, gsize length);

/* pack (.z): the lengths of its codes make a tree. */
gboolean postern_pack_is(const guint8 *octets, gsize length);

/* A member of gzip (RFC 1952 2.3.1): no flag is set that has no meaning. */
gboolean postern_gzip_is(const guint8 *octets, gsize length);
