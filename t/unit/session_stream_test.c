#include "base/limits.h"
#include "session_harness.h"

/* Messages that are passed on while they come. */

#define STREAM "inspect = no\nburst_size = 1K\nbackend_data_end_timeout = 20s\n"
#define HEADER "From: a@x.test\r\nSubject: long\r\n\r\n"

/* Lines of every kind, of more than length octets without their dots stuffed. */
static char *body_of(gsize length, gboolean stuffed)
{
    static const char *const lines[] = {"text", ".", "..", ".dot", "", "a longer line of text . with dots"};
    GString *body = g_string_new(NULL);
    gsize octets = 0;
    for (guint i = 0; octets < length; i++) {
        const char *line = lines[i % G_N_ELEMENTS(lines)];
        octets += strlen(line) + 2;
        g_string_append_printf(body, "%s%s\r\n", stuffed && line[0] == '.' ? "." : "", line);
    }
    return g_string_free(body, FALSE);
}

/* The client may send its message, and has sent the first burst, within a second; the MTA was asked. */
static void begin(Harness *harness, const char *configuration, gsize piece)
{
    g_autofree char *body = body_of(1100, TRUE);
    harness_start(harness, configuration, piece);
    harness_open_envelope(harness);
    harness_say(harness, "DATA\r\n");
    harness_expect(harness, "354");
    harness_expect_commands(harness, "");
    harness_say(harness, HEADER);
    harness_expect_commands(harness, ""); /* ours; the back-end's comes with the burst */
    harness_say(harness, body);
    harness_expect_commands(harness, "DATA\n");
}

static gsize octets_at_mta(const Harness *harness)
{
    return harness->mta->peer.in_data ? harness->mta->peer.raw->len : 0;
}

/* What comes is sent on at once, keeps nothing here, and arrives as it was. */
static void test_passes_on(gsize piece)
{
    Harness harness;
    g_autofree char *first = body_of(1100, FALSE);
    g_autofree char *more = body_of(30000, TRUE);
    g_autofree char *more_octets = body_of(30000, FALSE);
    begin(&harness, STREAM, piece);
    g_assert_cmpuint(octets_at_mta(&harness), >, 1100);
    guint64 held = postern_budget_used(harness.settings->budget);
    gsize before = octets_at_mta(&harness);
    for (guint i = 0; i < 10; i++) {
        harness_say(&harness, more);
        g_assert_cmpuint(octets_at_mta(&harness), >=, before + 30000);
        before = octets_at_mta(&harness);
        g_assert_cmpuint(postern_budget_used(harness.settings->budget), <=,
                         held + POSTERN_MESSAGE_CHUNK_OCTETS);
    }
    g_assert_cmpuint(harness.messages, ==, 0);
    harness_expect(&harness, "");
    harness_say(&harness, ".\r\nNOOP\r\n");
    harness_expect(&harness, "250 250");
    g_assert_cmpuint(harness.messages, ==, 1);
    g_autoptr(GString) wanted = g_string_new(HEADER);
    g_string_append(wanted, first);
    for (guint i = 0; i < 10; i++)
        g_string_append(wanted, more_octets);
    const char *got = harness.message->str;
    g_assert_nonnull(strstr(got, HEADER));
    g_assert_true(g_str_equal(strstr(got, HEADER), wanted->str));
    g_autofree char *size = g_strdup_printf(" size=%u ", (guint)wanted->len);
    harness_expect_log(&harness, size);
    harness_expect_log(&harness, " delivery=accepted");
    harness_finish(&harness);
}

/* Who is slow, or has no end of a header, has no back-end waiting for the rest; nor does a small message. */
static void test_gathers(gsize piece)
{
    static const struct {
        const char *configuration, *header;
        gsize octets;
        gint64 pause;
    } rows[] = {
        {STREAM, HEADER, 1100, POSTERN_BURST_MS + 1},
        {STREAM, "X-Long: ", 30000, 0},
        {STREAM, HEADER, 900, 0},
        {"burst_size = 1K\n", HEADER, 30000, 0},
        {STREAM "role = before_queue_filter\ntrusted_clients = 192.0.2.7\n", HEADER, 30000, 0},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        g_autofree char *word = g_strnfill(rows[i].octets, 'x');
        harness_start(&harness, rows[i].configuration, piece);
        harness_open_envelope(&harness);
        harness_say(&harness, "DATA\r\n");
        harness_say(&harness, rows[i].header);
        harness_wait(&harness, rows[i].pause);
        harness_say(&harness, word);
        harness_expect_commands(&harness, "");
        harness_say(&harness, "\r\n.\r\n");
        harness_expect(&harness, "354 250");
        harness_expect_commands(&harness, "DATA\n.\n");
        harness_finish(&harness);
    }
}

/* One that becomes fast is streamed from then on. */
static void test_becomes_fast(gsize piece)
{
    Harness harness;
    g_autofree char *word = g_strnfill(1100, 'x');
    harness_start(&harness, STREAM, piece);
    harness_open_envelope(&harness);
    harness_say(&harness, "DATA\r\n" HEADER);
    harness_wait(&harness, POSTERN_BURST_MS + 1);
    harness_say(&harness, word);
    harness_expect_commands(&harness, "");
    harness_say(&harness, word);
    harness_expect_commands(&harness, "DATA\n");
    harness_say(&harness, "\r\n.\r\n");
    harness_expect(&harness, "354 250");
    harness_finish(&harness);
}

