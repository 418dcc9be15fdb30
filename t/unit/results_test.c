#include "verdict/check.h"

#include <string.h>

#include "base/limits.h"

#include "unit/verdict_sample.h"

static char *results_of(const PosternPolicy *policy, const PosternFindings *findings,
                        const PosternEnvelope *envelope)
{
    PosternFacts facts = {policy, findings, envelope, FALSE};
    g_autoptr(PosternAuthenticationResults) results = postern_checks_results(&facts);

    return postern_authentication_results_format(results, FALSE);
}

static void test_words(void)
{
    static const struct {
        const char *findings;
        const char *value;
    } cases[] = {
        {"", "; none"},
        {"spf=pass", "; spf=pass smtp.mailfrom=a@example.com"},
        {"spf=none", "; spf=none smtp.mailfrom=a@example.com"},
        {"spf=permerror", "; spf=permerror smtp.mailfrom=a@example.com"},
        {"dmarc=pass", "; dmarc=pass header.from=example.com policy.dmarc=reject"},
        {"dmarc=none", "; dmarc=none header.from=example.com"},
        {"p=none", "; dmarc=fail header.from=example.com policy.dmarc=none"},
        {"p=quarantine", "; dmarc=fail header.from=example.com policy.dmarc=quarantine"},
        {"p=reject", "; dmarc=fail header.from=example.com policy.dmarc=reject"},
        {"dmarc=temperror", "; dmarc=temperror header.from=example.com policy.dmarc=reject"},
        {"from=invalid", "; dmarc=permerror reason=\"two From fields\""},
        {"arc=temperror",
         "; arc=fail reason=\"temporary error: the DNS did not answer\" smtp.remote-ip=192.0.2.1"},
        {"dkim=skipped spf=fail p=reject",
         "; spf=fail smtp.mailfrom=a@example.com; dkim=policy reason=\"the reason\" header.d=example.com "
         "header.s=s1 header.a=rsa-sha256 header.b=AbCdEf01; dmarc=fail header.from=example.com "
         "policy.dmarc=reject"},
        {"virus=infected sign=error", "; none"},
    };
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_ACCEPT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternFindings) findings = new_findings(cases[i].findings);
        g_autofree char *value = results_of(policy, findings, envelope);

        g_assert_true(g_str_has_prefix(value, OURS));
        g_assert_cmpstr(value + strlen(OURS), ==, cases[i].value);
    }
}

static void test_arc(void)
{
    static const struct {
        PosternArcResult result;
        const char *value;
    } cases[] = {
        {POSTERN_ARC_NOT_CHECKED, OURS "; none"},
        {POSTERN_ARC_NONE, OURS "; arc=none smtp.remote-ip=\"2001:db8::1\""},
        {POSTERN_ARC_PASS, OURS "; arc=pass smtp.remote-ip=\"2001:db8::1\""},
        {POSTERN_ARC_FAIL, OURS "; arc=fail reason=\"i=2 is wrong\" smtp.remote-ip=\"2001:db8::1\""},
        {POSTERN_ARC_TEMPERROR,
         OURS "; arc=fail reason=\"temporary error: i=2 is wrong\" smtp.remote-ip=\"2001:db8::1\""},
    };
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_ACCEPT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("");

    g_assert_true(postern_address_parse(&envelope->client, "2001:db8::1"));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        findings->arc.result = cases[i].result;
        g_clear_pointer(&findings->arc.reason, g_free);
        if (cases[i].result >= POSTERN_ARC_FAIL)
            findings->arc.reason = g_strdup("i=2 is wrong");

        g_autofree char *value = results_of(policy, findings, envelope);

        g_assert_cmpstr(value, ==, cases[i].value);
    }
}

