#include "checks/virus/scan.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/limits.h"
#include "checks/container/container.h"
#include "checks/content/item.h"
#include "checks/virus/multipart.h"
#include "checks/virus/names.h"
#include "checks/virus/uuencode.h"

/* ("From " would make it a mailbox, which a line of the body can divide.) */
static const char mail_mark[] = "Received: by localhost\r\n";

/* What one round of unpacking may stay below the limit. */
#define CUT_SLACK_OCTETS 65536
/* So much is unpacked between two looks at the room for it: a part of what is kept free. */
#define LOOK_OCTETS (POSTERN_VIRUS_SCAN_MIN_OCTETS / 4)
#define DIGEST_OCTETS 32
/* libclamav scans no file of so few. */
#define FILE_MIN_OCTETS 6

static void note(PosternVirusScan *scan, PosternVirusKind kind, const char *text)
{
    postern_virus_finding_note(scan->finding, kind, text);
}

static void scan_message(PosternVirusScan *scan, GBytes *message);

PosternVirusScan *postern_virus_scan_new(const PosternVirusEngine *engine, const PosternVirusScanLimits *room,
                                         PosternClamd *clamd, const char *octets, gsize length,
                                         PosternVirusFinding *finding)
{
    gint64 now = g_get_monotonic_time();
    PosternVirusScan *scan = g_new0(PosternVirusScan, 1);
    *scan = (PosternVirusScan){.engine = engine, .room = *room, .finding = finding, .queue = G_QUEUE_INIT};
    /* (libclamav breaks long lines: a message may grow.) */
    scan->clamd = clamd;
    scan->file_octets = MIN(engine->scan_octets * 2, room->scan_octets);
    scan->end = engine->scan_timeout_ms != 0 ? now + (gint64)engine->scan_timeout_ms * 1000 : 0;
    scan->budget = postern_item_budget(length);
    scan->walked = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    scan->queued = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    scan->seen = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    scan->taken = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    g_autoptr(GBytes) message = g_bytes_new_static(octets, length);
    scan_message(scan, message);
    return scan;
}

void postern_virus_scan_free(PosternVirusScan *scan)
{
    postern_virus_scan_limits_close(&scan->room);
    postern_clamd_free(scan->clamd);
    g_queue_clear_full(&scan->queue, (GDestroyNotify)g_bytes_unref);
    g_hash_table_unref(scan->walked);
    g_hash_table_unref(scan->queued);
    g_hash_table_unref(scan->seen);
    g_hash_table_unref(scan->taken);
    g_free(scan);
}

/* Which octets they are: no sender can make two that are alike (SHA-256). NULL: no memory. */
static GBytes *digest_of(const char *octets, gsize length)
{
    guchar digest[DIGEST_OCTETS];
    unsigned int size = sizeof digest;
    if (EVP_Digest(octets, length, digest, &size, EVP_sha256(), NULL) != 1)
        return NULL;
    return g_bytes_new(digest, size);
}

/* TRUE: they were not in set. */
static gboolean add_digest(GHashTable *set, const char *octets, gsize length)
{
    GBytes *digest = digest_of(octets, length);
    return digest == NULL || g_hash_table_add(set, digest);
}

static gboolean is_seen(const PosternVirusScan *scan, GBytes *octets)
{
    g_autoptr(GBytes) digest = digest_of(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets));
    return digest != NULL && g_hash_table_contains(scan->seen, digest);
}

/* Takes length octets from what may be scanned in all. */
static gboolean allow(PosternVirusScan *scan, gsize length)
{
    if (scan->work.scans >= POSTERN_VIRUS_SCANS_MAX || length > scan->room.scan_octets ||
        scan->work.octets > scan->room.scan_octets - length) {
        note(scan, POSTERN_VIRUS_TOO_LARGE, "more files and enclosed messages than are scanned");
        return FALSE;
    }
    scan->work.scans++;
    scan->work.octets += length;
    return TRUE;
}

