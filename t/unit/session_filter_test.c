#include "proxy/session/session.h"

#include "base/limits.h"
#include "session_harness.h"

/* The proxy as smtpd_proxy_filter: between two smtpd, the client known by XFORWARD alone. */
#define FILTER                                                                                               \
    "role = before_queue_filter\ntrusted_clients = 127.0.0.0/8\nclient_address = xforward\n"                 \
    "filter_timeout = 20s\n"
#define FORWARD                                                                                              \
    "XFORWARD NAME=mx.sender.test ADDR=203.0.113.5 PORT=4242 HELO=he.lo PROTO=ESMTP IDENT=4Bqueue "          \
    "SOURCE=REMOTE\r\n"
#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
#define MESSAGE "A: b\r\n\r\nx\r\n.\r\n"

static void start_filter(Harness *harness, const char *more, gboolean submission, gsize piece)
{
    g_autofree char *text = g_strconcat(FILTER, more, NULL);
    harness_start_from(harness, text, "127.0.0.1", submission, piece);
    harness_say(harness, "EHLO smtpd.test\r\n");
}

static void test_only_trusted(gsize piece)
{
    Harness harness;
    harness_start_from(&harness, FILTER, "192.0.2.7", FALSE, piece);
    harness_say(&harness, "EHLO c\r\n" FORWARD ENVELOPE);
    harness_expect_text(&harness, "554 5.7.1 Only [proxy] trusted_clients may connect here [id]\r\n");
    g_assert_true(harness_is_closed(&harness));
    harness_expect_log(&harness, "client=192.0.2.7");
    harness_expect_log(&harness, "ended=not-trusted");
    harness_finish(&harness);
}

static void test_announced(gsize piece)
{
    static const struct {
        const char *configuration;
        gboolean xclient, xforward;
    } rows[] = {
        {FILTER, TRUE, TRUE},
        {"trusted_clients = 127.0.0.1\n", TRUE, FALSE},
        {"trusted_clients = 127.0.0.2\n", FALSE, FALSE},
        {"", FALSE, FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        harness_start_from(&harness, rows[i].configuration, "127.0.0.1", FALSE, piece);
        harness_say(&harness, "EHLO smtpd.test\r\n");
        gboolean xclient = strstr(harness.replies->str, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN "
                                                        "DESTADDR DESTPORT REVERSE_NAME\r\n") != NULL;
        gboolean xforward =
            strstr(harness.replies->str, "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n") != NULL;
        g_assert_cmpint(xclient, ==, rows[i].xclient);
        g_assert_cmpint(xforward, ==, rows[i].xforward);
        harness_expect(&harness, "220 250");
        harness_say(&harness, "XCLIENT ADDR=192.0.2.1\r\n");
        harness_expect(&harness, xclient ? "220" : "550");
        harness_say(&harness, "XFORWARD ADDR=192.0.2.1\r\n");
        harness_expect(&harness, xforward ? "250" : "550");
        harness_finish(&harness);
    }
}

/* Whom the back-end takes a message of now for the client of. */
static void expect_told(Harness *harness, const char *pattern)
{
    g_autofree char *whole = g_strconcat("*", pattern, "MAIL FROM:<a@x.test>*", NULL);
    g_string_truncate(harness->commands, 0);
    harness_say(harness, ENVELOPE);
    g_assert_true(g_str_has_suffix(harness->replies->str, "250 2.1.0 Ok\r\n250 2.1.5 recipient ok\r\n"));
    if (!g_pattern_match_simple(whole, harness->commands->str))
        g_error("not '%s': %s", whole, harness->commands->str);
    g_string_truncate(harness->replies, 0);
}

/* Who is forwarded is judged, logged, and told to the back-end; with the transaction it is forgotten. */
static void test_forwarded(gsize piece)
{
    Harness harness;
    start_filter(&harness, "", FALSE, piece);
    g_assert_cmpuint(harness.look_ups, ==, 0);
    harness_say(&harness, FORWARD "MAIL FROM:<a@x.test>\r\n");
    harness_say(&harness, "RCPT TO:<b@y.test>\r\nDATA\r\n" MESSAGE);
    harness_expect(&harness, "220 250 250 250 250 354 250");
    g_assert_nonnull(strstr(harness.commands->str,
                            "XFORWARD ADDR=203.0.113.5 PORT=4242 PROTO=ESMTP "
                            "NAME=mx.sender.test IDENT=4Bqueue SOURCE=REMOTE HELO=he.lo"));
    harness_expect_log(&harness, "client=203.0.113.5 peer=127.0.0.1 ");
    harness_expect_log(&harness, " name=mx.sender.test helo=he.lo");
    harness_expect_log(&harness, "queue=4Bqueue");
    g_assert_null(strstr(harness.log->str, "login="));
    expect_told(&harness, "XFORWARD ADDR=127.0.0.1 *HELO=smtpd.test*");
    harness_finish(&harness);
}

/* The first XFORWARD makes all others not available; more of them add to it; nothing is mixed in from here.
 */
static void test_forwarded_in_pieces(gsize piece)
{
    static const char *const ends[] = {"", "RSET\r\n", "EHLO again\r\n", "MAIL FROM:<>\r\nRSET\r\n"};
    static const char *const told[] = {"XFORWARD ADDR=IPV6:2001:db8::7 *NAME=[UNAVAILABLE]*HELO=c+C3+A4*",
                                       "XFORWARD ADDR=127.0.0.1 *HELO=smtpd.test*",
                                       "XFORWARD ADDR=127.0.0.1 *HELO=again*",
                                       "XFORWARD ADDR=127.0.0.1 *HELO=smtpd.test*"};
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        Harness harness;
        start_filter(&harness, "", FALSE, piece);
        harness_say(&harness, "XFORWARD ADDR=IPV6:2001:db8::7\r\n");
        harness_say(&harness, "xforward HELO=a+20b\r\nXFORWARD HELO=c+C3+A4 NAME=[UNAVAILABLE]\r\n");
        harness_expect(&harness, "220 250 250 250 250");
        harness_say(&harness, ends[i]);
        expect_told(&harness, told[i]);
        harness_finish(&harness);
    }
}

