#include "base/configuration.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/configuration/private.h"
#include "base/milter_socket.h"
#include "base/signature_files.h"

typedef enum {
    NEEDS_FILE,
    NEEDS_FOLDER,
    MAKES_FILE, /* and these three need the folder above it */
    MAKES_FOLDER,
    MAKES_SOCKET,
    NEEDS_USER,
    NEEDS_GROUP,
    MAKES_MILTER_SOCKET,
    MAKES_HTTP_SOCKET,
} Need;

/* program: the only one that needs it; NULL: all do. */
static const struct {
    const char *group;
    const char *key;
    Need need;
    const char *program;
} rows[] = {
    {"log", "destination", MAKES_FILE, NULL},
    {"proxy", "drain_file", MAKES_FILE, "postern-proxy"},
    {"proxy", "routes", NEEDS_FILE, "postern-proxy"},
    {"proxy", "user", NEEDS_USER, "postern-proxy"},
    {"milter", "user", NEEDS_USER, "postern-milter"},
    {"milter", "socket", MAKES_MILTER_SOCKET, "postern-milter"},
    {"milter", "socket_group", NEEDS_GROUP, "postern-milter"},
    {"inspector", "socket_group", NEEDS_GROUP, "postern-inspector"},
    {"dns", "answers", NEEDS_FILE, NULL},
    {"dns", "trust_anchor_file", NEEDS_FILE, NULL},
    {"inspector", "socket", MAKES_SOCKET, NULL},
    {"virus", "clamd", MAKES_SOCKET, NULL},
    {"inspector", "user", NEEDS_USER, NULL},
    {"inspector", "temporary_directory", NEEDS_FOLDER, NULL},
    {"clients", "recipients", NEEDS_FILE, NULL},
    {"clients", "networks", NEEDS_FILE, NULL},
    {"sign", "table", NEEDS_FILE, NULL},
    {"content", "rules", NEEDS_FILE, NULL},
    {"capsule", "directory", MAKES_FOLDER, NULL},
    {"http", "listen", MAKES_HTTP_SOCKET, "postern-proxy"},
    {"http", "milter_listen", MAKES_HTTP_SOCKET, "postern-milter"},
    {"http", "inspector_listen", MAKES_HTTP_SOCKET, NULL},
    {"http", "password_file", NEEDS_FILE, NULL},
    {"screen", "control", MAKES_SOCKET, "postern-proxy"},
};

static const PosternOption *find_option(const char *group, const char *key)
{
    gsize length = 0;
    const PosternOption *options = postern_configuration_options(&length);
    for (gsize i = 0; i < length; i++)
        if (strcmp(options[i].group, group) == 0 && strcmp(options[i].key, key) == 0)
            return &options[i];
    return NULL;
}

/* NULL: as it must be, or this process cannot see. */
static const char *problem_of_file(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return errno == EACCES && geteuid() != 0 ? NULL : g_strerror(errno);
    if (S_ISDIR(status.st_mode))
        return "is a folder; a file is meant";
    return S_ISREG(status.st_mode) ? NULL : "is no file";
}

static const char *problem_of_folder(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return errno == EACCES && geteuid() != 0 ? NULL : g_strerror(errno);
    return S_ISDIR(status.st_mode) ? NULL : "is no folder";
}

static void add(PosternDiagnostics *diagnostics, gsize row, const char *what, const char *problem)
{
    if (problem != NULL)
        postern_diagnostics_add(diagnostics, rows[row].group, rows[row].key, "'%s': %s", what, problem);
}

/* What stands in the place of what is made; a log may well go to a pipe or to a device. */
static const char *problem_of_made(const char *path, Need need)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return NULL;
    if (need == MAKES_FOLDER)
        return S_ISDIR(status.st_mode) ? NULL : "is no folder";
    if (need == MAKES_SOCKET)
        return S_ISSOCK(status.st_mode) ? NULL : "is there already, and is no socket";
    if (S_ISSOCK(status.st_mode))
        return "is a socket; a file is meant";
    return S_ISDIR(status.st_mode) ? "is a folder; a file is meant" : NULL;
}

static void check_made(PosternDiagnostics *diagnostics, gsize row, const char *path, Need need)
{
    if (!g_path_is_absolute(path))
        return;
    g_autofree char *folder = g_path_get_dirname(path);
    const char *problem = problem_of_folder(folder);
    if (problem != NULL)
        add(diagnostics, row, folder, problem);
    else
        add(diagnostics, row, path, problem_of_made(path, need));
}

static void check_milter_socket(PosternDiagnostics *diagnostics, gsize row, const char *text)
{
    g_autoptr(PosternMilterSocket) place = postern_milter_socket_parse(text, NULL);
    if (place != NULL && place->path != NULL)
        check_made(diagnostics, row, place->path, MAKES_SOCKET);
}

/* The default user may be missing: a daemon that was never installed runs as nobody, and says so. */
static void check_user(PosternDiagnostics *diagnostics, gsize row, const char *user)
{
    const PosternOption *option = find_option(rows[row].group, rows[row].key);
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL && strcmp(option->initial, user) != 0)
        add(diagnostics, row, user, "there is no such user on this machine");
    if (entry != NULL && (entry->pw_uid == 0 || entry->pw_gid == 0))
        add(diagnostics, row, user, "is root, or of root's group: name another user");
}

static void check_row(PosternDiagnostics *diagnostics, gsize row, const char *value)
{
    Need need = rows[row].need;
    switch (need) {
    case NEEDS_FILE:
        add(diagnostics, row, value, problem_of_file(value));
        break;
    case NEEDS_FOLDER:
        add(diagnostics, row, value, problem_of_folder(value));
        break;
    case MAKES_FILE:
    case MAKES_FOLDER:
    case MAKES_SOCKET:
        check_made(diagnostics, row, value, need);
        break;
    case NEEDS_USER:
        check_user(diagnostics, row, value);
        break;
    case NEEDS_GROUP:
        if (getgrnam(value) == NULL)
            add(diagnostics, row, value, "there is no such group on this machine");
        break;
    case MAKES_MILTER_SOCKET:
        check_milter_socket(diagnostics, row, value);
        break;
    case MAKES_HTTP_SOCKET:
        if (g_str_has_prefix(value, "unix:"))
            check_made(diagnostics, row, value + strlen("unix:"), MAKES_SOCKET);
        break;
    }
}

static void check_signatures(PosternDiagnostics *diagnostics, const PosternConfiguration *configuration)
{
    g_autofree char *path = NULL, *problem = NULL;
    if (configuration->virus.scan && configuration->virus.clamd[0] == '\0' &&
        postern_signature_files_look(configuration->virus.database, &path, &problem) ==
            POSTERN_SIGNATURES_UNUSABLE)
        postern_diagnostics_add(diagnostics, "virus", "database", "%s", problem);
}

gboolean postern_configuration_check_surroundings(const PosternConfiguration *configuration,
                                                  const char *program, const char *name, GError **error)
{
    g_autoptr(PosternDiagnostics) diagnostics = postern_diagnostics_new(name, configuration->lines);
    for (gsize row = 0; row < G_N_ELEMENTS(rows); row++) {
        const PosternOption *option = find_option(rows[row].group, rows[row].key);
        g_return_val_if_fail(option != NULL, FALSE);
        const char *value = *(char *const *)postern_configuration_place(configuration, NULL, option);
        if (value[0] != '\0' && (rows[row].program == NULL || strcmp(rows[row].program, program) == 0))
            check_row(diagnostics, row, value);
    }
    check_signatures(diagnostics, configuration);
    return postern_diagnostics_none(diagnostics, error);
}
