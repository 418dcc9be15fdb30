/*
 * A small client of postern-inspector for the tests: inspects each file given, and prints one line for each:
 * `FILE spf=RESULT dkim=RESULT… virus=RESULT name="…" reason="…" attachments=N error="…" milliseconds=N`.
 * With --sign it is signed alone: `signed=DOMAIN field="…"… unsigned="PROBLEM"` come after virus.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/limits.h"
#include "daemon/inspector_process.h"
#include "inspector_client/inspection.h"

typedef struct {
    char *socket, *configuration, *answers, *sender, *clients;
    gboolean spawn, hold, watch, no_spf, sign, remember;
    int repeat, parallel, deadline_ms, scan_octets, every_ms;
    gint64 now;
} Options;

typedef struct {
    const Options *options;
    struct event_base *loop;
    PosternInspectorClient *client;
    PosternResolver *resolver;
    char **files;
    char **clients;
    guint total, started, done;
    struct event *next; /* --every: the next is due */
    gboolean over;      /* and it is the last */
    int status;
} Driver;

typedef struct {
    Driver *driver;
    const char *file;
    PosternInspection *inspection;
    gint64 began;
} One;

static void start_next(Driver *driver);

static void print_value(const char *key, const char *value)
{
    if (value != NULL) {
        g_autofree char *escaped = postern_escape(value, strlen(value), 500);
        printf(" %s=\"%s\"", key, escaped);
    }
}

static void print_signatures(const PosternSignFinding *signatures)
{
    if (signatures->domain != NULL)
        printf(" signed=%s", signatures->domain);
    for (guint i = 0; i < signatures->fields->len; i++) {
        const char *field = g_ptr_array_index(signatures->fields, i);
        g_autofree char *escaped = postern_escape(field, strlen(field), 10000);
        printf(" field=\"%s\"", escaped);
    }
    print_value("unsigned", signatures->problem);
}

static PosternChecks checks_of(const Options *options)
{
    if (options->sign)
        return POSTERN_CHECK_SIGN;
    return options->no_spf ? POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT : POSTERN_CHECKS_VERDICT;
}

static void print_findings(const One *one, const PosternFindings *findings, const GError *error)
{
    printf("%s spf=%s dkim=", one->file, postern_spf_result_name(findings->spf.result));
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim.signatures, i);
        printf("%s%s", i > 0 ? "," : "", postern_dkim_result_name(finding->result));
    }
    printf(" virus=%s", postern_virus_result_name(findings->virus.result));
    print_value("name", findings->virus.name);
    print_value("reason", findings->virus.reason);
    print_signatures(&findings->sign);
    printf(" attachments=%u", findings->content.count);
    print_value("mime", findings->content.problem);
    for (guint i = 0; i < findings->rules.matches->len; i++)
        print_value("rule", ((const PosternRuleMatch *)g_ptr_array_index(findings->rules.matches, i))->rule);
    print_value("undecided", findings->rules.undecided);
    print_value("error", error != NULL ? error->message : NULL);
    gint64 microseconds = g_get_monotonic_time() - one->began;
    printf(" milliseconds=%" G_GINT64_FORMAT " microseconds=%" G_GINT64_FORMAT "\n", microseconds / 1000,
           microseconds);
    fflush(stdout);
}

static void start_later(Driver *driver, gint64 began)
{
    gint64 pause = MAX(1, began + (gint64)driver->options->every_ms * 1000 - g_get_monotonic_time());
    struct timeval time = {.tv_sec = pause / G_USEC_PER_SEC, .tv_usec = pause % G_USEC_PER_SEC};
    evtimer_add(driver->next, &time);
}

static void on_next(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    start_next(data);
}

static void on_input_end(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    ((Driver *)data)->over = TRUE;
}

static void on_done(PosternFindings *findings, const GError *error, gpointer user_data)
{
    One *one = user_data;
    Driver *driver = one->driver;
    gint64 began = one->began;
    print_findings(one, findings, error);
    postern_findings_free(findings);
    postern_inspection_free(one->inspection);
    g_free(one);
    driver->done++;
    if (driver->done == driver->total || driver->over)
        event_base_loopbreak(driver->loop);
    else if (driver->options->every_ms == 0)
        start_next(driver);
    else
        start_later(driver, began);
}

static PosternMessage *read_message(const char *file)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *octets = NULL;
    gsize length = 0;
    PosternMessage *message = NULL;
    if (g_file_get_contents(file, &octets, &length, &error))
        message = postern_message_new(POSTERN_MESSAGE_MAX_OCTETS, NULL, &error);
    if (message == NULL || !postern_message_append(message, octets, length, &error)) {
        g_printerr("%s: %s\n", file, error->message);
        exit(2);
    }
    return message;
}

static void start_next(Driver *driver)
{
    const Options *options = driver->options;
    if (driver->started == driver->total)
        return;
    One *one = g_new0(One, 1);
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    const PosternInspectionOptions inspection = {.client = driver->client,
                                                 .resolver = driver->resolver,
                                                 .receiver = "mx.example.org",
                                                 .checks = checks_of(options),
                                                 .scan_octets = (guint64)options->scan_octets,
                                                 .now = options->now,
                                                 .remember = options->remember,
                                                 .deadline_ms = (guint)options->deadline_ms};
    one->driver = driver;
    one->file = driver->files[driver->started % g_strv_length(driver->files)];
    one->began = g_get_monotonic_time();
    postern_address_parse(&envelope->client,
                          driver->clients[driver->started % g_strv_length(driver->clients)]);
    driver->started++;
    envelope->helo = g_strdup("client.example");
    envelope->sender = g_strdup(options->sender != NULL ? options->sender : "");
    g_autoptr(PosternMessage) message = read_message(one->file);
    one->inspection = postern_inspection_new(&inspection, envelope);
    if (!options->no_spf && !options->sign) {
        g_autoptr(PosternMessage) header = postern_message_copy_header(message, NULL);
        postern_inspection_header(one->inspection, header);
    }
    g_assert_true(postern_message_seal(message, NULL));
    postern_inspection_finish(one->inspection, message, on_done, one);
}

