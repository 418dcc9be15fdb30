#include "base/limits.h"
#include "session_harness.h"

#define MESSAGE "A: b\r\n\r\nx\r\n.\r\n"

static void test_silence(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_open_envelope(&harness);
    harness_say(&harness, "RCPT TO:<c@y.test>\r\n");
    harness_wait(&harness, POSTERN_BORROW_SILENCE_MS - 1);
    g_assert_cmpuint(harness.returns, ==, 0);
    harness_wait(&harness, 1);
    g_assert_cmpuint(harness.returns, ==, 1);
    harness_expect_commands(&harness, "RCPT TO:<c@y.test>\nRSET\n");
    harness_say(&harness, "RCPT TO:<d@y.test>\r\n"); /* it goes on: all is repeated, to the same MTA */
    harness_expect(&harness, "250 250");
    g_assert_cmpuint(harness.borrows, ==, 2);
    g_assert_nonnull(strstr(harness.commands->str,
                            "MAIL FROM:<a@x.test>\nRCPT TO:<b@y.test>\nRCPT TO:<c@y.test>\n"
                            "RCPT TO:<d@y.test>\n"));
    harness_wait(&harness, 2 * POSTERN_BORROW_SILENCE_MS - 1); /* a second time later */
    g_assert_cmpuint(harness.returns, ==, 1);
    harness_wait(&harness, 1);
    g_assert_cmpuint(harness.returns, ==, 2);
    harness_say(&harness, "DATA\r\n"); /* not needed for this */
    g_assert_cmpuint(harness.borrows, ==, 2);
    harness_say(&harness, MESSAGE);
    harness_expect(&harness, "354 250");
    g_assert_cmpuint(harness.borrows, ==, 3);
    g_assert_cmpuint(harness.messages, ==, 1);
    harness_finish(&harness);
}

static guint count_commands(const Harness *harness, const char *prefix)
{
    g_auto(GStrv) lines = g_strsplit(harness->commands->str, "\n", -1);
    guint count = 0;
    for (guint i = 0; lines[i] != NULL; i++)
        count += g_str_has_prefix(lines[i], prefix);
    return count;
}

/* What slow clients do, each in steps: octets, and how long they take for them. */
static const struct {
    const char *before;
    const char *step;
    gint64 pause;
    const char *after;
} slow[] = {
    {"", "RCPT TO:<c@y.test>\r\n", 420, "DATA\r\n" MESSAGE},
    {"", "NOOP\r\n", 420, "DATA\r\n" MESSAGE},
    {"", "VRFY x\r\n", 99, "DATA\r\n" MESSAGE},
    {"NO", "", 420, "OP\r\nDATA\r\n" MESSAGE},
    {"DATA\r\nA: b\r\n\r\n", "0123456789", 40, "\r\n.\r\n"},
    {"DATA\r\nA: b\r\n\r\n", "y\r\n", 499, ".\r\n"},
};

/* Who is slow gives its back-end back while others wait, whatever it does meanwhile: never more of the MTA's
 * time is lost to it at a time than the patience allows. */
static void test_slow_while_others_wait(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(slow); i++) {
        Harness harness;
        gint64 waited = 0;
        harness_start(&harness, "", piece);
        harness.others_wait = TRUE;
        harness_open_envelope(&harness);
        harness_say(&harness, slow[i].before);
        for (guint step = 0; step < 15; step++) {
            guint returns = harness.returns;
            for (gint64 pause = 0; pause < slow[i].pause; pause++) {
                waited = harness.lent ? waited + 1 : 0;
                harness_wait(&harness, 1);
                g_assert_cmpint(waited, <=, POSTERN_BORROW_PATIENCE_MS * (1 + POSTERN_BORROW_REPEATS_MAX));
            }
            waited = harness.returns == returns ? waited : 0;
            harness_say(&harness, slow[i].step);
        }
        g_assert_cmpuint(harness.returns, >, 0);
        g_assert_true(postern_session_is_slow(harness_session(&harness)));
        harness.others_wait = FALSE;
        harness_say(&harness, slow[i].after);
        g_assert_true(g_str_has_suffix(harness.replies->str, "250 2.0.0 queued as 1\r\n"));
        harness_finish(&harness);
    }
}