/* The first XFORWARD alone: all that it does not tell is not known. */
static void test_forwarded_address_alone(gsize piece)
{
    Harness harness;
    start_filter(&harness, "", FALSE, piece);
    harness_say(&harness, "XFORWARD ADDR=IPV6:2001:db8::7\r\n");
    expect_told(&harness, "XFORWARD ADDR=IPV6:2001:db8::7 *");
    g_assert_null(strstr(harness.commands->str, "smtpd.test"));
    g_assert_null(strstr(harness.commands->str, "client.test"));
    harness_finish(&harness);
}

static const struct {
    const char *line;
    const char *codes;
} refused[] = {
    {"XFORWARD", "501"},
    {"XFORWARD ADDR=300.1.1.1", "501"},
    {"XFORWARD HELO=a+0Ab", "501"},
    {"XFORWARD HELO=+FF", "501"},
    {"XFORWARD LOGIN=me", "501"},
    {"XFORWARD PORT=70000", "501"},
    {"XFORWARD NAME=good ADDR=bad", "501"},
    {"XFORWARD HELO=a\tb", "500"},
    {"XCLIENT ADDR=bad", "501"},
    {"XCLIENT DESTADDR=bad", "501"},
    {"XCLIENT IDENT=x", "501"},
    {"MAIL FROM:<a@x.test>\r\nXFORWARD ADDR=192.0.2.1", "250 503"},
    {"MAIL FROM:<a@x.test>\r\nXCLIENT ADDR=192.0.2.1", "250 503"},
};

/* What is refused changes nothing, not even half. */
static void test_refused(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *line = g_strconcat(refused[i].line, "\r\n", NULL);
        Harness harness;
        start_filter(&harness, "", FALSE, piece);
        harness_expect(&harness, "220 250");
        harness_say(&harness, line);
        harness_expect(&harness, refused[i].codes);
        harness_say(&harness, "RSET\r\n");
        expect_told(&harness, "XFORWARD ADDR=127.0.0.1 *HELO=smtpd.test*");
        harness_finish(&harness);
    }
}

static void test_refusals_are_counted(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_run(&harness);
    harness_expect(&harness, "220");
    for (guint i = 1; i <= POSTERN_ERRORS_MAX; i++) {
        harness_say(&harness, "XFORWARD ADDR=192.0.2.1\r\n");
        harness_expect(&harness, i < POSTERN_ERRORS_MAX ? "550" : "550 421");
    }
    harness_finish(&harness);
}

