#include "scan/replay.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "scan/explain.h"

/* Made of more than the message and the DNS: of signatures of that day, of keys, or of which lists could be
 * believed. */
#define AS_RECORDED (POSTERN_CHECK_VIRUS | POSTERN_CHECK_SIGN | POSTERN_CHECK_CLIENT | POSTERN_CHECK_GREYLIST)

struct PosternReplay {
    PosternCapsule *capsule;
    PosternConfiguration *configuration; /* of the capsule */
    PosternPolicy *policy;
    PosternResolver *resolver;
    PosternInspection *inspection;
    char *unknown; /* what the capsule has no answer for, or NULL */
    gboolean rescan;
    gboolean explain;
};

static gboolean find_policy(PosternReplay *replay, GError **error)
{
    const PosternCapsule *capsule = replay->capsule;
    replay->configuration = postern_configuration_parse(
        capsule->configuration, strlen(capsule->configuration), "the capsule's configuration", error);
    if (replay->configuration == NULL)
        return FALSE;
    if (postern_configuration_policy(replay->configuration, capsule->policy) == NULL)
        return postern_error_set(error, POSTERN_ERROR_INPUT,
                                 "the capsule's configuration has no [policy %s], which decided",
                                 capsule->policy);
    replay->policy = postern_policy_from_group(replay->configuration, capsule->policy, capsule->authserv_id);
    replay->policy->observe = capsule->observe;
    return TRUE;
}

