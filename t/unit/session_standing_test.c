#include "base/limits.h"
#include "session_harness.h"

#define MESSAGE "A: b\r\n\r\nx\r\n.\r\n"
#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n"

static gboolean is_good(Harness *harness)
{
    PosternClientStanding standing;
    (void)postern_client_table_standing(harness->world.clients, &harness->address, harness->world.now,
                                        &standing);
    return standing.good;
}

static void send_message(Harness *harness, const char *codes)
{
    harness_say(harness, ENVELOPE);
    harness_say(harness, MESSAGE);
    harness_expect(harness, codes);
}

/* A message that the server behind refuses at the dot for what it is ends what one that it took has earned.
 */
static void test_refused_by_server(gsize piece)
{
    static const struct {
        const char *reply, *codes;
        gboolean good;
    } rows[] = {
        {"550 5.7.1 spam\r\n", "250 250 354 550", FALSE},
        {"550-5.7.1 spam\r\n550 5.7.1 really\r\n", "250 250 354 550", FALSE},
        {"550 This message contains a virus\r\n", "250 250 354 550", FALSE},
        {"554 rejected\r\n", "250 250 354 554", FALSE},
        {"552 5.3.4 too large\r\n", "250 250 354 552", TRUE},
        {"552 too large\r\n", "250 250 354 552", TRUE},
        {"550 5.2.2 mailbox full\r\n", "250 250 354 550", TRUE},
        {"451 4.7.1 later\r\n", "250 250 354 451", TRUE},
        {"452 no room\r\n", "250 250 354 452", TRUE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        harness_start(&harness, "", piece);
        harness_greet(&harness);
        g_assert_false(is_good(&harness));
        send_message(&harness, "250 250 354 250");
        g_assert_true(is_good(&harness));
        harness_rule(&harness, ".", rows[i].reply, 1);
        send_message(&harness, rows[i].codes);
        g_assert_cmpint(is_good(&harness), ==, rows[i].good);
        send_message(&harness, "250 250 354 250");
        g_assert_true(is_good(&harness));
        harness_finish(&harness);
    }
}

static void test_virus(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    send_message(&harness, "250 250 354 250");
    postern_virus_finding_infected(&harness.findings->virus, "Test");
    send_message(&harness, "250 250 354 550");
    g_assert_false(is_good(&harness));
    harness_finish(&harness);
}

/* A list server has some dead addresses; past the limit of its class it is a harvest, whatever else follows.
 */
static void test_harvest(gsize piece)
{
    static const char *const over_limits[] = {"tempfail", "slow", "close"};
    for (gsize i = 0; i < G_N_ELEMENTS(over_limits); i++) {
        Harness harness;
        g_autofree char *text =
            g_strdup_printf("[class]\nrefused_recipient_rate = 3\nover_limit = %s\n", over_limits[i]);
        harness_start(&harness, text, piece);
        harness_rule(&harness, "RCPT TO:<no", "550 5.1.1 nobody\r\n", 0);
        harness_greet(&harness);
        send_message(&harness, "250 250 354 250");
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<no1@y.test>\r\nRCPT TO:<no2@y.test>\r\n");
        harness_say(&harness, "RCPT TO:<no3@y.test>\r\n");
        harness_expect(&harness, "250 550 550 550");
        g_assert_true(is_good(&harness));
        harness_say(&harness, "RCPT TO:<no4@y.test>\r\n");
        g_assert_false(is_good(&harness));
        harness_finish(&harness);
    }
}

static const HarnessCase cases[] = {
    {"/session-standing/refused-by-server", test_refused_by_server},
    {"/session-standing/virus", test_virus},
    {"/session-standing/harvest", test_harvest},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
