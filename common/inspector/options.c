#include "inspector/options.h"

#include "base/command_line.h"

void postern_inspector_options_clear(PosternInspectorOptions *options)
{
    g_free(options->configuration_path);
    g_free(options->socket);
    g_free(options->directory);
    g_free(options->role);
    g_free(options->worker_user);
}

gboolean postern_inspector_options_parse(PosternInspectorOptions *options, int *argc, char ***argv,
                                         gboolean *ret_done, GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->configuration_path, "Configuration file", "FILE"},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &options->socket, "Socket to listen on", "PATH"},
        {"listen-descriptor", 0, 0, G_OPTION_ARG_INT, &options->listen_descriptor,
         "Inherited listening socket", "N"},
        {"lifeline-descriptor", 0, 0, G_OPTION_ARG_INT, &options->lifeline_descriptor,
         "Inherited socket: end when it is closed", "N"},
        {"log-descriptor", 0, 0, G_OPTION_ARG_INT, &options->log_descriptor, "Inherited descriptor to log to",
         "N"},
        {"quiet", 0, 0, G_OPTION_ARG_NONE, &options->quiet, "Log warnings and errors only", NULL},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check, "Check the configuration, and end", NULL},
        {"dump-config", 0, 0, G_OPTION_ARG_NONE, &options->dump, "Print every option, with what it is for",
         NULL},
        {"dump-changed", 'n', 0, G_OPTION_ARG_NONE, &options->dump_changed,
         "Print options that are not the defaults", NULL},
        {"print-keys", 0, 0, G_OPTION_ARG_NONE, &options->print_keys,
         "Print the DNS records of the keys for signing", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, and end", NULL},
        {"check-keys", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->check_keys, NULL, NULL},
        {"template", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->template, NULL, NULL},
        {"keep", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->keep, NULL, NULL},
        {"worker-user", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &options->worker_user, NULL, NULL},
        {"role", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &options->role, NULL, NULL},
        {"directory", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &options->directory, NULL, NULL},
        {"at-least", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT64, &options->at_least, NULL, NULL},
        {"held", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &options->held, NULL, NULL},
        {"only-held", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->only_held, NULL, NULL},
        {"background", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->background, NULL, NULL},
        {NULL},
    };
    const GOptionEntry *const tables[] = {entries, NULL};
    const PosternCommandLine line = {
        .program = "postern-inspector",
        .summary = "Inspects messages for postern-proxy, postern-milter and postern-scan.",
        .tables = tables,
    };
    return postern_command_line_parse(&line, argc, argv, ret_done, error);
}
