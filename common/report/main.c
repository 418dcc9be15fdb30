#include <locale.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/build.h"
#include "base/command_line.h"
#include "base/configuration/check.h"
#include "base/day.h"
#include "base/error.h"
#include "base/privileges.h"
#include "report/daily.h"
#include "report/dmarc.h"
#include "report/failure.h"

#define PROGRAM "postern-report"

typedef struct {
    char *path, *day, *domain, *output, *to;
    gboolean send, html, version;
    char **words;
    const char *word; /* the one of words */
} Options;

static gboolean parse_options(Options *options, int *argc, char ***argv, gboolean *ret_done, GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->path,
         "Read this configuration (default " POSTERN_CONFIGURATION_FILE ")", "FILE"},
        {"day", 'd', 0, G_OPTION_ARG_STRING, &options->day,
         "Of that day (UTC): YYYY-MM-DD, today or yesterday (default)", "DAY"},
        {"domain", 0, 0, G_OPTION_ARG_STRING, &options->domain, "About that domain alone", "DOMAIN"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->output, "Write the files there", "FOLDER"},
        {"send", 's', 0, G_OPTION_ARG_NONE, &options->send, "Send what is still to be sent", NULL},
        {"html", 0, 0, G_OPTION_ARG_NONE, &options->html, "Print the summary as HTML", NULL},
        {"to", 't', 0, G_OPTION_ARG_STRING, &options->to, "Send the summary there (default: [report] daily)",
         "ADDRESS"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, and end", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->words, NULL,
         "[dmarc|failures|daily]"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    const GOptionEntry *const tables[] = {entries, NULL};
    const PosternCommandLine line = {
        .program = PROGRAM,
        .summary = "Makes reports of what was judged, as [report] store has it.\n"
                   "dmarc: to the owners of domains (RFC 9990). failures: to them about single\n"
                   "messages (RFC 9991). Both tell what would be sent, without --send and --output.\n"
                   "daily: a summary of a day. --send without either: all that is set up and still\n"
                   "to be sent.",
        .tables = tables,
        .operands = TRUE,
    };
    return postern_command_line_parse(&line, argc, argv, ret_done, error);
}

/* Days since 1970, UTC; 0: text is no day of the past. */
static guint parse_day(const char *text, guint today)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = postern_day_parse(text, zone);
    guint day = time != NULL ? postern_tally_day(g_date_time_to_unix(time)) : 0;
    return day <= today ? day : 0;
}

static int fail(const char *text, int status)
{
    g_printerr(PROGRAM ": %s\n", text);
    return status;
}

/* As root it becomes whom the store belongs to, so that all files beside it do, too. */
static gboolean give_up_rights(const char *store, GError **error)
{
    struct stat status;
    if (geteuid() != 0 || stat(store, &status) != 0 || status.st_uid == 0)
        return TRUE;
    const struct passwd *user = getpwuid(status.st_uid);
    if (user != NULL)
        return postern_privileges_drop(user->pw_name, error);
    return postern_error_set(error, POSTERN_ERROR_SYSTEM, "%s belongs to user id %u, whom nobody knows",
                             store, (guint)status.st_uid);
}

typedef struct {
    const Options *options;
    const PosternConfiguration *configuration;
    PosternTallyStore *store;
    guint day, today;
    gboolean dmarc, failures, daily; /* which are wanted */
    gboolean left;
} Work;

static gboolean report_dmarc(Work *work, GError **error)
{
    const PosternDmarcRun run = {
        .configuration = work->configuration,
        .store = work->store,
        .day = work->day,
        .today = work->today,
        .domain = work->options->domain,
        .output = work->options->output,
        .send = work->options->send,
    };
    gboolean left = FALSE;
    gboolean ok = postern_dmarc_run(&run, &left, error);
    work->left = work->left || left;
    return ok;
}

static gboolean report_failures(Work *work, GError **error)
{
    const PosternFailureRun run = {
        .configuration = work->configuration,
        .store = work->store,
        .now = g_get_real_time() / G_USEC_PER_SEC,
        .domain = work->options->domain,
        .send = work->options->send,
    };
    gboolean left = FALSE;
    gboolean ok = postern_failure_run(&run, &left, error);
    work->left = work->left || left;
    return ok;
}