/* What ASCII cannot write has A-labels, and no local part rather than one of question marks. */
static void test_international(void)
{
    static const struct {
        const char *sender, *identity, *value;
    } cases[] = {
        {"a@b\xc3\xbc"
         "cher.example",
         "@xn--bcher-kva.example",
         "; spf=pass smtp.mailfrom=a@xn--bcher-kva.example; dkim=pass header.i=@xn--bcher-kva.example"},
        {"j\xc3\xb6rg@b\xc3\xbc"
         "cher.example",
         "j\xc3\xb6rg@xn--bcher-kva.example",
         "; spf=pass smtp.mailfrom=xn--bcher-kva.example; dkim=pass header.i=@xn--bcher-kva.example"},
        {"a@example.com", "j\xc3\xb6rg",
         "; spf=pass smtp.mailfrom=a@example.com; dkim=pass header.i=\"j??rg\""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_ACCEPT);
        g_autoptr(PosternEnvelope) envelope = new_envelope();
        g_autoptr(PosternFindings) findings = postern_findings_new();
        PosternDkimFinding *signature = postern_dkim_finding_new();

        findings->spf.result = POSTERN_SPF_PASS;
        findings->spf.domain = g_strdup("xn--bcher-kva.example");
        signature->result = POSTERN_DKIM_PASS;
        signature->identity = g_strdup(cases[i].identity);
        g_ptr_array_add(findings->dkim.signatures, signature);
        g_free(envelope->sender);
        envelope->sender = g_strdup(cases[i].sender);
        g_autofree char *value = results_of(policy, findings, envelope);

        g_assert_cmpstr(value + strlen(OURS), ==, cases[i].value);
    }
}

/* Of more signatures than are listed, the one that passes is. */
static void test_many_signatures(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_ACCEPT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = postern_findings_new();

    for (guint i = 0; i < 100; i++) {
        PosternDkimFinding *signature = postern_dkim_finding_new();

        signature->result = i == 60 ? POSTERN_DKIM_PASS : i == 70 ? POSTERN_DKIM_FAIL : POSTERN_DKIM_SKIPPED;
        g_ptr_array_add(findings->dkim.signatures, signature);
    }
    g_autofree char *value = results_of(policy, findings, envelope);

    g_assert_true(g_str_has_prefix(value, OURS "; dkim=pass; dkim=fail; dkim=policy reason="));
    g_auto(GStrv) methods = g_strsplit(value, ";", -1);

    g_assert_cmpuint(g_strv_length(methods), ==, 1 + POSTERN_DKIM_SIGNATURES_LISTED_MAX);
}

static void test_override(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("p=reject");

    g_ptr_array_add(policy->trusted_sealers, g_strdup("lists.example.net"));
    add_set(findings, "lists.example.net", "pass", "example.com");

    g_autofree char *value = results_of(policy, findings, envelope);

    g_assert_cmpstr(value, ==,
                    OURS "; dmarc=fail reason=\"overridden: ARC of the trusted sealer lists.example.net says "
                         "pass\" header.from=example.com policy.dmarc=reject; arc=pass "
                         "smtp.remote-ip=192.0.2.1");
}

static void test_checks(void)
{
    static const struct {
        guint checks;
        const char *value;
    } cases[] = {
        {0, OURS "; none"},
        {POSTERN_CHECK_VIRUS, OURS "; none"},
        {POSTERN_CHECK_SPF, OURS "; spf=pass smtp.mailfrom=a@example.com"},
        {POSTERN_CHECK_DMARC, OURS "; dmarc=fail header.from=example.com policy.dmarc=reject"},
        {POSTERN_CHECK_ARC, OURS "; arc=fail reason=\"temporary error: the DNS did not answer\" "
                                 "smtp.remote-ip=192.0.2.1"},
        {POSTERN_CHECK_DKIM,
         OURS "; dkim=pass header.d=example.com header.s=s1 header.a=rsa-sha256 header.b=AbCdEf01"},
    };
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("spf=pass dkim=pass p=reject arc=temperror");

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        policy->checks = (PosternChecks)cases[i].checks;

        g_autofree char *value = results_of(policy, findings, envelope);

        g_assert_cmpstr(value, ==, cases[i].value);
    }
}

