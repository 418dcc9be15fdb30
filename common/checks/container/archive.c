#include "checks/container/archive.h"

#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/limits.h"

/* Of what libarchive says: the rest is about files that are cut or damaged. */
static const char *const about_methods[] = {"nsupported", "not supported", "navailable", "nknown codec"};
/* A name that is no text of its character set; it is taken as it stands. */
static const char about_names[] = "can't be converted";

static gboolean speaks_of_methods(const char *text)
{
    for (gsize i = 0; i < G_N_ELEMENTS(about_methods); i++)
        if (strstr(text, about_methods[i]) != NULL)
            return TRUE;
    return FALSE;
}

/* (Of an archive whose format was not found it must not be asked whether it is encrypted: libarchive
 * crashes.) */
static void note_failure(PosternOpening *opening, struct archive *archive, PosternVirusKind kind)
{
    const char *text = archive_error_string(archive);
    text = text != NULL ? text : "no reason";
    g_autofree char *whole = g_strconcat("it cannot be read as a whole (", text, ")", NULL);
    if (opening->over)
        return;
    if (archive_errno(archive) == ENOMEM)
        postern_opening_stop(opening, "it needs more memory than there is");
    else if (archive_format(archive) != 0 && archive_read_has_encrypted_entries(archive) > 0)
        postern_opening_note(opening, POSTERN_VIRUS_ENCRYPTED, NULL);
    else
        postern_opening_note(opening, speaks_of_methods(text) ? POSTERN_VIRUS_UNKNOWN_CONTAINER : kind,
                             whole);
}

/* The data of the entry at hand, as far as they can be had. *ret_broken: nothing more may be read. */
static GBytes *read_data(PosternOpening *opening, struct archive *archive, guint64 expected,
                         PosternVirusKind kind, gboolean *ret_broken)
{
    g_auto(PosternUnpacked) unpacked = {NULL};
    gsize room = 0;
    la_ssize_t count = 1;
    while (count > 0) {
        guint8 *place = postern_unpacked_room(opening, &unpacked, expected, &room);
        if (place == NULL)
            return NULL;
        count = archive_read_data(archive, place, room);
        if (count > 0)
            postern_unpacked_add(opening, &unpacked, (gsize)count);
    }
    if (count < 0)
        note_failure(opening, archive, kind);
    *ret_broken = count < ARCHIVE_WARN;
    return postern_unpacked_steal(&unpacked);
}

static void add_names(PosternOpening *opening, struct archive_entry *entry, gboolean single, GPtrArray *names)
{
    const char *name = archive_entry_pathname(entry);
    const char *other = archive_entry_pathname_utf8(entry);
    if (single) {
        postern_opening_names_inside(opening, names);
        return;
    }
    if (name != NULL)
        postern_names_add(names, name, strlen(name));
    if (other != NULL)
        postern_names_add(names, other, strlen(other));
}

/* (libarchive does not look at the checksums of RAR archives.) */
static void check_sum(PosternOpening *opening, const PosternArchiveKind *kind, guint number, GBytes *octets)
{
    if (opening->over || kind->checksums == NULL || number >= kind->checksums->len)
        return;
    guint64 told = g_array_index(kind->checksums, guint64, number);
    if (told <= G_MAXUINT32 && crc32_z(0, g_bytes_get_data(octets, NULL), g_bytes_get_size(octets)) != told)
        postern_opening_note(opening, kind->failure, "a file is not what is said of it");
}

/* Of a link and a device the name is all. FALSE: it is the last that may be read. */
static gboolean take_entry(PosternOpening *opening, struct archive *archive, struct archive_entry *entry,
                           const PosternArchiveKind *kind, guint number)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GBytes) octets = NULL;
    guint type = archive_entry_filetype(entry);
    gboolean broken = FALSE;
    add_names(opening, entry, kind->format == NULL, names);
    if (archive_entry_is_encrypted(entry) != 0)
        postern_opening_note(opening, POSTERN_VIRUS_ENCRYPTED, NULL);
    else if (type == AE_IFREG || type == 0)
        octets = read_data(opening, archive,
                           archive_entry_size_is_set(entry) ? (guint64)archive_entry_size(entry) : 0,
                           kind->failure, &broken);
    if (octets != NULL)
        check_sum(opening, kind, number, octets);
    postern_opening_member(opening, names, octets);
    return !broken;
}

/*
 * What has failed is not read on: of a broken stream libarchive would ask libbz2 for more when it passes over
 * the rest of a file, and libbz2 then writes beyond an array of its own.
 */
static guint take_entries(PosternOpening *opening, struct archive *archive, const PosternArchiveKind *kind)
{
    guint files = 0;
    gboolean going_on = TRUE;
    for (guint headers = 0; going_on && !opening->over; headers++) {
        struct archive_entry *entry = NULL;
        int status = archive_read_next_header(archive, &entry);
        if (status == ARCHIVE_EOF)
            break;
        if (headers == POSTERN_ITEMS_MAX)
            postern_opening_stop(opening, "more files than are looked into");
        const char *text = archive_error_string(archive);
        if (status != ARCHIVE_OK &&
            (status != ARCHIVE_WARN || text == NULL || strstr(text, about_names) == NULL))
            note_failure(opening, archive, kind->failure);
        going_on = status >= ARCHIVE_WARN;
        if (going_on && !opening->over && archive_entry_filetype(entry) != AE_IFDIR)
            going_on = take_entry(opening, archive, entry, kind, files++);
    }
    return files;
}

