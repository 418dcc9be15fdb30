/*
 * A session under test, in a thread of the proxy as it is (support/world.h): what the client says goes in,
 * replies come out as text, and the thread speaks with a scripted MTA. Nothing waits: the clock is a number.
 *
 * The MTA answers as its rules say, the first whose prefix fits; without one, as an MTA that is content. It
 * has room for one connection. Nothing happens before the first call that lets it: rules may be set first.
 */
#pragma once

#include "session_mta.h"

/* ---- the DNS, the inspector and the log */

static inline gsize harness_portion(World *world, gsize length)
{
    const Harness *harness = world->user_data;
    return MIN(length, harness->piece);
}

static inline gint64 harness_asked(World *world, WorldAsk *ask)
{
    Harness *harness = world->user_data;
    const PosternQuestion *question = g_ptr_array_index(postern_answers_questions(ask->answers), 0);
    harness->look_ups += question->type == POSTERN_DNS_PTR;
    harness->ask = harness->hold_names ? ask : NULL;
    return harness->hold_names ? NEVER : world->now;
}

/* Every address has the name, and the name has the address that was asked for. */
static inline PosternAnswer *harness_answers(World *world, const PosternQuestion *question)
{
    Harness *harness = world->user_data;
    g_autoptr(PosternAnswer) answer = postern_answer_new(POSTERN_ANSWER_RECORDS);
    if (harness->name_temporary || harness->name == NULL)
        return postern_answer_new(harness->name_temporary ? POSTERN_ANSWER_SERVFAIL
                                                          : POSTERN_ANSWER_NXDOMAIN);
    if (question->type == POSTERN_DNS_PTR) {
        g_free(harness->asked_address);
        harness->asked_address = g_strdup(question->name);
        postern_answer_add(answer, harness->name, strlen(harness->name));
        return g_steal_pointer(&answer);
    }
    g_auto(GStrv) labels = g_strsplit(harness->asked_address, ".", -1);
    gboolean ipv6 = g_str_has_suffix(harness->asked_address, ".ip6.arpa");
    guint8 octets[16] = {0};
    for (guint i = 0; i < (ipv6 ? 32 : 4); i++) {
        guint8 label = (guint8)g_ascii_strtoull(labels[i], NULL, ipv6 ? 16 : 10);
        octets[ipv6 ? 15 - i / 2 : 3 - i] |= (guint8)(ipv6 && i % 2 == 1 ? label << 4 : label);
    }
    postern_answer_add(answer, octets, ipv6 ? 16 : 4);
    return g_steal_pointer(&answer);
}

static inline gint64 harness_inspects(World *world, WorldInspection *inspection,
                                      const PosternSessionAction *action, const PosternEnvelope *envelope)
{
    Harness *harness = world->user_data;
    g_autofree char *origin = NULL;
    switch (action->kind) {
    case POSTERN_SESSION_INSPECT_ENVELOPE:
        harness->begun = action->checks;
        break;
    case POSTERN_SESSION_INSPECT_ORIGIN:
        origin = postern_address_to_string(&action->envelope->client);
        g_string_append_printf(harness->origins, "%s %s\n", origin, action->envelope->helo);
        break;
    case POSTERN_SESSION_INSPECT_MESSAGE:
        harness->checks = action->checks;
        harness->inspection = inspection;
        inspection->told = harness->findings;
        return harness->hold_inspection ? NEVER : world->now;
    default:
        break;
    }
    return NEVER;
}

static inline void harness_logs(World *world, const char *line)
{
    Harness *harness = world->user_data;
    if (strstr(line, HARNESS_RIVAL) == NULL)
        g_string_append_printf(harness->log, "%s\n", line);
}

/* ---- the clients */

static inline void harness_client_received(Wire *wire, const char *octets, gsize length)
{
    Harness *harness = wire->user_data;
    g_string_append_len(harness->replies, octets, (gssize)length);
    const char *greeting =
        g_str_has_prefix(harness->replies->str, "220 mx.test ESMTP ") ? "220 mx.test ESMTP " : "";
    if (harness->identifier[0] == '\0' && greeting[0] != '\0' &&
        g_str_has_suffix(harness->replies->str, "\r\n"))
        g_strlcpy(harness->identifier, harness->replies->str + strlen(greeting), sizeof harness->identifier);
}

static inline void harness_nobody_cares(Wire *wire)
{
}

static inline void harness_client_closed(Wire *wire, gboolean reset)
{
    Harness *harness = wire->user_data;
    wire_leave(g_steal_pointer(&harness->client), FALSE);
}

