#include "proxy/session/session.h"

#include "base/limits.h"
#include "session_harness.h"

#define QUIET "[policy]\nauthentication_results = no"

static void open_data(Harness *harness, const char *configuration, gsize piece)
{
    harness_start(harness, configuration, piece);
    harness_open_envelope(harness);
    harness_say(harness, "DATA\r\n");
    harness_expect(harness, "354");
    harness_expect_commands(harness, ""); /* ours; the back-end's comes when the message is accepted */
}

static const struct {
    const char *sent;
    const char *message;
} messages[] = {
    {".\r\n", ""},
    {"\r\n.\r\n", "\r\n"},
    {"A: b\r\n\r\nbody\r\n.\r\n", "A: b\r\n\r\nbody\r\n"},
    {"A: b\r\n\r\n..\r\n...x\r\n.y\r\n.\r\n", "A: b\r\n\r\n.\r\n..x\r\ny\r\n"},
    {"no header\r\n\r\n\r\n.\r\n", "no header\r\n\r\n\r\n"},
    {"A: \xff\xfe\x01\r\n\r\n8bit \xe4\r\n.\r\n", "A: \xff\xfe\x01\r\n\r\n8bit \xe4\r\n"},
};

static void test_octets(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        Harness harness;
        open_data(&harness, QUIET, piece);
        harness_say(&harness, messages[i].sent);
        harness_expect_text(&harness, "250 2.0.0 queued as 1\r\n");
        g_assert_cmpstr(harness.message->str, ==, messages[i].message);
        harness_expect_commands(&harness, "DATA\n.\n");
        g_assert_cmpuint(harness.returns, ==, 1);
        harness_expect_log(&harness, "delivery=accepted");
        g_assert_cmpuint(harness_count_log(&harness, "message session="), ==, 1);
        harness_finish(&harness);
    }
}

static void test_several_messages(gsize piece)
{
    Harness harness;
    harness_start(&harness, QUIET, piece);
    harness_greet(&harness);
    for (guint i = 0; i < 5; i++) {
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nA: b\r\n\r\n.\r\n");
        harness_expect(&harness, "250 250 354 250");
    }
    harness_say(&harness, "QUIT\r\n");
    harness_expect(&harness, "221");
    g_assert_cmpuint(harness.borrows, ==, 5);
    harness_expect_log(&harness, "messages=5 messages_accepted=5");
    g_assert_cmpuint(harness_count_log(&harness, "message session="), ==, 5);
    harness_finish(&harness);
}

/* What is inserted stands in front; the client's octets stay. */
static void test_edits(gsize piece)
{
    Harness harness;
    open_data(&harness, "", piece);
    harness_say(&harness, "Authentication-Results: mx.test; spf=pass\r\nA: b\r\n\r\nx\r\n.\r\n");
    harness_expect(&harness, "250");
    g_assert_true(g_str_has_prefix(harness.message->str, "Authentication-Results: mx.test"));
    g_assert_true(g_str_has_suffix(harness.message->str, "\r\nA: b\r\n\r\nx\r\n"));
    g_assert_null(strstr(harness.message->str, "mx.test; spf=pass\r\n"));
    harness_finish(&harness);
}

static const char *const bare_messages[] = {
    "A: b\r\n\r\nx\ny\r\n.\r\n",
    "A: b\r\n\r\nx\ry\r\n.\r\n",
    "A: b\n\nx\r\n.\r\n",
    "A: b\r\n\r\nx\n.\r\nMAIL FROM:<evil@x.test>\r\n.\r\n",
    "A: b\r\n\r\nx\r\n.\nRCPT TO:<evil@x.test>\r\n.\r\n",
    "A: b\r\n\r\nx\n.\nDATA\r\n.\r\n",
    "A: b\r\n\r\nx\r.\rRSET\r\n.\r\n",
    "A: b\r\n\r\nx\r\n\r.\r\nQUIT\r\n.\r\n",
};

static void test_bare_newlines(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(bare_messages); i++) {
        Harness harness;
        open_data(&harness, QUIET, piece);
        harness_say(&harness, bare_messages[i]);
        harness_expect(&harness, "550");
        g_assert_cmpuint(harness.messages, ==, 0);
        harness_expect_commands(&harness, "RSET\n");
        harness_expect_log(&harness, "delivery=none");
        harness_say(&harness, "NOOP\r\n"); /* the one end of data was found */
        harness_expect(&harness, "250");
        harness_finish(&harness);
    }
}