/* A message with the line in front, and between that octets of between. NULL is noted. */
static GBytes *with_mark(PosternVirusScan *scan, const char *between, const char *octets, gsize length)
{
    gsize mark = strlen(mail_mark), more = strlen(between);
    char *copy = g_try_malloc(mark + more + length);
    if (copy == NULL) {
        note(scan, POSTERN_VIRUS_SCAN_ERROR, "no memory for a copy of the message");
        return NULL;
    }
    memcpy(copy, mail_mark, mark);
    memcpy(copy + mark, between, more);
    memcpy(copy + mark + more, octets, length);
    (void)postern_virus_multipart_rename(copy + mark, more + length, &scan->work.line_octets);
    postern_virus_uuencode_hide(copy + mark, more + length, &scan->work.line_octets);
    return g_bytes_new_take(copy, mark + more + length);
}

static gboolean is_over(PosternVirusScan *scan)
{
    if (scan->finding->result == POSTERN_VIRUS_INFECTED)
        return TRUE;
    if (scan->end != 0 && g_get_monotonic_time() > scan->end) {
        note(scan, POSTERN_VIRUS_SCAN_ERROR, "the scan took too long");
        return TRUE;
    }
    if (scan->work.unpacked_octets / 2 > scan->room.scan_octets) {
        note(scan, POSTERN_VIRUS_TOO_LARGE, "unpacked it is larger than what is scanned");
        return TRUE;
    }
    return FALSE;
}

/*
 * CLEAN is the last thing to be believed. If libclamav cannot begin, for its folder cannot be made, it
 * says CL_CLEAN of a message that it never looked at.
 */
static void judge(PosternVirusScan *scan, cl_error_t status, const char *name)
{
    const char *problem = postern_virus_scan_limits_problem(&scan->room);
    if (problem != NULL)
        note(scan, POSTERN_VIRUS_SCAN_ERROR, problem);
    if (status == CL_VIRUS && name != NULL)
        postern_virus_scan_name(-1, name, scan);
    else if (status != CL_CLEAN && status != CL_VIRUS)
        note(scan, postern_virus_names_status(status), cl_strerror(status));
    if (scan->layers == 0)
        note(scan, POSTERN_VIRUS_SCAN_ERROR, "libclamav did not look at the message");
}

static void scan_octets(PosternVirusScan *scan, const char *octets, gsize length, gboolean whole_message)
{
    unsigned long scanned = 0;
    const char *name = NULL;
    struct cl_scan_options options = scan->engine->scan;
    if (scan->clamd != NULL) {
        scan->work.layers++;
        (void)postern_clamd_scan(scan->clamd, octets, length, scan->name);
        return;
    }
    cl_fmap_t *map = cl_fmap_open_memory(octets, length);
    if (map == NULL) {
        note(scan, POSTERN_VIRUS_SCAN_ERROR, "libclamav cannot map the message");
        return;
    }
    scan->layers = 0;
    scan->depth = 0;
    scan->mail_in_part = FALSE;
    scan->whole_message = whole_message;
    cl_error_t status =
        cl_scanmap_callback(map, NULL, &name, &scanned, scan->engine->library, &options, scan);
    scan->work.unpacked_octets += (guint64)scanned * CL_COUNT_PRECISION;
    judge(scan, status, name);
    cl_fmap_close(map);
}

static void scan_file(PosternVirusScan *scan, GBytes *file)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(file, &length);
    GBytes *digest = length >= FILE_MIN_OCTETS && !is_over(scan) ? digest_of(octets, length) : NULL;
    if (digest == NULL)
        return;
    g_hash_table_add(scan->taken, g_bytes_ref(digest));
    if (g_hash_table_add(scan->seen, digest) && allow(scan, length))
        scan_octets(scan, octets, length, FALSE);
}

