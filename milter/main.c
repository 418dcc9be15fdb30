#include "base/program.h"
#include "milter/settings.h"
#include "milter/supervisor.h"

static gboolean check(PosternConfiguration *configuration, GError **error)
{
    g_autoptr(PosternMilterSettings) settings = postern_milter_settings_new(configuration, NULL, error);
    return settings != NULL;
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
