#include "sim_client.h"
#include "sim_mta.h"

#include <glib/gstdio.h>

#include "support/certificate.h"

#define SESSIONS_DEFAULT 60000
#define SESSIONS_PER_WORLD 100
#define DRAIN_MAX_MS (15 * 60 * 1000)
#define SLOT_MAX_MS (15 * 60 * 1000)

#define FILTER "role = before_queue_filter\ntrusted_clients = 10.0.0.0/8\nfilter_timeout = 20s\n"

static PosternProxySettings *settings_of(const Sim *sim, const PosternProxySettings *running)
{
    const char *text = sim->configuration;
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration =
        postern_configuration_parse(text, strlen(text), "simulation", &error);
    g_assert_no_error(error);
    PosternProxySettings *settings = postern_proxy_settings_new(configuration, running, &error);
    g_assert_no_error(error);
    postern_proxy_settings_keep(settings, NULL, sim->counts->counters);
    postern_session_place_states(settings);
    return settings;
}

static void append_servers(const Sim *sim, GString *text)
{
    for (guint i = 0; i < sim->servers - sim->routed; i++)
        g_string_append_printf(text, "%s%s127.0.0.1:%u weight=%u limit=%u",
                               i > 0 ? "; " : "backend = ", sim->lmtp ? "lmtp:" : "", SERVER_PORT + i, 1 + i,
                               sim->limits[i]);
    if (sim->routed)
        g_string_append_printf(text, "\nroutes = %s", sim->counts->routes);
    g_string_append_printf(text, "\nlmtp_recipients = %u\n", sim->seed % 8 == 7 ? 1000U : 1U);
}

