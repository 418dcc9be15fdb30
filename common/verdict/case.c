#include "verdict/case.h"

#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "mail/received.h"
#include "verdict/check.h"
#include "verdict/refusal.h"
#include "wire/data.h"

#define NOT_READABLE "451 4.3.0 The message could not be kept in memory, try again later"

PosternCase *postern_case_new(const PosternCaseOptions *options, PosternEnvelope *envelope)
{
    PosternCase *mail_case = postern_new_zeroed(PosternCase);
    mail_case->policies = postern_policies_ref(options->policies);
    mail_case->envelope = envelope;
    mail_case->client_class = options->submission
                                  ? POSTERN_CLIENT_AUTHENTICATED
                                  : postern_policies_client_class(options->policies, envelope);
    if (options->local && mail_case->client_class == POSTERN_CLIENT_OTHER)
        mail_case->client_class = POSTERN_CLIENT_OWN_NETWORK;
    const PosternPolicy *policy = postern_case_policy_of(mail_case, NULL);
    mail_case->receiver = g_strdup(options->receiver != NULL ? options->receiver : policy->authserv_id);
    mail_case->observe = policy->observe;
    mail_case->seeks_origin =
        mail_case->client_class == POSTERN_CLIENT_TRUSTED_RELAY && !options->no_received;
    mail_case->refuse_at_mail = options->refuse_at_mail;
    mail_case->splits = !policy->observe && !options->takes_all;
    return mail_case;
}

PosternCase *postern_case_new_of_policy(const PosternPolicy *policy, PosternClientClass client_class,
                                        PosternEnvelope *envelope)
{
    PosternCase *mail_case = g_new0(PosternCase, 1);
    mail_case->envelope = envelope;
    mail_case->client_class = client_class;
    mail_case->policy = policy;
    mail_case->receiver = g_strdup(policy->authserv_id);
    mail_case->observe = policy->observe;
    return mail_case;
}

void postern_case_free(PosternCase *mail_case)
{
    if (mail_case == NULL)
        return;
    g_clear_pointer(&mail_case->policies, postern_policies_unref);
    postern_envelope_free(mail_case->origin);
    postern_verdict_free(mail_case->verdict);
    postern_edits_free(mail_case->edits);
    g_strfreev(mail_case->findings);
    g_free(mail_case->receiver);
    g_free(mail_case->message_id);
    g_free(mail_case->header_from);
    g_free(mail_case->subject);
    g_free(mail_case->problem);
    g_free(mail_case->not_scanned);
    g_free(mail_case->reply);
    g_free(mail_case->would_reply);
    g_free(mail_case);
}

/* A trusted relay's client is known once its header names one. */
static gboolean is_client_known(const PosternCase *mail_case)
{
    const PosternAddress *client = &mail_case->envelope->client;
    if (mail_case->seeks_origin)
        return !mail_case->header_seen || mail_case->origin != NULL;
    return mail_case->client_class != POSTERN_CLIENT_AUTHENTICATED && client->family != AF_UNSPEC &&
           !postern_address_is_loopback(client);
}

static PosternChecks possible(const PosternCase *mail_case, guint checks)
{
    if (!is_client_known(mail_case))
        checks &= ~(guint)POSTERN_CHECKS_CLIENT;
    if (mail_case->client_class == POSTERN_CLIENT_OWN_NETWORK)
        checks &= ~(guint)(POSTERN_CHECK_CLIENT | POSTERN_CHECK_GREYLIST);
    return (PosternChecks)checks;
}

PosternChecks postern_case_checks_begun(const PosternCase *mail_case)
{
    return possible(mail_case, postern_policies_checks(mail_case->policies, mail_case->client_class));
}

PosternChecks postern_case_checks(const PosternCase *mail_case)
{
    return possible(mail_case, postern_case_policy(mail_case).checks);
}

/* The reply, or NULL. Never with observe: what is found is told at the end of the message. */
static char *refusal_at_mail(const PosternCase *mail_case, const PosternFindings *findings,
                             const PosternEnvelope *envelope, const char **ret_check)
{
    const PosternRefusalQuestion question = {
        .policies = mail_case->policies,
        .client_class = mail_case->client_class,
        .envelope = envelope,
        .findings = findings,
        .checks = POSTERN_CHECKS_SPF,
    };
    return mail_case->observe ? NULL : postern_refusal_find(&question, ret_check);
}

