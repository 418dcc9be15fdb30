#include "proxy/screen/client_table.h"

#include <string.h>

#define NOW 1000000
#define THREADS 8
#define ROUNDS 20000

static PosternAddress address(const char *text)
{
    PosternAddress parsed;
    g_assert_true(postern_address_parse(&parsed, text));
    return parsed;
}

static PosternConfiguration *configuration_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    return configuration;
}

static PosternClientTable *table_new(const char *text)
{
    g_autoptr(PosternConfiguration) configuration = configuration_of(text);
    return postern_client_table_new(configuration);
}

static PosternClientLimit try_to_enter(PosternClientTable *table, const PosternAddress *client, guint maximum,
                                       guint total)
{
    const PosternClientAllowance allowance = {.connections = maximum, .connections_total = total};
    return postern_client_table_enter(table, client, &allowance, NOW);
}

static void enter(PosternClientTable *table, const char *text, guint maximum, guint total,
                  PosternClientLimit expected)
{
    PosternAddress client = address(text);
    g_assert_cmpint(try_to_enter(table, &client, maximum, total), ==, expected);
}

static void leave(PosternClientTable *table, const char *text)
{
    PosternAddress client = address(text);
    postern_client_table_leave(table, &client, TRUE, NOW);
}

/* All connections of a client have one share, a /64 is one client, and a new one begins anew. */
static void test_share(void)
{
    g_autoptr(PosternClientTable) table = table_new("");
    g_autoptr(PosternBudget) budget = postern_budget_new(100);
    static const char *const clients[] = {"192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"};
    PosternBudget *shares[G_N_ELEMENTS(clients)];
    for (gsize i = 0; i < G_N_ELEMENTS(clients); i++) {
        PosternAddress client = address(clients[i]);
        enter(table, clients[i], 9, 100, POSTERN_LIMIT_NONE);
        shares[i] = postern_client_table_share(table, &client, budget, 40, 40);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(clients); i++) {
        PosternAddress client = address(clients[i]);
        g_assert_cmpuint(postern_client_table_connections(table, &client), ==, i == 1 || i == 2 ? 2 : 1);
    }
    g_assert_true(shares[1] == shares[2] && shares[0] != shares[1] && shares[1] != shares[3]);
    g_assert_true(postern_budget_reserve(shares[1], 30));
    g_assert_false(postern_budget_reserve(shares[2], 11));
    g_assert_true(postern_budget_reserve(shares[3], 40));
    g_assert_true(postern_budget_reserve(shares[0], 30));
    g_assert_false(postern_budget_reserve(shares[0], 1)); /* all is taken */
    leave(table, clients[0]);
    enter(table, clients[0], 9, 100, POSTERN_LIMIT_NONE);
    PosternAddress again = address(clients[0]);
    g_autoptr(PosternBudget) anew = postern_client_table_share(table, &again, budget, 40, 40);
    g_assert_cmpuint(postern_budget_used(anew), ==, 0);
    postern_budget_release(shares[0], 30);
    postern_budget_release(shares[1], 30);
    postern_budget_release(shares[3], 40);
    g_assert_cmpuint(postern_budget_used(budget), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(clients); i++) {
        leave(table, clients[i]);
        postern_budget_unref(shares[i]);
    }
}

static void test_maximum(void)
{
    g_autoptr(PosternClientTable) table = table_new("");
    enter(table, "192.0.2.1", 2, 100, POSTERN_LIMIT_NONE);
    enter(table, "192.0.2.1", 2, 100, POSTERN_LIMIT_NONE);
    enter(table, "192.0.2.1", 2, 100, POSTERN_LIMIT_CONNECTIONS);
    g_assert_cmpuint(postern_client_table_total(table), ==, 2);
    enter(table, "192.0.2.2", 2, 100, POSTERN_LIMIT_NONE);
    leave(table, "192.0.2.1");
    enter(table, "192.0.2.1", 2, 100, POSTERN_LIMIT_NONE);
    enter(table, "192.0.2.1", 2, 100, POSTERN_LIMIT_CONNECTIONS);
    leave(table, "192.0.2.1");
    leave(table, "192.0.2.1");
    leave(table, "192.0.2.2");
    g_assert_cmpuint(postern_client_table_total(table), ==, 0);
    enter(table, "192.0.2.1", 1, 100, POSTERN_LIMIT_NONE);
    enter(table, "192.0.2.1", 1, 100, POSTERN_LIMIT_CONNECTIONS);
}

