#include "scan/scanner.h"

#include <event2/event.h>

#include "base/error.h"
#include "base/limits.h"
#include "embed/services.h"
#include "inspector_client/inspection.h"
#include "scan/capsules.h"
#include "scan/envelope.h"
#include "scan/explain.h"
#include "scan/source.h"
#include "verdict/policies.h"

/* Messages under way at the same time, for each worker: one is scanned, the others are ready or on their way.
 */
#define UNDER_WAY_PER_WORKER 4
#define TICK_MS 200
/* Results that may wait for one before them. */
#define RESULTS_MAX 1000

typedef struct {
    const PosternScanOptions *options;
    const PosternConfiguration *configuration;
    const PosternScannerCallbacks *callbacks;
    PosternServices services;
    PosternPolicies *policies;
    PosternClientRules *client_rules;
    PosternScanSource *source;
    PosternScanCapsules capsules; /* path NULL: none are wanted */
    char *dump;
    char *versions;
    struct event *more; /* active: the next message may be taken */
    struct event *readable;
    PosternScanResult *results[RESULTS_MAX]; /* by number, in a ring: done, one before them is not */
    guint64 next;
    guint64 reported;
    GPtrArray *under_way; /* of Scan * */
    guint64 octets;       /* of the messages under way */
    gboolean ended;       /* no more messages */
    GError *error;        /* why no more can be scanned */
} Scanner;

typedef struct {
    Scanner *scanner;
    guint64 number;
    gint64 started;
    PosternScanResult *result;
    PosternMessage *message;
    guint64 octets;
    PosternInspection *inspection;
} Scan;

static void scan_free(gpointer data)
{
    Scan *scan = data;
    postern_inspection_free(scan->inspection);
    postern_message_unref(scan->message);
    postern_scan_result_free(scan->result);
    g_free(scan);
}

/* Takes error. */
static void give_up(Scanner *scanner, GError *error)
{
    if (scanner->error == NULL)
        scanner->error = g_steal_pointer(&error);
    g_clear_error(&error);
    event_base_loopbreak(scanner->services.loop);
}

/* In the order of the inputs. */
static void report(Scanner *scanner, guint64 number, PosternScanResult *result)
{
    scanner->results[number % RESULTS_MAX] = result;
    while ((result = g_steal_pointer(&scanner->results[scanner->reported % RESULTS_MAX])) != NULL) {
        scanner->reported++;
        PosternScanProgress progress = {
            .messages = scanner->reported,
            .octets = postern_scan_source_octets(scanner->source),
            .fraction = postern_scan_source_fraction(scanner->source),
        };
        scanner->callbacks->report(result, &progress, scanner->callbacks->user_data);
    }
}

static void explain(Scan *scan)
{
    Scanner *scanner = scan->scanner;
    PosternScanResult *result = scan->result;
    g_autoptr(GError) error = NULL;
    if (scanner->options->explain)
        result->explanation = postern_scan_explain(postern_inspection_answers(scan->inspection),
                                                   result->findings, result->mail_case);
    if (scanner->capsules.path != NULL &&
        !postern_scan_capsules_save(&scanner->capsules, result, (guint)scan->number, scan->inspection,
                                    scan->message, &error))
        give_up(scanner, g_steal_pointer(&error));
}

static void on_inspected(PosternFindings *findings, const GError *error, gpointer user_data)
{
    Scan *scan = user_data;
    Scanner *scanner = scan->scanner;
    PosternScanResult *result = scan->result;
    result->findings = findings;
    result->problem = error != NULL ? g_strdup(error->message) : NULL;
    if (postern_case_decide(result->mail_case, scan->message, findings, result->problem)) {
        result->verdict = result->mail_case->verdict;
        explain(scan);
    } else {
        result->error = g_strdup(result->mail_case->reply);
    }
    result->milliseconds = (double)(g_get_monotonic_time() - scan->started) / 1000.0;
    scanner->octets -= scan->octets;
    report(scanner, scan->number, g_steal_pointer(&scan->result));
    g_ptr_array_remove_fast(scanner->under_way, scan);
    event_active(scanner->more, EV_TIMEOUT, 0);
}

/* The first recipient's policy is the message's, whatever the others have. */
static void add_recipients(Scan *scan, GPtrArray *recipients)
{
    PosternCase *mail_case = scan->result->mail_case;
    for (guint i = 0; i < recipients->len; i++) {
        const char *recipient = g_ptr_array_index(recipients, i);
        const PosternPolicy *policy = postern_case_policy_of(mail_case, recipient);
        if (mail_case->policy != NULL && mail_case->policy != policy && scan->result->note == NULL)
            scan->result->note = g_strdup_printf(
                "recipient %s has another policy than the first one, which is used", recipient);
        (void)postern_case_add_recipient(mail_case, g_strdup(recipient));
    }
}

