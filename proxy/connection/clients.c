#include "base/limits.h"
#include "proxy/connection/thread_private.h"

PosternClientConnection *postern_client_find(PosternProxyThread *thread, guint64 number)
{
    const PosternClient *client = postern_slab_find(thread->clients, number);
    return client != NULL && !client->is_parked ? client->connection : NULL;
}

const PosternAddress *postern_client_peer(const PosternClient *client)
{
    gboolean is_other = client->origin != NULL && client->origin->peer.family != AF_UNSPEC;
    return is_other ? &client->origin->peer : &client->screen.client;
}

static void set_timer(PosternProxyThread *thread)
{
    thread->world->functions->timer_set(thread->parked_timer, postern_deadlines_next(thread->parked));
}

static void leave_queue(PosternClient *client)
{
    if (client->queue == POSTERN_QUEUE_SLOWED)
        postern_client_table_slowed(client->thread->table, -1);
    if (client->queue != POSTERN_QUEUE_NONE)
        g_queue_unlink(&client->thread->queues[client->queue], &client->queue_link);
    client->queue = POSTERN_QUEUE_NONE;
}

/* What came, or that the client has ended, is for the stream. */
static void on_ready(PosternTransportEvent event, gpointer user_data)
{
    PosternClient *client = user_data;
    PosternProxyThread *thread = client->thread;
    PosternTransport *transport = client->transport;
    (void)postern_client_resume(client);
    postern_thread_mark_client(thread, client->number);
    transport->ready(event, transport->user_data);
    postern_thread_run(thread);
}

void postern_client_park(PosternClient *client, PosternTransport *transport, gint64 deadline)
{
    client->is_parked = TRUE;
    postern_session_count_state(client->settings, POSTERN_SESSION_PARKED, 1);
    client->transport = transport;
    transport->ready = on_ready;
    transport->user_data = client;
    if (client->pace != NULL)
        postern_client_keep_pace(client);
    else
        transport->functions->want(transport, POSTERN_TRANSPORT_READ);
    postern_deadlines_set(client->thread->parked, &client->deadline, deadline);
    set_timer(client->thread);
}

/* What its messages are charged to, if it is no server that speaks for others. */
static void set_budget(PosternClient *client, PosternSession *session)
{
    const PosternProxySettings *settings = client->settings;
    if (postern_client_peer(client) != &client->screen.client)
        return;
    g_autoptr(PosternBudget) share = postern_client_table_share(
        client->thread->table, postern_client_peer(client), settings->budget,
        postern_proxy_settings_client_share(settings), postern_proxy_settings_client_assured(settings));
    postern_session_set_budget(session, share);
}

/* What the session does not remember while it is parked. */
static void tell_of_balancer(const PosternClient *client, PosternSession *session)
{
    const PosternProxyHeader *header = client->origin != NULL ? &client->origin->header : NULL;
    if (header == NULL || !header->tls)
        return;
    PosternTlsFacts facts = {.version = header->tls_version != NULL ? header->tls_version : "TLS",
                             .cipher = header->tls_cipher != NULL ? header->tls_cipher : "?"};
    if (header->verified && header->tls_name != NULL)
        g_strlcpy(facts.peer, header->tls_name, sizeof facts.peer);
    postern_session_set_tls(session, &facts);
}

PosternClientConnection *postern_client_resume(PosternClient *client)
{
    PosternProxyThread *thread = client->thread;
    if (!client->is_parked)
        return client->connection;
    client->is_parked = FALSE;
    postern_session_count_state(client->settings, POSTERN_SESSION_PARKED, -1);
    PosternSession *session = postern_session_resume(client->settings, &client->parked);
    postern_client_fetch_pace(client);
    tell_of_balancer(client, session);
    set_budget(client, session);
    postern_session_set_screen(session, &client->screen);
    if (thread->capabilities_known)
        postern_session_set_capabilities(session, &thread->capabilities);
    client->connection = postern_client_connection_new(client, session, client->transport);
    postern_deadlines_set(thread->parked, &client->deadline, G_MAXINT64);
    set_timer(thread);
    return client->connection;
}

void postern_client_timer(PosternProxyThread *thread)
{
    gint64 now = postern_thread_now(thread);
    PosternDeadline *deadline;
    while ((deadline = postern_deadlines_passed(thread->parked, now)) != NULL) {
        PosternClient *client =
            (PosternClient *)(gpointer)((char *)deadline - G_STRUCT_OFFSET(PosternClient, deadline));
        guint64 number = client->number;
        if (postern_client_trickle(client, now))
            continue;
        postern_session_timer(postern_client_connection_session(postern_client_resume(client)), now);
        postern_thread_mark_client(thread, number);
        postern_thread_run(thread);
    }
    set_timer(thread);
}