/* XCLIENT begins the session anew, for another client; its peer stays the one that is trusted. */
static void test_xclient(gsize piece)
{
    Harness harness;
    harness_start_from(&harness, "trusted_clients = 127.0.0.1", "127.0.0.1", FALSE, piece);
    harness_run(&harness);
    g_assert_cmpuint(harness.look_ups, ==, 1);
    harness_say(&harness,
                "EHLO lb\r\nXCLIENT NAME=c.test ADDR=203.0.113.5 LOGIN=me HELO=he.lo PROTO=ESMTP\r\n");
    harness_expect(&harness, "220 250 220");
    g_assert_cmpuint(harness.look_ups, ==, 1);
    harness_say(&harness, ENVELOPE "DATA\r\n" MESSAGE);
    harness_expect(&harness, "250 250 354 250");
    g_assert_nonnull(strstr(harness.commands->str, "XCLIENT ADDR=203.0.113.5 PORT=[UNAVAILABLE] PROTO=ESMTP "
                                                   "NAME=c.test LOGIN=me HELO=he.lo\nEHLO he.lo\n"));
    harness_expect_log(&harness, "client=203.0.113.5 peer=127.0.0.1 ");
    harness_expect_log(&harness, " name=c.test");
    harness_expect_log(&harness, "class=authenticated");
    g_assert_cmpuint(harness.mtas->len, ==, 0); /* what has carried a login serves nobody else */
    harness.hold_names = TRUE;
    harness_say(&harness, "XCLIENT ADDR=203.0.113.6\r\n");
    harness_expect(&harness, "220");
    g_assert_cmpuint(harness.look_ups, ==, 2); /* it has another name, or none */
    harness_say(&harness, "RCPT TO:<b@y.test>\r\n");
    harness_expect(&harness, "503");
    harness_name(&harness, "d.test", FALSE);
    harness_say(&harness, "EHLO d\r\n");
    expect_told(&harness, "XCLIENT ADDR=203.0.113.6 *NAME=d.test LOGIN=[UNAVAILABLE] HELO=d\n*");
    harness_finish(&harness);
}

/* What one client did is not the next one's fault, nor is its port the next one's. */
static void test_xclient_counts_anew(gsize piece)
{
    Harness harness;
    harness_start_from(&harness, "trusted_clients = 127.0.0.1", "127.0.0.1", FALSE, piece);
    harness_run(&harness);
    harness_expect(&harness, "220");
    for (guint i = 0; i < 2 * POSTERN_COMMANDS_WITHOUT_MAIL_MAX; i++) {
        harness_say(&harness,
                    "XCLIENT NAME=c.test PORT=4242 ADDR=203.0.113.5\r\nEHLO c.test\r\nNONSENSE\r\n");
        harness_expect(&harness, "220 250 500");
    }
    expect_told(&harness, "XCLIENT ADDR=203.0.113.5 PORT=4242 *");
    harness_say(&harness, "RSET\r\n");
    g_string_truncate(harness.replies, 0);
    harness_say(&harness, "XCLIENT NAME=d.test ADDR=203.0.113.6\r\n");
    harness_say(&harness, "EHLO d.test\r\n");
    harness_expect(&harness, "220 250");
    expect_told(&harness, "XCLIENT ADDR=203.0.113.6 PORT=[UNAVAILABLE] *");
    harness_say(&harness,
                "XCLIENT NAME=d.test ADDR=203.0.113.6\r\nRSET\r\nXCLIENT NAME=d.test ADDR=203.0.113.6\r\n");
    harness_expect(&harness, "503 250 220");
    for (guint i = 1; i < POSTERN_ERRORS_MAX; i++) {
        harness_say(&harness, "NONSENSE\r\n");
        harness_expect(&harness, "500");
    }
    harness_say(&harness, "NONSENSE\r\n");
    harness_expect(&harness, "500 421");
    harness_finish(&harness);
}

