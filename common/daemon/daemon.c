#include "daemon/daemon.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/build.h"
#include "base/configuration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/option.h"
#include "base/privileges.h"
#include "daemon/confinement.h"
#include "daemon/notify.h"

#define STATUS_PAUSE_US (5 * G_USEC_PER_SEC)

void postern_daemon_init(PosternDaemon *daemon, const char *program, const char *path, guint restarts)
{
    *daemon = (PosternDaemon){.program = program,
                              .path = path,
                              .restarts = restarts,
                              .counters = postern_counters_new(),
                              .watchdog_us = postern_notify_watchdog_time()};
    signal(SIGPIPE, SIG_IGN);
}

void postern_daemon_clear(PosternDaemon *daemon)
{
    g_clear_pointer(&daemon->monitor, postern_inspector_monitor_free);
    g_clear_pointer(&daemon->inspector, postern_inspector_process_free);
    g_clear_pointer(&daemon->capsules, postern_capsule_store_free);
    g_clear_pointer(&daemon->http, postern_http_free);
    g_clear_pointer(&daemon->tally, postern_tally_free);
    g_clear_pointer(&daemon->counters, postern_counters_unref);
    g_clear_pointer(&daemon->answers, postern_answers_file_unref);
    g_clear_pointer(&daemon->health, postern_resolver_health_free);
    g_clear_pointer(&daemon->inspector_path, g_free);
    g_clear_pointer(&daemon->user, g_free);
    g_clear_pointer(&daemon->status, g_free);
}

const char *postern_daemon_user(const char *group, const char *user)
{
    const char *chosen = postern_privileges_user(group, user);
    if (!g_str_equal(chosen, user))
        postern_log(POSTERN_LOG_NOTICE, "there is no user '%s' ([%s] user): running as '%s'", user, group,
                    chosen);
    return chosen;
}

/* NULL: none, so that the daemon starts its own. */
static const char *shared_inspector(const PosternConfiguration *configuration)
{
    return configuration->inspector.socket[0] != '\0' ? configuration->inspector.socket
                                                      : configuration->given_inspector;
}

gboolean postern_daemon_start_inspector(PosternDaemon *daemon, const PosternConfiguration *configuration,
                                        gboolean gives_up_rights, GError **error)
{
    static const char *const keep[] = {"--keep", NULL};
    gboolean is_root = geteuid() == 0;
    daemon->inspector_path = g_strdup(shared_inspector(configuration));
    if (daemon->inspector_path != NULL)
        return TRUE;
    daemon->inspector =
        postern_inspector_process_new(daemon->path, is_root && gives_up_rights ? keep : NULL, error);
    if (daemon->inspector == NULL)
        return FALSE;
    daemon->restarts |= POSTERN_RELOAD_RESTARTS_INSPECTOR;
    daemon->inspector_path = g_strdup(postern_inspector_process_path(daemon->inspector));
    return !is_root || postern_inspector_process_give_to(daemon->inspector, daemon->user, error);
}

void postern_daemon_check_inspector(PosternDaemon *daemon)
{
    g_autofree char *text = NULL;
    if (daemon->inspector == NULL || !postern_inspector_process_check(daemon->inspector, &text))
        return;
    postern_counters_add(daemon->counters, "inspector_restarts", NULL, 1);
    if (text != NULL)
        postern_log(POSTERN_LOG_ERROR, "postern-inspector has ended (%s) and is started again", text);
}

static void warn_of_capsules(const char *text, guint lost, gpointer user_data)
{
    postern_log(POSTERN_LOG_WARNING, "[capsule]: %u messages were not kept: %s", lost, text);
}

static void report_dns(gboolean answers, const char *text, gpointer user_data)
{
    postern_log(answers ? POSTERN_LOG_NOTICE : POSTERN_LOG_WARNING, "%s", text);
}

gboolean postern_daemon_open_files(PosternDaemon *daemon, const PosternConfiguration *configuration,
                                   GError **error)
{
    const char *answers = configuration->dns.answers;
    daemon->health = postern_resolver_health_new(report_dns, NULL);
    postern_resolver_health_count_in(daemon->health, daemon->counters);
    if (answers[0] != '\0') {
        daemon->answers = postern_answers_file_load(answers, error);
        if (daemon->answers == NULL) {
            g_prefix_error(error, "[dns] answers: ");
            return FALSE;
        }
        postern_log(POSTERN_LOG_WARNING, "[dns] answers: %s stands in for the DNS", answers);
    }
    return postern_capsule_store_open(configuration, daemon->user, warn_of_capsules, NULL, &daemon->capsules,
                                      error);
}

