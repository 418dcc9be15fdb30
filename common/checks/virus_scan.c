#include "checks/virus_scan.h"

#include <string.h>

#include "base/limits.h"
#include "checks/virus_multipart.h"

/* ("From " would make it a mailbox, which a line of the body can divide.) */
static const char mail_mark[] = "Received: by localhost\r\n";

static const char zip_mark[] = {'P', 'K', 3, 4};
#define ZIP_HEADER_OCTETS 30
#define ZIP_VERSION_MAX 63
#define ZIP_NAME_MAX_OCTETS 4096
/* What one round of unpacking may stay below the limit. */
#define CUT_SLACK_OCTETS 65536

void postern_virus_scan_note(PosternVirusScan *scan, const char *problem)
{
    if (scan->problem == NULL)
        scan->problem = g_strstrip(g_strdup(problem));
}

void postern_virus_scan_queue(PosternVirusScan *scan, const char *octets, gsize length)
{
    gsize mark = strlen(mail_mark);
    if (scan->files >= POSTERN_VIRUS_MESSAGES_MAX || length > scan->room->scan_octets - scan->octets) {
        postern_virus_scan_note(scan, "too many enclosed messages");
        return;
    }
    char *copy = g_try_malloc(mark + length);
    if (copy == NULL) {
        postern_virus_scan_note(scan, "no memory for a copy of the message");
        return;
    }
    memcpy(copy, mail_mark, mark);
    memcpy(copy + mark, octets, length);
    (void)postern_virus_multipart_rename(copy + mark, length);
    scan->files++;
    scan->octets += length;
    g_queue_push_tail(&scan->queue, g_bytes_new_take(copy, mark + length));
}

void postern_virus_scan_clear(PosternVirusScan *scan)
{
    g_queue_clear_full(&scan->queue, (GDestroyNotify)g_bytes_unref);
    g_clear_pointer(&scan->problem, g_free);
}

static gboolean begins_with(const char *line, gsize length, const char *prefix)
{
    return length >= strlen(prefix) && g_ascii_strncasecmp(line, prefix, strlen(prefix)) == 0;
}

static gboolean is_field(const char *line, gsize length)
{
    gsize name = 0;
    while (name < length && line[name] > 0x20 && line[name] < 0x7f && line[name] != ':')
        name++;
    return name > 0 && name < length && line[name] == ':';
}

gboolean postern_virus_scan_looks_like_mail(const char *octets, gsize length)
{
    gboolean first = TRUE;
    for (gsize offset = 0; offset < length; first = FALSE) {
        const char *line = octets + offset;
        const char *newline = memchr(line, '\n', length - offset);
        gsize text = newline != NULL ? (gsize)(newline - line) : length - offset;
        if (text == 0 || (text == 1 && *line == '\r'))
            return FALSE;
        if ((first && is_field(line, text)) || begins_with(line, text, "Content-") ||
            begins_with(line, text, "MIME-Version"))
            return TRUE;
        offset += text + 1;
    }
    return FALSE;
}

void postern_virus_scan_message(enum cl_msg severity, const char *full, const char *text, void *context)
{
    PosternVirusScan *scan = context;
    if (scan != NULL && severity >= CL_MSG_WARN)
        postern_virus_scan_note(scan, text);
}

static guint number_at(const char *octets)
{
    return (guint)(guchar)octets[0] | (guint)(guchar)octets[1] << 8;
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

static gboolean holds_unknown_packing(const char *octets, gsize length)
{
    const char *end = octets + length;
    const char *at = octets;
    if (length < ZIP_HEADER_OCTETS || memcmp(octets, zip_mark, sizeof zip_mark) != 0)
        return FALSE;
    while ((at = memmem(at, (gsize)(end - at), zip_mark, sizeof zip_mark)) != NULL) {
        if (is_local_header(at, (gsize)(end - at)) && !is_unpacked(number_at(at + 8)))
            return TRUE;
        at += sizeof zip_mark;
    }
    return FALSE;
}

/* Without its directory (APPNOTE 4.3.12) other programs still unpack it; libclamav does not. */
static gboolean is_zip_without_directory(const char *octets, gsize length)
{
    static const char directory_mark[] = {'P', 'K', 1, 2};
    return length >= ZIP_HEADER_OCTETS && memcmp(octets, zip_mark, sizeof zip_mark) == 0 &&
           memmem(octets, length, directory_mark, sizeof directory_mark) == NULL;
}

static void note_what_is_not_seen(PosternVirusScan *scan, const char *octets, gsize size)
{
    /* A file that unpacks to more than the limit is cut there, and the part is scanned as if it were the
     * whole. */
    if (size + CUT_SLACK_OCTETS >= scan->file_octets)
        postern_virus_scan_note(scan, "a file in the message is larger than what is scanned");
    if (octets != NULL && is_zip_without_directory(octets, size))
        postern_virus_scan_note(scan, "a zip archive without its directory");
    if (octets != NULL && holds_unknown_packing(octets, size))
        postern_virus_scan_note(scan, "a zip archive whose packing libclamav does not know");
}

/* Mail that libclamav does not take for mail, or not for all that it is. */
static gboolean is_seen_in_part(const char *kind, const char *octets, gsize size)
{
    return strcmp(kind, "CL_TYPE_MAIL") == 0 ? postern_virus_multipart_is_hidden(octets, size)
                                             : postern_virus_scan_looks_like_mail(octets, size);
}

cl_error_t postern_virus_scan_layer(int descriptor, const char *type, const char **ancestors,
                                    size_t parent_size, const char *name, size_t size, const char *octets,
                                    uint32_t depth, uint32_t attributes, void *context)
{
    PosternVirusScan *scan = context;
    const char *problem = postern_virus_room_problem(scan->room);
    const char *kind = type != NULL ? type : "";
    scan->layers++;
    if (problem != NULL)
        postern_virus_scan_note(scan, problem);
    if (!scan->engine->unrar && g_str_has_prefix(kind, "CL_TYPE_RAR"))
        postern_virus_scan_note(scan, "a RAR archive, and libclamunrar is not installed");
    note_what_is_not_seen(scan, octets, size);
    if (octets == NULL && size > 0)
        postern_virus_scan_note(scan, "libclamav could not read a file in the message");
    else if (octets != NULL && (attributes & LAYER_ATTRIBUTES_NORMALIZED) == 0 &&
             is_seen_in_part(kind, octets, size))
        postern_virus_scan_queue(scan, octets, size);
    return CL_CLEAN;
}
