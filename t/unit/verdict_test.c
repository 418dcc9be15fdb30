#include "verdict/verdict.h"

#include <string.h>

#include "base/limits.h"

#include "unit/verdict_sample.h"

typedef struct {
    const char *findings;
    const char *check;  /* NULL: nothing applies */
    const char *reject; /* the reply where policy says reject throughout */
    const char *tempfail;
} RowCase;

static const RowCase row_cases[] = {
    {"", NULL, NULL, NULL},
    {"spf=none dkim=neutral virus=clean", NULL, NULL, NULL},
    {"spf=permerror", NULL, NULL, NULL},
    {"spf=neutral", NULL, NULL, NULL},
    {"dkim=policy", NULL, NULL, NULL},
    {"dkim=fail dkim=pass", NULL, NULL, NULL},
    {"dkim=temperror dkim=pass dkim=fail", NULL, NULL, NULL},
    {"dmarc=pass", NULL, NULL, NULL},
    {"dmarc=none", NULL, NULL, NULL},
    {"dkim=permerror", NULL, NULL, NULL}, /* its key is gone: as if it were not signed */
    {"dkim=permerror dkim=policy", NULL, NULL, NULL},
    {"p=none", NULL, NULL, NULL},
    {"arc=temperror", NULL, NULL, NULL},
    {"virus=infected", "virus", "550 5.7.1 Message refused: virus found (Eicar-Test-Signature)",
     "451 4.7.1 Message refused: virus found (Eicar-Test-Signature), try again later"},
    {"virus=encrypted", "encrypted",
     "550 5.7.1 Message refused: it holds an encrypted file, which cannot be scanned for viruses; send the "
     "file without a password, or hand it over in another way (what it was)",
     "451 4.7.1 Message refused: it holds an encrypted file, which cannot be scanned for viruses; send the "
     "file without a password, or hand it over in another way (what it was), try again later"},
    {"virus=too_large", "too_large",
     "550 5.7.1 Message refused: too large, or too deeply packed, to be scanned for viruses; send less at "
     "once, or archives that hold no other archives (what it was)",
     "451 4.7.1 Message refused: too large, or too deeply packed, to be scanned for viruses; send less at "
     "once, or archives that hold no other archives (what it was), try again later"},
    {"virus=ambiguous", "ambiguous",
     "550 5.7.1 Message refused: mail programs would read it in different ways, so that a virus could hide "
     "in it; write it anew instead of forwarding it, or use another mail program (what it was)",
     "451 4.7.1 Message refused: mail programs would read it in different ways, so that a virus could hide "
     "in it; write it anew instead of forwarding it, or use another mail program (what it was), try again "
     "later"},
    {"virus=unknown_container", "unknown_container",
     "550 5.7.1 Message refused: it holds an archive that cannot be opened here and scanned for viruses; "
     "send the files as an ordinary zip archive (what it was)",
     "451 4.7.1 Message refused: it holds an archive that cannot be opened here and scanned for viruses; "
     "send the files as an ordinary zip archive (what it was), try again later"},
    {"virus=heuristic", "heuristic",
     "550 5.7.1 Message refused: it looks like mail that does harm; if it does none, leave out the links or "
     "files that make it look so (what it was)",
     "451 4.7.1 Message refused: it looks like mail that does harm; if it does none, leave out the links or "
     "files that make it look so (what it was), try again later"},
    {"virus=no_signatures", "no_signatures",
     "451 4.7.1 Message could not be scanned for viruses, try again later",
     "451 4.7.1 Message could not be scanned for viruses, try again later"},
    {"spf=fail", "spf_fail",
     "550 5.7.23 SPF check failed: 192.0.2.1 is not allowed to send mail from example.com",
     "451 4.7.23 SPF check failed: 192.0.2.1 is not allowed to send mail from example.com, try again later"},
    {"spf=softfail", "spf_softfail",
     "550 5.7.23 SPF check: softfail: 192.0.2.1 is probably not allowed to send mail from example.com",
     "451 4.7.23 SPF check: softfail: 192.0.2.1 is probably not allowed to send mail from example.com, "
     "try again later"},
    {"spf=temperror", "spf_error", "451 4.7.24 SPF check: temporary error, try again later",
     "451 4.7.24 SPF check: temporary error, try again later"},
    {"helo=fail", "spf_helo",
     "550 5.7.23 SPF check of HELO failed: 192.0.2.1 is not allowed to call itself mail.example.com",
     "451 4.7.23 SPF check of HELO failed: 192.0.2.1 is not allowed to call itself mail.example.com, try "
     "again later"},
    {"helo=fail spf=pass dmarc=pass dkim=pass", "spf_helo",
     "550 5.7.23 SPF check of HELO failed: 192.0.2.1 is not allowed to call itself mail.example.com",
     "451 4.7.23 SPF check of HELO failed: 192.0.2.1 is not allowed to call itself mail.example.com, try "
     "again later"},
    {"dkim=fail", "dkim_fail", "550 5.7.20 No passing DKIM signature: the reason",
     "451 4.7.20 No passing DKIM signature: the reason, try again later"},
    {"dkim=skipped dkim=fail", "dkim_fail", "550 5.7.20 No passing DKIM signature: the reason",
     "451 4.7.20 No passing DKIM signature: the reason, try again later"},
    {"dkim=temperror", "dkim_error", "451 4.4.3 DKIM check: temporary error (the reason), try again later",
     "451 4.4.3 DKIM check: temporary error (the reason), try again later"},
    /* The missing key may be that of a good signature. */
    {"dkim=fail dkim=temperror", "dkim_fail",
     "451 4.7.20 No passing DKIM signature: the reason, try again later",
     "451 4.7.20 No passing DKIM signature: the reason, try again later"},
    {"p=reject", "dmarc_reject",
     "550 5.7.1 DMARC check failed: not authenticated, against the DMARC policy of example.com",
     "451 4.7.1 DMARC check failed: not authenticated, against the DMARC policy of example.com, try again "
     "later"},
    {"p=quarantine", "dmarc_quarantine",
     "550 5.7.1 DMARC check failed: not authenticated, against the DMARC policy of example.com",
     "451 4.7.1 DMARC check failed: not authenticated, against the DMARC policy of example.com, try again "
     "later"},
    {"dmarc=temperror", "dmarc_error", "451 4.4.3 DMARC check: temporary error, try again later",
     "451 4.4.3 DMARC check: temporary error, try again later"},
    {"from=invalid", "from_invalid",
     "550 5.7.1 Header field From does not name one author domain (two From fields)",
     "451 4.7.1 Header field From does not name one author domain (two From fields), try again "
     "later"},
    {"spf=not_run", "inspection", "451 4.3.0 Message could not be checked, try again later",
     "451 4.3.0 Message could not be checked, try again later"},
    {"dkim=not_run dmarc=pass", "inspection", "451 4.3.0 Message could not be checked, try again later",
     "451 4.3.0 Message could not be checked, try again later"},
    {"dmarc=not_run", "inspection", "451 4.3.0 Message could not be checked, try again later",
     "451 4.3.0 Message could not be checked, try again later"},
    {"arc=not_run virus=not_run content=not_run", NULL, NULL, NULL},
    {"sign=error", "sign_error", "451 4.3.0 Message could not be signed, try again later",
     "451 4.3.0 Message could not be signed, try again later"},
    {"virus=scan_error", "scan_error", "451 4.7.1 Message could not be scanned for viruses, try again later",
     "451 4.7.1 Message could not be scanned for viruses, try again later"},
    /* Ties: the order of the table. */
    {"p=reject spf=fail", "spf_fail",
     "550 5.7.23 SPF check failed: 192.0.2.1 is not allowed to send mail from example.com",
     "451 4.7.23 SPF check failed: 192.0.2.1 is not allowed to send mail from example.com, try again later"},
    {"virus=infected spf=fail dkim=fail", "virus",
     "550 5.7.1 Message refused: virus found (Eicar-Test-Signature)",
     "451 4.7.1 Message refused: virus found (Eicar-Test-Signature), try again later"},
};

