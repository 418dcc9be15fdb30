#include "proxy/session/session.h"

#include "base/limits.h"
#include "session_harness.h"

static void test_hello(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_run(&harness);
    harness_expect_text(&harness, "220 mx.test ESMTP id\r\n");
    harness_say(&harness, "NOOP\r\nRCPT TO:<b@y.test>\r\nDATA\r\nEHLO\r\nHELO \r\nEHLO a b\r\n");
    harness_expect(&harness, "250 503 503 501 501 501");
    harness_say(&harness, "HELO client.test\r\n");
    harness_expect_text(&harness, "250 mx.test\r\n");
    harness_say(&harness, "ehlo [192.0.2.7]\r\n");
    harness_expect_text(&harness, "250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 52428800\r\n"
                                  "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-CHUNKING\r\n"
                                  "250 LIMITS RCPTMAX=1000\r\n");
    g_assert_cmpuint(harness.borrows, ==, 0);
    harness_say(&harness, "QUIT\r\n");
    harness_expect_log(&harness, " helo=[192.0.2.7] ");
    harness_finish(&harness);
}

/* What the back-end lacks is not announced; its SIZE is, less room for our header fields. */
static void test_capabilities(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, "EHLO", "250-mta\r\n250-SIZE 1000000\r\n250 XCLIENT ADDR NAME\r\n", 0);
    harness_say(&harness, "EHLO c\r\n");
    g_assert_null(strstr(harness.replies->str, "8BITMIME"));
    g_assert_null(strstr(harness.replies->str, "DSN"));
    g_assert_nonnull(strstr(harness.replies->str, "SIZE 991808"));
    harness_expect(&harness, "220 250");
    harness_say(&harness, "MAIL FROM:<a@x.test> RET=HDRS\r\nMAIL FROM:<a@x.test> SIZE=991809\r\n");
    harness_expect(&harness, "555 552");
    harness_say(&harness, "MAIL FROM:<a@x.test> SIZE=991808\r\nRCPT TO:<b@y.test> NOTIFY=NEVER\r\n");
    harness_expect(&harness, "250 555");
    harness_finish(&harness);
}

static const struct {
    const char *line;
    const char *codes;
} commands[] = {
    {"NOOP", "250"},
    {"noop with words", "250"},
    {"RSET", "250"},
    {"HELP", "214"},
    {"VRFY root", "252"},
    {"EXPN list", "502"},
    {"STARTTLS", "502"},
    {"AUTH PLAIN AGEAYg==", "503"},
    {"XCLIENT ADDR=192.0.2.1", "550"},
    {"XFORWARD ADDR=192.0.2.1", "550"},
    {"GET / HTTP/1.1", "521"},
    {"", "500"},
    {"MAIL", "501"},
    {"MAIL FROM:", "501"},
    {"MAIL FROM:a@x.test", "250"},
    {"MAIL FROM:< a@x.test > SIZE=5", "250"},
    {"MAIL FROM:<root>", "250"},
    {"MAIL FROM:<root%x.test>", "501"},
    {"MAIL FROM:<a@x.test", "501"},
    {"MAIL FROM:<a@x.test> SIZE=many", "501"},
    {"MAIL FROM:<a@x.test> SIZE", "501"},
    {"MAIL FROM:<a@x.test> SIZE=-1", "501"},
    {"MAIL FROM:<a@x.test> SIZE=99999999999999999999999", "501"},
    {"MAIL FROM:<a@x.test> SIZE=99999999999", "552"},
    {"MAIL FROM:<a@x.test> BODY=BINARYMIME", "501"},
    {"MAIL FROM:<a@x.test> SMTPUTF8", "555"},
    {"MAIL FROM:<a@x.test> AUTH=<>", "555"},
    {"MAIL FROM:<a@x.test> RET=FULL ENVID=abc BODY=8bitmime SIZE=5", "250"},
    {"MAIL FROM:<>", "250"},
    {"mail from: <a@x.test>", "250"},
    {"RCPT TO:<b@y.test>", "503"},
    {"DATA", "503"},
    {"DATA now", "503"},
    {"ETRN example.org", "502"},
    {"MAIL FROM:<a@x.test> RET=SOME", "501"},
    {"MAIL FROM:<a@x.test> ENVID=a+zz", "501"},
    {"MAIL FROM:<a@x.test> REQUIRETLS", "555"},
    {"MAIL FROM:<\303\244@x.test>", "250"},
    {"MAIL FROM:<a@\303\244.test>", "501"},
    {"QUIT", "221"},
    {"BDAT 6\r\nQUIT", "503"},
    {"BDAT 0 LAST", "503"},
    {"BDAT", "521"},
    {"BDAT all", "521"},
};

