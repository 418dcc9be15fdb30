#include "base/limits.h"
#include "session_harness.h"

#define FILTER "role = before_queue_filter\ntrusted_clients = 127.0.0.0/8\nclient_address = xforward\n"
#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
#define MESSAGE "A: b\r\n\r\nx\r\n.\r\n"

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
    guint64 reserved = postern_budget_used(harness.settings->budget);
    harness_say(&harness, "A: b\r\n\r\nx\ny");
    guint64 recipients = postern_budget_used(harness.settings->budget);
    g_assert_cmpuint(recipients, <, reserved);
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

/* Room is taken before the first octet: for what was declared, up to a mebibyte. */
static void test_room_is_reserved(gsize piece)
{
    static const struct {
        const char *size;
        guint64 reserved;
    } rows[] = {{"5000000", POSTERN_RESERVED_MAX_OCTETS}, {"200000", 200000}, {"1000", 1000}};
    g_autofree char *octets = g_strnfill(10000, 'x');
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *mail = g_strdup_printf("MAIL FROM:<a@x.test> SIZE=%s\r\n", rows[i].size);
        Harness harness;
        harness_start(&harness, "message_memory = 10M\nmessage_size = 5M", piece);
        harness_greet(&harness);
        harness_say(&harness, mail);
        harness_say(&harness, "RCPT TO:<b@y.test>\r\n");
        guint64 before = postern_budget_used(harness.settings->budget);
        harness_say(&harness, "DATA\r\n");
        harness_expect(&harness, "250 250 354");
        g_assert_cmpuint(postern_budget_used(harness.settings->budget) - before, ==, rows[i].reserved);
        harness_say(&harness, octets);
        g_assert_cmpuint(postern_budget_used(harness.settings->budget) - before, >=,
                         MAX(rows[i].reserved, strlen(octets)));
        harness_finish(&harness);
    }
}

/* Who reserves and sends nothing goes as one does who has sent as much and stalls. */
static void test_reserved_in_the_way(gsize piece)
{
    const guint64 others = 6 << 20;
    Harness harness;
    harness_start(&harness, "message_memory = 10M\nmessage_size = 2M\nmin_data_rate = 1", piece);
    harness_greet(&harness);
    g_assert_true(postern_budget_reserve(harness.settings->budget, others));
    harness_say(&harness, "MAIL FROM:<a@x.test> SIZE=900000\r\nRCPT TO:<b@y.test>\r\nDATA\r\n");
    harness_expect(&harness, "250 250 354");
    for (guint second = 0; second < 12; second++)
        harness_wait(&harness, 1000);
    harness_expect(&harness, "421");
    postern_budget_release(harness.settings->budget, others);
    g_assert_cmpuint(postern_budget_used(harness.settings->budget), ==, 0);
    harness_finish(&harness);
}

/* Who stalls goes at once when another needs its room. */
static void test_goes_for_another(gsize piece)
{
    static const guint64 octets[] = {300000, 30000};
    for (gsize i = 0; i < G_N_ELEMENTS(octets); i++) {
        g_autofree char *half = g_strnfill(octets[i], 'x');
        gboolean goes = octets[i] > POSTERN_BUDGET_ASSURED_OCTETS;
        Harness harness;
        open_data(&harness, "message_memory = 10M\nmessage_size = 2M", piece);
        harness_say(&harness, half);
        g_assert_false(postern_transfers_make_room(harness.settings->transfers, NULL, harness.world.now));
        harness_wait(&harness, 3000);
        g_assert_cmpint(postern_transfers_make_room(harness.settings->transfers, NULL, harness.world.now), ==,
                        goes);
        harness_run(&harness);
        harness_expect(&harness, goes ? "421" : "");
        g_assert_cmpint(harness_is_closed(&harness), ==, goes);
        if (goes)
            harness_expect_log(&harness, "ended=no-room");
        harness_finish(&harness);
    }
}

/* A client that finds no room gets that of who stalls, before its message, in it and for its recipients; one
 * that stalls itself does not, nor one whose share it is that is used up. */
