#include "checks/virus/engine.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/signature_files.h"
#include "checks/virus/encoded_signatures.h"
#include "checks/virus/sample.h"
#include "checks/virus/scan.h"

static gboolean set_library_error(GError **error, cl_error_t status, const char *what)
{
    return postern_error_set(error, POSTERN_ERROR_UNAVAILABLE, "libclamav: %s: %s", what,
                             cl_strerror(status));
}

static const struct cl_scan_options scan_options = {
    .general = CL_SCAN_GENERAL_HEURISTICS | CL_SCAN_GENERAL_ALLMATCHES, /* all names are wanted */
    .parse = G_MAXUINT32 & ~CL_SCAN_PARSE_MAIL, /* every other parser, those of later versions too */
    .heuristic =
        CL_SCAN_HEURISTIC_EXCEEDS_MAX | CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE | CL_SCAN_HEURISTIC_ENCRYPTED_DOC,
};

/*
 * No cache of what was clean: a layer that could not be read whole would be remembered as clean, and the next
 * message with it would pass without a word. The interpreter runs bytecode, for a sandbox allows no code to
 * be made.
 */
static gboolean set_limits(struct cl_engine *library, const PosternVirusOptions *options, GError **error)
{
    const struct {
        enum cl_engine_field field;
        guint64 value;
    } settings[] = {
        {CL_ENGINE_DISABLE_CACHE, 1},
        {CL_ENGINE_DISABLE_PE_STATS, 1},
        {CL_ENGINE_BYTECODE_MODE, CL_BYTECODE_MODE_INTERPRETER},
        {CL_ENGINE_MAX_FILESIZE, options->scan_octets},
        {CL_ENGINE_MAX_HTMLNORMALIZE, options->scan_octets},
        {CL_ENGINE_MAX_HTMLNOTAGS, options->scan_octets},
        {CL_ENGINE_MAX_SCRIPTNORMALIZE, options->scan_octets},
        {CL_ENGINE_MAX_EMBEDDEDPE, options->scan_octets},
        {CL_ENGINE_MAX_SCANTIME, options->scan_timeout_ms},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(settings); i++) {
        cl_error_t status = cl_engine_set_num(library, settings[i].field, (long long)settings[i].value);
        if (status != CL_SUCCESS)
            return set_library_error(error, status, "an option is refused");
    }
    return TRUE;
}

/* The EICAR signature, which is always known: the proof needs it. libclamav loads files only, by their
 * suffix. */
static gboolean load_eicar(struct cl_engine *library, const char *directory, guint *count, GError **error)
{
    g_autofree char *folder =
        g_build_filename(directory != NULL ? directory : g_get_tmp_dir(), "postern-XXXXXX", NULL);
    if (g_mkdtemp(folder) == NULL)
        return postern_error_set_system(error, errno, "cannot make %s", folder);
    g_autofree char *path = g_build_filename(folder, "eicar.ldb", NULL);
    g_autofree char *signature = postern_virus_sample_signature();
    gboolean loaded = g_file_set_contents(path, signature, -1, error);
    if (loaded) {
        cl_error_t status = cl_load(path, library, count, CL_DB_STDOPT);
        loaded = status == CL_SUCCESS || set_library_error(error, status, "the EICAR signature");
    }
    g_unlink(path);
    g_rmdir(folder);
    return loaded;
}

/* All of them or an error: signatures that are missing in silence are viruses that pass in silence. */
static gboolean load_database(struct cl_engine *library, const PosternVirusOptions *options, guint *count,
                              char **ret_warning, GError **error)
{
    g_autofree char *path = NULL, *problem = NULL;
    guint before = *count;
    switch (postern_signature_files_look(options->database, &path, &problem)) {
    case POSTERN_SIGNATURES_THERE:
        break;
    case POSTERN_SIGNATURES_NONE:
        *ret_warning = g_strdup_printf(
            "no virus signatures in %s: only the EICAR test is found; freshclam (Debian: package "
            "clamav-freshclam) fetches them",
            path != NULL ? path : POSTERN_SIGNATURES_DEFAULT);
        return TRUE;
    default:
        return postern_error_set(error, POSTERN_ERROR_UNAVAILABLE, "[virus] database: %s", problem);
    }
    const char *loaded = options->loaded_from != NULL ? options->loaded_from : path;
    cl_error_t status = cl_load(loaded, library, count, CL_DB_STDOPT);
    if (status == CL_SUCCESS && *count > before)
        return TRUE;
    return postern_error_set(
        error, POSTERN_ERROR_UNAVAILABLE,
        "[virus] database: the signatures in %s cannot be loaded: %s; find the damaged file with "
        "clamscan -d FILE, and fetch it again with freshclam",
        path, status == CL_SUCCESS ? "there are none in it" : cl_strerror(status));
}

