#include "pool_harness.h"

#define SERVERS 4

/* One thread, and servers 192.0.2.1 to 192.0.2.4. */
typedef struct {
    GPtrArray *settings;
    PosternServerGroup *group;
    PosternPool *pool;
    PosternServer *servers[SERVERS];
    guint64 connections[64]; /* by client: those that are open and its own */
    guint served[SERVERS];
    guint serial;
    gint64 now;
} Fixture;

static PosternServerSettings *settings_of(Fixture *fixture, guint server)
{
    return g_ptr_array_index(fixture->settings, server);
}

static void reload(Fixture *fixture, PosternBalance balance)
{
    const PosternGroupSettings settings = {.servers = fixture->settings,
                                           .balance = balance,
                                           .wait_ms = WAIT_MS,
                                           .idle_ms = IDLE_MS,
                                           .slow_start_ms = 10000,
                                           .check_ms = 5000,
                                           .serial = ++fixture->serial};
    postern_pool_reload(fixture->pool, &settings, fixture->now);
}

static guint place_of(const Fixture *fixture, const PosternServer *server)
{
    for (guint i = 0; i < SERVERS; i++)
        if (fixture->servers[i] == server)
            return i;
    g_assert_not_reached();
}

/* Does what the pool wants; connections to servers of which broken has the bit fail, others are greeted. */
static void act(Fixture *fixture, guint broken)
{
    PosternPoolAction action;
    static GHashTable *opened_to; /* connection -> 1 + place */
    if (opened_to == NULL)
        opened_to = g_hash_table_new(NULL, NULL);
    while (postern_pool_next_action(fixture->pool, &action)) {
        gpointer number = GUINT_TO_POINTER((guint)action.connection);
        if (action.kind == POSTERN_POOL_OPEN) {
            guint place = place_of(fixture, action.server);
            g_hash_table_insert(opened_to, number, GUINT_TO_POINTER(1 + place));
            if ((broken & 1U << place) != 0)
                postern_pool_closed(fixture->pool, action.connection, "refused", fixture->now);
            else
                opened(fixture->pool, (guint)action.connection, fixture->now);
        } else if (action.kind == POSTERN_POOL_ASSIGN && action.borrower == POSTERN_BORROWER_CLIENT) {
            fixture->connections[action.waiter % 64] = action.connection;
            fixture->served[GPOINTER_TO_UINT(g_hash_table_lookup(opened_to, number)) - 1]++;
        } else if (action.kind == POSTERN_POOL_QUIT) {
            postern_pool_closed(fixture->pool, action.connection, NULL, fixture->now);
        }
    }
}

static void fixture_init(Fixture *fixture, PosternBalance balance)
{
    PosternPoolAction action;
    *fixture = (Fixture){.settings = server_settings_of(SERVERS, 20), .now = 1000};
    fixture->group = new_group(fixture->settings);
    fixture->pool = postern_pool_new(fixture->group, WAIT_MS, IDLE_MS, NULL, NULL);
    postern_pool_timer(fixture->pool, 0);
    for (guint i = 0; i < SERVERS; i++) {
        g_assert_true(postern_pool_next_action(fixture->pool, &action));
        fixture->servers[i] = postern_server_ref(action.server);
        postern_pool_mark_up(fixture->pool, action.server, PROBE_AGAIN_MS, 0);
    }
    reload(fixture, balance);
    for (guint i = 0; i < SERVERS; i++)
        postern_pool_mark_up(fixture->pool, fixture->servers[i], PROBE_AGAIN_MS, 0);
    act(fixture, 0);
}

static void fixture_clear(Fixture *fixture)
{
    postern_pool_free(fixture->pool);
    for (guint i = 0; i < SERVERS; i++)
        postern_server_unref(fixture->servers[i]);
    postern_server_group_unref(fixture->group);
    g_ptr_array_unref(fixture->settings);
}

static void give_back(Fixture *fixture, guint client)
{
    postern_pool_returned(fixture->pool, fixture->connections[client % 64], TRUE, fixture->now);
    act(fixture, 0);
}

