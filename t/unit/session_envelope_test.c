#include "proxy/session/session.h"

#include "base/limits.h"
#include "session_harness.h"

static void test_word_for_word(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, "RCPT TO:<no@", "550-5.1.1 <no@y.test>: unknown\r\n550 5.1.1 really\r\n", 0);
    harness_rule(&harness, "RCPT TO:<fwd@", "251 2.1.5 will forward\r\n", 0);
    harness_rule(&harness, "RCPT TO:<odd@", "354 what\r\n", 0);
    harness_open_envelope(&harness);
    harness_say(&harness, "RCPT TO:<no@y.test>\r\nRCPT TO:<fwd@y.test>\r\n");
    harness_expect_text(&harness,
                        "550-5.1.1 <no@y.test>: unknown\r\n550 5.1.1 really\r\n251 2.1.5 will forward\r\n");
    harness_expect_commands(&harness, "RCPT TO:<no@y.test>\nRCPT TO:<fwd@y.test>\n");
    harness_say(&harness, "DATA\r\nA: b\r\n\r\n.\r\n");
    harness_expect(&harness, "354 250");
    harness_expect_log(&harness, "recipients_accepted=2");
    harness_finish(&harness);
}

/* Pipelined, with what we answer ourselves between what the back-end answers: the client's order. */
static const struct {
    const char *group;
    const char *codes;
} groups[] = {
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nNOOP\r\nRCPT TO:<no@y.test>\r\nNOOP\r\n",
     "250 250 250 550 250"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<no@y.test>\r\nBOGUS\r\nRCPT TO:<b@y.test>\r\nVRFY x\r\n",
     "250 550 500 250 252"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<broken@>\r\nRCPT TO:<late@y.test>\r\n",
     "250 250 501 450"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<no@y.test>\r\nDATA\r\nRCPT TO:<b@y.test>\r\n", "250 550 554 250"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nMAIL FROM:<b@x.test>\r\nRCPT TO:<no@y.test>\r\n",
     "250 250 503 550"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<no@y.test>\r\n",
     "250 250 250 250 550"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nEHLO c\r\nRCPT TO:<no@y.test>\r\n", "250 250 250 503"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<no@y.test>\r\nQUIT\r\nNOOP\r\n", "250 550 221"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r\nNOOP\r\n",
     "250 250 354 250 250"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<no@y.test>\r\nDATA\r\nA: b\r\n\r\n.\r\nRCPT "
     "TO:<b@y.test>\r\n",
     "250 250 550 354 250 503"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<b@else.where>\r\nBDAT 3\r\nabc"
     "NOOP\r\n",
     "250 250 554 250 250"},
};

static void test_order(gsize piece)
{
    static const char *const ehlos[] = {NULL,
                                        "250-mta\r\n250-DSN\r\n250-8BITMIME\r\n250 XCLIENT ADDR NAME\r\n"};
    for (gsize i = 0; i < 2 * G_N_ELEMENTS(groups); i++) {
        Harness harness;
        harness_start(&harness, "recipient_domains = y.test", piece);
        if (ehlos[i % 2] != NULL)
            harness_rule(&harness, "EHLO", ehlos[i % 2], 0);
        harness_rule(&harness, "RCPT TO:<no@", "550 5.1.1 no\r\n", 0);
        harness_rule(&harness, "RCPT TO:<late@", "450 4.2.0 later\r\n", 0);
        harness_hold_connections(&harness);
        harness_greet(&harness);
        harness_say(&harness, groups[i / 2].group);
        harness_expect(&harness, "250"); /* MAIL alone; nothing overtakes the first RCPT */
        harness_give(&harness, 0);
        harness_expect(&harness, groups[i / 2].codes + strlen("250 "));
        harness_finish(&harness);
    }
}

/* A line that is too long waits for the answers to those before it, as any other. */
static void test_order_of_long_line(gsize piece)
{
    g_autofree char *word = g_strnfill(POSTERN_COMMAND_LINE_MAX_OCTETS, 'x');
    g_autofree char *group =
        g_strdup_printf("MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n%s\r\nNOOP\r\n", word);
    Harness harness;
    harness_start(&harness, "", piece);
    harness_hold_connections(&harness);
    harness_greet(&harness);
    harness_say(&harness, group);
    harness_expect(&harness, "250");
    harness_give(&harness, 0);
    harness_expect(&harness, "250 500 250");
    harness_finish(&harness);
}

