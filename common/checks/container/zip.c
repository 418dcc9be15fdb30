#include "checks/container/zip.h"

#include <string.h>
#include <zlib.h>

#include "checks/container/zip_entry.h"

#define END_MARK 0x06054b50
#define END_OCTETS 22
#define END_ALL_MAX_OCTETS (END_OCTETS + G_MAXUINT16) /* with its comment */
#define LOCATOR_MARK 0x07064b50
#define LOCATOR_OCTETS 20
#define END64_MARK 0x06064b50
#define END64_OCTETS 56
#define SIGNATURE_MARK 0x05054b50
#define EXTRA_DATA_MARK 0x08064b50 /* of an encrypted directory */
#define DESCRIPTOR_MARK 0x08074b50
#define SPANNED_MARK                                                                                         \
    0x30304b50 /* of one that was made for several disks, and fits on one (APPNOTE 8.5.4)                    \
                */
#define VERSION_MAX 63
#define BLANK_MAX_OCTETS 4096 /* behind the end */

typedef struct {
    gsize start, end;
} Place;

typedef struct {
    PosternOpening *opening;
    const guint8 *octets;
    gsize length;
    gsize end;         /* of the archive: where its end record begins, or that of zip64 */
    guint64 count;     /* of entries, by the end record */
    guint64 directory; /* where it is, and its octets, likewise */
    guint64 directory_size;
    gsize shift;    /* what every place is short of: octets stand in front of the archive */
    GArray *places; /* of Place: what entries of the directory take up */
    gboolean loose; /* nothing is in doubt: it is a guess, and cut */
    gboolean rest_taken;
} Zip;

static const char local_mark[] = {'P', 'K', 3, 4};

static void doubt(Zip *zip, const char *text)
{
    if (!zip->loose)
        postern_opening_note(zip->opening, POSTERN_VIRUS_AMBIGUOUS, text);
}

static gboolean has_mark(const guint8 *octets, gsize length, gsize place, guint32 mark)
{
    return place <= length && length - place >= 4 && postern_octets_32(octets + place) == mark;
}

/* The last end record; *ret_doubtful: it is not the only one there could be. FALSE: there is none. */
static gboolean find_end(const guint8 *octets, gsize length, gsize *ret_place, gboolean *ret_doubtful)
{
    gsize furthest = MIN(length, END_ALL_MAX_OCTETS + BLANK_MAX_OCTETS);
    gboolean found = FALSE;
    *ret_doubtful = FALSE;
    const guint8 *start = octets + length - furthest,
                 *at = length >= END_OCTETS ? octets + length - END_OCTETS + 1 : start;
    while (at > start && (at = memrchr(start, 'P', (gsize)(at - start))) != NULL) {
        gsize place = (gsize)(at - octets);
        if (!has_mark(octets, length, place, END_MARK))
            continue;
        gsize end = place + END_OCTETS + postern_octets_16(octets + place + 20);
        if (!found) {
            *ret_place = place;
            *ret_doubtful = end > length || !postern_octets_are_blank(octets + end, length - end);
            found = TRUE;
        } else if (end >= *ret_place + END_OCTETS) {
            *ret_doubtful = TRUE; /* one is the comment of the other */
        }
    }
    return found;
}

/* A directory is where the end record has it, or directly before it. */
static gboolean has_directory(const guint8 *octets, gsize length, gsize end)
{
    guint64 size = postern_octets_32(octets + end + 12), place = postern_octets_32(octets + end + 16);
    return (size <= end && has_mark(octets, length, (gsize)(end - size), POSTERN_ZIP_CENTRAL_MARK)) ||
           (place <= end && has_mark(octets, length, (gsize)place, POSTERN_ZIP_CENTRAL_MARK)) ||
           (end >= LOCATOR_OCTETS && has_mark(octets, length, end - LOCATOR_OCTETS, LOCATOR_MARK));
}

