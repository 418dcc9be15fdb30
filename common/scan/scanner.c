#include "scan/scanner.h"

#include <event2/event.h>
#include <string.h>

#include "base/error.h"
#include "inspect/inspection.h"
#include "inspect/spawn.h"
#include "scan/input.h"

/* Messages under way at the same time, for each worker: one is scanned, one is ready. */
#define UNDER_WAY_PER_WORKER 2
#define TICK_MS 200
#define RESTARTS_MAX 3

typedef struct {
    const PosternScanOptions *options;
    const PosternConfiguration *configuration;
    const GPtrArray *paths;
    PosternPolicy *policy;
    struct event_base *loop;
    PosternInspectorProcess *inspector;
    PosternInspectorClient *client;
    PosternResolver *resolver;
    PosternScannerReport report;
    gpointer user_data;
    PosternScanResult **results; /* those done but not reported: one before them is not */
    guint next;
    guint under_way;
    guint reported;
    guint done;
    guint restarts;
    char *failure; /* why no more can be scanned, or NULL */
} Scanner;

typedef struct {
    Scanner *scanner;
    guint index;
    gint64 started;
    PosternScanResult *result;
    PosternMessage *message;
    PosternEnvelope *envelope;
    PosternInspection *inspection;
} Scan;

static void scan_free(Scan *scan)
{
    postern_inspection_free(scan->inspection);
    postern_message_unref(scan->message);
    postern_envelope_free(scan->envelope);
    postern_scan_result_free(scan->result);
    g_free(scan);
}

static void fill(Scanner *scanner);

static void finish(Scan *scan)
{
    Scanner *scanner = scan->scanner;
    scan->result->milliseconds = (double)(g_get_monotonic_time() - scan->started) / 1000.0;
    scanner->results[scan->index] = g_steal_pointer(&scan->result);
    scanner->done++;
    scan_free(scan);
    while (scanner->reported < scanner->paths->len && scanner->results[scanner->reported] != NULL) {
        PosternScanResult *result = g_steal_pointer(&scanner->results[scanner->reported]);
        scanner->reported++;
        scanner->report(result, scanner->done, scanner->paths->len, scanner->user_data);
    }
    if (scanner->reported == scanner->paths->len)
        event_base_loopbreak(scanner->loop);
}

static void on_inspected(PosternFindings *findings, const GError *error, gpointer user_data)
{
    Scan *scan = user_data;
    Scanner *scanner = scan->scanner;
    gsize length = 0;
    const char *octets = postern_message_octets(scan->message, &length, NULL);
    g_autoptr(PosternHeader) header = octets != NULL ? postern_header_parse(octets, length) : NULL;
    scan->result->findings = findings;
    scan->result->problem = error != NULL ? g_strdup(error->message) : NULL;
    scan->result->verdict = postern_verdict_decide(scanner->policy, findings, scan->envelope, header,
                                                   scanner->configuration->virus.scan);
    scanner->under_way--;
    finish(scan);
    fill(scanner);
}

static PosternEnvelope *make_envelope(const Scanner *scanner, PosternMessage *message)
{
    const PosternScanOptions *options = scanner->options;
    PosternEnvelope *envelope = postern_envelope_new();
    if (options->client != NULL)
        (void)postern_address_parse(&envelope->client, options->client);
    envelope->helo = g_strdup(options->helo);
    envelope->esmtp = TRUE;
    envelope->sender =
        options->sender != NULL ? g_strdup(options->sender) : postern_scan_input_sender(message);
    for (char **recipient = options->recipients; *recipient != NULL; recipient++)
        g_ptr_array_add(envelope->recipients, g_strdup(*recipient));
    return envelope;
}

static void inspect(Scan *scan)
{
    Scanner *scanner = scan->scanner;
    const PosternConfiguration *configuration = scanner->configuration;
    guint checks = POSTERN_CHECKS_ALL;
    if (!configuration->virus.scan)
        checks &= ~(guint)POSTERN_CHECK_VIRUS;
    if (scanner->options->client == NULL)
        checks &= ~(guint)POSTERN_CHECK_SPF;
    PosternInspectionOptions options = {
        .client = scanner->client,
        .resolver = scanner->resolver,
        .receiver = configuration->proxy.hostname,
        .checks = (PosternChecks)checks,
        .scan_octets = configuration->virus.scan_octets,
        .now = scanner->options->now,
        .deadline_ms = configuration->proxy.inspection_timeout_ms,
    };
    scan->envelope = make_envelope(scanner, scan->message);
    scan->inspection = postern_inspection_new(&options, scan->envelope);
    scanner->under_way++;
    g_autoptr(PosternMessage) header = postern_message_copy_header(scan->message, NULL);
    if (header != NULL)
        postern_inspection_header(scan->inspection, header);
    postern_inspection_finish(scan->inspection, scan->message, on_inspected, scan);
}