static void test_replies(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(row_cases); i++) {
        const RowCase *entry = &row_cases[i];
        g_autoptr(PosternPolicy) rejecting = new_policy(POSTERN_ACTION_REJECT);
        g_autoptr(PosternPolicy) delaying = new_policy(POSTERN_ACTION_TEMPFAIL);
        g_autoptr(PosternVerdict) refused = decide(rejecting, entry->findings);
        g_autoptr(PosternVerdict) delayed = decide(delaying, entry->findings);
        PosternAction action = !entry->reject            ? POSTERN_ACTION_ACCEPT
                               : entry->reject[0] == '5' ? POSTERN_ACTION_REJECT
                                                         : POSTERN_ACTION_TEMPFAIL;

        g_assert_cmpstr(refused->check, ==, entry->check);
        g_assert_cmpstr(refused->reply, ==, entry->reject);
        g_assert_cmpint(refused->action, ==, action);
        g_assert_cmpint(refused->would, ==, action);
        g_assert_null(refused->would_reply);
        g_assert_cmpstr(delayed->check, ==, entry->check);
        g_assert_cmpstr(delayed->reply, ==, entry->tempfail);
        g_assert_cmpint(delayed->action, ==, entry->check ? POSTERN_ACTION_TEMPFAIL : POSTERN_ACTION_ACCEPT);
        g_assert_cmpuint(refused->edits->list->len, ==, action == POSTERN_ACTION_ACCEPT ? 1 : 0);
    }
}

