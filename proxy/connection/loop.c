#include "proxy/connection/loop.h"

#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "proxy/connection/event_world.h"
#include "proxy/connection/socket_transport.h"
#include "proxy/connection/thread.h"

#define LISTEN_BACKLOG 1024

typedef struct {
    PosternProxySettings *settings; /* to be taken; NULL: drain */
    guint timeout_ms;
} Command;

struct PosternProxyLoop {
    PosternEventWorld world;
    GThread *thread;
    PosternProxyThread *proxy;
    struct event *commands_ready; /* the pipe below is readable */
    struct event *resume_timer;   /* accepting again, after descriptors ran out */
    GAsyncQueue *commands;        /* of Command * */
    int wake[2];
    gint ended;           /* atomic */
    GPtrArray *listeners; /* of struct evconnlistener * */
};

/* Where the client has connected to. */
static PosternAddress address_of_socket(int socket)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof storage;
    if (getsockname(socket, (struct sockaddr *)&storage, &length) < 0)
        return (PosternAddress){.family = AF_UNSPEC};
    return postern_address_from_sockaddr((const struct sockaddr *)&storage);
}

static void accept_client(PosternProxyLoop *loop, int socket, const struct sockaddr *address,
                          gboolean submission)
{
    const PosternAddress client = postern_address_from_sockaddr(address);
    const PosternAddress server = address_of_socket(socket);
    PosternTransport *transport = postern_socket_transport_new(loop->world.loop, socket);
    postern_proxy_thread_accept(loop->proxy, transport, &client, &server, submission);
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
    PosternProxyLoop *loop = data;
    const struct timeval pause = {.tv_sec = 0, .tv_usec = 200000};
    postern_log(POSTERN_LOG_WARNING,
                "cannot accept a connection: %s; lower [proxy] max_connections or raise the limit of "
                "open files",
                g_strerror(errno));
    for (guint i = 0; i < loop->listeners->len; i++)
        evconnlistener_disable(g_ptr_array_index(loop->listeners, i));
    evtimer_add(loop->resume_timer, &pause);
}

static void on_resume_timer(evutil_socket_t socket, short what, void *data)
{
    PosternProxyLoop *loop = data;
    for (guint i = 0; i < loop->listeners->len; i++)
        evconnlistener_enable(g_ptr_array_index(loop->listeners, i));
}

static void drain(PosternProxyLoop *loop, guint timeout_ms)
{
    evtimer_del(loop->resume_timer);
    g_ptr_array_set_size(loop->listeners, 0);
    postern_proxy_thread_drain(loop->proxy, timeout_ms);
}

static void on_commands(evutil_socket_t socket, short what, void *data)
{
    PosternProxyLoop *loop = data;
    char octets[64];
    (void)!read(loop->wake[0], octets, sizeof octets);
    Command *command;
    while ((command = g_async_queue_try_pop(loop->commands)) != NULL) {
        if (command->settings != NULL)
            postern_proxy_thread_reload(loop->proxy, command->settings);
        else
            drain(loop, command->timeout_ms);
        g_free(command);
    }
    postern_proxy_thread_look(loop->proxy);
}

/* settings is taken over. */
static void send_command(PosternProxyLoop *loop, PosternProxySettings *settings, guint timeout_ms)
{
    Command *command = g_new0(Command, 1);
    command->settings = settings;
    command->timeout_ms = timeout_ms;
    g_async_queue_push(loop->commands, command);
    loop->world.world.functions->wake(&loop->world.world);
}

static void loop_free(PosternProxyLoop *loop)
{
    g_clear_pointer(&loop->proxy, postern_proxy_thread_free);
    g_clear_pointer(&loop->listeners, g_ptr_array_unref);
    g_clear_pointer(&loop->world.inspector, postern_inspector_client_free);
    g_clear_pointer(&loop->world.resolver, postern_resolver_free);
    g_clear_pointer(&loop->commands_ready, event_free);
    g_clear_pointer(&loop->resume_timer, event_free);
    g_clear_pointer(&loop->world.loop, event_base_free);
    g_clear_pointer(&loop->commands, g_async_queue_unref);
    for (guint i = 0; i < 2; i++)
        if (loop->wake[i] >= 0)
            close(loop->wake[i]);
    g_free(loop);
}

