#include <glib.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/build.h"
#include "base/configuration.h"
#include "base/log.h"
#include "milter/supervisor.h"

typedef struct {
    char *path;
    gboolean check;
    gboolean dump;
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
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, and end", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("- milter for Postfix and Sendmail that refuses inside the session");
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

static int run(PosternConfiguration *configuration, const char *path)
{
    g_autoptr(GError) error = NULL;
    if (postern_log_open("postern-milter", configuration->log.destination, configuration->log.level,
                         &error) &&
        postern_milter_supervisor_run(configuration, path, &error))
        return EXIT_SUCCESS;
    if (error != NULL)
        postern_log(POSTERN_LOG_ERROR, "cannot start: %s", error->message);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    Options options = {0};
    g_autoptr(GError) error = NULL;
    setlocale(LC_ALL, "C.UTF-8");
    if (!parse_options(&options, &argc, &argv, &error)) {
        g_printerr("postern-milter: %s%s\n", error->message,
                   strstr(error->message, "--help") != NULL ? "" : "; see --help");
        return EX_USAGE;
    }
    g_autofree char *path = options.path;
    if (options.version) {
        g_print("postern-milter %s\n", POSTERN_VERSION);
        return EXIT_SUCCESS;
    }
    PosternConfiguration *configuration = postern_configuration_load(path, &error);
    if (configuration == NULL) {
        g_printerr("postern-milter: %s\n", error->message);
        return EX_CONFIG;
    }
    if (options.dump) {
        g_autofree char *text = postern_configuration_dump(configuration);
        g_print("%s", text);
    }
    if (options.check)
        g_print("%s: no mistakes found\n", path != NULL ? path : POSTERN_CONFIGURATION_FILE);
    if (options.dump || options.check) {
        postern_configuration_free(configuration);
        return EXIT_SUCCESS;
    }
    return run(configuration, path);
}