/* While nobody waits it keeps it, and its envelope is told once. */
static void test_slow_alone(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(slow); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_open_envelope(&harness);
        harness_say(&harness, slow[i].before);
        for (guint step = 0; step < 15; step++) {
            harness_wait(&harness, slow[i].pause);
            harness_say(&harness, slow[i].step);
        }
        harness_say(&harness, slow[i].after);
        g_assert_true(g_str_has_suffix(harness.replies->str, "250 2.0.0 queued as 1\r\n"));
        g_assert_cmpuint(harness.messages, ==, harness.borrows);
        harness_finish(&harness);
    }
}

/* However many recipients come however slowly: the envelope is told anew only so often, and the rest of them
 * hears of another message. */
static void test_repeats_are_bounded(gsize piece)
{
    static const guint counts[] = {40, 200};
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        guint accepted = 0;
        guint later = 0;
        Harness harness;
        harness_start(&harness, "", piece);
        harness.others_wait = TRUE;
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
        harness_expect(&harness, "250");
        for (guint recipient = 0; recipient < counts[i]; recipient++) {
            harness_wait(&harness, 420);
            harness_say(&harness, "RCPT TO:<b@y.test>\r\n");
            accepted += g_str_has_prefix(harness.replies->str, "250 ");
            later += g_str_has_prefix(harness.replies->str, "452 4.5.3 ");
            g_string_truncate(harness.replies, 0);
        }
        g_assert_cmpuint(accepted + later, ==, counts[i]);
        g_assert_cmpuint(accepted, >=, 10);
        harness_say(&harness, "DATA\r\n" MESSAGE);
        harness_expect(&harness, "354 250");
        g_assert_cmpuint(count_commands(&harness, "MAIL"), <=, POSTERN_BORROW_REPEATS_MAX + 2);
        g_assert_cmpuint(count_commands(&harness, "RCPT"), <=, accepted * (POSTERN_BORROW_REPEATS_MAX + 2));
        harness_finish(&harness);
    }
}

/* One that sends keeps it. */
static void test_fast_sender_keeps_it(gsize piece)
{
    g_autofree char *line = g_strnfill(1500, 'x');
    Harness harness;
    harness_start(&harness, "", piece);
    harness.others_wait = TRUE;
    harness_open_envelope(&harness);
    harness_wait(&harness, 60);
    harness_say(&harness, "RCPT TO:<c@y.test>\r\n");
    harness_wait(&harness, 60);
    harness_say(&harness, "DATA\r\nA: b\r\n\r\n");
    for (guint i = 0; i < 5; i++) {
        harness_wait(&harness, 60);
        harness_say(&harness, line);
    }
    harness_say(&harness, "\r\n.\r\n");
    harness_expect(&harness, "250 354 250");
    g_assert_cmpuint(harness.borrows, ==, 1);
    harness_finish(&harness);
}

/* An inspection takes its time: others may have the back-end meanwhile; where none waits, it is kept. */
static void test_long_inspection(gsize piece)
{
    static const struct {
        gboolean at_first, later; /* somebody waits */
    } rows[] = {{FALSE, FALSE}, {TRUE, TRUE}, {FALSE, TRUE}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness.hold_inspection = TRUE;
        harness.others_wait = rows[i].at_first;
        harness_open_envelope(&harness);
        harness_say(&harness, "DATA\r\n" MESSAGE);
        harness_wait(&harness, POSTERN_BORROW_PATIENCE_MS);
        g_assert_cmpuint(harness.returns, ==, rows[i].at_first);
        g_assert_false(postern_session_is_slow(harness_session(&harness)));
        harness_wait(&harness, 20000);
        harness.others_wait = rows[i].later;
        harness_run(&harness);
        g_assert_cmpuint(harness.returns, ==, rows[i].later);
        harness_expect(&harness, "354");
        harness_inspected(&harness, NULL);
        harness_run(&harness);
        harness_expect(&harness, "250");
        g_assert_cmpuint(harness.borrows, ==, 1 + rows[i].later);
        harness_finish(&harness);
    }
}