gboolean postern_zip_begins(const guint8 *octets, gsize length)
{
    const guint32 first = length >= 8 ? postern_octets_32(octets) : 0;
    gboolean spanned = first == SPANNED_MARK || first == DESCRIPTOR_MARK;
    return has_mark(octets, length, 0, POSTERN_ZIP_LOCAL_MARK) || has_mark(octets, length, 0, END_MARK) ||
           (spanned && has_mark(octets, length, 4, POSTERN_ZIP_LOCAL_MARK));
}

gboolean postern_zip_ends(const guint8 *octets, gsize length)
{
    gsize end = 0;
    gboolean doubtful = FALSE;
    return find_end(octets, length, &end, &doubtful) && has_directory(octets, length, end);
}

/* Reads the end records; FALSE: there is none. */
static gboolean read_end(Zip *zip)
{
    gboolean doubtful = FALSE;
    if (!find_end(zip->octets, zip->length, &zip->end, &doubtful))
        return FALSE;
    const guint8 *end = zip->octets + zip->end;
    zip->count = postern_octets_16(end + 10);
    zip->directory_size = postern_octets_32(end + 12);
    zip->directory = postern_octets_32(end + 16);
    doubtful = doubtful || postern_octets_16(end + 4) != postern_octets_16(end + 6) ||
               postern_octets_16(end + 8) != zip->count;
    guint disk = postern_octets_16(end + 4);
    doubtful = doubtful || (disk != 0 && disk != G_MAXUINT16);
    if (doubtful)
        doubt(zip, "its end is not the only one, or not its last octets");
    return TRUE;
}

/* The records of zip64 (APPNOTE 4.3.14), which hold for each value that the end record has no room for. */
static void read_end64(Zip *zip)
{
    gboolean needed =
        zip->count == G_MAXUINT16 || zip->directory_size == G_MAXUINT32 || zip->directory == G_MAXUINT32;
    gsize locator = zip->end - MIN(zip->end, LOCATOR_OCTETS);
    if (!has_mark(zip->octets, zip->end, locator, LOCATOR_MARK)) {
        if (needed && (zip->directory_size == G_MAXUINT32 || zip->directory == G_MAXUINT32))
            doubt(zip, "the end of zip64 is not there");
        return;
    }
    /* It stands before its locator, wherever that says. */
    guint64 said = postern_octets_64(zip->octets + locator + 8);
    gsize place = locator - MIN(locator, END64_OCTETS);
    if (said < place && has_mark(zip->octets, zip->length, (gsize)said, END64_MARK))
        place = (gsize)said;
    if (locator < END64_OCTETS || !has_mark(zip->octets, zip->length, place, END64_MARK) ||
        postern_octets_64(zip->octets + place + 4) != locator - place - 12) {
        doubt(zip, "the end of zip64 is not where it should be");
        return;
    }
    const guint8 *end = zip->octets + place;
    guint64 count = postern_octets_64(end + 32), size = postern_octets_64(end + 40),
            directory = postern_octets_64(end + 48);
    if ((zip->count != G_MAXUINT16 && zip->count != count) ||
        (zip->directory_size != G_MAXUINT32 && zip->directory_size != size) ||
        (zip->directory != G_MAXUINT32 && zip->directory != directory) ||
        postern_octets_32(end + 16) != postern_octets_32(end + 20) || postern_octets_64(end + 24) != count)
        doubt(zip, "its two ends say different things");
    zip->count = count;
    zip->directory_size = size;
    zip->directory = directory;
    zip->end = place;
}

/* Sets where the directory is, in these octets. FALSE: nowhere. */
static gboolean find_directory(Zip *zip)
{
    guint64 said = zip->directory;
    gboolean there =
        said < zip->end && has_mark(zip->octets, zip->end, (gsize)said, POSTERN_ZIP_CENTRAL_MARK);
    if (zip->directory_size > zip->end) {
        doubt(zip, "its directory is larger than it");
        return there;
    }
    guint64 before_end = zip->end - zip->directory_size;
    gboolean empty = zip->count == 0 && zip->directory_size == 0;
    gboolean there_too =
        empty || has_mark(zip->octets, zip->end, (gsize)before_end, POSTERN_ZIP_CENTRAL_MARK);
    if ((said != before_end && there) || said > before_end || !there_too)
        doubt(zip, "its directory is not where it should be");
    if (!there_too)
        return there;
    if (said < before_end)
        zip->shift = (gsize)(before_end - said);
    zip->directory = before_end;
    return TRUE;
}

