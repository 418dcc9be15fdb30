#include "proxy/connection/thread.h"

#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "proxy/connection/stream.h"
#include "proxy/connection/thread_private.h"

#define LISTEN_BACKLOG 1024

typedef enum {
    COMMAND_RELOAD,
    COMMAND_DRAIN,
} CommandKind;

typedef struct {
    CommandKind kind;
    PosternProxySettings *settings;
    guint timeout_ms;
} Command;

static void refuse_client(int socket, const PosternConfiguration *configuration)
{
    g_autofree char *reply = g_strdup_printf("421 4.7.0 %s Too many connections, try again later\r\n",
                                             configuration->proxy.hostname);
    (void)send(socket, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(socket);
}

/* One server in front may stand for very many clients. */
static PosternClientAdmission admit(PosternProxyThread *thread, const PosternAddress *client)
{
    const PosternConfiguration *configuration = thread->settings->configuration;
    guint maximum = postern_proxy_settings_trusts(thread->settings, client)
                        ? configuration->proxy.max_connections
                        : configuration->proxy.max_connections_per_client;
    return postern_client_table_enter(thread->table, client, maximum, configuration->proxy.max_connections);
}

static void accept_client(PosternProxyThread *thread, int socket, const struct sockaddr *address,
                          gboolean submission)
{
    PosternAddress client = postern_address_from_sockaddr(address);
    PosternClientAdmission admission = admit(thread, &client);
    if (admission == POSTERN_CLIENT_TOO_MANY_TOTAL && postern_client_connection_let_one_go(thread, &client))
        admission = admit(thread, &client);
    if (admission != POSTERN_CLIENT_ADMITTED) {
        g_autofree char *text = postern_address_to_string(&client);
        PosternLogLine *line = postern_log_line_new("refused");
        postern_log_line_add(line, "client", text);
        postern_log_line_add(line, "limit",
                             admission == POSTERN_CLIENT_TOO_MANY ? "max_connections_per_client"
                                                                  : "max_connections");
        postern_log_line_repeats(line, postern_log_line_text(line));
        postern_log_line_write(line, POSTERN_LOG_INFO);
        refuse_client(socket, thread->settings->configuration);
        return;
    }
    postern_client_connection_new(thread, socket, &client, submission);
    postern_thread_run(thread);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t socket, struct sockaddr *address,
                      int length, void *data)
{
    accept_client(data, socket, address, FALSE);
}

static void on_accept_submission(struct evconnlistener *listener, evutil_socket_t socket,
                                 struct sockaddr *address, int length, void *data)
{
    accept_client(data, socket, address, TRUE);
}

/* Out of descriptors: those that wait in the backlog must not make us spin. */
static void on_accept_error(struct evconnlistener *listener, void *data)
{
    PosternProxyThread *thread = data;
    struct timeval pause = {.tv_sec = 0, .tv_usec = 200000};
    postern_log(POSTERN_LOG_WARNING,
                "cannot accept a connection: %s; lower [proxy] max_connections or raise the limit of "
                "open files",
                g_strerror(errno));
    for (guint i = 0; i < thread->listeners->len; i++)
        evconnlistener_disable(g_ptr_array_index(thread->listeners, i));
    evtimer_add(thread->resume_timer, &pause);
}

static void on_resume_timer(evutil_socket_t socket, short what, void *data)
{
    PosternProxyThread *thread = data;
    for (guint i = 0; i < thread->listeners->len; i++)
        evconnlistener_enable(g_ptr_array_index(thread->listeners, i));
}

static void on_pool_timer(evutil_socket_t socket, short what, void *data)
{
    PosternProxyThread *thread = data;
    postern_pool_timer(thread->pool, postern_stream_now());
    postern_thread_run(thread);
}

static void on_probe_timer(evutil_socket_t socket, short what, void *data)
{
    PosternProxyThread *thread = data;
    postern_relay_probe_start(thread);
    postern_thread_run(thread);
}

/* What a walk over the clients needs while they may vanish. */
static GArray *client_numbers(PosternProxyThread *thread)
{
    GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint64));
    GHashTableIter iterator;
    gpointer number;
    g_hash_table_iter_init(&iterator, thread->clients);
    while (g_hash_table_iter_next(&iterator, &number, NULL))
        g_array_append_vals(numbers, number, 1);
    return numbers;
}

static void for_each_session(PosternProxyThread *thread, void (*call)(PosternSession *session, gint64 now))
{
    g_autoptr(GArray) numbers = client_numbers(thread);
    gint64 now = postern_stream_now();
    for (guint i = 0; i < numbers->len; i++) {
        guint64 number = g_array_index(numbers, guint64, i);
        PosternClientConnection *client = g_hash_table_lookup(thread->clients, &number);
        call(postern_client_connection_session(client), now);
        postern_thread_mark_client(thread, number);
    }
}

