/*
 * Reading our own log: a line of a file, of syslog's or journalctl's short form, or of [log] format = json,
 * as its parts. Pure; any octets are taken.
 */
#pragma once

#include <glib.h>

/* What a closing line says. */
typedef struct {
    char *kind;        /* "message", "session", … */
    GPtrArray *keys;   /* of char * */
    GPtrArray *values; /* of char *, as they were before they were escaped; but NUL stays \x00 */
} PosternLogFields;

/* text: `KIND key=value key="value" …`; NULL if it is something else. */
PosternLogFields *postern_log_fields_parse(const char *text, gsize length);
void postern_log_fields_free(PosternLogFields *fields);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternLogFields, postern_log_fields_free)

/* The value of key, owned by fields; NULL: it has none. fields may be NULL. */
const char *postern_log_fields_get(const PosternLogFields *fields, const char *key);

typedef struct {
    gint64 time;              /* microseconds since 1970; 0: it says none */
    char *program;            /* "postern-proxy" */
    char *text;               /* of a sentence, else NULL */
    PosternLogFields *fields; /* of a closing line, else NULL */
} PosternLogEntry;

/*
 * NULL: it is no line of ours. year: of a line that says none, as those of syslog, in which months after
 * month are of the year before.
 */
PosternLogEntry *postern_log_entry_parse(const char *line, gsize length, int year, int month);
void postern_log_entry_free(PosternLogEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternLogEntry, postern_log_entry_free)

/* fields, or text if that is NULL, as members of a JSON object behind others:
 * `,"kind":"message","session":…`. Values that are whole numbers are numbers, and all others strings, of
 * which at most limit octets are taken. */
void postern_log_json_append(GString *out, const PosternLogFields *fields, const char *text, gsize limit);
