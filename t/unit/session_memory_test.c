#include "base/limits.h"
#include "session_harness.h"

static void open_data(Harness *harness, const char *configuration, gsize piece)
{
    harness_start(harness, configuration, piece);
    harness_open_envelope(harness);
    harness_say(harness, "DATA\r\n");
    harness_expect(harness, "354");
    harness_expect_commands(harness, ""); /* ours; the back-end's comes when the message is accepted */
}

/* While memory is crowded, who holds much of it has to send on; who holds little, or while there is room,
 * need not. */
static void test_in_the_way(gsize piece)
{
    static const struct {
        guint first, each; /* octets at once, and every second */
        guint64 others;    /* taken by others, of 10 MiB */
        gboolean ends;
    } rows[] = {
        {90000, 100, 6 << 20, TRUE},
        {90000, 3000, 6 << 20, FALSE},
        {90000, 100, 1 << 20, FALSE},
        {1000, 100, 6 << 20, FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *first = g_strnfill(rows[i].first, 'x');
        g_autofree char *each = g_strnfill(rows[i].each, 'x');
        Harness harness;
        open_data(&harness, "message_memory = 10M\nmessage_size = 2M\nmin_data_rate = 1", piece);
        g_assert_true(postern_budget_reserve(harness.settings->budget, rows[i].others));
        harness_say(&harness, first);
        for (guint second = 0; second < 12 && !harness_is_closed(&harness); second++) {
            harness_wait(&harness, 1000);
            harness_say(&harness, each);
        }
        g_assert_cmpint(harness_is_closed(&harness), ==, rows[i].ends);
        harness_expect(&harness, rows[i].ends ? "421" : "");
        postern_budget_release(harness.settings->budget, rows[i].others);
        harness_finish(&harness);
    }
}

/* What is doomed is not kept. */
static void test_doomed_is_not_kept(gsize piece)
{
    g_autofree char *more = g_strnfill(300000, 'y');
    Harness harness;
    open_data(&harness, "", piece);
    guint64 recipients = postern_budget_used(harness.settings->budget);
    harness_say(&harness, "A: b\r\n\r\nx\ny");
    g_assert_cmpuint(postern_budget_used(harness.settings->budget), ==, recipients);
    harness_say(&harness, more);
    g_assert_cmpuint(postern_budget_used(harness.settings->budget), ==, recipients);
    harness_say(&harness, "\r\n.\r\n");
    harness_expect(&harness, "550");
    harness_finish(&harness);
}

/* A client that has used up its share is put off, while others find room. */
static void test_share(gsize piece)
{
    Harness harness;
    harness_start(&harness, "message_memory = 10M\nmessage_size = 1M", piece);
    guint64 most = postern_proxy_settings_client_share(harness.settings);
    harness_run(&harness);
    g_autoptr(PosternBudget) share =
        postern_client_table_share(harness.world.clients, &harness.address, harness.settings->budget, most,
                                   postern_proxy_settings_client_assured(harness.settings));
    g_assert_true(postern_budget_reserve(share, most - 10000));
    harness_open_envelope(&harness);
    harness_say(&harness, "DATA\r\n");
    harness_expect(&harness, "452");
    postern_budget_release(share, most - 10000);
    harness_say(&harness, "DATA\r\nA: b\r\n\r\nx\r\n.\r\n");
    harness_expect(&harness, "354 250");
    harness_finish(&harness);
}

/* Room is taken by what comes, whatever was declared. */
static void test_room_for_what_comes(gsize piece)
{
    g_autofree char *octets = g_strnfill(10000, 'x');
    Harness harness;
    harness_start(&harness, "message_memory = 10M\nmessage_size = 5M", piece);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test> SIZE=5000000\r\nRCPT TO:<b@y.test>\r\n");
    guint64 before = postern_budget_used(harness.settings->budget);
    harness_say(&harness, "DATA\r\n");
    harness_expect(&harness, "250 250 354");
    g_assert_cmpuint(postern_budget_used(harness.settings->budget), ==, before);
    harness_say(&harness, octets);
    guint64 taken = postern_budget_used(harness.settings->budget) - before;
    g_assert_cmpuint(taken, >=, 10000);
    g_assert_cmpuint(taken, <, 10000 + POSTERN_MESSAGE_PAGE_OCTETS);
    harness_finish(&harness);
}

/* Recipients are charged as messages are, and refused for now where there is no room. */
static void test_recipients_are_charged(gsize piece)
{
    g_autofree char *local = g_strnfill(900, 'b');
    g_autofree char *line = g_strdup_printf("RCPT TO:<%s@y.test>\r\n", local);
    Harness harness;
    harness_start(&harness, "message_memory = 100K\nmessage_size = 90K", piece);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test>\r\n");
    for (guint i = 0; i < 100; i++)
        harness_say(&harness, line);
    g_assert_true(g_str_has_prefix(harness.replies->str, "250 2.1.0 Ok\r\n250 2.1.5 "));
    g_assert_nonnull(strstr(harness.replies->str, "\r\n452 4.3.1 "));
    g_assert_cmpuint(postern_budget_used(harness.settings->budget), >,
                     postern_proxy_settings_client_share(harness.settings) - 2 * strlen(line));
    harness_say(&harness, "RSET\r\n");
    g_assert_cmpuint(postern_budget_used(harness.settings->budget), ==, 0);
    harness_finish(&harness);
}

static const struct {
    const char *name;
    void (*test)(gsize piece);
} cases[] = {
    {"/session-memory/in-the-way", test_in_the_way},
    {"/session-memory/doomed-is-not-kept", test_doomed_is_not_kept},
    {"/session-memory/share", test_share},
    {"/session-memory/room-for-what-comes", test_room_for_what_comes},
    {"/session-memory/recipients-are-charged", test_recipients_are_charged},
};

/* Whole, then one octet at a time, of the client and of the MTA. */
static void run_case(gconstpointer data)
{
    cases[GPOINTER_TO_UINT(data)].test(G_MAXSSIZE);
    cases[GPOINTER_TO_UINT(data)].test(1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        g_test_add_data_func(cases[i].name, GUINT_TO_POINTER(i), run_case);
    return g_test_run();
}