static void test_bare_newlines_repaired(gsize piece)
{
    Harness harness;
    open_data(&harness, "bare_newline = repair\n" QUIET, piece);
    harness_say(&harness, "A: b\n\nx\n.\ny\rz\r\n.\r\n");
    harness_expect(&harness, "250");
    g_assert_cmpstr(harness.message->str, ==, "A: b\r\n\r\nx\r\n.\r\ny\r\nz\r\n");
    harness_finish(&harness);
}

/* A message that was spoilt by its first octets still has an end, by its own or by the limit. */
static void test_endless(gsize piece)
{
    g_autofree char *chunk = g_strnfill(1022, 'x');
    g_autofree char *line = g_strconcat(chunk, "\r\n", NULL);
    static const char *const starts[] = {"x\ny\r\n", "A: b\r\n\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(starts); i++) {
        Harness harness;
        open_data(&harness, "message_size = 20K", piece);
        harness_say(&harness, starts[i]);
        for (guint k = 0; k < 60 && !harness_is_closed(&harness); k++)
            harness_say(&harness, line);
        harness_expect(&harness, "521");
        harness_expect_log(&harness, "ended=too-big");
        g_assert_cmpuint(harness.messages, ==, 0);
        harness_finish(&harness);
    }
}

static void test_too_big(gsize piece)
{
    g_autofree char *body = g_strnfill(1500, 'x');
    g_autofree char *sent = g_strconcat("A: b\r\n\r\n", body, "\r\n.\r\nNOOP\r\n", NULL);
    Harness harness;
    open_data(&harness, "message_size = 1K", piece);
    harness_say(&harness, sent);
    harness_expect(&harness, "552 250");
    harness_expect_commands(&harness, "RSET\n");
    harness_finish(&harness);
}

/* Room is reserved before the 354: what is declared, or else a little, and more as it grows. */
static void test_no_room(gsize piece)
{
    g_autofree char *body = g_strnfill(150000, 'x');
    g_autofree char *sent = g_strconcat("A: b\r\n\r\n", body, "\r\n.\r\n", NULL);
    Harness harness;
    harness_start(&harness, "message_memory = 1M\nmessage_size = 1M", piece);
    guint64 others = 1024 * 1024 - 100000;
    g_assert_true(postern_budget_reserve(harness.settings->budget, others));
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test> SIZE=200000\r\nRCPT TO:<b@y.test>\r\nDATA\r\nRSET\r\n");
    harness_expect(&harness, "250 250 452 250");
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n");
    harness_expect(&harness, "250 250 354");
    harness_say(&harness, sent);
    harness_expect(&harness, "452");
    g_assert_cmpuint(harness.messages, ==, 0);
    g_assert_cmpuint(postern_budget_used(harness.settings->budget), ==, others);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nA: b\r\n\r\n.\r\n");
    harness_expect(&harness, "250 250 354 250");
    postern_budget_release(harness.settings->budget, others);
    harness_finish(&harness);
}

static void test_header_too_big(gsize piece)
{
    g_autoptr(GString) sent = g_string_new(NULL);
    for (guint i = 0; i <= POSTERN_HEADER_FIELDS_MAX; i++)
        g_string_append(sent, "A: b\r\n");
    g_string_append(sent, "\r\n.\r\n");
    Harness harness;
    open_data(&harness, "", piece);
    harness_say(&harness, sent->str);
    harness_expect(&harness, "552");
    g_assert_cmpuint(harness.messages, ==, 0);
    harness_finish(&harness);
}

/* What the inspection will find: INFECTED by name, encrypted, or an error. */
static void find_virus(Harness *harness, PosternVirusResult result, const char *name)
{
    PosternVirusFinding *virus = &harness->findings->virus;
    postern_virus_finding_clear(virus);
    if (result == POSTERN_VIRUS_INFECTED)
        postern_virus_finding_infected(virus, name);
    if (result == POSTERN_VIRUS_CLEAN)
        postern_virus_finding_clean(virus);
    else if (result != POSTERN_VIRUS_NOT_CHECKED)
        postern_virus_finding_note(
            virus, result == POSTERN_VIRUS_ERROR ? POSTERN_VIRUS_SCAN_ERROR : POSTERN_VIRUS_ENCRYPTED, name);
}

