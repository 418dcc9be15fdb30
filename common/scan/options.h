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
    gboolean summary;     /* on standard error, with --json too */
    gint64 now;           /* seconds since 1970; 0: the clock */
    char *capsule;        /* --capsule, or NULL */
    char **replay;        /* --replay: capsules and directories of them; NULL-terminated, never NULL */
    gboolean rescan;
    gboolean explain;
    gboolean version;
    gboolean check_configuration;
    gboolean dump_configuration;
    char **inputs; /* NULL-terminated: files, directories, "-" */
} PosternScanOptions;

/* Parses; an error is a sentence for the user. If nothing is to be read and nothing else was asked for,
 * that is an error too. */
gboolean postern_scan_options_parse(PosternScanOptions *ret_options, int *argc, char ***argv,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_scan_options_clear(PosternScanOptions *options);
