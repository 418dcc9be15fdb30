#include "http/server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/error.h"
#include "base/limits.h"
#include "http/history.h"
#include "http/metrics.h"
#include "http/page.h"
#include "http/passwords.h"

#define UNIX_PREFIX "unix:"
#define FRESH_US (G_USEC_PER_SEC / 5) /* what was made so lately is good enough */
#define TICK_US (G_USEC_PER_SEC / 4)
#define READ_AHEAD_OCTETS 16384

typedef struct {
    char *text;
    gint64 made; /* monotonic; 0: never */
} Answer;

typedef struct {
    struct bufferevent *stream; /* a reference */
    gint64 until;
} Connection;

struct PosternHttp {
    GSocket *socket;
    gboolean local; /* loopback: Host is looked at */
    PosternPasswords *passwords;
    PosternCounters *counters;
    PosternHistory *history;
    const char *program;
    gint64 started;
    char *policy;
    PosternHttpTell tell;
    gpointer user_data;
    struct evhttp *server;
    struct evconnlistener *listener;
    struct event *tick;
    GArray *connections; /* of Connection */
    Answer answers[3];
};

typedef struct {
    const char *path, *type;
    char *(*make)(const PosternPageFacts *facts);
} Resource;

static char *make_metrics(const PosternPageFacts *facts)
{
    return postern_metrics(facts->program, facts->counters, facts->status);
}

static const Resource resources[] = {
    {"/metrics", POSTERN_METRICS_TYPE, make_metrics},
    {"/", "text/html; charset=utf-8", postern_page},
    {"/status.json", "application/json", postern_page_json},
};
G_STATIC_ASSERT(G_N_ELEMENTS(resources) == G_N_ELEMENTS(((PosternHttp *)NULL)->answers));

static const char *answer(PosternHttp *http, gsize place)
{
    Answer *known = &http->answers[place];
    gint64 now = g_get_monotonic_time();
    if (known->made != 0 && now - known->made < FRESH_US)
        return known->text;
    g_autoptr(PosternStatus) status = postern_status_new();
    http->tell(status, http->user_data);
    postern_status_add(status,
                       &(PosternGauge){"start_time_seconds", "When the program began to serve, since 1970.",
                                       .value = (double)http->started / G_USEC_PER_SEC});
    const PosternPageFacts facts = {http->program, http->started, http->counters, status, http->history};
    g_free(known->text);
    *known = (Answer){resources[place].make(&facts), now};
    return known->text;
}

static void reply(const PosternHttp *http, struct evhttp_request *request, int code, const char *reason,
                  const char *type, const char *text)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();
    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Content-Security-Policy", http->policy);
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "X-Frame-Options", "DENY");
    evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
    evhttp_add_header(headers, "Cross-Origin-Resource-Policy", "same-origin");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "Connection", "close");
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        g_autofree char *length = g_strdup_printf("%" G_GSIZE_FORMAT, strlen(text));
        evhttp_add_header(headers, "Content-Length", length);
    } else {
        evbuffer_add(body, text, strlen(text));
    }
    struct bufferevent *stream = evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
    evhttp_send_reply(request, code, reason, body);
    /* evhttp takes the end of what a client sends for the end of the connection; it may have half-closed it.
     */
    bufferevent_disable(stream, EV_READ);
    evbuffer_free(body);
}

static void refuse(const PosternHttp *http, struct evhttp_request *request, int code, const char *reason)
{
    g_autofree char *text = g_strconcat(reason, "\n", NULL);
    reply(http, request, code, reason, "text/plain; charset=utf-8", text);
}

/* A name could be somebody else's, who has it point here (DNS rebinding). */
static gboolean is_our_name(struct evhttp_request *request)
{
    const char *host = evhttp_request_get_host(request); /* without a port */
    if (host == NULL || g_ascii_strcasecmp(host, "localhost") == 0)
        return TRUE;
    gsize length = strlen(host);
    g_autofree char *bare = host[0] == '[' && length > 2 ? g_strndup(host + 1, length - 2) : g_strdup(host);
    return g_hostname_is_ip_address(bare);
}

static gboolean is_admitted(PosternHttp *http, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    const char *credentials = evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization");
    if (http->local && !is_our_name(request)) {
        refuse(http, request, 421, "Misdirected Request");
        return FALSE;
    }
    if (http->passwords == NULL)
        return TRUE;
    switch (postern_passwords_check(http->passwords, credentials, g_get_monotonic_time())) {
    case POSTERN_PASSWORD_RIGHT:
        return TRUE;
    case POSTERN_PASSWORD_LATER:
        evhttp_add_header(headers, "Retry-After", "1");
        refuse(http, request, 429, "Too Many Requests");
        return FALSE;
    case POSTERN_PASSWORD_WRONG:
        break;
    }
    evhttp_add_header(headers, "WWW-Authenticate", "Basic realm=\"postern\", charset=\"UTF-8\"");
    refuse(http, request, 401, "Unauthorized");
    return FALSE;
}

