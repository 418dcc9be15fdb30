/*
 * Policies, findings and envelopes for the tests of verdicts: a client at 192.0.2.1 that sends for
 * example.com.
 */
#pragma once

#include <string.h>

#include "verdict/verdict.h"

#define OURS "mx.example.org"

/* A policy with the same action in every row, that goes by all that is found. */
static inline PosternPolicy *new_policy(PosternAction action)
{
    PosternPolicy *policy = postern_policy_new();

    policy->checks = POSTERN_CHECKS_ALL;
    policy->virus = policy->scan_error = policy->ambiguous = policy->encrypted = action;
    policy->too_large = policy->unknown_container = policy->heuristic = policy->no_signatures = action;
    policy->spf_fail = policy->spf_softfail = policy->spf_error = policy->spf_helo = action;
    policy->dkim_fail = policy->dkim_error = policy->sign_error = action;
    policy->dmarc_reject = policy->dmarc_quarantine = policy->dmarc_error = policy->from_invalid = action;
    policy->header_ambiguous = action;
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
    findings->dkim.checked = TRUE;
    g_ptr_array_add(findings->dkim.signatures, finding);
}

/* The author's domain, example.com, asks for policy; the result is not made of it here. */
static inline void set_dmarc(PosternFindings *findings, PosternDmarcResult result, PosternDmarcPolicy policy)
{
    PosternDmarcAuthor *author = g_new0(PosternDmarcAuthor, 1);

    author->domain = g_strdup("example.com");
    author->policy = policy;
    author->record_domain = g_strdup(result == POSTERN_DMARC_NONE ? NULL : "example.com");
    g_ptr_array_add(findings->dmarc.authors, author);
    findings->dmarc.result = result;
    findings->dmarc.decisive = author;
}

/* An ARC Set of sealer that says dmarc of domain; the newest comes last. */
static inline void add_set(PosternFindings *findings, const char *sealer, const char *dmarc,
                           const char *domain)
{
    PosternArcSet *set = g_new0(PosternArcSet, 1);

    set->instance = findings->arc.sets->len + 1;
    set->sealer = g_strdup(sealer);
    set->dmarc = g_strdup(dmarc);
    set->dmarc_domain = g_strdup(domain);
    findings->arc.result = POSTERN_ARC_PASS;
    g_ptr_array_add(findings->arc.sets, set);
}

static inline void add_dmarc_word(PosternFindings *findings, const char *word)
{
    static const struct {
        const char *word;
        PosternDmarcResult result;
        PosternDmarcPolicy policy;
    } words[] = {
        {"dmarc=pass", POSTERN_DMARC_PASS, POSTERN_DMARC_POLICY_REJECT},
        {"dmarc=none", POSTERN_DMARC_NONE, POSTERN_DMARC_POLICY_NONE},
        {"dmarc=temperror", POSTERN_DMARC_TEMPERROR, POSTERN_DMARC_POLICY_REJECT},
        {"p=none", POSTERN_DMARC_FAIL, POSTERN_DMARC_POLICY_NONE},
        {"p=quarantine", POSTERN_DMARC_FAIL, POSTERN_DMARC_POLICY_QUARANTINE},
        {"p=reject", POSTERN_DMARC_FAIL, POSTERN_DMARC_POLICY_REJECT},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (strcmp(words[i].word, word) == 0)
            set_dmarc(findings, words[i].result, words[i].policy);
    if (strcmp(word, "from=invalid") == 0) {
        findings->dmarc.result = POSTERN_DMARC_PERMERROR;
        findings->dmarc.from_invalid = TRUE;
        findings->dmarc.problem = g_strdup("two From fields");
    } else if (strcmp(word, "sign=error") == 0) {
        findings->sign.problem = g_strdup("no key");
    } else if (strcmp(word, "arc=temperror") == 0) {
        findings->arc.result = POSTERN_ARC_TEMPERROR;
    } else if (strcmp(word, "helo=fail") == 0) {
        findings->spf_helo.result = POSTERN_SPF_FAIL;
        findings->spf_helo.helo = TRUE;
        findings->spf_helo.domain = g_strdup("mail.example.com");
    }
}

/* Findings from words: "spf=fail", "dkim=pass", "p=reject" for a failure of DMARC, "virus=infected",
 * "virus=encrypted" …; clean where nothing is said of a virus. "spf=not_run", "dkim=not_run" …: no inspector
 * ran that check. */
static inline PosternFindings *new_findings(const char *words)
{
    PosternFindings *findings = postern_findings_new();
    g_auto(GStrv) list = g_strsplit(words, " ", -1);

    findings->spf.domain = g_strdup("example.com");
    for (char **word = list; *word; word++) {
        const char *value = strchr(*word, '=');

        add_dmarc_word(findings, *word);
        for (int r = 0; g_str_has_prefix(*word, "spf=") && r <= POSTERN_SPF_PERMERROR; r++)
            if (strcmp(value + 1, postern_spf_result_name((PosternSpfResult)r)) == 0)
                findings->spf.result = (PosternSpfResult)r;
        for (int r = 0; g_str_has_prefix(*word, "dkim=") && r <= POSTERN_DKIM_SKIPPED; r++)
            if (strcmp(value + 1, postern_dkim_result_name((PosternDkimResult)r)) == 0)
                add_signature(findings, (PosternDkimResult)r, r == POSTERN_DKIM_PASS ? NULL : "the reason");
        for (int k = 0; g_str_has_prefix(*word, "virus=") && k < POSTERN_VIRUS_KINDS; k++)
            if (strcmp(value + 1, postern_virus_kind_name((PosternVirusKind)k)) == 0)
                postern_virus_finding_note(&findings->virus, (PosternVirusKind)k, "what it was");
        if (strcmp(*word, "virus=infected") == 0)
            postern_virus_finding_infected(&findings->virus, "Eicar-Test-Signature");
    }
    for (guint i = 0; i < 32; i++) {
        g_autofree char *not_run =
            g_strdup_printf("%s=not_run", postern_check_name((PosternChecks)(1U << i)));

        if (g_strv_contains((const char *const *)list, not_run))
            findings->not_run |= 1U << i;
    }
    postern_virus_finding_clean(&findings->virus);
    return findings;
}

static inline PosternVerdict *decide(const PosternPolicy *policy, const char *words)
{
    g_autoptr(PosternFindings) findings = new_findings(words);
    g_autoptr(PosternEnvelope) envelope = new_envelope();

    return postern_verdict_decide(policy, findings, envelope, NULL);
}
