/*
 * What the programs that run as daemons share on the command line: --config, --check-config, --dump-config,
 * --version, and, for the build alone, --document-config.
 */
#pragma once

#include "base/configuration.h"

typedef struct {
    const char *name;    /* "postern-proxy" */
    const char *summary; /* what --help says behind the usage */

    /* Whether the program can go by configuration, which it takes over; path as for run; else error. */
    gboolean (*check)(PosternConfiguration *configuration, const char *path, GError **error);

    /*
     * Runs until it is told to end, with the log open. Takes over configuration; path is where it came from
     * (NULL: the compiled-in place or defaults). FALSE: it could not start; error says why, and is NULL if
     * that is in the log already.
     */
    gboolean (*run)(PosternConfiguration *configuration, const char *path, GError **error);
} PosternProgram;

/* The whole of main(): the exit status (sysexits.h). */
int postern_program_main(const PosternProgram *program, int argc, char **argv);