/* Text in which libclamav has not looked for files (uuencode, yEnc): it does so in mail alone. */
static void scan_text(PosternVirusScan *scan, GBytes *text)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(text, &length);
    g_autoptr(GBytes) message = NULL;
    if (is_over(scan) || !allow(scan, length))
        return;
    message = with_mark(scan, "\r\n", octets, length);
    if (message != NULL)
        scan_octets(scan, g_bytes_get_data(message, NULL), g_bytes_get_size(message), TRUE);
}

static void scan_message(PosternVirusScan *scan, GBytes *message)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(message, &length);
    const PosternItemVisitor visitor = {postern_virus_scan_take, postern_virus_scan_note, scan};
    if (is_over(scan) || !add_digest(scan->queued, octets, length) || !allow(scan, length))
        return;
    g_autoptr(GBytes) marked = with_mark(scan, "", octets, length);
    if (marked == NULL)
        return;
    scan_octets(scan, g_bytes_get_data(marked, NULL), g_bytes_get_size(marked), TRUE);
    /* What libclamav has looked into is not known to be whole. */
    if (scan->mail_in_part)
        g_hash_table_remove_all(scan->seen);
    scan->text_in_part = scan->text_in_part || scan->mail_in_part;
    if (postern_virus_multipart_is_hidden(octets, length, &scan->work.line_octets))
        postern_items_walk_in(scan->engine->content, marked, NULL, &scan->budget, &visitor);
}

gboolean postern_virus_scan_take(const PosternItem *item, gpointer data)
{
    PosternVirusScan *scan = data;
    scan->name = item->names[0];
    if (item->kind == POSTERN_ITEM_PIECE)
        note(scan, POSTERN_VIRUS_AMBIGUOUS,
             "a piece of a message, whose rest is elsewhere (message/partial)");
    if (item->kind == POSTERN_ITEM_MESSAGE && !item->verbatim)
        scan_message(scan, item->octets);
    else if (item->kind == POSTERN_ITEM_MESSAGE)
        return !is_over(scan);
    else if (item->kind != POSTERN_ITEM_TEXT)
        scan_file(scan, item->octets);
    else if (item->reading == 0 && !is_seen(scan, item->octets)) {
        if (scan->text_in_part)
            scan_text(scan, item->octets);
        scan_file(scan, item->octets);
    }
    return !is_over(scan);
}

void postern_virus_scan_note(PosternVirusKind kind, const char *text, gpointer data)
{
    note(data, kind, text);
}

static gboolean is_container(GBytes *file)
{
    gsize length = 0;
    const guint8 *octets = g_bytes_get_data(file, &length);
    return postern_container_is(octets, length);
}

/* One in a file that only libclamav unpacks; others the walk has opened. */
static void open_container(PosternVirusScan *scan, GBytes *file, const PosternItemVisitor *visitor)
{
    g_autoptr(GBytes) digest = digest_of(g_bytes_get_data(file, NULL), g_bytes_get_size(file));
    if (digest != NULL && !g_hash_table_contains(scan->taken, digest))
        postern_items_open(file, &scan->budget, visitor);
}

void postern_virus_scan_finish(PosternVirusScan *scan)
{
    const PosternItemVisitor visitor = {postern_virus_scan_take, postern_virus_scan_note, scan};
    while (!g_queue_is_empty(&scan->queue) && !is_over(scan)) {
        g_autoptr(GBytes) message = g_queue_pop_head(&scan->queue);
        if (is_container(message)) {
            open_container(scan, message, &visitor);
            continue;
        }
        scan_message(scan, message);
        postern_items_walk_in(scan->engine->content, message, NULL, &scan->budget, &visitor);
    }
    if (scan->clamd != NULL)
        (void)postern_clamd_wait(scan->clamd);
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

/* A field in the first line, or a field of MIME before the first empty line. */
static gboolean looks_like_mail(const char *octets, gsize length)
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
    PosternVirusKind kind = POSTERN_VIRUS_SCAN_ERROR;
    if (scan == NULL || severity < CL_MSG_WARN)
        return;
    g_autofree char *line = g_strstrip(g_strdup(text));
    if (!postern_virus_names_message(line, &kind))
        note(scan, kind, line);
    else if (scan->whole_message)
        scan->mail_in_part = TRUE;
    else
        note(scan, POSTERN_VIRUS_AMBIGUOUS, line);
}

