#include "proxy/session/session.h"

#include "base/limits.h"
#include "session_harness.h"

#define MESSAGE "A: b\r\n\r\nx\r\n.\r\n"
#define ENVELOPE_AND_MESSAGE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" MESSAGE "NOOP\r\n"

/* A recipient that had 250, or the sender, refused the second time: 451 for the whole message. */
static void test_repeat_refused(gsize piece)
{
    static const char *const steps[] = {"RCPT TO:<b@", "MAIL"};
    static const char *const replies[] = {"550 5.1.1 no\r\n", "450 4.2.0 later\r\n", "421 4.3.2 closing\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(steps) * G_N_ELEMENTS(replies); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_open_envelope(&harness);
        harness_say(&harness, "DATA\r\nA: b\r\n");
        harness_wait(&harness, POSTERN_BORROW_SILENCE_MS);
        harness_rule(&harness, steps[i % 2], replies[i / 2], 0);
        harness_say(&harness, "\r\nx\r\n.\r\n");
        harness_expect(&harness, "354 451");
        g_assert_cmpuint(harness.messages, ==, 0);
        g_assert_null(strstr(harness.commands->str, "DATA"));
        harness_expect_log(&harness, "failure=");
        harness_say(&harness, "NOOP\r\n");
        harness_expect(&harness, "250");
        harness_finish(&harness);

        harness_start(&harness, "", piece); /* the same for one more RCPT */
        harness_open_envelope(&harness);
        harness_wait(&harness, POSTERN_BORROW_SILENCE_MS);
        harness_rule(&harness, steps[i % 2], replies[i / 2], 0);
        harness_say(&harness, "RCPT TO:<c@y.test>\r\nDATA\r\n");
        harness_expect(&harness, "451 451");
        harness_say(&harness, "RSET\r\nNOOP\r\n");
        harness_expect(&harness, "250 250");
        harness_finish(&harness);
    }
}

/* A part was accepted, then the back-end did not want the client any more: its message has an answer too,
 * whatever becomes of the next connection. */
static void test_refused_in_between(gsize piece)
{
    static const char *const ends[] = {"554 5.7.1 blocked\r\n", "421 4.7.0 later\r\n", HARNESS_CLOSE};
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_open_envelope(&harness);
        harness_wait(&harness, POSTERN_BORROW_SILENCE_MS);
        harness_rule(&harness, "XCLIENT", "554 5.7.1 blocked\r\n", 1);
        harness_rule(&harness, "XCLIENT", ends[i], 0);
        harness_say(&harness, "RCPT TO:<c@y.test>\r\n");
        harness_expect(&harness, "554");
        harness_say(&harness, "DATA\r\n" MESSAGE);
        harness_expect(&harness, i == 0 ? "354 554" : "354 451");
        g_assert_cmpuint(harness.messages, ==, 0);
        harness_say(&harness, "NOOP\r\n");
        harness_expect(&harness, "250");
        harness_finish(&harness);
    }
}

static void test_borrow_failed(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_hold_connections(&harness);
    harness_greet(&harness);
    harness_say(&harness,
                "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\nNOOP\r\n");
    harness_expect(&harness, "250");
    harness_give(&harness, ECONNREFUSED);
    harness_expect(&harness, "451 451 451 250");
    harness_say(&harness, "RCPT TO:<d@y.test>\r\nRSET\r\n");
    harness_expect(&harness, "451 250");
    harness_expect_log(&harness, "failure=\"connection to the back-end: Connection refused ");
    harness_finish(&harness);
}

