#include <glib/gstdio.h>
#include <unistd.h>

#include "base/limits.h"
#include "session_harness.h"

#define MESSAGE "A: b\r\n\r\nx\r\n.\r\n"

static guint count_commands(const Harness *harness, const char *prefix)
{
    g_auto(GStrv) lines = g_strsplit(harness->commands->str, "\n", -1);
    guint count = 0;
    for (guint i = 0; lines[i] != NULL; i++)
        count += g_str_has_prefix(lines[i], prefix);
    return count;
}

static void say_recipients(Harness *harness, guint count, gboolean at_once)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < count; i++) {
        g_string_append_printf(text, "RCPT TO:<guess%u@y.test>\r\n", i);
        if (at_once)
            continue;
        harness_say(harness, text->str);
        g_string_truncate(text, 0);
    }
    harness_say(harness, text->str);
}

/* Who guesses at addresses learns so many, one by one or all at once, and is let go; each has its answer. */
static void test_harvest(gsize piece)
{
    for (guint at_once = 0; at_once <= 1; at_once++) {
        Harness harness;
        harness_start(&harness, "max_refused_recipients = 5", piece);
        harness_rule(&harness, "RCPT", "550 5.1.1 nobody\r\n", 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
        say_recipients(&harness, 30, at_once);
        harness_expect(&harness, "250 550 550 550 550 550 421");
        g_assert_cmpuint(count_commands(&harness, "RCPT"), ==, 5);
        g_assert_true(harness_is_closed(&harness));
        harness_expect_log(&harness, "ended=too-many-errors");
        harness_finish(&harness);
    }
}

/* What a message was counts against the next one: its octets, and that it could not be scanned. */
static void test_message_rates(gsize piece)
{
    static const struct {
        const char *limit, *mail;
        gboolean unscannable;
    } rows[] = {
        {"octet_rate = 1K", MESSAGE, FALSE},
        {"unscannable_rate = 1", MESSAGE, TRUE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        g_autofree char *text = g_strdup_printf("[policy]\nencrypted = mark\n[class]\n%s\n", rows[i].limit);
        harness_start(&harness, text, piece);
        if (rows[i].unscannable)
            postern_virus_finding_note(&harness.findings->virus, POSTERN_VIRUS_ENCRYPTED, "a.zip");
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n");
        harness_say(&harness, rows[i].mail);
        harness_expect(&harness, "250 250 354 250");
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nQUIT\r\n");
        harness_expect(&harness, "450 221");
        harness_finish(&harness);
    }
}

/* What we refuse ourselves, whoever asks for it, counts as what the back-end does. */
static void test_own_refusals_are_a_harvest(gsize piece)
{
    static const struct {
        const char *text, *routes;
    } rows[] = {
        {"recipient_domains = z.test\n", NULL},
        {"recipient_domains = y.test\n[servers a]\naddress = 192.0.2.9:25\n", "z.test a\n"},
        {"[policy]\nhelo_malformed = reject\n", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        g_autofree char *path = NULL;
        g_autoptr(GString) text = g_string_new(NULL);
        if (rows[i].routes != NULL) {
            close(g_file_open_tmp("postern-test-XXXXXX", &path, NULL));
            g_assert_true(g_file_set_contents(path, rows[i].routes, -1, NULL));
            g_string_append_printf(text, "routes = %s\n", path);
        }
        g_string_append_printf(text, "%s[class]\nrefused_recipient_rate = 2\n", rows[i].text);
        harness_start(&harness, text->str, piece);
        harness_say(&harness, "EHLO localhost\r\n");
        g_string_truncate(harness.replies, 0);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
        say_recipients(&harness, 3, FALSE);
        g_assert_cmpuint(count_commands(&harness, "RCPT"), ==, 0);
        harness_say(&harness, "NOOP\r\n");
        harness_expect(&harness, i == 0 ? "250 554 554 554 421" : "250 550 550 550 421");
        harness_expect_log(&harness, "ended=screen");
        harness_finish(&harness);
        if (path != NULL)
            g_unlink(path);
    }
}

/* Over several transactions likewise, whether the back-end would have ended it or not. */
static void test_harvest_by_transactions(gsize piece)
{
    Harness harness;
    harness_start(&harness, "max_refused_recipients = 5", piece);
    harness_rule(&harness, "RCPT", "550 5.1.1 nobody\r\n", 0);
    harness_greet(&harness);
    for (guint i = 0; i < 2; i++) {
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nRSET\r\n");
        harness_expect(&harness, "250 550 550 250");
    }
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nQUIT\r\n");
    harness_expect(&harness, "250 550 421");
    harness_finish(&harness);
}

/* Who guesses what others have guessed learns no more than they, and the back-end does not hear of it. */
static void test_harvest_from_memory(gsize piece)
{
    Harness harness;
    harness_start(&harness, "max_refused_recipients = 5\n[servers]\nrefusal_cache = 10", piece);
    harness_rule(&harness, "RCPT TO:<no", "550-5.1.1 Nobody\r\n550 5.1.1 of that name\r\n", 0);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<no1@y.test>\r\nRCPT TO:<no2@y.test>\r\nRSET\r\n");
    harness_expect(&harness, "250 550 550 250");
    g_assert_cmpuint(count_commands(&harness, "RCPT"), ==, 2);
    g_string_truncate(harness.replies, 0);
    harness_say(&harness, "MAIL FROM:<other@x.test>\r\nRCPT TO:<no1@Y.test>\r\n");
    g_assert_nonnull(strstr(harness.replies->str, "550-5.1.1 Nobody\r\n550 5.1.1 of that name\r\n"));
    harness_expect(&harness, "250 550");
    harness_expect_log(&harness, "to=<no1@Y.test> refused_by=cache reply=\"550-5.1.1 Nobody");
    harness_say(&harness, "RCPT TO:<no2@y.test>\r\nRCPT TO:<no1@y.test>\r\nNOOP\r\n");
    harness_expect(&harness, "550 550 421");
    g_assert_cmpuint(count_commands(&harness, "RCPT"), ==, 2);
    g_assert_true(harness_is_closed(&harness));
    harness_expect_log(&harness, "ended=too-many-errors");
    harness_finish(&harness);
}

/* What is known waits for the answers before it, and the message goes on with those that are there. */
static void test_known_refusal_in_its_turn(gsize piece)
{
    Harness harness;
    harness_start(&harness, "[servers]\nrefusal_cache = 10", piece);
    harness_rule(&harness, "RCPT TO:<no", "550 5.1.1 nobody\r\n", 0);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<no@y.test>\r\nRSET\r\n");
    harness_expect(&harness, "250 550 250");
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<no@y.test>\r\nRCPT TO:<b@y.test>\r\n"
                          "RCPT TO:<no@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\n" MESSAGE);
    harness_expect(&harness, "250 550 250 550 250 354 250");
    g_assert_cmpuint(count_commands(&harness, "RCPT"), ==, 3);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<no@y.test>\r\nDATA\r\n");
    harness_expect(&harness, "250 550 554");
    harness_finish(&harness);
}

/* A server that was taken before a reload is not believed after it. */
static void test_reload_meanwhile(gsize piece)
{
    Harness harness;
    harness_start(&harness, "[servers]\nrefusal_cache = 10", piece);
    harness_rule(&harness, "RCPT TO:<no", "550 5.1.1 nobody\r\n", 0);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
    harness_expect(&harness, "250 250");
    const PosternProxyGroup *group = g_ptr_array_index(harness.settings->groups, 0);
    postern_refusals_begin(postern_server_group_refusals(group->servers), 10, 60000);
    harness_say(&harness, "RCPT TO:<no@y.test>\r\nRSET\r\n");
    harness_expect(&harness, "550 250");
    for (guint i = 0; i < 2; i++) {
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<no@y.test>\r\nRSET\r\n");
        harness_expect(&harness, "250 550 250");
        g_assert_cmpuint(count_commands(&harness, "RCPT"), ==, 3);
    }
    harness_finish(&harness);
}

/* Another server's words about its client, or its sender, are for nobody else. */
static void test_what_is_not_remembered(gsize piece)
{
    static const struct {
        const char *prefix, *reply, *code;
    } rows[] = {{"RCPT", "450 4.1.1 later\r\n", "450"},
                {"RCPT", "550 5.7.1 not you\r\n", "550"},
                {"MAIL", "550 5.1.1 not that sender\r\n", "550"}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        harness_start(&harness, "[servers]\nrefusal_cache = 10", piece);
        harness_rule(&harness, rows[i].prefix, rows[i].reply, 1);
        if (g_str_equal(rows[i].prefix, "MAIL")) /* as a server without a transaction says */
            harness_rule(&harness, "RCPT", "503 5.5.1 MAIL first\r\n", 1);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n");
        g_autofree char *codes = g_strdup_printf("250 %s 250", rows[i].code);
        harness_expect(&harness, codes);
        harness_say(&harness, "MAIL FROM:<c@x.test>\r\nRCPT TO:<b@y.test>\r\n");
        harness_expect(&harness, "250 250");
        harness_finish(&harness);
    }
}

/* A list with some dead addresses is no harvest: a message that is accepted begins the count anew, what is
 * only not taken now does not count; and neither does anything of a server in front. */
static void test_no_harvest(gsize piece)
{
    Harness harness;
    harness_start(&harness, "max_refused_recipients = 5", piece);
    harness_rule(&harness, "RCPT TO:<guess", "550 5.1.1 nobody\r\n", 0);
    harness_rule(&harness, "RCPT TO:<grey", "450 4.2.0 later\r\n", 0);
    harness_greet(&harness);
    for (guint i = 0; i < 3; i++) {
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
        say_recipients(&harness, 4, TRUE);
        for (guint j = 0; j < 10; j++)
            harness_say(&harness, "RCPT TO:<grey@y.test>\r\n");
        harness_say(&harness, "RCPT TO:<b@y.test>\r\nDATA\r\n" MESSAGE);
        g_assert_true(g_str_has_suffix(harness.replies->str, "250 2.0.0 queued as 1\r\n"));
    }
    harness_finish(&harness);

    static const char *const exempt[] = {"max_refused_recipients = 0",
                                         "max_refused_recipients = 5\ntrusted_clients = 192.0.2.7"};
    for (gsize i = 0; i < G_N_ELEMENTS(exempt); i++) {
        harness_start(&harness, exempt[i], piece);
        harness_rule(&harness, "RCPT", "550 5.1.1 nobody\r\n", 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
        say_recipients(&harness, 100, TRUE);
        harness_say(&harness, "NOOP\r\n");
        g_assert_true(g_str_has_suffix(harness.replies->str, "250 2.0.0 Ok\r\n"));
        g_assert_cmpuint(count_commands(&harness, "RCPT"), ==, 100);
        harness_finish(&harness);
    }
}

/* A list of which more is dead than may be refused goes to those that were accepted, to the rest later. */
static void test_half_dead_list(gsize piece)
{
    for (guint at_once = 0; at_once <= 1; at_once++) {
        Harness harness;
        harness_start(&harness, "max_refused_recipients = 5", piece);
        harness_rule(&harness, "RCPT TO:<guess", "550 5.1.1 nobody\r\n", 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
        say_recipients(&harness, 7, at_once);
        harness_say(&harness, "RCPT TO:<c@y.test>\r\n");
        harness_expect(&harness, "250 250 550 550 550 550 550 452 452 452");
        g_assert_cmpuint(count_commands(&harness, "RCPT"), ==, 6);
        harness_say(&harness, "DATA\r\n" MESSAGE);
        harness_expect(&harness, "354 250");
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<c@y.test>\r\nRSET\r\n");
        harness_expect(&harness, "250 250 250");
        harness_finish(&harness);

        /* Who sends nothing to them is let go. */
        harness_start(&harness, "max_refused_recipients = 5", piece);
        harness_rule(&harness, "RCPT TO:<guess", "550 5.1.1 nobody\r\n", 0);
        harness_greet(&harness);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
        say_recipients(&harness, 5, at_once);
        harness_say(&harness, "RSET\r\n");
        harness_expect(&harness, "250 250 550 550 550 550 550 421");
        harness_finish(&harness);
    }
}

/* A refused sender is the same answer for all, and no guess. */
static void test_refused_sender(gsize piece)
{
    Harness harness;
    harness_start(&harness, "max_refused_recipients = 5", piece);
    harness_rule(&harness, "MAIL", "550 5.7.1 not you\r\n", 0);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
    say_recipients(&harness, 8, TRUE);
    harness_say(&harness, "QUIT\r\n");
    harness_expect(&harness, "250 550 550 550 550 550 550 550 550 221");
    harness_finish(&harness);
}

/* More recipients than may be refused are no fault where they are good. */
static void test_many_good_recipients(gsize piece)
{
    Harness harness;
    harness_start(&harness, "max_refused_recipients = 5", piece);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
    say_recipients(&harness, 100, TRUE);
    harness_say(&harness, "DATA\r\n" MESSAGE);
    g_assert_true(g_str_has_suffix(harness.replies->str, "250 2.0.0 queued as 1\r\n"));
    g_assert_cmpuint(count_commands(&harness, "RCPT"), ==, 100);
    harness_finish(&harness);
}

/* A web page or another server is made to speak to us: nothing of what follows is heard. */
static void test_not_smtp(gsize piece)
{
    static const char *const said[] = {
        "POST / HTTP/1.1\r\nHost: mx.test:25\r\nContent-Length: 200\r\n\r\nEHLO c\r\n",
        "GET /?a=\r\nEHLO c\r\n",
        "CONNECT mx.test:25 HTTP/1.1\r\n\r\nEHLO c\r\n",
        "Subject: x\r\nEHLO c\r\n",
        "\x16\x03\x01\x02\r\nEHLO c\r\n",
        "EHLO c\r\nReceived: from x\r\n",
        "EHLO c\r\nMAIL FROM:<a@x.test>\r\nDATA\r\nFrom: a@x.test\r\nTo: b@y.test\r\n",
        "EHLO c\r\nNOOP\r\nTO:<b@y.test>\r\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(said); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_say(&harness, said[i]);
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" MESSAGE);
        g_assert_nonnull(strstr(harness.replies->str, "\r\n521 5.5.1 "));
        g_assert_true(harness_is_closed(&harness));
        g_assert_cmpstr(harness.commands->str, ==, "");
        harness_expect_log(&harness, "ended=not-smtp");
        harness_finish(&harness);
    }
}

/* It does not overtake the answers to those before it. */
static void test_not_smtp_behind_recipients(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_hold_connections(&harness);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nA: b\r\n");
    harness_expect(&harness, "250");
    harness_give(&harness, 0);
    harness_expect(&harness, "250 250 521");
    g_assert_null(strstr(harness.commands->str, "DATA"));
    harness_finish(&harness);
}

/* What is said before our greeting, or behind DATA before our 354, is told apart and counted. */
static void test_early(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_say(&harness, "EHLO client.test\r\nQUIT\r\n");
    harness_expect_log(&harness, "early_greeting=1");
    g_assert_null(strstr(harness.log->str, "early_data"));
    harness_finish(&harness);

    harness_start(&harness, "", piece);
    harness_run(&harness);
    for (guint i = 0; i < 2; i++) {
        harness_say(&harness, i == 0 ? "EHLO client.test\r\n" : "NOOP\r\n");
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" MESSAGE);
    }
    harness_say(&harness, "QUIT\r\n");
    harness_expect_log(&harness, "early_data=2");
    g_assert_null(strstr(harness.log->str, "early_greeting"));
    harness_finish(&harness);

    harness_start(&harness, "", piece);
    harness_run(&harness);
    harness_say(&harness, "EHLO client.test\r\n");
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n");
    harness_say(&harness, MESSAGE "QUIT\r\n");
    g_assert_null(strstr(harness.log->str, "early_"));
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session-abuse/harvest", test_harvest},
    {"/session-abuse/own-refusals-are-a-harvest", test_own_refusals_are_a_harvest},
    {"/session-abuse/harvest-by-transactions", test_harvest_by_transactions},
    {"/session-abuse/harvest-from-memory", test_harvest_from_memory},
    {"/session-abuse/known-refusal-in-its-turn", test_known_refusal_in_its_turn},
    {"/session-abuse/reload-meanwhile", test_reload_meanwhile},
    {"/session-abuse/what-is-not-remembered", test_what_is_not_remembered},
    {"/session-abuse/no-harvest", test_no_harvest},
    {"/session-abuse/many-good-recipients", test_many_good_recipients},
    {"/session-abuse/half-dead-list", test_half_dead_list},
    {"/session-abuse/refused-sender", test_refused_sender},
    {"/session-abuse/not-smtp", test_not_smtp},
    {"/session-abuse/not-smtp-behind-recipients", test_not_smtp_behind_recipients},
    {"/session-abuse/early", test_early},
    {"/session-abuse/message-rates", test_message_rates},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
