#include "verdict/verdict.h"

#include <string.h>

#include "base/limits.h"

#include "unit/verdict_sample.h"

/* Results, Received-SPF, quarantine, Subject, and signatures. */
#define INSERTED_MAX (7 + POSTERN_SIGN_FIELDS_MAX)

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
        guint count = verdict->edits->list->len;
        const PosternEdit *edit = g_ptr_array_index(verdict->edits->list, count - 1);
        g_autoptr(GString) unfolded = g_string_new(edit->value);

        g_string_replace(unfolded, "\r\n\t", " ", 0);
        g_assert_cmpstr(verdict->authentication_results, ==, cases[i].value);
        g_assert_cmpuint(count, ==, strstr(cases[i].findings, "virus=") != NULL ? 2 : 1);
        g_assert_cmpstr(edit->name, ==, "Authentication-Results");
        g_assert_cmpstr(unfolded->str, ==, cases[i].value);
    }
}

static void test_authentication_results_identities(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);
    g_autoptr(PosternFindings) findings = new_findings("spf=pass");
    g_autoptr(PosternEnvelope) envelope = new_envelope();

    findings->dkim.checked = TRUE;
    g_free(envelope->sender);
    envelope->sender = g_strdup("");

    g_autoptr(PosternVerdict) by_domain = postern_verdict_decide(policy, findings, envelope, NULL);

    findings->spf.helo = TRUE;

    g_autoptr(PosternVerdict) by_helo = postern_verdict_decide(policy, findings, envelope, NULL);

    g_assert_cmpstr(by_domain->authentication_results, ==,
                    OURS "; spf=pass smtp.mailfrom=example.com; dkim=none");
    g_assert_cmpstr(by_helo->authentication_results, ==,
                    OURS "; spf=pass smtp.helo=mail.example.com; dkim=none");
}

/* The edited header of text, under a policy that marks. */
/* signing: the policy gives our signature. */
static char *edited_so(const char *text, PosternAction action, gboolean results, gboolean signing,
                       const char **ret_check)
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
    policy->header_ambiguous = POSTERN_ACTION_ACCEPT;
    if (!signing)
        policy->checks &= ~POSTERN_CHECK_SIGN;

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header);

    *ret_check = verdict->check;
    g_assert_true(postern_message_append(message, text, strlen(text), NULL));
    g_assert_true(postern_message_seal(message, NULL));

    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(message, verdict->edits, NULL);

    while (postern_message_reader_next(reader, 4096, &piece, &length))
        g_string_append_len(octets, piece, (gssize)length);
    return g_string_free(octets, FALSE);
}

static char *edited(const char *text, PosternAction action, gboolean results, const char **ret_check)
{
    return edited_so(text, action, results, FALSE, ret_check);
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
    g_autofree char *for_signature = edited_so(text, POSTERN_ACTION_MARK, FALSE, TRUE, &check);
    g_autofree char *expected = g_strconcat(ours, rest, NULL);
    g_autofree char *expected_kept = g_strconcat(ours, quarantine, rest, NULL);

    g_assert_cmpstr(marked, ==, expected);
    g_assert_cmpstr(kept, ==, expected_kept);
    g_assert_cmpstr(plain, ==, text);
    g_assert_cmpstr(for_signature, ==, rest);
}

/* However a field that only we may write is spelt: what somebody may take for it goes. */
static void test_forged_spellings(void)
{
    static const char *const forged[] = {
        "AUTHENTICATION-results\t: " OURS "; dkim=pass\r\n",
        "Authentication-Results\r\n : " OURS "; dkim=pass\r\n",
        "Authentication-Results\r\n\t\r\n : " OURS ";\r\n dkim=pass\r\n",
        "Authentication-\r\n Results: " OURS "; dkim=pass\r\n",
        "\vAuthentication-Results: " OURS "; dkim=pass\r\n",
        "\xef\xbb\xbf"
        "Authentication-Results: " OURS "; dkim=pass\r\n",
        "Authentication-Results\x7f: " OURS "; dkim=pass\r\n",
        "X: y\rAuthentication-Results: " OURS "; dkim=pass\r\n",
        "Received-SPF: pass (" OURS ": domain of a@b) receiver=x\r\n",
        "Received-SPF\t: pass receiver=\"MX.Example.ORG\"\r\n",
        "Received-SPF\r\n : pass\r\n client-ip=192.0.2.1; receiver=" OURS "\r\n",
        "Postern-Quarantine : spf_fail: no\r\n",
        "Postern-Quarantine\r\n : spf_fail: no\r\n",
        "\fPostern-Quarantine: spf_fail: no\r\n",
    };
    static const char *const others[] = {
        "Authentication-Results: other.example; dkim=pass\r\n",
        "Authentication-Results\r\n : other.example; dkim=pass\r\n",
        "Authentication-Results " OURS "; dkim=pass\r\n",
        "X-Authentication-Results: " OURS "; dkim=pass\r\n",
        "Received-SPF: pass (other.example: domain of a@b)\r\n",
        "Received-SPF: pass\r\n",
    };
    const char *check;

    for (gsize i = 0; i < G_N_ELEMENTS(forged) + G_N_ELEMENTS(others); i++) {
        gboolean goes = i < G_N_ELEMENTS(forged);
        const char *line = goes ? forged[i] : others[i - G_N_ELEMENTS(forged)];
        g_autofree char *text = g_strconcat("To: a\r\n", line, "From: b\r\n\r\nbody\r\n", NULL);
        g_autofree char *without = edited_so(text, POSTERN_ACTION_MARK, FALSE, TRUE, &check);

        g_assert_cmpstr(without, ==, goes ? "To: a\r\nFrom: b\r\n\r\nbody\r\n" : text);
    }
}

