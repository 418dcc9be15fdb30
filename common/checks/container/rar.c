#include "checks/container/rar.h"

#include <string.h>
#include <zlib.h>

#include "base/limits.h"
#include "checks/container/archive.h"

static const guint8 mark_4[] = {'R', 'a', 'r', '!', 0x1a, 7, 0};
static const guint8 mark_5[] = {'R', 'a', 'r', '!', 0x1a, 7, 1, 0};

#define NO_CHECKSUM G_MAXUINT64

/* What the blocks say. */
typedef struct {
    gboolean encrypted, volume;
    gboolean whole;    /* they end as they should, and where the octets do */
    GArray *checksums; /* of guint64: of each file that is no folder; NO_CHECKSUM: none is told */
} Blocks;

static gboolean begins(const guint8 *octets, gsize length, const guint8 *mark, gsize size)
{
    return length >= size && memcmp(octets, mark, size) == 0;
}

gboolean postern_rar_begins(const guint8 *octets, gsize length)
{
    return begins(octets, length, mark_4, sizeof mark_4) || begins(octets, length, mark_5, sizeof mark_5);
}

/* (That of version 4 is half as long.) */
gboolean postern_rar_begins_whole(const guint8 *octets, gsize length)
{
    const gsize least = sizeof mark_5 + 7;
    if (!postern_rar_begins(octets, length) || length < least)
        return FALSE;
    if (begins(octets, length, mark_4, sizeof mark_4)) {
        const guint8 *header = octets + sizeof mark_4;
        guint size = postern_octets_16(header + 5);
        return size >= 7 && size <= length - sizeof mark_4 &&
               (crc32_z(0, header + 2, size - 2) & G_MAXUINT16) == postern_octets_16(header);
    }
    const guint8 *header = octets + sizeof mark_5;
    gsize size = (header[4] & 0x7f) + (gsize)1; /* (that of the first is one octet) */
    return header[4] < 0x80 && size <= length - sizeof mark_5 - 4 &&
           crc32_z(0, header + 4, size) == postern_octets_32(header);
}

static void add_file(Blocks *blocks, guint64 checksum)
{
    if (blocks->checksums->len <= POSTERN_ITEMS_MAX)
        g_array_append_val(blocks->checksums, checksum);
}

/* Version 4 and before: technote.txt of RAR 4. */
static void look_at_4(const guint8 *octets, gsize length, Blocks *blocks)
{
    gsize at = sizeof mark_4;
    while (length - at >= 7) {
        const guint8 *block = octets + at;
        guint kind = block[2], flags = postern_octets_16(block + 3), size = postern_octets_16(block + 5);
        gboolean file = kind == 0x74;
        guint64 data = 0;
        if (size < 7 || size > length - at)
            return;
        if (((flags & 0x8000) != 0 || file) && size >= 11)
            data = postern_octets_32(block + 7);
        if (file && (flags & 0x100) != 0 && size >= 36)
            data |= (guint64)postern_octets_32(block + 32) << 32;
        blocks->volume = blocks->volume || (kind == 0x73 && (flags & 1) != 0) || (file && (flags & 3) != 0);
        blocks->encrypted =
            blocks->encrypted || (kind == 0x73 && (flags & 0x80) != 0) || (file && (flags & 4) != 0);
        if (file && (flags & 0xe0) != 0xe0)
            add_file(blocks, size >= 20 ? postern_octets_32(block + 16) : NO_CHECKSUM);
        at += size;
        if (data > length - at || (kind == 0x73 && (flags & 0x80) != 0))
            return;
        at += (gsize)data;
        if (kind == 0x7b)
            break;
    }
    blocks->whole = postern_octets_are_blank(octets + at, length - at);
}

typedef struct {
    const guint8 *octets;
    gsize length;
    gsize at;
    gboolean failed;
} Reader;

/* A number of seven bits an octet, the lowest first. */
static guint64 read_number(Reader *reader)
{
    guint64 value = 0;
    for (guint shift = 0; shift < 64 && reader->at < reader->length; shift += 7) {
        guint8 octet = reader->octets[reader->at++];
        value |= (guint64)(octet & 0x7f) << shift;
        if ((octet & 0x80) == 0)
            return value;
    }
    reader->failed = TRUE;
    return 0;
}

