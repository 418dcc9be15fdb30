#include <glib.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/build.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/signature_files.h"
#include "capsule/capsule.h"
#include "scan/progress.h"
#include "scan/replayer.h"
#include "scan/scanner.h"
#include "scan/summary.h"

typedef struct {
    const PosternScanOptions *options;
    PosternScanSummary *summary;
    guint64 octets;
    PosternScanStatus status;
    gboolean colour;
} Report;

/* Names of files are untrusted text too. */
static void complain(const char *text)
{
    g_autofree char *safe = postern_escape(text, strlen(text), POSTERN_LOG_LINE_MAX_OCTETS);
    g_printerr("postern-scan: %s\n", safe);
}

static void on_result(PosternScanResult *result, const PosternScanProgress *progress, gpointer user_data)
{
    Report *report = user_data;
    PosternScanStatus status = postern_scan_result_status(result);
    report->status = postern_scan_worse(report->status, status);
    report->octets = progress->octets;
    postern_scan_summary_add(report->summary, result);
    postern_scan_progress_clear();
    gboolean read = result->verdict != NULL;
    if (!read)
        complain(result->error);
    if (result->note != NULL)
        complain(result->note);
    if ((read || report->options->json) && (status != POSTERN_SCAN_ACCEPT || !report->options->only)) {
        g_autofree char *text = report->options->json ? postern_scan_result_to_json(result)
                                                      : postern_scan_result_to_text(result, report->colour);
        g_print("%s", text);
    }
    if (report->options->json && result->explanation != NULL) {
        complain(result->path);
        g_printerr("%s", result->explanation);
    }
    postern_scan_progress_show(progress, postern_scan_summary_refused(report->summary));
    postern_scan_result_free(result);
}

static void on_notice(const char *text, gpointer user_data)
{
    (void)user_data;
    postern_scan_progress_clear();
    complain(text);
}

static void on_complaint(const char *text, gpointer user_data)
{
    Report *report = user_data;
    on_notice(text, user_data);
    report->status = postern_scan_worse(report->status, POSTERN_SCAN_NO_INPUT);
}

static void show_summary(const Report *report, gboolean interrupted)
{
    gboolean several = interrupted || postern_scan_summary_messages(report->summary) > 1;
    g_autofree char *text = postern_scan_summary_to_text(report->summary, report->octets);
    if (report->options->summary || (interrupted && report->options->json))
        g_printerr("%s", text);
    else if (several && !report->options->json)
        g_print("%s", text);
}

/* Where the scan has to end before its time; found is the worst so far. */
static PosternScanStatus failure_status(const GError *error, PosternScanStatus found)
{
    if (g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_USAGE) ||
        g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION))
        return POSTERN_SCAN_USAGE;
    gboolean unreadable = g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_INPUT);
    return postern_scan_worse(found, unreadable ? POSTERN_SCAN_NO_INPUT : POSTERN_SCAN_TEMPFAIL);
}

/* What was found until then is shown; a script that runs us ends too, as with any program. */
static void end_by_signal(const Report *report, int number)
{
    g_printerr("postern-scan: interrupted; what follows is of the messages before\n");
    show_summary(report, TRUE);
    (void)fflush(stdout);
    signal(number, SIG_DFL);
    raise(number);
}

static int scan(const PosternScanOptions *options, const PosternConfiguration *configuration)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternScanSummary) summary = postern_scan_summary_new();
    Report report = {
        .options = options,
        .summary = summary,
        .colour = isatty(STDOUT_FILENO) && g_getenv("NO_COLOR") == NULL,
    };
    const PosternScannerCallbacks callbacks = {
        .report = on_result,
        .complain = on_complaint,
        .notice = on_notice,
        .user_data = &report,
    };
    int number = 0;
    gboolean scanned = options->replay[0] != NULL
                           ? postern_replayer_run(options, configuration, &callbacks, &number, &error)
                           : postern_scanner_run(options, configuration, &callbacks, &number, &error);
    postern_scan_progress_clear();
    if (!scanned) {
        g_printerr("postern-scan: %s\n", error->message);
        return (int)failure_status(error, report.status);
    }
    if (number != 0)
        end_by_signal(&report, number);
    if (postern_scan_summary_messages(summary) == 0 && report.status == POSTERN_SCAN_ACCEPT)
        on_complaint("no message files were found there", &report);
    show_summary(&report, FALSE);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        g_printerr("postern-scan: the results could not all be written to standard output\n");
        report.status = postern_scan_worse(report.status, POSTERN_SCAN_TEMPFAIL);
    }
    return (int)report.status;
}

/* The octets are the message's, whatever they hold, as with cat(1). */
static int extract(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternCapsule) capsule = postern_capsule_load(path, &error);
    gsize length = 0;
    const char *octets = capsule != NULL ? postern_message_octets(capsule->message, &length, &error) : NULL;
    if (octets == NULL) {
        complain(error->message);
        return POSTERN_SCAN_NO_INPUT;
    }
    if (fwrite(octets, 1, length, stdout) == length && fflush(stdout) == 0)
        return POSTERN_SCAN_ACCEPT;
    g_printerr("postern-scan: the message could not all be written to standard output\n");
    return POSTERN_SCAN_TEMPFAIL;
}

static int run(const PosternScanOptions *options)
{
    g_autoptr(GError) error = NULL;
    if (options->version) {
        g_print("postern-scan %s\n", POSTERN_VERSION);
        return POSTERN_SCAN_ACCEPT;
    }
    if (options->extract != NULL)
        return extract(options->extract);
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_load(options->configuration, &error);
    if (configuration == NULL) {
        g_printerr("postern-scan: %s\n", error->message);
        return POSTERN_SCAN_USAGE;
    }
    if (options->dump_configuration || options->dump_changed) {
        g_autofree char *text = options->dump_changed ? postern_configuration_dump_changed(configuration)
                                                      : postern_configuration_dump(configuration);
        g_print("%s", text);
    }
    if (options->check_configuration && configuration->virus.scan && configuration->virus.clamd[0] == '\0' &&
        !postern_signature_files_check(configuration->virus.database, &error)) {
        g_printerr("postern-scan: %s\n", error->message);
        return POSTERN_SCAN_USAGE;
    }
    if (options->check_configuration) {
        g_autofree char *approval = postern_configuration_ok_message(options->configuration);
        g_print("%s\n", approval);
    }
    if (options->dump_configuration || options->dump_changed || options->check_configuration)
        return POSTERN_SCAN_ACCEPT;
    if (!postern_log_open("postern-scan", "stderr", POSTERN_LOG_WARNING, &error)) {
        g_printerr("postern-scan: %s\n", error->message);
        return POSTERN_SCAN_TEMPFAIL;
    }
    return scan(options, configuration);
}

int main(int argc, char **argv)
{
    PosternScanOptions options = {0};
    g_autoptr(GError) error = NULL;
    int status = POSTERN_SCAN_USAGE;
    gboolean done = FALSE;
    setlocale(LC_ALL, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    if (postern_scan_options_parse(&options, &argc, &argv, &done, &error))
        status = done ? POSTERN_SCAN_ACCEPT : run(&options);
    else
        g_printerr("postern-scan: %s%s\n", error->message,
                   strstr(error->message, "--help") != NULL ? "" : "; see --help");
    postern_scan_options_clear(&options);
    return status;
}
