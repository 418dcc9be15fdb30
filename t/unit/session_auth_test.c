/* AUTH (RFC 4954): passed on over a connection that serves that client alone. */
#include "base/limits.h"
#include "session_harness.h"

#define EHLO                                                                                                 \
    "250-mta\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN SCRAM-SHA-256-PLUS EXTERNAL\r\n250-AUTH=PLAIN\r\n"    \
    "250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n"
#define MESSAGE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r\n"
#define ADA "AGFkYQBzZXNhbWU=" /* PLAIN: ada, sesame */

static void start(Harness *harness, const char *options, gboolean submission, gsize piece)
{
    harness_start_from(harness, options, "192.0.2.7", submission, piece);
    harness_rule(harness, "EHLO", EHLO, 0);
}

static void start_always(Harness *harness, gsize piece)
{
    start(harness,
          "auth = always\nrecipient_domains = y.test\n[policy submission]\nauthentication_results = yes\n",
          FALSE, piece);
    harness_greet(harness);
}

static void log_in(Harness *harness)
{
    harness_rule(harness, "AUTH PLAIN", "235 2.7.0 welcome\r\n", 0);
    harness_say(harness, "AUTH PLAIN " ADA "\r\n");
    harness_expect_text(harness, "235 2.7.0 welcome\r\n");
}

