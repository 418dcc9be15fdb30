#include "checks/virus/encoded_signatures.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/signature_files.h"
#include "checks/virus/mail_octets.h"

#define SIGNED_HEADER_OCTETS 512 /* of a .cvd or .cld, before its archive */

static const char official_prefix[] = "official-";

/* Letters of base64, and what ends its lines. */
static gboolean is_letter(guint octet)
{
    return (octet < 0x80 && g_ascii_isalnum((char)octet)) || octet == '+' || octet == '/' || octet == '=' ||
           octet == '\r' || octet == '\n';
}

/* Two digits, of which '?' is any. */
static gboolean may_be_letter(char high, char low)
{
    int first = g_ascii_xdigit_value(high), second = g_ascii_xdigit_value(low);
    for (int octet = 0; octet <= G_MAXUINT8; octet++)
        if ((high == '?' || octet >> 4 == first) && (low == '?' || (octet & 15) == second) &&
            is_letter((guint)octet))
            return TRUE;
    return FALSE;
}

static gboolean is_digit(char c)
{
    return c == '?' || g_ascii_isxdigit(c);
}

/* A gap ("{10-20}") so short that what it joins stands together. */
static gboolean is_short_gap(const char *gap, const char *end)
{
    const char *last = end;
    while (last > gap && g_ascii_isdigit(last[-1]))
        last--;
    return *gap == '[' || (last < end && g_ascii_strtoull(last, NULL, 10) < POSTERN_VIRUS_BASE64_END_OCTETS);
}

/* A pattern is made of pieces, with gaps of any length between them: one that may stand within base64 is
 * enough. */
static gboolean pattern_may_match(const char *at, const char *end)
{
    gboolean letters = TRUE, any = FALSE;
    while (at < end) {
        const char *close = *at == '{'   ? memchr(at, '}', (gsize)(end - at))
                            : *at == '[' ? memchr(at, ']', (gsize)(end - at))
                            : *at == '(' ? memchr(at, ')', (gsize)(end - at))
                                         : NULL;
        if (*at == '*' || (*at == '{' && close != NULL && !is_short_gap(at, close))) {
            if (any && letters)
                return TRUE;
            letters = TRUE;
            any = FALSE;
            at = *at == '*' ? at + 1 : close + 1;
        } else if (close != NULL) {
            any = any || *at == '(';
            at = close + 1;
        } else if (*at == '!') {
            at++;
        } else if (end - at >= 2 && is_digit(at[0]) && is_digit(at[1])) {
            letters = letters && may_be_letter(at[0], at[1]);
            any = TRUE;
            at += 2;
        } else {
            return TRUE;
        }
    }
    return any && letters;
}

/* One part of a logical signature: "[offset:]octets[::modifiers]", or another kind. */
static gboolean part_may_match(const char *at, const char *end)
{
    if (memchr(at, '/', (gsize)(end - at)) != NULL)
        return TRUE; /* a regular expression */
    const char *modifiers = memmem(at, (gsize)(end - at), "::", 2);
    if (modifiers != NULL)
        end = modifiers;
    const char *offset = memrchr(at, ':', (gsize)(end - at));
    return pattern_may_match(offset != NULL ? offset + 1 : at, end);
}

/* Any file (0), mail (4), or what is not told. */
static gboolean is_of_mail(const char *target, const char *end)
{
    gsize length = (gsize)(end - target);
    return length != 1 || *target == '0' || *target == '4' || !g_ascii_isdigit(*target);
}

static gboolean logical_may_match(const char *at, const char *end)
{
    static const char mark[] = "Target:";
    for (guint field = 0; at < end; field++) {
        const char *next = memchr(at, ';', (gsize)(end - at));
        next = next != NULL ? next : end;
        const char *target = field == 1 ? memmem(at, (gsize)(next - at), mark, strlen(mark)) : NULL;
        if (target != NULL) {
            target += strlen(mark);
            const char *comma = memchr(target, ',', (gsize)(next - target));
            if (!is_of_mail(target, comma != NULL ? comma : next))
                return FALSE;
        }
        if (field > 2 && part_may_match(at, next))
            return TRUE;
        at = next + 1;
    }
    return FALSE;
}

static gboolean simple_may_match(const char *line, const char *end)
{
    const char *fields[5] = {line};
    for (guint i = 1; i < G_N_ELEMENTS(fields); i++) {
        const char *colon = memchr(fields[i - 1], ':', (gsize)(end - fields[i - 1]));
        if (colon == NULL && i < 4)
            return TRUE;
        fields[i] = colon != NULL ? colon + 1 : end + 1;
    }
    return is_of_mail(fields[1], fields[2] - 1) && pattern_may_match(fields[3], fields[4] - 1);
}