/* Sizes and checksum behind the data (APPNOTE 4.3.9), with a mark or without; its octets, 0: there are none
 * that say the same as entry. */
static gsize descriptor_octets(const Zip *zip, const PosternZipEntry *entry, gsize place)
{
    const guint8 *at = zip->octets + place;
    gsize room = zip->end - place;
    gsize mark = has_mark(zip->octets, zip->end, place, DESCRIPTOR_MARK) ? 4 : 0;
    if (room >= mark + 20 && postern_octets_32(at + mark) == entry->checksum &&
        postern_octets_64(at + mark + 4) == entry->packed && postern_octets_64(at + mark + 12) == entry->size)
        return mark + 20;
    if (room >= mark + 12 && postern_octets_32(at + mark) == entry->checksum &&
        postern_octets_32(at + mark + 4) == entry->packed && postern_octets_32(at + mark + 8) == entry->size)
        return mark + 12;
    return 0;
}

static gboolean is_ascii(const guint8 *octets, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (octets[i] >= 0x80)
            return FALSE;
    return TRUE;
}

/* What a local header says of its data, or leaves to be said behind them. */
static gboolean agrees(guint64 local, guint64 central, gboolean later)
{
    return local == central || (later && local == 0);
}

static gboolean headers_agree(const PosternZipEntry *central, const PosternZipEntry *local)
{
    guint different = central->flags ^ local->flags;
    gboolean later = (local->flags & POSTERN_ZIP_DESCRIPTOR) != 0;
    if ((different & POSTERN_ZIP_UTF8) != 0 && !is_ascii(local->name, local->name_length))
        return FALSE;
    return (different & (POSTERN_ZIP_ENCRYPTED | POSTERN_ZIP_DESCRIPTOR | POSTERN_ZIP_STRONG |
                         POSTERN_ZIP_MASKED)) == 0 &&
           central->method == local->method && central->name_length == local->name_length &&
           memcmp(central->name, local->name, local->name_length) == 0 &&
           agrees(local->checksum, central->checksum, later) &&
           agrees(local->packed, central->packed, later) && agrees(local->size, central->size, later) &&
           !central->damaged && !local->damaged;
}

/* An OpenDocument keeps in its manifest how its other members are encrypted (ODF 1.2 part 3, 4.8.1). */
static gboolean is_encrypted_document(const PosternZipEntry *entry, GBytes *octets)
{
    static const char manifest[] = "META-INF/manifest.xml";
    static const char word[] = "encryption-data";
    gsize length = 0;
    const void *data = octets != NULL ? g_bytes_get_data(octets, &length) : NULL;
    return length > 0 && entry->name_length == strlen(manifest) &&
           memcmp(entry->name, manifest, strlen(manifest)) == 0 &&
           memmem(data, length, word, strlen(word)) != NULL;
}

static void hand_on(Zip *zip, const PosternZipEntry *entry, const PosternZipEntry *local, GBytes *octets)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    postern_zip_entry_names(entry, names);
    if (local != NULL)
        postern_zip_entry_names(local, names);
    if (is_encrypted_document(entry, octets))
        postern_opening_note(zip->opening, POSTERN_VIRUS_ENCRYPTED, "an OpenDocument with a password");
    postern_opening_member(zip->opening, names, octets);
}

static gsize until_header(const Zip *zip, gsize start)
{
    const guint8 *at = memmem(zip->octets + start, zip->length - start, local_mark, sizeof local_mark);
    return at != NULL ? (gsize)(at - zip->octets) - start : zip->length - start;
}