/* One that names nobody is taken for ours where we add one. */
static void test_forged_received_spf(void)
{
    static const char text[] = "Received-SPF: pass\r\nReceived-SPF: pass (a: b)\r\nFrom: b\r\n\r\n";
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);
    g_autoptr(PosternFindings) findings = new_findings("spf=pass");
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));

    policy->received_spf = TRUE;

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header);
    guint removed = 0;

    for (guint i = 0; i < verdict->edits->list->len; i++) {
        const PosternEdit *edit = g_ptr_array_index(verdict->edits->list, i);

        if (edit->kind != POSTERN_EDIT_REMOVE)
            continue;
        removed++;
        g_assert_cmpuint(edit->occurrence, ==, 0);
    }
    g_assert_cmpuint(removed, ==, 1);
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
    g_autofree char *most = repeated(forged, POSTERN_HEADER_EDITS_MAX - INSERTED_MAX);
    g_autofree char *over = repeated(forged, POSTERN_HEADER_EDITS_MAX - INSERTED_MAX + 1);
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
    g_assert_cmpstr(check, ==, "header");
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
        g_ptr_array_add(findings->dkim.signatures, finding);
    }

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, NULL);

    g_assert_cmpuint(verdict->edits->list->len, ==, 1);
}

/* The value of the edit of that kind and name, "" where it is removed, or NULL: there is none. */
static const char *edit_value(const PosternVerdict *verdict, PosternEditKind kind, const char *name)
{
    for (guint i = 0; i < verdict->edits->list->len; i++) {
        const PosternEdit *edit = g_ptr_array_index(verdict->edits->list, i);

        if (edit->kind == kind && g_str_equal(edit->name, name))
            return edit->value ? edit->value : "";
    }
    return NULL;
}

static void test_received_spf(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("spf=temperror");

    policy->received_spf = TRUE;
    findings->spf.problem = g_strdup("no \"answer\" in time\r\nSubject: x");
    g_assert_true(postern_address_parse(&envelope->client, "2001:db8::1"));
    g_free(envelope->helo);
    envelope->helo = g_strdup("mail.example.com; identity=x");

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, NULL);

    g_assert_cmpstr(edit_value(verdict, POSTERN_EDIT_INSERT, "Received-SPF"), ==,
                    "temperror\r\n\tclient-ip=\"2001:db8::1\";\r\n\tenvelope-from=\"a@example.com\";\r\n"
                    "\thelo=\"mail.example.com; identity=x\";\r\n\tidentity=mailfrom;\r\n"
                    "\tproblem=\"no \\\"answer\\\" in time??Subject: x\";\r\n\treceiver=mx.example.org");

    g_autoptr(PosternVerdict) plain = decide(policy, "spf=pass");
    g_autoptr(PosternVerdict) unchecked = decide(policy, "");
    const PosternEdit *top = g_ptr_array_index(plain->edits->list, plain->edits->list->len - 1);

    g_assert_cmpstr(edit_value(plain, POSTERN_EDIT_INSERT, "Received-SPF"), ==,
                    "pass\r\n\tclient-ip=192.0.2.1;\r\n\tenvelope-from=\"a@example.com\";\r\n"
                    "\thelo=mail.example.com;\r\n\tidentity=mailfrom;\r\n\treceiver=mx.example.org");
    g_assert_cmpstr(top->name, ==, "Authentication-Results");
    g_assert_null(edit_value(unchecked, POSTERN_EDIT_INSERT, "Received-SPF"));
    policy->checks = POSTERN_CHECK_DKIM;

    g_autoptr(PosternVerdict) unwanted = decide(policy, "spf=pass");

    g_assert_null(edit_value(unwanted, POSTERN_EDIT_INSERT, "Received-SPF"));
}

