#include "base/program.h"
#include "dns/resolver.h"
#include "inspector_client/spawn.h"
#include "proxy/server.h"
#include "proxy/settings.h"

static gboolean check(PosternConfiguration *configuration, const char *path, GError **error)
{
    gboolean starts = configuration->proxy.inspect && configuration->inspector.socket[0] == '\0';
    g_autoptr(PosternProxySettings) settings = postern_proxy_settings_new(configuration, NULL, error);
    return settings != NULL && postern_resolver_check_configuration(settings->configuration, error) &&
           (!starts || postern_inspector_process_check_configuration(path, error));
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