gboolean postern_daemon_give_up_rights(PosternDaemon *daemon, const PosternConfiguration *configuration,
                                       GError **error)
{
    g_autofree char *directory =
        daemon->inspector != NULL ? g_path_get_dirname(daemon->inspector_path) : NULL;
    gboolean confined = FALSE;
    if (!postern_log_give(daemon->user, error) || !postern_privileges_drop(daemon->user, error) ||
        !postern_confinement_enter(configuration, daemon->path, directory, &confined, error))
        return FALSE;
    if (!confined)
        postern_log(POSTERN_LOG_NOTICE,
                    "this kernel has no Landlock: files are protected by the user's rights alone");
    return TRUE;
}

void postern_daemon_announce(PosternDaemon *daemon, struct event_base *loop, const char *where)
{
    postern_notify("READY=1");
    g_autofree char *ready = g_strdup_printf("%s " POSTERN_VERSION " is ready on %s", daemon->program, where);
    if (daemon->inspector_path == NULL) {
        postern_log(POSTERN_LOG_NOTICE, "%s", ready);
        return;
    }
    postern_log(POSTERN_LOG_NOTICE, "%s " POSTERN_VERSION " listens on %s; it is ready once its inspector is",
                daemon->program, where);
    daemon->monitor = postern_inspector_monitor_new(loop, daemon->inspector_path, ready);
}

void postern_daemon_tell(PosternDaemon *daemon, const char *status, gboolean alive)
{
    gint64 now = g_get_monotonic_time();
    if (daemon->watchdog_us > 0 && alive && now >= daemon->beats_at) {
        daemon->beats_at = now + daemon->watchdog_us / 4;
        postern_notify("WATCHDOG=1");
    }
    if (now < daemon->status_at || g_strcmp0(status, daemon->status) == 0)
        return;
    daemon->status_at = now + STATUS_PAUSE_US;
    g_free(daemon->status);
    daemon->status = g_strdup(status);
    g_autofree char *state = g_strdup_printf("STATUS=%s", status);
    postern_notify(state);
}

PosternConfiguration *postern_daemon_load(const PosternDaemon *daemon, const PosternConfiguration *running,
                                          GError **error)
{
    g_autofree char *state =
        g_strdup_printf("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time());
    postern_notify(state);
    g_autoptr(PosternConfiguration) configuration = postern_configuration_load(daemon->path, error);
    if (configuration == NULL ||
        !postern_configuration_can_reload(running, configuration, daemon->restarts, error))
        return NULL;
    return g_steal_pointer(&configuration);
}

void postern_daemon_reloaded(PosternDaemon *daemon, const PosternConfiguration *configuration,
                             const GError *error)
{
    if (error != NULL || !daemon->passes_on)
        postern_notify("READY=1");
    if (error != NULL) {
        g_auto(GStrv) mistakes = g_strsplit(error->message, "\n", -1);
        for (char **mistake = mistakes; *mistake != NULL; mistake++)
            postern_log(POSTERN_LOG_ERROR, "nothing was changed by the reload: %s", *mistake);
        return;
    }
    postern_log_set_level((PosternLogLevel)configuration->log.level);
    postern_capsule_store_reload(daemon->capsules, configuration);
    if (daemon->inspector != NULL)
        postern_inspector_process_reload(daemon->inspector);
}

gboolean postern_daemon_reopen_log(PosternDaemon *daemon)
{
    g_autoptr(GError) error = NULL;
    if (!postern_log_reopen(&error) || !postern_log_give(daemon->user, &error)) {
        postern_log(POSTERN_LOG_ERROR, "%s", error->message);
        return FALSE;
    }
    if (daemon->inspector != NULL)
        postern_inspector_process_reopen(daemon->inspector);
    return TRUE;
}

void postern_daemon_adopt_log(int descriptor)
{
    g_autoptr(GError) error = NULL;
    if (descriptor >= 0 && !postern_log_adopt(descriptor, &error))
        postern_log(POSTERN_LOG_ERROR, "%s", error->message);
}

/* proc(5), statm: pages, the second number those in memory. */
static double resident_octets(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/self/statm", &text, NULL, NULL))
        return 0;
    const char *space = strchr(text, ' ');
    return space != NULL ? (double)g_ascii_strtoull(space, NULL, 10) * (double)sysconf(_SC_PAGESIZE) : 0;
}

void postern_daemon_add_status(const PosternDaemon *daemon, PosternStatus *status)
{
    postern_status_add(status, &(PosternGauge){"resident_memory_octets", "Memory of the program.",
                                               "of memory", POSTERN_UNIT_OCTETS, .value = resident_octets()});
}

gboolean postern_daemon_check_configuration(const PosternConfiguration *configuration, const char *path,
                                            gboolean inspects, GError **error)
{
    gboolean starts = inspects && shared_inspector(configuration) == NULL;
    return postern_http_check(configuration, configuration->http.listen, error) &&
           postern_http_check(configuration, configuration->http.milter_listen, error) &&
           postern_http_check(configuration, configuration->http.inspector_listen, error) &&
           postern_resolver_check_configuration(configuration, error) &&
           (!starts || postern_inspector_process_check_configuration(path, error));
}