static const struct {
    const char *reply;
    const char *answer;
} mail_refusals[] = {
    {"550 5.7.1 we do not like you\r\n", "550 5.7.1 we do not like you\r\n"},
    {"450-4.7.1 wait\r\n450 4.7.1 a little\r\n", "450-4.7.1 wait\r\n450 4.7.1 a little\r\n"},
    {"552 5.3.4 too big\r\n", "554 5.3.4 Message too big\r\n"},
    {"552 too big\r\n", "554 5.3.4 Message too big\r\n"},
    {"553 5.1.8 sender domain\r\n", "553 5.1.8 sender domain\r\n"},
    {"334 what\r\n", "451 what\r\n"},
};

/* A refused MAIL, which we said 250 to, answers each RCPT; never the 503 that comes behind it. */
static void test_mail_refused(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(mail_refusals); i++) {
        g_autofree char *twice = g_strconcat(mail_refusals[i].answer, mail_refusals[i].answer, NULL);
        Harness harness;
        harness_start(&harness, "", piece);
        harness_rule(&harness, "MAIL", mail_refusals[i].reply, 0);
        harness_rule(&harness, "RCPT", "503 5.5.1 MAIL first\r\n", 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
        harness_expect(&harness, "250");
        harness_say(&harness, "RCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\n");
        harness_expect_text(&harness, twice);
        harness_wait(&harness, POSTERN_BORROW_SILENCE_MS);
        harness_say(&harness, "RCPT TO:<d@y.test>\r\n");
        harness_expect_text(&harness, mail_refusals[i].answer);
        g_array_set_size(harness.rules, 0);
        harness_say(&harness, "DATA\r\nRSET\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
        harness_expect(&harness, "554 250 250 250");
        g_assert_cmpuint(harness_count_log(&harness, "message session="), ==, 1);
        harness_finish(&harness);
    }
}

/* Refused, and the connection closed behind it: still its own words, not 451. */
static void test_mail_refused_and_closed(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, "MAIL", "550 5.7.1 never\r\n", 0);
    harness_rule(&harness, "RCPT", HARNESS_CLOSE, 0);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\n");
    harness_expect_text(&harness, "250 2.1.0 Ok\r\n550 5.7.1 never\r\n550 5.7.1 never\r\n");
    harness_finish(&harness);
}

/* Its 421 means that it closes; from us it would mean that we do. */
static void test_421_is_451(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, "RCPT TO:<no@", "421 4.3.2 closing\r\n", 1);
    harness_open_envelope(&harness);
    harness_say(&harness, "RCPT TO:<no@y.test>\r\n");
    harness_expect_text(&harness, "451 4.3.2 closing\r\n");
    harness_say(&harness,
                "RCPT TO:<c@y.test>\r\n"); /* on another connection, what was accepted asked again */
    harness_expect(&harness, "250");
    g_assert_cmpuint(harness.borrows, ==, 2);
    g_assert_nonnull(strstr(harness.commands->str, "RCPT TO:<b@y.test>\nRCPT TO:<c@y.test>\n"));
    harness_finish(&harness);
}

static const struct {
    const char *recipient;
    gboolean ours;
} recipients[] = {
    {"b@y.test", TRUE},
    {"b@Y.TEST", TRUE},
    {"b@y.test.", TRUE},
    {"b@else.where.", FALSE},
    {"b..c@y.test", TRUE},
    {"b.\"@else.where\"@y.test", FALSE},
    {"b.\"%\".else.where@y.test", FALSE},
    {"b\\@else.where@y.test", FALSE},
    {"b%else.where", FALSE},
    {"else.where!b", FALSE},
    {"b", FALSE},
    {"b@z.test", TRUE},
    {"Postmaster", TRUE},
    {"postmaster@y.test", TRUE},
    {"\"b c\"@y.test", TRUE},
    {"@relay.test:b@y.test", TRUE},
    {"b@else.where", FALSE},
    {"b@sub.y.test", FALSE},
    {"postmaster@else.where", FALSE},
    {"b%else.where@y.test", FALSE},
    {"b%else.where%more@y.test", FALSE},
    {"else.where!b@y.test", FALSE},
    {"\"b@else.where\"@y.test", FALSE},
    {"\"b%else.where\"@y.test", FALSE},
    {"\"b\\@else.where\"@y.test", FALSE},
    {"b@[192.0.2.1]", FALSE},
    {"b@[IPv6:2001:db8::1]", FALSE},
    {"@y.test:b@else.where", FALSE},
};