/* So many messages of each of clients, one after the other. */
static void serve(Fixture *fixture, guint clients, guint messages, guint broken)
{
    memset(fixture->served, 0, sizeof fixture->served);
    for (guint i = 0; i < messages; i++) {
        for (guint client = 1; client <= clients; client++) {
            want(fixture->pool, client, client, fixture->now);
            act(fixture, broken);
            act(fixture, broken);
            give_back(fixture, client);
        }
    }
}

/* Give or take one, of those that are expected to serve at all. */
static void expect_served(const Fixture *fixture, guint first, guint second, guint third, guint fourth)
{
    const guint expected[SERVERS] = {first, second, third, fourth};
    for (guint i = 0; i < SERVERS; i++) {
        g_assert_cmpuint(fixture->served[i] + 1, >=, expected[i]);
        g_assert_cmpuint(fixture->served[i], <=, expected[i] + (expected[i] > 0));
    }
}

/* By weight, whether they come one at a time or together. */
static void test_weights(void)
{
    for (PosternBalance balance = POSTERN_BALANCE_LEAST_LOADED; balance <= POSTERN_BALANCE_ROUND_ROBIN;
         balance++) {
        Fixture fixture;
        fixture_init(&fixture, balance);
        settings_of(&fixture, 1)->weight = 3;
        settings_of(&fixture, 3)->weight = 4;
        reload(&fixture, balance);
        serve(&fixture, 1, 90, 0);
        expect_served(&fixture, 10, 30, 10, 40);
        memset(fixture.served, 0, sizeof fixture.served);
        for (guint client = 1; client <= 27; client++)
            want(fixture.pool, client, client, fixture.now);
        act(&fixture, 0);
        expect_served(&fixture, 3, 9, 3, 12);
        for (guint client = 1; client <= 27; client++)
            give_back(&fixture, client);
        fixture_clear(&fixture);
    }
}

/* Who has a server keeps it; those of one that goes are shared by the others, and come back with it. */
static void test_hash(void)
{
    Fixture fixture;
    guint before[64], moved = 0, of_drained = 0;
    fixture_init(&fixture, POSTERN_BALANCE_CLIENT);
    for (guint client = 1; client < 64; client++) {
        memset(fixture.served, 0, sizeof fixture.served);
        for (guint i = 0; i < 3; i++) {
            want(fixture.pool, client, client, fixture.now);
            act(&fixture, 0);
            give_back(&fixture, client);
        }
        for (guint i = 0; i < SERVERS; i++)
            if (fixture.served[i] > 0)
                before[client] = i;
        g_assert_cmpuint(fixture.served[before[client]], ==, 3);
        of_drained += before[client] == 2;
    }
    g_assert_cmpuint(of_drained, >, 5); /* of 63, for four servers */
    settings_of(&fixture, 2)->drain = TRUE;
    reload(&fixture, POSTERN_BALANCE_CLIENT);
    act(&fixture, 0);
    for (guint round = 0; round < 2; round++) {
        for (guint client = 1; client < 64; client++) {
            memset(fixture.served, 0, sizeof fixture.served);
            want(fixture.pool, client, client, fixture.now);
            act(&fixture, 0);
            give_back(&fixture, client);
            moved += fixture.served[before[client]] == 0;
        }
        g_assert_cmpuint(moved, ==, of_drained);
        settings_of(&fixture, 2)->drain = FALSE;
        reload(&fixture, POSTERN_BALANCE_CLIENT);
    }
    fixture_clear(&fixture);
}