static void start_next(Scanner *scanner)
{
    g_autoptr(GError) error = NULL;
    const char *path = g_ptr_array_index(scanner->paths, scanner->next);
    Scan *scan = g_new0(Scan, 1);
    scan->scanner = scanner;
    scan->index = scanner->next++;
    scan->started = g_get_monotonic_time();
    scan->result = postern_scan_result_new(path);
    scan->message = postern_scan_input_read(path, &error);
    if (scan->message != NULL) {
        inspect(scan);
        return;
    }
    scan->result->error = g_strdup(error->message);
    finish(scan);
}

static void fill(Scanner *scanner)
{
    guint workers = scanner->configuration->inspector.workers;
    guint maximum = UNDER_WAY_PER_WORKER * (workers > 0 ? workers : g_get_num_processors());
    while (scanner->next < scanner->paths->len && scanner->under_way < maximum)
        start_next(scanner);
}

/* Any reason that they cannot be had for is one of the input. */
static PosternAnswersFile *load_answers(const char *path, const char *option, GError **error)
{
    g_autoptr(GError) problem = NULL;
    PosternAnswersFile *answers = postern_answers_file_load(path, &problem);
    if (answers == NULL)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, "%s: %s", option, problem->message);
    return answers;
}

static gboolean make_resolver(Scanner *scanner, GError **error)
{
    const PosternConfiguration *configuration = scanner->configuration;
    const char *path = scanner->options->answers;
    const char *option = path != NULL ? "--answers" : "[dns] answers";
    if (path == NULL && configuration->dns.answers[0] != '\0')
        path = configuration->dns.answers;
    if (path != NULL) {
        g_autoptr(PosternAnswersFile) answers = load_answers(path, option, error);
        if (answers == NULL)
            return FALSE;
        scanner->resolver = postern_resolver_new_from_file(scanner->loop, answers);
        return TRUE;
    }
    PosternResolverOptions options = {
        .servers = (const char *const *)configuration->dns.servers,
        .timeout_ms = configuration->dns.timeout_ms,
        .cache_octets = (guint)configuration->dns.cache_octets,
    };
    scanner->resolver = postern_resolver_new(scanner->loop, &options, error);
    return scanner->resolver != NULL;
}

/* The shared inspector where one is set up, else one of our own; never do we make the shared socket. */
static gboolean find_inspector(Scanner *scanner, GError **error)
{
    static const char *const quiet[] = {"--quiet", NULL};
    const char *path = scanner->configuration->inspector.socket;
    if (path[0] == '\0' || !g_file_test(path, G_FILE_TEST_EXISTS)) {
        scanner->inspector = postern_inspector_process_new(scanner->options->configuration, quiet, error);
        if (scanner->inspector == NULL)
            return FALSE;
        path = postern_inspector_process_path(scanner->inspector);
    }
    scanner->client = postern_inspector_client_new(scanner->loop, path);
    return TRUE;
}

static void on_tick(evutil_socket_t socket, short what, void *data)
{
    Scanner *scanner = data;
    g_autofree char *text = NULL;
    if (scanner->inspector == NULL || !postern_inspector_process_check(scanner->inspector, &text))
        return;
    if (++scanner->restarts < RESTARTS_MAX)
        return;
    scanner->failure =
        g_strdup_printf("postern-inspector keeps ending (%s): what it says above tells why", text);
    event_base_loopbreak(scanner->loop);
}

static void scanner_clear(Scanner *scanner)
{
    g_clear_pointer(&scanner->client, postern_inspector_client_free);
    g_clear_pointer(&scanner->resolver, postern_resolver_free);
    g_clear_pointer(&scanner->inspector, postern_inspector_process_free);
    g_clear_pointer(&scanner->loop, event_base_free);
    g_clear_pointer(&scanner->policy, postern_policy_free);
    for (guint i = 0; i < scanner->paths->len; i++)
        postern_scan_result_free(scanner->results[i]);
    g_free(scanner->results);
    g_free(scanner->failure);
}

gboolean postern_scanner_run(const PosternScanOptions *options, const PosternConfiguration *configuration,
                             const GPtrArray *paths, PosternScannerReport report, gpointer user_data,
                             GError **error)
{
    Scanner scanner = {
        .options = options,
        .configuration = configuration,
        .paths = paths,
        .policy = postern_policy_from_configuration(configuration, configuration->proxy.hostname),
        .loop = event_base_new(),
        .report = report,
        .user_data = user_data,
        .results = g_new0(PosternScanResult *, paths->len + 1),
    };
    gboolean ok = make_resolver(&scanner, error) && find_inspector(&scanner, error);
    if (ok && paths->len > 0) {
        struct timeval tick = {.tv_sec = 0, .tv_usec = TICK_MS * 1000};
        struct event *timer = event_new(scanner.loop, -1, EV_PERSIST, on_tick, &scanner);
        event_add(timer, &tick);
        fill(&scanner);
        if (scanner.reported < paths->len)
            event_base_dispatch(scanner.loop);
        event_free(timer);
    }
    if (ok && scanner.failure != NULL) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, scanner.failure);
        ok = FALSE;
    }
    scanner_clear(&scanner);
    return ok;
}