/* Tries what SPF could say, of an envelope that no policy allows. */
gboolean postern_case_may_refuse_at_mail(const PosternCase *mail_case)
{
    static const PosternSpfResult results[] = {POSTERN_SPF_FAIL, POSTERN_SPF_SOFTFAIL, POSTERN_SPF_TEMPERROR};
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternEnvelope) anybody = postern_envelope_new();
    gboolean may = FALSE;
    findings->spf_helo.result = POSTERN_SPF_FAIL;
    for (gsize i = 0; i < G_N_ELEMENTS(results) && !may; i++) {
        const char *check = NULL;
        findings->spf.result = results[i];
        g_autofree char *reply = refusal_at_mail(mail_case, findings, anybody, &check);
        may = reply != NULL;
    }
    return may && mail_case->refuse_at_mail && is_client_known(mail_case);
}

gboolean postern_case_refuses_at_mail(PosternCase *mail_case, const PosternFindings *findings)
{
    char *reply = refusal_at_mail(mail_case, findings, mail_case->envelope, &mail_case->check);
    if (reply == NULL)
        return FALSE;
    mail_case->findings = postern_findings_words(findings);
    mail_case->reply = reply;
    return TRUE;
}

const PosternPolicy *postern_case_policy_of(const PosternCase *mail_case, const char *recipient)
{
    return postern_policies_of(mail_case->policies, mail_case->client_class, recipient);
}

gboolean postern_case_takes(const PosternCase *mail_case, const PosternPolicy *policy)
{
    return mail_case->policy == NULL || mail_case->policy == policy || !mail_case->splits;
}

gboolean postern_case_add_recipient(PosternCase *mail_case, char *recipient)
{
    g_autofree char *taken = recipient;
    GPtrArray *recipients = mail_case->envelope->recipients;
    const PosternPolicy *policy = postern_case_policy_of(mail_case, recipient);
    if (!postern_case_takes(mail_case, policy) && !mail_case->differs)
        return FALSE;
    if (mail_case->policy == NULL)
        mail_case->policy = policy;
    if (recipients->len < POSTERN_RECIPIENTS_MAX) {
        g_ptr_array_add(recipients, g_steal_pointer(&taken));
        return TRUE;
    }
    g_free(recipients->pdata[POSTERN_RECIPIENTS_MAX - 1]);
    recipients->pdata[POSTERN_RECIPIENTS_MAX - 1] = g_strdup("");
    return TRUE;
}

gboolean postern_case_header(PosternCase *mail_case, const char *octets, gsize length)
{
    if (mail_case->header_seen)
        return FALSE;
    mail_case->header_seen = TRUE;
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    mail_case->message_id = postern_header_text(header, "Message-ID");
    mail_case->header_from = postern_header_text(header, "From");
    mail_case->subject = postern_header_text(header, "Subject");
    if (!mail_case->seeks_origin)
        return FALSE;
    g_autoptr(PosternEnvelope) origin = postern_envelope_copy(mail_case->envelope);
    if (!postern_received_find_client(header, postern_policies_trust, mail_case->policies, origin))
        return FALSE;
    mail_case->origin = g_steal_pointer(&origin);
    return TRUE;
}

void postern_case_measure(PosternCase *mail_case, PosternMessage *message)
{
    gsize length = 0;
    const char *octets = postern_message_octets(message, &length, NULL);
    if (octets != NULL)
        postern_data_measure(octets, length, &mail_case->nul, &mail_case->long_lines);
}

PosternPolicy postern_case_policy(const PosternCase *mail_case)
{
    PosternPolicy policy =
        mail_case->policy != NULL ? *mail_case->policy : *postern_case_policy_of(mail_case, NULL);
    policy.authserv_id = mail_case->receiver;
    return policy;
}

const PosternEnvelope *postern_case_envelope(const PosternCase *mail_case)
{
    if (mail_case->origin == NULL)
        return mail_case->envelope;
    g_ptr_array_unref(mail_case->origin->recipients);
    mail_case->origin->recipients = g_ptr_array_ref(mail_case->envelope->recipients);
    return mail_case->origin;
}

static void call_unscannable(PosternFindings *findings, PosternVirusKind kind, const char *reason)
{
    g_ptr_array_set_size(findings->sign.fields, 0);
    g_free(findings->sign.problem);
    findings->sign.problem = g_strdup(reason);
    postern_virus_finding_note(&findings->virus, kind, reason);
}

/*
 * A signature over a body that is not all here would be called broken, and so what rests on one; a signature
 * of ours would be broken; and what is clean may not stay so.
 */
