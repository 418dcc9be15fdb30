/*
 * What stands between the machines and their peers: the order of events is that of
 * proxy/connection/dispatch.c, client_connection.c and backend_connection.c, without the sockets.
 */
#pragma once

#include "sim_client.h"
#include "sim_mta.h"

static inline void mark_client(World *world, guint64 number)
{
    g_queue_push_tail(&world->marked_clients, key_of(number));
}

static inline void mark_mta(World *world, guint64 number)
{
    g_queue_push_tail(&world->marked_mtas, key_of(number));
}

static inline void set_health(World *world, PosternServerHealth health, const char *reason, guint again_ms)
{
    postern_pool_set_health(world->pool, health, reason, world->now);
    world->probe_at = world->draining || again_ms == 0 ? NEVER : world->now + again_ms;
}

static inline void shell_open(World *world, guint64 number)
{
    const PosternConfiguration *configuration = world->settings->configuration;
    PosternBackendOptions options = {
        .hostname = configuration->proxy.hostname,
        .client_address = configuration->proxy.client_address,
        .connect_timeout_ms = configuration->proxy.backend_connect_timeout_ms,
        .timeout_ms = configuration->proxy.backend_timeout_ms,
        .data_end_timeout_ms = configuration->proxy.backend_data_end_timeout_ms,
    };
    Mta *mta = g_new0(Mta, 1);
    mta->number = number;
    mta->backend = postern_backend_new(&options, world->now);
    mta->connect_at = percent(world, 98) ? world->now + any_of(world, 100) : NEVER;
    mta->connect_fails = percent(world, 2);
    mta->recipients = g_string_new(NULL);
    mta->send_at = NEVER;
    smtp_peer_init(&mta->peer);
    g_queue_init(&mta->sayings);
    g_hash_table_insert(world->mtas, key_of(number), mta);
    g_assert_cmpuint(g_hash_table_size(world->mtas), <=, world->limit); /* the promise */
    mark_mta(world, number);
}

static inline void shell_assign(World *world, const PosternPoolAction *action)
{
    Mta *mta = g_hash_table_lookup(world->mtas, key_of(action->connection));
    if (mta == NULL)
        return;
    Client *client = g_hash_table_lookup(world->clients, key_of(action->waiter));
    g_assert_cmpint(postern_backend_state(mta->backend), ==, POSTERN_BACKEND_IDLE);
    if (action->waiter == POSTERN_POOL_PROBE) {
        set_health(world, POSTERN_SERVER_UP, NULL, 600000);
        postern_pool_returned(world->pool, mta->number, TRUE, world->now);
    } else if (client == NULL) {
        postern_pool_returned(world->pool, mta->number, TRUE, world->now);
    } else {
        client->mta = mta;
        mta->in_use = TRUE;
        mta->user = client->number;
        postern_session_borrowed(client->session, mta->backend, world->now);
        mark_client(world, client->number);
    }
    mark_mta(world, mta->number);
}

static inline void shell_refuse(World *world, const PosternPoolAction *action)
{
    Client *client = g_hash_table_lookup(world->clients, key_of(action->waiter));
    if (action->waiter == POSTERN_POOL_PROBE) {
        world->probe_at = world->draining ? NEVER : world->now + 1000;
    } else if (client != NULL) {
        postern_session_borrow_failed(client->session, action->reason, world->now);
        mark_client(world, client->number);
    }
}

static inline void shell_recall(World *world, const PosternPoolAction *action)
{
    Client *client = g_hash_table_lookup(world->clients, key_of(action->waiter));
    world->counts->recalled++;
    if (client == NULL || client->mta == NULL || client->mta->number != action->connection)
        return; /* on its way back */
    postern_session_recalled(client->session, world->now);
    mark_client(world, client->number);
}