gboolean postern_encoded_signature_is(PosternSignatureForm form, const char *line, gsize length)
{
    while (length > 0 && g_ascii_isspace(line[length - 1]))
        length--;
    if (length == 0 || *line == '#')
        return FALSE;
    const char *end = line + length, *equals;
    switch (form) {
    case POSTERN_SIGNATURES_NDB:
        return simple_may_match(line, end);
    case POSTERN_SIGNATURES_LDB:
        return logical_may_match(line, end);
    default:
        equals = memchr(line, '=', length);
        return equals == NULL || pattern_may_match(equals + 1, end);
    }
}

/* What becomes of a file of signatures, by its ending; all others are of digests, of pages or programs, or
 * are not loaded. */
typedef enum {
    LINES,   /* those that may match */
    WHOLE,   /* not to be told line by line */
    BESIDE,  /* needed beside them */
    PROGRAM, /* its second line is the logical signature by which it is run */
} Use;

static const struct {
    const char *ending;
    Use use;
    PosternSignatureForm form;
} kinds[] = {
    {".ndb", LINES, POSTERN_SIGNATURES_NDB},
    {".sdb", LINES, POSTERN_SIGNATURES_NDB},
    {".ldb", LINES, POSTERN_SIGNATURES_LDB},
    {".db", LINES, POSTERN_SIGNATURES_DB},
    {".yar", WHOLE},
    {".yara", WHOLE},
    {".ign", BESIDE},
    {".ign2", BESIDE},
    {".ftm", BESIDE},
    {".cbc", PROGRAM},
};

typedef struct {
    const char *folder;
    GPtrArray *beside, *files; /* paths of what was written, in the order that they are loaded in */
    gboolean official;         /* what is collected is of a database of ClamAV's own */
    guint count;
    GError **error;
} Collection;

static gboolean write_file(Collection *collection, gsize kind, const char *octets, gsize length)
{
    GPtrArray *files = kinds[kind].use == BESIDE ? collection->beside : collection->files;
    g_autofree char *name = g_strdup_printf("%s%u%s", collection->official ? official_prefix : "", files->len,
                                            kinds[kind].ending);
    char *path = g_build_filename(collection->folder, name, NULL);
    if (length == 0) {
        g_free(path);
        return TRUE;
    }
    g_ptr_array_add(files, path);
    return g_file_set_contents(path, octets, (gssize)length, collection->error);
}

/* (libclamav writes behind the names of others that they are "UNOFFICIAL".) */
static gboolean load_files(const GPtrArray *files, struct cl_engine *library, guint *count, GError **error)
{
    for (guint i = 0; i < files->len; i++) {
        const char *path = g_ptr_array_index(files, i);
        g_autofree char *name = g_path_get_basename(path);
        guint options = CL_DB_STDOPT | (g_str_has_prefix(name, official_prefix) ? CL_DB_OFFICIAL : 0);
        cl_error_t status = cl_load(path, library, count, options);
        if (status != CL_SUCCESS)
            return postern_error_set(error, POSTERN_ERROR_UNAVAILABLE, "libclamav: %s", cl_strerror(status));
    }
    return TRUE;
}

static gboolean collect_lines(Collection *collection, gsize kind, const char *octets, gsize length)
{
    g_autoptr(GString) found = g_string_new(NULL);
    const char *end = octets + length;
    while (octets < end) {
        const char *newline = memchr(octets, '\n', (gsize)(end - octets));
        gsize line = (gsize)((newline != NULL ? newline : end) - octets);
        if (postern_encoded_signature_is(kinds[kind].form, octets, line)) {
            collection->count++;
            g_string_append_len(found, octets, (gssize)line);
            g_string_append_c(found, '\n');
        }
        octets += line + (newline != NULL ? 1 : 0);
    }
    return write_file(collection, kind, found->str, found->len);
}

/* The number of its kind, or -1: it is of no matter. */
static int kind_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (gsize i = 0; dot != NULL && i < G_N_ELEMENTS(kinds); i++)
        if (g_ascii_strcasecmp(dot, kinds[i].ending) == 0)
            return (int)i;
    return -1;
}

/* FALSE if it may be run by base64: it is not loaded twice. */
static gboolean look_at_program(Collection *collection, const char *octets, gsize length)
{
    const char *end = octets + length, *line = memchr(octets, '\n', length);
    const char *next = line != NULL ? memchr(line + 1, '\n', (gsize)(end - line) - 1) : NULL;
    if (next == NULL ||
        !postern_encoded_signature_is(POSTERN_SIGNATURES_LDB, line + 1, (gsize)(next - line) - 1))
        return TRUE;
    g_set_error(collection->error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                "a bytecode signature looks at any file");
    return FALSE;
}

