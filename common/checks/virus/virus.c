#include "checks/check.h"

#include <string.h>

#include "base/limits.h"
#include "checks/virus/scan.h"
#include "mail/header.h"

/* Octets of the line of a mailbox: with it above the header that is body, of no kind, or read as without. */
static gsize mailbox_line_octets(const char *octets, gsize length)
{
    const char *name = length > 0 && *octets == '>' ? ">From " : "From ";
    const char *newline = length > strlen(name) ? memchr(octets, '\n', length) : NULL;
    gboolean present = newline != NULL && memcmp(octets, name, strlen(name)) == 0;
    return present ? (gsize)(newline + 1 - octets) : 0;
}

/* Whoever reads the header otherwise decodes another body than was scanned. */
static void judge_header(const char *octets, gsize length, PosternVirusFinding *finding)
{
    gsize skipped = mailbox_line_octets(octets, length);
    g_autoptr(PosternHeader) header = postern_header_parse(octets + skipped, length - skipped);
    g_autofree char *problem = postern_header_misleads(header) ? postern_header_problem(header) : NULL;
    if (problem == NULL)
        return;
    g_autofree char *reason = g_strconcat("the header is ambiguous: ", problem, NULL);
    postern_virus_finding_note(finding, POSTERN_VIRUS_AMBIGUOUS, reason);
}

static void scan_all(PosternVirusEngine *engine, const char *octets, gsize length,
                     const PosternVirusScanLimits *room, PosternVirusFinding *finding)
{
    PosternVirusScan scan;
    postern_virus_scan_init(&scan, engine, room, finding);
    g_autoptr(GBytes) message = g_bytes_new_static(octets, length);
    postern_virus_scan_queue(&scan, message);
    while (!g_queue_is_empty(&scan.queue) && !postern_virus_scan_is_over(&scan)) {
        g_autoptr(GBytes) next = g_queue_pop_head(&scan.queue);
        postern_virus_scan_whole(&scan, next);
    }
    engine->work = scan.work;
    judge_header(octets, length, finding);
    if (engine->signatures == 0)
        postern_virus_finding_note(finding, POSTERN_VIRUS_UNARMED, "only the EICAR test is known");
    postern_virus_finding_clean(finding);
    postern_virus_scan_clear(&scan);
}

/* The library's limits follow the room; a worker scans one message at a time. */
static gboolean set_room(PosternVirusEngine *engine, const char *directory,
                         const PosternVirusScanLimits *room)
{
    const char *before = cl_engine_get_str(engine->library, CL_ENGINE_TMPDIR, NULL);
    if (g_strcmp0(before, directory) != 0 &&
        cl_engine_set_str(engine->library, CL_ENGINE_TMPDIR, directory) != CL_SUCCESS)
        return FALSE;
    guint64 file_octets = MIN(engine->scan_octets * 2, room->scan_octets);
    return cl_engine_set_num(engine->library, CL_ENGINE_MAX_SCANSIZE, (long long)room->scan_octets) ==
               CL_SUCCESS &&
           cl_engine_set_num(engine->library, CL_ENGINE_MAX_FILESIZE, (long long)file_octets) == CL_SUCCESS;
}

void postern_check_virus(PosternVirusEngine *engine, const char *octets, gsize length,
                         const char *temporary_directory, PosternVirusFinding *finding)
{
    g_autoptr(GError) error = NULL;
    PosternVirusScanLimits room = {.directory = -1};
    if (length > engine->scan_octets)
        postern_virus_finding_note(finding, POSTERN_VIRUS_TOO_LARGE,
                                   "the message is larger than what is scanned");
    else if (!postern_virus_scan_limits_open(&room, temporary_directory,
                                             engine->scan_octets * POSTERN_VIRUS_UNPACKED_FACTOR,
                                             engine->workers, &error))
        postern_virus_finding_note(finding, POSTERN_VIRUS_SCAN_ERROR, error->message);
    else if (!set_room(engine, temporary_directory, &room))
        postern_virus_finding_note(finding, POSTERN_VIRUS_SCAN_ERROR, "libclamav refuses its limits");
    else
        scan_all(engine, octets, length, &room, finding);
    postern_virus_scan_limits_close(&room);
}

PosternVirusWork postern_virus_engine_work(const PosternVirusEngine *engine)
{
    return engine->work;
}
