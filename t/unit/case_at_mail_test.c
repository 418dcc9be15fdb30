#include "verdict/case.h"

#include <glib/gstdio.h>

#include "unit/verdict_sample.h"

#define FAIL_TEXT "SPF check failed: 192.0.2.1 is not allowed to send mail from example.com"

/* Policies of a file, and of the recipients b@example.org, whose policy is `other`, where table is TRUE. */
static PosternPolicies *policies_of(const char *text, gboolean table, gboolean observe)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    int file = g_file_open_tmp("postern-test-XXXXXX", &path, &error);
    g_autofree char *whole =
        g_strdup_printf("%s\n%s\n[clients]\nrecipients = %s\n", text,
                        strstr(text, "[policy other]") ? "" : "[policy other]", table ? path : "");

    g_assert_no_error(error);
    g_close(file, NULL);
    g_assert_true(g_file_set_contents(path, "b@example.org other\n", -1, NULL));

    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(whole, strlen(whole), "test", &error);

    g_assert_no_error(error);

    PosternPolicies *policies = postern_policies_new(configuration, OURS, observe, &error);

    g_assert_no_error(error);
    g_unlink(path);
    return policies;
}

static const struct {
    const char *text;
    gboolean table;
    const char *findings;
    const char *reply; /* NULL: MAIL is taken */
    gboolean may;      /* some finding could refuse */
} cases[] = {
    {"", FALSE, "spf=fail", NULL, FALSE},
    {"[policy]\nspf_fail=reject", FALSE, "spf=fail", "550 5.7.23 " FAIL_TEXT, TRUE},
    {"[policy]\nspf_fail=tempfail", FALSE, "spf=fail", "451 4.7.23 " FAIL_TEXT ", try again later", TRUE},
    {"[policy]\nspf_fail=reject", FALSE, "spf=softfail", NULL, TRUE},
    {"[policy]\nspf_fail=reject", FALSE, "spf=pass", NULL, TRUE},
    {"[policy]\nspf_fail=reject", FALSE, "", NULL, TRUE},
    {"[policy]\nspf_error=tempfail", FALSE, "spf=temperror",
     "451 4.7.24 SPF check: temporary error, try again later", TRUE},
    {"[policy]\nspf_fail=discard\nspf_softfail=quarantine", FALSE, "spf=fail", NULL, FALSE},
    {"[policy]\nspf_fail=reject\nchecks=virus", FALSE, "spf=fail", NULL, FALSE},
    {"[policy]\nspf_fail=reject\nexempt_recipients=postmaster", FALSE, "spf=fail", NULL, FALSE},
    {"[policy]\nspf_fail=reject\nallow_clients=192.0.2.0/24", FALSE, "spf=fail", NULL, TRUE},
    {"[policy]\nspf_fail=reject\nallow_clients=198.51.100.0/24", FALSE, "spf=fail", "550 5.7.23 " FAIL_TEXT,
     TRUE},
    {"[policy]\nspf_fail=reject\nallow_senders=example.net", FALSE, "spf=fail", NULL, FALSE},
    {"[policy]\nspf_helo=reject", FALSE, "spf=pass helo=fail",
     "550 5.7.23 SPF check of HELO failed: 192.0.2.1 is not allowed to call itself mail.example.com", TRUE},
    {"[policy]\nspf_helo=mark", FALSE, "spf=pass helo=fail", NULL, FALSE},
    /* A recipient's own policy is not passed over; one that nobody has does not count. */
    {"[policy]\nspf_fail=reject\n[policy other]\nspf_fail=mark", FALSE, "spf=fail", "550 5.7.23 " FAIL_TEXT,
     TRUE},
    {"[policy]\nspf_fail=reject\n[policy other]\nspf_fail=mark", TRUE, "spf=fail", NULL, FALSE},
    {"[policy]\nspf_fail=reject\n[policy other]\nchecks=virus", TRUE, "spf=fail", NULL, FALSE},
    {"[policy]\nspf_fail=reject\n[policy other]\nexempt_recipients=abuse", TRUE, "spf=fail", NULL, FALSE},
    {"[policy]\nspf_fail=reject\n[policy other]\nallow_clients=192.0.2.1", TRUE, "spf=fail", NULL, TRUE},
    {"[policy]\nspf_fail=reject", TRUE, "spf=fail", "550 5.7.23 " FAIL_TEXT, TRUE},
    {"[policy]\nspf_fail=reject\n[policy other]\nspf_fail=tempfail", TRUE, "spf=fail",
     "451 4.7.23 " FAIL_TEXT ", try again later", TRUE},
    {"[policy]\nspf_fail=tempfail\n[policy other]\nspf_fail=reject", TRUE, "spf=fail",
     "451 4.7.23 " FAIL_TEXT ", try again later", TRUE},
    {"[policy]\nspf_fail=reject\n[policy other]\nspf_fail=mark\nspf_softfail=reject", TRUE, "spf=fail", NULL,
     FALSE},
};

