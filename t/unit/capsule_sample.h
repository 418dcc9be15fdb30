/* A capsule with something in each member, for tests. */
#pragma once

#include "capsule/capsule.h"

static inline PosternMessage *capsule_sample_message(const char *octets, gsize length)
{
    PosternMessage *message = postern_message_new(MAX(length, 1), NULL, NULL);
    if (length > 0)
        g_assert_true(postern_message_append(message, octets, length, NULL));
    g_assert_true(postern_message_seal(message, NULL));
    return message;
}

static inline void capsule_sample_answer(PosternAnswers *answers, const char *name, const char *text)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
    if (text != NULL)
        postern_answer_add(answer, text, strlen(text));
    postern_answers_add(answers, question, answer);
}

static inline PosternFindings *capsule_sample_findings(void)
{
    PosternFindings *findings = postern_findings_new();
    findings->explain = TRUE;
    findings->spf.result = POSTERN_SPF_FAIL;
    findings->spf.domain = g_strdup("example.com");
    postern_virus_finding_note(&findings->virus, POSTERN_VIRUS_ENCRYPTED, "a zip");
    findings->dkim.checked = TRUE;
    postern_findings_step(findings, POSTERN_CHECK_SPF, "a step");
    return findings;
}

static inline PosternCapsule *capsule_sample_of(const char *octets, gsize length)
{
    PosternCapsule *capsule = postern_capsule_new();
    g_autoptr(PosternPolicy) policy = postern_policy_new();
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
    g_autoptr(PosternFindings) findings = capsule_sample_findings();
    g_autofree char *dump = postern_configuration_dump(configuration);
    g_autoptr(PosternMessage) message = capsule_sample_message(octets, length);
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    policy->observe = TRUE;
    g_free(policy->name);
    policy->name = g_strdup("submission");
    capsule->name = g_strdup("folder/message.eml");
    envelope->sender = g_strdup("a\xff@example.com");
    g_ptr_array_add(envelope->recipients, g_strdup("b@example.org"));
    postern_address_parse(&envelope->client, "2001:db8::7");
    capsule->answers = postern_answers_new();
    capsule_sample_answer(capsule->answers, "example.com", "v=spf1 -all");
    capsule_sample_answer(capsule->answers, "none.example", NULL);
    capsule->now = -5;
    capsule->receiver = g_strdup("mx.example.org");
    capsule->scan_octets = 12345;
    capsule->checks = POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS;
    capsule->failed = POSTERN_CHECK_DKIM;
    capsule->versions = postern_capsule_versions("/nonexistent");
    g_autoptr(PosternCase) mail_case =
        postern_case_new_of_policy(policy, POSTERN_CLIENT_TRUSTED_RELAY, envelope);
    mail_case->problem = g_strdup("the inspector is gone");
    mail_case->verdict = g_new0(PosternVerdict, 1);
    mail_case->verdict->would = POSTERN_ACTION_REJECT;
    mail_case->verdict->check = "spf_fail";
    mail_case->verdict->would_reply = g_strdup("550 5.7.23 no");
    postern_capsule_set_case(capsule, mail_case, message, findings, dump);
    return capsule;
}

static inline GBytes *capsule_sample_octets(const PosternCapsule *capsule)
{
    g_autoptr(GBytes) head = NULL;
    g_autoptr(GBytes) tail = NULL;
    gsize length = 0;
    GByteArray *all = g_byte_array_new();
    const char *octets = postern_message_octets(capsule->message, &length, NULL);
    postern_capsule_serialise(capsule, &head, &tail);
    g_byte_array_append(all, g_bytes_get_data(head, NULL), (guint)g_bytes_get_size(head));
    g_byte_array_append(all, (const guint8 *)octets, (guint)length);
    g_byte_array_append(all, g_bytes_get_data(tail, NULL), (guint)g_bytes_get_size(tail));
    return g_byte_array_free_to_bytes(all);
}
