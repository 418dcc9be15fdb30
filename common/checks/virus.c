#include "checks/check.h"

#include <string.h>

#include "base/limits.h"
#include "checks/virus_scan.h"

static const char *const unscannable_names[] = {"Heuristics.Encrypted.", "Heuristics.Limits.Exceeded"};

/* The gravest of several is the message's. */
static int gravity(PosternVirusResult result)
{
    static const PosternVirusResult order[] = {POSTERN_VIRUS_NOT_CHECKED, POSTERN_VIRUS_CLEAN,
                                               POSTERN_VIRUS_UNSCANNABLE, POSTERN_VIRUS_ERROR,
                                               POSTERN_VIRUS_INFECTED};
    int place = 0;
    while (order[place] != result)
        place++;
    return place;
}

static void finish(PosternVirusFinding *finding, PosternVirusResult result, const char *text)
{
    if (gravity(result) <= gravity(finding->result))
        return;
    g_clear_pointer(&finding->reason, g_free);
    finding->result = result;
    if (result == POSTERN_VIRUS_INFECTED)
        finding->name = g_strndup(text, POSTERN_LOG_VALUE_MAX_OCTETS);
    else if (text != NULL)
        finding->reason = g_strndup(text, POSTERN_LOG_VALUE_MAX_OCTETS);
}

static void judge_name(PosternVirusFinding *finding, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(unscannable_names); i++) {
        if (g_str_has_prefix(name, unscannable_names[i])) {
            finish(finding, POSTERN_VIRUS_UNSCANNABLE, name);
            return;
        }
    }
    finish(finding, POSTERN_VIRUS_INFECTED, name);
}

/*
 * CLEAN is the last thing to be believed. Where libclamav cannot begin, for its folder cannot be made, it
 * says CL_CLEAN of a message that it never looked at.
 */
static void judge(PosternVirusFinding *finding, cl_error_t status, const char *name,
                  const PosternVirusScan *scan)
{
    const char *problem = scan->problem != NULL ? scan->problem : postern_virus_room_problem(scan->room);
    if (status == CL_VIRUS && name != NULL)
        judge_name(finding, name);
    else if (status != CL_CLEAN)
        finish(finding, POSTERN_VIRUS_ERROR, problem != NULL ? problem : cl_strerror(status));
    else if (scan->layers == 0)
        finish(finding, POSTERN_VIRUS_ERROR,
               problem != NULL ? problem : "libclamav did not look at the message");
    else if (problem != NULL)
        finish(finding, POSTERN_VIRUS_UNSCANNABLE, problem);
    else
        finish(finding, POSTERN_VIRUS_CLEAN, NULL);
}

static void scan_one(PosternVirusEngine *engine, PosternVirusScan *scan, GBytes *octets,
                     PosternVirusFinding *finding)
{
    unsigned long scanned = 0;
    const char *name = NULL;
    cl_fmap_t *map = cl_fmap_open_memory(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets));
    if (map == NULL) {
        finish(finding, POSTERN_VIRUS_ERROR, "libclamav cannot map the message");
        return;
    }
    scan->layers = 0;
    cl_error_t status = cl_scanmap_callback(map, NULL, &name, &scanned, engine->library, &engine->scan, scan);
    judge(finding, status, name, scan);
    cl_fmap_close(map);
}

/* (libclamav breaks long lines: a message may grow.) */
static guint64 file_limit(const PosternVirusEngine *engine, const PosternVirusRoom *room)
{
    return MIN(engine->scan_octets * 2, room->scan_octets);
}

static void scan_all(PosternVirusEngine *engine, const char *octets, gsize length,
                     const PosternVirusRoom *room, PosternVirusFinding *finding)
{
    PosternVirusScan scan = {
        .engine = engine, .room = room, .file_octets = file_limit(engine, room), .queue = G_QUEUE_INIT};
    gint64 end = g_get_monotonic_time() + (gint64)engine->scan_timeout_ms * 1000;
    postern_virus_scan_queue(&scan, octets, length);
    if (scan.problem != NULL)
        finish(finding, POSTERN_VIRUS_ERROR, scan.problem);
    while (!g_queue_is_empty(&scan.queue) && finding->result != POSTERN_VIRUS_INFECTED) {
        g_autoptr(GBytes) next = g_queue_pop_head(&scan.queue);
        if (engine->scan_timeout_ms != 0 && g_get_monotonic_time() > end) {
            finish(finding, POSTERN_VIRUS_UNSCANNABLE, "the scan took too long");
            break;
        }
        scan_one(engine, &scan, next, finding);
    }
    postern_virus_scan_clear(&scan);
}

/* The library's limits follow the room; a worker scans one message at a time. */
static gboolean set_room(PosternVirusEngine *engine, const char *directory, const PosternVirusRoom *room)
{
    const char *before = cl_engine_get_str(engine->library, CL_ENGINE_TMPDIR, NULL);
    if (g_strcmp0(before, directory) != 0 &&
        cl_engine_set_str(engine->library, CL_ENGINE_TMPDIR, directory) != CL_SUCCESS)
        return FALSE;
    guint64 file_octets = file_limit(engine, room);
    return cl_engine_set_num(engine->library, CL_ENGINE_MAX_SCANSIZE, (long long)room->scan_octets) ==
               CL_SUCCESS &&
           cl_engine_set_num(engine->library, CL_ENGINE_MAX_FILESIZE, (long long)file_octets) == CL_SUCCESS;
}

void postern_check_virus(PosternVirusEngine *engine, const char *octets, gsize length,
                         const char *temporary_directory, PosternVirusFinding *finding)
{
    g_autoptr(GError) error = NULL;
    PosternVirusRoom room = {.directory = -1};
    if (length > engine->scan_octets)
        finish(finding, POSTERN_VIRUS_UNSCANNABLE, "the message is larger than what is scanned");
    else if (!postern_virus_room_open(&room, temporary_directory,
                                      engine->scan_octets * POSTERN_VIRUS_UNPACKED_FACTOR, engine->workers,
                                      &error))
        finish(finding, POSTERN_VIRUS_ERROR, error->message);
    else if (!set_room(engine, temporary_directory, &room))
        finish(finding, POSTERN_VIRUS_ERROR, "libclamav refuses its limits");
    else
        scan_all(engine, octets, length, &room, finding);
    postern_virus_room_close(&room);
}