/* Somebody needs it while it is asked something: it goes back with the answer, not before. */
static void test_recalled_while_it_is_asked(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_open_envelope(&harness);
    harness_wait(&harness, POSTERN_BORROW_PATIENCE_MS);
    harness_rule(&harness, "RCPT", HARNESS_SILENCE, 1);
    harness_say(&harness, "RCPT TO:<c@y.test>\r\n");
    harness.others_wait = TRUE;
    harness_run(&harness);
    g_assert_true(harness.rival_waits);
    g_assert_cmpuint(harness.returns, ==, 0);
    harness.others_wait = FALSE;
    harness_mta_says(&harness, "250 2.1.5 recipient ok\r\n");
    harness_run(&harness);
    harness_expect(&harness, "250");
    g_assert_cmpuint(harness.returns, ==, 1);
    harness_say(&harness, "DATA\r\n" MESSAGE);
    harness_expect(&harness, "354 250");
    g_assert_cmpuint(harness.borrows, ==, 2);
    harness_finish(&harness);
}

/* While the message is on its way to it, it is nobody else's. */
static void test_recalled_while_delivering(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness.hold_inspection = TRUE;
    harness_rule(&harness, ".", HARNESS_SILENCE, 1);
    harness_open_envelope(&harness);
    harness_say(&harness, "DATA\r\n" MESSAGE);
    harness_wait(&harness, POSTERN_BORROW_PATIENCE_MS);
    harness_inspected(&harness, NULL);
    harness_run(&harness);
    harness.others_wait = TRUE;
    harness_run(&harness);
    g_assert_true(harness.rival_waits);
    g_assert_cmpuint(harness.returns + harness.abandons, ==, 0);
    harness.others_wait = FALSE;
    harness_mta_says(&harness, "250 2.0.0 queued\r\n");
    harness_run(&harness);
    harness_expect(&harness, "354 250");
    harness_finish(&harness);
}

/* None is borrowed before the client's name is known, or was looked for long enough. */
static void test_name_comes_first(gsize piece)
{
    for (guint known = 0; known <= 1; known++) {
        Harness harness;
        harness_start(&harness, "trusted_clients = 192.0.2.7", piece);
        harness.hold_names = TRUE;
        harness_say(&harness, "XCLIENT ADDR=198.51.100.9\r\nEHLO client.test\r\n");
        g_assert_cmpuint(harness.look_ups, ==, 2);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
        harness_wait(&harness, POSTERN_CLIENT_NAME_WAIT_MS - 1);
        g_assert_cmpuint(harness.borrows, ==, 0);
        harness_expect_commands(&harness, "");
        g_string_truncate(harness.replies, 0);
        if (known)
            harness_name(&harness, "o.test", FALSE);
        else
            harness_wait(&harness, 1);
        harness_run(&harness);
        harness_expect(&harness, "250");
        g_assert_nonnull(strstr(harness.commands->str, known ? "NAME=o.test" : "NAME=[TEMPUNAVAIL]"));
        harness_finish(&harness);
    }
}

/* It leaves before its name is known: nothing was asked for, and nothing is cancelled. */
static void test_leaves_without_a_name(gsize piece)
{
    Harness harness;
    harness_start(&harness, "trusted_clients = 192.0.2.7", piece);
    harness.hold_names = TRUE;
    harness_say(&harness, "XCLIENT ADDR=198.51.100.9\r\nEHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@y.test>\r\n");
    harness_leave(&harness);
    g_assert_true(harness_is_closed(&harness));
    g_assert_cmpuint(harness.world.asks, ==, 0);
    harness_expect_commands(&harness, "");
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session-hold/silence", test_silence},
    {"/session-hold/slow-while-others-wait", test_slow_while_others_wait},
    {"/session-hold/slow-alone", test_slow_alone},
    {"/session-hold/repeats-are-bounded", test_repeats_are_bounded},
    {"/session-hold/fast-sender-keeps-it", test_fast_sender_keeps_it},
    {"/session-hold/long-inspection", test_long_inspection},
    {"/session-hold/recalled-while-it-is-asked", test_recalled_while_it_is_asked},
    {"/session-hold/recalled-while-delivering", test_recalled_while_delivering},
    {"/session-hold/name-comes-first", test_name_comes_first},
    {"/session-hold/leaves-without-a-name", test_leaves_without_a_name},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
