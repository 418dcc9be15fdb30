/* What is heard and logged is the same as if the session had never been parked, and what is parked is small.
 */
#include "proxy/session/session.h"

#include "session_harness.h"

#define FIVE(text) text text text text text
#define TWENTY(text) FIVE(text) FIVE(text) FIVE(text) FIVE(text)

/* What a client says, in steps between which time passes. */
static const struct {
    const char *name;
    const char *configuration;
    const char *address;
    const char *steps[8];
    const char *codes; /* of all replies */
    const char *log;   /* the end of the closing line */
} scripts[] = {
    {"commands",
     "",
     "192.0.2.7",
     {"EHLO a.test\r\n", "NOOP\r\n", "RSET\r\n", "HELO b.test\r\n", "QUIT\r\n"},
     "220 250 250 250 250 221",
     "client=192.0.2.7 ended=quit name=client.test helo=b.test messages=0 messages_accepted=0 commands=5 "
     "errors=0 octets=* milliseconds=105000"},
    {"half-lines",
     "",
     "192.0.2.7",
     {"EH", "LO a.test", "\r", "\nNOO", "P\r\nQU", "IT\r\n"},
     "220 421",
     "client=192.0.2.7 ended=timeout name=client.test messages=0 messages_accepted=0 commands=0 errors=0 "
     "octets=* milliseconds=60000"},
    {"errors",
     "",
     "192.0.2.7",
     {"EHLO a.test\r\n", FIVE("X\r\n"), FIVE("X\r\n"), FIVE("X\r\n") "X\r\nX\r\nX\r\n", "X\r\n", "X\r\n"},
     "220 250" FIVE(" 500") FIVE(" 500") FIVE(" 500") FIVE(" 500") " 421",
     "client=192.0.2.7 ended=too-many-errors name=client.test helo=a.test messages=0 messages_accepted=0 "
     "commands=21 errors=20 suspicion=* reasons=error octets=* milliseconds=126000"},
    {"too-much-talk",
     "",
     "192.0.2.7",
     {TWENTY("NOOP\r\n"), TWENTY("NOOP\r\n"), TWENTY("NOOP\r\n"), TWENTY("NOOP\r\n"), TWENTY("NOOP\r\n"),
      "NOOP\r\n"},
     "220" TWENTY(" 250") TWENTY(" 250") TWENTY(" 250") TWENTY(" 250") TWENTY(" 250") " 421",
     "client=192.0.2.7 ended=too-many-commands name=client.test messages=0 messages_accepted=0 commands=101 "
     "errors=0 *octets=* milliseconds=126000"},
    {"messages",
     "",
     "192.0.2.7",
     {"EHLO a.test\r\n", "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n", "A: b\r\n\r\nx\r\n.\r\n",
      "EHLO again.test\r\n", "MAIL FROM:<a@x.test>\r\nRCPT TO:<refused@y.test>\r\nRSET\r\n",
      "MAIL FROM:<c@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r\n", "QUIT\r\n"},
     "220 250 250 250 354 250 250 250 550 250 250 250 354 250 221",
     "client=192.0.2.7 ended=quit name=client.test helo=again.test messages=2 messages_accepted=2 "
     "commands=12 errors=0 early_data=1 octets=* milliseconds=147000"},
    {"guesses",
     "max_refused_recipients = 3\n",
     "192.0.2.7",
     {"EHLO a.test\r\n", "MAIL FROM:<>\r\nRCPT TO:<refused1@y.test>\r\nRSET\r\n",
      "MAIL FROM:<>\r\nRCPT TO:<refused2@y.test>\r\nRSET\r\n",
      "MAIL FROM:<>\r\nRCPT TO:<refused3@y.test>\r\nRSET\r\n", "NOOP\r\n"},
     "220 250 250 550 250 250 550 250 250 550 421",
     "client=192.0.2.7 ended=too-many-errors name=client.test helo=a.test messages=0 messages_accepted=0 "
     "commands=10 errors=0 suspicion=* reasons=refused_recipient octets=* milliseconds=84000"},
    {"xclient",
     "trusted_clients = 192.0.2.7\n",
     "192.0.2.7",
     {"EHLO a.test\r\n",
      "XCLIENT ADDR=198.51.100.9 NAME=c.test HELO=h.test PROTO=ESMTP LOGIN=me DESTADDR=192.0.2.1\r\n",
      "EHLO b.test\r\n", "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n", "QUIT\r\n"},
     "220 250 220 250 250 250 250 221",
     "client=198.51.100.9 peer=192.0.2.7 ended=quit name=c.test helo=b.test login=me messages=0 "
     "messages_accepted=0 commands=7 errors=0 octets=* milliseconds=105000"},
    {"observe",
     "mode = observe\n",
     "192.0.2.7",
     {"EHLO a.test\r\n", "NOOP\n", "NOOP\r\n", "QUIT\r\n"},
     "220 250 250 250 221",
     "client=192.0.2.7 would=reject ended=quit name=client.test helo=a.test would_reply=\"521 5.5.2 Lines "
     "must end in CRLF, and hold no other CR or LF\" messages=0 messages_accepted=0 commands=4 errors=0 "
     "octets=* milliseconds=84000"},
    {"time-out",
     "",
     "192.0.2.7",
     {"EHLO a.test\r\n", "", "", "NOOP\r\n", "NO", "", "", ""},
     "220 250 421",
     "client=192.0.2.7 ended=timeout name=client.test helo=a.test messages=0 messages_accepted=0 commands=1 "
     "errors=0 octets=* milliseconds=81000"},
    {"not-smtp",
     "",
     "2001:db8::7",
     {"", "GET / HTTP/1.1\r\n"},
     "220 521",
     "client=2001:db8::7 ended=not-smtp name=client.test messages=0 messages_accepted=0 commands=1 errors=0 "
     "octets=* milliseconds=42000"},
};