/* Postfix hands on what its client says, whatever we have announced. */
static void test_blind_parameters(gsize piece)
{
    static const char bare_ehlo[] = "250-mta\r\n250 XFORWARD NAME ADDR SOURCE\r\n";
    static const char full_ehlo[] =
        "250-mta\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 XFORWARD NAME ADDR\r\n";
    static const struct {
        const char *ehlo, *mail, *rcpt, *codes, *seen, *log;
    } rows[] = {
        {full_ehlo, "MAIL FROM:<a@x.test> SIZE=5 BODY=8BITMIME RET=HDRS ENVID=e SMTPUTF8 AUTH=<>",
         "RCPT TO:<b@y.test> NOTIFY=NEVER ORCPT=rfc822;b@y.test", "250 250",
         "MAIL FROM:<a@x.test> SIZE=5 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e\n"
         "RCPT TO:<b@y.test> NOTIFY=NEVER ORCPT=rfc822;b@y.test\n",
         NULL},
        {bare_ehlo, "MAIL FROM:<a@x.test> SIZE=5 RET=HDRS", "RCPT TO:<b@y.test> NOTIFY=NEVER", "250 250",
         "MAIL FROM:<a@x.test>\nRCPT TO:<b@y.test>\n", "dsn=dropped"},
        {bare_ehlo, "MAIL FROM:<a@x.test> BODY=8BITMIME", "RCPT TO:<b@y.test>", "250 451", "",
         "lacks what the client has used: 8BITMIME"},
        {bare_ehlo, "MAIL FROM:<a@x.test> SMTPUTF8 BODY=8BITMIME", "RCPT TO:<b@y.test>", "250 451", "",
         "lacks what the client has used: 8BITMIME, SMTPUTF8"},
        {full_ehlo, "MAIL FROM:<\303\244@x.test> SMTPUTF8", "RCPT TO:<\303\266@y.test>", "250 250",
         "MAIL FROM:<\303\244@x.test> SMTPUTF8\nRCPT TO:<\303\266@y.test>\n", NULL},
        {full_ehlo, "MAIL FROM:<a@x.test> COLOUR=red", "RSET", "555 250", "", NULL},
        {full_ehlo, "MAIL FROM:<a@x.test> SMTPUTF8=1", "RSET", "501 250", "", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *lines = g_strdup_printf("%s\r\n%s\r\n", rows[i].mail, rows[i].rcpt);
        Harness harness;
        harness_start_from(&harness, FILTER, "127.0.0.1", FALSE, piece);
        harness_rule(&harness, "EHLO", rows[i].ehlo, 0);
        harness_say(&harness, "EHLO smtpd.test\r\n");
        harness_expect(&harness, "220 250");
        harness_say(&harness, lines);
        harness_expect(&harness, rows[i].codes);
        const char *mail = strstr(harness.commands->str, "MAIL");
        g_assert_cmpstr(mail != NULL ? mail : "", ==, rows[i].seen);
        harness_say(&harness, "QUIT\r\n");
        if (rows[i].log != NULL)
            harness_expect_log(&harness, rows[i].log);
        harness_finish(&harness);
    }
}

static const struct {
    const char *silent; /* the MTA does not answer this; NULL: the verdict does not come */
    const char *said;
    const char *codes;
    const char *delivery;
} silences[] = {
    {"XFORWARD", ENVELOPE, "250 451", "delivery=none"},
    {"MAIL", ENVELOPE, "250 451", "delivery=none"},
    {"RCPT", ENVELOPE "QUIT\r\n", "250 451 221", "delivery=none"},
    {NULL, ENVELOPE "DATA\r\n" MESSAGE, "250 250 354 451", "delivery=none"},
    {"DATA", ENVELOPE "DATA\r\n" MESSAGE, "250 250 354 451", "delivery=none"},
    {".", ENVELOPE "DATA\r\n" MESSAGE, "250 250 354 451", "delivery=unknown"},
};

/* filter_timeout is the end of every wait, before the server in front gives up. */
static void test_deadline(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(silences); i++) {
        Harness harness;
        start_filter(&harness, "backend_timeout = 10m\nbackend_data_end_timeout = 10m\n", FALSE, piece);
        harness_expect(&harness, "220 250");
        if (silences[i].silent != NULL)
            harness_rule(&harness, silences[i].silent, HARNESS_SILENCE, 0);
        harness.hold_inspection = silences[i].silent == NULL;
        harness_say(&harness, silences[i].said);
        g_assert_null(strstr(harness.replies->str, "451"));
        harness_wait(&harness, 19999); /* the MTA has more time than we */
        g_assert_null(strstr(harness.replies->str, "451"));
        harness_wait(&harness, 1);
        g_assert_nonnull(strstr(harness.replies->str, "451 4.3.2 No answer in time, try again later"));
        harness_expect(&harness, silences[i].codes);
        harness_say(&harness, "RSET\r\nQUIT\r\n");
        harness_expect_log(&harness, silences[i].delivery);
        g_assert_cmpuint(harness_count_log(&harness, "message session="), ==, 1);
        g_assert_false(harness.lent);
        g_assert_cmpuint(harness.world.inspections, ==, 0);
        harness_finish(&harness);
    }
}

