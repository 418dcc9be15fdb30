#include "checks/virus/scan.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/limits.h"
#include "checks/container/container.h"
#include "checks/content/part_header.h"
#include "checks/virus/mail_octets.h"
#include "checks/virus/names.h"

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

static const char *scan_mail(PosternVirusScan *scan, GBytes *message);

PosternVirusScan *postern_virus_scan_new(const PosternVirusEngine *engine, const PosternVirusScanLimits *room,
                                         PosternClamd *clamd, const char *octets, gsize length,
                                         PosternVirusFinding *finding)
{
    gint64 now = g_get_monotonic_time();
    PosternVirusScan *scan = g_new0(PosternVirusScan, 1);
    *scan = (PosternVirusScan){.engine = engine, .room = *room, .finding = finding, .queue = G_QUEUE_INIT};
    scan->clamd = clamd;
    scan->digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    scan->file_octets = MIN(engine->scan_octets * 2, room->scan_octets);
    scan->end = engine->scan_timeout_ms != 0 ? now + (gint64)engine->scan_timeout_ms * 1000 : 0;
    scan->budget = postern_item_budget(length);
    scan->walked = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    scan->messages = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    scan->seen = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    scan->taken = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    g_autoptr(GBytes) message = g_bytes_new_static(octets, length);
    (void)scan_mail(scan, message);
    return scan;
}

void postern_virus_scan_free(PosternVirusScan *scan)
{
    postern_virus_scan_limits_close(&scan->room);
    postern_clamd_free(scan->clamd);
    g_clear_pointer(&scan->held, g_bytes_unref);
    g_queue_clear_full(&scan->queue, (GDestroyNotify)g_bytes_unref);
    EVP_MD_free(scan->digest);
    g_hash_table_unref(scan->walked);
    g_hash_table_unref(scan->messages);
    g_hash_table_unref(scan->seen);
    g_hash_table_unref(scan->taken);
    g_free(scan);
}

/* Which octets they are: no sender can make two that are alike (SHA-256). NULL: no memory. */
static GBytes *digest_of(const PosternVirusScan *scan, const char *octets, gsize length)
{
    guchar digest[DIGEST_OCTETS];
    unsigned int size = sizeof digest;
    if (EVP_Digest(octets, length, digest, &size, scan->digest, NULL) != 1)
        return NULL;
    return g_bytes_new(digest, size);
}

/* TRUE: they were not in set. */
static gboolean add_digest(const PosternVirusScan *scan, GHashTable *set, const char *octets, gsize length)
{
    GBytes *digest = digest_of(scan, octets, length);
    return digest == NULL || g_hash_table_add(set, digest);
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
    else if (status != CL_CLEAN && status != CL_VIRUS && !scan->phishing)
        note(scan, postern_virus_names_status(status), cl_strerror(status));
    if (scan->layers == 0)
        note(scan, POSTERN_VIRUS_SCAN_ERROR, "libclamav did not look at the message");
}

/* How libclamav looks at octets. */
typedef enum {
    FULLY,
    FOR_PHISHING, /* for its heuristics on that alone */
    AS_THEY_ARE,  /* for digests and patterns of any file; they are not taken apart nor made plain */
    FOR_LETTERS,  /* for patterns that stand in base64 */
} Way;

static void scan_octets(PosternVirusScan *scan, const char *octets, gsize length, Way way)
{
    static const struct cl_scan_options as_they_are = {.general = CL_SCAN_GENERAL_ALLMATCHES};
    /* Without any parser libclamav does not look which kind of file it has, and so at no signature of mail.
     */
    static const struct cl_scan_options for_letters = {.general = CL_SCAN_GENERAL_ALLMATCHES,
                                                       .parse = CL_SCAN_PARSE_ELF};
    unsigned long scanned = 0;
    const char *name = NULL;
    struct cl_scan_options options = way == AS_THEY_ARE   ? as_they_are
                                     : way == FOR_LETTERS ? for_letters
                                                          : scan->engine->scan;
    struct cl_engine *library = way == FOR_LETTERS ? scan->engine->encoded : scan->engine->library;
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
    scan->phishing = way == FOR_PHISHING;
    if (scan->phishing)
        options.parse |= CL_SCAN_PARSE_MAIL;
    cl_error_t status = cl_scanmap_callback(map, NULL, &name, &scanned, library, &options, scan);
    scan->work.unpacked_octets += (guint64)scanned * CL_COUNT_PRECISION;
    judge(scan, status, name);
    cl_fmap_close(map);
}