/* A limit on levels that no archive has met is one on those of mail. */
static gboolean is_of_mail(const PosternVirusScan *scan, const char *name)
{
    long long levels = cl_engine_get_num(scan->engine->library, CL_ENGINE_MAX_RECURSION, NULL);
    if (!scan->whole_message || scan->engine->content == NULL)
        return FALSE;
    return postern_virus_names_is_mail_limit(name, (long long)scan->depth + 1 < levels);
}

void postern_virus_scan_name(int descriptor, const char *name, void *context)
{
    PosternVirusScan *scan = context;
    PosternVirusKind kind;
    if (is_of_mail(scan, name))
        scan->mail_in_part = TRUE;
    else if (postern_virus_names_kind(name, &kind))
        note(scan, kind, name);
    else
        postern_virus_finding_infected(scan->finding, name);
}

static void note_what_is_not_seen(PosternVirusScan *scan, gsize size)
{
    /* A file that unpacks to more than the limit is cut there, and the part is scanned as if it were the
     * whole. */
    if (size + CUT_SLACK_OCTETS >= scan->file_octets)
        note(scan, POSTERN_VIRUS_TOO_LARGE, "a file in the message is larger than what is scanned");
}

/* Mail that libclamav does not take for mail, or not for all that it is. */
static gboolean is_seen_in_part(PosternVirusScan *scan, const char *kind, const char *octets, gsize size)
{
    if (strcmp(kind, "CL_TYPE_MAIL") != 0)
        return looks_like_mail(octets, size);
    return postern_virus_multipart_is_hidden(octets, size, &scan->work.line_octets);
}

static void queue_copy(PosternVirusScan *scan, const char *octets, gsize length)
{
    char *copy = g_try_malloc(length);
    if (copy == NULL) {
        note(scan, POSTERN_VIRUS_SCAN_ERROR, "no memory for a copy of an enclosed message");
        return;
    }
    memcpy(copy, octets, length);
    g_queue_push_tail(&scan->queue, g_bytes_new_take(copy, length));
}

cl_error_t postern_virus_scan_layer(int descriptor, const char *type, const char **ancestors,
                                    size_t parent_size, const char *name, size_t size, const char *octets,
                                    uint32_t depth, uint32_t attributes, void *context)
{
    PosternVirusScan *scan = context;
    const char *problem = NULL;
    const char *kind = type != NULL ? type : "";
    scan->layers++;
    scan->work.layers++;
    scan->depth = MAX(scan->depth, depth);
    scan->since_look += size;
    if (scan->since_look > LOOK_OCTETS) {
        scan->since_look = 0;
        problem = postern_virus_scan_limits_full(&scan->room);
    }
    if (problem != NULL)
        note(scan, POSTERN_VIRUS_SCAN_ERROR, problem);
    note_what_is_not_seen(scan, size);
    if (octets == NULL && size > 0)
        note(scan, POSTERN_VIRUS_SCAN_ERROR, "libclamav could not read a file in the message");
    if (octets == NULL || (attributes & LAYER_ATTRIBUTES_NORMALIZED) != 0)
        return CL_CLEAN;
    (void)add_digest(scan->seen, octets, size);
    gboolean container = depth > 0 && postern_container_is((const guint8 *)octets, size);
    if ((container || is_seen_in_part(scan, kind, octets, size)) && scan->queue.length < POSTERN_ITEMS_MAX &&
        add_digest(scan->walked, octets, size))
        queue_copy(scan, octets, size);
    return CL_CLEAN;
}
