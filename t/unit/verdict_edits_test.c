#include "judge/verdict.h"

#include <string.h>

#include "base/limits.h"

#include "unit/verdict_sample.h"

static void test_authentication_results(void)
{
    static const struct {
        const char *findings;
        const char *value;
    } cases[] = {
        {"", OURS "; none"},
        {"spf=pass", OURS "; spf=pass smtp.mailfrom=a@example.com"},
        {"dkim=pass",
         OURS "; dkim=pass header.d=example.com header.s=s1 header.a=rsa-sha256 header.b=AbCdEf01"},
        {"spf=none dkim=skipped virus=infected", OURS
         "; spf=none smtp.mailfrom=a@example.com; dkim=policy reason=\"the reason\" header.d=example.com "
         "header.s=s1 header.a=rsa-sha256 header.b=AbCdEf01"},
    };
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternVerdict) verdict = decide(policy, cases[i].findings);
        const PosternEdit *edit = g_ptr_array_index(verdict->edits->list, 0);
        g_autoptr(GString) unfolded = g_string_new(edit->value);

        g_string_replace(unfolded, "\r\n\t", " ", 0);
        g_assert_cmpstr(verdict->authentication_results, ==, cases[i].value);
        g_assert_cmpuint(verdict->edits->list->len, ==, 1);
        g_assert_cmpstr(edit->name, ==, "Authentication-Results");
        g_assert_cmpstr(unfolded->str, ==, cases[i].value);
    }
}

static void test_authentication_results_identities(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);
    g_autoptr(PosternFindings) findings = new_findings("spf=pass");
    g_autoptr(PosternEnvelope) envelope = new_envelope();

    findings->dkim_checked = TRUE;
    g_free(envelope->sender);
    envelope->sender = g_strdup("");

    g_autoptr(PosternVerdict) by_domain = postern_verdict_decide(policy, findings, envelope, NULL, FALSE);

    findings->spf.helo = TRUE;

    g_autoptr(PosternVerdict) by_helo = postern_verdict_decide(policy, findings, envelope, NULL, FALSE);

    g_assert_cmpstr(by_domain->authentication_results, ==,
                    OURS "; spf=pass smtp.mailfrom=example.com; dkim=none");
    g_assert_cmpstr(by_helo->authentication_results, ==,
                    OURS "; spf=pass smtp.helo=mail.example.com; dkim=none");
}

/* The edited header of text, under a policy that marks. */
static char *edited(const char *text, PosternAction action, gboolean results, const char **ret_check)
{
    g_autoptr(PosternPolicy) policy = new_policy(action);
    g_autoptr(PosternFindings) findings = new_findings("spf=fail");
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
    g_autoptr(PosternMessage) message = postern_message_new(POSTERN_MESSAGE_MAX_OCTETS, NULL, NULL);
    GString *octets = g_string_new(NULL);
    const char *piece;
    gsize length;

    policy->authentication_results = results;

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header, FALSE);

    *ret_check = verdict->check;
    g_assert_true(postern_message_append(message, text, strlen(text), NULL));
    g_assert_true(postern_message_seal(message, NULL));

    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(message, verdict->edits, NULL);

    while (postern_message_reader_next(reader, 4096, &piece, &length))
        g_string_append_len(octets, piece, (gssize)length);
    return g_string_free(octets, FALSE);
}

