#include "sim_shell.h"

#include <glib/gstdio.h>

#define SESSIONS_DEFAULT 20000
#define SESSIONS_PER_WORLD 100
#define SESSION_MAX_MS (12 * 3600 * 1000)

#define FILTER "role = before_queue_filter\ntrusted_clients = 10.0.0.0/8\nfilter_timeout = 20s\n"

static PosternProxySettings *random_settings(World *world)
{
    static const char *const ways[] = {"xclient", "xforward", "none"};
    g_autofree char *text = g_strdup_printf(
        "[proxy]\nhostname = mx.test\nrecipient_domains = y.test; s.test\n%s"
        "client_address = %s\ninspect = %s\nmode = "
        "%s\n"
        "bare_newline = %s\nmax_recipients = %u\nmessage_size = 40K\nmessage_memory = %s\nbackend_timeout = "
        "30s\n"
        "backend_wait = %us\nbackend_idle = 10s\nbackend_data_end_timeout = 60s\nclient_timeout = 300s\n"
        "client_data_timeout = 180s\nmin_data_rate = %u\nmax_refused_recipients = "
        "%u\n[policy]\nauthentication_results = %s\n"
        "[policy strict]\nspf_fail = reject\n[clients]\nrecipients = %s\n",
        world->filters  ? FILTER
        : world->trusts ? "trusted_clients = 10.0.0.0/8\n"
                        : "",
        ways[any_of(world, 3)], percent(world, 80) ? "yes" : "no", percent(world, 80) ? "enforce" : "observe",
        percent(world, 75) ? "reject" : "repair", percent(world, 70) ? 1000U : 4U,
        percent(world, 80) ? "10M" : "150K", 1 + any_of(world, 30), any_of(world, 2) * 512, any_of(world, 5),
        percent(world, 60) ? "yes" : "no", world->table);
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration =
        postern_configuration_parse(text, strlen(text), "simulation", &error);
    g_assert_no_error(error);
    PosternProxySettings *settings = postern_proxy_settings_new(configuration, NULL, &error);
    g_assert_no_error(error);
    return settings;
}

static void world_init(World *world, guint32 seed, guint sessions, const char *table, Counts *counts)
{
    *world = (World){.seed = seed,
                     .random = g_rand_new_with_seed(seed),
                     .arrivals_left = sessions,
                     .table = table,
                     .counts = counts};
    world->trace = g_getenv("POSTERN_SIM_TRACE") != NULL;
    world->now = 1000000;
    world->filters = percent(world, 30);
    world->trusts = world->filters || percent(world, 30);
    world->settings = random_settings(world);
    world->limit = 1 + any_of(world, 6);
    world->fault_percent = percent(world, 25) ? 0 : any_of(world, 15);
    world->leave_permille = percent(world, 25) ? 0 : any_of(world, 40);
    world->crowded = percent(world, 30);
    world->pipelining = percent(world, 70);
    world->keeps_xclient = percent(world, 60);
    world->pool = postern_pool_new(world->limit, world->settings->configuration->proxy.backend_wait_ms,
                                   world->settings->configuration->proxy.backend_idle_ms);
    world->clients = g_hash_table_new_full(NULL, NULL, NULL, client_free);
    world->mtas = g_hash_table_new_full(NULL, NULL, NULL, mta_free);
    world->messages = g_hash_table_new_full(NULL, NULL, NULL, message_free);
    g_queue_init(&world->marked_clients);
    g_queue_init(&world->marked_mtas);
    world->arrival_at = world->now;
    world->probe_at = world->now;
    world->drain_at = percent(world, 30) ? world->now + any_of(world, 200000) : NEVER;
    world->end_at = NEVER;
}

static void world_clear(World *world)
{
    g_hash_table_unref(world->clients);
    g_hash_table_unref(world->mtas);
    g_hash_table_unref(world->messages);
    postern_pool_free(world->pool);
    postern_proxy_settings_unref(world->settings);
    g_rand_free(world->random);
}