/* A member by its local header alone, whose end is where its data end; returns where that is. */
static gsize salvage_member(Zip *zip, const PosternZipEntry *local)
{
    PosternZipEntry entry = *local;
    gsize rest = zip->length - local->end, consumed = 0;
    if (postern_zip_entry_is_encrypted(local)) {
        postern_opening_note(zip->opening, POSTERN_VIRUS_ENCRYPTED, NULL);
        hand_on(zip, local, NULL, NULL);
        return local->end;
    }
    if (entry.method != 0 || entry.packed > rest || entry.packed == 0) {
        /* Of those that are not packed but the first has all of it: the others end before the next. */
        if (entry.method == 0 && zip->rest_taken)
            rest = until_header(zip, local->end);
        zip->rest_taken = zip->rest_taken || entry.method == 0;
        entry.packed = rest;
    }
    g_autoptr(GBytes) octets = postern_zip_entry_unpack(zip->opening, &entry, local->end, &consumed);
    hand_on(zip, local, NULL, octets);
    return local->end + (entry.method == 8 || local->packed == entry.packed ? consumed : 0);
}

static gboolean is_plausible(const PosternZipEntry *local, const guint8 *header)
{
    return postern_octets_16(header + 4) % 256 <= VERSION_MAX && local->name_length > 0 &&
           local->method < 100;
}

/* Opens whatever has a local header between two places. */
static gboolean salvage(Zip *zip, gsize start, gsize end)
{
    gboolean any = FALSE;
    while (start < end && !zip->opening->over) {
        PosternZipEntry local;
        const guint8 *at = memmem(zip->octets + start, end - start, local_mark, sizeof local_mark);
        if (at == NULL)
            break;
        start = (gsize)(at - zip->octets);
        if (postern_zip_local(zip->octets, zip->length, start, &local) && is_plausible(&local, at)) {
            if (!any)
                doubt(zip, "a member is not in its directory");
            any = TRUE;
            start = salvage_member(zip, &local);
        } else {
            start += sizeof local_mark;
        }
    }
    return any;
}

static void add_place(Zip *zip, gsize start, gsize end)
{
    const Place place = {start, end};
    g_array_append_val(zip->places, place);
}

/* Unpacks what both headers agree on; returns where the member ends. */
static gsize take_data(Zip *zip, const PosternZipEntry *central, const PosternZipEntry *local)
{
    gsize end = local->end, consumed = 0;
    if (central->packed > zip->end - end) {
        doubt(zip, "a member is larger than the archive");
        (void)salvage_member(zip, local);
        return end;
    }
    g_autoptr(GBytes) octets = postern_zip_entry_unpack(zip->opening, central, end, &consumed);
    if (octets != NULL && !zip->opening->over &&
        (consumed != central->packed || g_bytes_get_size(octets) != central->size ||
         crc32_z(0, g_bytes_get_data(octets, NULL), g_bytes_get_size(octets)) != central->checksum))
        doubt(zip, "a member is not what is said of it");
    hand_on(zip, central, NULL, octets);
    end += (gsize)central->packed;
    if ((local->flags & POSTERN_ZIP_DESCRIPTOR) != 0) {
        gsize descriptor = descriptor_octets(zip, central, end);
        if (descriptor == 0)
            doubt(zip, "what follows a member does not describe it");
        end += descriptor;
    }
    return end;
}

static gboolean is_folder(const PosternZipEntry *entry)
{
    return entry->name_length > 0 && entry->name[entry->name_length - 1] == '/' && entry->size == 0 &&
           entry->packed == 0;
}