/* Each step finds the session parked, but in the middle of a line. */
static void run_script(gconstpointer data, gsize piece)
{
    const gsize script = GPOINTER_TO_SIZE(data);
    Harness harness;
    guint parked = 0;
    harness_start_from(&harness, scripts[script].configuration, scripts[script].address, FALSE, piece);
    harness_rule(&harness, "RCPT TO:<refused", "550 5.1.1 no such user\r\n", 0);
    harness_run(&harness);
    for (gsize i = 0; i < G_N_ELEMENTS(scripts[script].steps) && scripts[script].steps[i] != NULL; i++) {
        harness_wait(&harness, 21000);
        parked += !harness_is_closed(&harness) && harness_session(&harness) == NULL;
        harness_say(&harness, scripts[script].steps[i]);
    }
    if (!harness_is_closed(&harness))
        harness_leave(&harness);
    g_assert_cmpuint(parked, >, 0);
    harness_expect(&harness, scripts[script].codes);
    g_autofree char *pattern = g_strdup_printf("*session session=* %s\n", scripts[script].log);
    if (!g_pattern_match_simple(pattern, harness.log->str))
        g_error("not '%s': %s", pattern, harness.log->str);
    harness_finish(&harness);
}

static void test_same(gconstpointer data)
{
    run_script(data, G_MAXSSIZE);
    run_script(data, 1);
}

/* A second after it has said text. */
static void expect_parked(Harness *harness, const char *text, gboolean parked)
{
    harness_say(harness, text);
    harness_wait(harness, 1000);
    g_assert_false(harness_is_closed(harness));
    g_assert_cmpint(harness_session(harness) == NULL, ==, parked);
}

/* It is parked while nothing is under way, and only then. */
static void test_when(gconstpointer data)
{
    const gsize piece = GPOINTER_TO_SIZE(data);
    Harness harness;
    harness_start(&harness, "", piece);
    expect_parked(&harness, "", TRUE);
    expect_parked(&harness, "EHLO a.test\r\n", TRUE);
    expect_parked(&harness, "NOO", FALSE);
    expect_parked(&harness, "P\r", FALSE);
    expect_parked(&harness, "\n", TRUE);
    expect_parked(&harness, "MAIL FROM:<a@x.test>\r\n", FALSE);
    expect_parked(&harness, "RCPT TO:<b@y.test>\r\n", FALSE);
    expect_parked(&harness, "DATA\r\n", FALSE);
    harness_say(&harness, "A: b\r\n\r\nx\r\n.\r\n");
    harness_wait(&harness, 999);
    g_assert_nonnull(harness_session(&harness)); /* it may have another */
    harness_wait(&harness, 1);
    g_assert_null(harness_session(&harness));
    expect_parked(&harness, "NOOP\r\n", TRUE);
    harness_finish(&harness);

    harness_start(&harness, "", piece);
    harness_join(&harness);
    harness_stop_listening(&harness);
    expect_parked(&harness, "", FALSE); /* its greeting is not sent */
    harness_finish(&harness);
}