static void describe_client(Scan *scan, gboolean received)
{
    const PosternEnvelope *envelope = postern_case_envelope(scan->result->mail_case);
    gboolean named = received || scan->result->mail_case->origin != NULL;
    if (envelope->client.family == AF_UNSPEC)
        return;
    g_autofree char *address = postern_address_to_string(&envelope->client);
    scan->result->client = g_strconcat(address, named ? " (Received)" : NULL, NULL);
}

/* What daemons are told by SMTP; the rest of the case is as theirs. */
static void open_case(Scan *scan)
{
    const Scanner *scanner = scan->scanner;
    PosternScanResult *result = scan->result;
    gboolean received = FALSE;
    gsize length = 0;
    const char *octets = postern_message_octets(scan->message, &length, NULL);
    result->envelope = postern_scan_envelope(scanner->options, scanner->policies, scan->message, &received,
                                             &result->no_message);
    const PosternCaseOptions options = {
        .policies = scanner->policies,
        .no_received = scanner->options->no_received,
        .takes_all = TRUE,
    };
    result->mail_case = postern_case_new(&options, result->envelope);
    g_autoptr(GPtrArray) recipients = result->envelope->recipients;
    result->envelope->recipients = g_ptr_array_new_with_free_func(g_free);
    add_recipients(scan, recipients);
    if (octets != NULL)
        postern_case_header(result->mail_case, octets, length);
    postern_case_measure(result->mail_case, scan->message);
    describe_client(scan, received);
}

/* The header's questions, before the body is looked at: not if that needs a second copy of nearly all. */
static void ask_early(Scan *scan)
{
    guint64 octets = 0;
    if (!postern_message_header_complete(scan->message, &octets) || octets > POSTERN_HEADER_BLOCK_MAX_OCTETS)
        return;
    g_autoptr(PosternMessage) header = postern_message_copy_header(scan->message, NULL);
    if (header != NULL)
        postern_inspection_header(scan->inspection, header);
}

static void inspect(Scan *scan)
{
    Scanner *scanner = scan->scanner;
    const PosternConfiguration *configuration = scanner->configuration;
    open_case(scan);
    PosternInspectionOptions options = {
        .client = scanner->services.client,
        .resolver = scanner->services.resolver,
        .receiver = configuration->proxy.hostname,
        .checks = (PosternChecks)(postern_case_checks(scan->result->mail_case) & POSTERN_CHECKS_VERDICT),
        .scan_octets = configuration->virus.scan_octets,
        .now = scanner->options->now,
        .deadline_ms = configuration->proxy.inspection_timeout_ms,
        .explain = scanner->options->explain,
        .few_requests = TRUE,
        .client_rules = scanner->client_rules,
    };
    scan->inspection = postern_inspection_new(&options, postern_case_envelope(scan->result->mail_case));
    scan->octets = scan->result->octets = postern_message_size(scan->message);
    scanner->octets += scan->octets;
    g_ptr_array_add(scanner->under_way, scan);
    ask_early(scan);
    postern_inspection_finish(scan->inspection, scan->message, on_inspected, scan);
}

/* The inspector is started for the first message that can be read. */
static gboolean find_inspector(Scanner *scanner)
{
    GError *error = NULL;
    g_autofree char *note = NULL;
    gboolean found = postern_services_inspect(&scanner->services, scanner->configuration,
                                              scanner->options->configuration, TRUE, &note, &error);
    if (note != NULL)
        scanner->callbacks->notice(note, scanner->callbacks->user_data);
    if (!found)
        give_up(scanner, error);
    return found;
}

/* Takes the parts of item. */
static void start(Scanner *scanner, PosternScanItem *item)
{
    PosternScanResult *result = postern_scan_result_new(item->name);
    guint64 number = scanner->next++;
    g_free(item->name);
    if (item->message == NULL) {
        result->error = g_strdup(item->error->message);
        g_error_free(item->error);
        report(scanner, number, result);
        return;
    }
    Scan *scan = g_new0(Scan, 1);
    scan->scanner = scanner;
    scan->number = number;
    scan->started = g_get_monotonic_time();
    scan->result = result;
    scan->message = item->message;
    if (find_inspector(scanner))
        inspect(scan);
    else
        scan_free(scan);
}

static void on_more(evutil_socket_t socket, short what, void *data);

static void wait_readable(Scanner *scanner)
{
    int descriptor = postern_scan_source_descriptor(scanner->source);
    if (descriptor < 0)
        return;
    g_clear_pointer(&scanner->readable, event_free);
    scanner->readable = event_new(scanner->services.loop, descriptor, EV_READ, on_more, scanner);
    event_add(scanner->readable, NULL);
}

