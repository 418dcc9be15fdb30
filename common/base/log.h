/*
 * The log of the programs: one line an event, one write(2) a line, safe from any thread. Libraries return
 * errors and do not call this.
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
 * lines go to stderr at NOTICE and above. On stderr under systemd each line carries its <N> priority; else
 * a local time stamp with the offset from UTC stands first.
 */
gboolean postern_log_open(const char *program, const char *destination, PosternLogLevel level,
                          GError **error);

/* The descriptor of the destination file, for its owner to be changed; -1: the log goes to no file. */
int postern_log_descriptor(void);

/* Opens the destination file again, after a rotation; nothing for the other destinations. */
gboolean postern_log_reopen(GError **error);

/* Changes the level. Any thread. */
void postern_log_set_level(PosternLogLevel level);

/* Writes one line; text over POSTERN_LOG_LINE_MAX_OCTETS is cut. Peer text in it must be escaped already. */
void postern_log(PosternLogLevel level, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* TRUE where a line of that level would be written. */
gboolean postern_log_enabled(PosternLogLevel level);

/* A closing line in the making. */
typedef struct PosternLogLine PosternLogLine;
PosternLogLine *postern_log_line_new(const char *kind);
void postern_log_line_free(PosternLogLine *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternLogLine, postern_log_line_free)

/* Adds key=value; NULL value adds nothing. key is ours (lower case, '_'), value may be a stranger's. */
void postern_log_line_add(PosternLogLine *line, const char *key, const char *value);
void postern_log_line_add_number(PosternLogLine *line, const char *key, gint64 value);

/* The text so far, owned by line: `KIND key=value …`. */
const char *postern_log_line_text(const PosternLogLine *line);

/* Writes it at level, and frees it. */
void postern_log_line_write(PosternLogLine *line, PosternLogLevel level);