static void test_commands(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *line = g_strconcat(commands[i].line, "\r\n", NULL);
        gboolean closes = g_str_equal(commands[i].codes, "221") || g_str_equal(commands[i].codes, "521");
        Harness harness;
        harness_start(&harness, "discard_ehlo_keywords = VRFY; EXPN; HELP; ETRN", piece);
        harness_greet(&harness);
        harness_say(&harness, line);
        harness_expect(&harness, commands[i].codes);
        g_assert_cmpint(harness_is_closed(&harness), ==, closes);
        if (!closes) {
            harness_say(&harness, "NOOP\r\n"); /* still in step */
            harness_expect(&harness, "250");
        }
        g_assert_cmpuint(harness.borrows, ==, 0);
        harness_finish(&harness);
    }
}

/* After the last reply nothing is read, said or done. */
static void test_nothing_after_quit(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    harness_say(&harness, "QUIT\r\nNOOP\r\n");
    harness_expect(&harness, "221");
    harness_wait(&harness, 1000000);
    world_drain(&harness.world, 600000);
    harness_run(&harness);
    harness_expect(&harness, "");
    g_assert_true(harness_is_closed(&harness));
    g_assert_cmpuint(harness_count_log(&harness, "session session="), ==, 1);
    harness_expect_log(&harness, "ended=quit");
    harness_finish(&harness);
}

/* Who is told of the client judges; what RFC 5321 4.1.1.1 says holds before others. */
static void test_mail_without_hello(gsize piece)
{
    static const char envelope[] = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n";
    Harness harness;
    harness_start(&harness, "", piece);
    harness_run(&harness);
    harness_expect(&harness, "220");
    harness_say(&harness, envelope);
    harness_expect(&harness, "250 250");
    g_assert_nonnull(strstr(harness.commands->str, "XCLIENT "));
    g_assert_nonnull(strstr(harness.commands->str, " HELO=[UNAVAILABLE]\nMAIL FROM:<a@x.test>"));
    harness_finish(&harness);
    harness_start(&harness, "client_address = none\nrecipient_domains = y.test", piece);
    harness_run(&harness);
    harness_expect(&harness, "220");
    harness_say(&harness, envelope);
    harness_expect(&harness, "503 503");
    g_assert_cmpuint(harness.borrows, ==, 0);
    harness_finish(&harness);
}

static void test_errors(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    for (guint i = 1; i < POSTERN_ERRORS_MAX; i++) {
        harness_say(&harness, "BOGUS\r\n");
        harness_expect(&harness, "500");
    }
    harness_say(&harness, "BOGUS\r\nNOOP\r\n");
    harness_expect(&harness, "500 421");
    g_assert_true(harness_is_closed(&harness));
    harness_expect_log(&harness, "ended=too-many-errors");
    harness_finish(&harness);
}

static void test_commands_without_mail(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    for (guint i = 1; i < POSTERN_COMMANDS_WITHOUT_MAIL_MAX; i++)
        harness_say(&harness, "NOOP\r\n");
    g_string_truncate(harness.replies, 0);
    harness_say(&harness, "NOOP\r\nNOOP\r\n");
    harness_expect(&harness, "421");
    g_assert_true(harness_is_closed(&harness));
    harness_finish(&harness);
}

/* A message gives a client a fresh start. */
static void test_message_resets_count(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    for (guint round = 0; round < 3; round++) {
        for (guint i = 2; i < POSTERN_COMMANDS_WITHOUT_MAIL_MAX; i++)
            harness_say(&harness, "NOOP\r\n");
        g_string_truncate(harness.replies, 0);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nA: b\r\n\r\n.\r\n");
        harness_expect(&harness, "250 250 354 250");
    }
    harness_finish(&harness);
}