static gboolean collect(Collection *collection, int kind, const char *octets, gsize length)
{
    if (kinds[kind].use == LINES)
        return collect_lines(collection, (gsize)kind, octets, length);
    if (kinds[kind].use == PROGRAM)
        return look_at_program(collection, octets, length);
    collection->count += kinds[kind].use == WHOLE;
    return write_file(collection, (gsize)kind, octets, length);
}

static gboolean set_archive_error(Collection *collection, const char *path, struct archive *archive)
{
    const char *text = archive != NULL ? archive_error_string(archive) : NULL;
    g_set_error(collection->error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, "%s cannot be read: %s", path,
                text != NULL ? text : "no memory");
    return FALSE;
}

static gboolean collect_member(Collection *collection, const char *path, struct archive *archive,
                               struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    int kind = name != NULL ? kind_of(name) : -1;
    if (kind < 0)
        return TRUE;
    g_autoptr(GByteArray) octets = g_byte_array_new();
    char piece[65536];
    la_ssize_t count;
    while ((count = archive_read_data(archive, piece, sizeof piece)) > 0)
        g_byte_array_append(octets, (const guint8 *)piece, (guint)count);
    return count == 0 ? collect(collection, kind, (const char *)octets->data, octets->len)
                      : set_archive_error(collection, path, archive);
}

/* A database of ClamAV's own: an archive behind its signature, which has been verified when it was loaded. */
static gboolean collect_archive(Collection *collection, const char *path, const char *octets, gsize length)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry = NULL;
    gboolean good = archive != NULL && length > SIGNED_HEADER_OCTETS &&
                    archive_read_support_format_tar(archive) == ARCHIVE_OK &&
                    archive_read_support_filter_gzip(archive) == ARCHIVE_OK &&
                    archive_read_open_memory(archive, octets + SIGNED_HEADER_OCTETS,
                                             length - SIGNED_HEADER_OCTETS) == ARCHIVE_OK;
    int status = ARCHIVE_FATAL;
    while (good && (status = archive_read_next_header(archive, &entry)) >= ARCHIVE_WARN &&
           status != ARCHIVE_EOF)
        good = collect_member(collection, path, archive, entry);
    if (good && status != ARCHIVE_EOF)
        good = FALSE;
    if (!good && (collection->error == NULL || *collection->error == NULL))
        (void)set_archive_error(collection, path, archive);
    archive_read_free(archive);
    return good;
}

static gboolean is_archive(const char *path, gboolean *ret_official)
{
    const char *dot = strrchr(path, '.');
    *ret_official =
        dot != NULL && (g_ascii_strcasecmp(dot, ".cvd") == 0 || g_ascii_strcasecmp(dot, ".cld") == 0);
    return *ret_official || (dot != NULL && g_ascii_strcasecmp(dot, ".cud") == 0);
}

static gboolean collect_file(Collection *collection, const char *path)
{
    int kind = kind_of(path);
    if (kind < 0 && !is_archive(path, &collection->official))
        return TRUE;
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, collection->error);
    if (file == NULL)
        return FALSE;
    const char *octets = g_mapped_file_get_contents(file);
    gsize length = g_mapped_file_get_length(file);
    gboolean good = kind < 0 ? collect_archive(collection, path, octets, length)
                             : collect(collection, kind, octets, length);
    collection->official = FALSE;
    return good;
}

static void remove_folder(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;
    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_unlink(file);
    }
    g_rmdir(path);
}

gboolean postern_encoded_signatures_load(struct cl_engine *library, const char *database,
                                         const char *directory, guint *ret_count, GError **error)
{
    g_autoptr(GPtrArray) files = postern_signature_files_list(database);
    g_autofree char *folder = g_build_filename(directory, "postern-XXXXXX", NULL);
    g_autoptr(GPtrArray) beside = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) written = g_ptr_array_new_with_free_func(g_free);
    Collection collection = {.folder = folder, .beside = beside, .files = written, .error = error};
    *ret_count = 0;
    if (g_mkdtemp(folder) == NULL)
        return postern_error_set_system(error, errno, "cannot make %s", folder);
    gboolean good = TRUE;
    for (guint i = 0; good && i < files->len; i++)
        good = collect_file(&collection, g_ptr_array_index(files, i));
    guint loaded = 0;
    if (good && collection.count > 0)
        good = load_files(beside, library, &loaded, error) && load_files(written, library, &loaded, error);
    remove_folder(folder);
    *ret_count = loaded;
    return good;
}
