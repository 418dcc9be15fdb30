/*
 * What a scan found, or could not see, as a verdict.
 */
#include "unit/verdict_sample.h"

/* Our own trouble passes: it never makes a permanent refusal. */
static void test_scan_error(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) nothing = postern_findings_new();
    g_autoptr(PosternVerdict) unknown = postern_verdict_decide(policy, nothing, envelope, NULL);
    g_autoptr(PosternVerdict) failed = decide(policy, "virus=scan_error");

    g_assert_cmpstr(unknown->reply, ==,
                    "451 4.7.1 Message could not be scanned for viruses, try again later");
    g_assert_cmpstr(failed->reply, ==, unknown->reply);
    policy->scan_error = POSTERN_ACTION_QUARANTINE;

    g_autoptr(PosternVerdict) kept = decide(policy, "virus=scan_error");
    const PosternEdit *edit = g_ptr_array_index(kept->edits->list, 1);

    g_assert_cmpint(kept->action, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpstr(edit->name, ==, "Postern-Quarantine");
    g_assert_cmpstr(edit->value, ==, "scan_error: Message could not be scanned for viruses (what it was)");
}

/* Of several kinds the action that is most severe counts, whatever else is in the message. */
static void test_kinds(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);

    policy->encrypted = POSTERN_ACTION_REJECT;
    policy->ambiguous = POSTERN_ACTION_QUARANTINE;

    g_autoptr(PosternVerdict) both = decide(policy, "virus=too_large virus=encrypted virus=ambiguous");
    g_autoptr(PosternVerdict) one = decide(policy, "virus=too_large virus=ambiguous");
    g_autoptr(PosternVerdict) found = decide(policy, "virus=infected virus=encrypted");

    g_assert_cmpstr(both->check, ==, "encrypted");
    g_assert_cmpint(one->action, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpstr(found->check, ==, "encrypted");
}

/* What is marked has a trace that the next filter can see, in the place of any that the sender wrote. */
static void test_virus_status(void)
{
    static const char text[] = "X-Virus-Status: Clean\r\nSubject: x\r\nx-virus-STATUS: Clean\r\n\r\n";
    static const struct {
        const char *findings;
        const char *value;
    } cases[] = {
        {"virus=clean", NULL},
        {"virus=infected", "Infected (Eicar-Test-Signature)"},
        {"virus=encrypted", "encrypted (what it was)"},
        {"virus=scan_error", "scan_error"},
        {"virus=no_signatures", "no_signatures (what it was)"},
        {"virus=infected virus=too_large virus=ambiguous",
         "Infected (Eicar-Test-Signature),\r\n\tambiguous (what it was),\r\n\ttoo_large (what it was)"},
    };
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);

    policy->authentication_results = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternFindings) findings = new_findings(cases[i].findings);
        g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header);
        const GPtrArray *edits = verdict->edits->list;

        g_assert_cmpint(verdict->action, ==, POSTERN_ACTION_ACCEPT);
        g_assert_cmpuint(edits->len, ==, cases[i].value ? 3 : 2);
        for (guint j = 0; j < edits->len; j++) {
            const PosternEdit *edit = g_ptr_array_index(edits, j);

            g_assert_cmpint(g_ascii_strcasecmp(edit->name, "X-Virus-Status"), ==, 0);
            g_assert_cmpint(edit->kind, ==, j < 2 ? POSTERN_EDIT_REMOVE : POSTERN_EDIT_INSERT);
            g_assert_cmpstr(edit->value, ==, j < 2 ? NULL : cases[i].value);
        }
    }
    policy->virus_status = POSTERN_VIRUS_STATUS_ALL;

    g_autoptr(PosternFindings) clean = new_findings("virus=clean");
    g_autoptr(PosternVerdict) told = postern_verdict_decide(policy, clean, envelope, header);

    g_assert_cmpuint(told->edits->list->len, ==, 3);
    g_assert_cmpstr(((const PosternEdit *)told->edits->list->pdata[2])->value, ==, "Clean");
    policy->virus_status = POSTERN_VIRUS_STATUS_NO;

    g_autoptr(PosternFindings) findings = new_findings("virus=encrypted");
    g_autoptr(PosternVerdict) silent = postern_verdict_decide(policy, findings, envelope, header);

    g_assert_cmpuint(silent->edits->list->len, ==, 0);
}

