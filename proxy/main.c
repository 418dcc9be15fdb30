#include <glib.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/build.h"
#include "base/configuration.h"
#include "base/log.h"
#include "proxy/server.h"
#include "proxy/settings.h"

typedef struct {
    char *path;
    gboolean check;
    gboolean dump;
    gboolean document;
    gboolean version;
} Options;

static gboolean parse_options(Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->path,
         "The configuration file (" POSTERN_CONFIGURATION_FILE ")", "FILE"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check,
         "Say what is wrong with the configuration, and end", NULL},
        {"dump-config", 0, 0, G_OPTION_ARG_NONE, &options->dump,
         "Print the configuration with every option and what it is for, and end", NULL},
        /* For the build alone: the table of options as the manual has it. */
        {"document-config", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->document, NULL, NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, and end", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- SMTP proxy that refuses inside the session");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (*argc > 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "'%s' is not expected; see --help",
                    (*argv)[1]);
        return FALSE;
    }
    return TRUE;
}

/* Takes configuration. */
static int run(PosternConfiguration *configuration, const char *path)
{
    g_autoptr(GError) error = NULL;
    gboolean opened =
        postern_log_open("postern-proxy", configuration->log.destination, configuration->log.level, &error);
    if (!opened)
        postern_configuration_free(configuration);
    if (!opened || !postern_server_run(configuration, path, &error)) {
        postern_log(POSTERN_LOG_ERROR, "cannot start: %s", error->message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* The file's values are right by themselves; here is seen whether the proxy can go by them. */
static int check(PosternConfiguration *configuration, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternProxySettings) settings = postern_proxy_settings_new(configuration, NULL, &error);
    if (settings == NULL) {
        g_printerr("postern-proxy: %s\n", error->message);
        return EX_CONFIG;
    }
    g_print("%s: no mistakes found\n", path != NULL ? path : POSTERN_CONFIGURATION_FILE);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    Options options = {0};
    g_autoptr(GError) error = NULL;
    setlocale(LC_ALL, "C.UTF-8");
    if (!parse_options(&options, &argc, &argv, &error)) {
        g_printerr("postern-proxy: %s%s\n", error->message,
                   strstr(error->message, "--help") != NULL ? "" : "; see --help");
        return EX_USAGE;
    }
    g_autofree char *path = options.path;
    if (options.version) {
        g_print("postern-proxy %s\n", POSTERN_VERSION);
        return EXIT_SUCCESS;
    }
    if (options.document) {
        g_autofree char *text = postern_configuration_document(TRUE);
        g_print("%s", text);
        return EXIT_SUCCESS;
    }
    PosternConfiguration *configuration = postern_configuration_load(path, &error);
    if (configuration == NULL) {
        g_printerr("postern-proxy: %s\n", error->message);
        return EX_CONFIG;
    }
    if (options.dump) {
        g_autofree char *text = postern_configuration_dump(configuration);
        g_print("%s", text);
    }
    if (options.check)
        return check(configuration, path);
    if (options.dump) {
        postern_configuration_free(configuration);
        return EXIT_SUCCESS;
    }
    return run(configuration, path);
}