static void test_largest_received_spf(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("spf=fail");

    policy->received_spf = TRUE;
    g_free(envelope->helo);
    g_free(envelope->sender);
    envelope->helo = g_strnfill(5000, '\\');
    envelope->sender = g_strnfill(5000, '"');
    findings->spf.problem = g_strnfill(5000, '\n');

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, NULL);
    const char *value = edit_value(verdict, POSTERN_EDIT_INSERT, "Received-SPF");
    g_auto(GStrv) lines = g_strsplit(value, "\r\n", -1);

    for (char **line = lines; *line; line++)
        g_assert_cmpuint(strlen(*line), <, 998);
    g_assert_cmpuint(g_strv_length(lines), ==, 7);
}

/* The whole message text, tagged. */
static char *tag(const char *text, PosternAction action, const char *subject_tag)
{
    g_autoptr(PosternPolicy) policy = new_policy(action);
    g_autoptr(PosternFindings) findings = new_findings("spf=fail");
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
    g_autoptr(PosternMessage) message = postern_message_new(POSTERN_MESSAGE_MAX_OCTETS, NULL, NULL);
    GString *octets = g_string_new(NULL);
    const char *piece;
    gsize length;

    g_free(policy->subject_tag);
    policy->subject_tag = g_strdup(subject_tag);
    policy->authentication_results = FALSE;
    policy->header_ambiguous = action == POSTERN_ACTION_MARK ? POSTERN_ACTION_ACCEPT : action;

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header);

    g_assert_true(postern_message_append(message, text, strlen(text), NULL));
    g_assert_true(postern_message_seal(message, NULL));

    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(message, verdict->edits, NULL);

    while (postern_message_reader_next(reader, 7, &piece, &length))
        g_string_append_len(octets, piece, (gssize)length);
    return g_string_free(octets, FALSE);
}

static void test_subject_tag(void)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"Subject: a\r\nA: b\r\n\r\nSubject: c", "Subject: [S] a\r\nA: b\r\n\r\nSubject: c"},
        {"A: b\r\nSUBJECT:a\r\nSubject: c\r\n\r\n", "A: b\r\nSUBJECT: [S] a\r\nSubject: c\r\n\r\n"},
        {"Subject:\r\n\r\n", "Subject: [S]\r\n\r\n"},
        {"Subject: \t \r\n\r\n", "Subject: [S]\r\n\r\n"},
        {"A: b\r\n\r\nx", "Subject: [S]\r\nA: b\r\n\r\nx"},
        {"\r\nbody", "Subject: [S]\r\n\r\nbody"},
        {"Subject: [S] a\r\n\r\n", "Subject: [S] a\r\n\r\n"},
        {"Subject:[S]\r\n\r\n", "Subject:[S]\r\n\r\n"},
        {"Subject:\r\n [S] a\r\n\r\n", "Subject:\r\n [S] a\r\n\r\n"},
        {"Subject: Re: [S] a\r\n\r\n", "Subject: [S] Re: [S] a\r\n\r\n"},
        {"Subject: =?utf-8?q?b=C3=B6se?=\r\n =?utf-8?q?r?=\r\n\r\n",
         "Subject: [S] =?utf-8?q?b=C3=B6se?=\r\n =?utf-8?q?r?=\r\n\r\n"},
        {"Subject: a\r\n\t b\r\n\r\n", "Subject: [S] a\r\n\t b\r\n\r\n"},
        {"Subject:\r\n\ta\r\n\r\n", "Subject: [S]\r\n\ta\r\n\r\n"},
        {"Subject: a\n b\n\nbody\n", "Subject: [S] a\r\n b\n\nbody\n"},
        {"Subject: a\r\n \t\r\n b\r\n \r\n\r\n", "Subject: [S] a\r\n b\r\n\r\n"},
        {"Subject: a\rb\r\n\r\n", "Subject: [S] a b\r\n\r\n"},
        {"Subject: a", "Subject: [S] a"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *marked = tag(cases[i].before, POSTERN_ACTION_MARK, "[S]");
        g_autofree char *again = tag(marked, POSTERN_ACTION_MARK, "[S]");
        g_autofree char *accepted = tag(cases[i].before, POSTERN_ACTION_ACCEPT, "[S]");
        g_autofree char *untagged = tag(cases[i].before, POSTERN_ACTION_MARK, "");
        g_autofree char *kept = tag(cases[i].before, POSTERN_ACTION_QUARANTINE, "[S]");

        g_assert_cmpstr(marked, ==, cases[i].after);
        g_assert_cmpstr(again, ==, marked);
        g_assert_cmpstr(accepted, ==, cases[i].before);
        g_assert_cmpstr(untagged, ==, cases[i].before);
        g_assert_nonnull(strstr(kept, "[S]"));
    }
}

