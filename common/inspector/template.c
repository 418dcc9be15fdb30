#include "inspector/template.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/signature_files.h"
#include "checks/rules/engine.h"
#include "daemon/directory.h"
#include "daemon/execute.h"
#include "inspector/held_files.h"
#include "inspector/preload.h"
#include "inspector/signatures.h"
#include "inspector/worker.h"
#include "inspector_client/packet.h"

#define OOM_SCORE_FIRST "1000"
#define OOM_SCORE_OCTETS 16

typedef struct {
    PosternRole role;
    const PosternConfiguration *configuration;
    const char *worker_user; /* whom workers become, or NULL */
    int control;
    int signals;
    const char *directory;
    PosternEngines engines;
    PosternSignatures signatures;
    GHashTable *workers; /* process id -> Forked *, owned */
} Template;

typedef struct {
    guint64 number;
    char *directory; /* "": it has none */
} Forked;

static void forked_free(gpointer data)
{
    Forked *forked = data;
    g_free(forked->directory);
    g_free(forked);
}

static void tell(int control, PosternPacketKind kind, guint64 id, guint64 value, const char *text)
{
    PosternPacket packet = {.kind = kind, .id = id, .value = value, .failure = POSTERN_FAILURE_UNAVAILABLE};
    postern_packet_set_text(&packet, text);
    (void)!postern_packet_send(control, &packet, NULL); /* the pool sees an end for itself */
}

static gboolean load_dkim(Template *template, GError **error)
{
    template->engines.dkim = postern_dkim_engine_new(template->configuration->inspector.dkim_partial_body);
    return postern_dkim_engine_self_test(template->engines.dkim, error);
}

static void tell_warnings(const Template *template, const GPtrArray *warnings)
{
    guint told = MIN(warnings->len, POSTERN_SIGN_WARNINGS_MAX);
    for (guint i = 0; i < told; i++)
        tell(template->control, POSTERN_PACKET_LOG, 0, POSTERN_LOG_WARNING, g_ptr_array_index(warnings, i));
    if (warnings->len > told) {
        g_autofree char *rest =
            g_strdup_printf("%u more files of [sign] table need a look", warnings->len - told);
        tell(template->control, POSTERN_PACKET_LOG, 0, POSTERN_LOG_WARNING, rest);
    }
}

static gboolean load_keys(Template *template, GError **error)
{
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    PosternEngines *engines = &template->engines;
    engines->sign = postern_sign_engine_new(template->configuration->sign.table, warnings, error);
    if (engines->sign == NULL || !load_dkim(template, error) ||
        !postern_sign_engine_self_test(engines->sign, engines->dkim, TRUE, error))
        return FALSE;
    tell_warnings(template, warnings);
    tell(template->control, POSTERN_PACKET_READY, 0, postern_sign_engine_count(engines->sign), NULL);
    return TRUE;
}

static void load_spf(Template *template)
{
    if (template->configuration->inspector.spf_engine == POSTERN_SPF_ENGINE_LIBSPF2)
        template->engines.libspf2 = postern_libspf2_engine_new();
}

static gboolean load_light(Template *template, GError **error)
{
    load_spf(template);
    if (!load_dkim(template, error))
        return FALSE;
    postern_preload();
    tell(template->control, POSTERN_PACKET_READY, 0, 0, NULL);
    return TRUE;
}

static void log_of_signatures(PosternLogLevel level, const char *text, gpointer data)
{
    const Template *template = data;
    tell(template->control, POSTERN_PACKET_LOG, 0, level, text);
}

/* Loads the content rules. If a reload cannot, the old template stays in use; the first start falls back to
 * the default rules. */
