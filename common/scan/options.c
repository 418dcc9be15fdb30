#include "scan/options.h"

#include <string.h>

#include "base/build.h"
#include "base/command_line.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/limits.h"
#include "mail/envelope.h"
#include "wire/path.h"

static gboolean fail(GError **error, const char *text)
{
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_USAGE, text);
    return FALSE;
}

/* Puts the address, as MAIL or RCPT has it, with brackets or without, in place of *text. */
static gboolean read_path(char **text, gboolean sender, GError **error)
{
    gsize length = strlen(*text), consumed = 0;
    g_autofree char *address = NULL;
    guint syntax = POSTERN_PATH_UTF8 | POSTERN_PATH_LIBERAL | (sender ? 0 : POSTERN_PATH_RECIPIENT);
    if (sender && length == 0)
        return TRUE;
    const char *wrong = postern_path_parse(*text, length, syntax, &consumed, &address);
    if (wrong == NULL && consumed < length)
        wrong = "there is more behind the address";
    if (wrong == NULL) {
        g_free(*text);
        *text = g_steal_pointer(&address);
        return TRUE;
    }
    g_autofree char *safe = postern_escape(*text, length, POSTERN_LOG_VALUE_MAX_OCTETS);
    return postern_error_set(error, POSTERN_ERROR_USAGE, "%s: '%s' is not an address: %s",
                             sender ? "--sender" : "--recipient", safe, wrong);
}

static gboolean read_envelope(PosternScanOptions *options, GError **error)
{
    PosternAddress address;
    if (options->client != NULL && !postern_address_parse(&address, options->client))
        return postern_error_set(error, POSTERN_ERROR_USAGE,
                                 "--client: '%s' is not an IPv4 or IPv6 address, such as 192.0.2.1",
                                 options->client);
    if (options->sender != NULL && !read_path(&options->sender, TRUE, error))
        return FALSE;
    for (char **recipient = options->recipients; *recipient != NULL; recipient++)
        if (!read_path(recipient, FALSE, error))
            return FALSE;
    return TRUE;
}

static gboolean check_extract(const PosternScanOptions *options, GError **error)
{
    if (options->inputs[0] != NULL || options->replay[0] != NULL)
        return fail(error, "--extract prints the message of one capsule, and scans nothing");
    return TRUE;
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

static gboolean check(PosternScanOptions *options, GError **error)
{
    if (options->version || options->check_configuration || options->dump_configuration ||
        options->dump_changed)
        return TRUE;
    if (!read_envelope(options, error))
        return FALSE;
    if (options->now < 0)
        return fail(error, "--now takes seconds since 1970");
    if (options->rescan && options->replay[0] == NULL)
        return fail(error, "--rescan is for --replay");
    if (options->extract != NULL)
        return check_extract(options, error);
    if (options->replay[0] != NULL)
        return check_replay(options, error);
    if (options->inputs[0] == NULL)
        return fail(error, "nothing to scan: name a message file, a mailbox, a directory, or - for standard "
                           "input; see --help");
    return TRUE;
}

#define ENTRIES_MAX 24

/* What the verdict goes by. */
static void add_given(PosternScanOptions *options, GOptionEntry *entries)
{
    const GOptionEntry given[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->configuration,
         "Configuration (" POSTERN_CONFIGURATION_FILE ")", "FILE"},
        {"client", 0, 0, G_OPTION_ARG_STRING, &options->client, "Who sent it (else: as Received says)",
         "ADDRESS"},
        {"helo", 0, 0, G_OPTION_ARG_STRING, &options->helo, "What the client said in EHLO or HELO", "NAME"},
        {"sender", 0, 0, G_OPTION_ARG_STRING, &options->sender, "Envelope sender (else: Return-Path)",
         "ADDRESS"},
        {"recipient", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->recipients,
         "Envelope recipient; may be repeated", "ADDRESS"},
        {"no-received", 0, 0, G_OPTION_ARG_NONE, &options->no_received,
         "Do not look for the client in Received", NULL},
        {"no-mbox", 0, 0, G_OPTION_ARG_NONE, &options->no_mbox, "Each file is one message", NULL},
        {"answers", 0, 0, G_OPTION_ARG_FILENAME, &options->answers, "DNS answers in place of the network",
         "FILE"},
        {"now", 0, 0, G_OPTION_ARG_INT64, &options->now, "The time at which signatures are checked",
         "SECONDS"},
        {NULL},
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(given) <= ENTRIES_MAX);
    memcpy(entries, given, sizeof given);
}

