#include "inspector/signatures.h"

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "inspector/clamd_socket.h"
#include "inspector/held_files.h"

#define SECONDS_A_DAY (24 * 3600)
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13) /* IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0), see ioprio_set(2) */

typedef struct {
    PosternSignatures *signatures;
    PosternEngines *engines;
    const char *database;
    const char *loaded_from; /* or NULL */
    GError *error;
} Load;

static void tell(const PosternSignatures *signatures, PosternLogLevel level, const char *text)
{
    signatures->options->log(level, text, signatures->options->log_data);
}

/* Fewer than half of those in use are a file that is missing or was cut, rather than a new edition. */
static gboolean are_enough(const PosternSignatures *signatures, GError **error)
{
    guint64 at_least = signatures->options->at_least;
    if (signatures->count >= at_least)
        return TRUE;
    return postern_error_set(
        error, POSTERN_ERROR_UNAVAILABLE,
        signatures->count <= 1
            ? "[virus] database has no signatures any more"
            : "[virus] database has only %u signatures, fewer than half of those in use; if that is "
              "right, reload",
        signatures->count);
}

static gboolean load(Load *this)
{
    PosternSignatures *signatures = this->signatures;
    PosternEngines *engines = this->engines;
    const PosternSignaturesOptions *options = signatures->options;
    const PosternConfiguration *configuration = options->configuration;
    guint workers = configuration->inspector.workers;
    const PosternVirusOptions virus = {.database = this->database,
                                       .loaded_from = this->loaded_from,
                                       .content = engines->content,
                                       .scan_octets = configuration->virus.scan_octets,
                                       .phishing = configuration->virus.phishing,
                                       .scan_timeout_ms = configuration->inspector.scan_timeout_ms,
                                       /* as many spare ones */
                                       .workers = 2 * (workers != 0 ? workers : g_get_num_processors()),
                                       .temporary_directory = options->directory};
    engines->virus = postern_virus_engine_new(&virus, &signatures->count, &signatures->warning, &this->error);
    if (engines->virus == NULL)
        return FALSE;
    signatures->built = postern_virus_engine_built(engines->virus);
    return are_enough(signatures, &this->error) &&
           postern_virus_engine_self_test(engines->virus, options->directory, &this->error);
}

static gpointer load_behind_all_others(gpointer data)
{
    static const struct sched_param none = {0};
    (void)setpriority(PRIO_PROCESS, 0, 19); /* of this thread, as sched_setscheduler() and ioprio_set() */
    (void)sched_setscheduler(0, SCHED_IDLE, &none);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
    return GINT_TO_POINTER(load(data));
}

/*
 * Who may not raise priorities cannot take back that he is behind all others: a thread is, and ends, for the
 * workers are forked from the first one. It has no heap of its own.
 */
static gboolean load_in_turn(Load *this)
{
    if (!this->signatures->options->background)
        return load(this);
    GThread *thread = g_thread_new("signatures", load_behind_all_others, this);
    return GPOINTER_TO_INT(g_thread_join(thread));
}

/* Those that are held, if the others cannot be. */
static gboolean load_held(Load *this)
{
    PosternSignatures *signatures = this->signatures;
    g_autofree char *path = g_build_filename(signatures->options->directory, "held", NULL);
    if (!postern_held_files_link(signatures->options->held, path, NULL))
        return FALSE;
    signatures->fallback = g_strdup(this->error->message);
    g_clear_error(&this->error);
    g_clear_pointer(&signatures->warning, g_free);
    g_clear_pointer(&this->engines->virus, postern_virus_engine_free);
    this->database = path;
    this->loaded_from = NULL;
    gboolean loaded = load(this);
    if (!loaded)
        g_clear_pointer(&signatures->fallback, g_free);
    return loaded;
}

/* What is held is what is loaded, whatever becomes of the folder in the meantime. */
static gboolean load_new(Load *this)
{
    PosternSignatures *signatures = this->signatures;
    g_autofree char *path = g_build_filename(signatures->options->directory, "new", NULL);
    if (signatures->options->only_held) {
        g_set_error_literal(&this->error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                            "the process that loaded them has ended");
        return FALSE;
    }
    if (signatures->options->configuration->virus.reload == POSTERN_SIGNATURES_STOP_FIRST)
        postern_held_files_open(signatures->files, this->database);
    if (signatures->files->len > 0 && postern_held_files_link(signatures->files, path, NULL))
        this->loaded_from = path;
    gboolean loaded = load_in_turn(this);
    this->loaded_from = NULL;
    return loaded;
}