/* It gives back what it gets, and goes on wanting it. */
static inline void harness_rival_received(Wire *wire, const char *octets, gsize length)
{
    Harness *harness = wire->user_data;
    g_string_append_len(harness->rival_heard, octets, (gssize)length);
    if (strstr(harness->rival_heard->str, "recipient ok\r\n") == NULL &&
        strstr(harness->rival_heard->str, "451 ") == NULL)
        return;
    g_string_truncate(harness->rival_heard, 0);
    harness->rival_waits = FALSE;
    wire_say(wire, "RSET\r\n", strlen("RSET\r\n"));
}

static inline void harness_rival_closed(Wire *wire, gboolean reset)
{
    Harness *harness = wire->user_data;
    harness->rival_waits = FALSE;
    g_string_truncate(harness->rival_heard, 0);
    wire_leave(g_steal_pointer(&harness->rival), FALSE);
}

/* TRUE: the rival wants what our client has. */
static inline gboolean harness_rival_asks(Harness *harness)
{
    static const WirePeer peer = {
        .received = harness_rival_received, .shut = harness_nobody_cares, .closed = harness_rival_closed};
    static const char envelope[] = "MAIL FROM:<rival@z.test>\r\nRCPT TO:<b@y.test>\r\n";
    PosternAddress address;
    if (!harness->others_wait || !harness->lent || harness->rival_waits)
        return FALSE;
    harness->rival_waits = TRUE;
    if (harness->rival == NULL) {
        g_assert_true(postern_address_parse(&address, HARNESS_RIVAL));
        harness->rival = wire_new(&harness->world, &peer, harness);
        wire_say(harness->rival, "EHLO rival.test\r\n", strlen("EHLO rival.test\r\n"));
        world_accept(&harness->world, 0, harness->rival, &address, FALSE);
    }
    wire_say(harness->rival, envelope, strlen(envelope));
    return TRUE;
}

/* ---- time */

/* The world, in which the proxy has found its back-end in order. */
static inline void harness_begin(Harness *harness)
{
    static const WorldHooks hooks = {.portion = harness_portion,
                                     .connect = harness_connects,
                                     .ask = harness_asked,
                                     .answer = harness_answers,
                                     .inspect = harness_inspects,
                                     .log = harness_logs};
    if (harness->begun_world)
        return;
    harness->begun_world = TRUE;
    world_start(&harness->world, &hooks, harness, harness->settings, 1);
    world_run(&harness->world, harness->world.now);
    g_string_truncate(harness->commands, 0);
}

static inline void harness_join(Harness *harness)
{
    static const WirePeer peer = {
        .received = harness_client_received, .shut = harness_nobody_cares, .closed = harness_client_closed};
    harness_begin(harness);
    if (!harness->connected)
        harness->client = wire_new(&harness->world, &peer, harness);
    harness->connected = TRUE;
}

/* Our client's session, or NULL: it is parked, or gone. */
static inline PosternSession *harness_session(Harness *harness)
{
    guint at = 0;
    const PosternClient *client = postern_slab_next(harness->world.threads[0].thread->clients, &at);
    return client != NULL && !client->is_parked ? postern_client_connection_session(client->connection)
                                                : NULL;
}

static inline void harness_observe(Harness *harness)
{
    GHashTableIter iterator;
    gpointer connection;
    gboolean lent = FALSE;
    g_hash_table_iter_init(&iterator, harness->world.threads[0].thread->backends);
    while (g_hash_table_iter_next(&iterator, NULL, &connection))
        lent |= postern_backend_connection_is_in_use(connection);
    HarnessMta *mta = harness->mta;
    harness->lent = lent && mta != NULL && mta->serves_client;
    if (lent || mta == NULL || !mta->serves_client || mta->wire->shut)
        return;
    mta->serves_client = FALSE;
    mta->released = TRUE;
    harness->returns++;
}

static inline void harness_run_until(Harness *harness, gint64 end)
{
    World *world = &harness->world;
    if (!harness->accepted)
        world_accept(world, 0, harness->client, &harness->address, harness->submission);
    harness->accepted = TRUE;
    do {
        while (world_step(world, world->now))
            harness_observe(harness);
        if (!harness_rival_asks(harness) && world_next(world) <= end && world_step(world, end))
            harness_observe(harness);
    } while (world_next(world) <= end);
    world->now = end;
}

/* Lets all happen that can happen now. */
static inline void harness_run(Harness *harness)
{
    harness_join(harness);
    harness_run_until(harness, harness->world.now);
}