static void end_session(PosternSession *session, gint64 now)
{
    postern_session_end(session, "Service shutting down", now);
}

static void drain_session(PosternSession *session, gint64 now)
{
    postern_session_let_go(session, "Service shutting down", now);
}

static void outdate_session(PosternSession *session, gint64 now)
{
    postern_session_let_go(session, "The configuration is new, please connect again", now);
}

/* Those that still open, quit or are probed must not hold up the end. */
static void abandon_backends(PosternProxyThread *thread)
{
    GHashTableIter iterator;
    gpointer connection;
    g_hash_table_iter_init(&iterator, thread->backends);
    while (g_hash_table_iter_next(&iterator, NULL, &connection))
        if (!postern_backend_connection_is_in_use(connection))
            postern_backend_connection_abandon(connection);
}

static void on_drain_timer(evutil_socket_t socket, short what, void *data)
{
    PosternProxyThread *thread = data;
    for_each_session(thread, end_session);
    postern_thread_run(thread);
    abandon_backends(thread);
    postern_thread_run(thread);
}

static void drain(PosternProxyThread *thread, guint timeout_ms)
{
    struct timeval time = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
    thread->draining = TRUE;
    evtimer_del(thread->resume_timer);
    g_ptr_array_set_size(thread->listeners, 0);
    evtimer_del(thread->probe_timer);
    evtimer_add(thread->drain_timer, &time);
    for_each_session(thread, drain_session);
    /* Those that are lost are not waited for as long as before. */
    GHashTableIter iterator;
    gpointer number;
    g_hash_table_iter_init(&iterator, thread->backends);
    while (g_hash_table_iter_next(&iterator, &number, NULL))
        postern_thread_mark_backend(thread, *(const guint64 *)number);
}

/* settings is taken over. A back-end of which anything is new is unproved until the probe has asked it, and a
 * session of before goes on with what it was promised, or ends. */
static void take_settings(PosternProxyThread *thread, PosternProxySettings *settings)
{
    const PosternConfiguration *configuration = settings->configuration;
    gboolean same_backend = postern_proxy_settings_same_backend(thread->settings, settings);
    gboolean same_relaying = postern_proxy_settings_same_relaying(thread->settings, settings);
    postern_proxy_settings_unref(thread->settings);
    thread->settings = settings;
    postern_pool_set_times(thread->pool, configuration->proxy.backend_wait_ms,
                           configuration->proxy.backend_idle_ms);
    if (!same_backend) {
        postern_pool_set_health(thread->pool, POSTERN_SERVER_UNKNOWN, NULL, postern_stream_now());
        postern_pool_end_idle(thread->pool, postern_stream_now());
        postern_relay_probe_forget(thread);
    }
    if (!same_relaying)
        for_each_session(thread, outdate_session);
    postern_relay_probe_schedule(thread, 1);
}

static void on_commands(evutil_socket_t socket, short what, void *data)
{
    PosternProxyThread *thread = data;
    char octets[64];
    (void)!read(thread->wake[0], octets, sizeof octets);
    Command *command;
    while ((command = g_async_queue_try_pop(thread->commands)) != NULL) {
        if (command->kind == COMMAND_RELOAD)
            take_settings(thread, command->settings);
        else
            drain(thread, command->timeout_ms);
        g_free(command);
    }
    postern_thread_run(thread);
}

static void send_command(PosternProxyThread *thread, CommandKind kind, PosternProxySettings *settings,
                         guint timeout_ms)
{
    Command *command = g_new0(Command, 1);
    command->kind = kind;
    command->settings = settings;
    command->timeout_ms = timeout_ms;
    g_async_queue_push(thread->commands, command);
    (void)!write(thread->wake[1], "", 1);
}

static void free_client(gpointer client)
{
    postern_client_connection_free(client);
}

static void free_backend(gpointer connection)
{
    postern_backend_connection_free(connection);
}

static void thread_free(PosternProxyThread *thread)
{
    g_clear_pointer(&thread->clients, g_hash_table_unref);
    g_clear_pointer(&thread->backends, g_hash_table_unref);
    g_clear_pointer(&thread->listeners, g_ptr_array_unref);
    g_clear_pointer(&thread->inspector, postern_inspector_client_free);
    g_clear_pointer(&thread->resolver, postern_resolver_free);
    g_clear_pointer(&thread->pool, postern_pool_free);
    postern_relay_probe_clear(&thread->probe);
    struct event **events[] = {&thread->commands_ready, &thread->pool_timer, &thread->probe_timer,
                               &thread->drain_timer, &thread->resume_timer};
    for (guint i = 0; i < G_N_ELEMENTS(events); i++)
        g_clear_pointer(events[i], event_free);
    g_queue_clear_full(&thread->marked_clients, g_free);
    g_queue_clear_full(&thread->marked_backends, g_free);
    g_clear_pointer(&thread->loop, event_base_free);
    g_clear_pointer(&thread->commands, g_async_queue_unref);
    g_clear_pointer(&thread->answers, postern_answers_file_unref);
    g_clear_pointer(&thread->settings, postern_proxy_settings_unref);
    for (guint i = 0; i < 2; i++)
        if (thread->wake[i] >= 0)
            close(thread->wake[i]);
    g_free(thread);
}