/* In front of a mail server nobody is in a hurry: no such end there. */
static void test_no_deadline_elsewhere(gsize piece)
{
    Harness harness;
    harness_start(&harness, "filter_timeout = 1s\ninspection_timeout = 10m", piece);
    harness.hold_inspection = TRUE;
    harness_open_envelope(&harness);
    harness_say(&harness, "DATA\r\n" MESSAGE);
    harness_wait(&harness, 60000);
    harness_expect(&harness, "354");
    harness_inspected(&harness, NULL);
    harness_run(&harness);
    harness_expect(&harness, "250");
    harness_finish(&harness);
}

/* Who is gone needs no answer; what became of the message is still waited for and logged. */
static void test_nobody_hears(gsize piece)
{
    Harness harness;
    start_filter(&harness, "backend_data_end_timeout = 10m\n", FALSE, piece);
    harness_rule(&harness, ".", HARNESS_SILENCE, 0);
    harness_stop_listening(&harness);
    harness_say(&harness, ENVELOPE "DATA\r\n" MESSAGE);
    harness_leave(&harness);
    harness_wait(&harness, 25000);
    harness_mta_says(&harness, "250 2.0.0 taken\r\n");
    harness_run(&harness);
    harness_expect_log(&harness, "delivery=accepted");
    harness_expect_log(&harness, "ended=client-closed");
    g_assert_true(harness_is_closed(&harness));
    harness_finish(&harness);
}

static void test_submission(gsize piece)
{
    for (guint submission = 0; submission < 2; submission++) {
        Harness harness;
        start_filter(&harness, "submission_listen = 127.0.0.1:2526\n[policy]\nspf_fail = reject\n",
                     submission, piece);
        harness.findings->spf.result = POSTERN_SPF_FAIL;
        harness_say(&harness, FORWARD ENVELOPE "DATA\r\n" MESSAGE);
        harness_expect(&harness, submission ? "220 250 250 250 250 354 250" : "220 250 250 250 250 354 550");
        g_assert_cmpint((harness.begun & POSTERN_CHECK_SPF) != 0, ==, !submission);
        g_assert_cmpint((harness.checks & POSTERN_CHECK_SPF) != 0, ==, !submission);
        harness_expect_log(&harness, submission ? "class=authenticated policy=submission" : "class=other");
        g_assert_cmpint(strstr(harness.message->str, "spf=") != NULL, ==, FALSE);
        harness_finish(&harness);
    }
}

static const HarnessCase cases[] = {
    {"/session-filter/only-trusted", test_only_trusted},
    {"/session-filter/announced", test_announced},
    {"/session-filter/forwarded", test_forwarded},
    {"/session-filter/forwarded-in-pieces", test_forwarded_in_pieces},
    {"/session-filter/forwarded-address-alone", test_forwarded_address_alone},
    {"/session-filter/refused", test_refused},
    {"/session-filter/refusals-are-counted", test_refusals_are_counted},
    {"/session-filter/xclient", test_xclient},
    {"/session-filter/xclient-counts-anew", test_xclient_counts_anew},
    {"/session-filter/blind-parameters", test_blind_parameters},
    {"/session-filter/deadline", test_deadline},
    {"/session-filter/no-deadline-elsewhere", test_no_deadline_elsewhere},
    {"/session-filter/nobody-hears", test_nobody_hears},
    {"/session-filter/submission", test_submission},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