/* Time passes. */
static inline void harness_wait(Harness *harness, gint64 milliseconds)
{
    harness_join(harness);
    harness_run_until(harness, harness->world.now + milliseconds);
}

/* ---- what a test does */

/* A configuration of group and key lines, above which [proxy] with a host name stands; a client from address.
 */
static inline void harness_start_from(Harness *harness, const char *text, const char *address,
                                      gboolean submission, gsize piece)
{
    static const char *const defaults[] = {"client_timeout = 60s",    "relay_probe = no",
                                           "backend_connections = 1", "backend_connect_timeout = 1h",
                                           "backend_timeout = 10s",   "backend_data_end_timeout = 20s",
                                           "backend_wait = 1h",       "backend_idle = 1h"};
    g_autoptr(GString) file =
        g_string_new("[screen]\npause = nobody\nslow_from = 1000\n[proxy]\nhostname = mx.test\n");
    for (gsize i = 0; i < G_N_ELEMENTS(defaults); i++) {
        g_autofree char *key = g_strndup(defaults[i], strcspn(defaults[i], " "));
        if (strstr(text, key) == NULL)
            g_string_append_printf(file, "%s\n", defaults[i]);
    }
    g_string_append(file, text);
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(file->str, file->len, "test", &error);
    g_assert_no_error(error);
    *harness = (Harness){.piece = piece, .submission = submission, .name = "client.test"};
    harness->settings = postern_proxy_settings_new(configuration, NULL, &error);
    g_assert_no_error(error);
    harness->rules = g_array_new(FALSE, FALSE, sizeof(HarnessRule));
    harness->mtas = g_ptr_array_new_with_free_func(harness_mta_free);
    GString **strings[] = {&harness->replies, &harness->commands, &harness->message,
                           &harness->log,     &harness->origins,  &harness->rival_heard};
    for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
        *strings[i] = g_string_new(NULL);
    harness->findings = postern_findings_new();
    postern_virus_finding_clean(&harness->findings->virus);
    g_assert_true(postern_address_parse(&harness->address, address));
}

static inline void harness_start(Harness *harness, const char *text, gsize piece)
{
    harness_start_from(harness, text, "192.0.2.7", FALSE, piece);
}

/* The proxy stops; nothing of it is left (world_stop()). */
static inline void harness_finish(Harness *harness)
{
    World *world = &harness->world;
    harness_run(harness);
    harness->others_wait = FALSE;
    world_drain(world, 0);
    gint64 end = world->now + 3600000;
    while (!world_is_drained(world))
        g_assert_true(world_step(world, end));
    wire_leave(g_steal_pointer(&harness->client), FALSE);
    wire_leave(g_steal_pointer(&harness->rival), FALSE);
    g_ptr_array_unref(harness->mtas);
    world_stop(world);
    postern_findings_free(harness->findings);
    GString *strings[] = {harness->replies, harness->commands, harness->message,
                          harness->log,     harness->origins,  harness->rival_heard};
    for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
        g_string_free(strings[i], TRUE);
    g_array_unref(harness->rules);
    g_free(harness->asked_address);
}

static inline void harness_say_octets(Harness *harness, const char *octets, gsize length)
{
    harness_join(harness);
    if (harness->client != NULL)
        wire_say(harness->client, octets, length);
    harness_run(harness);
}

static inline void harness_say(Harness *harness, const char *text)
{
    harness_say_octets(harness, text, strlen(text));
}

/* The client reads nothing any more: so the proxy has something to say to it, and hears at once if it
 * leaves. */
static inline void harness_stop_listening(Harness *harness)
{
    harness->client->capacity = 1;
    wire_stall(harness->client, NEVER);
}

/* The client's connection breaks. */
static inline void harness_leave(Harness *harness)
{
    wire_leave(g_steal_pointer(&harness->client), TRUE);
    harness_run(harness);
}

/* Whether the proxy has closed our client's connection. */
static inline gboolean harness_is_closed(Harness *harness)
{
    return harness->connected &&
           postern_client_table_connections(harness->world.clients, &harness->address) == 0;
}

/* From now on connections to the MTA are not made before harness_give(); those that nobody uses end. */
static inline void harness_hold_connections(Harness *harness)
{
    harness_begin(harness);
    harness->hold_connections = TRUE;
    g_ptr_array_set_size(harness->mtas, 0);
    world_run(&harness->world, harness->world.now);
}