static char *random_configuration(Sim *sim)
{
    static const char *const ways[] = {"xclient", "xforward", "none"};
    g_autoptr(GString) text =
        g_string_new("[proxy]\nhostname = mx.test\nrecipient_domains = y.test; s.test; o.test\n"
                     "backend_timeout = 30s\nbackend_idle = 10s\n"
                     "backend_data_end_timeout = 60s\nclient_timeout = 300s\n"
                     "client_data_timeout = 180s\n");
    append_servers(sim, text);
    g_string_append(text, sim->filters ? FILTER : sim->trusts ? "trusted_clients = 10.0.0.0/8\n" : "");
    g_string_append_printf(text, "client_address = %s\ninspect = %s\nmode = %s\nbare_newline = %s\n",
                           ways[any_of(sim, 3)], sim->streams ? "no" : "yes",
                           percent(sim, 80) ? "enforce" : "observe", percent(sim, 75) ? "reject" : "repair");
    g_string_append_printf(text, "max_recipients = %u\nmessage_memory = %s\nbackend_wait = %us\n",
                           percent(sim, 70) ? 1000U : 4U, percent(sim, 80) ? "10M" : "150K",
                           1 + any_of(sim, 30));
    g_string_append_printf(text, "min_data_rate = %u\nmax_refused_recipients = %u\nrelay_probe = %s\n",
                           any_of(sim, 2) * 512, any_of(sim, 5), percent(sim, 80) ? "yes" : "no");
    g_string_append_printf(text, "message_size = %s\nburst_size = %s\n", percent(sim, 80) ? "40K" : "140K",
                           percent(sim, 80) ? "1K" : "256K");
    g_string_append_printf(text, "max_connections = %u\nmax_connections_per_client = %u\n",
                           percent(sim, 90) ? 1000U : 8U, percent(sim, 90) ? 1000U : 3U);
    if (sim->auth)
        g_string_append_printf(text, "auth = always\nmax_failed_logins = %u\n", any_of(sim, 4));
    g_string_append_printf(text, "backend_lost_timeout = %us\n", 30 + any_of(sim, 300));
    g_string_append_printf(text,
                           "tls = %s\n[dns]\ntrust_anchor_file = /anchors\n[tls]\ncertificates = %s\n%s"
                           "[policy]\nauthentication_results = %s\n[policy strict]\nspf_fail = reject\n"
                           "[clients]\nrecipients = %s\n",
                           sim->tls ? "may" : "off", sim->counts->certificate,
                           percent(sim, 85) ? "" : "servers = dane\nserver_name = mta.test\n",
                           percent(sim, 60) ? "yes" : "no", sim->table);
    static const char *const pauses[] = {"nobody", "suspects", "unknown"};
    g_string_append_printf(
        text, "[screen]\npause = %s\ngreeting_pause = %ums\ntrickle = %ums\ndata_rate = %s\n",
        pauses[any_of(sim, 3)], any_of(sim, 3000), any_of(sim, 4) * 10, percent(sim, 50) ? "0" : "16K");
    g_string_append_printf(text, "reply_time = 2s\nslow_from = %u\nforget = %us\nmax_clients = 1000\n",
                           1 + any_of(sim, 20), 1 + any_of(sim, 60));
    guint last = sim->servers - 1;
    if (sim->routed)
        g_string_append_printf(text, "[servers other]\naddress = %s127.0.0.1:%u limit=%u\n[screen]\n",
                               sim->lmtp ? "lmtp:" : "", SERVER_PORT + last, sim->limits[last]);
    g_string_append_printf(text, "total_data_rate = %s\n[class]\nclient_data_rate = %s\n",
                           percent(sim, 80) ? "0" : "20K", percent(sim, 80) ? "0" : "8K");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- the network, the DNS and the inspector */

static gsize portion(World *world, gsize length)
{
    Sim *sim = world->user_data;
    if (any_of(sim, 100) < 88)
        return length;
    sim->counts->shorts++;
    return percent(sim, 10) ? 0 : 1 + any_of(sim, (guint)length);
}

static gint64 latency(World *world)
{
    return percent(world->user_data, 95) ? any_of(world->user_data, 3)
                                         : any_of(world->user_data, LATENCY_MAX_MS);
}

static gint64 ask(World *world, WorldAsk *ask)
{
    return world->now +
           (percent(world->user_data, 90) ? any_of(world->user_data, 20) : any_of(world->user_data, 9000));
}

/* The name of an address is the address again: "7.2.1.10.c.test". */
static PosternAnswer *answer(World *world, const PosternQuestion *question)
{
    g_autoptr(PosternAnswer) records = postern_answer_new(POSTERN_ANSWER_RECORDS);
    g_auto(GStrv) labels = g_strsplit(question->name, ".", 5);
    if (question->type == POSTERN_DNS_TLSA && percent(world->user_data, 80))
        return postern_answer_new(POSTERN_ANSWER_NODATA);
    if (percent(world->user_data, 40) || g_strv_length(labels) < 5)
        return postern_answer_new(
            (PosternAnswerStatus)(1 + any_of(world->user_data, POSTERN_ANSWER_TIMEOUT)));
    if (question->type == POSTERN_DNS_PTR) {
        g_autofree char *name =
            g_strdup_printf("%s.%s.%s.%s.c.test", labels[0], labels[1], labels[2], labels[3]);
        postern_answer_add(records, name, strlen(name));
    } else {
        guint8 address[4];
        for (guint i = 0; i < 4; i++)
            address[i] = (guint8)g_ascii_strtoull(labels[3 - i], NULL, 10);
        postern_answer_add(records, address, sizeof address);
    }
    return g_steal_pointer(&records);
}

static gint64 inspect(World *world, WorldInspection *inspection, const PosternSessionAction *action,
                      const PosternEnvelope *envelope)
{
    Sim *sim = world->user_data;
    if (action->kind != POSTERN_SESSION_INSPECT_MESSAGE)
        return NEVER;
    const Message *message = message_of_sender(sim, envelope->sender);
    PosternVirusFinding *virus = &inspection->findings->virus;
    if (message->virus != POSTERN_VIRUS_CLEAN)
        postern_virus_finding_clear(virus);
    if (message->virus == POSTERN_VIRUS_INFECTED)
        postern_virus_finding_infected(virus, "Test.Virus");
    else if (message->virus == POSTERN_VIRUS_ERROR)
        postern_virus_finding_note(virus, POSTERN_VIRUS_SCAN_ERROR, "a test");
    inspection->findings->spf.result = (PosternSpfResult)any_of(sim, POSTERN_SPF_PERMERROR + 1);
    inspection->problem = percent(sim, 10) ? g_strdup("trouble") : NULL;
    return world->now + (percent(sim, 80) ? any_of(sim, 50) : any_of(sim, percent(sim, 90) ? 5000 : 60000));
}

static void take_log(World *world, const char *line)
{
    note_log(world->user_data, line);
}

static const WorldHooks hooks = {.portion = portion,
                                 .latency = latency,
                                 .connect = mta_connect,
                                 .ask = ask,
                                 .answer = answer,
                                 .inspect = inspect,
                                 .log = take_log};

/* ---- what happens of itself */

static void arrive(gpointer user_data)
{
    Sim *sim = user_data;
    World *world = &sim->world;
    if (world->wires >= sim->descriptors) { /* it waits in the backlog */
        sim->counts->exhausted++;
        world_timer_set(&sim->arrival, world->now + 200);
        return;
    }
    Client *client = g_new0(Client, 1);
    client->sim = sim;
    client->number = ++sim->next_client;
    client->address_text = sim->crowded ? g_strdup_printf("10.2.0.%u", 1 + any_of(sim, 3))
                                        : g_strdup_printf("10.1.%u.%u", (guint)client->number / 250,
                                                          1 + (guint)client->number % 250);
    g_assert_true(postern_address_parse(&client->address, client->address_text));
    client->wire = wire_new(world, &client_peer, client);
    client->wire->capacity = wire_capacity(sim);
    if (permille(sim, 20)) { /* it does not read */
        client->wire->capacity = any_of(sim, 400);
        wire_stall(client->wire, NEVER);
    }
    world_timer_init(world, &client->turn, client_turn, client);
    world_timer_init(world, &client->patience, client_impatient, client);
    client->to_say = g_string_new(NULL);
    client->heard = g_string_new(NULL);
    g_queue_init(&client->questions);
    client_ask(client, ASKED_GREETING, 0, "%s", "");
    client->messages_left = any_of(sim, 4);
    client->pipelines = percent(sim, 60);
    client->slow = percent(sim, 20);
    g_hash_table_add(sim->clients, client);
    world_timer_set(&client->turn, world->now + any_of(sim, 100));
    world_timer_set(&client->patience, world->now + PATIENCE_MS);
    world_accept(world, any_of(sim, world->thread_count), client->wire, &client->address, FALSE);
    if (sim->outages && percent(sim, 5))
        sim->down_until[any_of(sim, sim->servers)] = world->now + any_of(sim, 20000);
    if (--sim->arrivals_left > 0)
        world_timer_set(&sim->arrival, world->now + any_of(sim, sim->crowded ? 150 : 1500));
}

static void drain(gpointer user_data)
{
    Sim *sim = user_data;
    trace(sim, "the proxy stops");
    sim->draining = TRUE;
    sim->arrivals_left = 0;
    world_timer_set(&sim->arrival, NEVER);
    world_timer_set(&sim->reload, NEVER);
    world_drain(&sim->world, 20000);
}

/* The first of several servers is drained from now on. */
static void drain_first(Sim *sim)
{
    g_autoptr(GString) text = g_string_new(sim->configuration);
    g_string_replace(text, "; 127.0.0.1:", " drain; 127.0.0.1:", 1);
    g_string_replace(text, "; lmtp:", " drain; lmtp:", 1);
    g_free(sim->configuration);
    sim->configuration = g_string_free(g_steal_pointer(&text), FALSE);
    sim->counts->drains++;
}

static void reload(gpointer user_data)
{
    Sim *sim = user_data;
    gboolean drains = sim->servers - sim->routed > 1 && percent(sim, 60);
    if (drains)
        drain_first(sim);
    g_autoptr(PosternProxySettings) settings = settings_of(sim, sim->world.settings);
    sim->counts->reloads++;
    postern_proxy_settings_count_in(settings, sim->world.clients);
    for (guint i = 0; i < sim->world.thread_count; i++)
        postern_proxy_thread_reload(sim->world.threads[i].thread, postern_proxy_settings_ref(settings));
    if (drains) {
        sim->drained_after = MAX(1, sim->next_mta);
        sim->drained_at = sim->world.now;
    }
}

static void sim_start(Sim *sim, guint32 seed, guint sessions, const char *table, Counts *counts)
{
    World *world = &sim->world;
    *sim = (Sim){.seed = seed,
                 .random = g_rand_new_with_seed(seed),
                 .arrivals_left = sessions,
                 .table = table,
                 .counts = counts};
    sim->trace = g_getenv("POSTERN_SIM_TRACE") != NULL;
    sim->filters = percent(sim, 30);
    sim->streams = percent(sim, 30);
    sim->trusts = sim->filters || percent(sim, 30);
    sim->tls = percent(sim, 20);
    sim->auth = percent(sim, 25);
    sim->lmtp = seed % 4 == 3;
    sim->servers = percent(sim, 60) ? 1 : 1 + any_of(sim, SERVERS_MAX);
    sim->routed = sim->servers > 1 && percent(sim, 60);
    sim->outages = percent(sim, 30);
    for (guint i = 0; i < sim->servers; i++)
        sim->limits[i] = 1 + any_of(sim, 6);
    sim->fault_percent = percent(sim, 25) ? 0 : any_of(sim, 15);
    sim->leave_permille = percent(sim, 25) ? 0 : any_of(sim, 40);
    sim->network_permille = percent(sim, 40) ? 0 : any_of(sim, 10);
    sim->descriptors = percent(sim, 90) ? 10000 : 2 + any_of(sim, 12);
    sim->crowded = percent(sim, 30);
    sim->pipelining = percent(sim, 70);
    sim->keeps_xclient = percent(sim, 60);
    sim->clients = g_hash_table_new_full(NULL, NULL, client_free, NULL);
    sim->mtas = g_hash_table_new_full(NULL, NULL, mta_free, NULL);
    sim->messages = g_hash_table_new_full(NULL, NULL, NULL, message_free);
    sim->configuration = random_configuration(sim);
    PosternProxySettings *settings = settings_of(sim, NULL);
    world_start(world, &hooks, sim, settings, 1 + any_of(sim, WORLD_THREADS_MAX));
    world_timer_init(world, &sim->arrival, arrive, sim);
    world_timer_init(world, &sim->drain, drain, sim);
    world_timer_init(world, &sim->reload, reload, sim);
    world_timer_set(&sim->arrival, world->now);
    if (percent(sim, 30))
        world_timer_set(&sim->drain, world->now + any_of(sim, 200000));
    if (percent(sim, sim->servers > 1 ? 60 : 20))
        world_timer_set(&sim->reload, world->now + any_of(sim, 100000));
}

static guint slots_used(const Sim *sim)
{
    const GPtrArray *groups = sim->world.settings->groups;
    guint used = 0;
    for (guint i = 0; i < groups->len; i++)
        used += postern_server_group_used(((const PosternProxyGroup *)g_ptr_array_index(groups, i))->servers);
    return used;
}

/* Once no client is left, there is a moment before long in which no connection takes a slot. */
static void expect_slots_free(Sim *sim)
{
    gint64 end = sim->world.now + SLOT_MAX_MS;
    while (slots_used(sim) > 0)
        if (!world_step(&sim->world, end))
            g_error("seed %u: %u slots of servers are taken for ever", sim->seed, slots_used(sim));
}

static void sim_stop(Sim *sim)
{
    World *world = &sim->world;
    world_timer_set(&sim->drain, NEVER);
    if (!sim->draining)
        expect_slots_free(sim);
    if (!sim->draining)
        drain(sim);
    gint64 end = world->now + DRAIN_MAX_MS;
    while (!world_is_drained(world))
        g_assert_true(world_step(world, end));
    world_stop(world);
    g_assert_cmpuint(g_hash_table_size(sim->mtas), ==, 0);
    GHashTableIter iterator;
    gpointer message;
    g_hash_table_iter_init(&iterator, sim->messages);
    while (g_hash_table_iter_next(&iterator, NULL, &message))
        check_message(sim, message);
    g_hash_table_unref(sim->clients);
    g_hash_table_unref(sim->mtas);
    g_hash_table_unref(sim->messages);
    g_rand_free(sim->random);
    g_free(sim->configuration);
}

static void run_sim(guint32 seed, guint sessions, const char *table, Counts *counts)
{
    Sim sim;
    sim_start(&sim, seed, sessions, table, counts);
    while (sim.arrivals_left > 0 || g_hash_table_size(sim.clients) > 0)
        g_assert_true(world_step(&sim.world, NEVER - 1));
    sim_stop(&sim);
}

static guint number_of(const char *variable, guint initial)
{
    const char *text = g_getenv(variable);
    guint64 number = initial;
    if (text != NULL)
        g_assert_true(g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &number, NULL));
    return (guint)number;
}