static void arrive(World *world)
{
    Client *client = g_new0(Client, 1);
    client->number = ++world->next_client;
    client->address_text = world->crowded ? g_strdup_printf("10.2.0.%u", 1 + any_of(world, 3))
                                          : g_strdup_printf("10.1.%u.%u", (guint)client->number / 250,
                                                            1 + (guint)client->number % 250);
    g_assert_true(postern_address_parse(&client->address, client->address_text));
    client->session = postern_session_new(world->settings, &client->address, FALSE, world->now);
    if (world->capabilities_known)
        postern_session_set_capabilities(client->session, &world->capabilities);
    client->started = world->now;
    client->next_at = world->now + any_of(world, 100);
    client->inspect_at = NEVER;
    client->name_at = NEVER;
    client->to_say = g_string_new(NULL);
    client->wire = g_string_new(NULL);
    client->heard = g_string_new(NULL);
    g_queue_init(&client->questions);
    client_ask(client, ASKED_GREETING, 0, "%s", "");
    client->messages_left = any_of(world, 4);
    client->pipelines = percent(world, 60);
    client->slow = percent(world, 20);
    g_hash_table_insert(world->clients, key_of(client->number), client);
    mark_client(world, client->number);
    world->arrivals_left--;
    world->arrival_at =
        world->arrivals_left > 0 ? world->now + any_of(world, world->crowded ? 150 : 1500) : NEVER;
}

static gint64 client_next(const Client *client)
{
    gint64 next = MIN(client->next_at, postern_session_deadline(client->session));
    return MIN(next, MIN(client->inspect_at, client->name_at));
}

static gint64 mta_next(const Mta *mta)
{
    const Saying *saying = mta->sayings.head != NULL ? mta->sayings.head->data : NULL;
    gint64 next = mta->abandoned ? mta->abandon_until : postern_backend_deadline(mta->backend);
    if (saying != NULL && !mta->abandoned)
        next = MIN(next, saying->at);
    if (postern_backend_state(mta->backend) == POSTERN_BACKEND_CONNECTING)
        next = MIN(next, mta->connect_at);
    return MIN(next, mta->send_at);
}

static void run_client_time(World *world, Client *client)
{
    if (client->name_at <= world->now) {
        client->name_at = NEVER;
        gboolean known = percent(world, 50);
        postern_session_client_name(client->session, known ? "c.test" : NULL, !known && percent(world, 50),
                                    world->now);
    } else if (client->inspect_at <= world->now) {
        client->inspect_at = NEVER;
        postern_session_inspected(client->session, client->findings, percent(world, 10) ? "trouble" : NULL,
                                  world->now);
    } else if (postern_session_deadline(client->session) <= world->now) {
        postern_session_timer(client->session, world->now);
        g_assert_cmpint(postern_session_deadline(client->session), >, world->now);
    } else if (client->next_at <= world->now) {
        client_turn(world, client);
    }
    mark_client(world, client->number);
}

static void run_mta_time(World *world, Mta *mta)
{
    const Saying *saying = g_queue_peek_head(&mta->sayings);
    if (mta->abandoned) {
        mta->gone = TRUE;
    } else if (postern_backend_state(mta->backend) == POSTERN_BACKEND_CONNECTING &&
               mta->connect_at <= world->now) {
        if (mta->connect_fails) {
            postern_backend_closed(mta->backend, "Connection refused", world->now);
        } else {
            postern_backend_connected(mta->backend, world->now);
            if (!percent(world, world->fault_percent) || !mta_fault(world, mta, ""))
                mta_say(world, mta, "220 mta ESMTP\r\n", FALSE);
        }
    } else if (saying != NULL && saying->at <= world->now) {
        if (mta_speak(world, mta))
            postern_backend_closed(mta->backend, NULL, world->now);
    } else if (mta->send_at <= world->now) {
        shell_send_piece(world, mta);
    } else {
        postern_backend_timer(mta->backend, world->now);
    }
    mark_mta(world, mta->number);
}

/* The proxy stops: those that are idle go at once, in the end all. */
static void run_drain(World *world, gboolean end)
{
    GHashTableIter iterator;
    gpointer value;
    world->draining = TRUE;
    world->drain_at = NEVER;
    world->end_at = end ? NEVER : world->now + 20000;
    world->arrival_at = world->probe_at = NEVER;
    world->arrivals_left = 0;
    g_hash_table_iter_init(&iterator, world->clients);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        Client *client = value;
        if (end)
            postern_session_end(client->session, "Service shutting down", world->now);
        else
            postern_session_let_go(client->session, "Service shutting down", world->now);
        mark_client(world, client->number);
    }
}

/* A session waits for its client, for its back-end, for the pool or for its verdict: always with an end. */
static void check_client(const World *world, const Client *client)
{
    gint64 end = MIN(postern_session_deadline(client->session), client->inspect_at);
    end = MIN(end, postern_pool_deadline(world->pool));
    if (client->mta != NULL)
        end = MIN(end, mta_next(client->mta));
    g_assert_cmpint(end, <, NEVER);
    g_assert_cmpint(world->now - client->started, <, SESSION_MAX_MS);
}