/* That its name could not be looked up, and that it kept others waiting, is remembered. */
static void test_remembers(void)
{
    Harness harness;
    harness_start(&harness, "", G_MAXSSIZE);
    harness.name_temporary = TRUE;
    expect_parked(&harness, "EHLO a.test\r\n", TRUE);
    expect_parked(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n", FALSE);
    g_assert_nonnull(strstr(harness.commands->str, "NAME=[TEMPUNAVAIL]"));
    g_assert_false(postern_session_is_slow(harness_session(&harness)));
    harness_wait(&harness, 21000);
    expect_parked(&harness, "RSET\r\n", TRUE);
    expect_parked(&harness, "MAIL FROM:<a@x.test>\r\n", FALSE);
    g_assert_true(postern_session_is_slow(harness_session(&harness)));
    harness_finish(&harness);
}

/* Where a client told of by XCLIENT has connected to is remembered, and what its address is called. */
static void test_remembers_xclient(void)
{
    Harness harness;
    harness_start(&harness, "trusted_clients = 192.0.2.7", G_MAXSSIZE);
    harness_rule(&harness, "EHLO",
                 "250-mta\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME\r\n",
                 0);
    expect_parked(&harness,
                  "XCLIENT ADDR=2001:db8::9 NAME=c.test REVERSE_NAME=r.test DESTADDR=192.0.2.25\r\n", TRUE);
    expect_parked(&harness, "EHLO a.test\r\n", TRUE);
    expect_parked(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n", FALSE);
    const char *const told[] = {"ADDR=IPV6:2001:db8::9 ", " NAME=c.test ", " REVERSE_NAME=r.test ",
                                " DESTADDR=192.0.2.25 ", " HELO=a.test"};
    for (gsize i = 0; i < G_N_ELEMENTS(told); i++)
        if (strstr(harness.commands->str, told[i]) == NULL)
            g_error("no '%s' in %s", told[i], harness.commands->str);
    harness_finish(&harness);
}

/* What a new connection to the MTA announces holds for those that are parked. */
static void test_hears_of_the_back_end(void)
{
    Harness harness;
    harness_start(&harness, "", G_MAXSSIZE);
    harness_open_envelope(&harness);
    harness_rule(&harness, "RSET", HARNESS_CLOSE, 1);
    harness_rule(&harness, "EHLO", "250-mta\r\n250-SIZE 1000000\r\n250 XCLIENT NAME ADDR PROTO HELO\r\n", 0);
    harness.hold_connections = TRUE;
    harness.others_wait = TRUE;
    harness_wait(&harness, 5000);
    expect_parked(&harness, "RSET\r\n", TRUE);
    harness_give(&harness, 0);
    g_string_truncate(harness.replies, 0);
    expect_parked(&harness, "EHLO a.test\r\n", TRUE);
    g_assert_nonnull(strstr(harness.replies->str, "SIZE 991808"));
    harness_finish(&harness);
}

/* Names of usual length need no allocation, and long ones are as they were. */
static void test_size(void)
{
    g_autofree char *long_name = g_strnfill(500, 'x');
    g_autofree char *long_hello = g_strdup_printf("EHLO %s\r\n", long_name);
    const char *const hellos[] = {"", "EHLO a-name-of-some-length.example.com\r\n", long_hello};
    Harness harness;
    PosternSessionAction action;
    PosternParkedSession parked;
    harness_start(&harness, "", G_MAXSSIZE);
    PosternSession *session = postern_session_new(harness.settings, &harness.address, FALSE, 1000);
    while (postern_session_next_action(session, &action))
        postern_session_action_clear(&action);
    postern_session_client_reverse_name(session, "client.test");
    postern_session_client_name(session, "client.test", FALSE, 1000);
    postern_session_our_turn_ends(session, FALSE, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(hellos); i++) {
        gsize length = strlen(hellos[i]);
        g_assert_cmpuint(postern_session_receive(session, hellos[i], length, 1000), ==, length);
        g_string_truncate(postern_session_output(session), 0);
        g_assert_true(postern_session_park(session, &parked));
        g_assert_cmpint(parked.is_elsewhere, ==, hellos[i] == long_hello);
        session = postern_session_resume(harness.settings, &parked);
        g_assert_false(parked.is_elsewhere);
    }
    g_assert_cmpstr(postern_session_envelope(session)->helo, ==, long_name);
    g_assert_true(postern_session_park(session, &parked));
    postern_parked_session_clear(&parked);
    harness_finish(&harness);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(scripts); i++) {
        g_autofree char *path = g_strconcat("/session-park/same/", scripts[i].name, NULL);
        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_same);
    }
    g_test_add_data_func("/session-park/when", GSIZE_TO_POINTER(G_MAXSSIZE), test_when);
    g_test_add_data_func("/session-park/when-by-octets", GSIZE_TO_POINTER(1), test_when);
    g_test_add_func("/session-park/size", test_size);
    g_test_add_func("/session-park/remembers", test_remembers);
    g_test_add_func("/session-park/remembers-xclient", test_remembers_xclient);
    g_test_add_func("/session-park/hears-of-the-back-end", test_hears_of_the_back_end);
    return g_test_run();
}
