#include "base/program.h"
#include "proxy/server.h"
#include "proxy/settings.h"

static gboolean check(PosternConfiguration *configuration, GError **error)
{
    g_autoptr(PosternProxySettings) settings = postern_proxy_settings_new(configuration, NULL, error);
    return settings != NULL;
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