static void check(const World *world)
{
    GHashTableIter iterator;
    gpointer value;
    g_assert_cmpuint(postern_pool_used(world->pool), ==, g_hash_table_size(world->mtas));
    g_assert_cmpuint(postern_pool_used(world->pool), <=, world->limit);
    g_hash_table_iter_init(&iterator, world->clients);
    while (g_hash_table_iter_next(&iterator, NULL, &value))
        check_client(world, value);
}

typedef struct {
    gint64 at;
    Client *client;
    Mta *mta;
} Due;

static Due next_due(World *world)
{
    Due due = {.at = MIN(MIN(world->arrival_at, world->probe_at), MIN(world->drain_at, world->end_at))};
    due.at = MIN(due.at, postern_pool_deadline(world->pool));
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, world->clients);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        gint64 at = client_next(value);
        if (at < due.at)
            due = (Due){.at = at, .client = value};
    }
    g_hash_table_iter_init(&iterator, world->mtas);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        gint64 at = mta_next(value);
        if (at < due.at)
            due = (Due){.at = at, .mta = value};
    }
    return due;
}

static void run_due(World *world, const Due *due)
{
    world->now = MAX(world->now, due->at);
    if (due->client != NULL) {
        run_client_time(world, due->client);
    } else if (due->mta != NULL) {
        run_mta_time(world, due->mta);
    } else if (world->arrival_at <= world->now) {
        arrive(world);
    } else if (world->probe_at <= world->now) {
        world->probe_at = NEVER;
        postern_pool_request(world->pool, POSTERN_POOL_PROBE, POSTERN_FAIR_QUEUE_NOBODY, world->now);
    } else if (world->drain_at <= world->now || world->end_at <= world->now) {
        run_drain(world, world->end_at <= world->now);
    } else {
        postern_pool_timer(world->pool, world->now);
        g_assert_cmpint(postern_pool_deadline(world->pool), >, world->now);
    }
}

static void run_world(guint32 seed, guint sessions, const char *table, Counts *counts)
{
    World world;
    world_init(&world, seed, sessions, table, counts);
    while (world.arrivals_left > 0 || g_hash_table_size(world.clients) > 0) {
        Due due = next_due(&world);
        run_due(&world, &due);
        while (shell_run_one(&world))
            ;
        check(&world);
    }
    g_assert_cmpuint(postern_budget_used(world.settings->budget), ==, 0);
    world.draining = TRUE;
    world.probe_at = world.drain_at = world.end_at = NEVER;
    postern_pool_drain(world.pool, world.now);
    while (shell_run_one(&world))
        ;
    while (g_hash_table_size(world.mtas) > 0) {
        Due due = next_due(&world);
        g_assert_cmpint(due.at, <, NEVER);
        run_due(&world, &due);
        while (shell_run_one(&world))
            ;
    }
    g_assert_cmpuint(postern_pool_used(world.pool), ==, 0);
    GHashTableIter iterator;
    gpointer message;
    g_hash_table_iter_init(&iterator, world.messages);
    while (g_hash_table_iter_next(&iterator, NULL, &message))
        check_message(&world, message);
    world_clear(&world);
}

static guint number_of(const char *variable, guint initial)
{
    const char *text = g_getenv(variable);
    guint64 number = initial;
    if (text != NULL)
        g_assert_true(g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &number, NULL));
    return (guint)number;
}

/* The path of a file for [clients] recipients. */
static char *recipient_table(void)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(g_get_tmp_dir(), "postern-recipients-XXXXXX", NULL);
    int descriptor = g_mkstemp(path);
    g_assert_cmpint(descriptor, >=, 0);
    g_close(descriptor, NULL);
    g_assert_true(g_file_set_contents(path, "s.test strict\n", -1, &error));
    return path;
}

static void test_worlds(void)
{
    guint seed = number_of("POSTERN_SIM_SEED", 1);
    guint sessions = number_of("POSTERN_SIM_SESSIONS", SESSIONS_DEFAULT);
    Counts counts = {0};
    g_autofree char *table = recipient_table();
    while (counts.sessions < sessions) {
        g_test_message("seed %u", seed);
        run_world(seed++, MIN(SESSIONS_PER_WORLD, sessions - counts.sessions), table, &counts);
    }
    g_unlink(table);
    g_test_message(
        "%u sessions (%u clients left, %u let go), %u messages: %u acknowledged, %u refused, %u not "
        "answered, %u unknown; %u faults of back-ends, %u connections killed, %u recalled",
        counts.sessions, counts.left, counts.let_go, counts.messages, counts.acknowledged, counts.refused,
        counts.unanswered, counts.unknown, counts.errors, counts.killed, counts.recalled);
    if (sessions >= SESSIONS_PER_WORLD)
        g_assert_cmpuint(counts.acknowledged, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/session/simulation", test_worlds);
    return g_test_run();
}