/* What we invented is refused: 451, never the back-end's 5xx. */
static void test_our_own_is_refused(gsize piece)
{
    static const struct {
        const char *step;
        const char *reply;
    } refusals[] = {
        {"connect", "554 go away\r\n"},
        {"EHLO mx.test", "550 no\r\n"},
        {"EHLO mx.test", "250 mta\r\n"},
        {"XCLIENT", "550 5.7.0 Error: insufficient authorization\r\n"},
        {"XCLIENT", "502 5.5.2 what\r\n"},
        {"XCLIENT", "501 5.5.4 Bad XCLIENT attribute name: PORT\r\n"},
        {"XCLIENT", "530 5.7.0 Must issue a STARTTLS command first\r\n"},
        {"MAIL", "530 5.7.0 Authentication required\r\n"},
        {"RCPT", "530 5.7.0 Must issue a STARTTLS command first\r\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_rule(&harness, refusals[i].step, refusals[i].reply, 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nQUIT\r\n");
        harness_expect(&harness, "250 451 451 221");
        if (i < 7)
            g_assert_null(strstr(harness.commands->str, "MAIL"));
        harness_finish(&harness);
    }
}

/* The client is refused: it hears so word for word, for each recipient, and not that we are in trouble. */
static void test_the_client_is_refused(gsize piece)
{
    static const struct {
        const char *step;
        const char *reply;
        const char *heard;
    } refusals[] = {
        {"XCLIENT", "554 5.7.1 <c>: Client host rejected\r\n", "554 5.7.1 <c>: Client host rejected\r\n"},
        {"XCLIENT", "550-5.7.1 blocked\r\n550 5.7.1 by us\r\n", "550-5.7.1 blocked\r\n550 5.7.1 by us\r\n"},
        {"XCLIENT", "450 4.7.25 no name\r\n", "450 4.7.25 no name\r\n"},
        {"XCLIENT", "421 4.7.0 too many of you\r\n", "451 4.7.0 too many of you\r\n"},
        {"EHLO client.test", "501 bad name\r\n", "501 bad name\r\n"},
        {"EHLO client.test", "550 5.7.1 Helo rejected\r\n", "550 5.7.1 Helo rejected\r\n"},
        {"MAIL", "554 5.7.1 Sender rejected\r\n", "554 5.7.1 Sender rejected\r\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
        Harness harness;
        g_autofree char *heard = g_strconcat("250 2.1.0 Ok\r\n", refusals[i].heard, refusals[i].heard, NULL);
        harness_start(&harness, "", piece);
        harness_rule(&harness, refusals[i].step, refusals[i].reply, 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\n");
        harness_expect_text(&harness, heard);
        harness_say(&harness, "DATA\r\n");
        harness_expect(&harness, "554");
        harness_say(&harness, "QUIT\r\n");
        harness_expect(&harness, "221");
        harness_expect_log(&harness, "recipients_accepted=0");
        harness_finish(&harness);
    }
}

/* It was welcome at RCPT, and is no more when the message is to go out: the message's reply says so. */
static void test_the_client_is_refused_at_delivery(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, "DATA", HARNESS_CLOSE, 1);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
    harness_expect(&harness, "250 250");
    harness_rule(&harness, "XCLIENT", "554 5.7.1 blocked since\r\n", 0);
    harness_say(&harness, "DATA\r\n" MESSAGE);
    harness_expect_text(&harness, "354 End data with <CR><LF>.<CR><LF>\r\n554 5.7.1 blocked since\r\n");
    harness_expect_log(&harness, "delivery=refused");
    harness_finish(&harness);
}

/* A connection of the pool may be gone when it is needed: a second one is tried, and no third. */
static const char *const early_steps[] = {"XCLIENT", "MAIL", "RCPT", "DATA"};

static void test_second_try(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(early_steps); i++) {
        for (guint times = 1; times <= 2; times++) {
            Harness harness;
            harness_start(&harness, "", piece);
            harness_rule(&harness, early_steps[i], HARNESS_CLOSE, times);
            harness_greet(&harness);
            harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n");
            gboolean in_data = strstr(harness.replies->str, "\r\n354 ") != NULL;
            if (times == 1 || g_str_equal(early_steps[i], "DATA"))
                harness_expect(&harness, "250 250 354");
            else
                harness_expect(&harness, "250 451 451");
            harness_say(&harness, in_data ? MESSAGE : "NOOP\r\n");
            harness_expect(&harness, times == 2 && g_str_equal(early_steps[i], "DATA") ? "451" : "250");
            g_assert_cmpuint(harness.messages, ==, times == 1);
            g_assert_cmpuint(harness.borrows, ==, 2);
            harness_finish(&harness);
        }
    }
}

