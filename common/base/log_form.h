/*
 * How a line of the log looks: with a time stamp, as a JSON object, for the journal or for syslog.
 */
#pragma once

#include "base/limits.h"
#include "base/log.h"

typedef enum {
    POSTERN_LOG_FORM_STAMPED, /* time stamp first: stderr of a terminal, or a file */
    POSTERN_LOG_FORM_JOURNAL, /* <N> first: sd-daemon(3) */
    POSTERN_LOG_FORM_SYSLOG,  /* the text alone */
} PosternLogForm;

/* syslog(3)'s number for level. */
int postern_log_priority(PosternLogLevel level);

/*
 * Writes the line of text into out, without a newline, and NUL behind it: at most POSTERN_LOG_LINE_MAX_OCTETS
 * - 1 octets of printable ASCII, or of UTF-8 if json, where a closing line becomes its fields.
 */
void postern_log_form_line(char out[POSTERN_LOG_LINE_MAX_OCTETS], PosternLogForm form, gboolean json,
                           const char *program, PosternLogLevel level, const char *text);

/* TRUE if journald's own socket is there. */
gboolean postern_log_journal_is_there(void);
/* Sends text to journald, with MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, and of a closing line POSTERN_KIND and
 * POSTERN_KEY for each key. FALSE: it does not take it. */
gboolean postern_log_journal_send(const char *program, PosternLogLevel level, const char *text);