static gpointer run(gpointer data)
{
    PosternProxyLoop *loop = data;
    postern_proxy_thread_look(loop->proxy);
    event_base_dispatch(loop->world.loop);
    g_atomic_int_set(&loop->ended, 1);
    return NULL;
}

static void add_listeners(PosternProxyLoop *loop, const GArray *sockets, evconnlistener_cb callback)
{
    for (guint i = 0; i < sockets->len; i++) {
        struct evconnlistener *listener = evconnlistener_new(loop->world.loop, callback, loop,
                                                             LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                                             LISTEN_BACKLOG, g_array_index(sockets, int, i));
        evconnlistener_set_error_cb(listener, on_accept_error);
        g_ptr_array_add(loop->listeners, listener);
    }
}

static gboolean make_pipe(PosternProxyLoop *loop, GError **error)
{
    if (pipe2(loop->wake, O_CLOEXEC | O_NONBLOCK) < 0) {
        postern_error_set_system(error, errno, "cannot make a pipe");
        return FALSE;
    }
    loop->world.wake = loop->wake[1];
    loop->commands_ready =
        event_new(loop->world.loop, loop->wake[0], EV_READ | EV_PERSIST, on_commands, loop);
    event_add(loop->commands_ready, NULL);
    return TRUE;
}

static gboolean make_resolver(PosternProxyLoop *loop, const PosternProxyLoopOptions *options, GError **error)
{
    PosternResolver *resolver =
        postern_resolver_from_configuration(loop->world.loop, options->settings->configuration,
                                            options->answers, options->settings->threads, error);
    loop->world.resolver = resolver;
    if (resolver != NULL)
        postern_resolver_set_health(resolver, options->health);
    return resolver != NULL;
}

PosternProxyLoop *postern_proxy_loop_new(const PosternProxyLoopOptions *options, GError **error)
{
    PosternProxyLoop *loop = g_new0(PosternProxyLoop, 1);
    loop->world.world.functions = &postern_event_world_functions;
    loop->world.loop = event_base_new();
    loop->wake[0] = loop->wake[1] = -1;
    loop->commands = g_async_queue_new_full(g_free);
    loop->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)evconnlistener_free);
    loop->resume_timer = evtimer_new(loop->world.loop, on_resume_timer, loop);
    if (!make_pipe(loop, error) || !make_resolver(loop, options, error)) {
        loop_free(loop);
        return NULL;
    }
    if (options->inspector_path != NULL)
        loop->world.inspector = postern_inspector_client_new(loop->world.loop, options->inspector_path);
    const PosternProxyThreadOptions proxy = {
        .world = &loop->world.world,
        .settings = options->settings,
        .clients = options->clients,
        .servers = options->servers,
    };
    loop->proxy = postern_proxy_thread_new(&proxy);
    add_listeners(loop, options->listeners, on_accept);
    add_listeners(loop, options->submission_listeners, on_accept_submission);
    loop->thread = postern_thread_new("proxy", run, loop);
    return loop;
}

void postern_proxy_loop_reload(PosternProxyLoop *loop, PosternProxySettings *settings)
{
    send_command(loop, postern_proxy_settings_ref(settings), 0);
}

void postern_proxy_loop_drain(PosternProxyLoop *loop, guint timeout_ms)
{
    send_command(loop, NULL, timeout_ms);
}

gboolean postern_proxy_loop_has_ended(PosternProxyLoop *loop)
{
    return g_atomic_int_get(&loop->ended) != 0;
}

void postern_proxy_loop_join(PosternProxyLoop *loop)
{
    g_thread_join(loop->thread);
    loop_free(loop);
}
