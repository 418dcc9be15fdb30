#include "checks/virus/container.h"

#include <string.h>

static const char zip_mark[] = {'P', 'K', 3, 4};
#define ZIP_HEADER_OCTETS 30
#define ZIP_END_OCTETS 22
#define ZIP_VERSION_MAX 63
#define ZIP_NAME_MAX_OCTETS 4096

static guint number_at(const char *octets)
{
    return (guint)(guchar)octets[0] | (guint)(guchar)octets[1] << 8;
}

static guint32 long_at(const char *octets)
{
    return number_at(octets) | (guint32)number_at(octets + 2) << 16;
}

/* Methods of APPNOTE 4.4.5 that libclamav unpacks; what is packed otherwise it passes over in silence. */
static gboolean is_unpacked(guint method)
{
    static const guint known[] = {0, 6, 8, 9, 12};
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (known[i] == method)
            return TRUE;
    return FALSE;
}

/* A local header of a zip (APPNOTE 4.3.7), and not four octets that happen to look like one. */
static gboolean is_local_header(const char *octets, gsize length)
{
    return length >= ZIP_HEADER_OCTETS && number_at(octets + 4) % 256 <= ZIP_VERSION_MAX &&
           number_at(octets + 26) > 0 && number_at(octets + 26) <= ZIP_NAME_MAX_OCTETS;
}

/* The packed size of a zip64 is elsewhere (APPNOTE 4.5.3); libclamav takes what stands here for it. */
static gboolean is_unknown_packing(const char *header)
{
    return !is_unpacked(number_at(header + 8)) || long_at(header + 18) == G_MAXUINT32;
}

static gboolean holds_unknown_packing(const char *octets, gsize length)
{
    const char *end = octets + length;
    const char *at = octets;
    if (length < ZIP_HEADER_OCTETS || memcmp(octets, zip_mark, sizeof zip_mark) != 0)
        return FALSE;
    while ((at = memmem(at, (gsize)(end - at), zip_mark, sizeof zip_mark)) != NULL) {
        if (is_local_header(at, (gsize)(end - at)) && is_unknown_packing(at))
            return TRUE;
        at += sizeof zip_mark;
    }
    return FALSE;
}

/* The last end record (APPNOTE 4.3.16), behind which only its comment stands; or NULL. */
static const char *end_record(const char *octets, gsize length)
{
    static const char mark[] = {'P', 'K', 5, 6};
    gsize furthest = ZIP_END_OCTETS + G_MAXUINT16;
    for (gsize back = ZIP_END_OCTETS; back <= MIN(length, furthest); back++)
        if (memcmp(octets + length - back, mark, sizeof mark) == 0)
            return octets + length - back;
    return NULL;
}

/* Without a directory (APPNOTE 4.3.12) at its place other programs still unpack it; libclamav does not. */
static const char *zip_directory_problem(const char *octets, gsize length)
{
    static const char mark[] = {'P', 'K', 1, 2};
    if (length < ZIP_HEADER_OCTETS || memcmp(octets, zip_mark, sizeof zip_mark) != 0)
        return NULL;
    const char *end = end_record(octets, length);
    if (end == NULL)
        return "a zip archive without its directory";
    guint32 place = long_at(end + 16);
    gsize room = (gsize)(end - octets);
    if (place == G_MAXUINT32)
        return NULL; /* zip64 */
    if (number_at(end + 10) == 0)
        return "a zip archive whose directory is empty";
    if (room < sizeof mark || place > room - sizeof mark || memcmp(octets + place, mark, sizeof mark) != 0)
        return "a zip archive whose directory is not at its place";
    return NULL;
}

/* By their first octets: libclamav has no parser for them. */
static const struct {
    const char *mark;
    guint length;
    const char *what;
} unknown[] = {
    {"\x1f\x9d", 2, "a file packed by compress (.Z)"},
    {"\x1f\xa0", 2, "a file packed by compress, LZH (.z)"},
    {"LZIP", 4, "a file packed by lzip"},
    {"\x28\xb5\x2f\xfd", 4, "a file packed by zstd"},
    {"\x04\x22\x4d\x18", 4, "a file packed by LZ4"},
    {"\x89LZO\0\r\n\x1a\n", 9, "a file packed by lzop"},
    {"!<arch>\n", 8, "an archive of ar, such as a Debian package"},
    {"MSWIM\0\0\0", 8, "a Windows image (WIM)"},
    {"ZPAQ", 4, "an archive of zpaq"},
    {"SIT!", 4, "an archive of StuffIt"},
    {"StuffIt (c)", 11, "an archive of StuffIt"},
    {"xar!", 4, NULL}, /* which libclamav opens */
};

