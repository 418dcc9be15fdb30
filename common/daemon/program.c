#include "daemon/program.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/build.h"
#include "base/command_line.h"
#include "base/configuration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/privileges.h"
#include "daemon/stores.h"

typedef struct {
    char *path;
    char *inspector;
    gboolean check;
    gboolean dump;
    gboolean dump_changed;
    gboolean own_dump;
    gboolean document;
    gboolean document_import;
    gboolean version;
    gboolean status;
    char *explain;
    char *block;
    int order_seconds;
    char *release;
    char *drain;
    char *undrain;
    char **import;
} Options;

static gboolean parse_options(const PosternProgram *program, Options *options, int *argc, char ***argv,
                              gboolean *ret_done, GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->path,
         "Configuration (" POSTERN_CONFIGURATION_FILE ")", "FILE"},
        {"inspector", 0, 0, G_OPTION_ARG_FILENAME, &options->inspector,
         "The inspector to ask if [inspector] names none", "SOCKET"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check,
         "Say what is wrong with the configuration, and end", NULL},
        {"dump-config", 0, 0, G_OPTION_ARG_NONE, &options->dump,
         "Print every option, with what it is for, and end", NULL},
        {"dump-changed", 'n', 0, G_OPTION_ARG_NONE, &options->dump_changed,
         "Print the options that differ from their defaults", NULL},
        {"document-config", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->document, NULL, NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, and end", NULL},
        {program->dump_name, 0, 0, G_OPTION_ARG_NONE, &options->own_dump, program->dump_summary, NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    const GOptionEntry questions[] = {
        {"status", 0, 0, G_OPTION_ARG_NONE, &options->status, "Say which clients stand out now, and end",
         NULL},
        {"explain-client", 0, 0, G_OPTION_ARG_STRING, &options->explain,
         "Say what is known of a client, and end", "ADDRESS"},
        {"block-client", 0, 0, G_OPTION_ARG_STRING, &options->block, "Turn a client away, and end",
         "ADDRESS"},
        {"release-client", 0, 0, G_OPTION_ARG_STRING, &options->release, "Forget what a client did, and end",
         "ADDRESS"},
        {"drain-server", 0, 0, G_OPTION_ARG_STRING, &options->drain, "Send nobody new to a server, and end",
         "SERVER"},
        {"undrain-server", 0, 0, G_OPTION_ARG_STRING, &options->undrain, "Use that server again, and end",
         "SERVER"},
        {"seconds", 0, 0, G_OPTION_ARG_INT, &options->order_seconds, "How long that holds (3600; 0: no more)",
         "NUMBER"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    const GOptionEntry imports[] = {
        {"import", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->import,
         "Print what another's file says as options", "FILE"},
        {"document-import", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->document_import, NULL,
         NULL},
        {NULL},
    };
    const GOptionEntry *const tables[] = {entries,
                                          program->ask != NULL      ? questions
                                          : program->import != NULL ? imports
                                                                    : NULL,
                                          NULL};
    const PosternCommandLine line = {.program = program->name, .summary = program->summary, .tables = tables};
    return postern_command_line_parse(&line, argc, argv, ret_done, error);
}

static int fail(const PosternProgram *program, const GError *error, int status)
{
    g_printerr("%s: %s\n", program->name, error->message);
    return status;
}

/* The file's values are right by themselves; here is seen whether the program can go by them. What it runs
 * without has a status of its own: it is no reason not to start it. */
static int check(const PosternProgram *program, PosternConfiguration *configuration, const char *path)
{
    g_autoptr(GError) error = NULL, stores = NULL;
    const char *name = path != NULL ? path : POSTERN_CONFIGURATION_FILE;
    if (!postern_configuration_check_surroundings(configuration, program->name, name, &error)) {
        postern_configuration_free(configuration);
        return fail(program, error, EX_CONFIG);
    }
    gboolean usable = postern_stores_check(
        configuration, postern_privileges_user(program->group, program->user(configuration)), &stores);
    if (!program->check(configuration, path, &error))
        return fail(program, error, EX_CONFIG);
    if (!usable)
        return fail(program, stores, EX_CANTCREAT);
    g_autofree char *approval = postern_configuration_ok_message(path);
    g_print("%s\n", approval);
    return EXIT_SUCCESS;
}

static int run(const PosternProgram *program, PosternConfiguration *configuration, const char *path)
{
    g_autoptr(GError) error = NULL;
    postern_log_set_json(configuration->log.format == POSTERN_LOG_FORMAT_JSON);
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

/* What is to be asked of the running daemon, a new string; or NULL: nothing. */
static char *request_of(const Options *options)
{
    if (options->explain != NULL)
        return g_strconcat("explain ", options->explain, NULL);
    if (options->block != NULL)
        return g_strdup_printf("block %s %d", options->block, options->order_seconds);
    if (options->release != NULL)
        return g_strdup_printf("release %s %d", options->release, options->order_seconds);
    if (options->drain != NULL || options->undrain != NULL)
        return g_strconcat(options->drain != NULL ? "drain " : "undrain ",
                           options->drain != NULL ? options->drain : options->undrain, NULL);
    return options->status ? g_strdup("status") : NULL;
}

static int ask(const PosternProgram *program, const PosternConfiguration *configuration, const char *request)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = program->ask(configuration, request, &error);
    if (answer == NULL)
        return fail(program, error,
                    g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_USAGE) ? EX_USAGE : EX_UNAVAILABLE);
    g_print("%s", answer);
    return EXIT_SUCCESS;
}

static int import(const PosternProgram *program, const Options *options)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = program->import((const char *const *)options->import, &error);
    if (text == NULL)
        return fail(program, error, EX_NOINPUT);
    g_print("%s", text);
    return EXIT_SUCCESS;
}

static int load_and_run(const PosternProgram *program, const Options *options)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_load(options->path, &error);
    if (configuration == NULL)
        return fail(program, error, EX_CONFIG);
    configuration->given_inspector = g_strdup(options->inspector);
    if (options->dump || options->dump_changed) {
        g_autofree char *text = options->dump_changed ? postern_configuration_dump_changed(configuration)
                                                      : postern_configuration_dump(configuration);
        g_print("%s", text);
    }
    g_autofree char *request = request_of(options);
    if (request != NULL) {
        int status = ask(program, configuration, request);
        postern_configuration_free(configuration);
        return status;
    }
    if (options->check)
        return check(program, configuration, options->path);
    if (!options->dump && !options->dump_changed)
        return run(program, configuration, options->path);
    postern_configuration_free(configuration);
    return EXIT_SUCCESS;
}