/* What the MTA does after the first burst, and what the client hears at the end. */
static const struct {
    const char *data; /* its answer to DATA */
    const char *says; /* afterwards, or NULL */
    gboolean leaves;
    const char *codes;
    const char *delivery;
} faults[] = {
    {"452 4.3.1 full\r\n", NULL, FALSE, "452", " delivery=refused"},
    {"554 5.6.0 no\r\n", NULL, FALSE, "554", " delivery=refused"},
    {"421 4.3.2 bye\r\n", NULL, FALSE, "451", " delivery=refused"},
    {HARNESS_CLOSE, NULL, FALSE, "250", " delivery=accepted"}, /* nothing was sent: another connection */
    {"354 go\r\n", NULL, TRUE, "451", " delivery=failed"},
    {"354 go\r\n", "250 2.0.0 early\r\n", FALSE, "451", " delivery=failed"},
    {"354 go\r\n", "552 5.3.4 too much\r\n", FALSE, "451", " delivery=failed"},
    {"354 go\r\n", "421 4.3.2 bye\r\n", TRUE, "451", " delivery=failed"},
};

/* The rest is taken and dropped, and the next message is sent as ever. */
static void test_mta_fails(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        Harness harness;
        g_autofree char *body = body_of(2000, TRUE);
        harness_start(&harness, STREAM, piece);
        harness_rule(&harness, "DATA", faults[i].data, 1);
        harness_open_envelope(&harness);
        harness_say(&harness, "DATA\r\n" HEADER);
        harness_say(&harness, body);
        harness_expect(&harness, "354");
        if (faults[i].says != NULL)
            harness_mta_says(&harness, faults[i].says);
        harness_run(&harness);
        if (faults[i].leaves && harness.mta != NULL)
            harness_mta_leaves(harness.mta);
        harness_run(&harness);
        for (guint more = 0; more < 5; more++)
            harness_say(&harness, body);
        harness_expect(&harness, "");
        harness_say(&harness, ".\r\n");
        harness_expect(&harness, faults[i].codes);
        harness_expect_log(&harness, faults[i].delivery);
        gboolean passed = g_str_equal(faults[i].codes, "250");
        g_assert_cmpuint(harness.messages, ==, passed ? 1 : 0);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" HEADER ".\r\n");
        harness_expect(&harness, "250 250 354 250");
        g_assert_cmpuint(harness.messages, ==, passed ? 2 : 1);
        harness_finish(&harness);
    }
}

/* What the client sends after the first burst, and hears at the end; the MTA gets no end. */
static const struct {
    const char *configuration;
    const char *octets;
    const char *codes;
} refusals[] = {
    {STREAM, "a\nb\r\n", "550"},
    {STREAM "refuse_long_lines = yes\n", "LONG", "550"},
    {STREAM "message_size = 3K\n", "LONG", "552"},
};

static void test_refused_in_the_middle(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
        Harness harness;
        g_autofree char *word = g_strnfill(2500, 'x');
        begin(&harness, refusals[i].configuration, piece);
        harness_say(&harness, g_str_equal(refusals[i].octets, "LONG") ? word : refusals[i].octets);
        harness_say(&harness, "\r\nmore\r\n.\r\n");
        harness_expect(&harness, refusals[i].codes);
        g_assert_cmpuint(harness.messages, ==, 0);
        g_assert_cmpuint(harness.abandons, ==, 1);
        harness_expect_log(&harness, " delivery=failed");
        harness_finish(&harness);
    }
}

/* A repaired newline makes lines whose dots have to be stuffed, though they mean nothing where they came. */
static void test_repairs(gsize piece)
{
    Harness harness;
    begin(&harness, STREAM "bare_newline = repair\n", piece);
    harness_say(&harness, "a\n.\nb\r.c\r\r\n..d\r\n.\r\n");
    harness_expect(&harness, "250");
    g_assert_true(g_str_has_suffix(harness.message->str, "a\r\n.\r\nb\r\n.c\r\n\r\n.d\r\n"));
    harness_finish(&harness);
}

/* The client is gone before its dot: nothing is delivered. */
static void test_client_leaves(gsize piece)
{
    Harness harness;
    begin(&harness, STREAM, piece);
    harness_leave(&harness);
    g_assert_cmpuint(harness.messages, ==, 0);
    g_assert_cmpuint(harness.abandons, ==, 1);
    harness_expect_log(&harness, " delivery=failed");
    harness_finish(&harness);
}

