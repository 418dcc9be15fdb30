/*
 * A session that is parked wherever it can be and one that never is: replies and closing lines are the same,
 * and what is parked is small.
 */
#include "proxy/session/session.h"

#include <malloc.h>

#include "session_harness.h"

/* What a client says, in steps between which time passes. */
static const struct {
    const char *name;
    const char *configuration;
    const char *address;
    const char *steps[8];
} scripts[] = {
    {"commands", "", "192.0.2.7", {"EHLO a.test\r\n", "NOOP\r\n", "RSET\r\n", "HELO b.test\r\n", "QUIT\r\n"}},
    {"half-lines", "", "192.0.2.7", {"EH", "LO a.test", "\r", "\nNOO", "P\r\nQU", "IT\r\n"}},
    {"errors",
     "",
     "192.0.2.7",
     {"EHLO a.test\r\n", "X\r\nX\r\nX\r\n", "X\r\nX\r\nX\r\n", "X\r\nX\r\n", "X\r\n", "X\r\n"}},
    {"too-much-talk",
     "",
     "192.0.2.7",
     {"NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n", "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n",
      "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n", "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n",
      "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n", "NOOP\r\n"}},
    {"messages",
     "",
     "192.0.2.7",
     {"EHLO a.test\r\n", "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n", "A: b\r\n\r\nx\r\n.\r\n",
      "EHLO again.test\r\n", "MAIL FROM:<a@x.test>\r\nRCPT TO:<refused@y.test>\r\nRSET\r\n",
      "MAIL FROM:<c@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r\n", "QUIT\r\n"}},
    {"guesses",
     "max_refused_recipients = 3\n",
     "192.0.2.7",
     {"EHLO a.test\r\n", "MAIL FROM:<>\r\nRCPT TO:<refused1@y.test>\r\nRSET\r\n",
      "MAIL FROM:<>\r\nRCPT TO:<refused2@y.test>\r\nRSET\r\n",
      "MAIL FROM:<>\r\nRCPT TO:<refused3@y.test>\r\nRSET\r\n", "NOOP\r\n"}},
    {"xclient",
     "trusted_clients = 192.0.2.7\n",
     "192.0.2.7",
     {"EHLO a.test\r\n",
      "XCLIENT ADDR=198.51.100.9 NAME=c.test HELO=h.test PROTO=ESMTP LOGIN=me DESTADDR=192.0.2.1\r\n",
      "EHLO b.test\r\n", "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n", "QUIT\r\n"}},
    {"observe", "mode = observe\n", "192.0.2.7", {"EHLO a.test\r\n", "NOOP\n", "NOOP\r\n", "QUIT\r\n"}},
    {"time-out", "", "192.0.2.7", {"EHLO a.test\r\n", "", "", "NOOP\r\n", "NO", "", "", ""}},
    {"not-smtp", "", "2001:db8::7", {"", "GET / HTTP/1.1\r\n"}},
};

/* The clock of every run is the same; ids and the names of the runs are not. */
static char *transcript(const Harness *harness)
{
    g_autoptr(GRegex) identifier =
        g_regex_new("(?<=ESMTP |\\[|session=|message=)[0-9A-Za-z]{16}", 0, 0, NULL);
    g_autofree char *all =
        g_strconcat(harness->replies->str, harness->log->str, harness->commands->str, NULL);
    return g_regex_replace_literal(identifier, all, -1, 0, "id", 0, NULL);
}

static char *run_script(gsize script, gsize piece, gboolean stays, guint *ret_parked)
{
    Harness harness;
    harness_start_from(&harness, scripts[script].configuration, scripts[script].address, FALSE, piece);
    harness.stays = stays;
    harness_rule(&harness, "RCPT TO:<refused", "550 5.1.1 no such user\r\n", 0);
    harness_run(&harness);
    for (gsize i = 0; i < G_N_ELEMENTS(scripts[script].steps) && scripts[script].steps[i] != NULL; i++) {
        harness_wait(&harness, 21000);
        if (harness.closes == 0)
            harness_say(&harness, scripts[script].steps[i]);
    }
    if (harness.closes == 0)
        postern_session_client_closed(harness.session, harness.now);
    harness_run(&harness);
    char *text = transcript(&harness);
    *ret_parked = harness.parked;
    harness_finish(&harness);
    return text;
}

static void test_same(gconstpointer data)
{
    const gsize pieces[] = {G_MAXSSIZE, 1};
    for (gsize i = 0; i < G_N_ELEMENTS(pieces); i++) {
        guint parked = 0;
        g_autofree char *staying = run_script(GPOINTER_TO_SIZE(data), pieces[i], TRUE, &parked);
        g_assert_cmpuint(parked, ==, 0);
        g_autofree char *parking = run_script(GPOINTER_TO_SIZE(data), pieces[i], FALSE, &parked);
        g_assert_cmpuint(parked, >, 0);
        g_assert_cmpstr(parking, ==, staying);
        g_assert_nonnull(strstr(parking, "session session=id"));
    }
}

static void expect_parked(Harness *harness, const char *text, gboolean parked)
{
    harness->parked = 0;
    harness_say(harness, text);
    g_assert_cmpint(harness->parked > 0, ==, parked);
}

/* It is parked while nothing is under way, and only then. */
static void test_when(void)
{
    Harness harness;
    harness_start(&harness, "", G_MAXSSIZE);
    g_assert_null(postern_session_park(harness.session)); /* its greeting is not sent */
    expect_parked(&harness, "", TRUE);
    expect_parked(&harness, "EHLO a.test\r\n", TRUE);
    expect_parked(&harness, "NOO", FALSE);
    expect_parked(&harness, "P\r", FALSE);
    expect_parked(&harness, "\n", TRUE);
    expect_parked(&harness, "MAIL FROM:<a@x.test>\r\n", FALSE);
    expect_parked(&harness, "RCPT TO:<b@y.test>\r\n", FALSE);
    expect_parked(&harness, "DATA\r\n", FALSE);
    expect_parked(&harness, "A: b\r\n\r\nx\r\n.\r\n", TRUE);
    expect_parked(&harness, "QUIT\r\n", FALSE);
    harness_finish(&harness);
}

/* Octets of the heap that what is left of a session takes. */
static gsize heap_of_parked(Harness *harness)
{
    PosternParkedSession *parked = postern_session_park(harness->session);
    gsize octets = malloc_usable_size(parked);
    harness->session = postern_session_resume(harness->settings, parked);
    return octets;
}

static void test_size(void)
{
    Harness harness;
    harness_start(&harness, "", G_MAXSSIZE);
    harness_run(&harness);
    g_assert_cmpuint(heap_of_parked(&harness), <=, 88);
    harness_say(&harness, "EHLO a-name-of-some-length.example.com\r\n");
    g_assert_cmpuint(heap_of_parked(&harness), <=, 120);
    harness_finish(&harness);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(scripts); i++) {
        g_autofree char *path = g_strconcat("/session-park/same/", scripts[i].name, NULL);
        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_same);
    }
    g_test_add_func("/session-park/when", test_when);
    g_test_add_func("/session-park/size", test_size);
    return g_test_run();
}