static void on_request(struct evhttp_request *request, void *data)
{
    PosternHttp *http = data;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    if (!is_admitted(http, request))
        return;
    for (gsize i = 0; path != NULL && i < G_N_ELEMENTS(resources); i++)
        if (g_str_equal(resources[i].path, path)) {
            reply(http, request, 200, "OK", resources[i].type, answer(http, i));
            return;
        }
    refuse(http, request, 404, "Not Found");
}

/* evhttp has taken its hands off it. */
static gboolean is_over(struct bufferevent *stream)
{
    bufferevent_data_cb read = NULL, write = NULL;
    bufferevent_event_cb event = NULL;
    bufferevent_getcb(stream, &read, &write, &event, NULL);
    return event == NULL && bufferevent_getfd(stream) >= 0;
}

static void on_tick(evutil_socket_t descriptor, short what, void *data)
{
    PosternHttp *http = data;
    gint64 now = g_get_monotonic_time();
    postern_history_look(http->history, http->counters, now);
    for (guint i = http->connections->len; i > 0; i--) {
        const Connection *connection = &g_array_index(http->connections, Connection, i - 1);
        if (is_over(connection->stream)) {
            bufferevent_decref(connection->stream);
            g_array_remove_index_fast(http->connections, i - 1);
        } else if (now >= connection->until) {
            (void)shutdown(bufferevent_getfd(connection->stream), SHUT_RDWR); /* evhttp sees the end */
        }
    }
    if (http->connections->len < POSTERN_HTTP_CONNECTIONS_MAX)
        evconnlistener_enable(http->listener);
}

/* No descriptor is free: without a pause the loop would do nothing else. */
static void on_accept_error(struct evconnlistener *listener, void *data G_GNUC_UNUSED)
{
    evconnlistener_disable(listener); /* until the next tick */
}

/* evhttp has no limit of its own, and its time-outs begin anew with each octet. */
static struct bufferevent *on_connection(struct event_base *loop, void *data)
{
    PosternHttp *http = data;
    struct bufferevent *stream = bufferevent_socket_new(loop, -1, BEV_OPT_CLOSE_ON_FREE);
    if (stream == NULL)
        return NULL;
    const Connection connection = {stream,
                                   g_get_monotonic_time() + POSTERN_HTTP_CONNECTION_SECONDS * G_USEC_PER_SEC};
    bufferevent_setwatermark(stream, EV_READ, 0, READ_AHEAD_OCTETS);
    bufferevent_incref(stream);
    g_array_append_val(http->connections, connection);
    if (http->connections->len >= POSTERN_HTTP_CONNECTIONS_MAX)
        evconnlistener_disable(http->listener);
    return stream;
}

void postern_http_serve(PosternHttp *http, struct event_base *loop, const char *program, PosternHttpTell tell,
                        gpointer user_data)
{
    const struct timeval tick = {.tv_usec = TICK_US};
    if (http == NULL)
        return;
    http->program = program;
    http->tell = tell;
    http->user_data = user_data;
    http->server = evhttp_new(loop);
    evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(http->server, POSTERN_HTTP_HEADER_MAX_OCTETS);
    evhttp_set_max_body_size(http->server, 0);
    evhttp_set_timeout(http->server, POSTERN_HTTP_CONNECTION_SECONDS);
    evhttp_set_gencb(http->server, on_request, http);
    evhttp_set_bevcb(http->server, on_connection, http);
    http->listener =
        evconnlistener_new(loop, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, g_socket_get_fd(http->socket));
    evconnlistener_set_error_cb(http->listener, on_accept_error);
    evhttp_bind_listener(http->server, http->listener);
    http->tick = event_new(loop, -1, EV_PERSIST, on_tick, http);
    event_add(http->tick, &tick);
}

void postern_http_free(PosternHttp *http)
{
    if (http == NULL)
        return;
    g_clear_pointer(&http->tick, event_free);
    g_clear_pointer(&http->server, evhttp_free); /* with its listener */
    for (guint i = 0; i < http->connections->len; i++)
        bufferevent_decref(g_array_index(http->connections, Connection, i).stream);
    g_array_unref(http->connections);
    for (gsize i = 0; i < G_N_ELEMENTS(http->answers); i++)
        g_free(http->answers[i].text);
    postern_passwords_free(http->passwords);
    postern_history_free(http->history);
    g_free(http->policy);
    g_clear_object(&http->socket);
    g_free(http);
}