static PosternCase *case_of(PosternPolicies *policies, PosternClientClass client_class,
                            PosternEnvelope *envelope)
{
    const PosternCaseOptions options = {.policies = policies, .refuse_at_mail = TRUE};
    PosternCase *mail_case = postern_case_new(&options, envelope);
    mail_case->client_class = client_class;
    return mail_case;
}

static void assert_takes(PosternPolicies *policies, PosternClientClass client_class,
                         const PosternFindings *findings)
{
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternCase) mail_case = case_of(policies, client_class, envelope);
    g_assert_false(postern_case_refuses_at_mail(mail_case, findings));
    g_assert_null(mail_case->reply);
    if (client_class != POSTERN_CLIENT_AUTHENTICATED)
        g_assert_false(postern_case_may_refuse_at_mail(mail_case));
}

static void test_refused(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternPolicies) policies = policies_of(cases[i].text, cases[i].table, FALSE);
        g_autoptr(PosternPolicies) observing = policies_of(cases[i].text, cases[i].table, TRUE);
        g_autoptr(PosternFindings) findings = new_findings(cases[i].findings);
        g_autoptr(PosternEnvelope) envelope = new_envelope();
        g_autoptr(PosternCase) mail_case = case_of(policies, POSTERN_CLIENT_OTHER, envelope);
        g_assert_cmpint(postern_case_may_refuse_at_mail(mail_case), ==, cases[i].may);
        g_assert_cmpint(postern_case_refuses_at_mail(mail_case, findings), ==, cases[i].reply != NULL);
        g_assert_cmpstr(mail_case->reply, ==, cases[i].reply);
        g_assert_true((mail_case->check != NULL) == (cases[i].reply != NULL));
        assert_takes(observing, POSTERN_CLIENT_OTHER, findings);
        assert_takes(policies, POSTERN_CLIENT_TRUSTED_RELAY, findings);
        assert_takes(policies, POSTERN_CLIENT_AUTHENTICATED, findings);
    }
}

/* What MAIL is refused for, the message would be refused for, whoever it is for. */
static void test_agrees_with_verdict(void)
{
    static const char *const words[] = {"spf=fail", "spf=softfail", "spf=temperror", "spf=permerror",
                                        "spf=pass"};
    g_autoptr(PosternPolicies) policies =
        policies_of("[policy]\nspf_fail=reject\nspf_softfail=tempfail\nspf_error=tempfail\n"
                    "[policy other]\nspf_softfail=mark\n",
                    TRUE, FALSE);
    const GPtrArray *all = postern_policies_of_class(policies, POSTERN_CLIENT_OTHER);

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autoptr(PosternFindings) findings = new_findings(words[i]);
        g_autoptr(PosternEnvelope) envelope = new_envelope();
        g_autoptr(PosternCase) mail_case = case_of(policies, POSTERN_CLIENT_OTHER, envelope);
        gboolean refused = postern_case_refuses_at_mail(mail_case, findings);
        for (guint j = 0; refused && j < all->len; j++) {
            g_autoptr(PosternVerdict) verdict =
                postern_verdict_decide(g_ptr_array_index(all, j), findings, envelope, NULL);

            g_assert_nonnull(verdict->reply);
            g_assert_cmpstr(verdict->check, ==, mail_case->check);
        }
        g_assert_true(refused == (i == 0 || i == 2));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/case-at-mail/refused", test_refused);
    g_test_add_func("/case-at-mail/agrees-with-verdict", test_agrees_with_verdict);
    return g_test_run();
}
