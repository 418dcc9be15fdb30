/*
 * The command line of postern-inspector. Hidden options are those by which it starts itself anew, as
 * template, keeper or checker, and by which the daemons start it.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *configuration_path;
    char *socket;
    char *directory;
    int listen_descriptor;
    int lifeline_descriptor;
    int log_descriptor;
    gint64 at_least;
    gint held;
    gboolean quiet, check, check_keys, dump, dump_changed, print_keys, version, template, keep, background,
        only_held;
    char *role;
    char *worker_user;
} PosternInspectorOptions;

/* Parses into options, whose descriptors are -1 and all else zero. An error is a sentence for the user.
 * *ret_done: what was asked for is printed. */
gboolean postern_inspector_options_parse(PosternInspectorOptions *options, int *argc, char ***argv,
                                         gboolean *ret_done, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_inspector_options_clear(PosternInspectorOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternInspectorOptions, postern_inspector_options_clear)
