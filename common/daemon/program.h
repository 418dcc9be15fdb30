/*
 * What the programs that run as daemons share on the command line: --config, --inspector, --check-config,
 * --dump-config, --version, and, for the build alone, --document-config and --document-import.
 */
#pragma once

#include "base/configuration.h"

typedef struct {
    const char *name;    /* "postern-proxy" */
    const char *summary; /* what --help says behind the usage */

    /* For an option of its own, --dump-NAME: what it prints, a new string; or NULL: it has none. */
    const char *dump_name, *dump_summary;
    char *(*dump)(void);

    /* Whom it becomes: the group of the option user, and its value, owned by configuration. */
    const char *group;
    const char *(*user)(const PosternConfiguration *configuration);

    /* Whether the program can go by configuration, which it takes over; path as for run; else error. */
    gboolean (*check)(PosternConfiguration *configuration, const char *path, GError **error);

    /*
     * Runs until it is told to end, with the log open. Takes over configuration; path is where it came from
     * (NULL: the compiled-in place or defaults). FALSE: it could not start; error says why, and is NULL if
     * that is in the log already.
     */
    gboolean (*run)(PosternConfiguration *configuration, const char *path, GError **error);

    /* For --import: lines for postern.conf from the files of other programs, a new string; or NULL: it has no
     * such option. */
    char *(*import)(const char *const *paths, GError **error);
    char *(*document_import)(void); /* for the build alone, which writes postern-migrate(7) with it */

    /* What the running daemon of configuration answers, a new string; NULL and error: it does not. NULL: it
     * cannot be asked. --status, --explain-client, --drain-server and so on. */
    char *(*ask)(const PosternConfiguration *configuration, const char *request, GError **error);
} PosternProgram;

/* The whole of main(): the exit status (sysexits.h). */
int postern_program_main(const PosternProgram *program, int argc, char **argv);