static gboolean load_rules(Template *template, GError **error)
{
    const PosternConfiguration *configuration = template->configuration;
    PosternRulesOptions options = {.file = configuration->content.rules,
                                   .defaults = configuration->content.default_rules,
                                   .content = template->engines.content};
    g_autoptr(GError) problem = NULL;
    template->engines.rules = postern_rules_engine_new(&options, &problem);
    if (template->engines.rules != NULL)
        return TRUE;
    if (template->signatures.options->background) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    g_auto(GStrv) mistakes = g_strsplit(problem->message, "\n", 2);
    options.file = NULL;
    template->engines.rules = postern_rules_engine_new(&options, NULL);
    gboolean some = template->engines.rules != NULL && options.defaults;
    g_autofree char *text =
        g_strdup_printf("%s, and [policy] rules_undecided holds for each: %s%s",
                        some ? "MESSAGES ARE CHECKED BY THE DEFAULT CONTENT RULES ALONE"
                             : "NO MESSAGE IS CHECKED BY CONTENT RULES",
                        mistakes[0], mistakes[1] != NULL ? "; --check-config tells the other mistakes" : "");
    tell(template->control, POSTERN_PACKET_LOG, 0, POSTERN_LOG_ERROR, text);
    template->engines.rules_problem = g_strdup("the content rules could not be loaded");
    return TRUE;
}

static char *print_of_files(const PosternConfiguration *configuration)
{
    const char *database = configuration->virus.database;
    return postern_signature_files_print(database[0] != '\0' ? database : POSTERN_SIGNATURES_DEFAULT);
}

/* A text that changes when options or files do. files: their print before they were loaded. If something else
 * may have been loaded than they were then and are now, a text that no other template has. */
static char *version_of(const Template *template, const char *files)
{
    const PosternConfiguration *configuration = template->configuration;
    g_autofree char *files_now = print_of_files(configuration);
    g_autofree char *options = postern_configuration_dump(configuration);
    g_autofree char *rules = NULL;
    if (template->signatures.fallback != NULL || !g_str_equal(files, files_now))
        return g_uuid_string_random();
    if (configuration->content.rules[0] != '\0')
        (void)g_file_get_contents(configuration->content.rules, &rules, NULL, NULL);
    g_autofree char *all = g_strconcat(files, options, rules, NULL);
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, all, -1);
}

static gboolean load_scan(Template *template, GError **error)
{
    g_autofree char *files = print_of_files(template->configuration);
    load_spf(template);
    template->engines.content = postern_content_engine_new();
    if (!load_dkim(template, error))
        return FALSE;
    postern_preload();
    if (!load_rules(template, error))
        return FALSE;
    if (template->configuration->virus.scan &&
        (!postern_signatures_load(&template->signatures, &template->engines, error) ||
         !postern_signatures_hand_over(&template->signatures, template->control)))
        return FALSE;
    g_autofree char *version = version_of(template, files);
    tell(template->control, POSTERN_PACKET_READY, 0, template->signatures.count, version);
    return TRUE;
}

static void run_worker(const Template *template, int socket, const char *directory, GPid parent)
{
    const PosternConfiguration *configuration = template->configuration;
    const PosternWorkerOptions options = {.role = template->role,
                                          .socket = socket,
                                          .directory = directory[0] != '\0' ? directory : NULL,
                                          .user = template->worker_user,
                                          .engines = &template->engines,
                                          .memory_octets = configuration->inspector.worker_memory,
                                          .temporary_octets = configuration->inspector.temporary_octets,
                                          .scan_timeout_ms = configuration->inspector.scan_timeout_ms,
                                          .parent = parent};
    postern_worker_run(&options);
}

static gboolean send_forked(const Template *template, guint64 id, GPid process, GError **error)
{
    int descriptor = pidfd_open(process, 0);
    if (descriptor < 0)
        return postern_error_set_system(error, errno, "opening a descriptor of process %d", (int)process);
    g_auto(PosternPacket) packet = {.kind = POSTERN_PACKET_FORKED,
                                    .id = id,
                                    .value = (guint64)process,
                                    .descriptors = {descriptor},
                                    .descriptor_count = 1};
    return postern_packet_send(template->control, &packet, error) == 1;
}

static gboolean make_directory(const Template *template, const char *directory)
{
    const struct passwd *entry = template->worker_user != NULL ? getpwnam(template->worker_user) : NULL;
    if (mkdir(directory, 0700) != 0)
        return FALSE;
    return entry == NULL || chown(directory, entry->pw_uid, entry->pw_gid) == 0;
}

