/*
 * The command line of postern-scan, which scripts rely on (postern-scan(1)).
 */
#pragma once

#include <glib.h>

typedef struct {
    char *configuration; /* --config, or NULL */
    gboolean json;
    char *client;
    char *helo;
    char *sender;
    char **recipients; /* NULL-terminated, never NULL */
    char *answers;
    gboolean no_received; /* the client is not looked for in Received fields */
    gboolean no_mbox;     /* each file is one message */
    gboolean only;        /* of messages that are not accepted */
    gboolean summary;     /* on standard error, with --json too */
    gint64 now;           /* seconds since 1970; 0: the clock */
    char *capsule;        /* --capsule, or NULL */
    char **replay;        /* --replay: capsules and directories of them; NULL-terminated, never NULL */
    gboolean rescan;
    char *extract; /* --extract: a capsule, or NULL */
    gboolean explain;
    gboolean version;
    gboolean check_configuration;
    gboolean dump_configuration;
    gboolean dump_changed;
    char **inputs; /* NULL-terminated: files, directories, "-" */
} PosternScanOptions;

/* Parses; an error is a sentence for the user. If nothing is to be read and nothing else was asked for, that
 * is an error too. *ret_done: what was asked for is printed. */
gboolean postern_scan_options_parse(PosternScanOptions *ret_options, int *argc, char ***argv,
                                    gboolean *ret_done, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_scan_options_clear(PosternScanOptions *options);
