#include "base/limits.h"
#include "dns/client_name.h"
#include "proxy/connection/thread_private.h"

struct PosternNameLookUp {
    PosternClient *client;
    PosternAddress address;
    PosternAnswers *answers;
    gpointer ask;
};

PosternClientConnection *postern_client_find(PosternProxyThread *thread, guint64 number)
{
    const PosternClient *client = postern_slab_find(thread->clients, number);
    return client != NULL ? client->connection : NULL;
}

static void set_timer(PosternProxyThread *thread)
{
    thread->world->functions->timer_set(thread->parked_timer, postern_deadlines_next(thread->parked));
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
    client->connection = NULL;
    client->transport = transport;
    client->announced_changed = FALSE;
    transport->ready = on_ready;
    transport->user_data = client;
    transport->functions->want(transport, POSTERN_TRANSPORT_READ);
    postern_deadlines_set(client->thread->parked, &client->deadline, deadline);
    set_timer(client->thread);
}

/* What its messages are charged to, if it is no server that speaks for others. */
static void set_budget(PosternClient *client, PosternSession *session)
{
    const PosternProxySettings *settings = client->settings;
    if (postern_proxy_settings_trusts(settings, &client->address))
        return;
    g_autoptr(PosternBudget) share = postern_client_table_share(
        client->thread->table, &client->address, settings->budget,
        postern_proxy_settings_client_share(settings), postern_proxy_settings_client_assured(settings));
    postern_session_set_budget(session, share);
}

PosternClientConnection *postern_client_resume(PosternClient *client)
{
    PosternProxyThread *thread = client->thread;
    if (client->connection != NULL)
        return client->connection;
    PosternSession *session = postern_session_resume(client->settings, &client->parked);
    set_budget(client, session);
    if (client->announced_changed)
        postern_session_set_capabilities(session, &thread->capabilities);
    client->connection = postern_client_connection_new(client, session, g_steal_pointer(&client->transport));
    postern_deadlines_set(thread->parked, &client->deadline, G_MAXINT64);
    set_timer(thread);
    return client->connection;
}

void postern_client_timer(PosternProxyThread *thread)
{
    gint64 now = postern_thread_now(thread);
    PosternDeadline *deadline;
    while ((deadline = postern_deadlines_pop(thread->parked, now)) != NULL) {
        PosternClient *client =
            (PosternClient *)(gpointer)((char *)deadline - G_STRUCT_OFFSET(PosternClient, deadline));
        guint64 number = client->number;
        postern_session_timer(postern_client_connection_session(postern_client_resume(client)), now);
        postern_thread_mark_client(thread, number);
        postern_thread_run(thread);
    }
    set_timer(thread);
}

gboolean postern_client_set_waiting(PosternClient *client, gboolean waiting)
{
    GQueue *clients = &client->thread->waiting_clients;
    if (waiting == (client->waiting_link.data != NULL))
        return FALSE;
    client->waiting_link.data = waiting ? client : NULL;
    if (waiting)
        g_queue_push_tail_link(clients, &client->waiting_link);
    else
        g_queue_unlink(clients, &client->waiting_link);
    return TRUE;
}

/* Whether client may go for one whose address has so many connections. */
static gboolean is_dispensable(const PosternClient *client, guint connections)
{
    return client->connection == NULL || postern_client_connection_is_dispensable(client->connection) ||
           postern_client_table_connections(client->thread->table, &client->address) > connections + 1;
}

gboolean postern_client_let_one_go(PosternProxyThread *thread, const PosternAddress *address)
{
    guint connections = postern_client_table_connections(thread->table, address);
    const GList *link = thread->waiting_clients.head;
    for (guint i = 1; link != NULL && !is_dispensable(link->data, connections); i++)
        link = i < POSTERN_CROWDED_SEARCH_MAX ? link->next : NULL;
    if (link == NULL)
        return FALSE;
    postern_client_connection_let_go(postern_client_resume(link->data));
    return TRUE;
}

static void end_look_up(PosternClient *client)
{
    PosternNameLookUp *look_up = g_steal_pointer(&client->name_look_up);
    if (look_up == NULL)
        return;
    client->thread->world->functions->ask_cancel(look_up->ask);
    postern_answers_unref(look_up->answers);
    g_free(look_up);
}

static void look_up(PosternNameLookUp *look_up);

static void on_name_answers(gpointer user_data)
{
    PosternNameLookUp *self = user_data;
    PosternProxyThread *thread = self->client->thread;
    postern_thread_mark_client(thread, self->client->number);
    self->ask = NULL;
    look_up(self);
    postern_thread_run(thread);
}

/* The name that the address has, and that has the address in turn. */
static void look_up(PosternNameLookUp *self)
{
    PosternClient *client = self->client;
    PosternWorld *world = client->thread->world;
    g_autofree char *name = NULL;
    g_autofree char *reverse = NULL;
    gboolean temporary = FALSE;
    if (postern_dns_client_name(self->address.family, &self->address.ipv4, self->answers, &name, &reverse,
                                &temporary) == 0) {
        self->ask = world->functions->ask(world, postern_address_client_number(&self->address), self->answers,
                                          on_name_answers, self);
        return;
    }
    end_look_up(client);
    PosternSession *session = postern_client_connection_session(postern_client_resume(client));
    postern_session_client_reverse_name(session, reverse);
    postern_session_client_name(session, name, temporary, postern_thread_now(client->thread));
}

void postern_client_look_up_name(PosternClient *client, const PosternAddress *address)
{
    end_look_up(client);
    client->name_look_up = g_new0(PosternNameLookUp, 1);
    client->name_look_up->client = client;
    client->name_look_up->address = *address;
    client->name_look_up->answers = postern_answers_new();
    look_up(client->name_look_up);
}

void postern_client_new(PosternProxyThread *thread, PosternTransport *transport,
                        const PosternAddress *address, const PosternAddress *server, gboolean submission)
{
    PosternClient *client = postern_slab_take(thread->clients); /* [proxy] max_connections is less */
    client->thread = thread;
    client->settings = postern_proxy_settings_ref(thread->settings);
    client->address = *address;
    PosternSession *session =
        postern_session_new(client->settings, address, submission, postern_thread_now(thread));
    postern_session_set_server(session, server);
    if (thread->capabilities_known)
        postern_session_set_capabilities(session, &thread->capabilities);
    set_budget(client, session);
    client->connection = postern_client_connection_new(client, session, transport);
    postern_thread_mark_client(thread, client->number);
}

void postern_client_clear(gpointer data)
{
    PosternClient *client = data;
    postern_client_set_waiting(client, FALSE);
    end_look_up(client);
    postern_deadlines_set(client->thread->parked, &client->deadline, G_MAXINT64);
    g_clear_pointer(&client->connection, postern_client_connection_free);
    postern_parked_session_clear(&client->parked);
    if (client->transport != NULL)
        client->transport->functions->close(client->transport, FALSE);
    postern_client_table_leave(client->thread->table, &client->address);
    postern_proxy_settings_unref(client->settings);
}

void postern_client_end(PosternClient *client)
{
    postern_slab_give_back(client->thread->clients, client->number);
}