int postern_program_main(const PosternProgram *program, int argc, char **argv)
{
    Options options = {.order_seconds = 3600};
    g_autoptr(GError) error = NULL;
    gboolean done = FALSE;
    setlocale(LC_ALL, "C.UTF-8");
    if (!parse_options(program, &options, &argc, &argv, &done, &error)) {
        g_printerr("%s: %s%s\n", program->name, error->message,
                   strstr(error->message, "--help") != NULL ? "" : "; see --help");
        return EX_USAGE;
    }
    g_autofree G_GNUC_UNUSED char *path = options.path;
    g_autofree G_GNUC_UNUSED char *inspector = options.inspector;
    g_autofree G_GNUC_UNUSED char *explain = options.explain;
    g_autofree G_GNUC_UNUSED char *block = options.block;
    g_autofree G_GNUC_UNUSED char *release = options.release;
    g_autofree G_GNUC_UNUSED char *drain = options.drain;
    g_autofree G_GNUC_UNUSED char *undrain = options.undrain;
    if (done)
        return EXIT_SUCCESS;
    if (options.version) {
        g_print("%s %s\n", program->name, POSTERN_VERSION);
        return EXIT_SUCCESS;
    }
    if (options.own_dump || options.document || options.document_import) {
        g_autofree char *text = options.own_dump   ? program->dump()
                                : options.document ? postern_configuration_document()
                                                   : program->document_import();
        g_print("%s", text);
        return EXIT_SUCCESS;
    }
    if (options.import != NULL) {
        int status = import(program, &options);
        g_strfreev(options.import);
        return status;
    }
    return load_and_run(program, &options);
}