static gpointer run(gpointer data)
{
    PosternProxyThread *thread = data;
    postern_relay_probe_start(thread);
    postern_thread_run(thread);
    event_base_dispatch(thread->loop);
    g_atomic_int_set(&thread->ended, 1);
    return NULL;
}

static void add_listeners(PosternProxyThread *thread, const GArray *sockets, evconnlistener_cb callback)
{
    for (guint i = 0; i < sockets->len; i++) {
        struct evconnlistener *listener =
            evconnlistener_new(thread->loop, callback, thread, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                               LISTEN_BACKLOG, g_array_index(sockets, int, i));
        evconnlistener_set_error_cb(listener, on_accept_error);
        g_ptr_array_add(thread->listeners, listener);
    }
}

static gboolean make_resolver(PosternProxyThread *thread, PosternResolverHealth *health, GError **error)
{
    thread->resolver = postern_resolver_from_configuration(thread->loop, thread->settings->configuration,
                                                           thread->answers, thread->settings->threads, error);
    if (thread->resolver != NULL)
        postern_resolver_set_health(thread->resolver, health);
    return thread->resolver != NULL;
}

/* The share of one thread in the back-end's limit: the first threads get what does not divide. */
static guint share_of(guint limit, guint threads, guint index)
{
    return limit / threads + (index < limit % threads ? 1 : 0);
}

static void make_timers(PosternProxyThread *thread)
{
    thread->commands_ready =
        event_new(thread->loop, thread->wake[0], EV_READ | EV_PERSIST, on_commands, thread);
    thread->pool_timer = evtimer_new(thread->loop, on_pool_timer, thread);
    thread->probe_timer = evtimer_new(thread->loop, on_probe_timer, thread);
    thread->drain_timer = evtimer_new(thread->loop, on_drain_timer, thread);
    thread->resume_timer = evtimer_new(thread->loop, on_resume_timer, thread);
    event_add(thread->commands_ready, NULL);
}

PosternProxyThread *postern_proxy_thread_new(const PosternProxyThreadOptions *options, GError **error)
{
    const PosternConfiguration *configuration = options->settings->configuration;
    PosternProxyThread *thread = g_new0(PosternProxyThread, 1);
    thread->settings = postern_proxy_settings_ref(options->settings);
    thread->table = options->clients;
    thread->problem = options->problem;
    thread->answers = options->answers != NULL ? postern_answers_file_ref(options->answers) : NULL;
    thread->wake[0] = thread->wake[1] = -1;
    thread->loop = event_base_new();
    thread->commands = g_async_queue_new_full(g_free);
    thread->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)evconnlistener_free);
    thread->clients = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_client);
    thread->backends = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_backend);
    g_queue_init(&thread->marked_clients);
    g_queue_init(&thread->marked_backends);
    thread->pool = postern_pool_new(
        share_of(configuration->proxy.backend_connections, options->settings->threads, options->index),
        configuration->proxy.backend_wait_ms, configuration->proxy.backend_idle_ms);
    if (pipe2(thread->wake, O_CLOEXEC | O_NONBLOCK) < 0) {
        postern_error_set_system(error, errno, "cannot make a pipe");
        thread_free(thread);
        return NULL;
    }
    make_timers(thread);
    if (!make_resolver(thread, options->health, error)) {
        thread_free(thread);
        return NULL;
    }
    if (options->inspector_path != NULL)
        thread->inspector = postern_inspector_client_new(thread->loop, options->inspector_path);
    add_listeners(thread, options->listeners, on_accept);
    add_listeners(thread, options->submission_listeners, on_accept_submission);
    thread->thread = g_thread_new("proxy", run, thread);
    return thread;
}

void postern_proxy_thread_reload(PosternProxyThread *thread, PosternProxySettings *settings)
{
    send_command(thread, COMMAND_RELOAD, postern_proxy_settings_ref(settings), 0);
}

void postern_proxy_thread_drain(PosternProxyThread *thread, guint timeout_ms)
{
    send_command(thread, COMMAND_DRAIN, NULL, timeout_ms);
}

gboolean postern_proxy_thread_has_ended(PosternProxyThread *thread)
{
    return g_atomic_int_get(&thread->ended) != 0;
}

void postern_proxy_thread_join(PosternProxyThread *thread)
{
    g_thread_join(thread->thread);
    thread_free(thread);
}
