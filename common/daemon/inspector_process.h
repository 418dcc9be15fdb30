/*
 * A private postern-inspector of one program: its socket in a directory of its own (mode 0700), the process a
 * child that ends with us.
 */
#pragma once

#include <glib.h>

/* What comes through its lifeline, one octet each; the end of it is the end of the program. */
typedef enum {
    POSTERN_LIFELINE_RELOAD = 'r', /* read configuration, signatures and keys again */
    POSTERN_LIFELINE_LOG = 'l',    /* with the descriptor to log to */
} PosternLifelineOrder;

typedef struct PosternInspectorProcess PosternInspectorProcess;

/*
 * Makes the directory and the listening socket, and starts postern-inspector with configuration_path (NULL:
 * none given). extra_arguments (NULL-terminated, or NULL) are passed on. It logs where this program does.
 * It is looked for beside this program, then in POSTERN_LIBEXECDIR. An error says where it was looked for.
 */
PosternInspectorProcess *postern_inspector_process_new(const char *configuration_path,
                                                       const char *const *extra_arguments,
                                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * What a private inspector says of the configuration at path (as above), whose keys nobody else can read. It
 * loads no signatures, which may take long. FALSE, and error with its words, if it could not go by it.
 */
gboolean postern_inspector_process_check_configuration(const char *path,
                                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The socket's path, for postern_inspector_client_new(). */
const char *postern_inspector_process_path(const PosternInspectorProcess *process);

/* Makes the socket's directory user's, before privileges are dropped. */
gboolean postern_inspector_process_give_to(PosternInspectorProcess *process, const char *user,
                                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The process id, or 0 while it is down. */
GPid postern_inspector_process_pid(const PosternInspectorProcess *process);

/*
 * To be called when SIGCHLD came or now and then: starts it again if it has ended, with growing pauses
 * (daemon/restart.h). TRUE: it had ended; *ret_text (a new string) says how, or is NULL
 * if that is no news for the log: it keeps ending.
 */
gboolean postern_inspector_process_check(PosternInspectorProcess *process, char **ret_text);

/* Hands it the descriptor that this program logs to, after the log file was opened again. */
void postern_inspector_process_reopen(PosternInspectorProcess *process);

/* Tells it to read its configuration and the signatures again, whichever user it runs as. */
void postern_inspector_process_reload(PosternInspectorProcess *process);

/* Ends the process (its lifeline is closed; SIGKILL after POSTERN_INSPECTOR_END_MS), waits for it, removes
 * the directory.
 */
void postern_inspector_process_free(PosternInspectorProcess *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternInspectorProcess, postern_inspector_process_free)
