#include "checks/check.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "checks/content/part_header.h"
#include "checks/virus/clamd_engine.h"
#include "checks/virus/sample.h"
#include "checks/virus/scan.h"
#include "mail/header.h"

/* Whoever reads the header otherwise decodes another body than was scanned. */
static void judge_header(const char *octets, gsize length, PosternVirusFinding *finding)
{
    gsize skipped = 0;
    postern_part_skip_mailbox(octets, length, &skipped);
    g_autoptr(PosternHeader) header = postern_header_parse(octets + skipped, length - skipped);
    g_autofree char *problem = postern_header_misleads(header) ? postern_header_problem(header) : NULL;
    if (problem == NULL)
        return;
    g_autofree char *reason = g_strconcat("the header is ambiguous: ", problem, NULL);
    postern_virus_finding_note(finding, POSTERN_VIRUS_AMBIGUOUS, reason);
}

/* The library's limits follow the room; a worker scans one message at a time. */
static gboolean set_room(struct cl_engine *library, const char *directory, guint64 scan_octets,
                         guint64 file_octets)
{
    const char *before = cl_engine_get_str(library, CL_ENGINE_TMPDIR, NULL);
    if (g_strcmp0(before, directory) != 0 &&
        cl_engine_set_str(library, CL_ENGINE_TMPDIR, directory) != CL_SUCCESS)
        return FALSE;
    return cl_engine_set_num(library, CL_ENGINE_MAX_SCANSIZE, (long long)scan_octets) == CL_SUCCESS &&
           cl_engine_set_num(library, CL_ENGINE_MAX_FILESIZE, (long long)file_octets) == CL_SUCCESS;
}

static gboolean set_rooms(const PosternVirusEngine *engine, const char *directory,
                          const PosternVirusScanLimits *room)
{
    guint64 file_octets = MIN(engine->scan_octets * 2, room->scan_octets);
    return set_room(engine->library, directory, room->scan_octets, file_octets) &&
           (engine->encoded == NULL || set_room(engine->encoded, directory, room->scan_octets, file_octets));
}

/* Files are made by clamd, where and how it likes. */
static PosternVirusScan *begin_with_clamd(PosternVirusEngine *engine, const char *octets, gsize length,
                                          const PosternScanner *scanner, PosternVirusFinding *finding)
{
    const PosternVirusScanLimits room = {.directory = -1,
                                         .scan_octets = engine->scan_octets * POSTERN_VIRUS_UNPACKED_FACTOR};
    PosternClamd *clamd = postern_virus_engine_begin_clamd(engine, scanner, finding);
    return clamd != NULL ? postern_virus_scan_new(engine, &room, clamd, octets, length, finding) : NULL;
}

/* NULL: nothing is scanned, which is noted. */
static PosternVirusScan *begin_scan(PosternVirusEngine *engine, const char *octets, gsize length,
                                    const char *temporary_directory, const PosternScanner *scanner,
                                    PosternVirusFinding *finding)
{
    g_autoptr(GError) error = NULL;
    PosternVirusScanLimits room = {.directory = -1};
    if (length > engine->scan_octets)
        postern_virus_finding_note(finding, POSTERN_VIRUS_TOO_LARGE,
                                   "the message is larger than what is scanned");
    else if (engine->clamd != NULL)
        return begin_with_clamd(engine, octets, length, scanner, finding);
    else if (!postern_virus_scan_limits_open(&room, temporary_directory,
                                             engine->scan_octets * POSTERN_VIRUS_UNPACKED_FACTOR,
                                             engine->workers, &error))
        postern_virus_finding_note(finding, POSTERN_VIRUS_SCAN_ERROR, error->message);
    else if (!set_rooms(engine, temporary_directory, &room))
        postern_virus_finding_note(finding, POSTERN_VIRUS_SCAN_ERROR, "libclamav refuses its limits");
    else
        return postern_virus_scan_new(engine, &room, NULL, octets, length, finding);
    postern_virus_scan_limits_close(&room);
    return NULL;
}

static void end_scan(PosternVirusEngine *engine, const char *octets, gsize length, PosternVirusScan *scan,
                     PosternVirusFinding *finding)
{
    postern_virus_scan_finish(scan);
    engine->work = scan->work;
    judge_header(octets, length, finding);
    if (engine->signatures == 0)
        postern_virus_finding_note(finding, POSTERN_VIRUS_UNARMED, "only the EICAR test is known");
    postern_virus_finding_clean(finding);
    postern_virus_scan_free(scan);
}

