#include "base/program.h"
#include "dns/resolver.h"
#include "inspector_client/spawn.h"
#include "milter/settings.h"
#include "milter/supervisor.h"

static gboolean check(PosternConfiguration *configuration, const char *path, GError **error)
{
    gboolean starts = configuration->inspector.socket[0] == '\0';
    g_autoptr(PosternMilterSettings) settings = postern_milter_settings_new(configuration, NULL, error);
    return settings != NULL && postern_resolver_check_configuration(settings->configuration, error) &&
           (!starts || postern_inspector_process_check_configuration(path, error));
}

int main(int argc, char **argv)
{
    static const PosternProgram program = {
        .name = "postern-milter",
        .summary = "- milter for Postfix and Sendmail that refuses inside the session",
        .check = check,
        .run = postern_milter_supervisor_run,
    };
    return postern_program_main(&program, argc, argv);
}