/* A header that can be read in two ways, whatever was found. */
static void test_ambiguous_header(void)
{
    static const char text[] = "From: a@example.com\r\nno colon\r\n\r\n";
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
    g_autoptr(PosternFindings) findings = new_findings("spf=pass");
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternVerdict) refused = postern_verdict_decide(policy, findings, envelope, header);

    g_assert_cmpstr(refused->check, ==, "header_ambiguous");
    g_assert_cmpstr(refused->reply, ==,
                    "550 5.6.0 Header can be read in more than one way (line 2 has no colon)");
    g_assert_cmpstr(refused->header_problem, ==, "line 2 has no colon");
    policy->header_ambiguous = POSTERN_ACTION_TEMPFAIL;

    g_autoptr(PosternVerdict) delayed = postern_verdict_decide(policy, findings, envelope, header);

    g_assert_cmpstr(
        delayed->reply, ==,
        "451 4.6.0 Header can be read in more than one way (line 2 has no colon), try again later");
    policy->checks = POSTERN_CHECK_SPF | POSTERN_CHECK_VIRUS; /* which has a finding of its own */

    g_autoptr(PosternVerdict) unchecked = postern_verdict_decide(policy, findings, envelope, header);

    g_assert_cmpint(unchecked->action, ==, POSTERN_ACTION_ACCEPT);
}

/* The obsolete syntax, which old programs write: no check passes, and that is all. */
static void test_blank_before_colon(void)
{
    static const char text[] = "From: a@example.com\r\nSubject : x\r\n\r\n";
    static const char hiding[] = "From: a@example.com\r\nX : x\r\nno colon\r\n\r\n";
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
    g_autoptr(PosternHeader) worse = postern_header_parse(hiding, strlen(hiding));
    g_autoptr(PosternFindings) findings = new_findings("spf=pass");
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternVerdict) accepted = postern_verdict_decide(policy, findings, envelope, header);
    g_autoptr(PosternVerdict) refused = postern_verdict_decide(policy, findings, envelope, worse);

    g_assert_cmpint(accepted->action, ==, POSTERN_ACTION_ACCEPT);
    g_assert_null(accepted->header_problem);
    g_assert_cmpstr(refused->check, ==, "header_ambiguous");
    g_assert_cmpstr(refused->header_problem, ==, "line 3 has no colon");
}

static void test_observe(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(row_cases); i++) {
        const RowCase *entry = &row_cases[i];
        g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
        g_autoptr(PosternVerdict) real = decide(policy, entry->findings);

        policy->observe = TRUE;

        g_autoptr(PosternVerdict) verdict = decide(policy, entry->findings);

        g_assert_cmpint(verdict->action, ==, POSTERN_ACTION_ACCEPT);
        g_assert_null(verdict->reply);
        g_assert_cmpuint(verdict->edits->list->len, ==, 0);
        g_assert_cmpint(verdict->would, ==, real->action);
        g_assert_cmpstr(verdict->would_reply, ==, real->reply);
        g_assert_cmpstr(verdict->check, ==, real->check);
        g_assert_cmpstr(verdict->authentication_results, ==, real->authentication_results);
    }
}

