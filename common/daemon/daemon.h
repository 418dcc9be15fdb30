/*
 * What every daemon does around its work: whom it becomes, where it is confined to, its private inspector,
 * what stands in for the DNS, its capsules, its log's file, and what a reload may take over. All of it in one
 * thread, the one that takes the signals.
 */
#pragma once

#include <event2/event.h>

#include "base/configuration.h"
#include "base/counters.h"
#include "capsule/store.h"
#include "daemon/inspector_process.h"
#include "daemon/monitor.h"
#include "dns/answers_file.h"
#include "dns/resolver.h"
#include "http/server.h"
#include "tally/tally.h"

/* Filled by the functions below; members that are not named stay NULL. */
typedef struct {
    const char *program; /* "postern-proxy" */
    const char *path;    /* where the configuration came from, or NULL */
    guint restarts;      /* POSTERN_RELOAD_RESTARTS_*: of this program, and of its private inspector */
    gboolean passes_on;  /* another process tells the service manager when a reload has been taken */
    char *user;          /* whom it becomes */
    char *inspector_path;
    PosternInspectorProcess *inspector; /* a private one, which this process starts again */
    PosternInspectorMonitor *monitor;
    PosternAnswersFile *answers;
    PosternResolverHealth *health;
    PosternCapsuleStore *capsules;
    PosternCounters *counters;
    PosternTally *tally; /* or NULL: [report] store is not set; its owner starts it */
    PosternHttp *http;   /* or NULL; its owner opens it */
    char *status;        /* what the service manager was told last */
    gint64 watchdog_us;  /* how often it wants to hear that all goes on; 0: it does not */
    gint64 beats_at;     /* when it hears that next, and what happens; monotonic microseconds */
    gint64 status_at;
} PosternDaemon;

/* Ignores SIGPIPE, makes counters. program and path (or NULL) outlive daemon; restarts is that of the program
 * alone. */
void postern_daemon_init(PosternDaemon *daemon, const char *program, const char *path, guint restarts);

/* Ends what it has: the inspector, its monitor, the capsules. */
void postern_daemon_clear(PosternDaemon *daemon);

/*
 * The user to become: user, the value of option user in [group], or "nobody" as of postern_privileges_user(),
 * which the log is told.
 */
const char *postern_daemon_user(const char *group, const char *user);

/*
 * Takes [inspector] socket, or else that of the command line, for inspector_path, or starts a private
 * inspector. gives_up_rights: this process will be daemon->user by the time that it has to start it again, so
 * that a keeper does.
 */
gboolean postern_daemon_start_inspector(PosternDaemon *daemon, const PosternConfiguration *configuration,
                                        gboolean gives_up_rights, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Now and then, and on SIGCHLD: starts a private inspector again if it has ended, and tells the log. */
void postern_daemon_check_inspector(PosternDaemon *daemon);

/*
 * What a daemon opens before it gives up its rights: [dns] answers, whose use the log is told, and [capsule]
 * directory.
 */
gboolean postern_daemon_open_files(PosternDaemon *daemon, const PosternConfiguration *configuration,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Becomes daemon->user for good, and confines this process to the files that it reads again while it runs,
 * its log, and what a private inspector needs that it starts again. No threads may exist but the log's.
 */
gboolean postern_daemon_give_up_rights(PosternDaemon *daemon, const PosternConfiguration *configuration,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Tells a service manager that the daemon serves, and the log that it is ready "on …", which where continues:
 * at once, or, if there is an inspector to ask, once it can be asked. Then monitor watches that inspector
 * from loop.
 */
void postern_daemon_announce(PosternDaemon *daemon, struct event_base *loop, const char *where);

/* A few times a second: tells a service manager now and then what happens, if that is new, and, if it wants
 * to know, that all goes on (alive). */
void postern_daemon_tell(PosternDaemon *daemon, const char *status, gboolean alive);

/*
 * The configuration read again, the caller's; or NULL, and error, if it is wrong or differs from running in
 * what daemon takes at a restart only.
 */
PosternConfiguration *postern_daemon_load(const PosternDaemon *daemon, const PosternConfiguration *running,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The end of each reload: error (the log is told why nothing was changed), or NULL (configuration holds: for
 * the log's level, the capsules, the private inspector). */
void postern_daemon_reloaded(PosternDaemon *daemon, const PosternConfiguration *configuration,
                             const GError *error);

/* Opens the log's file again, for daemon->user, and hands it to a private inspector. FALSE: the log was told.
 */
gboolean postern_daemon_reopen_log(PosternDaemon *daemon);

/* Logs to descriptor (taken; -1: nothing changes), which a process with more rights has opened and passed on.
 */
void postern_daemon_adopt_log(int descriptor);

/* Adds what any daemon says of itself. */
void postern_daemon_add_status(const PosternDaemon *daemon, PosternStatus *status);

/* What --check-config sees beyond the file: the resolver, and the keys if a private inspector is started. */
gboolean postern_daemon_check_configuration(const PosternConfiguration *configuration, const char *path,
                                            gboolean inspects, GError **error) G_GNUC_WARN_UNUSED_RESULT;