static const char *unknown_by_mark(const char *octets, gsize length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(unknown); i++)
        if (length > unknown[i].length && memcmp(octets, unknown[i].mark, unknown[i].length) == 0)
            return unknown[i].what;
    return NULL;
}

/* libclamav unpacks the first stream of bzip2 alone; pbzip2 makes one of each 900 kB. */
static gboolean is_bzip2_of_streams(const char *octets, gsize length)
{
    static const char block[] = "1AY&SY";
    const gsize mark = strlen("BZh9");
    if (length < 2 * mark || memcmp(octets, "BZh", 3) != 0)
        return FALSE;
    const char *end = octets + length;
    for (const char *at = octets + 2 * mark;
         (at = memmem(at, (gsize)(end - at), block, strlen(block))) != NULL; at++)
        if (memcmp(at - mark, "BZh", 3) == 0)
            return TRUE;
    return FALSE;
}

/* The older form of LZMA has no mark: properties as all packers write them, the size of its dictionary a
 * power of two, and the length of the whole, or -1 (lzma_alone). */
static gboolean is_lzma_alone(const char *octets, gsize length)
{
    static const char unknown_length[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
    guint32 dictionary = length > 13 ? long_at(octets + 1) : 0;
    return dictionary >= 4096 && (dictionary & (dictionary - 1)) == 0 && octets[0] == 0x5d &&
           (memcmp(octets + 5, unknown_length, 8) == 0 || memcmp(octets + 9, "\0\0\0\0", 4) == 0) &&
           octets[13] == 0;
}

static gboolean holds(const char *octets, gsize length, const char *text, gsize size)
{
    return memmem(octets, length, text, size) != NULL;
}

/* An office document: one of OOXML that is encrypted stands as a stream of that name in OLE2 (MS-OFFCRYPTO
 * 2.3.4); of an older one the record FILEPASS follows the first, BOF (MS-XLS 2.4.117). */
static gboolean is_encrypted_document(const char *octets, gsize length)
{
    static const char ole2[] = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
    static const char package[] = "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e";
    static const char bof[] = "\x09\x08\x10\x00\x00\x06\x05\x00";
    const char *end = octets + length;
    if (length < 512 || memcmp(octets, ole2, 8) != 0)
        return FALSE;
    if (holds(octets, length, package, sizeof package))
        return TRUE;
    for (const char *at = octets; (at = memmem(at, (gsize)(end - at), bof, 8)) != NULL; at += 8)
        if (end - at >= 24 && number_at(at + 20) == 0x2f)
            return TRUE;
    return FALSE;
}

/* ARJ: its headers begin with 60 EA and their size; the lowest flag says that a file is garbled. */
static gboolean is_encrypted_arj(const char *octets, gsize length)
{
    for (gsize at = 0; at + 12 <= length && number_at(octets + at) == 0xea60;) {
        guint size = number_at(octets + at + 2);
        if (size < 30 || at + 4 + size + 6 > length)
            return FALSE;
        if ((octets[at + 8] & 1) != 0)
            return TRUE;
        guint64 packed = at == 0 ? 0 : long_at(octets + at + 16);
        at += 4 + size + 4;
        for (guint extended = number_at(octets + at); extended != 0; extended = number_at(octets + at)) {
            at += 2 + extended + 4;
            if (at + 2 > length)
                return FALSE;
        }
        at += 2;
        if (packed > length - MIN(at, length))
            return FALSE;
        at += packed;
    }
    return FALSE;
}

const char *postern_virus_container_problem(const char *octets, gsize length, PosternVirusKind *ret_kind)
{
    const char *what = unknown_by_mark(octets, length);
    *ret_kind = POSTERN_VIRUS_UNKNOWN_CONTAINER;
    if (what != NULL)
        return what;
    if (is_lzma_alone(octets, length))
        return "a file packed by lzma";
    if (is_bzip2_of_streams(octets, length))
        return "a bzip2 file of several streams";
    what = zip_directory_problem(octets, length);
    if (what != NULL)
        return what;
    if (holds_unknown_packing(octets, length))
        return "a zip archive whose packing libclamav does not know";
    *ret_kind = POSTERN_VIRUS_ENCRYPTED;
    if (is_encrypted_document(octets, length))
        return "an office document with a password";
    return is_encrypted_arj(octets, length) ? "an ARJ archive with a password" : NULL;
}