static inline void shell_pool_action(World *world, const PosternPoolAction *action)
{
    Mta *mta = g_hash_table_lookup(world->mtas, key_of(action->connection));
    switch (action->kind) {
    case POSTERN_POOL_OPEN:
        shell_open(world, action->connection);
        break;
    case POSTERN_POOL_ASSIGN:
        shell_assign(world, action);
        break;
    case POSTERN_POOL_REFUSE:
        shell_refuse(world, action);
        break;
    case POSTERN_POOL_RECALL:
        shell_recall(world, action);
        break;
    case POSTERN_POOL_QUIT:
        if (mta != NULL) {
            postern_backend_quit(mta->backend, world->now);
            mark_mta(world, mta->number);
        }
        break;
    }
}

static inline void shell_backend_failed(World *world, Mta *mta, const PosternBackendEvent *event)
{
    gboolean opening = event->during < POSTERN_BACKEND_IDLE;
    trace(world, "mta %d failed: %s", (int)mta->number, event->text);
    world->counts->killed++;
    if (event->fault == POSTERN_BACKEND_FAULT_SETUP)
        set_health(world, POSTERN_SERVER_DOWN, event->text, 1000);
    postern_pool_closed(world->pool, mta->number, opening ? event->text : NULL, world->now);
    mta->gone = TRUE;
}

static inline void shell_backend_event(World *world, Mta *mta, const PosternBackendEvent *event)
{
    Client *client = mta->in_use ? g_hash_table_lookup(world->clients, key_of(mta->user)) : NULL;
    if (client != NULL) {
        postern_session_backend_event(client->session, event, world->now);
        if (event->kind == POSTERN_BACKEND_FAILED)
            client->mta = NULL;
        mark_client(world, client->number);
    }
    if (event->kind == POSTERN_BACKEND_READY) {
        world->capabilities = *postern_backend_ehlo(mta->backend);
        world->capabilities_known = TRUE;
        postern_pool_opened(world->pool, mta->number, world->now);
    } else if (event->kind == POSTERN_BACKEND_FAILED) {
        shell_backend_failed(world, mta, event);
    } else if (event->kind == POSTERN_BACKEND_ENDED) {
        postern_pool_closed(world->pool, mta->number, NULL, world->now);
        mta->gone = TRUE;
    }
}

static inline void shell_backend_events(World *world, Mta *mta)
{
    for (;;) {
        g_autoptr(PosternBackendEvent) event = postern_backend_next_event(mta->backend);
        if (event == NULL)
            return;
        shell_backend_event(world, mta, event);
    }
}

static inline void shell_abandoned(World *world, Mta *mta)
{
    if (!mta->gone) {
        if (postern_backend_state(mta->backend) != POSTERN_BACKEND_CLOSED) {
            postern_backend_closed(mta->backend, NULL, world->now);
            mta->abandon_until = world->now + any_of(world, POSTERN_BACKEND_QUIT_TIMEOUT_MS);
        }
        return;
    }
    postern_pool_closed(world->pool, mta->number, NULL, world->now);
    g_hash_table_remove(world->mtas, key_of(mta->number));
}

static inline void shell_flush_backend(World *world, Mta *mta)
{
    GString *output = postern_backend_output(mta->backend);
    if (output->len == 0)
        return;
    g_autofree char *octets = g_strndup(output->str, output->len);
    gsize length = output->len;
    g_string_truncate(output, 0);
    mta_take(world, mta, octets, length);
}

static inline void shell_run_mta(World *world, Mta *mta)
{
    if (mta->abandoned) {
        shell_abandoned(world, mta);
        return;
    }
    shell_backend_events(world, mta);
    if (mta->abandoned) {
        shell_abandoned(world, mta);
        return;
    }
    shell_flush_backend(world, mta);
    shell_backend_events(world, mta);
    if (mta->gone) {
        g_hash_table_remove(world->mtas, key_of(mta->number));
        return;
    }
    if (mta->returning && postern_backend_state(mta->backend) == POSTERN_BACKEND_IDLE) {
        mta->returning = FALSE;
        postern_pool_returned(world->pool, mta->number, postern_backend_is_reusable(mta->backend),
                              world->now);
    }
}