/* Who hears of it. */
static void test_offered(gsize piece)
{
    static const struct {
        const char *options;
        gboolean submission;
        const char *offered, *codes; /* of AUTH PLAIN */
    } rows[] = {
        {"", FALSE, NULL, "503"},
        {"auth = always\n", FALSE, "250-AUTH PLAIN LOGIN\r\n", "235"},
        {"", TRUE, "250-AUTH PLAIN LOGIN\r\n", "235"},
        {"auth = off\n", TRUE, NULL, "503"},
        {"[clients]\nown_networks = 192.0.2.0/24\n", FALSE, "250-AUTH PLAIN LOGIN\r\n", "235"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        start(&harness, rows[i].options, rows[i].submission, piece);
        harness_rule(&harness, "AUTH", "235 2.7.0 welcome\r\n", 0);
        harness_say(&harness, "EHLO c.test\r\n");
        const char *offered = strstr(harness.replies->str, "AUTH");
        g_assert_cmpint(offered != NULL, ==, rows[i].offered != NULL);
        if (offered != NULL)
            g_assert_nonnull(strstr(harness.replies->str, "AUTH PLAIN LOGIN\r\n"));
        g_string_truncate(harness.replies, 0);
        harness_say(&harness, "AUTH PLAIN " ADA "\r\n");
        harness_expect(&harness, rows[i].codes);
        harness_finish(&harness);
    }
}

/* A message goes over the connection that has logged in, where recipients are for the MTA to judge, and the
 * next one too; then it is closed. */
static void test_messages(gsize piece)
{
    Harness harness;
    start_always(&harness, piece);
    log_in(&harness);
    harness_expect_commands(&harness, "XCLIENT ADDR=192.0.2.7 PORT=[UNAVAILABLE] PROTO=ESMTP "
                                      "NAME=client.test LOGIN=[UNAVAILABLE] HELO=client.test\n"
                                      "EHLO client.test\nAUTH PLAIN " ADA "\n");
    harness_say(&harness, "MAIL FROM:<a@x.test> AUTH=a+40x.test\r\nRCPT TO:<b@else.where>\r\n");
    harness_expect(&harness, "250 250");
    harness_expect_commands(&harness, "MAIL FROM:<a@x.test> AUTH=a+40x.test\nRCPT TO:<b@else.where>\n");
    harness_say(&harness, "DATA\r\nA: b\r\n\r\nx\r\n.\r\n");
    harness_expect(&harness, "354 250");
    g_assert_nonnull(strstr(harness.message->str, "auth=pass smtp.auth=ada"));
    harness_say(&harness, "RSET\r\n" MESSAGE "AUTH PLAIN " ADA "\r\n");
    harness_expect(&harness, "250 250 250 354 250 503");
    g_assert_cmpuint(harness.messages, ==, 2);
    g_assert_cmpuint(harness.returns, ==, 0);
    harness_expect_commands(&harness, "DATA\n.\nMAIL FROM:<a@x.test>\nRCPT TO:<b@y.test>\nDATA\n.\n");
    harness_say(&harness, "QUIT\r\n");
    harness_expect(&harness, "221");
    harness_expect_commands(&harness, "QUIT\n");
    harness_expect_log(&harness, "class=authenticated");
    g_assert_cmpuint(harness_count_log(&harness, "login=ada"), ==, 3);
    harness_finish(&harness);
}

/* A message that is given up before DATA is reset, and the next may come before that is answered. */
static void test_reset(gsize piece)
{
    Harness harness;
    start_always(&harness, piece);
    log_in(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n" MESSAGE);
    harness_expect(&harness, "250 250 250 250 250 354 250");
    g_assert_cmpuint(harness.borrows, ==, 1);
    harness_finish(&harness);
}

/* Both ways, line by line; what the user name is told by. */
static void test_dialogue(gsize piece)
{
    Harness harness;
    start_always(&harness, piece);
    harness_rule(&harness, "AUTH LOGIN", "334 VXNlcm5hbWU6\r\n", 0);
    harness_rule(&harness, "YWRh", "334 UGFzc3dvcmQ6\r\n", 0);
    harness_rule(&harness, "c2VzYW1l", "235 2.7.0 welcome\r\n", 0);
    harness_say(&harness, "auth login\r\n");
    harness_expect_text(&harness, "334 VXNlcm5hbWU6\r\n");
    harness_say(&harness, "YWRh\r\n");
    harness_expect_text(&harness, "334 UGFzc3dvcmQ6\r\n");
    harness_say(&harness, "c2VzYW1l\r\n" MESSAGE);
    harness_expect(&harness, "235 250 250 354 250");
    harness_say(&harness, "QUIT\r\n");
    harness_expect_log(&harness, "login=ada");
    g_assert_null(strstr(harness.log->str, "c2VzYW1l"));
    harness_finish(&harness);
}

static void test_cancelled(gsize piece)
{
    Harness harness;
    start_always(&harness, piece);
    harness_rule(&harness, "AUTH PLAIN", "334 \r\n", 0);
    harness_rule(&harness, "*", "501 5.7.0 cancelled\r\n", 0);
    harness_say(&harness, "AUTH PLAIN\r\n");
    harness_expect_text(&harness, "334 \r\n");
    harness_say(&harness, "*\r\n");
    harness_expect_text(&harness, "501 5.7.0 cancelled\r\n");
    g_assert_cmpuint(harness_count_log(&harness, "login"), ==, 0);
    g_assert_cmpuint(harness.returns, ==, 1);
    harness_say(&harness, MESSAGE); /* as nobody */
    harness_expect(&harness, "250 250 354 250");
    g_assert_cmpuint(harness_count_log(&harness, "class=authenticated"), ==, 0);
    harness_finish(&harness);
}

/* Of what cannot be meant the MTA hears nothing. */
static void test_bad_lines(gsize piece)
{
    g_autofree char *long_text = g_strnfill(POSTERN_AUTH_LINE_MAX_OCTETS - 4, 'A');
    g_autofree char *longer_text = g_strnfill(POSTERN_AUTH_LINE_MAX_OCTETS, 'A');
    g_autofree char *initial = g_strnfill(POSTERN_AUTH_LINE_MAX_OCTETS - 14, 'A');
    const struct {
        const char *text;
        const char *codes;
        gboolean heard;
    } rows[] = {
        {"not base64", "501", FALSE},
        {"YQ=", "501", FALSE},
        {long_text, "235", TRUE},
        {longer_text, "500", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        start_always(&harness, piece);
        harness_rule(&harness, "AUTH PLAIN", "334 \r\n", 0);
        if (rows[i].heard)
            harness_rule(&harness, rows[i].text, "235 2.7.0 welcome\r\n", 0);
        harness_say(&harness, "AUTH PLAIN\r\n");
        harness_expect(&harness, "334");
        g_autofree char *line = g_strconcat(rows[i].text, "\r\n", NULL);
        harness_say(&harness, line);
        harness_expect(&harness, rows[i].codes);
        harness_finish(&harness);
    }
    static const char *const refused[] = {
        "AUTH",         "AUTH PLAIN x", "AUTH PLAIN a b", "AUTH EXTERNAL =", "AUTH SCRAM-SHA-256-PLUS",
        "AUTH CRAM-MD5"};
    static const char *const codes[] = {"501", "501", "501", "504", "504", "504"};
    Harness harness;
    start_always(&harness, piece);
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *line = g_strconcat(refused[i], "\r\n", NULL);
        harness_say(&harness, line);
        harness_expect(&harness, codes[i]);
    }
    g_assert_cmpuint(harness.borrows, ==, 0);
    harness_rule(&harness, "AUTH PLAIN", "235 2.7.0 welcome\r\n", 0);
    g_autofree char *whole = g_strconcat("NOOP ", initial, "\r\nAUTH PLAIN ", initial, "\r\n", NULL);
    harness_say(&harness, whole); /* AUTH alone may be that long */
    harness_expect(&harness, "500 501");
    initial[strlen(initial) / 4 * 4] = '\0';
    g_autofree char *good = g_strconcat("AUTH PLAIN ", initial, "\r\n", NULL);
    harness_say(&harness, good);
    harness_expect(&harness, "235");
    harness_finish(&harness);
}

static void test_failures(gsize piece)
{
    Harness harness;
    start(&harness, "auth = always\nmax_failed_logins = 3\n", FALSE, piece);
    harness_greet(&harness);
    harness_rule(&harness, "AUTH", "535 5.7.8 who?\r\n", 2);
    harness_rule(&harness, "AUTH", "454 4.7.0 later\r\n", 1);
    harness_rule(&harness, "AUTH", "535 5.7.8 who?\r\n", 0);
    harness_say(&harness, "AUTH PLAIN " ADA "\r\nAUTH PLAIN " ADA "\r\nAUTH PLAIN " ADA "\r\n");
    harness_expect(&harness, "535 535 454");
    harness_say(&harness, "AUTH PLAIN " ADA "\r\n");
    harness_expect(&harness, "535 421");
    g_assert_true(harness_is_closed(&harness));
    g_assert_cmpuint(harness.borrows, ==, 4);
    harness_expect_log(&harness, "login session=");
    harness_expect_log(&harness, "user=ada reply=\"535 5.7.8 who?\"");
    harness_expect_log(&harness, "ended=too-many-logins");
    g_assert_null(strstr(harness.log->str, ADA));
    harness_finish(&harness);
}

/* Without the connection there is no login: whatever the client does next. */
static void test_server_lost(gsize piece)
{
    static const struct {
        const char *said, *rule, *codes;
        const char *delivery;
    } rows[] = {
        {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\n", "RCPT", "250 451 451 421",
         NULL},
        {MESSAGE, ".", "250 250 354 451 421", "delivery=unknown"},
        {MESSAGE, "DATA", "250 250 354 451 421", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        start_always(&harness, piece);
        log_in(&harness);
        harness_rule(&harness, rows[i].rule, HARNESS_CLOSE, 0);
        harness_say(&harness, rows[i].said);
        harness_expect(&harness, rows[i].codes);
        g_assert_true(harness_is_closed(&harness));
        if (rows[i].delivery != NULL)
            harness_expect_log(&harness, rows[i].delivery);
        harness_finish(&harness);
    }
    Harness harness;
    start_always(&harness, piece);
    log_in(&harness);
    harness_mta_says(&harness, "421 4.3.0 going\r\n"); /* to one that is silent */
    harness_run(&harness);
    harness_expect(&harness, "421");
    g_assert_true(harness_is_closed(&harness));
    harness_finish(&harness);
}

/* What the client was in the middle of then comes to its end, and so does the session: nothing waits for
 * ever. */
static void test_server_lost_in_message(gsize piece)
{
    static const char begun[] = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n";
    static const struct {
        const char *said, *codes, *then, *then_codes;
    } rows[] = {
        {"DATA\r\nA: b\r\n", "354", "\r\nx\r\n.\r\n", "451 421"},
        {"BDAT 6\r\nA: b\r\n", "250", "BDAT 5 LAST\r\n\r\nx\r\n", "451 421"},
        {"BDAT 6\r\nA: b\r\n", "250", "RSET\r\n", "250 421"},
        {"BDAT 6\r\nA: b\r\n", "250", "HELO again.test\r\n", "250 421"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        start_always(&harness, piece);
        log_in(&harness);
        harness_say(&harness, begun);
        harness_expect(&harness, "250 250");
        harness_say(&harness, rows[i].said);
        harness_expect(&harness, rows[i].codes);
        harness_mta_says(&harness, "421 4.3.0 going\r\n");
        harness_run(&harness);
        harness_say(&harness, rows[i].then);
        harness_expect(&harness, rows[i].then_codes);
        g_assert_true(harness_is_closed(&harness));
        harness_finish(&harness);
    }
}

/* A message that is streamed can be given up only with its connection, and the login goes with that. */
static void test_given_up_in_stream(gsize piece)
{
    static const char *const commands[] = {"RSET\r\n", "HELO again.test\r\n"};
    g_autofree char *body = g_strnfill(4000, 'x');
    g_autofree char *chunk = g_strconcat("BDAT 4008\r\nA: b\r\n\r\n", body, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        Harness harness;
        start(&harness, "auth = always\ninspect = no\nburst_size = 1K\n", FALSE, piece);
        harness_greet(&harness);
        log_in(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
        harness_expect(&harness, "250 250");
        harness_say(&harness, chunk);
        harness_expect(&harness, "250");
        harness_say(&harness, commands[i]);
        harness_expect(&harness, "250 421");
        g_assert_true(harness_is_closed(&harness));
        g_assert_cmpuint(harness.messages, ==, 0);
        harness_finish(&harness);
    }
}

static void test_server_lost_in_dialogue(gsize piece)
{
    static const char *const replies[] = {HARNESS_CLOSE, "354 go on\r\n", "530 5.7.0 TLS first\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(replies); i++) {
        Harness harness;
        start_always(&harness, piece);
        harness_rule(&harness, "AUTH", replies[i], 1);
        harness_say(&harness, "AUTH PLAIN " ADA "\r\n");
        harness_expect(&harness, "454");
        harness_say(&harness, "NOOP\r\n");
        harness_expect(&harness, "250");
        harness_finish(&harness);
    }
    Harness harness;
    /* While the client is asked: what it says then is its answer still, and no command. */
    start_always(&harness, piece);
    harness_rule(&harness, "AUTH", "334 VXNlcm5hbWU6\r\n250 unasked\r\n", 1);
    harness_say(&harness, "AUTH LOGIN\r\n");
    harness_expect(&harness, "334");
    harness_say(&harness, "YWRh\r\nNOOP\r\n");
    harness_expect(&harness, "454 250");
    harness_finish(&harness);
    start_always(&harness, piece);
    harness_rule(&harness, "AUTH", HARNESS_SILENCE, 0);
    harness_say(&harness, "AUTH PLAIN " ADA "\r\n");
    harness_expect(&harness, "");
    harness_wait(&harness, 10000);
    harness_expect(&harness, "454");
    harness_finish(&harness);
}

/* Who is asked and says nothing has less time than between commands, and holds no connection for longer. */
static void test_silent_client(gsize piece)
{
    Harness harness;
    start(&harness, "auth = always\nclient_timeout = 10m\n", FALSE, piece);
    harness_greet(&harness);
    harness_rule(&harness, "AUTH", "334 \r\n", 0);
    harness_say(&harness, "AUTH PLAIN\r\n");
    harness_expect(&harness, "334");
    harness_wait(&harness, POSTERN_LOGIN_ANSWER_MS - 1);
    harness_expect(&harness, "");
    harness_wait(&harness, 1);
    harness_expect(&harness, "421");
    harness_finish(&harness);
}

/* One that has logged in keeps its connection; if others wait, one that does nothing is let go. */
static void test_idle(gsize piece)
{
    Harness harness;
    start(&harness, "auth = always\nclient_timeout = 5m\nbackend_wait = 2m\n", FALSE, piece);
    harness_greet(&harness);
    log_in(&harness);
    harness_wait(&harness, 30000);
    g_assert_cmpuint(harness.returns, ==, 0);
    harness_say(&harness, MESSAGE);
    harness_expect(&harness, "250 250 354 250");
    harness.others_wait = TRUE;
    harness_wait(&harness, POSTERN_LOGIN_PATIENCE_MS - 1);
    harness_say(&harness, "NOOP\r\n");
    harness_expect(&harness, "250");
    harness_wait(&harness, POSTERN_LOGIN_PATIENCE_MS);
    harness_expect(&harness, "421");
    g_assert_true(harness_is_closed(&harness));
    harness_finish(&harness);
}

static void test_submission(gsize piece)
{
    Harness harness;
    start(&harness, "", TRUE, piece);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
    harness_expect(&harness, "530");
    log_in(&harness);
    harness_say(&harness, MESSAGE);
    harness_expect(&harness, "250 250 354 250");
    harness_finish(&harness);
}

/* What is of the next message alone is told all the same, on the same connection. */
static void test_xforward(gsize piece)
{
    Harness harness;
    start(&harness, "auth = always\nclient_address = xforward\nlisten = 127.0.0.1:25\n", FALSE, piece);
    g_array_index(harness.rules, HarnessRule, 0).reply = "250-mta\r\n250-AUTH PLAIN\r\n250 XFORWARD ADDR\r\n";
    harness_greet(&harness);
    log_in(&harness);
    harness_say(&harness, MESSAGE MESSAGE);
    harness_expect(&harness, "250 250 354 250 250 250 354 250");
    g_assert_cmpuint(harness.borrows, ==, 3);
    g_assert_cmpuint(harness.returns, ==, 0);
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session-auth/offered", test_offered},
    {"/session-auth/messages", test_messages},
    {"/session-auth/reset", test_reset},
    {"/session-auth/dialogue", test_dialogue},
    {"/session-auth/cancelled", test_cancelled},
    {"/session-auth/bad-lines", test_bad_lines},
    {"/session-auth/failures", test_failures},
    {"/session-auth/server-lost", test_server_lost},
    {"/session-auth/server-lost-in-message", test_server_lost_in_message},
    {"/session-auth/given-up-in-stream", test_given_up_in_stream},
    {"/session-auth/server-lost-in-dialogue", test_server_lost_in_dialogue},
    {"/session-auth/silent-client", test_silent_client},
    {"/session-auth/idle", test_idle},
    {"/session-auth/submission", test_submission},
    {"/session-auth/xforward", test_xforward},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
