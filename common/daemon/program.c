#include "daemon/program.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/build.h"
#include "base/configuration.h"
#include "base/log.h"

typedef struct {
    char *path;
    gboolean check;
    gboolean dump;
    gboolean document;
    gboolean version;
} Options;

static gboolean parse_options(Options *options, const char *summary, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->path,
         "The configuration file (" POSTERN_CONFIGURATION_FILE ")", "FILE"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check,
         "Say what is wrong with the configuration, and end", NULL},
        {"dump-config", 0, 0, G_OPTION_ARG_NONE, &options->dump,
         "Print the configuration with every option and what it is for, and end", NULL},
        {"document-config", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->document, NULL, NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, and end", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(summary);
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

static int fail(const PosternProgram *program, const GError *error, int status)
{
    g_printerr("%s: %s\n", program->name, error->message);
    return status;
}

/* The file's values are right by themselves; here is seen whether the program can go by them. */
static int check(const PosternProgram *program, PosternConfiguration *configuration, const char *path)
{
    g_autoptr(GError) error = NULL;
    const char *name = path != NULL ? path : POSTERN_CONFIGURATION_FILE;
    if (!postern_configuration_check_surroundings(configuration, program->name, name, &error)) {
        postern_configuration_free(configuration);
        return fail(program, error, EX_CONFIG);
    }
    if (!program->check(configuration, path, &error))
        return fail(program, error, EX_CONFIG);
    g_autofree char *approval = postern_configuration_ok_message(path);
    g_print("%s\n", approval);
    return EXIT_SUCCESS;
}

static int run(const PosternProgram *program, PosternConfiguration *configuration, const char *path)
{
    g_autoptr(GError) error = NULL;
    gboolean opened =
        postern_log_open(program->name, configuration->log.destination, configuration->log.level, &error);
    if (!opened)
        postern_configuration_free(configuration);
    gboolean ran = opened && program->run(configuration, path, &error);
    if (!ran && error != NULL)
        postern_log(POSTERN_LOG_ERROR, "cannot start: %s", error->message);
    postern_log_finish();
    return ran ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int load_and_run(const PosternProgram *program, const Options *options)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_load(options->path, &error);
    if (configuration == NULL)
        return fail(program, error, EX_CONFIG);
    if (options->dump) {
        g_autofree char *text = postern_configuration_dump(configuration);
        g_print("%s", text);
    }
    if (options->check)
        return check(program, configuration, options->path);
    if (!options->dump)
        return run(program, configuration, options->path);
    postern_configuration_free(configuration);
    return EXIT_SUCCESS;
}

int postern_program_main(const PosternProgram *program, int argc, char **argv)
{
    Options options = {0};
    g_autoptr(GError) error = NULL;
    setlocale(LC_ALL, "C.UTF-8");
    if (!parse_options(&options, program->summary, &argc, &argv, &error)) {
        g_printerr("%s: %s%s\n", program->name, error->message,
                   strstr(error->message, "--help") != NULL ? "" : "; see --help");
        return EX_USAGE;
    }
    g_autofree G_GNUC_UNUSED char *path = options.path;
    if (options.version) {
        g_print("%s %s\n", program->name, POSTERN_VERSION);
        return EXIT_SUCCESS;
    }
    if (options.document) {
        g_autofree char *text = postern_configuration_document();
        g_print("%s", text);
        return EXIT_SUCCESS;
    }
    return load_and_run(program, &options);
}