static void reduce_to_beginning(PosternFindings *findings)
{
    g_autoptr(PosternFindings) nothing = postern_findings_new();
    postern_findings_take(findings, nothing, POSTERN_CHECK_DKIM | POSTERN_CHECK_ARC);
    postern_findings_conclude(findings);
    if (findings->dmarc.result != POSTERN_DMARC_PASS)
        postern_findings_take(findings, nothing, POSTERN_CHECK_DMARC);
    call_unscannable(findings, POSTERN_VIRUS_TOO_LARGE, "the message is larger than [milter] message_size");
}

void postern_case_reduce(PosternCase *mail_case, PosternFindings *findings, PosternCaseExtent extent)
{
    mail_case->extent = extent;
    if (extent == POSTERN_CASE_NOT_IN_TIME)
        call_unscannable(findings, POSTERN_VIRUS_SCAN_ERROR, "the inspection did not end in time");
    else if (extent == POSTERN_CASE_BEGINNING)
        reduce_to_beginning(findings);
}

gboolean postern_case_decide(PosternCase *mail_case, PosternMessage *message, const PosternFindings *findings,
                             const char *problem)
{
    gsize length = 0;
    const char *octets = postern_message_octets(message, &length, NULL);
    if (octets == NULL) {
        postern_case_fail(mail_case, NOT_READABLE);
        return FALSE;
    }
    const PosternPolicy policy = postern_case_policy(mail_case);
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    mail_case->findings = postern_findings_words(findings);
    mail_case->problem = g_strdup(problem);
    mail_case->not_scanned = g_strdup(findings->virus.reason);
    mail_case->verdict = postern_verdict_decide(&policy, findings, postern_case_envelope(mail_case), header);
    mail_case->reply = g_strdup(mail_case->verdict->reply);
    return TRUE;
}

gboolean postern_case_refuse(PosternCase *mail_case, const char *reply)
{
    char **place = mail_case->observe ? &mail_case->would_reply : &mail_case->reply;
    if (*place == NULL)
        *place = g_strdup(reply);
    return !mail_case->observe;
}

gboolean postern_case_defer(PosternCase *mail_case, const char *reply)
{
    if (mail_case->problem == NULL)
        mail_case->problem = g_strdup(reply);
    return postern_case_refuse(mail_case, reply);
}

void postern_case_fail(PosternCase *mail_case, const char *reply)
{
    g_free(mail_case->reply);
    mail_case->reply = g_strdup(reply);
}

PosternEdits *postern_case_take_edits(PosternCase *mail_case)
{
    const PosternEdits *edits = postern_case_edits(mail_case);
    if (edits == NULL || edits == mail_case->edits)
        return g_steal_pointer(&mail_case->edits);
    return postern_edits_copy(edits);
}

const PosternEdits *postern_case_edits(const PosternCase *mail_case)
{
    if (mail_case->edits != NULL)
        return mail_case->edits;
    return mail_case->verdict != NULL ? mail_case->verdict->edits : NULL;
}

void postern_case_record(const PosternCase *mail_case, PosternRecord *record)
{
    const PosternVerdict *verdict = mail_case->verdict;
    record->who.envelope = postern_case_envelope(mail_case);
    record->who.relay = mail_case->origin != NULL ? mail_case->envelope : NULL;
    record->judged = mail_case->client_class != POSTERN_CLIENT_UNKNOWN;
    record->client_class = mail_case->client_class;
    record->policy = mail_case->policy != NULL ? mail_case->policy->name : NULL;
    record->sender = mail_case->envelope->sender;
    record->message_id = mail_case->message_id;
    record->header_from = mail_case->header_from;
    record->subject = mail_case->subject;
    record->long_lines = mail_case->long_lines;
    record->nul = mail_case->nul;
    record->findings = mail_case->findings;
    record->problem = mail_case->problem != NULL ? mail_case->problem : mail_case->not_scanned;
    record->reply = mail_case->reply;
    record->decided = verdict != NULL || mail_case->reply != NULL || mail_case->would_reply != NULL;
    record->action = record->would = POSTERN_ACTION_ACCEPT;
    record->check = mail_case->check;
    if (mail_case->would_reply != NULL) {
        record->would = postern_action_of_reply(mail_case->would_reply);
        record->would_reply = mail_case->would_reply;
    }
    if (verdict != NULL) {
        record->action = verdict->action;
        record->check = verdict->check;
    } else if (mail_case->reply != NULL) {
        record->action = record->would = postern_action_of_reply(mail_case->reply);
    }
    if (verdict != NULL && (verdict->would != verdict->action || mail_case->would_reply == NULL)) {
        record->would = verdict->would;
        record->would_reply = verdict->would_reply;
    }
}