/* A piece of the message goes out. */
static inline void shell_send_piece(World *world, Mta *mta)
{
    g_autoptr(GByteArray) wire = g_byte_array_new();
    const char *octets = NULL;
    gsize length = 0;
    gboolean more = postern_message_reader_next(mta->reader, 1 + any_of(world, 4000), &octets, &length) > 0;
    int result = more ? postern_data_encoder_next(&mta->encoder, octets, length, wire)
                      : postern_data_encoder_end(&mta->encoder, wire);
    g_assert_cmpint(result, ==, 0); /* a decoder never gives what an encoder does not take */
    mta->send_at = world->now + (percent(world, 90) ? 0 : any_of(world, 2000));
    if (more) {
        postern_backend_progress(mta->backend, world->now);
    } else {
        g_clear_pointer(&mta->reader, postern_message_reader_free);
        mta->send_at = NEVER;
        postern_backend_message_sent(mta->backend, world->now);
    }
    mta_take(world, mta, (const char *)wire->data, wire->len);
    mark_mta(world, mta->number);
}

static inline void shell_let_go(World *world, Client *client, gboolean abandon)
{
    Mta *mta = client->mta;
    client->mta = NULL;
    if (mta == NULL)
        return;
    mta->in_use = FALSE;
    mta->abandoned = abandon;
    mta->returning = !abandon;
    if (abandon) {
        g_clear_pointer(&mta->reader, postern_message_reader_free);
        mta->send_at = NEVER;
    }
    mark_mta(world, mta->number);
}

static inline void shell_send_message(World *world, Client *client, const PosternSessionAction *action)
{
    Mta *mta = client->mta;
    if (mta == NULL)
        return;
    g_assert_null(mta->reader);
    mta->reader = postern_message_reader_new(action->message, action->edits, NULL);
    g_assert_nonnull(mta->reader);
    postern_data_encoder_init(&mta->encoder);
    mta->send_at = world->now;
}

static inline void shell_inspect(World *world, Client *client)
{
    const Message *message = message_of_sender(world, postern_session_envelope(client->session)->sender);
    postern_findings_free(client->findings);
    client->findings = postern_findings_new();
    if (message->virus == POSTERN_VIRUS_INFECTED)
        postern_virus_finding_infected(&client->findings->virus, "Test.Virus");
    else if (message->virus == POSTERN_VIRUS_ERROR)
        postern_virus_finding_note(&client->findings->virus, POSTERN_VIRUS_SCAN_ERROR, "a test");
    postern_virus_finding_clean(&client->findings->virus);
    client->findings->spf.result = (PosternSpfResult)any_of(world, POSTERN_SPF_PERMERROR + 1);
    client->inspect_at = world->now + (percent(world, 80) ? any_of(world, 50) : any_of(world, 5000));
}

static inline void shell_act(World *world, Client *client, PosternSessionAction *action)
{
    switch (action->kind) {
    case POSTERN_SESSION_BORROW:
        if (postern_session_is_slow(client->session))
            postern_pool_request_later(world->pool, client->number,
                                       postern_session_client_number(client->session), world->now);
        else
            postern_pool_request(world->pool, client->number, postern_session_client_number(client->session),
                                 world->now);
        break;
    case POSTERN_SESSION_BORROW_CANCEL:
        postern_pool_cancel(world->pool, client->number, world->now);
        break;
    case POSTERN_SESSION_OFFER:
        if (client->mta != NULL)
            postern_pool_offer(world->pool, client->mta->number, world->now);
        break;
    case POSTERN_SESSION_RETURN:
        shell_let_go(world, client, FALSE);
        break;
    case POSTERN_SESSION_ABANDON:
        shell_let_go(world, client, TRUE);
        break;
    case POSTERN_SESSION_SEND_MESSAGE:
        shell_send_message(world, client, action);
        break;
    case POSTERN_SESSION_INSPECT_MESSAGE:
        shell_inspect(world, client);
        break;
    case POSTERN_SESSION_INSPECT_CANCEL:
        client->inspect_at = NEVER;
        break;
    case POSTERN_SESSION_LOOK_UP_NAME:
        client->name_at = world->now + (percent(world, 90) ? any_of(world, 20) : any_of(world, 9000));
        break;
    case POSTERN_SESSION_INSPECT_ENVELOPE:
    case POSTERN_SESSION_INSPECT_ORIGIN:
    case POSTERN_SESSION_INSPECT_HEADER:
        break;
    case POSTERN_SESSION_KEEP:
        break;
    case POSTERN_SESSION_LOG:
        note_log(world, postern_log_line_text(action->line));
        break;
    case POSTERN_SESSION_CLOSE:
        g_assert_false(client->closing);
        client->closing = TRUE;
        break;
    }
}

