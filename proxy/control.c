#include "proxy/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

#define TIMEOUT_SECONDS 5

struct PosternControl {
    int socket;
    struct evconnlistener *listener;
    PosternControlAnswer answer;
    gpointer user_data;
};

static gboolean address_of(const char *path, struct sockaddr_un *address, GError **error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (g_strlcpy(address->sun_path, path, sizeof address->sun_path) < sizeof address->sun_path)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_SYSTEM, "%s: is too long for a socket", path);
}

/* Connected to path, or -1 and error. */
static int connect_to(const char *path, GError **error)
{
    const struct timeval patience = {.tv_sec = TIMEOUT_SECONDS};
    struct sockaddr_un address;
    if (!address_of(path, &address, error))
        return -1;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0)
        return descriptor;
    postern_error_set_system(error, errno, "%s: cannot be connected to", path);
    if (descriptor >= 0)
        close(descriptor);
    return -1;
}

static gboolean bind_to(int descriptor, const char *path, const char *user, GError **error)
{
    struct sockaddr_un address;
    const struct passwd *owner = getpwnam(user);
    if (!address_of(path, &address, error))
        return FALSE;
    int other = connect_to(path, NULL);
    if (other >= 0) {
        close(other);
        return postern_error_set(error, POSTERN_ERROR_SYSTEM, "%s: another proxy listens there", path);
    }
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
        (void)unlink(path);
    mode_t before = umask(0177);
    gboolean bound = bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0;
    int number = errno;
    umask(before);
    if (!bound || listen(descriptor, SOMAXCONN) < 0) {
        postern_error_set_system(error, bound ? errno : number, "%s: cannot listen there", path);
        return FALSE;
    }
    if (geteuid() == 0 && owner != NULL)
        (void)!lchown(path, owner->pw_uid, owner->pw_gid); /* the folder may be the user's own */
    return TRUE;
}

PosternControl *postern_control_open(const char *path, const char *user, GError **error)
{
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0 || !bind_to(descriptor, path, user, error)) {
        if (descriptor >= 0)
            close(descriptor);
        g_prefix_error(error, "[screen] control: ");
        return NULL;
    }
    PosternControl *control = g_new0(PosternControl, 1);
    control->socket = descriptor;
    return control;
}

static gboolean is_allowed(int descriptor)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void on_sent(struct bufferevent *connection, void *data)
{
    bufferevent_free(connection);
}

static void on_ended(struct bufferevent *connection, short what, void *data)
{
    bufferevent_free(connection);
}

static void on_request(struct bufferevent *connection, void *data)
{
    PosternControl *control = data;
    struct evbuffer *input = bufferevent_get_input(connection);
    if (evbuffer_get_length(input) > POSTERN_CONTROL_REQUEST_MAX_OCTETS) {
        bufferevent_free(connection);
        return;
    }
    char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF);
    if (line == NULL)
        return;
    g_autoptr(GString) out = g_string_new(NULL);
    gboolean ok = control->answer(line, out, control->user_data);
    g_string_prepend(out, ok ? "ok\n" : "error\n");
    free(line);
    bufferevent_disable(connection, EV_READ);
    bufferevent_setcb(connection, NULL, on_sent, on_ended, NULL);
    bufferevent_write(connection, out->str, out->len);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t descriptor, struct sockaddr *address,
                        int length, void *data)
{
    const struct timeval patience = {.tv_sec = TIMEOUT_SECONDS};
    struct bufferevent *connection =
        is_allowed(descriptor)
            ? bufferevent_socket_new(evconnlistener_get_base(listener), descriptor, BEV_OPT_CLOSE_ON_FREE)
            : NULL;
    if (connection == NULL) {
        close(descriptor);
        return;
    }
    bufferevent_set_timeouts(connection, &patience, &patience);
    bufferevent_setcb(connection, on_request, NULL, on_ended, data);
    bufferevent_enable(connection, EV_READ);
}

void postern_control_serve(PosternControl *control, struct event_base *loop, PosternControlAnswer answer,
                           gpointer user_data)
{
    control->answer = answer;
    control->user_data = user_data;
    control->listener =
        evconnlistener_new(loop, on_accepted, control, LEV_OPT_CLOSE_ON_EXEC, 0, control->socket);
}

void postern_control_free(PosternControl *control)
{
    if (control == NULL)
        return;
    g_clear_pointer(&control->listener, evconnlistener_free);
    close(control->socket);
    g_free(control);
}

char *postern_control_ask(const char *path, const char *request, GError **error)
{
    g_autofree char *line = g_strconcat(request, "\n", NULL);
    g_autoptr(GString) answer = g_string_new(NULL);
    char octets[4096];
    gssize length;
    int descriptor = connect_to(path, error);
    if (descriptor < 0)
        return NULL;
    gboolean sent = send(descriptor, line, strlen(line), MSG_NOSIGNAL) == (gssize)strlen(line);
    while (sent && (length = recv(descriptor, octets, sizeof octets, 0)) > 0)
        g_string_append_len(answer, octets, length);
    close(descriptor);
    if (g_str_has_prefix(answer->str, "ok\n"))
        return g_strdup(answer->str + strlen("ok\n"));
    if (g_str_has_prefix(answer->str, "error\n")) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_USAGE, "%s",
                    g_strchomp(answer->str + strlen("error\n")));
        return NULL;
    }
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM, "%s: gives no answer", path);
    return NULL;
}