static gboolean report_daily(Work *work, GError **error)
{
    const Options *options = work->options;
    guint day = work->day > 0 ? work->day : work->today - 1;
    gboolean left = FALSE;
    if (!options->send) {
        g_autofree char *page = postern_daily_page(work->store, day, options->html, error);
        g_print("%s", page != NULL ? page : "");
        return page != NULL;
    }
    const char *to = options->to != NULL ? options->to : work->configuration->report.daily;
    gboolean again = options->to != NULL || options->day != NULL;
    gboolean ok = postern_daily_send(work->configuration, work->store, day, to, again, &left, error);
    work->left = work->left || left;
    return ok;
}

/* NULL: what is asked for can be done. */
static const char *problem_of(const Work *work)
{
    const Options *options = work->options;
    const PosternConfiguration *configuration = work->configuration;
    if (!work->dmarc && !work->failures && !work->daily)
        return options->send && options->words == NULL
                   ? NULL
                   : "which report? Say dmarc, failures or daily; see --help";
    if (options->day != NULL && work->day == 0)
        return "--day is a day of the past: " POSTERN_DAY_FORM;
    if (options->send && work->dmarc && work->day == work->today)
        return "today is not over: its reports cannot be sent yet";
    if (work->dmarc && !configuration->report.dmarc)
        return "[report] dmarc = no: nothing is kept for DMARC reports";
    if (work->failures && !configuration->report.failures)
        return "[report] failures = no: nothing is kept for failure reports";
    if (configuration->report.store[0] == '\0')
        return "[report] store is not set: nothing is kept";
    if (work->daily && options->send && configuration->report.email[0] == '\0')
        return "[report] email is not set: the summary has to come from somebody";
    if (work->daily && options->send && options->to == NULL && configuration->report.daily[0] == '\0')
        return "whom to? Say --to ADDRESS, or set [report] daily";
    if (options->to != NULL && !postern_configuration_check_mailbox(options->to, NULL))
        return "--to is a mail address";
    return NULL;
}

static int report(const Options *options, const PosternConfiguration *configuration)
{
    g_autoptr(GError) error = NULL;
    guint today = postern_tally_day(g_get_real_time() / G_USEC_PER_SEC);
    Work work = {.options = options, .configuration = configuration, .today = today};
    g_autofree char *aside = NULL;
    gboolean due = options->words == NULL && options->send;
    work.dmarc = due ? configuration->report.dmarc : g_strcmp0(options->word, "dmarc") == 0;
    work.failures = due ? configuration->report.failures : g_strcmp0(options->word, "failures") == 0;
    work.daily = due ? configuration->report.daily[0] != '\0' : g_strcmp0(options->word, "daily") == 0;
    work.day = options->day != NULL ? parse_day(options->day, today) : options->send ? 0 : today - 1;
    const char *problem = problem_of(&work);
    if (problem != NULL)
        return fail(problem, EX_USAGE);
    if (!work.dmarc && !work.failures && !work.daily) /* nothing is set up */
        return EXIT_SUCCESS;
    if (options->send && !give_up_rights(configuration->report.store, &error))
        return fail(error->message, EX_NOPERM);
    const PosternTallyStoreOptions place = {.path = configuration->report.store,
                                            .keep_days = configuration->report.keep_days,
                                            .max_rows = configuration->report.max_rows,
                                            .must_exist = TRUE};
    g_autoptr(PosternTallyStore) store = postern_tally_store_open(&place, &aside, &error);
    work.store = store;
    if (aside != NULL)
        g_printerr(PROGRAM ": [report] store was damaged: it is kept as %s\n", aside);
    if (store == NULL || (work.dmarc && !report_dmarc(&work, &error)) ||
        (work.failures && !report_failures(&work, &error)) || (work.daily && !report_daily(&work, &error)))
        return fail(error->message, EX_IOERR);
    return work.left ? EX_TEMPFAIL : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    Options options = {NULL};
    g_autoptr(GError) error = NULL;
    gboolean done = FALSE;
    setlocale(LC_ALL, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    if (!parse_options(&options, &argc, &argv, &done, &error))
        return fail(error->message, EX_USAGE);
    if (done)
        return EXIT_SUCCESS;
    if (options.version) {
        g_print(PROGRAM " " POSTERN_VERSION "\n");
        return EXIT_SUCCESS;
    }
    options.word = options.words != NULL && options.words[1] == NULL ? options.words[0] : NULL;
    g_autoptr(PosternConfiguration) configuration = postern_configuration_load(options.path, &error);
    if (configuration == NULL)
        return fail(error->message, EX_CONFIG);
    return report(&options, configuration);
}