/* Nothing that a sender says ends its place: all of it stays within quotes, on one line. */
static void test_hostile(void)
{
    static const char hostile[] = "x\" ; dkim=pass header.d=good.example (\\\r\nSubject: y\x1b\xff";
    static const char cleaned[] = "\"x\\\" ; dkim=pass header.d=good.example (\\\\??Subject: y??\"";
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("spf=fail dkim=fail p=reject");
    PosternDkimFinding *dkim = g_ptr_array_index(findings->dkim.signatures, 0);
    char **const places[] = {&envelope->sender,
                             &findings->spf.problem,
                             &dkim->domain,
                             &dkim->selector,
                             &dkim->identity,
                             &dkim->algorithm,
                             &dkim->signature_start,
                             &dkim->reason,
                             &((PosternDmarcAuthor *)findings->dmarc.authors->pdata[0])->domain,
                             &findings->dmarc.problem,
                             &findings->arc.reason};

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_free(*places[i]);
        *places[i] = g_strdup(hostile);
    }
    findings->arc.result = POSTERN_ARC_FAIL;

    g_autofree char *value = results_of(policy, findings, envelope);
    g_autofree char *expected = g_strdup_printf(
        OURS "; spf=fail reason=%s smtp.mailfrom=%s; dkim=fail reason=%s header.d=%s header.s=%s header.a=%s "
             "header.b=%s header.i=%s; dmarc=fail reason=%s header.from=%s policy.dmarc=reject; "
             "arc=fail reason=%s smtp.remote-ip=192.0.2.1",
        cleaned, cleaned, cleaned, cleaned, cleaned, cleaned, cleaned, cleaned, cleaned, cleaned, cleaned);

    g_assert_cmpstr(value, ==, expected);
}

/* The identity of a signature stands beside its domain. */
static void test_identity(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("dkim=pass");

    ((PosternDkimFinding *)findings->dkim.signatures->pdata[0])->identity = g_strdup("@sub.example.com");

    g_autofree char *value = results_of(policy, findings, envelope);

    g_assert_nonnull(strstr(value, " header.b=AbCdEf01 header.i=@sub.example.com"));
}

static void test_bounds(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("spf=fail p=reject arc=temperror");

    g_free(policy->authserv_id);
    policy->authserv_id = g_strnfill(1000, '"');
    findings->spf.problem = g_strnfill(1000, '"');
    findings->dmarc.problem = g_strnfill(1000, '"');
    findings->arc.reason = g_strnfill(1000, '"');
    for (guint i = 0; i < POSTERN_DKIM_SIGNATURES_REPORTED_MAX; i++) {
        add_signature(findings, POSTERN_DKIM_PERMERROR, NULL);

        PosternDkimFinding *dkim = g_ptr_array_index(findings->dkim.signatures, i);
        char **const places[] = {&dkim->domain,    &dkim->selector,        &dkim->identity,
                                 &dkim->algorithm, &dkim->signature_start, &dkim->reason};

        for (gsize j = 0; j < G_N_ELEMENTS(places); j++) {
            g_free(*places[j]);
            *places[j] = g_strnfill(1000, '\\');
        }
    }

    g_autofree char *value = results_of(policy, findings, envelope);

    g_assert_cmpuint(strlen(value), <=, POSTERN_HEADER_EDIT_MAX_OCTETS);
    g_assert_nonnull(strstr(value, "; spf=fail "));
    g_assert_nonnull(strstr(value, "; dmarc=fail "));
    g_assert_nonnull(strstr(value, "; arc=fail "));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/results/words", test_words);
    g_test_add_func("/results/arc", test_arc);
    g_test_add_func("/results/override", test_override);
    g_test_add_func("/results/international", test_international);
    g_test_add_func("/results/many-signatures", test_many_signatures);
    g_test_add_func("/results/checks", test_checks);
    g_test_add_func("/results/hostile", test_hostile);
    g_test_add_func("/results/identity", test_identity);
    g_test_add_func("/results/bounds", test_bounds);
    return g_test_run();
}
