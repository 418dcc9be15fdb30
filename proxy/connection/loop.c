#include "proxy/connection/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "proxy/connection/event_world.h"
#include "proxy/connection/socket_transport.h"
#include "proxy/connection/thread.h"

typedef struct {
    PosternProxySettings *settings; /* to be taken; NULL: drain */
    PosternGreylist *greylist;      /* with them, or NULL */
    guint timeout_ms;
} Command;

typedef struct {
    PosternProxyLoop *loop;
    struct event *event;
    int socket;
    PosternAddress address; /* AF_UNSPEC: any, so that each client's has to be asked for */
    PosternListenerKind kind;
} Listener;

struct PosternProxyLoop {
    PosternEventWorld world;
    GThread *thread;
    PosternProxyThread *proxy;
    struct event *commands_ready; /* the pipe below is readable */
    struct event *resume_timer;   /* accepting again, after descriptors ran out */
    GAsyncQueue *commands;        /* of Command * */
    int wake[2];
    gint ended;           /* atomic */
    gint asked;           /* likewise: whether it comes around, and it has not yet */
    GPtrArray *listeners; /* of Listener * */
    PosternSpread *spread;
    guint number;
};

static PosternAddress address_of_socket(int socket)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof storage;
    if (getsockname(socket, (struct sockaddr *)&storage, &length) < 0)
        return (PosternAddress){.family = AF_UNSPEC};
    return postern_address_from_sockaddr((const struct sockaddr *)&storage);
}

/* Out of descriptors: those that wait in the backlog must not make us spin. */
static void pause_listeners(PosternProxyLoop *loop, int error)
{
    const struct timeval pause = {.tv_sec = 0, .tv_usec = 200000};
    postern_log(POSTERN_LOG_WARNING,
                "cannot accept a connection: %s; lower [proxy] max_connections or raise the limit of "
                "open files",
                g_strerror(error));
    for (guint i = 0; i < loop->listeners->len; i++)
        event_del(((Listener *)g_ptr_array_index(loop->listeners, i))->event);
    evtimer_add(loop->resume_timer, &pause);
}

/* One at a time: the loop says at once if there are more. */
static void on_client(evutil_socket_t descriptor, short what, void *data)
{
    const Listener *listener = data;
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof peer;
    int socket = accept4(listener->socket, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            pause_listeners(listener->loop, errno);
        return;
    }
    const PosternAddress client = postern_address_from_sockaddr((const struct sockaddr *)&peer);
    const PosternAddress server =
        listener->address.family != AF_UNSPEC ? listener->address : address_of_socket(socket);
    PosternTransport *transport = postern_socket_transport_new(listener->loop->world.loop, socket);
    postern_proxy_thread_accept(listener->loop->proxy, transport, &client, &server, listener->kind);
    postern_spread_look(listener->loop->spread, g_get_monotonic_time());
}

static void on_resume_timer(evutil_socket_t socket, short what, void *data)
{
    PosternProxyLoop *loop = data;
    for (guint i = 0; i < loop->listeners->len; i++)
        event_add(((Listener *)g_ptr_array_index(loop->listeners, i))->event, NULL);
}

static void drain(PosternProxyLoop *loop, guint timeout_ms)
{
    evtimer_del(loop->resume_timer);
    postern_spread_end(loop->spread);
    g_ptr_array_set_size(loop->listeners, 0);
    postern_proxy_thread_drain(loop->proxy, timeout_ms);
}

static gboolean make_greylist(PosternProxyLoop *loop, PosternGreylist *greylist, GError **error)
{
    if (greylist != NULL && loop->world.greylist == NULL)
        loop->world.greylist = postern_greylist_port_new(loop->world.loop, greylist, error);
    return greylist == NULL || loop->world.greylist != NULL;
}

static void reload(PosternProxyLoop *loop, const Command *command)
{
    g_autoptr(GError) error = NULL;
    if (!make_greylist(loop, command->greylist, &error))
        postern_log(POSTERN_LOG_ERROR, "%s; nobody is greylisted until the next reload", error->message);
    postern_proxy_thread_reload(loop->proxy, command->settings);
}

static void on_commands(evutil_socket_t socket, short what, void *data)
{
    PosternProxyLoop *loop = data;
    char octets[64];
    (void)!read(loop->wake[0], octets, sizeof octets);
    g_atomic_int_set(&loop->asked, 0);
    Command *command;
    while ((command = g_async_queue_try_pop(loop->commands)) != NULL) {
        if (command->settings != NULL)
            reload(loop, command);
        else
            drain(loop, command->timeout_ms);
        g_free(command);
    }
    postern_proxy_thread_look(loop->proxy);
}

