/*
 * The log of the programs: one line an event, one write(2) a line, safe from any thread. Libraries return
 * errors and do not call this, but for postern_log_state().
 *
 * A closing line (PosternLogLine) is `key=value key="value with spaces"`, values escaped and cut
 * (POSTERN_LOG_VALUE_MAX_OCTETS), made for grep and for parsers; other lines are sentences.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_LOG_ERROR,   /* somebody must act: what failed, on what, what to do */
    POSTERN_LOG_WARNING, /* service is worse than it should be */
    POSTERN_LOG_NOTICE,  /* start, stop, reload */
    POSTERN_LOG_INFO,    /* closing lines of sessions and messages */
    POSTERN_LOG_DEBUG,   /* each step, for one who looks for a fault */
} PosternLogLevel;

/*
 * Opens the log of this process. destination: "stderr", "syslog" (facility mail), or the absolute path of a
 * file that is appended to. program is the name in each line and must outlive the log. Before this call,
 * lines go to stderr at NOTICE and above. If stderr is the journal's, journald is told by its own protocol,
 * with the fields of a closing line as its fields (POSTERN_SESSION=…), once postern_log_start() was called;
 * before, or if its socket cannot be reached, each line carries its <N> priority. Elsewhere a local time
 * stamp with the offset from UTC stands first.
 */
gboolean postern_log_open(const char *program, const char *destination, PosternLogLevel level,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The same with a descriptor, which is taken over, in the place of a destination: what a program logs to
 * that started this one.
 */
gboolean postern_log_open_descriptor(const char *program, int descriptor, PosternLogLevel level,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * From now on a thread of its own writes (base/log_writer.h): nobody waits for a slow reader, and errors,
 * warnings and lines with postern_log_line_repeats() that say the same again and again are counted instead
 * (base/log_repeat.h). A crash of another thread loses no line: the signal waits for the thread, at most
 * POSTERN_LOG_FINISH_MS. Call it when the rights of the process are what they will be; again after a fork.
 */
void postern_log_start(void);

/* Gives what waits POSTERN_LOG_FINISH_MS to be written; before the process ends, also by _exit(). */
void postern_log_finish(void);

/*
 * The descriptor that lines are written to, for a child that logs to the same place, owned by the log; -1: to
 * the system log, which each process opens for itself.
 */
int postern_log_descriptor(void);

/* Makes the destination user's if it is a plain file, no link, and this process is root; its group stays. */
gboolean postern_log_give(const char *user, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Opens the destination file again, after a rotation; nothing for what has no path. */
gboolean postern_log_reopen(GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Writes to descriptor from now on, which is taken over, in the place of a file or a descriptor. */
gboolean postern_log_adopt(int descriptor, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Lines are JSON objects: time, program, pid, level, and kind with its fields, or text. Before it is opened.
 */
void postern_log_set_json(gboolean json);

/* Changes the level. Any thread. */
void postern_log_set_level(PosternLogLevel level);

/* Writes one line; text over POSTERN_LOG_LINE_MAX_OCTETS is cut. Peer text in it must be escaped already. */
void postern_log(PosternLogLevel level, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The same, for text that is whole; lines with the same key count as repetitions of one another. */
void postern_log_unless_repeated(PosternLogLevel level, const char *key, const char *text);

/*
 * What each setter of a state says, at DEBUG: `WHAT ID: FROM -> TO`. id is that of the session or the number
 * of the connection; the states have names.
 */
void postern_log_state(const char *what, const char *id, const char *from, const char *to);
void postern_log_numbered_state(const char *what, guint64 number, const char *from, const char *to);

/* TRUE if a line of that level would be written. */
gboolean postern_log_enabled(PosternLogLevel level);

/* A closing line in the making. */
typedef struct PosternLogLine PosternLogLine;
PosternLogLine *postern_log_line_new(const char *kind);
void postern_log_line_free(PosternLogLine *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternLogLine, postern_log_line_free)

/* Adds key=value; NULL value adds nothing. key is ours (lower case, '_'), value may be untrusted. */
void postern_log_line_add(PosternLogLine *line, const char *key, const char *value);
void postern_log_line_add_number(PosternLogLine *line, const char *key, gint64 value);

/*
 * The text so far, owned by line until it changes: `KIND key=value …`, what decides first (session,
 * client, action, check, delivery, virus …), the rest as it was added. It fits into one line of the log; if
 * it would not, the longest values are cut, so that no peer can push another key out.
 */
const char *postern_log_line_text(PosternLogLine *line);

/* Lines with the same key (`KIND key=value …`) come in floods: most are counted (postern_log_start()). */
void postern_log_line_repeats(PosternLogLine *line, const char *key);

/* Writes it at level, and frees it; NULL: nothing. */
void postern_log_line_write(PosternLogLine *line, PosternLogLevel level);