static void test_recipient_domains(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(recipients); i++) {
        g_autofree char *line = g_strdup_printf("RCPT TO:<%s>\r\n", recipients[i].recipient);
        Harness harness;
        harness_start(&harness, "recipient_domains = y.test; Z.test", piece);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
        harness_expect(&harness, "250");
        harness_say(&harness, line);
        gboolean asked = strstr(harness.commands->str, "RCPT") != NULL;
        if (asked != recipients[i].ours)
            g_error("%s: %s", recipients[i].recipient, harness.replies->str);
        if (!asked)
            g_assert_true(harness.replies->str[0] == '5');
        harness_finish(&harness);
    }
}

/* The same server, however its domain is written. */
static void test_balance_by_domain(gsize piece)
{
    static const char *const forms[] = {"b@\303\266.test", "c@xn--nda.test", "d@XN--NDA.Test",
                                        "e@\303\226.test"};
    guint64 first = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *line = g_strdup_printf("RCPT TO:<%s>\r\n", forms[i]);
        Harness harness;
        harness_start(&harness, "relay_probe = no\n[servers]\nbalance = recipient_domain", piece);
        harness_rule(&harness, "EHLO", "250-mta\r\n250-SMTPUTF8\r\n250 XCLIENT ADDR NAME\r\n", 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test> SMTPUTF8\r\n");
        harness_say(&harness, line);
        harness_expect(&harness, "250 250");
        guint64 key = postern_session_balance_key(harness_session(&harness));
        first = i == 0 ? key : first;
        g_assert_cmphex(key, ==, first);
        g_assert_cmphex(key, >, G_MAXUINT32); /* of 64 bits */
        harness_finish(&harness);
    }
}

static void test_relay_attempts_end(gsize piece)
{
    Harness harness;
    harness_start(&harness, "recipient_domains = y.test", piece);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
    harness_expect(&harness, "250");
    for (guint i = 1; i <= POSTERN_ERRORS_MAX; i++) {
        harness_say(&harness, "RCPT TO:<b@else.where>\r\n");
        harness_expect(&harness, i < POSTERN_ERRORS_MAX ? "554" : "554 421");
    }
    g_assert_cmpuint(harness.borrows, ==, 0);
    g_assert_cmpuint(harness_count_log(&harness, "message session="), ==, 1);
    harness_expect_log(&harness, "<b@else.where>");
    harness_finish(&harness);
}

/* Which recipient, with which reply, by whom; also of a message that comes to nothing else. */
static void test_refused_recipients_are_told_apart(gsize piece)
{
    Harness harness;
    harness_start(&harness, "recipient_domains = y.test", piece);
    harness_rule(&harness, "RCPT TO:<no@", "550 5.1.1 unknown\r\n", 0);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
    g_string_truncate(harness.replies, 0);
    harness_say(&harness, "RCPT TO:<broken@>\r\n");
    g_autofree char *identifier = harness_id_of(harness.replies->str);
    harness_say(&harness, "RCPT TO:<c@else.where>\r\nRCPT TO:<no@y.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n");
    harness_expect(&harness, "501 554 550 250 250");
    g_autofree char *lines =
        g_strdup_printf("recipient session=%s message=%s ", harness.identifier, identifier);
    g_assert_cmpuint(harness_count_log(&harness, lines), ==, 3);
    harness_expect_log(&harness, "to=TO:<broken@> refused_by=proxy reply=\"501 5.1.3 ");
    harness_expect_log(&harness, "to=<c@else.where> refused_by=proxy reply=\"554 5.7.1 ");
    harness_expect_log(&harness, "to=<no@y.test> refused_by=backend reply=\"550 5.1.1 unknown\"");
    harness_expect_log(&harness, " to=<b@y.test> recipients=3 recipients_accepted=1");
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<broken@>\r\nRSET\r\n");
    g_assert_cmpuint(harness_count_log(&harness, "recipients=0"), ==, 1);
    harness_finish(&harness);
}

