#include "checks/container/container.h"

#include <string.h>

#include "checks/container/archive.h"
#include "checks/container/brotli.h"
#include "checks/container/enclosed.h"
#include "checks/container/encrypted.h"
#include "checks/container/inflate.h"
#include "checks/container/rar.h"
#include "checks/container/weak_marks.h"
#include "checks/container/zip.h"

#define TAR_BLOCK_OCTETS 512
#define TAR_CHECKSUM_PLACE 148
#define TAR_CHECKSUM_OCTETS 8
#define DISK_SECTOR_OCTETS 512
#define MARK_MIN 3 /* octets of a mark that is enough for what is guessed to be a file */

/* A header of tar: the sum of its octets, their signed sum in some (POSIX pax, ustar interchange format). */
static gboolean has_tar_checksum(const guint8 *octets, gsize length)
{
    gint64 sum = 0, signed_sum = 0, said = 0;
    if (length < TAR_BLOCK_OCTETS || octets[0] == '\0')
        return FALSE;
    for (gsize i = 0; i < TAR_BLOCK_OCTETS; i++) {
        gboolean within = i - TAR_CHECKSUM_PLACE < TAR_CHECKSUM_OCTETS;
        sum += within ? ' ' : octets[i];
        signed_sum += within ? ' ' : (gint8)octets[i];
        if (within && octets[i] >= '0' && octets[i] <= '7')
            said = said * 8 + octets[i] - '0';
        else if (within && octets[i] != ' ' && octets[i] != '\0')
            return FALSE;
    }
    return said == sum || said == signed_sum;
}

static gboolean is_tar(const guint8 *octets, gsize length)
{
    return (length >= TAR_BLOCK_OCTETS && memcmp(octets + 257, "ustar", 5) == 0) ||
           has_tar_checksum(octets, length);
}