static const struct {
    const char *configuration;
    PosternVirusResult virus;
    const char *codes;
    guint messages;
    const char *log;
} verdicts[] = {
    {"", POSTERN_VIRUS_CLEAN, "250", 1, "action=accept"},
    {"", POSTERN_VIRUS_INFECTED, "550", 0, "action=reject check=virus"},
    {"", POSTERN_VIRUS_UNSCANNABLE, "250", 1, "action=accept check=encrypted"},
    {"[policy]\nencrypted = reject", POSTERN_VIRUS_UNSCANNABLE, "550", 0, "action=reject check=encrypted"},
    {"", POSTERN_VIRUS_ERROR, "451", 0, "action=tempfail check=scan_error"},
    {"", POSTERN_VIRUS_NOT_CHECKED, "451", 0, "action=tempfail check=scan_error"},
    {"[virus]\nscan = no", POSTERN_VIRUS_NOT_CHECKED, "250", 1, "action=accept"},
    {"mode = observe", POSTERN_VIRUS_INFECTED, "250", 1, "would=reject"},
    {"mode = observe", POSTERN_VIRUS_ERROR, "250", 1, "would=tempfail"},
    {"[policy]\nvirus = quarantine", POSTERN_VIRUS_INFECTED, "250", 1, "action=quarantine"},
    {"[policy]\nunscannable = mark", POSTERN_VIRUS_ERROR, "250", 1, "action=accept"},
};

static void test_verdicts(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(verdicts); i++) {
        Harness harness;
        open_data(&harness, verdicts[i].configuration, piece);
        find_virus(&harness, verdicts[i].virus, "Eicar-Test\r\n250 ok");
        harness_say(&harness, "A: b\r\n\r\nx\r\n.\r\nNOOP\r\n");
        g_autofree char *codes = g_strconcat(verdicts[i].codes, " 250", NULL);
        harness_expect(&harness, codes);
        g_assert_cmpuint(harness.messages, ==, verdicts[i].messages);
        harness_expect_log(&harness, verdicts[i].log);
        harness_expect_log(&harness, verdicts[i].messages > 0 ? "delivery=accepted" : "delivery=none");
        g_assert_cmpuint(harness.returns, ==, 1);
        g_assert_cmpuint(harness.abandons, ==, 0);
        harness_finish(&harness);
    }
}

/* A refusal of ours says which message, so that it can be found in the log: each has an id of its own. */
static void test_refusal_names_message(gsize piece)
{
    Harness harness;
    g_autofree char *before = NULL;
    open_data(&harness, "", piece);
    find_virus(&harness, POSTERN_VIRUS_INFECTED, "Eicar");
    for (guint i = 0; i < 2; i++) {
        if (i > 0)
            harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n");
        g_string_truncate(harness.replies, 0);
        harness_say(&harness, "Message-ID: <1@x.test>\r\nFrom: A\r\n <a@x.test>\r\n\r\nx\r\n.\r\n");
        g_assert_true(g_str_has_prefix(harness.replies->str, "550 5.7.1 "));
        g_autofree char *identifier = harness_id_of(harness.replies->str);
        g_assert_cmpstr(identifier, !=, harness.identifier);
        g_assert_cmpstr(identifier, !=, before);
        g_autofree char *words =
            g_strdup_printf("message session=%s message=%s ", harness.identifier, identifier);
        g_assert_cmpuint(harness_count_log(&harness, words), ==, 1);
        g_free(before);
        before = g_steal_pointer(&identifier);
    }
    harness_expect_log(&harness, "message_id=<1@x.test>");
    harness_expect_log(&harness, "header_from=\"A <a@x.test>\"");
    harness_finish(&harness);
}

static void test_not_inspected(gsize piece)
{
    Harness harness;
    open_data(&harness, "inspect = no", piece);
    harness.hold_inspection = TRUE;
    harness_say(&harness, "A: b\r\n\r\nx\r\n.\r\n");
    harness_expect(&harness, "250");
    g_assert_cmpstr(harness.message->str, ==, "A: b\r\n\r\nx\r\n");
    harness_finish(&harness);
}

static void test_data_timeout(gsize piece)
{
    Harness harness;
    open_data(&harness, "client_data_timeout = 30s\nmin_data_rate = 0", piece);
    for (guint i = 0; i < 5; i++) {
        harness_say(&harness, "x");
        harness_wait(&harness, 29000);
    }
    harness_expect(&harness, "");
    harness_wait(&harness, 1000);
    harness_expect(&harness, "421");
    g_assert_true(harness_is_closed(&harness));
    g_assert_cmpuint(harness.messages, ==, 0);
    harness_finish(&harness);
}

/* No accepted recipient, no message. */
static void test_no_recipients(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, "RCPT", "550 5.1.1 no\r\n", 0);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nDATA\r\nRCPT TO:<b@y.test>\r\nDATA\r\nNOOP\r\n");
    harness_expect(&harness, "250 503 550 554 250");
    harness_finish(&harness);
}

