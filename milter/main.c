#include "daemon/daemon.h"
#include "daemon/program.h"
#include "milter/import/import.h"
#include "milter/settings.h"
#include "milter/supervisor.h"

static gboolean check(PosternConfiguration *configuration, const char *path, GError **error)
{
    g_autoptr(PosternMilterSettings) settings = postern_milter_settings_new(configuration, NULL, error);
    return settings != NULL && postern_daemon_check_configuration(settings->configuration, path, TRUE, error);
}

static const char *user(const PosternConfiguration *configuration)
{
    return configuration->milter.user;
}

int main(int argc, char **argv)
{
    static const PosternProgram program = {
        .name = "postern-milter",
        .summary = "- milter for Postfix and Sendmail that refuses inside the session",
        .group = "milter",
        .user = user,
        .check = check,
        .run = postern_milter_supervisor_run,
        .import = postern_import,
        .document_import = postern_import_document,
    };
    return postern_program_main(&program, argc, argv);
}