/* A block or, of one that holds nothing, its end follows the header. */
static gboolean is_bzip2(const guint8 *octets, gsize length)
{
    return length >= 10 && memcmp(octets, "BZh", 3) == 0 && octets[3] >= '1' && octets[3] <= '9' &&
           (memcmp(octets + 4, "1AY&SY", 6) == 0 || memcmp(octets + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

/* The older form of LZMA has no mark: properties (the usual ones), the size of its dictionary, a power of two
 * or half as much more, and the length of the whole, or -1. */
static gboolean is_lzma(const guint8 *octets, gsize length)
{
    guint32 dictionary = length > 13 ? postern_octets_32(octets + 1) : 0;
    guint64 whole = dictionary > 0 ? postern_octets_64(octets + 5) : 0;
    guint32 power = dictionary % 3 == 0 ? dictionary / 3 : dictionary;
    return dictionary >= 4096 && (power & (power - 1)) == 0 && octets[0] == 0x5d && octets[13] == 0 &&
           (whole == G_MAXUINT64 || whole < (guint64)1 << 40);
}

/* The old binary form, of either order: a name of the length that is told follows. */
static gboolean is_cpio(const guint8 *octets, gsize length)
{
    static const char *const marks[] = {"070701", "070702", "070707"};
    for (gsize i = 0; i < G_N_ELEMENTS(marks); i++)
        if (length > 76 && memcmp(octets, marks[i], 6) == 0)
            return TRUE;
    gboolean little = length > 26 && octets[0] == 0xc7 && octets[1] == 0x71;
    gboolean big = length > 26 && octets[0] == 0x71 && octets[1] == 0xc7;
    gsize name = little ? postern_octets_16(octets + 20) : big ? (gsize)octets[20] << 8 | octets[21] : 0;
    return name > 0 && 26 + name <= length && memchr(octets + 26, '\0', name) == octets + 26 + name - 1;
}

/* The main header is as long as it says, and has a name in it. */
static gboolean is_arj(const guint8 *octets, gsize length)
{
    guint size = length > 40 ? postern_octets_16(octets + 2) : 0;
    return size >= 30 && size <= 2600 && octets[0] == 0x60 && octets[1] == 0xea && octets[4] >= 30 &&
           octets[4] <= size && octets[10] == 2;
}

/* "-lh5-" and its like; the header is as long as its name and some more. */
static gboolean is_lha(const guint8 *octets, gsize length)
{
    return length > 24 && octets[2] == '-' && octets[3] == 'l' && (octets[4] == 'h' || octets[4] == 'z') &&
           g_ascii_isalnum(octets[5]) && octets[6] == '-' && octets[20] <= 3;
}

/* UDF is told by one of the descriptors behind the first sixteen sectors (ECMA-167 part 2, 9.1). */
static gboolean is_udf(const guint8 *octets, gsize length)
{
    for (gsize sector = 16; sector < 32 && (sector + 1) * 2048 <= length; sector++)
        if (memcmp(octets + sector * 2048 + 1, "NSR0", 4) == 0)
            return TRUE;
    return FALSE;
}

/* One of fixed size has its mark at its end. */
static gboolean is_virtual_disk(const guint8 *octets, gsize length)
{
    return length > 512 &&
           (memcmp(octets, "conectix", 8) == 0 || memcmp(octets + length - 512, "conectix", 8) == 0);
}

/* The first sector of a disk, or of a file system of DOS or Windows, which says how many octets a sector has.
 */
static gboolean is_disk(const guint8 *octets, gsize length)
{
    if (length <= DISK_SECTOR_OCTETS || octets[510] != 0x55 || octets[511] != 0xaa)
        return FALSE;
    guint sector = postern_octets_16(octets + 11);
    if (((octets[0] == 0xeb && octets[2] == 0x90) || octets[0] == 0xe9) &&
        (sector == 512 || sector == 1024 || sector == 2048 || sector == 4096))
        return TRUE;
    gboolean any = FALSE;
    for (gsize entry = 446; entry < 510; entry += 16) {
        if ((octets[entry] & 0x7f) != 0)
            return FALSE;
        any = any || (octets[entry + 4] != 0 && postern_octets_32(octets + entry + 12) != 0);
    }
    return any;
}

/* One of Linux: its mark, and how large its blocks are. */
static gboolean is_ext(const guint8 *octets, gsize length)
{
    return length > 2048 && postern_octets_16(octets + 1080) == 0xef53 &&
           postern_octets_32(octets + 1048) <= 6;
}

static gboolean is_apple_image(const guint8 *octets, gsize length)
{
    return length > DISK_SECTOR_OCTETS &&
           memcmp(octets + length - DISK_SECTOR_OCTETS, "koly\0\0\0\4", 8) == 0;
}

/* A map of partitions: its own block, and the first that it tells of. */
static gboolean is_apple_disk(const guint8 *octets, gsize length)
{
    return length > 2 * (gsize)DISK_SECTOR_OCTETS && memcmp(octets, "ER", 2) == 0 &&
           memcmp(octets + DISK_SECTOR_OCTETS, "PM\0\0", 4) == 0;
}

/* An image of Nero ends in where its description begins. */
static gboolean is_nero(const guint8 *octets, gsize length)
{
    return length > 12 &&
           (memcmp(octets + length - 12, "NER5", 4) == 0 || memcmp(octets + length - 8, "NERO", 4) == 0);
}

static void note_encrypted(PosternOpening *opening)
{
    postern_opening_note(opening, POSTERN_VIRUS_ENCRYPTED, NULL);
}

/* A frame that is passed over, which may come before one of zstd or LZ4. */
static gboolean is_skippable(const guint8 *octets, gsize length)
{
    return length > 8 && (octets[0] & 0xf0) == 0x50 && memcmp(octets + 1, "\x2a\x4d\x18", 3) == 0;
}

#define TROUBLE .failure = POSTERN_VIRUS_AMBIGUOUS
#define PACKED(name)                                                                                         \
    {                                                                                                        \
        .filter = archive_read_support_filter_##name, .whole = TRUE, TROUBLE                                 \
    }
#define ARCHIVE(name)                                                                                        \
    {                                                                                                        \
        .format = archive_read_support_format_##name, TROUBLE                                                \
    }

/* One kind of container, known by a mark at its place, or by is. Without format, filter and open it is one
 * that nothing here opens. */
typedef struct {
    const char *what;
    gsize place;
    const char *mark;
    guint mark_octets;
    gboolean (*is)(const guint8 *octets, gsize length);
    void (*open)(PosternOpening *opening);
    PosternArchiveKind archive;
} Kind;

static void open_rar(PosternOpening *opening)
{
    postern_rar_open(opening, 0);
}

/* The header of a 7z archive says where its directory, the last of it, ends. */
static void open_7z_at(PosternOpening *opening, gsize start)
{
    static const PosternArchiveKind kind = ARCHIVE(7zip);
    const guint8 *header = opening->octets + start;
    gsize length = opening->length - start;
    guint64 place = length >= 32 ? postern_octets_64(header + 12) : 0;
    guint64 size = length >= 32 ? postern_octets_64(header + 20) : 0;
    if (length < 32 || place > length - 32 || size > length - 32 - place)
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it is cut or damaged");
    else if (!postern_octets_are_blank(header + 32 + place + size, (gsize)(length - 32 - place - size)))
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "octets stand behind its end");
    (void)postern_archive_open(opening, &kind, start);
}

static void open_7z(PosternOpening *opening)
{
    open_7z_at(opening, 0);
}

/* Its header says how long it is; behind that a signature may stand, which its reserved area tells of. */
static void open_cabinet(PosternOpening *opening)
{
    static const PosternArchiveKind kind = ARCHIVE(cab);
    const guint8 *octets = opening->octets;
    gsize length = opening->length;
    guint32 told = length >= 36 ? postern_octets_32(octets + 8) : 0;
    gboolean reserved = length >= 36 && (postern_octets_16(octets + 30) & 4) != 0;
    if (told > length)
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it is cut or damaged");
    else if (!reserved && !postern_octets_are_blank(octets + told, length - told))
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "octets stand behind its end");
    (void)postern_archive_open(opening, &kind, 0);
}

static const Kind kinds[] = {
    {"a gzip file", .is = postern_gzip_is, .open = postern_gzip_open},
    {"a bzip2 file", .is = is_bzip2, .archive = PACKED(bzip2)},
    {"an xz file", 0, "\3757zXZ", 6, .archive = PACKED(xz)},
    {"an lzma file", .is = is_lzma, .archive = PACKED(lzma)},
    {"an lzip file", 0, "LZIP", 4, .archive = PACKED(lzip)},
    {"a zstd file", 0, "\x28\xb5\x2f\xfd", 4, .archive = PACKED(zstd)},
    {"an LZ4 file", 0, "\x04\x22\x4d\x18", 4, .archive = PACKED(lz4)},
    {"an LZ4 file", 0, "\x02\x21\x4c\x18", 4, .archive = PACKED(lz4)},
    {"a zstd file", .is = is_skippable, .archive = PACKED(zstd)},
    {"a file of compress", .is = postern_compress_is, .archive = PACKED(compress)},
    {"an RPM package", 0, "\xed\xab\xee\xdb", 4, .archive = PACKED(rpm)},
    {"a tar archive", .is = is_tar,
     .archive = {.format = archive_read_support_format_tar, .whole = TRUE, TROUBLE}},
    {"a 7z archive", 0, "7z\xbc\xaf\x27\x1c", 6, .open = open_7z},
    {"an ar archive", 0, "!<arch>\n", 8,
     .archive = {.format = archive_read_support_format_ar, .whole = TRUE, TROUBLE}},
    {"a cpio archive", .is = is_cpio,
     .archive = {.format = archive_read_support_format_cpio, .whole = TRUE, TROUBLE}},
    {"a xar archive", 0, "xar!", 4, .archive = ARCHIVE(xar)},
    {"an ISO 9660 image", 32769, "CD001", 5,
     .archive = {.format = archive_read_support_format_iso9660, .several = TRUE, TROUBLE}},
    {"a cabinet", 0, "MSCF\0\0\0", 8, .open = open_cabinet},
    {"an LHA archive", .is = is_lha,
     .archive = {.format = archive_read_support_format_lha, .whole = TRUE, TROUBLE}},
    {"a RAR archive", .is = postern_rar_begins, .open = open_rar},
    {"an office document", 0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, .open = postern_ole2_open},
    {"an ARJ archive", .is = is_arj, .open = postern_arj_open},
    {"a file of TNEF", 0, "\x78\x9f\x3e\x22", 4, .open = postern_tnef_open},
    {"signed data", .is = postern_signed_is, .open = postern_signed_open},
    {"a file of AppleSingle", 0, "\0\5\x16\0\0", 5, .open = postern_apple_open},
    {"a file of AppleDouble", 0, "\0\5\x16\7\0", 5, .open = postern_apple_open},
    {"a file of MacBinary", .is = postern_macbinary_is, .open = postern_macbinary_open},
    {"rich text", 0, "{\\rt", 4, .open = postern_rtf_open},
    {"an object of OLE", 0, "\1\5\0\0\2\0\0\0", 8, .open = postern_ole1_open},
    {"compressed data", .is = postern_compressed_is, .open = postern_compressed_open},
    {"a file of ActiveMime", 0, "ActiveMime", 10, .open = postern_active_mime_open},
    {"a message of OpenPGP", .is = postern_openpgp_is, .open = postern_openpgp_open},
    {"a file of OpenSSL", 0, "Salted__", 8, .open = note_encrypted},
    {"a file of age", 0, "age-encryption.org/", 19, .open = note_encrypted},
    {"an image of a disk", 0, "LUKS\xba\xbe", 6, .open = note_encrypted},
    {"an image of a disk", .is = is_disk},
    {"an image of a disk", 512, "EFI PART", 8},
    {"an image of a disk", .is = is_apple_image},
    {"a file system", 3, "EXFAT   ", 8},
    {"a file system", 32, "NXSB", 4},
    {"a file system", 1024, "H+\0\4", 4},
    {"a file system", 1024, "HX\0\5", 4},
    {"a file system", .is = is_ext},
    {"a file system", 0, "XFSB", 4},
    {"a file system", 65600, "_BHRfS_M", 8},
    {"a file system", 0, "-rom1fs-", 8},
    {"a file system", 0, "UBI#\1\0\0\0", 8},
    {"a file system", 0, "\x45\x3d\xcd\x28", 4},
    {"an image of a disk", .is = is_apple_disk},
    {"an image of a disc", 0, "\0\377\377\377\377\377\377\377\377\377\377\0", 12},
    {"an image of a disc", .is = is_nero},
    {"an image of a disc", 0, "CISO", 4},
    {"an image of a disc", 0, "DAA\0\0\0\0\0", 8},
    {"a mailbox of Outlook", 0, "!BDN", 4},
    {"a mailbox of Outlook Express", 0, "\xcf\xad\x12\xfe", 4},
    {"a file of compress, LZH", 0, "\x1f\xa0", 2},
    {"a file of freeze", 0, "\x1f\x9f", 2},
    {"a file of freeze", 0, "\x1f\x9e", 2},
    {"a file of pack", .is = postern_pack_is},
    {"a file of lzop", 0, "\x89LZO\0\r\n\x1a\n", 9},
    {"a file of lrzip", 0, "LRZI", 4},
    {"a file of rzip", 0, "RZIP", 4},
    {"a file of Microsoft compress", 0, "KWAJ\x88\xf0\x27\xd1", 8},
    {"a Windows image", 0, "MSWIM\0\0\0", 8},
    {"a virtual disk", 0, "vhdxfile", 8},
    {"a virtual disk", .is = is_virtual_disk},
    {"a UDF image", .is = is_udf},
    {"a virtual disk", 0, "KDMV", 4},
    {"a virtual disk", 0, "QFI\xfb", 4},
    {"a virtual disk", 64, "\x7f\x10\xda\xbe", 4},
    {"a virtual disk", 0, "WithoutFreeSpace", 16},
    {"a virtual disk", 0, "WithouFreSpacExt", 16},
    {"a file system", 0, "hsqs", 4},
    {"a file system", 0, "sqsh", 4},
    {"an archive of ALZip", 0, "ALZ\1", 4},
    {"an archive of zpaq", 0, "zPQ\1\1", 5},
    {"an archive of zpaq", 0, "zPQ\2\1", 5},
    {"an archive of zpaq", 0, "7kSt\xa0\x31\x83\xd3\x8c\xb2\x28\xb0\xd3", 13},
    {"an archive of StuffIt", 0, "SIT!", 4},
    {"an archive of StuffIt", 0, "StuffIt (c)", 11},
    {"an archive of StuffIt", 0, "StuffIt!", 8},
    {"a file of Snappy", 0, "\xff\6\0\0sNaPpY", 10},
    {"a file of LZFSE", 0, "bvx2", 4},
    {"a package of Apple", 0, "pbzx", 4},
    {"an archive of FreeArc", 0, "ArC\1", 4},
    {"an ACE archive", 7, "**ACE**", 7},
    {"a ZOO archive", 20, "\xdc\xa7\xc4\xfd", 4},
    {"a SQX archive", 7, "-sqx-", 5},
};

static gboolean is_kind(const Kind *kind, const guint8 *octets, gsize length)
{
    if (kind->is != NULL)
        return kind->is(octets, length);
    return length > kind->place && length - kind->place > kind->mark_octets &&
           memcmp(octets + kind->place, kind->mark, kind->mark_octets) == 0;
}

static void open_kind(PosternOpening *opening, const Kind *kind)
{
    opening->what = kind->what;
    if (kind->open != NULL)
        kind->open(opening);
    else if (kind->archive.format != NULL || kind->archive.filter != NULL)
        (void)postern_archive_open(opening, &kind->archive, 0);
    else
        postern_opening_note(opening, POSTERN_VIRUS_UNKNOWN_CONTAINER, NULL);
}

/* Whether what follows the mark of a 7z archive has the checksum that it should. */
static gboolean is_7z_header(const guint8 *octets, gsize length)
{
    return length >= 32 && crc32_z(0, octets + 12, 20) == postern_octets_32(octets + 8);
}

/* A program that unpacks itself has its archive behind it; it knows the mark of one, too. Programs for
 * archives look for that mark in the first of any file. */
static const struct {
    const char *mark;
    const char *what;
    gboolean (*is)(const guint8 *octets, gsize length);
    void (*open)(PosternOpening *opening, gsize start);
} behind_programs[] = {
    {"7z\xbc\xaf\x27\x1c", "a 7z archive", is_7z_header, open_7z_at},
    {"Rar!\x1a\x07", "a RAR archive", postern_rar_begins_whole, postern_rar_open},
};

static gboolean is_program(const guint8 *octets, gsize length)
{
    return length > 64 && (memcmp(octets, "MZ", 2) == 0 || memcmp(octets, "\177ELF", 4) == 0);
}

#define MARK_PLACE_MAX (1024 * 1024) /* in what is no program */

static gboolean open_behind_program(PosternOpening *opening, gsize last_place)
{
    const guint8 *octets = opening->octets;
    gsize length = opening->length, mark = strlen("Rar!\x1a\x07");
    gboolean any = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(behind_programs) && !opening->over; i++) {
        const guint8 *place = octets;
        while ((place = memmem(place, length - (gsize)(place - octets), behind_programs[i].mark, mark)) !=
                   NULL &&
               !behind_programs[i].is(place, length - (gsize)(place - octets)))
            place++;
        if (place == NULL || (gsize)(place - octets) > last_place)
            continue;
        opening->what = behind_programs[i].what;
        behind_programs[i].open(opening, (gsize)(place - octets));
        any = TRUE;
    }
    return any;
}