/* One message more, and back to the loop, if others have come to their end meanwhile. */
static void on_more(evutil_socket_t socket, short what, void *data)
{
    (void)socket, (void)what;
    Scanner *scanner = data;
    guint workers = scanner->configuration->inspector.workers;
    guint maximum = UNDER_WAY_PER_WORKER * (workers > 0 ? workers : g_get_num_processors());
    guint64 memory = scanner->configuration->proxy.message_memory;
    guint64 room = scanner->under_way->len == 0 ? G_MAXUINT64 : memory - MIN(memory, scanner->octets);
    PosternScanItem item;
    if (scanner->ended || scanner->error != NULL) {
        if (scanner->under_way->len == 0)
            event_base_loopbreak(scanner->services.loop);
        return;
    }
    if (scanner->under_way->len >= maximum || scanner->next - scanner->reported >= RESULTS_MAX)
        return;
    /* The source closes what it waits on. */
    g_clear_pointer(&scanner->readable, event_free);
    switch (postern_scan_source_next(scanner->source, room, &item)) {
    case POSTERN_SCAN_SOURCE_ITEM:
        start(scanner, &item);
        break;
    case POSTERN_SCAN_SOURCE_WAIT_INPUT:
        wait_readable(scanner);
        return;
    case POSTERN_SCAN_SOURCE_WAIT_ROOM:
        return;
    case POSTERN_SCAN_SOURCE_END:
        scanner->ended = TRUE;
        break;
    }
    event_active(scanner->more, EV_TIMEOUT, 0);
}

static void on_tick(evutil_socket_t socket, short what, void *data)
{
    (void)socket, (void)what;
    Scanner *scanner = data;
    GError *error = NULL;
    if (scanner->error == NULL && !postern_services_check(&scanner->services, &error))
        give_up(scanner, error);
    event_active(scanner->more, EV_TIMEOUT, 0);
}

static void prepare_capsules(Scanner *scanner)
{
    if (scanner->options->capsule == NULL)
        return;
    scanner->dump = postern_configuration_dump(scanner->configuration);
    scanner->versions = postern_capsule_versions(
        scanner->configuration->virus.scan ? scanner->configuration->virus.database : NULL);
    scanner->capsules = (PosternScanCapsules){
        .path = scanner->options->capsule,
        .configuration = scanner->dump,
        .versions = scanner->versions,
    };
}

static gboolean prepare(Scanner *scanner, GError **error)
{
    const PosternConfiguration *configuration = scanner->configuration;
    postern_services_init(&scanner->services);
    postern_services_catch_signals(&scanner->services);
    if (!postern_services_resolve(&scanner->services, configuration, scanner->options->answers, error))
        return FALSE;
    scanner->policies = postern_policies_new(configuration, configuration->proxy.hostname,
                                             configuration->proxy.mode == POSTERN_MODE_OBSERVE, error);
    if (scanner->policies == NULL)
        return FALSE;
    scanner->client_rules = postern_client_rules_new(configuration, error);
    if (scanner->client_rules == NULL)
        return FALSE;
    scanner->source = postern_scan_source_new(scanner->options->inputs, !scanner->options->no_mbox,
                                              scanner->callbacks->complain, scanner->callbacks->user_data);
    prepare_capsules(scanner);
    return TRUE;
}

static void run(Scanner *scanner)
{
    struct timeval interval = {.tv_usec = TICK_MS * 1000};
    struct event *tick = event_new(scanner->services.loop, -1, EV_PERSIST, on_tick, scanner);
    scanner->more = event_new(scanner->services.loop, -1, 0, on_more, scanner);
    event_add(tick, &interval);
    event_active(scanner->more, EV_TIMEOUT, 0);
    event_base_dispatch(scanner->services.loop);
    g_clear_pointer(&scanner->readable, event_free);
    g_clear_pointer(&scanner->more, event_free);
    event_free(tick);
}

static void scanner_free(Scanner *scanner)
{
    g_ptr_array_unref(scanner->under_way);
    postern_services_clear(&scanner->services);
    postern_scan_source_free(scanner->source);
    postern_policies_unref(scanner->policies);
    postern_client_rules_free(scanner->client_rules);
    for (gsize i = 0; i < RESULTS_MAX; i++)
        postern_scan_result_free(scanner->results[i]);
    g_free(scanner->dump);
    g_free(scanner->versions);
    g_free(scanner);
}

gboolean postern_scanner_run(const PosternScanOptions *options, const PosternConfiguration *configuration,
                             const PosternScannerCallbacks *callbacks, int *ret_signal, GError **error)
{
    Scanner *scanner = g_new0(Scanner, 1);
    scanner->options = options;
    scanner->configuration = configuration;
    scanner->callbacks = callbacks;
    scanner->under_way = g_ptr_array_new_with_free_func(scan_free);
    gboolean ok = prepare(scanner, error);
    if (ok)
        run(scanner);
    if (ok && scanner->error != NULL) {
        g_propagate_error(error, g_steal_pointer(&scanner->error));
        ok = FALSE;
    }
    *ret_signal = scanner->services.interrupted;
    scanner_free(scanner);
    return ok;
}
