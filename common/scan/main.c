#include <glib.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/build.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/limits.h"
#include "base/log.h"
#include "scan/input.h"
#include "scan/progress.h"
#include "scan/scanner.h"

typedef struct {
    const PosternScanOptions *options;
    PosternScanStatus status;
    guint refused;
    gboolean colour;
} Report;

/* Names of files are strangers' text too. */
static void complain(const char *text)
{
    g_autofree char *safe = postern_escape(text, strlen(text), POSTERN_LOG_LINE_MAX_OCTETS);
    g_printerr("postern-scan: %s\n", safe);
}

static void on_result(PosternScanResult *result, guint done, guint total, gpointer user_data)
{
    Report *report = user_data;
    PosternScanStatus status = postern_scan_result_status(result);
    report->status = postern_scan_worse(report->status, status);
    report->refused += status != POSTERN_SCAN_ACCEPT;
    postern_scan_progress_clear(total);
    if (status == POSTERN_SCAN_NO_INPUT)
        complain(result->error);
    if (status != POSTERN_SCAN_NO_INPUT || report->options->json) {
        g_autofree char *text = report->options->json ? postern_scan_result_to_json(result)
                                                      : postern_scan_result_to_text(result, report->colour);
        g_print("%s", text);
    }
    postern_scan_progress_show(done, total, report->refused);
    postern_scan_result_free(result);
}

static void on_complaint(const char *text, gpointer user_data)
{
    Report *report = user_data;
    complain(text);
    report->status = postern_scan_worse(report->status, POSTERN_SCAN_NO_INPUT);
}

static int scan(const PosternScanOptions *options, const PosternConfiguration *configuration)
{
    g_autoptr(GError) error = NULL;
    Report report = {.options = options, .colour = isatty(STDOUT_FILENO) && g_getenv("NO_COLOR") == NULL};
    g_autoptr(GPtrArray) paths = postern_scan_input_list(options->inputs, on_complaint, &report);
    if (paths->len == 0 && report.status == POSTERN_SCAN_ACCEPT)
        on_complaint("no message files were found there", &report);
    if (paths->len > 0 && !postern_scanner_run(options, configuration, paths, on_result, &report, &error)) {
        g_printerr("postern-scan: %s\n", error->message);
        gboolean unreadable = g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_INPUT);
        return unreadable ? POSTERN_SCAN_NO_INPUT : POSTERN_SCAN_TEMPFAIL;
    }
    postern_scan_progress_clear(paths->len);
    if (!options->json && paths->len > 1)
        g_print("%u messages, %u accepted, %u not\n", paths->len, paths->len - report.refused,
                report.refused);
    return (int)report.status;
}

static int run(const PosternScanOptions *options)
{
    g_autoptr(GError) error = NULL;
    if (options->version) {
        g_print("postern-scan %s\n", POSTERN_VERSION);
        return POSTERN_SCAN_ACCEPT;
    }
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_load(options->configuration, &error);
    if (configuration == NULL) {
        g_printerr("postern-scan: %s\n", error->message);
        return POSTERN_SCAN_USAGE;
    }
    if (options->dump_configuration) {
        g_autofree char *text = postern_configuration_dump(configuration);
        g_print("%s", text);
    }
    if (options->check_configuration)
        g_print("%s: no mistakes found\n",
                options->configuration != NULL ? options->configuration : POSTERN_CONFIGURATION_FILE);
    if (options->dump_configuration || options->check_configuration)
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
    setlocale(LC_ALL, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    if (postern_scan_options_parse(&options, &argc, &argv, &error))
        status = run(&options);
    else
        g_printerr("postern-scan: %s%s\n", error->message,
                   strstr(error->message, "--help") != NULL ? "" : "; see --help");
    postern_scan_options_clear(&options);
    return status;
}