static void test_max_recipients(gsize piece)
{
    Harness harness;
    harness_start(&harness, "max_recipients = 3", piece);
    harness_rule(&harness, "RCPT TO:<no@", "550 5.1.1 no\r\n", 0);
    harness_greet(&harness);
    harness_say(&harness,
                "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<no@y.test>\r\nRCPT TO:<c@y.test>\r\n"
                "RCPT TO:<d@y.test>\r\nRCPT TO:<e@y.test>\r\nDATA\r\nA: b\r\n\r\n.\r\n");
    harness_expect(&harness, "250 250 550 250 452 452 354 250");
    g_assert_null(strstr(harness.commands->str, "<d@y.test>"));
    harness_expect_log(&harness, "recipients_accepted=2");
    harness_finish(&harness);
}

/* Parameters go on as given, those of MAIL and of RCPT, and to another connection again. */
static void test_parameters(gsize piece)
{
    static const char expected[] = "MAIL FROM:<a@x.test> SIZE=77 BODY=8BITMIME RET=HDRS ENVID=e+3Df\n"
                                   "RCPT TO:<b@y.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@y.test\n";
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test> RET=HDRS BODY=8BITMIME ENVID=e+3Df SIZE=77\r\n"
                          "RCPT TO:<b@y.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@y.test\r\n");
    harness_expect(&harness, "250 250");
    g_assert_true(g_str_has_suffix(harness.commands->str, expected));
    harness_wait(&harness, POSTERN_BORROW_SILENCE_MS);
    g_string_truncate(harness.commands, 0);
    harness_say(&harness, "RCPT TO:<c@y.test>\r\n");
    harness_expect(&harness, "250");
    g_assert_nonnull(strstr(harness.commands->str, expected));
    harness_finish(&harness);
}

/* What the client has used, and this back-end lacks: 451. */
static void test_back_end_lacks(gsize piece)
{
    static const char *const mails[] = {"MAIL FROM:<a@x.test> BODY=8BITMIME\r\n",
                                        "MAIL FROM:<a@x.test> RET=HDRS\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(mails); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_greet(&harness);
        harness_rule(&harness, "EHLO", "250-mta\r\n250 XCLIENT ADDR NAME\r\n", 0);
        harness_say(&harness, mails[i]);
        harness_say(&harness, "RCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\n");
        harness_expect(&harness, "250 451 451 451");
        g_assert_null(strstr(harness.commands->str, "MAIL"));
        g_assert_cmpuint(harness.returns, ==, 1);
        harness_finish(&harness);
    }
}

/* The name of the client is told, so it is waited for. */
static void test_waits_for_name(gsize piece)
{
    Harness harness;
    harness_start_from(&harness, "", "192.0.2.9", FALSE, piece);
    harness.hold_names = TRUE;
    harness_say(&harness, "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
    harness_expect(&harness, "220 250 250");
    g_assert_null(strstr(harness.commands->str, "XCLIENT"));
    harness_name(&harness, NULL, TRUE);
    harness_expect(&harness, "250");
    g_assert_nonnull(strstr(harness.commands->str,
                            "XCLIENT ADDR=192.0.2.9 PORT=[UNAVAILABLE] PROTO=ESMTP NAME=[TEMPUNAVAIL]"));
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session-envelope/word-for-word", test_word_for_word},
    {"/session-envelope/order", test_order},
    {"/session-envelope/order-of-long-line", test_order_of_long_line},
    {"/session-envelope/mail-refused", test_mail_refused},
    {"/session-envelope/mail-refused-and-closed", test_mail_refused_and_closed},
    {"/session-envelope/421-is-451", test_421_is_451},
    {"/session-envelope/recipient-domains", test_recipient_domains},
    {"/session-envelope/balance-by-domain", test_balance_by_domain},
    {"/session-envelope/relay-attempts-end", test_relay_attempts_end},
    {"/session-envelope/refused-recipients", test_refused_recipients_are_told_apart},
    {"/session-envelope/max-recipients", test_max_recipients},
    {"/session-envelope/parameters", test_parameters},
    {"/session-envelope/back-end-lacks", test_back_end_lacks},
    {"/session-envelope/waits-for-name", test_waits_for_name},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