static void test_total(void)
{
    g_autoptr(PosternClientTable) table = table_new("");
    enter(table, "192.0.2.1", 5, 2, POSTERN_LIMIT_NONE);
    enter(table, "192.0.2.2", 5, 2, POSTERN_LIMIT_NONE);
    enter(table, "192.0.2.3", 5, 2, POSTERN_LIMIT_CONNECTIONS_TOTAL);
    enter(table, "192.0.2.1", 1, 2, POSTERN_LIMIT_CONNECTIONS_TOTAL);
    g_assert_cmpuint(postern_client_table_total(table), ==, 2);
    leave(table, "192.0.2.2");
    enter(table, "192.0.2.1", 1, 2, POSTERN_LIMIT_CONNECTIONS);
    g_assert_cmpuint(postern_client_table_total(table), ==, 1);
    enter(table, "192.0.2.3", 5, 2, POSTERN_LIMIT_NONE);
}

static const struct {
    const char *one;
    const char *other;
    gboolean same;
} pairs[] = {
    {"192.0.2.1", "192.0.2.1", TRUE},
    {"192.0.2.1", "192.0.2.129", FALSE},
    {"192.0.2.1", "::ffff:192.0.2.1", TRUE},
    {"2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", TRUE},
    {"2001:db8:0:1::1", "2001:db8:0:2::1", FALSE},
    {"::1", "::2", TRUE},
    {"0.0.0.0", "::", FALSE},
    {"127.0.0.1", "::1", FALSE},
};

static void test_who_is_one_client(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autoptr(PosternClientTable) table = table_new("");
        enter(table, pairs[i].one, 1, 10, POSTERN_LIMIT_NONE);
        enter(table, pairs[i].other, 1, 10, pairs[i].same ? POSTERN_LIMIT_CONNECTIONS : POSTERN_LIMIT_NONE);
    }
}

/* The port is no part of it, nor is an address that is not known a hole. */
static void test_port_and_unknown(void)
{
    g_autoptr(PosternClientTable) table = table_new("");
    PosternAddress one = address("192.0.2.1");
    PosternAddress other = address("192.0.2.1");
    PosternAddress unknown = {.family = AF_UNSPEC};
    one.port = 1;
    other.port = 2;
    g_assert_cmpint(try_to_enter(table, &one, 1, 10), ==, POSTERN_LIMIT_NONE);
    g_assert_cmpint(try_to_enter(table, &other, 1, 10), ==, POSTERN_LIMIT_CONNECTIONS);
    g_assert_cmpint(try_to_enter(table, &unknown, 1, 10), ==, POSTERN_LIMIT_NONE);
    g_assert_cmpint(try_to_enter(table, &unknown, 1, 10), ==, POSTERN_LIMIT_CONNECTIONS);
}

typedef struct {
    PosternClientTable *table;
    guint index;
    gint *inside; /* of all threads, of the client that they share */
} Crowd;

