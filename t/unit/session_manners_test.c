#include "proxy/session/session.h"

#include "session_harness.h"

#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"

#define MESSAGE "DATA\r\n|A: b\r\n.\r\n"
#define HELLOS "EHLO c.test\r\n|HELO c.test\r\n|"
#define NOOPS "NOOP\r\nNOOP\r\nNOOP\r\n"

#define POSTFIX "220 mx ESMTP Postfix\r\n"
#define EXIM "220 mx ESMTP Exim 4.96\r\n"
#define SENDMAIL "220 mx ESMTP Sendmail 8.17.1\r\n"
#define OPENSMTPD "220 mx ESMTP OpenSMTPD\r\n"
#define ANOTHER "220 mx ESMTP\r\n"
#define NONE "client_address = none\nrecipient_domains = y.test"

/* What a client hears before each mail server, once it is known; | parts what it says at different times. */
static const struct {
    const char *greeting, *said, *codes;
} rows[] = {
    {POSTFIX, "Subject: x\r\n", "221"},
    {EXIM, "Subject: x\r\nNOOP\r\n", "500 250"},
    {SENDMAIL, "Subject: x\r\nNOOP\r\n", "500 250"},
    {OPENSMTPD, "Subject: x\r\nNOOP\r\n", "500 250"},
    {ANOTHER, "Subject: x\r\n", "521"},
    {POSTFIX, "GET / HTTP/1.0\r\n", "221"},
    {EXIM, "GET / HTTP/1.0\r\n", "521"},
    {POSTFIX, "OPTIONS / HTTP/1.0\r\nNOOP\r\n", "500 250"},
    {OPENSMTPD, "EHLO c.test\r\nHELO c.test\r\nVRFY b\r\nNOOP x\r\nNOOP\r\n", "503 503 502 501 250"},
    {EXIM, "RSET x\r\nNOOP x\r\nQUIT x\r\nQUIT\r\n", "501 250 501 221"},
    {EXIM, "XXXX\r\nXXXX\r\nXXXX\r\nXXXX\r\n", "500 500 500 500"},
    {EXIM, "ETRN y.test\r\n", "458"},
    {SENDMAIL, "  NOOP\r\n", "250"},
    {ANOTHER, "  NOOP\r\n", "500"},
    {EXIM, "MAIL FROM:<a>\r\nMAIL FROM:<a@x.test.>\r\nMAIL FROM:a@x.test\r\n", "501 501 250"},
    {OPENSMTPD, "MAIL FROM:a@x.test\r\nMAIL FROM:<\"a\"@x.test>\r\nMAIL FROM:<a>\r\n", "501 501 250"},
    {SENDMAIL, "MAIL FROM :<a@x.test>\r\n", "250"},
    {ANOTHER, "MAIL FROM :<a@x.test>\r\n", "501"},
    {POSTFIX, "MAIL FROM:<a@x.test> SIZE=1 SIZE=2\r\n", "250"},
    {EXIM, "MAIL FROM:<a@x.test> SIZE=x RET=y\r\n", "250"},
    {EXIM, "MAIL FROM:<a@x.test> SIZE=99999999999999999999999\r\n", "552"},
    {EXIM, "MAIL FROM:<a@x.test> PRDR\r\n", "250"},
    {POSTFIX, "MAIL FROM:<a@x.test> PRDR\r\n", "555"},
    {POSTFIX, " - x\r\n", "221"},
    {ANOTHER, " - x\r\n", "500"},
    {POSTFIX, "NOOP \xff\r\n", "250"},
    {EXIM, NOOPS NOOPS NOOPS "RSET\r\nNOOP\r\n", "250 250 250 250 250 250 250 250 250 250 554"},
    {EXIM, NOOPS NOOPS ENVELOPE MESSAGE "RSET\r\n" NOOPS NOOPS NOOPS "RSET\r\n",
     "250 250 250 250 250 250 250 250 354 250 250 250 250 250 250 250 250 250 250 250 250"},
    {ANOTHER, NOOPS NOOPS NOOPS "RSET\r\n", "250 250 250 250 250 250 250 250 250 250"},
    {OPENSMTPD, "MAIL FROM:<a@x.test> AUTH\r\nMAIL FROM:<a@x.test> AUTH=x+\r\n", "555 250"},
    {OPENSMTPD, "MAIL FROM:<a@x.test> SIZE\r\nMAIL FROM:<a@x.test> SIZE=x\r\n", "555 250"},
    {OPENSMTPD, "MAIL FROM:<a@x.test> RET\r\nMAIL FROM:<a@x.test> RET=x\r\n", "501 250"},
    {SENDMAIL, "MAIL FROM:<a@x.test> SIZE\r\n", "555"},
    {EXIM, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test.>\r\nRCPT TO:<b@y.test>\r\n", "250 501 250"},
    {SENDMAIL, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test.>\r\n", "250 250"},
    {OPENSMTPD, "MAIL  FROM:<a@x.test>\r\n", "500"},
    {SENDMAIL, ENVELOPE "DATA\r\n|A: b\nc\r\n.\r\nNOOP\r\n", "250 250 354 421"},
    {EXIM, ENVELOPE "DATA\r\n|A: b\nc\r\n.\r\nNOOP\r\n", "250 250 354 550 250"},
    {SENDMAIL, HELLOS HELLOS "EHLO c.test\r\n|NOOP\r\n", "250 250 250 250 421"},
    {EXIM, HELLOS HELLOS "EHLO c.test\r\n|NOOP\r\n", "250 250 250 250 250 250"},
};

static void test_rows(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        harness_start(&harness, NONE, piece);
        harness_rule(&harness, "connect", rows[i].greeting, 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n");
        harness_expect(&harness, "250 250 250");
        g_test_message("%s %s", rows[i].greeting, rows[i].said);
        g_auto(GStrv) parts = g_strsplit(rows[i].said, "|", -1);
        for (gsize part = 0; parts[part] != NULL; part++)
            harness_say(&harness, parts[part]);
        harness_expect(&harness, rows[i].codes);
        harness_finish(&harness);
    }
}

/* What comes with a command whose reply must be awaited first: what comes an octet at a time does not. */
static void test_followed(gsize piece)
{
    static const struct {
        const char *greeting, *said, *whole, *in_pieces;
    } followed[] = {
        {SENDMAIL, "EHLO c.test\r\nNOOP\r\n" ENVELOPE "RSET\r\nQUIT\r\n", "554 250 550 550 250 221",
         "250 250 250 250 250 221"},
        {SENDMAIL, "HELO c.test\r\nMAIL FROM:<a@x.test>\r\n", "554 550", "250 250"},
        {SENDMAIL, ENVELOPE "DATA\r\nA: b\r\n.\r\nNOOP\r\n", "250 250 554", "250 250 354 250 250"},
        {SENDMAIL, "DATA\r\nNOOP\r\n", "503 250", "503 250"},
        {EXIM, ENVELOPE "DATA\r\nA: b\r\n.\r\nNOOP\r\n", "250 250 354 250 250", "250 250 354 250 250"},
        {EXIM, "EHLO c.test\r\nNOOP\r\n", "250 250", "250 250"},
        {POSTFIX, ENVELOPE "DATA\r\nA: b\r\n.\r\nNOOP\r\n", "250 250 354 250 250", "250 250 354 250 250"},
        {ANOTHER, ENVELOPE "DATA\r\nA: b\r\n.\r\nNOOP\r\n", "250 250 354 250 250", "250 250 354 250 250"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(followed); i++) {
        Harness harness;
        harness_start(&harness, NONE, piece);
        harness_rule(&harness, "connect", followed[i].greeting, 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n");
        harness_expect(&harness, "250 250 250");
        harness_say(&harness, followed[i].said);
        harness_expect(&harness, piece == 1 ? followed[i].in_pieces : followed[i].whole);
        harness_finish(&harness);
    }
}

/* What the administrator says of a server stands against what it says itself. */
static void test_software(gsize piece)
{
    static const struct {
        const char *software, *greeting, *said, *codes;
    } named[] = {
        {"postfix", ANOTHER, "Subject: x\r\n", "221"},
        {"exim", ANOTHER, "RSET x\r\n", "501"},
        {"other", POSTFIX, "Subject: x\r\n", "521"},
        {"auto", POSTFIX, "Subject: x\r\n", "221"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(named); i++) {
        g_autofree char *text = g_strdup_printf("%s\n[servers]\nsoftware = %s\n", NONE, named[i].software);
        Harness harness;
        harness_start(&harness, text, piece);
        harness_rule(&harness, "connect", named[i].greeting, 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n");
        harness_expect(&harness, "250 250 250");
        harness_say(&harness, named[i].said);
        harness_expect(&harness, named[i].codes);
        harness_finish(&harness);
    }
}

/* OpenSMTPD and Sendmail close behind a command that is too long, the others go on. */
static void test_long_line(gsize piece)
{
    static const struct {
        const char *greeting, *codes;
    } servers[] = {{OPENSMTPD, "500"}, {SENDMAIL, "421"}, {POSTFIX, "500 250"}};
    g_autofree char *word = g_strnfill(3000, 'x');
    g_autofree char *said = g_strdup_printf("%s\r\nNOOP\r\n", word);
    for (gsize i = 0; i < G_N_ELEMENTS(servers); i++) {
        Harness harness;
        harness_start(&harness, NONE, piece);
        harness_rule(&harness, "connect", servers[i].greeting, 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n");
        harness_expect(&harness, "250 250 250");
        harness_say(&harness, said);
        harness_expect(&harness, servers[i].codes);
        harness_finish(&harness);
    }
}

static const HarnessCase cases[] = {{"/session-manners/rows", test_rows},
                                    {"/session-manners/followed", test_followed},
                                    {"/session-manners/software", test_software},
                                    {"/session-manners/long-line", test_long_line}};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