/* Takes socket. */
static gboolean fork_worker(Template *template, guint64 id, int socket, GError **error)
{
    GPid parent = getpid();
    gboolean has_directory = template->role == POSTERN_ROLE_SCAN;
    g_autofree char *directory =
        has_directory ? g_strdup_printf("%s/%" G_GUINT64_FORMAT, template->directory, id) : g_strdup("");
    if (has_directory && !make_directory(template, directory)) {
        postern_error_set_system(error, errno, "making a worker's directory %s", directory);
        close(socket);
        return FALSE;
    }
    GPid process = fork();
    if (process == 0)
        run_worker(template, socket, directory, parent);
    int number = errno;
    close(socket);
    if (process < 0) {
        if (has_directory)
            rmdir(directory);
        return postern_error_set_system(error, number, "forking a worker");
    }
    Forked *forked = g_new(Forked, 1);
    *forked = (Forked){id, g_steal_pointer(&directory)};
    g_hash_table_insert(template->workers, GINT_TO_POINTER(process), forked);
    if (!send_forked(template, id, process, error)) {
        kill(process, SIGKILL);
        return FALSE;
    }
    return TRUE;
}

/* FALSE: the pool is gone. */
static gboolean serve_pool(Template *template)
{
    g_auto(PosternPacket) packet = {0};
    g_autoptr(GError) error = NULL;
    if (postern_packet_receive(template->control, &packet, NULL) != 1 || packet.kind != POSTERN_PACKET_FORK)
        return FALSE;
    if (!fork_worker(template, packet.id, postern_packet_take_descriptor(&packet), &error))
        tell(template->control, POSTERN_PACKET_FAILURE, packet.id, 0, error->message);
    return TRUE;
}

/* A worker that was killed by the pool, or by the kernel for want of memory, is the pool's to tell of. */
static void tell_end(const Template *template, GPid process, int status)
{
    if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
        (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        return;
    g_autofree char *how = postern_wait_status_describe(status);
    g_autofree char *text = g_strdup_printf("worker %d ended %s", (int)process, how);
    tell(template->control, POSTERN_PACKET_LOG, 0, POSTERN_LOG_WARNING, text);
}

static void reap(Template *template)
{
    int status = 0;
    for (GPid process = waitpid(-1, &status, WNOHANG); process > 0; process = waitpid(-1, &status, WNOHANG)) {
        const Forked *forked = g_hash_table_lookup(template->workers, GINT_TO_POINTER(process));
        tell_end(template, process, status);
        if (forked == NULL)
            continue;
        tell(template->control, POSTERN_PACKET_ENDED, forked->number,
             WIFSIGNALED(status) ? (guint64)WTERMSIG(status) : 0, NULL);
        if (forked->directory[0] != '\0' && !postern_directory_remove(forked->directory, TRUE)) {
            tell(template->control, POSTERN_PACKET_LOG, 0, POSTERN_LOG_WARNING,
                 "a worker's temporary directory could not be removed");
        }
        g_hash_table_remove(template->workers, GINT_TO_POINTER(process));
    }
}

/* Milliseconds, for poll(). */
static int until(gint64 due)
{
    return due == G_MAXINT64 ? -1 : (int)CLAMP((due - g_get_monotonic_time()) / 1000 + 1, 0, G_MAXINT);
}

static gboolean serve(Template *template)
{
    PosternSignatures *signatures = template->signatures.watch != NULL ? &template->signatures : NULL;
    gint64 due = signatures != NULL ? postern_signatures_due(signatures) : G_MAXINT64;
    int events = signatures != NULL ? postern_signature_watch_descriptor(signatures->watch) : -1;
    struct pollfd sources[] = {{.fd = template->control, .events = POLLIN},
                               {.fd = template->signals, .events = POLLIN},
                               {.fd = events, .events = POLLIN}};
    if (poll(sources, G_N_ELEMENTS(sources), until(due)) < 0)
        return errno == EINTR;
    if (sources[1].revents != 0) {
        struct signalfd_siginfo ignored;
        if (read(template->signals, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
            return FALSE;
        reap(template);
    }
    gboolean look = signatures != NULL && (sources[2].revents != 0 || g_get_monotonic_time() >= due);
    if (look && postern_signatures_check(signatures))
        tell(template->control, POSTERN_PACKET_CHANGED, 0, 0, NULL);
    return sources[0].revents == 0 || serve_pool(template);
}

/* The closed control socket bids us end and tidy up; if we hang, the alarm's default action ends us. */
static void on_pool_death(int number)
{
    (void)number;
    alarm(POSTERN_INSPECTOR_TEMPLATE_END_MS / 1000);
}

/* The pool has bidden us to end, or is gone: the signal of its death may have come too early for us. */
static gboolean is_given_up(const Template *template)
{
    struct pollfd control = {.fd = template->control};
    return poll(&control, 1, 0) > 0;
}

/* What ends us is the control socket alone: a SIGTERM to the whole group must let the pool drain. */
static gboolean take_signals(Template *template, GError **error)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE};
    sigset_t ended;
    for (gsize i = 0; i < G_N_ELEMENTS(ignored); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGUSR2, on_pool_death);
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &ended, NULL) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_PDEATHSIG, SIGUSR2, 0, 0, 0) != 0 || prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
        return postern_error_set_system(error, errno, "setting up the template");
    template->signals = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    return template->signals >= 0 || postern_error_set_system(error, errno, "making a signalfd");
}