/* What the back-end says to DATA and to the dot is what the client hears. */
static const struct {
    const char *step;
    const char *reply;
    const char *answer;
    const char *delivery;
} finals[] = {
    {".", "250-2.0.0 queued\r\n250 2.0.0 as 7\r\n", "250-2.0.0 queued\r\n250 2.0.0 as 7\r\n",
     "delivery=accepted"},
    {".", "554 5.7.1 spam\r\n", "554 5.7.1 spam\r\n", "delivery=refused"},
    {".", "451 4.7.1 greylisted\r\n", "451 4.7.1 greylisted\r\n", "delivery=refused"},
    {".", "421 4.3.2 closing\r\n", "451 4.3.2 closing\r\n", "delivery=refused"},
    {".", "334 what\r\n", "451 what\r\n", "delivery=refused"},
    {"DATA", "554 5.5.1 no\r\n", "554 5.5.1 no\r\n", "delivery=refused"},
    {"DATA", "421 4.3.2 closing\r\n", "451 4.3.2 closing\r\n", "delivery=refused"},
    {"DATA", "452 4.3.1 full\r\n", "452 4.3.1 full\r\n", "delivery=refused"},
};

static void test_final_replies(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(finals); i++) {
        Harness harness;
        open_data(&harness, "", piece);
        harness_rule(&harness, finals[i].step, finals[i].reply, 0);
        harness_say(&harness, "A: b\r\n\r\nx\r\n.\r\nNOOP\r\n");
        g_autofree char *text = g_strconcat(finals[i].answer, "250 2.0.0 Ok\r\n", NULL);
        harness_expect_text(&harness, text);
        harness_expect_log(&harness, finals[i].delivery);
        g_assert_false(harness.lent);
        harness_finish(&harness);
    }
}

/* Drops that keep coming do not hold memory for ever; who sends enough, however unevenly, is let be. */
static void test_rate(gsize piece)
{
    static const struct {
        const char *configuration;
        guint each; /* octets every 20 s */
        gboolean ends;
    } rows[] = {
        {"min_data_rate = 10", 100, TRUE},
        {"min_data_rate = 10", 199, TRUE},
        {"min_data_rate = 10", 200, FALSE},
        {"min_data_rate = 0", 1, FALSE},
        {"min_data_rate = 10\ntrusted_clients = 192.0.2.7", 1, FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *octets = g_strnfill(rows[i].each, 'x');
        Harness harness;
        open_data(&harness, rows[i].configuration, piece);
        for (guint turn = 0; turn < 12 && !harness_is_closed(&harness); turn++) {
            harness_say(&harness, octets);
            harness_wait(&harness, 20000);
        }
        g_assert_cmpint(harness_is_closed(&harness), ==, rows[i].ends);
        harness_expect(&harness, rows[i].ends ? "421" : "");
        if (rows[i].ends)
            harness_expect_log(&harness, "ended=too-slow");
        else
            harness_say(&harness, "\r\n.\r\n");
        if (!rows[i].ends)
            harness_expect(&harness, "250");
        g_assert_cmpuint(harness.messages, ==, !rows[i].ends);
        harness_finish(&harness);
    }
}

/* A suspect hears its 354 late: the time until then is not the message's. */
static void test_slow_reply(gsize piece)
{
    Harness harness;
    open_data(&harness, "min_data_rate = 10", piece);
    postern_session_hears_slowly(harness_session(&harness));
    harness_wait(&harness, 70000);
    g_assert_false(harness_is_closed(&harness));
    postern_session_has_heard(harness_session(&harness), harness.world.now);
    harness_say(&harness, "x");
    harness_wait(&harness, 50000);
    g_assert_false(harness_is_closed(&harness));
    harness_wait(&harness, 20000);
    g_assert_true(harness_is_closed(&harness));
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session-data/octets", test_octets},
    {"/session-data/several-messages", test_several_messages},
    {"/session-data/edits", test_edits},
    {"/session-data/bare-newlines", test_bare_newlines},
    {"/session-data/bare-newlines-repaired", test_bare_newlines_repaired},
    {"/session-data/endless", test_endless},
    {"/session-data/too-big", test_too_big},
    {"/session-data/no-room", test_no_room},
    {"/session-data/header-too-big", test_header_too_big},
    {"/session-data/verdicts", test_verdicts},
    {"/session-data/refusal-names-message", test_refusal_names_message},
    {"/session-data/not-inspected", test_not_inspected},
    {"/session-data/data-timeout", test_data_timeout},
    {"/session-data/no-recipients", test_no_recipients},
    {"/session-data/final-replies", test_final_replies},
    {"/session-data/rate", test_rate},
    {"/session-data/slow-reply", test_slow_reply},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