static void tell_age(const PosternSignatures *signatures)
{
    guint days = signatures->options->configuration->virus.warn_days;
    gint64 age = (g_get_real_time() / G_USEC_PER_SEC - signatures->built) / SECONDS_A_DAY;
    if (days == 0 || signatures->built == 0 || age < days)
        return;
    g_autofree char *text = g_strdup_printf(
        "the newest virus signatures are %" G_GINT64_FORMAT " days old: does freshclam run?", age);
    tell(signatures, POSTERN_LOG_WARNING, text);
}

static void tell_what_is_wrong(PosternSignatures *signatures)
{
    guint reminder_ms = signatures->options->configuration->virus.reminder_ms;
    signatures->remind = g_get_monotonic_time() + (gint64)reminder_ms * 1000;
    if (signatures->problem != NULL) {
        g_autofree char *text = g_strdup_printf(
            "NO MESSAGE CAN BE SCANNED FOR VIRUSES, and [policy] scan_error holds for each: %s",
            signatures->problem);
        tell(signatures, POSTERN_LOG_ERROR, text);
    }
    if (signatures->fallback != NULL) {
        g_autofree char *text = g_strdup_printf(
            "the new signatures cannot serve, those before were loaded again: %s", signatures->fallback);
        tell(signatures, POSTERN_LOG_ERROR, text);
    }
    if (signatures->warning != NULL)
        tell(signatures, POSTERN_LOG_WARNING, signatures->warning);
    tell_age(signatures);
}

/* They are clamd's, which may come and go: each message is tried, whatever it says now. */
static gboolean load_clamd(PosternSignatures *signatures, PosternEngines *engines)
{
    const PosternConfiguration *configuration = signatures->options->configuration;
    const PosternVirusOptions options = {.content = engines->content,
                                         .scan_octets = configuration->virus.scan_octets,
                                         .scan_timeout_ms = configuration->inspector.scan_timeout_ms};
    g_autofree char *version = NULL;
    g_autoptr(GError) error = NULL;
    engines->virus = postern_virus_engine_new_clamd(&options, configuration->virus.clamd);
    gboolean there = postern_clamd_socket_ask(configuration->virus.clamd, engines->virus, &version, &error);
    g_autofree char *text = g_strdup_printf("clamd at %s: %s", configuration->virus.clamd, version);
    if (there)
        tell(signatures, POSTERN_LOG_NOTICE, text);
    else
        engines->virus_problem = g_strdup(error->message);
    signatures->problem = engines->virus_problem;
    signatures->count = there ? 1 : 0;
    tell_what_is_wrong(signatures);
    return TRUE;
}

gboolean postern_signatures_load(PosternSignatures *signatures, PosternEngines *engines, GError **error)
{
    const PosternSignaturesOptions *options = signatures->options;
    Load this = {
        .signatures = signatures, .engines = engines, .database = options->configuration->virus.database};
    signatures->watch = postern_signature_watch_new(options->configuration);
    signatures->files = postern_held_files_new();
    if (options->configuration->virus.clamd[0] != '\0')
        return load_clamd(signatures, engines);
    (void)mallopt(M_ARENA_MAX, 1);
    gboolean loaded = load_new(&this) || (options->held->len > 0 && load_held(&this));
    (void)malloc_trim(0);
    g_autoptr(GError) problem = this.error;
    if (!loaded && (engines->virus != NULL || (options->at_least > 0 && options->held->len == 0))) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    if (!loaded) {
        engines->virus_problem = g_strdup(problem->message);
        signatures->count = 0;
    }
    signatures->problem = engines->virus_problem;
    tell_what_is_wrong(signatures);
    return TRUE;
}

gboolean postern_signatures_hand_over(const PosternSignatures *signatures, int socket)
{
    gboolean held = signatures->fallback != NULL;
    return postern_held_files_send(held ? signatures->options->held : signatures->files, socket);
}

gint64 postern_signatures_due(const PosternSignatures *signatures)
{
    return MIN(signatures->remind, postern_signature_watch_due(signatures->watch));
}

gboolean postern_signatures_check(PosternSignatures *signatures)
{
    gboolean remind = g_get_monotonic_time() >= signatures->remind;
    gboolean changed = postern_signature_watch_look(signatures->watch);
    if (changed)
        tell(signatures, POSTERN_LOG_NOTICE,
             "the files of [virus] database have changed: they are loaded now");
    else if (remind)
        tell_what_is_wrong(signatures);
    return changed || (remind && signatures->problem != NULL);
}