/* What has no mark is known by what it is called, if it is nothing else. */
static const struct {
    const char *ending;
    Kind kind;
} called[] = {
    {".tar",
     {"a tar archive", .archive = {.format = archive_read_support_format_tar, .whole = TRUE, TROUBLE}}},
    {".lzma", {"an lzma file", .archive = PACKED(lzma)}},
};

static gboolean is_called(const PosternItem *item, const char *ending)
{
    for (const char *const *name = item->names; *name != NULL; name++) {
        gsize length = strlen(*name), octets = strlen(ending);
        if (length > octets && g_ascii_strcasecmp(*name + length - octets, ending) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean open_by_name(PosternOpening *opening)
{
    if (postern_brotli_is_declared(opening->item)) {
        opening->what = "a Brotli file";
        if (postern_brotli_open(opening))
            return TRUE;
    }
    if (is_called(opening->item, ".gpg") || is_called(opening->item, ".pgp")) {
        opening->what = "a message of OpenPGP";
        if (postern_openpgp_packets_open(opening))
            return TRUE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(called); i++) {
        if (!is_called(opening->item, called[i].ending) ||
            postern_octets_are_blank(opening->octets, opening->length))
            continue;
        open_kind(opening, &called[i].kind);
        return TRUE;
    }
    return FALSE;
}

/* Scripts unpack what they hold; what does not unpack is no such stream. */
static gboolean open_of_script(PosternOpening *opening)
{
    opening->what = "a stream of zlib";
    return postern_zlib_open(opening, opening->octets, opening->length);
}

/* Octets may be of several kinds at once; each reading is one that some program has. */
static gboolean open_all(PosternOpening *opening)
{
    gboolean any = FALSE, accounted = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds) && !opening->over; i++) {
        gboolean unsure = opening->item->guessed && kinds[i].is == NULL && kinds[i].mark_octets < MARK_MIN;
        if (unsure || !is_kind(&kinds[i], opening->octets, opening->length))
            continue;
        open_kind(opening, &kinds[i]);
        accounted = accounted || kinds[i].archive.whole || kinds[i].open == postern_gzip_open;
        any = TRUE;
    }
    gboolean program = is_program(opening->octets, opening->length);
    if ((program || !any) && !opening->over)
        any = open_behind_program(opening, program ? opening->length : MARK_PLACE_MAX) || any;
    if (!opening->over && (postern_zip_begins(opening->octets, opening->length) ||
                           (!accounted && postern_zip_ends(opening->octets, opening->length)))) {
        opening->what = "a zip archive";
        postern_zip_open(opening);
        any = TRUE;
    }
    if (!any && !opening->over && opening->item->guessed)
        any = open_of_script(opening);
    return any || (!opening->over && open_by_name(opening));
}

gboolean postern_container_is(const guint8 *octets, gsize length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (is_kind(&kinds[i], octets, length))
            return TRUE;
    return postern_zip_begins(octets, length) || postern_zip_ends(octets, length);
}

PosternContainerResult postern_container_open(const PosternItem *item, PosternItemBudget *budget,
                                              const PosternItemVisitor *visitor)
{
    PosternOpening opening = {.item = item, .budget = budget, .visitor = visitor, .what = "a container"};
    opening.octets = g_bytes_get_data(item->octets, &opening.length);
    if (opening.length == 0 || !open_all(&opening))
        return POSTERN_CONTAINER_NONE;
    return opening.problem ? POSTERN_CONTAINER_PROBLEM : POSTERN_CONTAINER_OPENED;
}
