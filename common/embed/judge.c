#include "embed/postern.h"

#include <event2/event.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/limits.h"
#include "embed/services.h"
#include "inspector_client/inspection.h"
#include "mail/lines.h"
#include "verdict/case.h"
#include "verdict/check.h"
#include "verdict/policies.h"

#define TICK_MS 200

G_STATIC_ASSERT((int)POSTERN_JUDGE_ACCEPT == (int)POSTERN_ACTION_ACCEPT);
G_STATIC_ASSERT((int)POSTERN_JUDGE_MARK == (int)POSTERN_ACTION_MARK);
G_STATIC_ASSERT((int)POSTERN_JUDGE_QUARANTINE == (int)POSTERN_ACTION_QUARANTINE);
G_STATIC_ASSERT((int)POSTERN_JUDGE_DISCARD == (int)POSTERN_ACTION_DISCARD);
G_STATIC_ASSERT((int)POSTERN_JUDGE_TEMPFAIL == (int)POSTERN_ACTION_TEMPFAIL);
G_STATIC_ASSERT((int)POSTERN_JUDGE_REJECT == (int)POSTERN_ACTION_REJECT);

struct PosternJudge {
    char *path;
    PosternConfiguration *configuration;
    PosternPolicies *policies;
    PosternClientRules *client_rules;
    PosternServices services;
};

/* One message's way through. */
typedef struct {
    PosternJudge *judge;
    PosternFindings *findings;
    char *problem;
    GError *error; /* no inspector any more */
} Judging;

static void tell(char **ret_error, const GError *error)
{
    if (ret_error != NULL)
        *ret_error = g_strdup(error->message);
}

static gboolean begin(PosternJudge *judge, GError **error)
{
    g_autofree char *note = NULL;
    judge->configuration = postern_configuration_load(judge->path, error);
    if (judge->configuration == NULL)
        return FALSE;
    const PosternConfiguration *configuration = judge->configuration;
    judge->policies = postern_policies_new(configuration, configuration->proxy.hostname,
                                           configuration->proxy.mode == POSTERN_MODE_OBSERVE, error);
    judge->client_rules = judge->policies != NULL ? postern_client_rules_new(configuration, error) : NULL;
    return judge->client_rules != NULL &&
           postern_services_resolve(&judge->services, configuration, NULL, error) &&
           postern_services_inspect(&judge->services, configuration, judge->path, TRUE, &note, error);
}

/* GLib makes the locale by which it reads numbers at the first; a thread that waits for another to make it
 * is told that its number is wrong. */
static void prepare(void)
{
    static gsize prepared = 0;
    if (g_once_init_enter(&prepared)) {
        (void)g_ascii_strtoull("0", NULL, 10);
        g_once_init_leave(&prepared, 1);
    }
}

PosternJudge *postern_judge_new(const char *path, char **ret_error)
{
    g_autoptr(GError) error = NULL;
    PosternJudge *judge = g_new0(PosternJudge, 1);
    judge->path = g_strdup(path);
    prepare();
    postern_services_init(&judge->services);
    if (ret_error != NULL)
        *ret_error = NULL;
    if (begin(judge, &error))
        return judge;
    tell(ret_error, error);
    postern_judge_free(judge);
    return NULL;
}

void postern_judge_free(PosternJudge *judge)
{
    if (judge == NULL)
        return;
    postern_services_clear(&judge->services);
    g_clear_pointer(&judge->policies, postern_policies_unref);
    postern_client_rules_free(judge->client_rules);
    g_clear_pointer(&judge->configuration, postern_configuration_free);
    g_free(judge->path);
    g_free(judge);
}

static PosternEnvelope *envelope_of(const PosternJudgeMail *mail, GError **error)
{
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    envelope->esmtp = TRUE;
    if (mail->client != NULL && !postern_address_parse(&envelope->client, mail->client)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_USAGE,
                    "client: '%s' is not an IPv4 or IPv6 address, such as 192.0.2.1", mail->client);
        return NULL;
    }
    envelope->helo = g_strdup(mail->helo);
    envelope->sender = g_strdup(mail->sender);
    return g_steal_pointer(&envelope);
}

static void add_recipients(PosternCase *mail_case, const char *const *recipients)
{
    for (; recipients != NULL && *recipients != NULL; recipients++)
        (void)postern_case_add_recipient(mail_case, g_strdup(*recipients));
}

static void on_inspected(PosternFindings *findings, const GError *error, gpointer user_data)
{
    Judging *judging = user_data;
    judging->findings = findings;
    judging->problem = error != NULL ? g_strdup(error->message) : NULL;
    event_base_loopbreak(judging->judge->services.loop);
}

