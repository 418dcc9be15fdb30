#include "proxy/screen/client_table.h"

#define THREADS 8
#define ROUNDS 20000

static PosternAddress address(const char *text)
{
    PosternAddress parsed;
    g_assert_true(postern_address_parse(&parsed, text));
    return parsed;
}

static void enter(PosternClientTable *table, const char *text, guint maximum, guint total,
                  PosternClientAdmission expected)
{
    PosternAddress client = address(text);
    g_assert_cmpint(postern_client_table_enter(table, &client, maximum, total), ==, expected);
}

static void leave(PosternClientTable *table, const char *text)
{
    PosternAddress client = address(text);
    postern_client_table_leave(table, &client);
}

/* All connections of a client have one share, a /64 is one client, and a new one begins anew. */
static void test_share(void)
{
    g_autoptr(PosternClientTable) table = postern_client_table_new();
    g_autoptr(PosternBudget) budget = postern_budget_new(100);
    static const char *const clients[] = {"192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"};
    PosternBudget *shares[G_N_ELEMENTS(clients)];
    for (gsize i = 0; i < G_N_ELEMENTS(clients); i++) {
        PosternAddress client = address(clients[i]);
        enter(table, clients[i], 9, 100, POSTERN_CLIENT_ADMITTED);
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
    enter(table, clients[0], 9, 100, POSTERN_CLIENT_ADMITTED);
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
    g_autoptr(PosternClientTable) table = postern_client_table_new();
    enter(table, "192.0.2.1", 2, 100, POSTERN_CLIENT_ADMITTED);
    enter(table, "192.0.2.1", 2, 100, POSTERN_CLIENT_ADMITTED);
    enter(table, "192.0.2.1", 2, 100, POSTERN_CLIENT_TOO_MANY);
    g_assert_cmpuint(postern_client_table_total(table), ==, 2);
    enter(table, "192.0.2.2", 2, 100, POSTERN_CLIENT_ADMITTED);
    leave(table, "192.0.2.1");
    enter(table, "192.0.2.1", 2, 100, POSTERN_CLIENT_ADMITTED);
    enter(table, "192.0.2.1", 2, 100, POSTERN_CLIENT_TOO_MANY);
    leave(table, "192.0.2.1");
    leave(table, "192.0.2.1");
    leave(table, "192.0.2.2");
    g_assert_cmpuint(postern_client_table_total(table), ==, 0);
    enter(table, "192.0.2.1", 1, 100, POSTERN_CLIENT_ADMITTED);
    enter(table, "192.0.2.1", 1, 100, POSTERN_CLIENT_TOO_MANY);
}

static void test_total(void)
{
    g_autoptr(PosternClientTable) table = postern_client_table_new();
    enter(table, "192.0.2.1", 5, 2, POSTERN_CLIENT_ADMITTED);
    enter(table, "192.0.2.2", 5, 2, POSTERN_CLIENT_ADMITTED);
    enter(table, "192.0.2.3", 5, 2, POSTERN_CLIENT_TOO_MANY_TOTAL);
    enter(table, "192.0.2.1", 1, 2, POSTERN_CLIENT_TOO_MANY_TOTAL);
    g_assert_cmpuint(postern_client_table_total(table), ==, 2);
    leave(table, "192.0.2.2");
    enter(table, "192.0.2.1", 1, 2, POSTERN_CLIENT_TOO_MANY);
    g_assert_cmpuint(postern_client_table_total(table), ==, 1);
    enter(table, "192.0.2.3", 5, 2, POSTERN_CLIENT_ADMITTED);
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
        g_autoptr(PosternClientTable) table = postern_client_table_new();
        enter(table, pairs[i].one, 1, 10, POSTERN_CLIENT_ADMITTED);
        enter(table, pairs[i].other, 1, 10,
              pairs[i].same ? POSTERN_CLIENT_TOO_MANY : POSTERN_CLIENT_ADMITTED);
    }
}

/* The port is no part of it, nor is an address that is not known a hole. */
static void test_port_and_unknown(void)
{
    g_autoptr(PosternClientTable) table = postern_client_table_new();
    PosternAddress one = address("192.0.2.1");
    PosternAddress other = address("192.0.2.1");
    PosternAddress unknown = {.family = AF_UNSPEC};
    one.port = 1;
    other.port = 2;
    g_assert_cmpint(postern_client_table_enter(table, &one, 1, 10), ==, POSTERN_CLIENT_ADMITTED);
    g_assert_cmpint(postern_client_table_enter(table, &other, 1, 10), ==, POSTERN_CLIENT_TOO_MANY);
    g_assert_cmpint(postern_client_table_enter(table, &unknown, 1, 10), ==, POSTERN_CLIENT_ADMITTED);
    g_assert_cmpint(postern_client_table_enter(table, &unknown, 1, 10), ==, POSTERN_CLIENT_TOO_MANY);
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
        g_assert_cmpint(postern_client_table_enter(crowd->table, &own, 1, 100), ==, POSTERN_CLIENT_ADMITTED);
        if (postern_client_table_enter(crowd->table, &shared, 3, 100) == POSTERN_CLIENT_ADMITTED) {
            g_assert_cmpint(g_atomic_int_add(crowd->inside, 1), <, 3);
            g_atomic_int_add(crowd->inside, -1);
            postern_client_table_leave(crowd->table, &shared);
        }
        postern_client_table_leave(crowd->table, &own);
    }
    return NULL;
}

static void test_threads(void)
{
    g_autoptr(PosternClientTable) table = postern_client_table_new();
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client-table/maximum", test_maximum);
    g_test_add_func("/client-table/share", test_share);
    g_test_add_func("/client-table/total", test_total);
    g_test_add_func("/client-table/who-is-one-client", test_who_is_one_client);
    g_test_add_func("/client-table/port-and-unknown", test_port_and_unknown);
    g_test_add_func("/client-table/threads", test_threads);
    return g_test_run();
}