static void test_long_lines(gsize piece)
{
    g_autofree char *fits = g_strnfill(POSTERN_COMMAND_LINE_MAX_OCTETS - 7, 'x');
    g_autofree char *ok = g_strdup_printf("NOOP %s\r\n", fits);
    g_autofree char *long_word = g_strnfill(100000, 'x');
    g_autofree char *over = g_strdup_printf("NOOP %sx\r\nNOOP %s\r\nNOOP\r\n", fits, long_word);
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    harness_say(&harness, ok);
    harness_expect(&harness, "250");
    harness_say(&harness, over);
    harness_expect(&harness, "500 500 250");
    harness_finish(&harness);
}

static const char *const bare_lines[] = {
    "NOOP\n",     "NOOP\rNOOP\r\n",
    "NOOP\r\r\n", "NO\nOP\r\n",
    "\n",         "MAIL FROM:<a@x.test>\nRCPT TO:<b@y.test>\r\n",
};

static void test_bare_newlines(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(bare_lines); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_greet(&harness);
        harness_say(&harness, bare_lines[i]);
        harness_say(&harness, "NOOP\r\n");
        harness_expect(&harness, "521");
        g_assert_true(harness_is_closed(&harness));
        harness_expect_log(&harness, "ended=bare-newline");
        harness_finish(&harness);
    }
}

static void test_nul_in_command(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    harness_say_octets(&harness, "NO\0OP\r\nNOOP\r\n", 13);
    harness_expect(&harness, "500 250");
    harness_finish(&harness);
}

/* What ends the session waits for the answers to what came before it. */
static void test_nothing_overtakes_an_answer(gsize piece)
{
    static const char *const ends[] = {"NOOP\n", "BDAT 5 LAST\r\nQUIT\n", "GET / HTTP/1.1\r\n", "QUIT\r\n"};
    static const char *const codes[] = {"550 521", "550 554", "550 521", "550 221"};
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_rule(&harness, "RCPT", HARNESS_SILENCE, 1);
        harness_say(&harness, "EHLO client.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
        harness_say(&harness, ends[i]);
        harness_expect(&harness, "220 250 250");
        harness_mta_says(&harness, "550 5.1.1 no\r\n");
        harness_run(&harness);
        harness_expect(&harness, codes[i]);
        harness_finish(&harness);
    }
}

static void test_bare_newline_repaired(gsize piece)
{
    Harness harness;
    harness_start(&harness, "bare_newline = repair", piece);
    harness_greet(&harness);
    harness_say(&harness, "NOOP\nMAIL FROM:<a@x.test>\nRCPT TO:<b@y.test>\n");
    harness_expect(&harness, "250 250 250");
    g_assert_false(harness_is_closed(&harness));
    harness_finish(&harness);
}

/* EHLO and RSET in a transaction end it; the back-end goes back, reset. */
static void test_reset(gsize piece)
{
    static const char *const ends[] = {"RSET\r\n", "EHLO again.test\r\n", "HELO again.test\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_open_envelope(&harness);
        harness_say(&harness, ends[i]);
        harness_expect(&harness, "250");
        harness_expect_commands(&harness, "RSET\n");
        g_assert_cmpuint(harness.returns, ==, 1);
        harness_say(&harness,
                    "RCPT TO:<b@y.test>\r\nDATA\r\nMAIL FROM:<c@x.test>\r\nMAIL FROM:<c@x.test>\r\n");
        harness_expect(&harness, "503 503 250 503");
        harness_finish(&harness);
    }
}

static void test_client_timeout(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    harness_wait(&harness, 59999);
    harness_expect(&harness, "");
    harness_say(&harness, "NOOP\r\n");
    harness_expect(&harness, "250");
    harness_wait(&harness, 60000);
    harness_expect(&harness, "421");
    g_assert_true(harness_is_closed(&harness));
    harness_expect_log(&harness, "ended=timeout");
    harness_finish(&harness);
}

/* Octets that are no command do not put the deadline off for ever. */
static void test_command_comes_in_time(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    for (guint i = 0; i < 4; i++) {
        harness_say(&harness, "X");
        harness_wait(&harness, 20000);
    }
    harness_expect(&harness, "421");
    harness_finish(&harness);
}