static gboolean set_up(struct archive *archive, const PosternArchiveKind *kind, const char *options)
{
    if (kind->format != NULL && kind->format(archive) != ARCHIVE_OK)
        return FALSE;
    if (kind->format == NULL && (archive_read_support_format_raw(archive) != ARCHIVE_OK ||
                                 archive_read_support_format_empty(archive) != ARCHIVE_OK))
        return FALSE;
    if (kind->filter != NULL && kind->filter(archive) != ARCHIVE_OK)
        return FALSE;
    return options == NULL || archive_read_set_options(archive, options) == ARCHIVE_OK;
}

static guint read_once(PosternOpening *opening, const PosternArchiveKind *kind, gsize start,
                       const char *options)
{
    struct archive *archive = archive_read_new();
    guint files = 0;
    if (archive == NULL || !set_up(archive, kind, options)) {
        postern_opening_note(opening, POSTERN_VIRUS_SCAN_ERROR, "libarchive cannot open its kind");
    } else if (archive_read_open_memory(archive, opening->octets + start, opening->length - start) !=
               ARCHIVE_OK) {
        note_failure(opening, archive, kind->failure);
    } else if (kind->filter != NULL && archive_filter_code(archive, 0) == ARCHIVE_FILTER_NONE) {
        postern_opening_note(opening, kind->failure, "it cannot be read");
    } else {
        files = take_entries(opening, archive, kind);
        gsize consumed = start + (gsize)archive_filter_bytes(archive, -1);
        if (kind->whole && !opening->over && !opening->problem && consumed <= opening->length &&
            !postern_octets_are_blank(opening->octets + consumed, opening->length - consumed))
            postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "octets stand behind its end");
    }
    archive_read_free(archive);
    return files;
}

guint postern_archive_open(PosternOpening *opening, const PosternArchiveKind *kind, gsize start)
{
    static const char *const readings[] = {"!joliet", "!rockridge"};
    guint files = read_once(opening, kind, start, NULL);
    for (gsize i = 0; kind->several && i < G_N_ELEMENTS(readings) && !opening->over; i++)
        (void)read_once(opening, kind, start, readings[i]);
    return files;
}

/* An archive of one member whose header is ours, and its data, as libarchive reads them. */
typedef struct {
    guint8 header[POSTERN_ZIP_LOCAL_OCTETS + 1];
    const guint8 *data;
    gsize length;
    guint blocks;
} Alone;

static la_ssize_t read_alone(struct archive *archive, void *data, const void **ret_octets)
{
    Alone *alone = data;
    switch (alone->blocks++) {
    case 0:
        *ret_octets = alone->header;
        return sizeof alone->header;
    case 1:
        *ret_octets = alone->data;
        return (la_ssize_t)alone->length;
    default:
        return 0;
    }
}

static void put(guint8 *place, guint64 value, guint octets)
{
    for (guint i = 0; i < octets; i++)
        place[i] = (guint8)(value >> (8 * i));
}

static void write_header(Alone *alone, const PosternZipEntry *entry)
{
    guint8 *header = alone->header;
    memset(header, 0, sizeof alone->header);
    put(header, POSTERN_ZIP_LOCAL_MARK, 4);
    put(header + 4, 63, 2);
    put(header + 6, entry->flags & 6, 2); /* those of the method */
    put(header + 8, entry->method, 2);
    put(header + 14, entry->checksum, 4);
    put(header + 18, entry->packed, 4);
    put(header + 22, entry->size, 4);
    put(header + 26, 1, 2);
    header[POSTERN_ZIP_LOCAL_OCTETS] = 'a';
}

GBytes *postern_archive_zip_member(PosternOpening *opening, const PosternZipEntry *entry, gsize data)
{
    Alone alone = {.data = opening->octets + data, .length = (gsize)entry->packed};
    struct archive *archive = archive_read_new();
    struct archive_entry *header = NULL;
    GBytes *octets = NULL;
    gboolean broken = FALSE;
    write_header(&alone, entry);
    if (entry->packed >= G_MAXUINT32 || entry->size >= G_MAXUINT32)
        postern_opening_stop(opening, "unpacked it is larger than what is scanned");
    else if (archive == NULL || archive_read_support_format_zip_streamable(archive) != ARCHIVE_OK)
        postern_opening_note(opening, POSTERN_VIRUS_SCAN_ERROR, "libarchive cannot open its kind");
    else if (archive_read_open(archive, &alone, NULL, read_alone, NULL) != ARCHIVE_OK ||
             archive_read_next_header(archive, &header) != ARCHIVE_OK)
        note_failure(opening, archive, POSTERN_VIRUS_AMBIGUOUS);
    else
        octets = read_data(opening, archive, entry->size, POSTERN_VIRUS_AMBIGUOUS, &broken);
    archive_read_free(archive);
    return octets;
}