/* While the MTA takes nothing, nothing is taken from the client, whose time does not run. */
static void test_backpressure(gsize piece)
{
    Harness harness;
    g_autofree char *more = body_of(400000, TRUE);
    begin(&harness, STREAM "backend_timeout = 10m\nclient_data_timeout = 30s\nmin_data_rate = 1000\n", piece);
    harness.mta->wire->capacity = 1000;
    wire_stall(harness.mta->wire, harness.world.now + 250000);
    guint64 held = postern_budget_used(harness.settings->budget);
    harness_say(&harness, more);
    harness_wait(&harness, 200000);
    g_assert_cmpuint(wire_unread(harness.client), >, 200000);
    g_assert_cmpuint(postern_budget_used(harness.settings->budget), <=,
                     held + 2 * POSTERN_MESSAGE_CHUNK_OCTETS);
    harness_wait(&harness, 50000);
    g_assert_cmpuint(wire_unread(harness.client), ==, 0);
    harness_say(&harness, ".\r\n");
    harness_expect(&harness, "250");
    harness_finish(&harness);
}

/* A slow client has the back-end's time as long as nobody else wants it; the MTA's own does not run. */
static void test_slow_alone(gsize piece)
{
    Harness harness;
    begin(&harness, STREAM "min_data_rate = 0\n", piece);
    for (guint i = 0; i < 6; i++) {
        harness_wait(&harness, 15000); /* more than backend_timeout */
        harness_say(&harness, "a line, and no more for a while\r\n");
    }
    harness_expect(&harness, "");
    g_assert_cmpuint(harness.returns + harness.abandons, ==, 0);
    harness_say(&harness, ".\r\n");
    harness_expect(&harness, "250");
    harness_finish(&harness);
}

/* Else the others have it soon; the message is refused with 451, and the next of that client gathered. */
static void test_slow_while_others_wait(gsize piece)
{
    Harness harness;
    g_autofree char *body = body_of(2000, TRUE);
    begin(&harness, STREAM, piece);
    harness.others_wait = TRUE;
    gint64 waited = 0;
    for (; harness.abandons == 0 && waited < 60000; waited += 500) {
        harness_wait(&harness, 500);
        harness_say(&harness, "a line\r\n");
    }
    g_assert_cmpint(waited, <=, 2 * POSTERN_DATA_CROWDED_SECONDS * 1000);
    harness.others_wait = FALSE;
    harness_say(&harness, body);
    harness_expect(&harness, "");
    harness_say(&harness, ".\r\n");
    harness_expect(&harness, "451");
    harness_expect_log(&harness, " delivery=failed");
    harness_wait(&harness, 1000);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n");
    harness_expect(&harness, "250 250 354");
    g_string_truncate(harness.commands, 0);
    harness_say(&harness, HEADER);
    harness_say(&harness, body);
    harness_expect_commands(&harness, "");
    harness_say(&harness, ".\r\n");
    harness_expect(&harness, "250");
    g_assert_cmpuint(harness.messages, ==, 1);
    harness_finish(&harness);
}

/* A fast one keeps it, whoever waits. */
static void test_fast_while_others_wait(gsize piece)
{
    Harness harness;
    g_autofree char *body = body_of(1200, TRUE);
    begin(&harness, STREAM, piece);
    harness.others_wait = TRUE;
    for (guint i = 0; i < 30; i++) {
        harness_wait(&harness, POSTERN_BURST_MS);
        harness_say(&harness, body);
    }
    harness_say(&harness, ".\r\n");
    harness_expect(&harness, "250");
    g_assert_cmpuint(harness.messages, ==, 1);
    harness_finish(&harness);
}

/* The least rate holds for what is streamed too. */
static void test_least_rate(gsize piece)
{
    Harness harness;
    begin(&harness, STREAM "min_data_rate = 100\n", piece);
    for (guint second = 0; second <= 2 * POSTERN_DATA_RATE_SECONDS && !harness_is_closed(&harness);
         second++) {
        harness_wait(&harness, 1000);
        harness_say(&harness, "0123456789\r\n");
    }
    harness_expect(&harness, "421");
    g_assert_true(harness_is_closed(&harness));
    g_assert_cmpuint(harness.abandons, ==, 1);
    g_assert_cmpuint(harness.messages, ==, 0);
    harness_finish(&harness);
}

static const struct {
    const char *name;
    void (*test)(gsize piece);
} cases[] = {
    {"/session-stream/passes-on", test_passes_on},
    {"/session-stream/gathers", test_gathers},
    {"/session-stream/becomes-fast", test_becomes_fast},
    {"/session-stream/mta-fails", test_mta_fails},
    {"/session-stream/refused-in-the-middle", test_refused_in_the_middle},
    {"/session-stream/repairs", test_repairs},
    {"/session-stream/client-leaves", test_client_leaves},
    {"/session-stream/backpressure", test_backpressure},
    {"/session-stream/slow-alone", test_slow_alone},
    {"/session-stream/slow-while-others-wait", test_slow_while_others_wait},
    {"/session-stream/fast-while-others-wait", test_fast_while_others_wait},
    {"/session-stream/least-rate", test_least_rate},
};

/* Whole, then in pieces, of the client and of the MTA. */
static void run_case(gconstpointer data)
{
    cases[GPOINTER_TO_UINT(data)].test(G_MAXSSIZE);
    cases[GPOINTER_TO_UINT(data)].test(7);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        g_test_add_data_func(cases[i].name, GUINT_TO_POINTER(i), run_case);
    return g_test_run();
}