static void scan_bytes(PosternVirusScan *scan, GBytes *file, Way way)
{
    if (!is_over(scan))
        scan_octets(scan, g_bytes_get_data(file, NULL), g_bytes_get_size(file), way);
}

static void scan_held(PosternVirusScan *scan, Way way)
{
    if (scan->held != NULL)
        scan_bytes(scan, scan->held, way);
    g_clear_pointer(&scan->held, g_bytes_unref);
}

/* TRUE if lf is crlf with each CR LF made LF. */
static gboolean is_with_other_line_ends(GBytes *crlf, GBytes *lf)
{
    gsize length = 0, rest = 0;
    const char *from = g_bytes_get_data(crlf, &length), *to = g_bytes_get_data(lf, &rest);
    while (length > 0) {
        const char *newline = memchr(from, '\n', length);
        gsize line = newline != NULL ? (gsize)(newline - from) : length;
        gsize text = newline != NULL && line > 0 && from[line - 1] == '\r' ? line - 1 : line;
        gsize end = newline != NULL ? 1 : 0;
        if (rest < text + end || memcmp(from, to, text) != 0 || (end == 1 && to[text] != '\n'))
            return FALSE;
        from += line + end;
        length -= line + end;
        to += text + end;
        rest -= text + end;
    }
    return rest == 0;
}

/*
 * Text with line ends of CR LF is held until it is seen whether its reading with those of LF follows. That is
 * the one libclamav makes of mail, and it makes the same plain text of both: so only that is scanned fully.
 */
static void scan_or_hold(PosternVirusScan *scan, GBytes *file)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(file, &length);
    if (scan->held != NULL && is_with_other_line_ends(scan->held, file)) {
        scan_bytes(scan, file, FULLY);
        scan_held(scan, scan->text ? AS_THEY_ARE : FULLY);
        return;
    }
    scan_held(scan, FULLY);
    if (scan->clamd == NULL && memchr(octets, '\r', length) != NULL)
        scan->held = g_bytes_ref(file);
    else
        scan_bytes(scan, file, FULLY);
}

/* What became of it, for people. */
static const char *scan_file(PosternVirusScan *scan, GBytes *file)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(file, &length);
    if (length < FILE_MIN_OCTETS)
        return "too small for a signature";
    if (is_over(scan))
        return "not scanned";
    GBytes *digest = digest_of(scan, octets, length);
    if (digest != NULL)
        g_hash_table_add(scan->taken, g_bytes_ref(digest));
    if (digest != NULL && !g_hash_table_add(scan->seen, digest))
        return "scanned before";
    if (!allow(scan, length))
        return "not scanned";
    scan_or_hold(scan, file);
    return "scanned";
}

/* For signatures of mail; its parts are walked by the content engine, and not by libclamav. The bulk of
 * base64 is left out, and looked at only for the signatures that it may match. */
static const char *scan_mail(PosternVirusScan *scan, GBytes *message)
{
    const PosternVirusEngine *engine = scan->engine;
    gboolean library = scan->clamd == NULL, cut = library && !engine->uncut;
    const struct {
        Way way;
        gboolean wanted;
    } ways[] = {{FULLY, TRUE},
                {FOR_LETTERS, cut && engine->encoded != NULL},
                {FOR_PHISHING, library && engine->phishing}};
    gsize length = 0, looked_at = 0;
    const char *octets = g_bytes_get_data(message, &length);
    if (is_over(scan) || !allow(scan, length))
        return "not scanned";
    for (gsize i = 0; i < G_N_ELEMENTS(ways); i++) {
        if (!ways[i].wanted || (ways[i].way == FOR_LETTERS && looked_at >= length))
            continue;
        g_autoptr(GBytes) mail = postern_virus_mail_octets(octets, length, cut && ways[i].way == FULLY);
        if (mail == NULL) {
            note(scan, POSTERN_VIRUS_SCAN_ERROR, "no memory for a copy of the message");
            return "not scanned";
        }
        looked_at = g_bytes_get_size(mail);
        scan_bytes(scan, mail, ways[i].way);
    }
    return "scanned as mail";
}

/* One that is enclosed. */
static const char *scan_message(PosternVirusScan *scan, GBytes *message)
{
    gboolean is_new =
        add_digest(scan, scan->messages, g_bytes_get_data(message, NULL), g_bytes_get_size(message));
    return is_new ? scan_mail(scan, message) : "scanned before";
}