static gpointer come_and_go(gpointer data)
{
    Crowd *crowd = data;
    PosternAddress shared = address("192.0.2.1");
    g_autofree char *text = g_strdup_printf("198.51.100.%u", crowd->index);
    PosternAddress own = address(text);
    for (guint i = 0; i < ROUNDS; i++) {
        g_assert_cmpint(try_to_enter(crowd->table, &own, 1, 100), ==, POSTERN_LIMIT_NONE);
        if (try_to_enter(crowd->table, &shared, 3, 100) == POSTERN_LIMIT_NONE) {
            g_assert_cmpint(g_atomic_int_add(crowd->inside, 1), <, 3);
            g_atomic_int_add(crowd->inside, -1);
            postern_client_table_leave(crowd->table, &shared, TRUE, NOW);
        }
        postern_client_table_leave(crowd->table, &own, TRUE, NOW);
    }
    return NULL;
}

static void test_threads(void)
{
    g_autoptr(PosternClientTable) table = table_new("");
    Crowd crowds[THREADS];
    GThread *threads[THREADS];
    gint inside = 0;
    for (guint i = 0; i < THREADS; i++) {
        crowds[i] = (Crowd){.table = table, .index = i, .inside = &inside};
        threads[i] = g_thread_new("crowd", come_and_go, &crowds[i]);
    }
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
    g_assert_cmpuint(postern_client_table_total(table), ==, 0);
}

/* What is asked for is not counted once it is refused; what has happened is. */
static void test_rates(void)
{
    g_autoptr(PosternConfiguration) configuration =
        configuration_of("[class]\nmessage_rate = 3\nerror_rate = 2\noctet_rate = 2K\n");
    g_autoptr(PosternClientTable) table = postern_client_table_new(configuration);
    const PosternClassOptions *class = &configuration->class;
    PosternAddress client = address("192.0.2.1");
    PosternClientStanding standing;
    enter(table, "192.0.2.1", 1, 9, POSTERN_LIMIT_NONE);
    for (guint i = 0; i < 6; i++) {
        g_assert_cmpint(postern_client_table_count(table, &client, class, POSTERN_COUNT_MESSAGES, 1, NOW), ==,
                        i < 3 ? POSTERN_LIMIT_NONE : POSTERN_LIMIT_RATE);
        g_assert_cmpint(postern_client_table_count(table, &client, class, POSTERN_COUNT_ERRORS, 1, NOW), ==,
                        i < 2 ? POSTERN_LIMIT_NONE : POSTERN_LIMIT_RATE);
        g_assert_cmpint(postern_client_table_count(table, &client, class, POSTERN_COUNT_RECIPIENTS, 1, NOW),
                        ==, POSTERN_LIMIT_NONE);
        g_assert_cmpint(postern_client_table_is_over(table, &client, class, POSTERN_COUNT_KIBIBYTES, NOW), ==,
                        i >= 2);
        postern_client_table_count(table, &client, class, POSTERN_COUNT_KIBIBYTES, 1, NOW);
    }
    leave(table, "192.0.2.1"); /* what is known outlives the connection */
    g_assert_true(postern_client_table_standing(table, &client, NOW, &standing));
    g_assert_cmpuint(standing.counts[POSTERN_COUNT_MESSAGES], ==, 3);
    g_assert_cmpuint(standing.counts[POSTERN_COUNT_ERRORS], ==, 6);
    g_assert_cmpuint(standing.counts[POSTERN_COUNT_CONNECTIONS], ==, 1);
    g_assert_cmpuint(standing.connections, ==, 0);
    g_assert_true(postern_client_table_standing(table, &client, NOW + 120000, &standing));
    g_assert_cmpuint(standing.counts[POSTERN_COUNT_ERRORS], ==, 0);
}