/* The dot is out: never a second try. The client may come again, and the log says why there may be two. */
static void test_lost_after_dot(gsize piece)
{
    static const char *const ends[] = {HARNESS_CLOSE, HARNESS_SILENCE, "garbage\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_rule(&harness, ".", ends[i], 0);
        harness_open_envelope(&harness);
        harness_say(&harness, "DATA\r\n" MESSAGE);
        harness_wait(&harness, 20000);
        harness_expect(&harness, "354 451");
        g_assert_cmpuint(harness.messages, ==, 1);
        g_assert_cmpuint(harness.borrows, ==, 1);
        harness_expect_log(&harness, "delivery=unknown");
        harness_say(&harness, "NOOP\r\n");
        harness_expect(&harness, "250");
        harness_finish(&harness);
    }
}

/* While nobody needs it, its loss is no concern. */
static void test_lost_while_idle(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness.hold_inspection = TRUE;
    harness_open_envelope(&harness);
    harness_mta_leaves(harness.mta);
    harness_run(&harness);
    harness_say(&harness, "DATA\r\nA: b\r\n");
    harness_expect(&harness, "354");
    harness_say(&harness, "\r\n.\r\n");
    harness_inspected(&harness, NULL);
    harness_run(&harness);
    harness_expect(&harness, "250");
    g_assert_cmpuint(harness.borrows, ==, 2);
    g_assert_cmpuint(harness.messages, ==, 1);
    harness_finish(&harness);
}

static void test_silent_back_end(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, "RCPT", HARNESS_SILENCE, 0);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nQUIT\r\n");
    harness_expect(&harness, "250");
    harness_wait(&harness, 20000); /* two of them, 10 s each */
    harness_expect(&harness, "451 221");
    harness_finish(&harness);
}

typedef struct {
    const char *said;   /* by the client, then it is gone */
    const char *silent; /* the MTA does not answer this */
    gboolean hold_borrow;
    gboolean hold_inspection;
    guint messages;
    const char *log;
} Departure;

static const Departure departures[] = {
    {"", NULL, FALSE, FALSE, 0, "ended=client-closed"},
    {"MAIL FROM:<a@x.test>\r\n", NULL, FALSE, FALSE, 0, "ended=client-closed"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n", NULL, TRUE, FALSE, 0, "delivery=none"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n", "XCLIENT", FALSE, FALSE, 0, "delivery=none"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n", "RCPT", FALSE, FALSE, 0, "delivery=none"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n", NULL, FALSE, FALSE, 0, "delivery=none"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n", NULL, FALSE, FALSE, 0, "delivery=none"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r", NULL, FALSE, FALSE, 0,
     "delivery=none"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" MESSAGE, NULL, FALSE, TRUE, 0, "delivery=none"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" MESSAGE, "DATA", FALSE, FALSE, 0,
     "delivery=none"},
    {"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" MESSAGE, ".", FALSE, FALSE, 1,
     "delivery=unknown"},
};

static void test_client_leaves(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(departures); i++) {
        const Departure *departure = &departures[i];
        Harness harness;
        harness_start(&harness, "", piece);
        if (departure->silent != NULL)
            harness_rule(&harness, departure->silent, HARNESS_SILENCE, 0);
        if (departure->hold_borrow)
            harness_hold_connections(&harness);
        harness.hold_inspection = departure->hold_inspection;
        harness_greet(&harness);
        harness_stop_listening(&harness);
        harness_say(&harness, departure->said);
        g_string_truncate(harness.replies, 0);
        harness_leave(&harness);
        if (departure->messages > 0) {
            g_assert_false(
                harness_is_closed(&harness)); /* the answer to its dot is waited for, for the log */
            harness_wait(&harness, 20000);
        }
        g_assert_true(harness_is_closed(&harness));
        g_assert_false(harness.lent);
        g_assert_cmpuint(harness.world.inspections, ==, 0);
        g_assert_cmpuint(harness.messages, ==, departure->messages);
        harness_expect_log(&harness, departure->log);
        g_assert_cmpuint(harness_count_log(&harness, "session session="), ==, 1);
        g_assert_cmpuint(postern_budget_used(harness.settings->budget), ==, 0);
        harness_finish(&harness);
    }
}