static void take_entry(Zip *zip, const PosternZipEntry *central)
{
    PosternZipEntry local;
    guint64 place = central->place + zip->shift;
    if (place < central->place || place >= zip->end ||
        !postern_zip_local(zip->octets, zip->length, (gsize)place, &local) || local.end > zip->end) {
        doubt(zip, "a member is not where its directory has it");
        hand_on(zip, central, NULL, NULL);
        return;
    }
    gboolean agree = headers_agree(central, &local);
    gboolean encrypted = postern_zip_entry_is_encrypted(central);
    gsize end = local.end;
    if (encrypted || postern_zip_entry_is_encrypted(&local)) {
        postern_opening_note(zip->opening, POSTERN_VIRUS_ENCRYPTED, NULL);
        hand_on(zip, central, &local, NULL);
    }
    if (!agree) {
        doubt(zip, "its directory and a header before a member say different things");
        (void)salvage_member(zip, &local);
    }
    if (encrypted && agree) {
        end += MIN(central->packed, zip->end - end);
        end += (local.flags & POSTERN_ZIP_DESCRIPTOR) != 0 ? descriptor_octets(zip, central, end) : 0;
    } else if (!is_folder(central)) {
        end = take_data(zip, central, &local);
    }
    add_place(zip, (gsize)place, end);
}

static int compare_places(gconstpointer a, gconstpointer b)
{
    const Place *one = a, *other = b;
    return one->start < other->start ? -1 : one->start > other->start;
}

/* A program in front of the archive unpacks it. */
static gboolean is_stub(const Zip *zip, gsize end)
{
    static const char *const stubs[] = {"MZ", "\177ELF", "#!"};
    const guint32 first = end >= 4 ? postern_octets_32(zip->octets) : 0;
    for (gsize i = 0; i < G_N_ELEMENTS(stubs); i++)
        if (end > strlen(stubs[i]) && memcmp(zip->octets, stubs[i], strlen(stubs[i])) == 0)
            return TRUE;
    return end == 4 && (first == DESCRIPTOR_MARK || first == SPANNED_MARK);
}

/* Octets between members, before the first and behind the last. */
static void judge_gap(Zip *zip, gsize start, gsize end)
{
    if (has_mark(zip->octets, zip->end, start, EXTRA_DATA_MARK))
        postern_opening_note(zip->opening, POSTERN_VIRUS_ENCRYPTED, "its directory is");
    else if (!salvage(zip, start, end) && !(start == 0 && is_stub(zip, end)))
        doubt(zip, "octets stand between its members");
}

static void judge_places(Zip *zip)
{
    gsize at = 0;
    gboolean overlap = FALSE;
    g_array_sort(zip->places, compare_places);
    for (guint i = 0; i < zip->places->len && !zip->opening->over; i++) {
        const Place *place = &g_array_index(zip->places, Place, i);
        if (place->start > at)
            judge_gap(zip, at, place->start);
        overlap = overlap || place->start < at;
        at = MAX(at, place->end);
    }
    if (overlap)
        doubt(zip, "its members overlap");
    if (at < zip->directory && !zip->opening->over)
        judge_gap(zip, at, (gsize)zip->directory);
}

static void take_directory(Zip *zip)
{
    gsize at = (gsize)zip->directory;
    guint64 count = 0;
    PosternZipEntry entry;
    while (!zip->opening->over && postern_zip_central(zip->octets, zip->end, at, &entry)) {
        take_entry(zip, &entry);
        at = entry.end;
        count++;
    }
    if (has_mark(zip->octets, zip->end, at, SIGNATURE_MARK) && zip->end - at >= 6)
        at += 6 + postern_octets_16(zip->octets + at + 4);
    if (!zip->opening->over && (count != zip->count || at != zip->end)) {
        doubt(zip, "its directory is not as long as it should be");
        (void)salvage(zip, at, zip->end);
    }
    judge_places(zip);
}

void postern_zip_open(PosternOpening *opening)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(Place));
    Zip zip = {.opening = opening, .octets = opening->octets, .length = opening->length, .places = places};
    if (read_end(&zip)) {
        read_end64(&zip);
        if (find_directory(&zip)) {
            take_directory(&zip);
            return;
        }
    }
    /* Letters in text that end somewhere are no archive that anybody opens. */
    zip.loose = opening->item->guessed;
    doubt(&zip, "it has no directory");
    (void)salvage(&zip, 0, zip.length);
}