static GSocketAddress *address_of(const char *text, GError **error)
{
    if (g_str_has_prefix(text, UNIX_PREFIX))
        return g_unix_socket_address_new(text + strlen(UNIX_PREFIX));
    return G_SOCKET_ADDRESS(postern_endpoint_parse(text, error));
}

/* A socket that nobody listens at is replaced. */
static void remove_stale(GSocketAddress *address, const char *path)
{
    struct stat status;
    g_autoptr(GSocket) other =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) && other != NULL &&
        !g_socket_connect(other, address, NULL, NULL))
        (void)unlink(path);
}

static gboolean bind_socket(GSocket *socket, GSocketAddress *address, const char *user, GError **error)
{
    const char *path = G_IS_UNIX_SOCKET_ADDRESS(address)
                           ? g_unix_socket_address_get_path(G_UNIX_SOCKET_ADDRESS(address))
                           : NULL;
    const struct passwd *owner = getpwnam(user);
    if (path != NULL)
        remove_stale(address, path);
    mode_t before = umask(0117);
    gboolean bound = g_socket_bind(socket, address, TRUE, error);
    umask(before);
    if (bound && path != NULL && geteuid() == 0 && owner != NULL)
        (void)!lchown(path, owner->pw_uid, owner->pw_gid);
    g_socket_set_listen_backlog(socket, SOMAXCONN);
    return bound && g_socket_listen(socket, error);
}

static gboolean is_loopback(GSocketAddress *address)
{
    return G_IS_INET_SOCKET_ADDRESS(address) &&
           g_inet_address_get_is_loopback(g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address)));
}

static gboolean is_path(const char *text, GError **error)
{
    const char *path = text + strlen(UNIX_PREFIX);
    if (!g_str_has_prefix(text, UNIX_PREFIX) ||
        (path[0] == '/' && strlen(path) < sizeof((struct sockaddr_un *)NULL)->sun_path))
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                             "[http]: %s: want an absolute path of less than %zu octets", text,
                             sizeof((struct sockaddr_un *)NULL)->sun_path);
}

gboolean postern_http_check(const PosternConfiguration *configuration, const char *text, GError **error)
{
    if (!is_path(text, error))
        return FALSE;
    g_autoptr(GSocketAddress) address = text[0] != '\0' ? address_of(text, error) : NULL;
    if (text[0] == '\0' || (address != NULL && (G_IS_UNIX_SOCKET_ADDRESS(address) || is_loopback(address) ||
                                                configuration->http.password_file[0] != '\0')))
        return TRUE;
    if (address != NULL)
        postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                          "[http]: %s can be reached from elsewhere, and needs a password_file", text);
    return FALSE;
}

gboolean postern_http_open(const PosternConfiguration *configuration, const char *text, const char *user,
                           PosternCounters *counters, PosternHttp **ret_http, GError **error)
{
    const char *password_file = configuration->http.password_file;
    *ret_http = NULL;
    if (text[0] == '\0')
        return TRUE;
    if (!postern_http_check(configuration, text, error))
        return FALSE;
    g_autoptr(GSocketAddress) address = address_of(text, error);
    g_autoptr(GSocket) socket = address == NULL
                                    ? NULL
                                    : g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM,
                                                   G_SOCKET_PROTOCOL_DEFAULT, error);
    if (socket == NULL || !bind_socket(socket, address, user, error)) {
        g_prefix_error(error, "[http]: %s: ", text);
        return FALSE;
    }
    PosternPasswords *passwords = NULL;
    if (password_file[0] != '\0' && !G_IS_UNIX_SOCKET_ADDRESS(address)) {
        passwords = postern_passwords_load(password_file, error);
        if (passwords == NULL) {
            g_prefix_error(error, "[http] password_file: ");
            return FALSE;
        }
    }
    PosternHttp *http = g_new0(PosternHttp, 1);
    g_socket_set_blocking(socket, FALSE);
    http->socket = g_steal_pointer(&socket);
    http->local = passwords == NULL && is_loopback(address);
    http->passwords = passwords;
    http->counters = counters;
    http->history = postern_history_new();
    http->started = g_get_real_time();
    http->policy = postern_page_policy();
    http->connections = g_array_new(FALSE, FALSE, sizeof(Connection));
    postern_counters_start_remembering(counters);
    *ret_http = http;
    return TRUE;
}