/* However long, it is tagged; and no line gets longer than a line may be. */
static void test_long_subjects(void)
{
    g_autofree char *line = g_strnfill(985, 'x');
    g_autofree char *long_line = g_strdup_printf("Subject: %s\r\n\r\n", line);
    g_autofree char *folded = tag(long_line, POSTERN_ACTION_MARK, "[S]");
    g_autofree char *filling = g_strnfill(POSTERN_HEADER_EDIT_MAX_OCTETS, 'x');
    g_autofree char *huge = g_strdup_printf("Subject: %s\r\nA: b\r\n\r\n", filling);
    g_autofree char *cut = tag(huge, POSTERN_ACTION_MARK, "[S]");

    g_assert_true(g_str_has_prefix(folded, "Subject: [S] x"));
    g_free(line);
    line = g_strnfill(986, 'x');
    g_free(long_line);
    long_line = g_strdup_printf("Subject: %s\r\n\r\n", line);
    g_free(folded);
    folded = tag(long_line, POSTERN_ACTION_MARK, "[S]");
    g_assert_true(g_str_has_prefix(folded, "Subject: [S]\r\n x"));
    g_assert_true(g_str_has_prefix(cut, "Subject: [S]\r\n x"));
    g_assert_true(g_str_has_suffix(cut, "x\r\nA: b\r\n\r\n"));
}

/* Our signatures stand below what tells of the message, and Subject, which they cover, stays. */
static void test_signatures(void)
{
    static const char text[] = "Subject: x\r\n\r\n";
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_QUARANTINE);
    g_autoptr(PosternFindings) findings = new_findings("spf=fail");
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
    static const char *const names[] = {"DKIM-Signature", "DKIM-Signature", "Postern-Quarantine",
                                        "Authentication-Results"};

    g_free(policy->subject_tag);
    policy->subject_tag = g_strdup("[S]");
    g_ptr_array_add(findings->sign.fields, g_strdup("v=1; b=a"));
    g_ptr_array_add(findings->sign.fields, g_strdup("v=1;\r\n\tb=c"));

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header);

    g_assert_cmpuint(verdict->edits->list->len, ==, G_N_ELEMENTS(names));
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_cmpstr(((const PosternEdit *)verdict->edits->list->pdata[i])->name, ==, names[i]);
    policy->checks = (PosternChecks)(POSTERN_CHECKS_ALL & ~POSTERN_CHECK_SIGN);

    g_autoptr(PosternVerdict) unsigned_verdict = postern_verdict_decide(policy, findings, envelope, header);

    g_assert_null(edit_value(unsigned_verdict, POSTERN_EDIT_INSERT, "DKIM-Signature"));
    g_assert_cmpstr(edit_value(unsigned_verdict, POSTERN_EDIT_CHANGE, "Subject"), ==, "[S] x");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-edits/forged-spellings", test_forged_spellings);
    g_test_add_func("/verdict-edits/forged-received-spf", test_forged_received_spf);
    g_test_add_func("/verdict-edits/authentication-results", test_authentication_results);
    g_test_add_func("/verdict-edits/authentication-results-identities",
                    test_authentication_results_identities);
    g_test_add_func("/verdict-edits/forged-fields", test_forged_fields);
    g_test_add_func("/verdict-edits/too-many-forged-fields", test_too_many_forged_fields);
    g_test_add_func("/verdict-edits/largest-results", test_largest_results);
    g_test_add_func("/verdict-edits/received-spf", test_received_spf);
    g_test_add_func("/verdict-edits/largest-received-spf", test_largest_received_spf);
    g_test_add_func("/verdict-edits/subject-tag", test_subject_tag);
    g_test_add_func("/verdict-edits/long-subjects", test_long_subjects);
    g_test_add_func("/verdict-edits/signatures", test_signatures);
    return g_test_run();
}
