#include <string.h>

#include "base/error.h"
#include "daemon/daemon.h"
#include "daemon/program.h"
#include "proxy/control.h"
#include "proxy/server.h"
#include "proxy/session/session.h"
#include "proxy/settings/settings.h"
#include "proxy/verified_name.h"

static gboolean check(PosternConfiguration *configuration, const char *path, GError **error)
{
    g_autoptr(PosternProxySettings) settings = postern_proxy_settings_new(configuration, NULL, error);
    return settings != NULL && postern_daemon_check_configuration(settings->configuration, path,
                                                                  configuration->proxy.inspect, error);
}

/* The running proxy knows addresses; names are looked up here, if a class hangs on them. */
static char *add_name(const PosternConfiguration *configuration, const char *request)
{
    g_autoptr(GError) error = NULL;
    const char *address = request + strlen("explain ");
    g_autofree char *name = NULL;
    if (g_str_has_prefix(request, "explain ") && postern_configuration_has_named_clients(configuration))
        name = postern_verified_name(configuration, address, &error);
    if (error != NULL)
        g_printerr("%s\n", error->message);
    return name != NULL ? g_strjoin(" ", request, name, NULL) : g_strdup(request);
}

static char *ask(const PosternConfiguration *configuration, const char *request, GError **error)
{
    g_autofree char *named = add_name(configuration, request);
    if (configuration->screen.control[0] != '\0')
        return postern_control_ask(configuration->screen.control, named, error);
    g_set_error(
        error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
        "the configuration has no [screen] control, the socket to ask: set it, and restart the proxy");
    return NULL;
}

static const char *user(const PosternConfiguration *configuration)
{
    return configuration->proxy.user;
}

int main(int argc, char **argv)
{
    static const PosternProgram program = {
        .name = "postern-proxy",
        .summary = "- SMTP proxy that refuses inside the session",
        .dump_name = "dump-session",
        .dump_summary = "Print the tables that sessions go by, and end",
        .dump = postern_session_describe,
        .group = "proxy",
        .user = user,
        .check = check,
        .run = postern_server_run,
        .ask = ask,
    };
    return postern_program_main(&program, argc, argv);
}