static inline void shell_actions(World *world, Client *client)
{
    PosternSessionAction action;
    while (postern_session_next_action(client->session, &action)) {
        shell_act(world, client, &action);
        postern_session_action_clear(&action);
    }
    if (client->mta != NULL)
        mark_mta(world, client->mta->number);
    GString *output = postern_session_output(client->session);
    if (output->len > 0 && !client->gone)
        client_hears(world, client, output);
    g_string_truncate(output, 0);
}

static inline void shell_feed(World *world, Client *client)
{
    gsize taken;
    do {
        gsize length = percent(world, 10) ? any_of(world, (guint)client->wire->len + 1) : client->wire->len;
        length = MAX(length, MIN(client->wire->len, 1));
        taken =
            length > 0 ? postern_session_receive(client->session, client->wire->str, length, world->now) : 0;
        g_string_erase(client->wire, 0, (gssize)taken);
        shell_actions(world, client);
    } while (taken > 0);
    if (client->input_ended && client->wire->len == 0 && postern_session_wants_input(client->session)) {
        postern_session_client_closed(client->session, world->now);
        shell_actions(world, client);
    }
}

/* The session is over: it has said so to who was there to hear it, and nothing of it is left anywhere. */
static inline void shell_close(World *world, Client *client)
{
    PosternSessionAction action;
    trace(world, "client %d closed", (int)client->number);
    g_assert_true(client->gone || client->input_ended || client->last_word);
    g_assert_null(client->mta);
    g_assert_cmpint(client->inspect_at, ==, NEVER);
    g_assert_false(postern_session_next_action(client->session, &action));
    g_assert_cmpint(postern_session_state(client->session), ==, POSTERN_SESSION_CLOSING);
    g_assert_cmpint(postern_session_deadline(client->session), ==, NEVER);
    world->counts->sessions++;
    g_hash_table_remove(world->clients, key_of(client->number));
}

static inline void shell_run_client(World *world, Client *client)
{
    if (client->gone && !client->closing)
        postern_session_client_closed(client->session, world->now);
    shell_actions(world, client);
    shell_feed(world, client);
    if (client->gone) /* nothing is done for it any more, but to hear what became of its dot */
        g_assert_true(client->closing ||
                      postern_session_state(client->session) == POSTERN_SESSION_DELIVERING);
    if (client->closing)
        shell_close(world, client);
}

static inline gboolean shell_run_one(World *world)
{
    PosternPoolAction action;
    if (postern_pool_next_action(world->pool, &action)) {
        shell_pool_action(world, &action);
        return TRUE;
    }
    gpointer number = g_queue_pop_head(&world->marked_mtas);
    if (number != NULL) {
        Mta *mta = g_hash_table_lookup(world->mtas, number);
        if (mta != NULL)
            shell_run_mta(world, mta);
        return TRUE;
    }
    number = g_queue_pop_head(&world->marked_clients);
    if (number == NULL)
        return FALSE;
    Client *client = g_hash_table_lookup(world->clients, number);
    if (client != NULL)
        shell_run_client(world, client);
    return TRUE;
}
