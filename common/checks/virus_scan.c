#include "checks/virus_scan.h"

#include <string.h>

#include "base/limits.h"

/* ("From " would make it a mailbox, which a line of the body can divide.) */
static const char mail_mark[] = "Received: by localhost\r\n";

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
    if (octets == NULL && size > 0)
        postern_virus_scan_note(scan, "libclamav could not read a file in the message");
    else if (octets != NULL && strcmp(kind, "CL_TYPE_MAIL") != 0 &&
             (attributes & LAYER_ATTRIBUTES_NORMALIZED) == 0 &&
             postern_virus_scan_looks_like_mail(octets, size))
        postern_virus_scan_queue(scan, octets, size);
    return CL_CLEAN;
}
