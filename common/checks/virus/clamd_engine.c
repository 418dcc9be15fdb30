#include "checks/virus/clamd_engine.h"

#include "base/error.h"
#include "base/limits.h"
#include "checks/virus/engine.h"

/* Before the pool ends a worker that is over its time, it says why. */
#define DEADLINE_PARTS 10

PosternVirusEngine *postern_virus_engine_new_clamd(const PosternVirusOptions *options, const char *place)
{
    PosternVirusEngine *engine = g_new0(PosternVirusEngine, 1);
    engine->clamd = g_strdup(place);
    engine->passes = g_path_is_absolute(place);
    engine->content = options->content;
    engine->scan_octets = options->scan_octets;
    engine->scan_timeout_ms = options->scan_timeout_ms;
    engine->workers = MAX(options->workers, 1);
    engine->signatures = 1; /* it has some: it is made to prove it */
    return engine;
}

PosternClamd *postern_virus_engine_begin_clamd(PosternVirusEngine *engine, const PosternScanner *scanner,
                                               PosternVirusFinding *finding)
{
    gint64 now = g_get_monotonic_time();
    gint64 timeout = (gint64)engine->scan_timeout_ms * 1000;
    if (scanner == NULL) {
        g_autofree char *text = g_strdup_printf("clamd: nobody answers at %s", engine->clamd);
        postern_virus_finding_note(finding, POSTERN_VIRUS_SCAN_ERROR, text);
        return NULL;
    }
    g_autoptr(PosternClamd) clamd = postern_clamd_new(scanner->descriptor, scanner->begun, engine->passes,
                                                      now + timeout - timeout / DEADLINE_PARTS, finding);
    if (engine->proved != 0 && now - engine->proved < POSTERN_CLAMD_PROOF_SECONDS * G_USEC_PER_SEC)
        return g_steal_pointer(&clamd);
    engine->proved = postern_clamd_prove(clamd) ? now : 0;
    engine->passes = postern_clamd_passes(clamd);
    return engine->proved != 0 ? g_steal_pointer(&clamd) : NULL;
}

gboolean postern_virus_engine_ask_clamd(PosternVirusEngine *engine, const PosternScanner *scanner,
                                        char **ret_version, GError **error)
{
    g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
    engine->proved = 0;
    g_autoptr(PosternClamd) clamd = postern_virus_engine_begin_clamd(engine, scanner, &finding);
    *ret_version = clamd != NULL ? postern_clamd_version(clamd) : NULL;
    if (*ret_version == NULL)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, "[virus] clamd = %s: %s", engine->clamd,
                    finding.reason != NULL ? finding.reason : "it does not say what it is");
    return *ret_version != NULL;
}