gboolean postern_client_set_waiting(PosternClient *client, gboolean waiting)
{
    GQueue *queues = client->thread->queues;
    PosternClientQueue queue = postern_screen_is_slowed(&client->screen) ? POSTERN_QUEUE_SLOWED
                               : waiting                                 ? POSTERN_QUEUE_WAITING
                                                                         : POSTERN_QUEUE_NONE;
    if (queue == client->queue)
        return FALSE;
    leave_queue(client);
    client->queue = (guint8)queue;
    client->queue_link.data = client;
    if (queue == POSTERN_QUEUE_SLOWED)
        postern_client_table_slowed(client->thread->table, 1);
    if (queue != POSTERN_QUEUE_NONE)
        g_queue_push_tail_link(&queues[queue], &client->queue_link);
    return TRUE;
}

/* Whether client may go for one whose address has so many connections. */
static gboolean is_dispensable(const PosternClient *client, guint connections)
{
    return client->is_parked || postern_client_connection_is_dispensable(client->connection) ||
           (client->queue == POSTERN_QUEUE_WAITING &&
            postern_client_table_connections(client->thread->table, postern_client_peer(client)) >
                connections + 1);
}

gboolean postern_client_let_one_go(PosternProxyThread *thread, const PosternAddress *address)
{
    guint connections = postern_client_table_connections(thread->table, address);
    guint searched = 0;
    for (guint i = 0; i < POSTERN_QUEUES; i++)
        for (const GList *link = thread->queues[i].head;
             link != NULL && searched < POSTERN_CROWDED_SEARCH_MAX; link = link->next, searched++)
            if (is_dispensable(link->data, connections)) {
                postern_client_connection_let_go(postern_client_resume(link->data));
                return TRUE;
            }
    return FALSE;
}

void postern_client_new(PosternProxyThread *thread, PosternTransport *transport,
                        const PosternAddress *address, const PosternClientArrival *arrival,
                        const PosternScreen *screen)
{
    PosternClient *client = postern_slab_take(thread->clients); /* [proxy] max_connections is less */
    gint64 now = postern_thread_now(thread);
    client->thread = thread;
    client->queue = POSTERN_QUEUE_NONE;
    client->settings = postern_proxy_settings_ref(thread->settings);
    client->screen = *screen;
    const gboolean trusted = postern_proxy_settings_trusts(client->settings, address);
    if (trusted || arrival->header != NULL) {
        client->origin = g_new0(PosternClientOrigin, 1);
        client->origin->peer.family = AF_UNSPEC;
    }
    if (trusted)
        client->origin->peer = *address;
    gboolean is_submission =
        arrival->kind == POSTERN_LISTENER_SUBMISSION || arrival->kind == POSTERN_LISTENER_SUBMISSION_TLS;
    if (is_submission)
        postern_screen_submits(&client->screen);
    PosternSession *session = postern_session_new(client->settings, address, is_submission, now);
    if (arrival->header != NULL) {
        client->origin->header = *arrival->header;
        *arrival->header = (PosternProxyHeader){FALSE};
        postern_session_set_balanced(session, client->origin->header.tls, arrival->greeted);
        tell_of_balancer(client, session);
    }
    postern_session_set_server(session, &arrival->server);
    if (thread->capabilities_known)
        postern_session_set_capabilities(session, &thread->capabilities);
    set_budget(client, session);
    postern_session_set_screen(session, &client->screen);
    client->connection = postern_client_connection_new(client, session, transport);
    if (arrival->kind >= POSTERN_LISTENER_TLS)
        postern_client_connection_begin_tls(client->connection, now);
    postern_thread_mark_client(thread, client->number);
}

void postern_client_clear(gpointer data)
{
    PosternClient *client = data;
    leave_queue(client);
    postern_client_forget_facts(client);
    postern_deadlines_set(client->thread->parked, &client->deadline, G_MAXINT64);
    postern_parked_session_clear(&client->parked);
    postern_client_set_pace(client, NULL);
    if (client->is_parked) {
        postern_session_count_state(client->settings, POSTERN_SESSION_PARKED, -1);
        client->transport->functions->close(client->transport, FALSE);
    } else
        postern_client_connection_free(client->connection);
    postern_screen_ends(&client->screen, postern_client_peer(client), postern_thread_now(client->thread));
    if (client->origin != NULL)
        postern_proxy_header_clear(&client->origin->header);
    g_free(client->origin);
    postern_proxy_settings_unref(client->settings);
}

void postern_client_end(PosternClient *client)
{
    postern_slab_give_back(client->thread->clients, client->number);
}