void postern_check_virus(PosternVirusEngine *engine, const char *octets, gsize length,
                         const char *temporary_directory, PosternVirusFinding *finding)
{
    PosternVirusScan *scan = begin_scan(engine, octets, length, temporary_directory, NULL, finding);
    PosternItemBudget budget = postern_item_budget(length);
    const PosternItemVisitor visitor = {postern_virus_scan_take, postern_virus_scan_note, scan};
    if (scan == NULL)
        return;
    postern_items_walk(engine->content, octets, length, &budget, &visitor);
    end_scan(engine, octets, length, scan, finding);
}

PosternVirusWork postern_virus_engine_work(const PosternVirusEngine *engine)
{
    return engine->work;
}

gboolean postern_virus_engine_self_test(PosternVirusEngine *engine, const char *temporary_directory,
                                        GError **error)
{
    g_autofree char *eicar = postern_virus_sample_eicar();
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("eicar.com", eicar, strlen(eicar));
    g_autofree char *message = postern_virus_sample_message("eicar.zip", zip->data, zip->len);
    g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
    postern_check_virus(engine, message, strlen(message), temporary_directory, &finding);
    gboolean found = finding.result == POSTERN_VIRUS_INFECTED;
    if (!found)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                    "the scanner finds the EICAR test in a zip in a message %s (%s) and would miss viruses",
                    postern_virus_result_name(finding.result),
                    finding.reason != NULL ? finding.reason : "no reason");
    return found;
}

static void explain(const PosternCheckRun *run)
{
    PosternFindings *findings = run->findings;
    const PosternVirusFinding *finding = &findings->virus;
    const char *detail = finding->name != NULL ? finding->name : finding->reason;
    if (run->engines->virus != NULL && finding->result != POSTERN_VIRUS_NOT_CHECKED) {
        PosternVirusWork work = postern_virus_engine_work(run->engines->virus);
        postern_findings_step(findings, POSTERN_CHECK_VIRUS,
                              "%" G_GSIZE_FORMAT
                              " octets were given to the scanner, of at most %" G_GUINT64_FORMAT
                              " ([virus] scan_size); in all %u scans of %u files",
                              run->length, run->scan_octets, work.scans, work.layers);
    }
    postern_findings_step(findings, POSTERN_CHECK_VIRUS, "%s%s%s", postern_virus_result_name(finding->result),
                          detail != NULL ? ": " : "", detail != NULL ? detail : "");
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++)
        if (finding->kinds[i] != NULL)
            postern_findings_step(findings, POSTERN_CHECK_VIRUS, "%s: %s",
                                  postern_virus_kind_name((PosternVirusKind)i), finding->kinds[i]);
}

static gpointer begin(const PosternCheckRun *run)
{
    PosternVirusFinding *finding = &run->findings->virus;
    PosternVirusScan *scan = NULL;
    if (run->engines->virus == NULL) {
        const char *problem = run->engines->virus_problem;
        postern_virus_finding_note(finding, POSTERN_VIRUS_SCAN_ERROR,
                                   problem != NULL ? problem
                                                   : "the inspector's configuration has [virus] scan = no");
    } else if (run->length > run->scan_octets) {
        g_autofree char *text =
            g_strdup_printf("%" G_GSIZE_FORMAT " octets are over [virus] scan_size, %" G_GUINT64_FORMAT,
                            run->length, run->scan_octets);
        postern_virus_finding_note(finding, POSTERN_VIRUS_TOO_LARGE, text);
    } else {
        scan = begin_scan(run->engines->virus, run->octets, run->length, run->temporary_directory,
                          run->scanner, finding);
    }
    if (scan != NULL && run->findings->explain)
        scan->findings = run->findings;
    if (scan == NULL)
        explain(run);
    return scan;
}

static void end(const PosternCheckRun *run, gpointer data)
{
    end_scan(run->engines->virus, run->octets, run->length, data, &run->findings->virus);
    explain(run);
}

static gboolean self_test(const PosternEngines *engines, const char *temporary_directory, GError **error)
{
    return engines->virus == NULL || engines->virus->clamd != NULL ||
           postern_virus_engine_self_test(engines->virus, temporary_directory, error);
}

const PosternEvaluation postern_evaluation_virus = {
    .item = {.begin = begin, .take = postern_virus_scan_take, .note = postern_virus_scan_note, .end = end},
    .self_test = self_test,
};