static void on_watch(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    g_autofree char *text = NULL;
    if (postern_inspector_process_check(data, &text)) {
        printf("inspector %s\n", text != NULL ? text : "has ended again");
        fflush(stdout);
    }
}

static int run(const Options *options, char **files, GError **error)
{
    g_autoptr(PosternInspectorProcess) process = NULL;
    const char *path = options->socket;
    g_autoptr(PosternAnswersFile) answers = options->answers != NULL
                                                ? postern_answers_file_load(options->answers, error)
                                                : postern_answers_file_parse("", 0, error);
    if (options->spawn) {
        process = postern_inspector_process_new(options->configuration, NULL, error);
        path = process != NULL ? postern_inspector_process_path(process) : NULL;
    }
    if (answers == NULL || path == NULL)
        return 2;
    Driver driver = {.options = options, .loop = event_base_new(), .files = files};
    driver.total = g_strv_length(files) * (guint)options->repeat;
    driver.clients = g_strsplit(options->clients != NULL ? options->clients : "192.0.2.1", ",", -1);
    driver.client = postern_inspector_client_new(driver.loop, path);
    driver.resolver = postern_resolver_new_from_file(driver.loop, answers);
    if (process != NULL) {
        printf("inspector process=%d path=%s\n", (int)postern_inspector_process_pid(process), path);
        fflush(stdout);
    }
    driver.next = evtimer_new(driver.loop, on_next, &driver);
    struct event *input = event_new(driver.loop, STDIN_FILENO, EV_READ, on_input_end, &driver);
    if (options->every_ms > 0) {
        driver.total = G_MAXUINT;
        event_add(input, NULL);
    }
    for (int i = 0; i < options->parallel; i++)
        start_next(&driver);
    static const struct timeval watch_pause = {.tv_usec = 50000};
    struct event *watch = event_new(driver.loop, -1, EV_PERSIST, on_watch, process);
    if (options->watch && process != NULL)
        event_add(watch, &watch_pause);
    event_base_dispatch(driver.loop);
    event_free(watch);
    event_free(input);
    event_free(driver.next);
    while (options->hold && getchar() != EOF) {
    }
    postern_inspector_client_free(driver.client);
    postern_resolver_free(driver.resolver);
    event_base_free(driver.loop);
    g_strfreev(driver.clients);
    return driver.done == driver.total || driver.over ? 0 : 1;
}

int main(int argc, char **argv)
{
    Options options = {
        .repeat = 1, .parallel = 1, .deadline_ms = 60000, .scan_octets = POSTERN_MESSAGE_DEFAULT_OCTETS};
    const GOptionEntry entries[] = {
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &options.socket, "Of a running inspector", "PATH"},
        {"spawn", 0, 0, G_OPTION_ARG_NONE, &options.spawn, "Start an inspector of our own", NULL},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &options.configuration, "For --spawn", "FILE"},
        {"answers", 0, 0, G_OPTION_ARG_FILENAME, &options.answers, "In place of the DNS", "FILE"},
        {"sender", 0, 0, G_OPTION_ARG_STRING, &options.sender, "Reverse path", "ADDRESS"},
        {"client", 0, 0, G_OPTION_ARG_STRING, &options.clients,
         "Clients' addresses, one for each message in turn", "ADDRESS,…"},
        {"content-only", 0, 0, G_OPTION_ARG_NONE, &options.no_spf, "Virus and content checks alone", NULL},
        {"sign", 0, 0, G_OPTION_ARG_NONE, &options.sign, "Ask for signatures alone", NULL},
        {"remember", 0, 0, G_OPTION_ARG_NONE, &options.remember, "As proxy and milter ask", NULL},
        {"hold", 0, 0, G_OPTION_ARG_NONE, &options.hold, "At the end, wait for the end of standard input",
         NULL},
        {"watch", 0, 0, G_OPTION_ARG_NONE, &options.watch, "Start the spawned inspector again when it ends",
         NULL},
        {"repeat", 0, 0, G_OPTION_ARG_INT, &options.repeat, "Each file so often", "N"},
        {"parallel", 0, 0, G_OPTION_ARG_INT, &options.parallel, "So many at once", "N"},
        {"every", 0, 0, G_OPTION_ARG_INT, &options.every_ms,
         "One each so often, once the last is answered, until the end of standard input", "MS"},
        {"deadline", 0, 0, G_OPTION_ARG_INT, &options.deadline_ms, "For each", "MS"},
        {"scan-octets", 0, 0, G_OPTION_ARG_INT, &options.scan_octets, "Largest message scanned", "N"},
        {"now", 0, 0, G_OPTION_ARG_INT64, &options.now, "Clock", "SECONDS"},
        {NULL},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("FILE…");
    g_option_context_add_main_entries(context, entries, NULL);
    int status = 2;
    if (g_option_context_parse(context, &argc, &argv, &error) && argc > 1)
        status = run(&options, argv + 1, &error);
    if (error != NULL)
        g_printerr("inspect_message: %s\n", error->message);
    g_free(options.socket);
    g_free(options.configuration);
    g_free(options.answers);
    g_free(options.sender);
    g_free(options.clients);
    return status;
}