static void on_tick(evutil_socket_t socket, short what, void *data)
{
    (void)socket, (void)what;
    Judging *judging = data;
    if (judging->error == NULL && !postern_services_check(&judging->judge->services, &judging->error))
        event_base_loopbreak(judging->judge->services.loop);
}

/* Runs the loop until findings are there. */
static void inspect(Judging *judging, const PosternCase *mail_case, PosternMessage *message)
{
    PosternJudge *judge = judging->judge;
    const PosternInspectionOptions options = {
        .client = judge->services.client,
        .resolver = judge->services.resolver,
        .receiver = judge->configuration->proxy.hostname,
        .checks = (PosternChecks)(postern_case_checks(mail_case) & POSTERN_CHECKS_VERDICT),
        .scan_octets = judge->configuration->virus.scan_octets,
        .deadline_ms = judge->configuration->proxy.inspection_timeout_ms,
        .client_rules = judge->client_rules,
    };
    struct timeval interval = {.tv_usec = TICK_MS * 1000};
    struct event *tick = event_new(judge->services.loop, -1, EV_PERSIST, on_tick, judging);
    g_autoptr(PosternInspection) inspection =
        postern_inspection_new(&options, postern_case_envelope(mail_case));
    event_add(tick, &interval);
    postern_inspection_finish(inspection, message, on_inspected, judging);
    event_base_dispatch(judge->services.loop);
    event_free(tick);
}

static void add_line(gpointer out, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    g_string_append_printf(out, "%s: ", name);
    postern_escape_append(out, text, strlen(text), POSTERN_LOG_VALUE_MAX_OCTETS);
    g_string_append_c(out, '\n');
}

static void fill(PosternJudgement *judgement, const PosternCase *mail_case, const Judging *judging)
{
    const PosternVerdict *verdict = mail_case->verdict;
    GString *findings = g_string_new(NULL);
    postern_checks_lines(judging->findings, verdict, add_line, findings);
    *judgement = (PosternJudgement){
        .action = (PosternJudgeAction)verdict->action,
        .reply = g_strdup(verdict->reply),
        .check = g_strdup(verdict->check),
        .authentication_results = g_strdup(verdict->authentication_results),
        .findings = g_string_free(findings, FALSE),
        .problem = judging->problem != NULL ? postern_escape(judging->problem, strlen(judging->problem),
                                                             POSTERN_LOG_VALUE_MAX_OCTETS)
                                            : NULL,
    };
}

static gboolean judge_message(PosternJudge *judge, const PosternJudgeMail *mail,
                              PosternJudgement *ret_judgement, GError **error)
{
    Judging judging = {.judge = judge};
    g_autoptr(PosternEnvelope) envelope = envelope_of(mail, error);
    g_autoptr(PosternLines) lines = postern_lines_new();
    postern_lines_add(lines, mail->octets, mail->length);
    g_autoptr(PosternMessage) message = envelope != NULL ? postern_lines_end(lines, error) : NULL;
    if (message == NULL)
        return FALSE;
    const PosternCaseOptions options = {.policies = judge->policies, .takes_all = TRUE};
    g_autoptr(PosternCase) mail_case = postern_case_new(&options, envelope);
    add_recipients(mail_case, mail->recipients);
    gsize length = 0;
    const char *octets = postern_message_octets(message, &length, error);
    if (octets == NULL)
        return FALSE;
    postern_case_header(mail_case, octets, length);
    postern_case_measure(mail_case, message);
    inspect(&judging, mail_case, message);
    gboolean decided =
        judging.error == NULL && postern_case_decide(mail_case, message, judging.findings, judging.problem);
    if (decided)
        fill(ret_judgement, mail_case, &judging);
    else if (judging.error != NULL)
        g_propagate_error(error, judging.error);
    else
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM, mail_case->reply);
    postern_findings_free(judging.findings);
    g_free(judging.problem);
    return decided;
}

int postern_judge_message(PosternJudge *judge, const PosternJudgeMail *mail, PosternJudgement *ret_judgement,
                          char **ret_error)
{
    g_autoptr(GError) error = NULL;
    memset(ret_judgement, 0, sizeof *ret_judgement);
    if (ret_error != NULL)
        *ret_error = NULL;
    if (judge_message(judge, mail, ret_judgement, &error))
        return 1;
    tell(ret_error, error);
    return 0;
}

void postern_judgement_clear(PosternJudgement *judgement)
{
    g_free(judgement->reply);
    g_free(judgement->check);
    g_free(judgement->authentication_results);
    g_free(judgement->findings);
    g_free(judgement->problem);
    memset(judgement, 0, sizeof *judgement);
}