/* The extra records of a file: the first kind is encryption. */
static gboolean has_encryption(const guint8 *octets, gsize length)
{
    Reader reader = {.octets = octets, .length = length};
    while (reader.at < length && !reader.failed) {
        guint64 size = read_number(&reader);
        gsize start = reader.at;
        if (size == 0 || size > length - start || read_number(&reader) == 1)
            return size != 0;
        reader.at = start + (gsize)size;
    }
    return FALSE;
}

/* The checksum of a file, whose flags have been read. */
static guint64 checksum_5(Reader *header, guint64 flags)
{
    (void)read_number(header); /* size */
    (void)read_number(header); /* attributes */
    gsize at = header->at + ((flags & 2) != 0 ? 4 : 0);
    return (flags & 4) != 0 && at + 4 <= header->length ? postern_octets_32(header->octets + at)
                                                        : NO_CHECKSUM;
}

/* The header of a block of version 5, without its size; FALSE: it was the last that can be read. */
static gboolean take_header_5(Reader *header, Blocks *blocks, guint64 *ret_data)
{
    guint64 kind = read_number(header), flags = read_number(header);
    guint64 extra = (flags & 1) != 0 ? read_number(header) : 0;
    *ret_data = (flags & 2) != 0 ? read_number(header) : 0;
    guint64 more = kind == 1 || kind == 2 ? read_number(header) : 0;
    blocks->volume = blocks->volume || (flags & 0x18) != 0 || (kind == 1 && (more & 1) != 0);
    blocks->encrypted = blocks->encrypted || kind == 4 ||
                        (kind == 2 && extra > 0 && extra <= header->length &&
                         has_encryption(header->octets + header->length - extra, (gsize)extra));
    if (kind == 2 && (more & 1) == 0)
        add_file(blocks, checksum_5(header, more));
    blocks->whole = kind == 5;
    return !header->failed && kind != 4 && kind != 5;
}

static void look_at_5(const guint8 *octets, gsize length, Blocks *blocks)
{
    Reader reader = {.octets = octets, .length = length, .at = sizeof mark_5};
    gboolean more = TRUE;
    while (more && length - reader.at > 4) {
        reader.at += 4;
        guint64 size = read_number(&reader), data = 0;
        if (reader.failed || size > length - reader.at)
            break;
        Reader header = {.octets = octets + reader.at, .length = (gsize)size};
        more = take_header_5(&header, blocks, &data);
        reader.at += (gsize)size;
        if (data > length - reader.at) {
            blocks->whole = FALSE;
            return;
        }
        reader.at += (gsize)data;
    }
    blocks->whole = blocks->whole && postern_octets_are_blank(octets + reader.at, length - reader.at);
}

void postern_rar_open(PosternOpening *opening, gsize start)
{
    g_autoptr(GArray) checksums = g_array_new(FALSE, FALSE, sizeof(guint64));
    const guint8 *octets = opening->octets + start;
    gsize length = opening->length - start;
    gboolean old = begins(octets, length, mark_4, sizeof mark_4);
    const PosternArchiveKind kind = {.format = old ? archive_read_support_format_rar
                                                   : archive_read_support_format_rar5,
                                     .checksums = checksums,
                                     .failure = POSTERN_VIRUS_UNKNOWN_CONTAINER};
    Blocks blocks = {.checksums = checksums};
    if (old)
        look_at_4(octets, length, &blocks);
    else
        look_at_5(octets, length, &blocks);
    if (blocks.encrypted)
        postern_opening_note(opening, POSTERN_VIRUS_ENCRYPTED, NULL);
    if (blocks.volume)
        postern_opening_note(opening, POSTERN_VIRUS_UNKNOWN_CONTAINER, "one of several volumes");
    guint files = postern_archive_open(opening, &kind, start);
    if (!opening->problem && (!blocks.whole || files != checksums->len))
        postern_opening_note(opening, POSTERN_VIRUS_UNKNOWN_CONTAINER, "it cannot be read as a whole");
}