/* What was not found out counts as what policy would do about it; a mere mark is worth no delay. */
static void test_not_run(void)
{
    static const struct {
        const char *findings;
        PosternAction spf_fail, dkim_fail, dmarc_reject;
        PosternAction expected;
    } cases[] = {
        {"spf=not_run spf=temperror", POSTERN_ACTION_REJECT, POSTERN_ACTION_MARK, POSTERN_ACTION_MARK,
         POSTERN_ACTION_TEMPFAIL},
        {"spf=not_run spf=temperror", POSTERN_ACTION_MARK, POSTERN_ACTION_REJECT, POSTERN_ACTION_MARK,
         POSTERN_ACTION_ACCEPT},
        {"spf=temperror", POSTERN_ACTION_REJECT, POSTERN_ACTION_REJECT, POSTERN_ACTION_REJECT,
         POSTERN_ACTION_ACCEPT},
        {"spf=not_run dmarc=temperror", POSTERN_ACTION_MARK, POSTERN_ACTION_MARK, POSTERN_ACTION_QUARANTINE,
         POSTERN_ACTION_TEMPFAIL},
        {"dkim=not_run dmarc=temperror", POSTERN_ACTION_MARK, POSTERN_ACTION_MARK, POSTERN_ACTION_REJECT,
         POSTERN_ACTION_TEMPFAIL},
        /* SPF has settled it. */
        {"dkim=not_run dmarc=pass", POSTERN_ACTION_MARK, POSTERN_ACTION_MARK, POSTERN_ACTION_REJECT,
         POSTERN_ACTION_ACCEPT},
        {"dkim=not_run dmarc=none", POSTERN_ACTION_REJECT, POSTERN_ACTION_MARK, POSTERN_ACTION_REJECT,
         POSTERN_ACTION_ACCEPT},
        {"dkim=not_run p=reject", POSTERN_ACTION_MARK, POSTERN_ACTION_MARK, POSTERN_ACTION_REJECT,
         POSTERN_ACTION_REJECT},
        {"dkim=not_run spf=fail", POSTERN_ACTION_REJECT, POSTERN_ACTION_QUARANTINE, POSTERN_ACTION_MARK,
         POSTERN_ACTION_REJECT},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_MARK);

        policy->spf_fail = cases[i].spf_fail;
        policy->dkim_fail = cases[i].dkim_fail;
        policy->dmarc_reject = cases[i].dmarc_reject;

        g_autoptr(PosternVerdict) verdict = decide(policy, cases[i].findings);

        g_assert_cmpint(verdict->action, ==, cases[i].expected);
        policy->checks = POSTERN_CHECK_VIRUS;

        g_autoptr(PosternVerdict) unchecked = decide(policy, cases[i].findings);

        g_assert_cmpint(unchecked->action, ==, POSTERN_ACTION_ACCEPT);
    }
}

static void test_most_severe_wins(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_ACCEPT);

    policy->spf_fail = POSTERN_ACTION_QUARANTINE;
    policy->dkim_fail = POSTERN_ACTION_TEMPFAIL;
    policy->virus = POSTERN_ACTION_MARK;

    g_autoptr(PosternVerdict) three = decide(policy, "virus=infected spf=fail dkim=fail");
    g_autoptr(PosternVerdict) two = decide(policy, "virus=infected spf=fail");
    g_autoptr(PosternVerdict) one = decide(policy, "virus=infected");
    g_autoptr(PosternVerdict) none = decide(policy, "spf=softfail");

    g_assert_cmpstr(three->check, ==, "dkim_fail");
    g_assert_cmpint(three->action, ==, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpstr(two->check, ==, "spf_fail");
    g_assert_cmpint(two->action, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpstr(one->check, ==, "virus");
    g_assert_cmpint(one->action, ==, POSTERN_ACTION_ACCEPT);
    g_assert_null(none->check);
}

/* What a check found that the policy does not have is not looked at. */
static void test_checks(void)
{
    static const struct {
        const char *findings;
        guint check;
        const char *decides;
    } cases[] = {
        {"spf=fail", POSTERN_CHECK_SPF, "spf_fail"},
        {"spf=softfail", POSTERN_CHECK_SPF, "spf_softfail"},
        {"spf=temperror", POSTERN_CHECK_SPF, "spf_error"},
        {"dkim=fail", POSTERN_CHECK_DKIM, "dkim_fail"},
        {"helo=fail", POSTERN_CHECK_SPF_HELO, "spf_helo"},
        {"dkim=temperror", POSTERN_CHECK_DKIM, "dkim_error"},
        {"p=reject", POSTERN_CHECK_DMARC, "dmarc_reject"},
        {"p=quarantine", POSTERN_CHECK_DMARC, "dmarc_quarantine"},
        {"dmarc=temperror", POSTERN_CHECK_DMARC, "dmarc_error"},
        {"from=invalid", POSTERN_CHECK_DMARC, "from_invalid"},
        {"sign=error", POSTERN_CHECK_SIGN, "sign_error"},
        {"virus=infected", POSTERN_CHECK_VIRUS, "virus"},
        {"virus=encrypted", POSTERN_CHECK_VIRUS, "encrypted"},
        {"virus=scan_error", POSTERN_CHECK_VIRUS, "scan_error"},
        {"virus=no_signatures", POSTERN_CHECK_VIRUS, "no_signatures"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternPolicy) with = new_policy(POSTERN_ACTION_TEMPFAIL);
        g_autoptr(PosternPolicy) without = new_policy(POSTERN_ACTION_TEMPFAIL);

        with->checks = (PosternChecks)cases[i].check;
        without->checks = (PosternChecks)(POSTERN_CHECKS_ALL & ~cases[i].check);

        g_autoptr(PosternVerdict) decided = decide(with, cases[i].findings);
        g_autoptr(PosternVerdict) ignored = decide(without, cases[i].findings);

        g_assert_cmpstr(decided->check, ==, cases[i].decides);
        g_assert_null(ignored->check);
        g_assert_null(ignored->decided);
    }
}

/* What nobody scanned could not be scanned, where a scan is wanted. */
static void test_not_scanned(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_TEMPFAIL);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternVerdict) wanted = postern_verdict_decide(policy, findings, envelope, NULL);

    policy->checks = (PosternChecks)(POSTERN_CHECKS_ALL & ~POSTERN_CHECK_VIRUS);

    g_autoptr(PosternVerdict) unwanted = postern_verdict_decide(policy, findings, envelope, NULL);

    g_assert_cmpstr(wanted->check, ==, "scan_error");
    g_assert_null(unwanted->check);
}