static void test_room_is_made(gsize piece)
{
    enum { WHOLE = 10 << 20 };
    static const struct {
        const char *size;
        guint octets, left;
        gboolean stalls;
    } rows[] = {{" SIZE=900000", 1000, 0, TRUE}, {"", 900000, 0, TRUE}, {" SIZE=900000", 1000, 10000, FALSE}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *octets = g_strnfill(rows[i].octets, 'x');
        g_autofree char *mail = g_strdup_printf("MAIL FROM:<a@x.test>%s\r\n", rows[i].size);
        const guint64 taken = WHOLE - rows[i].left;
        Harness harness;
        harness_start(&harness, "message_memory = 10M\nmessage_size = 2M", piece);
        harness_greet(&harness);
        gint64 began = harness.world.now;
        PosternTransfer *other =
            postern_transfer_new(harness.settings->transfers, POSTERN_TRANSFER_OF_ANYBODY, began);
        g_assert_true(postern_budget_reserve(harness.settings->budget, taken));
        postern_transfer_note(other, taken, 1, began);
        harness_wait(&harness, 5000);
        if (!rows[i].stalls)
            postern_transfer_note(other, taken, taken, harness.world.now);
        harness_say(&harness, mail);
        harness_say(&harness, "RCPT TO:<b@y.test>\r\n");
        harness_say(&harness, "DATA\r\n");
        harness_expect(&harness, rows[i].stalls ? "250 250 354" : "250 250 452");
        g_assert_cmpint(postern_transfer_must_go(other), ==, rows[i].stalls);
        if (rows[i].stalls) {
            harness_say(&harness, octets);
            harness_say(&harness, "\r\n.\r\n");
            harness_expect(&harness, "250");
        } else {
            harness_say(&harness, "RSET\r\n");
            harness_expect(&harness, "250");
        }
        postern_transfer_free(other);
        postern_budget_release(harness.settings->budget, taken);
        g_assert_cmpuint(postern_budget_used(harness.settings->budget), ==, 0);
        harness_finish(&harness);
    }
}

/* Those whom a smtpd in front speaks for have a share each. */
static void test_share_of_forwarded(gsize piece)
{
    Harness harness;
    PosternAddress hungry;
    postern_address_parse(&hungry, "203.0.113.5");
    harness_start_from(&harness, FILTER "message_memory = 10M\nmessage_size = 1M", "127.0.0.1", FALSE, piece);
    guint64 most = postern_proxy_settings_client_share(harness.settings);
    harness_greet(&harness);
    harness_say(&harness, "XFORWARD ADDR=203.0.113.5\r\n" ENVELOPE);
    harness_expect(&harness, "250 250 250");
    g_autoptr(PosternBudget) share =
        postern_client_table_share(harness.world.clients, &hungry, harness.settings->budget, most,
                                   postern_proxy_settings_client_assured(harness.settings));
    g_assert_true(postern_budget_reserve(share, most - 10000));
    harness_say(&harness, "DATA\r\nRSET\r\n");
    harness_expect(&harness, "452 250");
    harness_say(&harness, "XFORWARD ADDR=203.0.113.6\r\n" ENVELOPE "DATA\r\n" MESSAGE);
    harness_expect(&harness, "250 250 250 354 250");
    postern_budget_release(share, most - 10000);
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

static const HarnessCase cases[] = {
    {"/session-memory/in-the-way", test_in_the_way},
    {"/session-memory/doomed-is-not-kept", test_doomed_is_not_kept},
    {"/session-memory/share", test_share},
    {"/session-memory/room-is-reserved", test_room_is_reserved},
    {"/session-memory/reserved-in-the-way", test_reserved_in_the_way},
    {"/session-memory/goes-for-another", test_goes_for_another},
    {"/session-memory/room-is-made", test_room_is_made},
    {"/session-memory/share-of-forwarded", test_share_of_forwarded},
    {"/session-memory/recipients-are-charged", test_recipients_are_charged},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