/* The path of a file of text. */
static char *make_file(const char *text)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(g_get_tmp_dir(), "postern-recipients-XXXXXX", NULL);
    int descriptor = g_mkstemp(path);
    g_assert_cmpint(descriptor, >=, 0);
    g_close(descriptor, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, &error));
    return path;
}

static void print_counts(const Counts *counts)
{
    g_test_message("%" G_GUINT64_FORMAT " sessions, %" G_GUINT64_FORMAT " clients left, %" G_GUINT64_FORMAT
                   " let go; messages: %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT
                   " acknowledged, %" G_GUINT64_FORMAT " refused, %" G_GUINT64_FORMAT
                   " not answered, %" G_GUINT64_FORMAT " unknown",
                   counts->sessions, counts->left, counts->let_go, counts->messages, counts->acknowledged,
                   counts->refused, counts->unanswered, counts->unknown);
    g_test_message("%" G_GUINT64_FORMAT " messages streamed, %" G_GUINT64_FORMAT
                   " of them disturbed by the MTA, %" G_GUINT64_FORMAT " cut",
                   counts->streamed, counts->disturbed, counts->cut);
    g_test_message("%" G_GUINT64_FORMAT " clients switched to TLS, %" G_GUINT64_FORMAT " could not",
                   counts->switched, counts->unswitched);
    g_test_message("%" G_GUINT64_FORMAT " logins, %" G_GUINT64_FORMAT " that failed", counts->logins,
                   counts->failed_logins);
    g_test_message("%" G_GUINT64_FORMAT " connections to the MTA, %" G_GUINT64_FORMAT
                   " failed, %" G_GUINT64_FORMAT " times no descriptor; faults: %" G_GUINT64_FORMAT
                   " answers, %" G_GUINT64_FORMAT " short reads and writes, %" G_GUINT64_FORMAT
                   " stalls, %" G_GUINT64_FORMAT " resets, %" G_GUINT64_FORMAT
                   " peers out of reach; %" G_GUINT64_FORMAT " reloads",
                   counts->connects, counts->unconnected, counts->exhausted, counts->errors, counts->shorts,
                   counts->stalls, counts->resets, counts->vanished, counts->reloads);
}