/* Names that a short hash takes for one another. */
static void test_names_alike(void)
{
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func(free_server_settings);
    guint served[2] = {0, 0};
    g_ptr_array_add(settings, postern_server_settings_new("unix:/run/Ab", 200, NULL));
    g_ptr_array_add(settings, postern_server_settings_new("unix:/run/BA", 200, NULL));
    g_assert_cmpuint(g_str_hash("unix:/run/Ab"), ==, g_str_hash("unix:/run/BA"));
    const PosternGroupSettings group_settings = {.servers = settings, .balance = POSTERN_BALANCE_CLIENT};
    g_autoptr(PosternServerGroup) group = postern_server_group_new(&group_settings);
    g_autoptr(PosternPool) pool = postern_pool_new(group, WAIT_MS, IDLE_MS, NULL, NULL);
    PosternPoolAction action;
    postern_pool_timer(pool, 0);
    for (guint i = 0; i < 2 && postern_pool_next_action(pool, &action); i++)
        postern_pool_mark_up(pool, action.server, PROBE_AGAIN_MS, 0);
    for (guint client = 1; client <= 64; client++)
        want(pool, client, client, 0);
    while (postern_pool_next_action(pool, &action))
        if (action.kind == POSTERN_POOL_OPEN)
            served[g_str_has_suffix(postern_server_name(action.server), "BA")]++;
    g_assert_cmpuint(served[0] + served[1], ==, 64);
    g_assert_cmpuint(MIN(served[0], served[1]), >, 16);
}

/* Only if all others are down; and they come back. */
static void test_backup(void)
{
    Fixture fixture;
    fixture_init(&fixture, POSTERN_BALANCE_LEAST_LOADED);
    for (guint i = 1; i < SERVERS; i++)
        settings_of(&fixture, i)->backup = i >= 2;
    reload(&fixture, POSTERN_BALANCE_LEAST_LOADED);
    serve(&fixture, 1, 10, 0);
    expect_served(&fixture, 5, 5, 0, 0);
    postern_pool_mark_down(fixture.pool, fixture.servers[0], "broken", PROBE_AGAIN_MS, fixture.now);
    serve(&fixture, 1, 10, 0);
    expect_served(&fixture, 0, 10, 0, 0);
    postern_pool_mark_down(fixture.pool, fixture.servers[1], "broken", PROBE_AGAIN_MS, fixture.now);
    serve(&fixture, 1, 10, 0);
    expect_served(&fixture, 0, 0, 5, 5);
    postern_pool_mark_up(fixture.pool, fixture.servers[0], PROBE_AGAIN_MS, fixture.now);
    serve(&fixture, 1, 10, 0);
    expect_served(&fixture, 10, 0, 0, 0);
    fixture_clear(&fixture);
}

/* One that fails is tried by the prober, with no client's mail, and gets little at first. */
static void test_failing(void)
{
    Fixture fixture;
    fixture_init(&fixture, POSTERN_BALANCE_ROUND_ROBIN);
    fixture.now += IDLE_MS;
    postern_pool_timer(fixture.pool, fixture.now);
    serve(&fixture, 1, 8, 1);
    g_assert_cmpuint(fixture.served[0], ==, 0); /* and nobody was refused */
    g_assert_cmpuint(fixture.served[1] + fixture.served[2] + fixture.served[3], ==, 8);
    g_assert_cmpint(postern_pool_deadline(fixture.pool), <=, fixture.now + 5000);
    fixture.now += 5000;
    postern_pool_timer(fixture.pool, fixture.now); /* tried, and it fails */
    act(&fixture, 1);
    serve(&fixture, 1, 6, 1);
    g_assert_cmpuint(fixture.served[0], ==, 0);
    fixture.now += 5000;
    postern_pool_timer(fixture.pool, fixture.now);
    act(&fixture, 0);
    serve(&fixture, 1, 49, 0);
    g_assert_cmpuint(fixture.served[0], <=, 3); /* a sixteenth of its part */
    fixture.now += 10000;
    serve(&fixture, 1, 40, 0);
    g_assert_cmpuint(fixture.served[0], >=, 9);
    g_assert_cmpuint(fixture.served[0], <=, 11);

    /* One that says 421 rests; the last that serves never does. */
    for (guint i = 0; i < SERVERS; i++)
        postern_pool_note_failure(fixture.pool, fixture.servers[i], 30000, fixture.now);
    serve(&fixture, 1, 10, 0);
    expect_served(&fixture, 0, 0, 0, 10);
    fixture_clear(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/balance/weights", test_weights);
    g_test_add_func("/balance/hash", test_hash);
    g_test_add_func("/balance/names-alike", test_names_alike);
    g_test_add_func("/balance/backup", test_backup);
    g_test_add_func("/balance/failing", test_failing);
    return g_test_run();
}
