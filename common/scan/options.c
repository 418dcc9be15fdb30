#include "scan/options.h"

#include "base/build.h"
#include "base/error.h"
#include "mail/envelope.h"

static gboolean fail(GError **error, const char *text)
{
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_USAGE, text);
    return FALSE;
}

/* All that is said elsewhere comes out of the capsule. */
static gboolean check_replay(const PosternScanOptions *options, GError **error)
{
    if (options->inputs[0] != NULL)
        return fail(error, "--replay takes the place of messages: name the one or the other");
    if (options->client != NULL || options->helo != NULL || options->sender != NULL ||
        options->recipients[0] != NULL || options->answers != NULL || options->now != 0 ||
        options->capsule != NULL)
        return fail(error, "--replay takes envelope, answers and clock out of the capsule");
    return TRUE;
}

static gboolean check(const PosternScanOptions *options, GError **error)
{
    PosternAddress address;
    if (options->version || options->check_configuration || options->dump_configuration)
        return TRUE;
    if (options->client != NULL && !postern_address_parse(&address, options->client)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_USAGE,
                    "--client: '%s' is not an IPv4 or IPv6 address, such as 192.0.2.1", options->client);
        return FALSE;
    }
    if (options->now < 0)
        return fail(error, "--now takes seconds since 1970");
    if (options->rescan && options->replay[0] == NULL)
        return fail(error, "--rescan is for --replay");
    if (options->replay[0] != NULL)
        return check_replay(options, error);
    if (options->inputs[0] == NULL)
        return fail(error, "nothing to scan: name a message file, a mailbox, a directory, or - for standard "
                           "input; see --help");
    return TRUE;
}

gboolean postern_scan_options_parse(PosternScanOptions *ret_options, int *argc, char ***argv, GError **error)
{
    PosternScanOptions *options = ret_options;
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->configuration,
         "The configuration file (" POSTERN_CONFIGURATION_FILE ")", "FILE"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "One JSON object a message, one a line", NULL},
        {"client", 0, 0, G_OPTION_ARG_STRING, &options->client,
         "Address of the client that sent it (from Received if not given)", "ADDRESS"},
        {"helo", 0, 0, G_OPTION_ARG_STRING, &options->helo, "What it said in EHLO or HELO", "NAME"},
        {"sender", 0, 0, G_OPTION_ARG_STRING, &options->sender,
         "Envelope sender (from Return-Path if not given)", "ADDRESS"},
        {"recipient", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->recipients,
         "Envelope recipient; may be repeated (from X-Original-To or Delivered-To if not given)", "ADDRESS"},
        {"answers", 0, 0, G_OPTION_ARG_FILENAME, &options->answers, "DNS answers in place of the network",
         "FILE"},
        {"now", 0, 0, G_OPTION_ARG_INT64, &options->now, "The clock that signatures are judged by",
         "SECONDS"},
        {"no-received", 0, 0, G_OPTION_ARG_NONE, &options->no_received,
         "Do not look for the client in Received fields", NULL},
        {"no-mbox", 0, 0, G_OPTION_ARG_NONE, &options->no_mbox,
         "Each file is one message, also where it begins with \"From \"", NULL},
        {"summary", 0, 0, G_OPTION_ARG_NONE, &options->summary,
         "The table at the end on standard error, with --json and for one message too", NULL},
        {"explain", 0, 0, G_OPTION_ARG_NONE, &options->explain,
         "Tell the steps that led to the verdict (with --json: on standard error)", NULL},
        {"capsule", 0, 0, G_OPTION_ARG_FILENAME, &options->capsule,
         "Keep the message with all that its verdict was made from; in a directory: each", "OUT"},
        {"replay", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->replay,
         "Judge again what a capsule keeps, without the network; may be repeated", "CAPSULE"},
        {"rescan", 0, 0, G_OPTION_ARG_NONE, &options->rescan,
         "With --replay: scan with today's signatures too", NULL},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check_configuration,
         "Say what is wrong with the configuration, and end", NULL},
        {"dump-config", 0, 0, G_OPTION_ARG_NONE, &options->dump_configuration,
         "Print the configuration with every option, and end", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, and end", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->inputs, NULL,
         "FILE|MAILBOX|DIRECTORY|-…"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_set_summary(context,
                                 "Gives the verdict that the proxy would give, for messages in files.");
    g_option_context_set_description(
        context, "Exit status: 0 accept, 1 reject, 2 temporary failure or could not be judged, "
                 "3 quarantine or discard, 64 usage, 66 input cannot be read; of several "
                 "messages the most severe.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (options->recipients == NULL)
        options->recipients = g_new0(char *, 1);
    if (options->replay == NULL)
        options->replay = g_new0(char *, 1);
    if (options->inputs == NULL)
        options->inputs = g_new0(char *, 1);
    return check(options, error);
}

void postern_scan_options_clear(PosternScanOptions *options)
{
    g_free(options->configuration);
    g_free(options->client);
    g_free(options->helo);
    g_free(options->sender);
    g_strfreev(options->recipients);
    g_free(options->answers);
    g_free(options->capsule);
    g_strfreev(options->replay);
    g_strfreev(options->inputs);
}