static void explain(PosternVirusScan *scan, const PosternItem *item, const char *what)
{
    if (scan->findings != NULL)
        postern_findings_step(
            scan->findings, POSTERN_CHECK_VIRUS, "%s, %s: reading %u (%s), %" G_GSIZE_FORMAT " octets: %s",
            item->types[0], item->names[0] != NULL ? item->names[0] : "without a name", item->reading + 1,
            item->decoding != NULL ? item->decoding : "unpacked", g_bytes_get_size(item->octets), what);
}

gboolean postern_virus_scan_take(const PosternItem *item, gpointer data)
{
    PosternVirusScan *scan = data;
    scan->name = item->names[0];
    gsize length = 0, start;
    const char *octets = g_bytes_get_data(item->octets, &length);
    gboolean message =
        item->kind == POSTERN_ITEM_MESSAGE && postern_part_is_message(octets, 0, length, &start);
    if (item->kind == POSTERN_ITEM_PIECE)
        note(scan, POSTERN_VIRUS_AMBIGUOUS,
             "a piece of a message, whose rest is elsewhere (message/partial)");
    explain(scan, item,
            !message         ? scan_file(scan, item->octets)
            : item->verbatim ? "scanned with the message that it is in"
                             : scan_message(scan, item->octets));
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
    g_autoptr(GBytes) digest = digest_of(scan, g_bytes_get_data(file, NULL), g_bytes_get_size(file));
    if (digest != NULL && !g_hash_table_contains(scan->taken, digest))
        postern_items_open(scan->engine->content, file, &scan->budget, visitor);
}

void postern_virus_scan_finish(PosternVirusScan *scan)
{
    const PosternItemVisitor visitor = {postern_virus_scan_take, postern_virus_scan_note, scan};
    scan_held(scan, FULLY);
    while (!g_queue_is_empty(&scan->queue) && !is_over(scan)) {
        g_autoptr(GBytes) message = g_queue_pop_head(&scan->queue);
        if (is_container(message)) {
            open_container(scan, message, &visitor);
        } else {
            (void)scan_message(scan, message);
            postern_items_walk_in(scan->engine->content, message, NULL, &scan->budget, &visitor);
        }
        scan_held(scan, FULLY);
    }
    if (scan->clamd != NULL)
        (void)postern_clamd_wait(scan->clamd);
}

void postern_virus_scan_message(enum cl_msg severity, const char *full, const char *text, void *context)
{
    PosternVirusScan *scan = context;
    if (scan == NULL || severity < CL_MSG_WARN || scan->phishing)
        return;
    g_autofree char *line = g_strstrip(g_strdup(text));
    note(scan, postern_virus_names_message(line), line);
}

void postern_virus_scan_name(int descriptor, const char *name, void *context)
{
    PosternVirusScan *scan = context;
    PosternVirusKind kind;
    if (scan->phishing && !g_str_has_prefix(name, "Heuristics.Phishing."))
        return;
    if (postern_virus_names_kind(name, &kind))
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
    size_t start;
    scan->layers++;
    scan->work.layers++;
    scan->since_look += size;
    if (scan->since_look > LOOK_OCTETS) {
        scan->since_look = 0;
        problem = postern_virus_scan_limits_full(&scan->room);
    }
    if (problem != NULL)
        note(scan, POSTERN_VIRUS_SCAN_ERROR, problem);
    /* What was looked into for that alone counts for nothing. */
    if (scan->phishing)
        return CL_CLEAN;
    note_what_is_not_seen(scan, size);
    if (octets == NULL && size > 0)
        note(scan, POSTERN_VIRUS_SCAN_ERROR, "libclamav could not read a file in the message");
    if (octets == NULL || (attributes & LAYER_ATTRIBUTES_NORMALIZED) != 0)
        return CL_CLEAN;
    if (depth == 0) {
        scan->text = g_str_equal(type, "CL_TYPE_HTML") || g_str_equal(type, "CL_TYPE_TEXT_ASCII") ||
                     g_str_equal(type, "CL_TYPE_TEXT_UTF8");
        return CL_CLEAN;
    }
    (void)add_digest(scan, scan->seen, octets, size);
    if ((postern_container_is((const guint8 *)octets, size) ||
         postern_part_is_message(octets, 0, size, &start)) &&
        add_digest(scan, scan->walked, octets, size))
        queue_copy(scan, octets, size);
    return CL_CLEAN;
}