/* All of a network together; prefixes are as the configuration says. */
static void test_networks(void)
{
    g_autoptr(PosternConfiguration) configuration =
        configuration_of("[class]\nnetwork_factor = 2\nmessage_rate = 1\n[screen]\nipv6_prefix = 56\n");
    g_autoptr(PosternClientTable) table = postern_client_table_new(configuration);
    const PosternClientAllowance allowance = {
        .class = &configuration->class, .connections = 1, .connections_total = 10};
    static const struct {
        const char *client;
        PosternClientLimit limit, rate;
    } rows[] = {
        {"192.0.2.1", POSTERN_LIMIT_NONE, POSTERN_LIMIT_NONE},
        {"192.0.2.1", POSTERN_LIMIT_CONNECTIONS, POSTERN_LIMIT_RATE},
        {"192.0.2.2", POSTERN_LIMIT_NONE, POSTERN_LIMIT_NONE},
        {"192.0.2.3", POSTERN_LIMIT_CONNECTIONS_NETWORK, POSTERN_LIMIT_RATE_NETWORK},
        {"192.0.3.3", POSTERN_LIMIT_NONE, POSTERN_LIMIT_NONE},
        {"2001:db8:0:1::1", POSTERN_LIMIT_NONE, POSTERN_LIMIT_NONE},
        {"2001:db8:0:ff::1", POSTERN_LIMIT_CONNECTIONS, POSTERN_LIMIT_RATE},
        {"2001:db8:0:100::1", POSTERN_LIMIT_NONE, POSTERN_LIMIT_NONE},
        {"2001:db8:0:200::1", POSTERN_LIMIT_CONNECTIONS_NETWORK, POSTERN_LIMIT_RATE_NETWORK},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        PosternAddress client = address(rows[i].client);
        g_assert_cmpint(postern_client_table_enter(table, &client, &allowance, NOW), ==, rows[i].limit);
        g_assert_cmpint(
            postern_client_table_count(table, &client, allowance.class, POSTERN_COUNT_MESSAGES, 1, NOW), ==,
            rows[i].rate);
    }
    g_assert_cmpuint(postern_client_table_total(table), ==, 5);
}

static void test_history(void)
{
    g_autoptr(PosternClientTable) table = table_new("[screen]\nforget = 10s\ngood_days = 1\n");
    PosternAddress client = address("192.0.2.1");
    PosternClientStanding standing;
    g_assert_false(postern_client_table_standing(table, &client, NOW, &standing));
    enter(table, "192.0.2.1", 1, 9, POSTERN_LIMIT_NONE);
    postern_client_table_blame(table, &client, POSTERN_REASON_ERROR, 5, NOW);
    postern_client_table_blame(table, &client, POSTERN_REASON_TIMEOUT, 3, NOW);
    static const struct {
        gint64 after_ms;
        guint points;
    } rows[] = {{0, 8}, {5000, 6}, {10000, 4}, {20000, 2}, {30000, 1}, {45000, 0}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_true(postern_client_table_standing(table, &client, NOW + rows[i].after_ms, &standing));
        g_assert_cmpuint(standing.points, ==, rows[i].points);
        g_assert_false(standing.good);
    }
    postern_client_table_set_good(table, &client, TRUE, NOW);
    leave(table, "192.0.2.1");
    g_assert_true(postern_client_table_standing(table, &client, NOW + 3600 * 1000, &standing));
    g_assert_true(standing.good && standing.points == 0);
    g_assert_true(postern_client_table_standing(table, &client, NOW + 25 * 3600 * 1000, &standing));
    g_assert_false(standing.good);
    g_assert_true(postern_client_table_order(table, &client, POSTERN_ORDER_BLOCK, NOW + 5, NOW));
    (void)postern_client_table_standing(table, &client, NOW, &standing);
    g_assert_cmpint(standing.order.kind, ==, POSTERN_ORDER_BLOCK);
    g_assert_cmpint(standing.order.until, ==, NOW + 5);
    (void)postern_client_table_standing(table, &client, NOW + 5, &standing);
    g_assert_cmpint(standing.order.kind, ==, POSTERN_ORDER_NONE);
}