static void send_command(PosternProxyLoop *loop, const Command *what)
{
    Command *command = g_memdup2(what, sizeof *what);
    g_async_queue_push(loop->commands, command);
    loop->world.world.functions->wake(&loop->world.world);
}

static void loop_free(PosternProxyLoop *loop)
{
    g_clear_pointer(&loop->proxy, postern_proxy_thread_free);
    g_clear_pointer(&loop->listeners, g_ptr_array_unref);
    g_clear_pointer(&loop->world.inspector, postern_inspector_client_free);
    g_clear_pointer(&loop->world.greylist, postern_greylist_port_free);
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
    postern_spread_begin(loop->spread, loop->number);
    postern_proxy_thread_look(loop->proxy);
    event_base_dispatch(loop->world.loop);
    g_atomic_int_set(&loop->ended, 1);
    return NULL;
}

static gboolean is_any(const PosternAddress *address)
{
    return address->family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&address->ipv6)
                                       : address->ipv4.s_addr == htonl(INADDR_ANY);
}

static void listener_free(gpointer data)
{
    Listener *listener = data;
    event_free(listener->event);
    close(listener->socket);
    g_free(listener);
}

/* A client's socket has the options of the one it came through (tcp(7)). */
static void add_listeners(PosternProxyLoop *loop, const GArray *sockets, PosternListenerKind kind)
{
    const int on = 1;
    for (guint i = 0; i < sockets->len; i++) {
        Listener *listener = g_new0(Listener, 1);
        listener->loop = loop;
        listener->socket = g_array_index(sockets, int, i);
        listener->address = address_of_socket(listener->socket);
        if (is_any(&listener->address))
            listener->address.family = AF_UNSPEC;
        listener->kind = kind;
        listener->event =
            event_new(loop->world.loop, listener->socket, EV_READ | EV_PERSIST, on_client, listener);
        (void)setsockopt(listener->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        event_add(listener->event, NULL);
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

/* One thread alone calls it, and changes of what it waits for go to the system once a turn. */
static struct event_base *new_event_base(void)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

PosternProxyLoop *postern_proxy_loop_new(const PosternProxyLoopOptions *options, GError **error)
{
    PosternProxyLoop *loop = g_new0(PosternProxyLoop, 1);
    loop->world.world.functions = &postern_event_world_functions;
    loop->world.loop = new_event_base();
    loop->wake[0] = loop->wake[1] = -1;
    loop->spread = options->spread;
    loop->number = options->number;
    loop->commands = g_async_queue_new_full(g_free);
    loop->listeners = g_ptr_array_new_with_free_func(listener_free);
    loop->resume_timer = evtimer_new(loop->world.loop, on_resume_timer, loop);
    if (!make_pipe(loop, error) || !make_resolver(loop, options, error) ||
        !make_greylist(loop, options->greylist, error)) {
        loop_free(loop);
        return NULL;
    }
    if (options->inspector_path != NULL)
        loop->world.inspector = postern_inspector_client_new(loop->world.loop, options->inspector_path);
    const PosternProxyThreadOptions proxy = {
        .world = &loop->world.world,
        .settings = options->settings,
        .clients = options->clients,
    };
    loop->proxy = postern_proxy_thread_new(&proxy);
    for (PosternListenerKind kind = 0; kind < POSTERN_LISTENER_KINDS; kind++)
        add_listeners(loop, options->listeners[kind], kind);
    loop->thread = postern_thread_new("proxy", run, loop);
    return loop;
}

void postern_proxy_loop_reload(PosternProxyLoop *loop, PosternProxySettings *settings,
                               PosternGreylist *greylist)
{
    send_command(loop, &(Command){.settings = postern_proxy_settings_ref(settings), .greylist = greylist});
}

void postern_proxy_loop_wake(PosternProxyLoop *loop)
{
    loop->world.world.functions->wake(&loop->world.world);
}

void postern_proxy_loop_drain(PosternProxyLoop *loop, guint timeout_ms)
{
    send_command(loop, &(Command){.timeout_ms = timeout_ms});
}

gboolean postern_proxy_loop_is_alive(PosternProxyLoop *loop)
{
    if (postern_proxy_loop_has_ended(loop))
        return TRUE;
    if (!g_atomic_int_compare_and_exchange(&loop->asked, 0, 1))
        return FALSE;
    postern_proxy_loop_wake(loop);
    return TRUE;
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