static void add_sum(const char *name, const char *label, guint64 sum, gpointer user_data)
{
    guint64 *sessions = user_data;
    *sessions += g_str_equal(name, "sessions") ? sum : 0;
}

/* What is counted is what the log says, whatever happened. */
static void check_counters(const Counts *counts)
{
    guint64 sessions = 0;
    postern_counters_each(counts->counters, add_sum, &sessions);
    g_assert_cmpuint(sessions, ==, counts->session_lines);
    g_assert_cmpuint(postern_counters_read(counts->counters, "messages", NULL), ==, counts->message_lines);
    g_assert_cmpuint(postern_counters_read(counts->counters, "deliveries", "accepted"), ==,
                     counts->accepted_lines);
}

static void test_worlds(void)
{
    gboolean traces = g_getenv("POSTERN_SIM_TRACE") != NULL;
    g_assert_true(postern_log_open("simulation", traces ? "stderr" : "/dev/null",
                                   traces ? POSTERN_LOG_DEBUG : POSTERN_LOG_ERROR, NULL));
    guint seed = number_of("POSTERN_SIM_SEED", 1);
    guint sessions = number_of("POSTERN_SIM_SESSIONS", SESSIONS_DEFAULT);
    g_autoptr(PosternCounters) counters = postern_counters_new();
    Counts counts = {.counters = counters, .certificate = make_certificate()};
    counts.tls = SSL_CTX_new(TLS_client_method());
    g_autofree char *table = make_file("s.test strict\n");
    counts.routes = make_file("o.test other\n* default\n");
    while (counts.sessions < sessions) {
        g_test_message("seed %u", seed);
        run_sim(seed++, (guint)MIN(SESSIONS_PER_WORLD, sessions - counts.sessions), table, &counts);
    }
    g_unlink(table);
    g_unlink(counts.certificate);
    g_unlink(counts.routes);
    g_free(counts.routes);
    g_free(counts.certificate);
    SSL_CTX_free(counts.tls);
    print_counts(&counts);
    g_test_message("%" G_GUINT64_FORMAT " recipients of the other group, %" G_GUINT64_FORMAT " drains",
                   counts.routed, counts.drains);
    check_counters(&counts);
    if (sessions < SESSIONS_DEFAULT)
        return;
    g_assert_cmpuint(counts.acknowledged, >, 0);
    g_assert_cmpuint(counts.routed, >, 0);
    g_assert_cmpuint(counts.drains, >, 0);
    g_assert_cmpuint(counts.streamed, >, counts.cut + counts.disturbed);
    g_assert_cmpuint(counts.disturbed, >, 0);
    g_assert_cmpuint(counts.cut, >, 0);
    g_assert_cmpuint(counts.logins, >, counts.failed_logins);
    g_assert_cmpuint(counts.failed_logins, >, 0);
    g_assert_cmpuint(counts.switched, >, 10 * counts.unswitched);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/session/simulation", test_worlds);
    return g_test_run();
}