static void end_workers(Template *template)
{
    GHashTableIter iterator;
    gpointer process = NULL;
    g_hash_table_iter_init(&iterator, template->workers);
    while (g_hash_table_iter_next(&iterator, &process, NULL))
        kill(GPOINTER_TO_INT(process), SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
}

static gboolean load(Template *template, GError **error)
{
    static gboolean (*const loads[POSTERN_ROLES])(Template * template, GError * *error) = {
        [POSTERN_ROLE_SCAN] = load_scan,
        [POSTERN_ROLE_LIGHT] = load_light,
        [POSTERN_ROLE_SIGN] = load_keys,
    };
    return loads[template->role](template, error);
}

/* What loads beside others, and not they, is to end if memory runs out. *ret_before: its score until then. To
 * be called while /proc/self is ours. The descriptor by which it is set, or -1: it may not be. */
static int offer_to_oom_killer(char ret_before[OOM_SCORE_OCTETS])
{
    int descriptor = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (descriptor >= 0 && read(descriptor, ret_before, OOM_SCORE_OCTETS - 1) > 0)
        (void)!pwrite(descriptor, OOM_SCORE_FIRST, strlen(OOM_SCORE_FIRST), 0);
    return descriptor;
}

static void take_back_from_oom_killer(int descriptor, const char *before)
{
    if (descriptor >= 0) {
        (void)!pwrite(descriptor, before, strlen(before), 0);
        close(descriptor);
    }
}

static GPtrArray *receive_held(int control, guint count)
{
    GPtrArray *files = postern_held_files_new();
    for (guint i = 0; i < count; i++) {
        g_auto(PosternPacket) packet = {0};
        if (postern_packet_receive(control, &packet, NULL) == 1 && packet.kind == POSTERN_PACKET_FILE)
            postern_held_files_take(files, &packet);
    }
    return files;
}

void postern_template_run(const PosternTemplateOptions *options)
{
    Template template = {.role = options->role,
                         .configuration = options->configuration,
                         .worker_user = options->worker_user,
                         .control = options->control,
                         .signals = -1,
                         .directory = options->directory};
    g_autoptr(GPtrArray) held = receive_held(options->control, options->held);
    const PosternSignaturesOptions signatures = {.configuration = options->configuration,
                                                 .directory = options->directory,
                                                 .at_least = options->at_least,
                                                 .background = options->background,
                                                 .held = held,
                                                 .only_held = options->only_held,
                                                 .log = log_of_signatures,
                                                 .log_data = &template};
    g_autoptr(GError) error = NULL;
    int status = 0;
    char score[OOM_SCORE_OCTETS] = "";
    int oom = options->background ? offer_to_oom_killer(score) : -1;
    template.signatures.options = &signatures;
    template.workers = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, forked_free);
    if (take_signals(&template, &error) && !is_given_up(&template) && load(&template, &error)) {
        take_back_from_oom_killer(oom, score);
        while (serve(&template)) {
        }
    } else {
        tell(options->control, POSTERN_PACKET_FAILURE, 0, 0, error != NULL ? error->message : NULL);
        status = 1;
    }
    end_workers(&template);
    postern_directory_remove(options->directory, TRUE);
    /* What was loaded goes with the process: to free a million signatures one by one takes seconds. Only who
     * loads after us waits for that. */
    if (options->configuration->virus.reload != POSTERN_SIGNATURES_STOP_FIRST)
        (void)setpriority(PRIO_PROCESS, 0, 19);
    _exit(status);
}
