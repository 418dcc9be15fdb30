#include "checks/container/inflate.h"

#include <string.h>

#include "base/limits.h"
#include "checks/container/weak_marks.h"

#define WINDOW_BITS 15
#define ZLIB_HEADER_OCTETS 2
#define ZLIB_CHECKSUM_OCTETS 4
#define GZIP_BITS 16 /* added: a gzip header is expected */

static gboolean run(PosternOpening *opening, z_stream *stream, guint64 expected, PosternUnpacked *unpacked)
{
    int status = Z_OK;
    while (status == Z_OK) {
        gsize room = 0;
        stream->next_out = postern_unpacked_room(opening, unpacked, expected, &room);
        if (stream->next_out == NULL)
            return FALSE;
        room = MIN(room, G_MAXINT);
        stream->avail_out = (uInt)room;
        status = inflate(stream, Z_NO_FLUSH);
        postern_unpacked_add(opening, unpacked, room - stream->avail_out);
    }
    if (status == Z_MEM_ERROR)
        postern_opening_stop(opening, "it needs more memory than there is");
    return status == Z_STREAM_END;
}

gboolean postern_inflate(PosternOpening *opening, const guint8 *octets, gsize length, gz_header *header,
                         guint64 expected, PosternUnpacked *unpacked, gsize *ret_consumed)
{
    z_stream stream = {.next_in = (z_const Bytef *)(guintptr)octets,
                       .avail_in = (uInt)MIN(length, G_MAXUINT)};
    *ret_consumed = 0;
    if (inflateInit2(&stream, header != NULL ? WINDOW_BITS + GZIP_BITS : -WINDOW_BITS) != Z_OK) {
        postern_opening_stop(opening, "it needs more memory than there is");
        return FALSE;
    }
    if (header != NULL)
        inflateGetHeader(&stream, header);
    gboolean whole = run(opening, &stream, expected, unpacked);
    *ret_consumed = length - stream.avail_in;
    inflateEnd(&stream);
    return whole && !opening->over;
}

gboolean postern_zlib_is(const guint8 *octets, gsize length)
{
    return length > ZLIB_HEADER_OCTETS + ZLIB_CHECKSUM_OCTETS && octets[0] == 0x78 &&
           (octets[1] & 0x20) == 0 && (octets[0] << 8 | octets[1]) % 31 == 0;
}

gboolean postern_zlib_open(PosternOpening *opening, const guint8 *octets, gsize length)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_auto(PosternUnpacked) unpacked = {NULL};
    gsize consumed = 0;
    if (!postern_zlib_is(octets, length) ||
        !postern_inflate(opening, octets + ZLIB_HEADER_OCTETS, length - ZLIB_HEADER_OCTETS, NULL, 0,
                         &unpacked, &consumed))
        return FALSE;
    g_autoptr(GBytes) inside = postern_unpacked_steal(&unpacked);
    postern_opening_names_inside(opening, names);
    postern_opening_member(opening, names, inside);
    return TRUE;
}

void postern_gzip_open(PosternOpening *opening)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_auto(PosternUnpacked) unpacked = {NULL};
    gsize at = 0;
    gboolean whole = TRUE;
    postern_opening_names_inside(opening, names);
    while (whole && postern_gzip_is(opening->octets + at, opening->length - at)) {
        char name[POSTERN_CONTAINER_NAME_MAX_OCTETS] = "";
        gz_header header = {.name = (Bytef *)name, .name_max = sizeof name};
        gsize consumed = 0;
        whole = postern_inflate(opening, opening->octets + at, opening->length - at, &header, 0, &unpacked,
                                &consumed);
        if (at == 0)
            postern_names_add(names, name, strnlen(name, sizeof name));
        at += consumed;
    }
    /* Text is cut, and words stand behind what it holds. */
    gboolean loose = opening->item->guessed || opening->over;
    if (!whole && !loose)
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it is cut or damaged");
    else if (!loose && !postern_octets_are_blank(opening->octets + at, opening->length - at))
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "octets stand behind its end");
    g_autoptr(GBytes) octets = postern_unpacked_steal(&unpacked);
    postern_opening_member(opening, names, octets);
}