static void add_network(PosternPolicy *policy, const char *address, guint bits)
{
    PosternNetwork network = {.bits = bits};

    g_assert_true(postern_address_parse(&network.address, address));
    g_array_append_val(policy->allowed_networks, network);
}

static void test_allowed_clients(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);

    add_network(policy, "198.51.100.0", 24);

    g_autoptr(PosternVerdict) external = decide(policy, "spf=fail");

    g_assert_cmpstr(external->check, ==, "spf_fail");
    add_network(policy, "192.0.2.0", 24);

    g_autoptr(PosternVerdict) friend_of_ours = decide(policy, "spf=fail dkim=fail");
    g_autoptr(PosternVerdict) virus = decide(policy, "spf=fail virus=infected");
    g_autoptr(PosternVerdict) encrypted = decide(policy, "virus=encrypted");

    g_assert_null(friend_of_ours->check);
    g_assert_cmpint(friend_of_ours->action, ==, POSTERN_ACTION_ACCEPT);
    g_assert_cmpint(virus->action, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpstr(encrypted->check, ==, "encrypted");
}

/* A sender that is allowed is one that SPF or DKIM passes for, never one that only stands in From. */
static void test_allowed_senders(void)
{
    static const struct {
        const char *findings;
        guint checks;
        gboolean helo;
        const char *allowed, *check;
    } cases[] = {
        {"p=reject", POSTERN_CHECKS_ALL, FALSE, "example.com", "dmarc_reject"},
        {"p=reject dkim=pass", POSTERN_CHECKS_ALL, FALSE, "example.com", NULL},
        {"p=reject dkim=pass", POSTERN_CHECKS_ALL, FALSE, "Example.com", "dmarc_reject"},
        {"p=reject dkim=pass", POSTERN_CHECKS_ALL, FALSE, "com", "dmarc_reject"},
        {"p=reject dkim=pass", POSTERN_CHECKS_ALL & ~POSTERN_CHECK_DKIM, FALSE, "example.com",
         "dmarc_reject"},
        {"p=reject dkim=policy dkim=permerror", POSTERN_CHECKS_ALL, FALSE, "example.com", "dmarc_reject"},
        {"p=reject dkim=temperror", POSTERN_CHECKS_ALL, FALSE, "example.com", "dkim_error"},
        {"p=reject spf=pass", POSTERN_CHECKS_ALL, FALSE, "example.com", NULL},
        {"p=reject spf=pass", POSTERN_CHECKS_ALL, TRUE, "example.com", "dmarc_reject"},
        {"p=reject spf=pass", POSTERN_CHECKS_ALL & ~POSTERN_CHECK_SPF, FALSE, "example.com", "dmarc_reject"},
        {"spf=softfail dkim=pass dkim=fail", POSTERN_CHECKS_ALL, FALSE, "example.com", NULL},
        {"spf=softfail", POSTERN_CHECKS_ALL, FALSE, "example.com", "spf_softfail"},
        {"from=invalid spf=pass", POSTERN_CHECKS_ALL, FALSE, "example.com", NULL},
        {"virus=infected spf=pass", POSTERN_CHECKS_ALL, FALSE, "example.com", "virus"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_QUARANTINE);
        g_autoptr(PosternEnvelope) envelope = new_envelope();
        g_autoptr(PosternFindings) findings = new_findings(cases[i].findings);

        policy->checks = (PosternChecks)cases[i].checks;
        findings->spf.helo = cases[i].helo;
        g_ptr_array_add(policy->allowed_senders, g_strdup(cases[i].allowed));
        g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, NULL);

        g_test_message("%s %s", cases[i].findings, cases[i].allowed);
        g_assert_cmpstr(verdict->check, ==, cases[i].check);
    }
}

