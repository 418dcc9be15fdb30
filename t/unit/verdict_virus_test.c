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
        {"virus=infected", "infected (Eicar-Test-Signature)"},
        {"virus=encrypted", "encrypted (what it was)"},
        {"virus=scan_error", "scan_error"},
        {"virus=no_signatures", "no_signatures (what it was)"},
        {"virus=infected virus=too_large virus=ambiguous",
         "infected (Eicar-Test-Signature),\r\n\tambiguous (what it was),\r\n\ttoo_large (what it was)"},
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
        g_assert_cmpuint(edits->len, ==, cases[i].value ? 3 : 0);
        for (guint j = 0; j < edits->len; j++) {
            const PosternEdit *edit = g_ptr_array_index(edits, j);

            g_assert_cmpint(g_ascii_strcasecmp(edit->name, "X-Virus-Status"), ==, 0);
            g_assert_cmpint(edit->kind, ==, j < 2 ? POSTERN_EDIT_REMOVE : POSTERN_EDIT_INSERT);
            g_assert_cmpstr(edit->value, ==, j < 2 ? NULL : cases[i].value);
        }
    }
    policy->virus_status = FALSE;

    g_autoptr(PosternFindings) findings = new_findings("virus=encrypted");
    g_autoptr(PosternVerdict) silent = postern_verdict_decide(policy, findings, envelope, header);

    g_assert_cmpuint(silent->edits->list->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-virus/scan-error", test_scan_error);
    g_test_add_func("/verdict-virus/kinds", test_kinds);
    g_test_add_func("/verdict-virus/status", test_virus_status);
    return g_test_run();
}