/* A flood of addresses, ten times what is remembered: the connected, the good and the bad are still known. */
static void test_flood(void)
{
    g_autoptr(PosternClientTable) table = table_new("[screen]\nmax_clients = 12800\n");
    PosternAddress good = address("192.0.2.1"), bad = address("192.0.2.2"), here = address("192.0.2.3");
    PosternClientStanding standing;
    enter(table, "192.0.2.1", 1, 9, POSTERN_LIMIT_NONE);
    enter(table, "192.0.2.2", 1, 9, POSTERN_LIMIT_NONE);
    enter(table, "192.0.2.3", 1, 9, POSTERN_LIMIT_NONE);
    postern_client_table_set_good(table, &good, TRUE, NOW);
    postern_client_table_blame(table, &bad, POSTERN_REASON_ERROR, 9, NOW);
    leave(table, "192.0.2.1");
    leave(table, "192.0.2.2");
    for (guint i = 0; i < 128000; i++) {
        PosternAddress client = {.family = AF_INET, .ipv4.s_addr = g_htonl(0x0a000000 + i)};
        g_assert_cmpint(try_to_enter(table, &client, 1, 9), ==, POSTERN_LIMIT_NONE);
        postern_client_table_leave(table, &client, TRUE, NOW);
    }
    g_assert_cmpuint(postern_client_table_size(table), <=, 12800 + 2);
    g_assert_cmpuint(postern_client_table_size(table), >, 12000);
    g_assert_true(postern_client_table_standing(table, &good, NOW, &standing) && standing.good);
    g_assert_true(postern_client_table_standing(table, &bad, NOW, &standing) && standing.points == 9);
    g_assert_true(postern_client_table_standing(table, &here, NOW, &standing) && standing.connections == 1);
}

/* However many have points: who is good, and has some too, is kept as one who is good. */
static void test_flood_of_suspects(void)
{
    g_autoptr(PosternClientTable) table = table_new("[screen]\nmax_clients = 12800\n");
    PosternAddress good = address("192.0.2.1");
    PosternClientStanding standing;
    enter(table, "192.0.2.1", 1, 9, POSTERN_LIMIT_NONE);
    postern_client_table_set_good(table, &good, TRUE, NOW);
    postern_client_table_blame(table, &good, POSTERN_REASON_ERROR, 2, NOW);
    leave(table, "192.0.2.1");
    for (guint i = 0; i < 64000; i++) {
        PosternAddress client = {.family = AF_INET, .ipv4.s_addr = g_htonl(0x0a000000 + i)};
        g_assert_cmpint(try_to_enter(table, &client, 1, 9), ==, POSTERN_LIMIT_NONE);
        postern_client_table_blame(table, &client, POSTERN_REASON_EARLY_TALKER, 9, NOW);
        postern_client_table_leave(table, &client, TRUE, NOW);
    }
    g_assert_true(postern_client_table_standing(table, &good, NOW, &standing));
    g_assert_true(standing.good && standing.points == 2);
    g_assert_cmpuint(postern_client_table_size(table), <=, 12800);
}

static void expect_orders(PosternClientTable *table, gint64 now, guint expected)
{
    g_autoptr(GArray) orders = postern_client_table_orders(table, now);
    g_assert_cmpuint(orders->len, ==, expected);
}

