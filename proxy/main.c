#include "daemon/daemon.h"
#include "daemon/program.h"
#include "proxy/server.h"
#include "proxy/settings.h"

static gboolean check(PosternConfiguration *configuration, const char *path, GError **error)
{
    g_autoptr(PosternProxySettings) settings = postern_proxy_settings_new(configuration, NULL, error);
    return settings != NULL && postern_daemon_check_configuration(settings->configuration, path,
                                                                  configuration->proxy.inspect, error);
}

int main(int argc, char **argv)
{
    static const PosternProgram program = {
        .name = "postern-proxy",
        .summary = "- SMTP proxy that refuses inside the session",
        .check = check,
        .run = postern_server_run,
    };
    return postern_program_main(&program, argc, argv);
}