PosternReplay *postern_replay_open(const char *path, GError **error)
{
    g_autoptr(PosternReplay) replay = g_new0(PosternReplay, 1);
    replay->capsule = postern_capsule_load(path, error);
    if (replay->capsule == NULL)
        return NULL;
    if (!find_policy(replay, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    postern_answers_set_source(replay->capsule->answers, POSTERN_ANSWER_SOURCE_CAPSULE);
    return g_steal_pointer(&replay);
}

void postern_replay_free(PosternReplay *replay)
{
    if (replay == NULL)
        return;
    g_clear_pointer(&replay->inspection, postern_inspection_free);
    g_clear_pointer(&replay->resolver, postern_resolver_free);
    g_clear_pointer(&replay->policy, postern_policy_free);
    g_clear_pointer(&replay->configuration, postern_configuration_free);
    g_clear_pointer(&replay->capsule, postern_capsule_free);
    g_free(replay->unknown);
    g_free(replay);
}

guint64 postern_replay_size(const PosternReplay *replay)
{
    return postern_message_size(replay->capsule->message);
}

guint postern_replay_engines_of(const PosternConfiguration *configuration)
{
    return configuration->inspector.spf_engine * 2 + (configuration->inspector.dkim_partial_body ? 1 : 0);
}

guint postern_replay_engines(const PosternReplay *replay)
{
    return postern_replay_engines_of(replay->configuration);
}

static void on_unknown(const PosternQuestion *question, gpointer user_data)
{
    PosternReplay *replay = user_data;
    if (replay->unknown == NULL)
        replay->unknown =
            g_strdup_printf("the capsule has no answer for %s %s: this version asks other questions",
                            question->name, postern_dns_type_name(question->type));
}

void postern_replay_run(PosternReplay *replay, const PosternReplayOptions *options,
                        PosternInspectionDone done, gpointer user_data)
{
    const PosternCapsule *capsule = replay->capsule;
    guint checks = capsule->checks & ~(guint)AS_RECORDED & ~(guint)capsule->failed;
    replay->rescan = options->rescan && (capsule->checks & POSTERN_CHECK_VIRUS) != 0;
    replay->explain = options->explain;
    if (replay->rescan)
        checks |= POSTERN_CHECK_VIRUS;
    replay->resolver =
        postern_resolver_new_silent(postern_inspector_client_loop(options->client), on_unknown, replay);
    PosternInspectionOptions inspection = {
        .client = options->client,
        .resolver = replay->resolver,
        .receiver = capsule->receiver,
        .checks = (PosternChecks)checks,
        .scan_octets = capsule->scan_octets,
        .now = capsule->now,
        .deadline_ms = options->deadline_ms,
        .explain = options->explain,
        .answers = capsule->answers,
    };
    replay->inspection = postern_inspection_new(&inspection, capsule->envelope);
    g_autoptr(PosternMessage) header = postern_message_copy_header(capsule->message, NULL);
    if (header != NULL)
        postern_inspection_header(replay->inspection, header);
    postern_inspection_finish(replay->inspection, capsule->message, done, user_data);
}

/* The case of the capsule's message, decided by findings. */
static PosternCase *decide(const PosternReplay *replay, PosternFindings *findings, const char *problem)
{
    const PosternCapsule *capsule = replay->capsule;
    gsize length = 0;
    const char *octets = postern_message_octets(capsule->message, &length, NULL);
    PosternCase *mail_case =
        postern_case_new_of_policy(replay->policy, capsule->client_class, capsule->envelope);
    if (octets != NULL)
        postern_case_header(mail_case, octets, length);
    postern_case_measure(mail_case, capsule->message);
    (void)postern_case_decide(mail_case, capsule->message, findings, problem);
    return mail_case;
}

/* Takes what is taken as it was; if the body was scanned again, that is kept in result->today. */
static void take_recorded(PosternReplay *replay, PosternFindings *findings, PosternScanResult *result)
{
    const PosternCapsule *capsule = replay->capsule;
    PosternChecks taken = (PosternChecks)((AS_RECORDED & (guint)capsule->checks) | (guint)capsule->failed);
    g_autoptr(PosternFindings) recorded = postern_findings_copy(capsule->findings);
    if (replay->rescan) {
        result->today = postern_findings_new();
        postern_findings_take(result->today, findings, POSTERN_CHECK_VIRUS);
    }
    postern_findings_take(findings, recorded, taken);
    postern_findings_conclude(findings);
}

static gboolean same_virus(const PosternVirusFinding *one, const PosternVirusFinding *other)
{
    g_autofree char *first = postern_virus_finding_word(one);
    g_autofree char *second = postern_virus_finding_word(other);
    return g_str_equal(first, second);
}

/* The verdict that today's scan leads to, all else being as it was. */
static void decide_today(PosternReplay *replay, PosternFindings *findings, PosternScanResult *result)
{
    PosternVirusFinding recorded = findings->virus;
    findings->virus = result->today->virus;
    g_autoptr(PosternCase) today = decide(replay, findings, NULL);
    result->today_verdict = g_steal_pointer(&today->verdict);
    findings->virus = recorded;
    result->today_differs = !same_virus(&recorded, &result->today->virus);
}

/* A verdict that is another than the recorded one: what was recorded, or NULL. */
static char *describe_difference(const PosternCapsule *capsule, const PosternVerdict *verdict)
{
    if (verdict->action == capsule->action && verdict->would == capsule->would &&
        g_strcmp0(verdict->reply, capsule->reply) == 0)
        return NULL;
    return g_strdup_printf("%s: the verdict is another than the one recorded, %s%s%s (by %s)", capsule->name,
                           postern_action_name(capsule->action), capsule->reply != NULL ? ": " : "",
                           capsule->reply != NULL ? capsule->reply : "", capsule->versions);
}

void postern_replay_conclude(PosternReplay *replay, PosternFindings *findings, const GError *error,
                             PosternScanResult *result)
{
    const PosternCapsule *capsule = replay->capsule;
    const char *problem = capsule->problem;
    if (replay->unknown != NULL)
        problem = replay->unknown;
    else if (error != NULL)
        problem = error->message;
    take_recorded(replay, findings, result);
    result->findings = findings;
    result->incomplete = replay->unknown != NULL || error != NULL;
    result->problem = g_strdup(problem);
    result->client = g_strdup(capsule->client);
    g_free(result->path);
    result->path = g_strdup(capsule->name);
    result->octets = postern_message_size(capsule->message);
    result->mail_case = decide(replay, findings, problem);
    result->verdict = result->mail_case->verdict;
    if (result->verdict == NULL) {
        result->error = g_strdup(result->mail_case->reply);
        return;
    }
    if (result->today != NULL)
        decide_today(replay, findings, result);
    if (replay->explain)
        result->explanation =
            postern_scan_explain(postern_inspection_answers(replay->inspection), findings, result->mail_case);
    if (!result->incomplete)
        result->note = describe_difference(capsule, result->verdict);
}

static gboolean write_all(int descriptor, const char *text, GError **error)
{
    gsize length = strlen(text);
    gboolean written = write(descriptor, text, length) == (ssize_t)length;
    if (!written)
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM,
                            "the inspector's configuration cannot be written");
    close(descriptor);
    return written;
}

static void leave_unsigned(PosternConfiguration *configuration)
{
    GHashTableIter iterator;
    gpointer policy;
    configuration->policy.sign = FALSE;
    g_hash_table_iter_init(&iterator, configuration->policies);
    while (g_hash_table_iter_next(&iterator, NULL, &policy))
        ((PosternPolicyOptions *)policy)->sign = FALSE;
}

char *postern_replay_configuration(const PosternReplay *replay, const PosternConfiguration *configuration,
                                   gboolean rescan, GError **error)
{
    g_autofree char *text = postern_configuration_dump(configuration);
    g_autoptr(PosternConfiguration) own =
        postern_configuration_parse(text, strlen(text), "the configuration", error);
    g_autofree char *name = NULL;
    if (own == NULL)
        return NULL;
    own->virus.scan = own->virus.scan && rescan;
    own->sign.table[0] = '\0';
    leave_unsigned(own);
    own->inspector.spf_engine = replay->configuration->inspector.spf_engine;
    own->inspector.dkim_partial_body = replay->configuration->inspector.dkim_partial_body;
    g_autofree char *dump = postern_configuration_dump(own);
    int descriptor = g_file_open_tmp("postern-scan-XXXXXX.conf", &name, error);
    if (descriptor < 0)
        return NULL;
    if (!write_all(descriptor, dump, error)) {
        (void)unlink(name);
        return NULL;
    }
    return g_steal_pointer(&name);
}