/* What is done, and what is printed. */
static void add_wanted(PosternScanOptions *options, GOptionEntry *entries)
{
    const GOptionEntry wanted[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "One JSON object per message, one per line", NULL},
        {"only", 0, 0, G_OPTION_ARG_NONE, &options->only, "Print only what is not accepted", NULL},
        {"explain", 0, 0, G_OPTION_ARG_NONE, &options->explain, "Tell the steps that led to the verdict",
         NULL},
        {"summary", 0, 0, G_OPTION_ARG_NONE, &options->summary, "Always print the table, to standard error",
         NULL},
        {"capsule", 0, 0, G_OPTION_ARG_FILENAME, &options->capsule,
         "Keep the message and what its verdict used", "OUT"},
        {"replay", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->replay,
         "Judge a capsule again; may be repeated", "CAPSULE"},
        {"rescan", 0, 0, G_OPTION_ARG_NONE, &options->rescan, "With --replay: use today's signatures too",
         NULL},
        {"extract", 0, 0, G_OPTION_ARG_FILENAME, &options->extract, "Print the message in a capsule",
         "CAPSULE"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check_configuration, "Check the configuration",
         NULL},
        {"dump-config", 0, 0, G_OPTION_ARG_NONE, &options->dump_configuration,
         "Print every option, with what it is for", NULL},
        {"dump-changed", 'n', 0, G_OPTION_ARG_NONE, &options->dump_changed,
         "Print options that are not the defaults", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->inputs, NULL,
         "FILE|MAILBOX|DIRECTORY|-…"},
        {NULL},
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(wanted) <= ENTRIES_MAX);
    memcpy(entries, wanted, sizeof wanted);
}

gboolean postern_scan_options_parse(PosternScanOptions *ret_options, int *argc, char ***argv,
                                    gboolean *ret_done, GError **error)
{
    PosternScanOptions *options = ret_options;
    GOptionEntry given[ENTRIES_MAX], wanted[ENTRIES_MAX];
    add_given(options, given);
    add_wanted(options, wanted);
    const GOptionEntry *const tables[] = {given, wanted, NULL};
    const PosternCommandLine line = {
        .program = "postern-scan",
        .summary = "Gives the verdict that the proxy would give, for messages in files.",
        .description = "Exit status: 0 accept, 1 reject, 2 temporary failure or could not be judged,\n"
                       "3 quarantine or discard, 64 usage, 66 input cannot be read or is no message;\n"
                       "of several messages the most severe.",
        .tables = tables,
        .operands = TRUE,
    };
    if (!postern_command_line_parse(&line, argc, argv, ret_done, error))
        return FALSE;
    if (options->recipients == NULL)
        options->recipients = g_new0(char *, 1);
    if (options->replay == NULL)
        options->replay = g_new0(char *, 1);
    if (options->inputs == NULL)
        options->inputs = g_new0(char *, 1);
    return *ret_done || check(options, error);
}

void postern_scan_options_clear(PosternScanOptions *options)
{
    g_free(options->configuration);
    g_free(options->client);
    g_free(options->helo);
    g_free(options->sender);
    g_strfreev(options->recipients);
    g_free(options->answers);
    g_free(options->extract);
    g_free(options->capsule);
    g_strfreev(options->replay);
    g_strfreev(options->inputs);
}
