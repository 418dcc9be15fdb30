/*
 * Policies, findings and envelopes for the tests of verdicts: a client at 192.0.2.1 that sends for
 * example.com.
 */
#pragma once

#include <string.h>

#include "judge/verdict.h"

#define OURS "mx.example.org"

/* A policy with the same action in every row. */
static inline PosternPolicy *new_policy(PosternAction action)
{
    PosternPolicy *policy = postern_policy_new();

    policy->virus = policy->unscannable = action;
    policy->spf_fail = policy->spf_softfail = policy->spf_error = action;
    policy->dkim_fail = policy->dkim_error = action;
    g_free(policy->authserv_id);
    policy->authserv_id = g_strdup(OURS);
    return policy;
}

static inline PosternEnvelope *new_envelope(void)
{
    PosternEnvelope *envelope = postern_envelope_new();

    g_assert_true(postern_address_parse(&envelope->client, "192.0.2.1"));
    envelope->helo = g_strdup("mail.example.com");
    envelope->sender = g_strdup("a@example.com");
    g_ptr_array_add(envelope->recipients, g_strdup("b@example.org"));
    return envelope;
}

static inline void add_signature(PosternFindings *findings, PosternDkimResult result, const char *reason)
{
    PosternDkimFinding *finding = postern_dkim_finding_new();

    finding->result = result;
    finding->domain = g_strdup("example.com");
    finding->selector = g_strdup("s1");
    finding->algorithm = g_strdup("rsa-sha256");
    finding->signature_start = g_strdup("AbCdEf01");
    finding->reason = g_strdup(reason);
    findings->dkim_checked = TRUE;
    g_ptr_array_add(findings->dkim, finding);
}

/* Findings from words: "virus", "spf=fail", "dkim=pass" … */
static inline PosternFindings *new_findings(const char *words)
{
    PosternFindings *findings = postern_findings_new();
    g_auto(GStrv) list = g_strsplit(words, " ", -1);

    findings->spf.domain = g_strdup("example.com");
    for (char **word = list; *word; word++) {
        const char *value = strchr(*word, '=');

        for (int r = 0; g_str_has_prefix(*word, "spf=") && r <= POSTERN_SPF_PERMERROR; r++)
            if (strcmp(value + 1, postern_spf_result_name((PosternSpfResult)r)) == 0)
                findings->spf.result = (PosternSpfResult)r;
        for (int r = 0; g_str_has_prefix(*word, "dkim=") && r <= POSTERN_DKIM_SKIPPED; r++)
            if (strcmp(value + 1, postern_dkim_result_name((PosternDkimResult)r)) == 0)
                add_signature(findings, (PosternDkimResult)r, r == POSTERN_DKIM_PASS ? NULL : "the reason");
        for (int r = 0; g_str_has_prefix(*word, "virus=") && r <= POSTERN_VIRUS_ERROR; r++)
            if (strcmp(value + 1, postern_virus_result_name((PosternVirusResult)r)) == 0)
                findings->virus.result = (PosternVirusResult)r;
    }
    if (findings->virus.result == POSTERN_VIRUS_INFECTED)
        findings->virus.name = g_strdup("Eicar-Test-Signature");
    return findings;
}

static inline PosternVerdict *decide(const PosternPolicy *policy, const char *words)
{
    g_autoptr(PosternFindings) findings = new_findings(words);
    g_autoptr(PosternEnvelope) envelope = new_envelope();

    return postern_verdict_decide(policy, findings, envelope, NULL, FALSE);
}