static gboolean compile(struct cl_engine *library, GError **error)
{
    cl_error_t status = cl_engine_compile(library);
    if (status != CL_SUCCESS)
        return set_library_error(error, status, "the signatures cannot be compiled");
    cl_engine_set_clcb_file_inspection(library, postern_virus_scan_layer);
    cl_engine_set_clcb_virus_found(library, postern_virus_scan_name);
    return TRUE;
}

/* A second engine with the few signatures that base64 text may match; if that cannot be had, the first looks
 * at all of the text. */
static void load_encoded(PosternVirusEngine *engine, const PosternVirusOptions *options, char **ret_warning)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL, *problem = NULL;
    const char *directory =
        options->temporary_directory != NULL ? options->temporary_directory : g_get_tmp_dir();
    guint count = 0;
    if (postern_signature_files_look(options->database, &path, &problem) != POSTERN_SIGNATURES_THERE)
        return;
    engine->encoded = cl_engine_new();
    engine->uncut = engine->encoded == NULL || !set_limits(engine->encoded, options, &error) ||
                    !postern_encoded_signatures_load(
                        engine->encoded, options->loaded_from != NULL ? options->loaded_from : path,
                        directory, &count, &error) ||
                    (count > 0 && !compile(engine->encoded, &error));
    if (engine->encoded != NULL && (engine->uncut || count == 0)) {
        cl_engine_free(engine->encoded);
        engine->encoded = NULL;
    }
    if (engine->uncut && *ret_warning == NULL)
        *ret_warning = g_strdup_printf("scans of mail with long attachments take longer: %s",
                                       error != NULL ? error->message : "no memory");
}

PosternVirusEngine *postern_virus_engine_new(const PosternVirusOptions *options, guint *ret_signatures,
                                             char **ret_warning, GError **error)
{
    g_autofree char *warning = NULL;
    guint count = 0;
    cl_set_clcb_msg(postern_virus_scan_message);
    cl_error_t status = cl_init(CL_INIT_DEFAULT);
    if (status != CL_SUCCESS) {
        set_library_error(error, status, "cannot start");
        return NULL;
    }
    g_autoptr(PosternVirusEngine) engine = g_new0(PosternVirusEngine, 1);
    engine->library = cl_engine_new();
    engine->scan = scan_options;
    engine->content = options->content;
    engine->scan_octets = options->scan_octets;
    engine->phishing = options->phishing;
    engine->scan_timeout_ms = options->scan_timeout_ms;
    engine->workers = MAX(options->workers, 1);
    if (engine->library == NULL || !set_limits(engine->library, options, error) ||
        !load_eicar(engine->library, options->temporary_directory, &count, error) ||
        !load_database(engine->library, options, &count, &warning, error) || !compile(engine->library, error))
        return NULL;
    load_encoded(engine, options, &warning);
    engine->built = cl_engine_get_num(engine->library, CL_ENGINE_DB_TIME, NULL);
    if (engine->built == 0)
        engine->built = postern_signature_files_newest(options->database);
    engine->signatures = count > 1 ? count - 1 : 0;
    *ret_signatures = count;
    *ret_warning = g_steal_pointer(&warning);
    return g_steal_pointer(&engine);
}

/* ClamAV's own say so themselves; of others the files do. */
gint64 postern_virus_engine_built(const PosternVirusEngine *engine)
{
    return engine->built;
}

void postern_virus_engine_free(PosternVirusEngine *engine)
{
    if (engine == NULL)
        return;
    if (engine->library != NULL)
        cl_engine_free(engine->library);
    if (engine->encoded != NULL)
        cl_engine_free(engine->encoded);
    g_free(engine->clamd);
    g_free(engine);
}