static void test_forged_fields(void)
{
    static const char text[] = "Authentication-Results: " OURS "; dkim=pass\r\n"
                               "authentication-results : (c) \"MX.example.ORG\" 1;\r\n spf=pass\r\n"
                               "Authentication-Results: other.example; spf=pass\r\n"
                               "postern-quarantine: virus: no\r\n"
                               "Authentication-Results:\r\n " OURS "\r\n ;none\r\n"
                               "Subject: x\r\n\r\nAuthentication-Results: " OURS "; body\r\n";
    static const char rest[] = "Authentication-Results: other.example; spf=pass\r\n"
                               "Subject: x\r\n\r\nAuthentication-Results: " OURS "; body\r\n";
    static const char ours[] =
        "Authentication-Results: " OURS ";\r\n\tspf=fail smtp.mailfrom=a@example.com\r\n";
    static const char quarantine[] =
        "Postern-Quarantine: spf_fail: SPF check failed: 192.0.2.1 is not allowed "
        "to send mail from example.com\r\n";
    const char *check;
    g_autofree char *marked = edited(text, POSTERN_ACTION_MARK, TRUE, &check);
    g_autofree char *kept = edited(text, POSTERN_ACTION_QUARANTINE, TRUE, &check);
    g_autofree char *plain = edited(text, POSTERN_ACTION_MARK, FALSE, &check);
    g_autofree char *expected = g_strconcat(ours, rest, NULL);
    g_autofree char *expected_kept = g_strconcat(ours, quarantine, rest, NULL);

    g_assert_cmpstr(marked, ==, expected);
    g_assert_cmpstr(kept, ==, expected_kept);
    g_assert_cmpstr(plain, ==, text);
}

static char *repeated(const char *field, guint count)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < count; i++)
        g_string_append(text, field);
    g_string_append(text, "\r\n");
    return g_string_free(text, FALSE);
}

/* What cannot be cleaned is not passed on. */
static void test_too_many_forged_fields(void)
{
    static const char forged[] = "Authentication-Results: " OURS "; spf=pass\r\n";
    const char *check;
    g_autofree char *most = repeated(forged, POSTERN_HEADER_EDITS_MAX - 2);
    g_autofree char *over = repeated(forged, POSTERN_HEADER_EDITS_MAX - 1);
    g_autofree char *many = repeated("A: b\r\n", POSTERN_HEADER_FIELDS_MAX + 1);
    g_autofree char *cleaned = edited(most, POSTERN_ACTION_QUARANTINE, TRUE, &check);

    g_assert_cmpstr(check, ==, "spf_fail");
    g_assert_null(strstr(cleaned, "spf=pass"));
    g_assert_nonnull(strstr(cleaned, "Postern-Quarantine: "));
    g_free(edited(over, POSTERN_ACTION_MARK, TRUE, &check));
    g_assert_cmpstr(check, ==, "header");
    g_free(edited(many, POSTERN_ACTION_MARK, TRUE, &check));
    g_assert_cmpstr(check, ==, "header");
    g_free(edited(many, POSTERN_ACTION_MARK, FALSE, &check));
    g_assert_cmpstr(check, ==, "spf_fail");
}

/* As many signatures as can be, with the longest of texts: the field is still there. */
static void test_largest_results(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("spf=fail");

    g_free(policy->authserv_id);
    policy->authserv_id = g_strnfill(1000, '"');
    findings->spf.problem = g_strnfill(1000, '"');
    g_free(envelope->sender);
    envelope->sender = g_strnfill(1000, '\\');
    for (guint i = 0; i < POSTERN_DKIM_SIGNATURES_REPORTED_MAX; i++) {
        PosternDkimFinding *finding = postern_dkim_finding_new();

        finding->result = POSTERN_DKIM_PERMERROR;
        finding->domain = g_strnfill(1000, '"');
        finding->selector = g_strnfill(1000, '\\');
        finding->algorithm = g_strnfill(1000, '"');
        finding->signature_start = g_strnfill(1000, '"');
        finding->reason = g_strnfill(1000, '\\');
        g_ptr_array_add(findings->dkim, finding);
    }

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, NULL, FALSE);

    g_assert_cmpuint(verdict->edits->list->len, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-edits/authentication-results", test_authentication_results);
    g_test_add_func("/verdict-edits/authentication-results-identities",
                    test_authentication_results_identities);
    g_test_add_func("/verdict-edits/forged-fields", test_forged_fields);
    g_test_add_func("/verdict-edits/too-many-forged-fields", test_too_many_forged_fields);
    g_test_add_func("/verdict-edits/largest-results", test_largest_results);
    return g_test_run();
}