/* Those that wait are made (error 0), or fail. */
static inline void harness_give(Harness *harness, int error)
{
    harness->hold_connections = FALSE;
    g_assert_cmpuint(harness->mtas->len, ==, 1);
    HarnessMta *mta = g_ptr_array_index(harness->mtas, 0);
    if (error == 0) {
        harness_mta_takes(mta);
    } else {
        wire_answer_connect(mta->wire, error);
        harness_mta_leaves(mta);
    }
    harness_run(harness);
}

/* The clients' names are known now: name (NULL: none), or that they cannot be. */
static inline void harness_name(Harness *harness, const char *name, gboolean temporary)
{
    harness->name = name;
    harness->name_temporary = temporary;
    harness->hold_names = FALSE;
    g_assert_nonnull(harness->ask);
    world_timer_set(&g_steal_pointer(&harness->ask)->timer, harness->world.now);
    harness_run(harness);
}

static inline void harness_inspected(Harness *harness, const char *problem)
{
    WorldInspection *inspection = g_steal_pointer(&harness->inspection);
    g_assert_nonnull(inspection);
    inspection->problem = g_strdup(problem);
    world_timer_set(&inspection->timer, harness->world.now);
    harness_run(harness);
}

/* The codes of the replies since the last look: "250 550". */
static inline void harness_expect(Harness *harness, const char *codes)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(harness->replies->str, "\r\n", -1);
    for (guint i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++) {
        g_assert_cmpuint(strlen(lines[i]), >=, 4);
        if (lines[i][3] == ' ')
            g_string_append_printf(seen, "%s%.3s", seen->len > 0 ? " " : "", lines[i]);
    }
    g_assert_cmpstr(seen->str, ==, codes);
    g_string_truncate(harness->replies, 0);
}

/* The id that stands in brackets at the end of reply, a new string. */
static inline char *harness_id_of(const char *reply)
{
    const char *bracket = strrchr(reply, '[');
    g_assert_nonnull(bracket);
    g_assert_cmpuint(strcspn(bracket + 1, "]"), ==, POSTERN_IDENTIFIER_LENGTH);
    return g_strndup(bracket + 1, POSTERN_IDENTIFIER_LENGTH);
}

/* The replies since the last look, whole; every id of a session or message in brackets as "[id]". */
static inline void harness_expect_text(Harness *harness, const char *text)
{
    g_autoptr(GRegex) identifier = g_regex_new("\\[[0-9A-Za-z]{16}\\]", 0, 0, NULL);
    if (harness->identifier[0] != '\0')
        g_string_replace(harness->replies, harness->identifier, "id", 0);
    g_autofree char *replies =
        g_regex_replace_literal(identifier, harness->replies->str, -1, 0, "[id]", 0, NULL);
    g_assert_cmpstr(replies, ==, text);
    g_string_truncate(harness->replies, 0);
}

/* What the MTA got since the last look. */
static inline void harness_expect_commands(Harness *harness, const char *commands)
{
    g_assert_cmpstr(harness->commands->str, ==, commands);
    g_string_truncate(harness->commands, 0);
}

/* Somewhere in the closing lines; they stay. */
static inline void harness_expect_log(const Harness *harness, const char *words)
{
    if (strstr(harness->log->str, words) == NULL)
        g_error("'%s' is not in the log: %s", words, harness->log->str);
}

static inline guint harness_count_log(const Harness *harness, const char *words)
{
    guint count = 0;
    for (const char *at = harness->log->str; (at = strstr(at, words)) != NULL; at += strlen(words))
        count++;
    return count;
}

static inline void harness_greet(Harness *harness)
{
    harness_say(harness, "EHLO client.test\r\n");
    harness_expect(harness, "220 250");
}

/* Greeted, MAIL and one RCPT accepted; what the MTA got is forgotten. */
static inline void harness_open_envelope(Harness *harness)
{
    harness_greet(harness);
    harness_say(harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
    harness_expect(harness, "250 250");
    g_string_truncate(harness->commands, 0);
}

typedef struct {
    const char *name;
    void (*test)(gsize piece);
} HarnessCase;

/* Whole, then one octet at a time, of the client and of the MTA. */
static inline void harness_run_case(gconstpointer data)
{
    const HarnessCase *test_case = data;
    test_case->test(G_MAXSSIZE);
    test_case->test(1);
}

/* The main() of a test: runs each of cases. */
static inline int harness_main(int argc, char **argv, const HarnessCase *cases, guint count)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < count; i++)
        g_test_add_data_func(cases[i].name, &cases[i], harness_run_case);
    return g_test_run();
}