/* However a sender writes the field, whoever reads it behind us reads ours or none. */
static void test_forged_virus_status(void)
{
    static const char *const lines[] = {
        "X-Virus-Status:Clean\r\n",      "X-Virus-Status:\r\n Clean\r\n",
        "X-Virus-Status : Clean\r\n",    "X-VIRUS-STATUS\t:\r\n\tClean\r\n",
        "x-virus-status \t : Clean\r\n", "X-Virus-Status\r\n : Clean\r\n",
        "X-Virus-Status:\r\n",
    };
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);
    g_autoptr(PosternFindings) findings = new_findings("virus=clean");

    policy->authentication_results = FALSE;
    policy->header_ambiguous = POSTERN_ACTION_ACCEPT;
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *text = g_strconcat("Subject: x\r\n", lines[i], "To: b@example.org\r\n\r\n", NULL);
        g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
        g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header);

        g_test_message("%s", lines[i]);
        g_assert_cmpuint(verdict->edits->list->len, ==, 1);
    }
    policy->checks &= ~(guint)POSTERN_CHECK_VIRUS;

    g_autoptr(PosternHeader) header = postern_header_parse("X-Virus-Status: Clean\r\n\r\n", 25);
    g_autoptr(PosternVerdict) unscanned = postern_verdict_decide(policy, findings, envelope, header);

    g_assert_cmpuint(unscanned->edits->list->len, ==, 0);
}

/* What neither Authentication-Results nor X-Virus-Status tells the next filter. */
static void test_mark(void)
{
    static const char text[] = "Postern-Mark: none\r\nSubject: x\r\nSubject\t: y\r\n\r\n";
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);
    g_autoptr(PosternFindings) findings = new_findings("virus=encrypted");
    static const PosternAction actions[] = {POSTERN_ACTION_MARK, POSTERN_ACTION_ACCEPT};

    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
        policy->header_ambiguous = actions[i];

        g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header);
        guint marks = 0, removed = 0;

        for (guint j = 0; j < verdict->edits->list->len; j++) {
            const PosternEdit *edit = g_ptr_array_index(verdict->edits->list, j);
            gboolean ours = g_str_equal(edit->name, "Postern-Mark");

            marks +=
                ours && edit->kind == POSTERN_EDIT_INSERT && g_str_equal(edit->value, "header_ambiguous");
            removed += ours && edit->kind == POSTERN_EDIT_REMOVE;
        }
        g_assert_cmpuint(removed, ==, 1);
        g_assert_cmpuint(marks, ==, actions[i] == POSTERN_ACTION_MARK);
    }
}

/* Which file, which kind, and what to do. */
static void test_reply(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);

    policy->encrypted = POSTERN_ACTION_REJECT;

    g_autoptr(PosternVerdict) verdict = decide(policy, "virus=encrypted");

    g_assert_cmpstr(
        verdict->reply, ==,
        "550 5.7.1 Message refused: it holds an encrypted file, which cannot be scanned for viruses; "
        "send the file without a password, or hand it over in another way (what it was)");
    g_assert_cmpstr(verdict->decided, ==,
                    "encrypted: it holds an encrypted file, which cannot be scanned for viruses "
                    "(what it was)");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-virus/scan-error", test_scan_error);
    g_test_add_func("/verdict-virus/kinds", test_kinds);
    g_test_add_func("/verdict-virus/status", test_virus_status);
    g_test_add_func("/verdict-virus/forged-status", test_forged_virus_status);
    g_test_add_func("/verdict-virus/mark", test_mark);
    g_test_add_func("/verdict-virus/reply", test_reply);
    return g_test_run();
}