/* It says all it has to say and ends its side: it hears every answer. */
static void test_client_ends_its_side(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    harness_join(&harness);
    wire_say(harness.client, ENVELOPE_AND_MESSAGE, strlen(ENVELOPE_AND_MESSAGE));
    wire_end(harness.client);
    harness_run(&harness);
    harness_expect(&harness, "250 250 354 250 250");
    g_assert_true(harness_is_closed(&harness));
    g_assert_cmpuint(harness.messages, ==, 1);
    harness_expect_log(&harness, "ended=client-closed");
    harness_finish(&harness);
}

/* It left between its dot and the answer, and the back-end took the message. */
static void test_client_leaves_and_back_end_accepts(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, ".", HARNESS_SILENCE, 0);
    harness_open_envelope(&harness);
    harness_say(&harness, "DATA\r\n" MESSAGE);
    harness_leave(&harness);
    harness_mta_says(&harness, "250 2.0.0 queued\r\n");
    harness_run(&harness);
    g_assert_true(harness_is_closed(&harness));
    harness_expect_log(&harness, "delivery=accepted");
    harness_expect_log(&harness, "ended=client-closed");
    g_assert_cmpuint(harness.returns, ==, 1);
    harness_finish(&harness);
}

/* Ended by us between dot and answer: the message may be there. */
static void test_ended_after_dot(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, ".", HARNESS_SILENCE, 0);
    harness_open_envelope(&harness);
    harness_say(&harness, "DATA\r\n" MESSAGE);
    world_drain(&harness.world, 0);
    harness_run(&harness);
    harness_expect(&harness, "354 421");
    harness_expect_log(&harness, "delivery=unknown");
    g_assert_cmpuint(harness.abandons, ==, 1);
    harness_finish(&harness);
}

/* It leaves while a connection is made for it: nobody hears of it, and the connection is there for others. */
static void test_given_too_late(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_hold_connections(&harness);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
    harness_leave(&harness);
    g_assert_true(harness_is_closed(&harness));
    harness_give(&harness, 0);
    harness_expect_commands(&harness, "EHLO mx.test\n");
    g_assert_cmpuint(harness.mtas->len, ==, 1);
    harness_finish(&harness);
}

/* Drained while its message is with the back-end: the message first. */
static void test_drain_while_delivering(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, ".", HARNESS_SILENCE, 0);
    harness_open_envelope(&harness);
    harness_say(&harness, "DATA\r\n" MESSAGE "NOOP\r\n");
    world_drain(&harness.world, 600000);
    harness_run(&harness);
    harness_expect(&harness, "354");
    harness_mta_says(&harness, "250 2.0.0 queued\r\n");
    harness_run(&harness);
    harness_expect(&harness, "250 421");
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session-backend/repeat-refused", test_repeat_refused},
    {"/session-backend/refused-in-between", test_refused_in_between},
    {"/session-backend/borrow-failed", test_borrow_failed},
    {"/session-backend/our-own-is-refused", test_our_own_is_refused},
    {"/session-backend/the-client-is-refused", test_the_client_is_refused},
    {"/session-backend/the-client-is-refused-at-delivery", test_the_client_is_refused_at_delivery},
    {"/session-backend/second-try", test_second_try},
    {"/session-backend/lost-after-dot", test_lost_after_dot},
    {"/session-backend/lost-while-idle", test_lost_while_idle},
    {"/session-backend/silent-back-end", test_silent_back_end},
    {"/session-backend/client-leaves", test_client_leaves},
    {"/session-backend/client-ends-its-side", test_client_ends_its_side},
    {"/session-backend/client-leaves-and-back-end-accepts", test_client_leaves_and_back_end_accepts},
    {"/session-backend/ended-after-dot", test_ended_after_dot},
    {"/session-backend/given-too-late", test_given_too_late},
    {"/session-backend/drain-while-delivering", test_drain_while_delivering},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