/* The time that the back-end took for its answer is not the client's. */
static void test_clients_time_begins_with_the_answer(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_hold_connections(&harness);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
    harness_expect(&harness, "250");
    harness_wait(&harness, 59000);
    harness_give(&harness, 0);
    harness_expect(&harness, "250");
    harness_wait(&harness, 59000);
    harness_say(&harness, "NOOP\r\n");
    harness_expect(&harness, "250");
    harness_finish(&harness);
}

static void test_drain(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    world_drain(&harness.world, 600000);
    harness_run(&harness);
    harness_expect(&harness, "421");
    g_assert_true(harness_is_closed(&harness));
    harness_finish(&harness);

    harness_start(&harness, "", piece); /* in a transaction: after its message */
    harness_open_envelope(&harness);
    world_drain(&harness.world, 600000);
    harness_say(&harness, "DATA\r\n");
    harness_expect(&harness, "354");
    harness_say(&harness, "A: b\r\n\r\n.\r\n");
    harness_expect(&harness, "250 421");
    g_assert_true(harness_is_closed(&harness));
    g_assert_cmpuint(harness.messages, ==, 1);
    harness_finish(&harness);

    harness_start(&harness, "", piece); /* it gives up its transaction: it is idle then */
    harness_open_envelope(&harness);
    world_drain(&harness.world, 600000);
    harness_say(&harness, "RSET\r\n");
    harness_expect(&harness, "250 421");
    g_assert_true(harness_is_closed(&harness));
    harness_finish(&harness);
}

static void test_end(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_open_envelope(&harness);
    world_drain(&harness.world, 0);
    harness_run(&harness);
    harness_expect_text(&harness, "421 4.3.2 Service shutting down [id]\r\n");
    g_assert_cmpuint(harness.returns + harness.abandons, ==, 1);
    g_assert_cmpuint(harness_count_log(&harness, "message session="), ==, 1);
    g_assert_cmpuint(harness_count_log(&harness, "session session="), ==, 1);
    harness_finish(&harness);
}

/* Peer text never forms a line of its own, in a reply or in the log. */
static void test_hostile_names(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_say(&harness, "EHLO a\"b\\c=d\r\n");
    harness_expect(&harness, "220 250");
    harness_say(&harness, "MAIL FROM:<\"x y\"@x.test>\r\nRCPT TO:<b@y.test>\r\nQUIT\r\n");
    harness_expect(&harness, "250 250 221");
    harness_expect_log(&harness, "helo=\"a\\\"b\\\\c=d\"");
    g_assert_cmpuint(harness_count_log(&harness, "\n"), ==, 2);
    harness_finish(&harness);
}

/* A client that has ended its side hears, however late it reads, what it has asked. */
static void test_client_ends_its_side(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    const gsize capacity = harness.client->capacity;
    harness.client->capacity = 1;
    wire_stall(harness.client, harness.world.now + 5000);
    harness_say(&harness, "NOOP\r\nRSET\r\nNOOP\r\n");
    wire_end(harness.client);
    harness_run(&harness);
    harness_expect(&harness, "");
    harness.client->capacity = capacity;
    harness_wait(&harness, 6000);
    harness_expect(&harness, "250 250 250");
    g_assert_true(harness_is_closed(&harness));
    harness_expect_log(&harness, "ended=client-closed");
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session/hello", test_hello},
    {"/session/capabilities", test_capabilities},
    {"/session/commands", test_commands},
    {"/session/nothing-after-quit", test_nothing_after_quit},
    {"/session/mail-without-hello", test_mail_without_hello},
    {"/session/errors", test_errors},
    {"/session/commands-without-mail", test_commands_without_mail},
    {"/session/message-resets-count", test_message_resets_count},
    {"/session/long-lines", test_long_lines},
    {"/session/bare-newlines", test_bare_newlines},
    {"/session/nul-in-command", test_nul_in_command},
    {"/session/nothing-overtakes-an-answer", test_nothing_overtakes_an_answer},
    {"/session/bare-newline-repaired", test_bare_newline_repaired},
    {"/session/reset", test_reset},
    {"/session/client-timeout", test_client_timeout},
    {"/session/command-comes-in-time", test_command_comes_in_time},
    {"/session/clients-time-begins-with-the-answer", test_clients_time_begins_with_the_answer},
    {"/session/client-ends-its-side", test_client_ends_its_side},
    {"/session/drain", test_drain},
    {"/session/end", test_end},
    {"/session/hostile-names", test_hostile_names},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