/* Orders are bounded, and what clients do, known or not, pushes none out. */
static void test_orders(void)
{
    g_autoptr(PosternClientTable) table = table_new("[screen]\nmax_clients = 1000\n");
    PosternAddress blocked = address("192.0.2.1"), released = address("2001:db8::1");
    PosternClientStanding standing;
    enter(table, "192.0.2.1", 1, 9, POSTERN_LIMIT_NONE);
    postern_client_table_blame(table, &blocked, POSTERN_REASON_ERROR, 9, NOW);
    leave(table, "192.0.2.1");
    g_assert_true(postern_client_table_order(table, &blocked, POSTERN_ORDER_BLOCK, NOW + 100, NOW));
    g_assert_true(postern_client_table_order(table, &released, POSTERN_ORDER_RELEASE, NOW + 200, NOW));
    for (guint i = 0; i < 60000; i++) {
        PosternAddress client = {.family = AF_INET, .ipv4.s_addr = g_htonl(0x0a000000 + i)};
        g_assert_cmpint(try_to_enter(table, &client, 1, 9), ==, POSTERN_LIMIT_NONE);
        postern_client_table_blame(table, &client, POSTERN_REASON_EARLY_TALKER, 9, NOW);
        postern_client_table_leave(table, &client, TRUE, NOW);
    }
    g_assert_true(postern_client_table_standing(table, &blocked, NOW + 99, &standing));
    g_assert_true(standing.order.kind == POSTERN_ORDER_BLOCK && standing.points == 0);
    g_assert_true(postern_client_table_standing(table, &released, NOW, &standing));
    g_assert_cmpint(standing.order.kind, ==, POSTERN_ORDER_RELEASE);
    for (guint i = 2; i < POSTERN_ORDERS_MAX + 10; i++) {
        PosternAddress client = {.family = AF_INET, .ipv4.s_addr = g_htonl(0x0b000000 + i)};
        g_assert_true(postern_client_table_order(table, &client, POSTERN_ORDER_BLOCK, NOW + 50, NOW) ==
                      (i < POSTERN_ORDERS_MAX));
    }
    expect_orders(table, NOW, POSTERN_ORDERS_MAX);
    g_assert_true(postern_client_table_order(table, &blocked, POSTERN_ORDER_RELEASE, NOW + 300, NOW));
    PosternAddress late = address("198.51.100.1"); /* those that are over make room */
    g_assert_true(postern_client_table_order(table, &late, POSTERN_ORDER_BLOCK, NOW + 300, NOW + 50));
    g_assert_true(postern_client_table_order(table, &late, POSTERN_ORDER_NONE, 0, NOW + 50));
    g_assert_false(postern_client_table_standing(table, &late, NOW + 50, &standing));
    expect_orders(table, NOW + 50, 2);
}

typedef struct {
    PosternClientTable *table;
    const PosternClassOptions *class;
    gint *allowed;
} Asking;

static gpointer ask(gpointer data)
{
    const Asking *asking = data;
    PosternAddress client = address("192.0.2.1");
    for (guint i = 0; i < ROUNDS; i++)
        if (postern_client_table_count(asking->table, &client, asking->class, POSTERN_COUNT_MESSAGES, 1,
                                       NOW) == POSTERN_LIMIT_NONE)
            g_atomic_int_inc(asking->allowed);
    return NULL;
}

/* As many as the limit says, whatever the threads. */
static void test_rate_threads(void)
{
    g_autoptr(PosternConfiguration) configuration = configuration_of("[class]\nmessage_rate = 1234\n");
    g_autoptr(PosternClientTable) table = postern_client_table_new(configuration);
    GThread *threads[THREADS];
    gint allowed = 0;
    Asking asking = {table, &configuration->class, &allowed};
    enter(table, "192.0.2.1", 1, 9, POSTERN_LIMIT_NONE);
    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("asking", ask, &asking);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(allowed, ==, 1234);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client-table/maximum", test_maximum);
    g_test_add_func("/client-table/share", test_share);
    g_test_add_func("/client-table/total", test_total);
    g_test_add_func("/client-table/who-is-one-client", test_who_is_one_client);
    g_test_add_func("/client-table/port-and-unknown", test_port_and_unknown);
    g_test_add_func("/client-table/threads", test_threads);
    g_test_add_func("/client-table/rates", test_rates);
    g_test_add_func("/client-table/networks", test_networks);
    g_test_add_func("/client-table/history", test_history);
    g_test_add_func("/client-table/flood", test_flood);
    g_test_add_func("/client-table/flood-of-suspects", test_flood_of_suspects);
    g_test_add_func("/client-table/orders", test_orders);
    g_test_add_func("/client-table/rate-threads", test_rate_threads);
    return g_test_run();
}