static void test_exempt_recipients(void)
{
    static const struct {
        const char *recipients;
        gboolean exempt;
    } cases[] = {
        {"postmaster@example.org", TRUE},
        {"POSTMASTER@example.org abuse@example.org", TRUE},
        {"postmaster", TRUE},
        {"abuse@example.org b@example.org", FALSE},
        {"b@example.org abuse@example.org", FALSE},
        {"postmaster2@example.org", FALSE},
        {"x@postmaster", FALSE},
        {"", FALSE},
    };
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternFindings) findings = new_findings("spf=fail");

    g_ptr_array_add(policy->exempt_recipients, g_strdup("postmaster"));
    g_ptr_array_add(policy->exempt_recipients, g_strdup("abuse"));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternEnvelope) envelope = new_envelope();
        g_auto(GStrv) recipients = g_strsplit(cases[i].recipients, " ", -1);

        g_ptr_array_set_size(envelope->recipients, 0);
        for (char **recipient = recipients; *recipient; recipient++)
            g_ptr_array_add(envelope->recipients, g_strdup(*recipient));

        g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, NULL);

        g_assert_cmpstr(verdict->check, ==, cases[i].exempt ? NULL : "spf_fail");
    }
}

static void test_replies_are_one_printable_line(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    g_autoptr(PosternFindings) findings = new_findings("spf=fail");
    g_autofree char *filling = g_strnfill(1000, 'x');

    findings->spf.explanation = g_strconcat("a\r\n250 OK\n\x1b\xff\x7f", filling, NULL);

    g_autoptr(PosternVerdict) refused = postern_verdict_decide(policy, findings, envelope, NULL);

    g_assert_true(g_str_has_prefix(refused->reply, "550 5.7.23 SPF check failed: a??250 OK????xxx"));
    g_assert_cmpuint(strlen(refused->reply), ==, POSTERN_REFUSAL_MAX_OCTETS);
    policy->spf_fail = POSTERN_ACTION_TEMPFAIL;

    g_autoptr(PosternVerdict) delayed = postern_verdict_decide(policy, findings, envelope, NULL);

    g_assert_true(g_str_has_suffix(delayed->reply, "xxx, try again later"));
    g_assert_cmpuint(strlen(delayed->reply), ==, POSTERN_REFUSAL_MAX_OCTETS);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict/ambiguous-header", test_ambiguous_header);
    g_test_add_func("/verdict/blank-before-colon", test_blank_before_colon);
    g_test_add_func("/verdict/replies", test_replies);
    g_test_add_func("/verdict/observe", test_observe);
    g_test_add_func("/verdict/most-severe-wins", test_most_severe_wins);
    g_test_add_func("/verdict/not-run", test_not_run);
    g_test_add_func("/verdict/checks", test_checks);
    g_test_add_func("/verdict/not-scanned", test_not_scanned);
    g_test_add_func("/verdict/allowed-clients", test_allowed_clients);
    g_test_add_func("/verdict/exempt-recipients", test_exempt_recipients);
    g_test_add_func("/verdict/allowed-senders", test_allowed_senders);
    g_test_add_func("/verdict/replies-are-one-printable-line", test_replies_are_one_printable_line);
    return g_test_run();
}
