#include "daemon/confinement.h"

#include <stdlib.h>

#include "base/build.h"
#include "base/database.h"
#include "base/privileges.h"
#include "daemon/directory.h"

static char *directory_of(const char *path)
{
    return path != NULL ? g_path_get_dirname(path) : g_strdup(POSTERN_CONFIGURATION_FILE);
}

/* NULL if no table is set up. A directory, for the file may be another one when it is read again. */
static char *directory_of_table(const char *path)
{
    return path[0] != '\0' ? g_path_get_dirname(path) : NULL;
}

/* The directory above the programs' own: they, and in a build folder their library, stand below it. */
static char *own_directory(void)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *programs = program != NULL ? g_path_get_dirname(program) : NULL;
    return programs != NULL ? g_path_get_dirname(programs) : NULL;
}

/* Of each file, and of what it stands for if it is a link: certbot changes links. */
static void add_directories(GPtrArray *directories, char **files)
{
    for (char **file = files; *file != NULL; file++) {
        if ((*file)[0] == '\0')
            continue;
        g_autofree char *target = realpath(*file, NULL);
        g_ptr_array_add(directories, g_path_get_dirname(*file));
        if (target != NULL)
            g_ptr_array_add(directories, g_path_get_dirname(target));
    }
}

/* The directories of files that SQLite writes, and of what they are links to: it makes others beside them. */
static GPtrArray *list_stores(const PosternConfiguration *configuration)
{
    char *files[] = {configuration->greylist.file, configuration->report.store};
    GPtrArray *directories = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *target = files[i][0] != '\0' ? postern_database_resolve(files[i]) : NULL;
        if (target == NULL)
            continue;
        g_ptr_array_add(directories, g_path_get_dirname(files[i]));
        g_ptr_array_add(directories, g_path_get_dirname(target));
    }
    return directories;
}

/* paths without those that are NULL or empty. */
static GPtrArray *list(const char *const *paths, gsize length)
{
    GPtrArray *found = g_ptr_array_new();
    for (gsize i = 0; i < length; i++)
        if (paths[i] != NULL && paths[i][0] != '\0')
            g_ptr_array_add(found, (gpointer)(gsize)paths[i]);
    return found;
}

/* And where the files of TLS with groups of servers are. These are few: what is interned stays. */
static GPtrArray *list_with_servers(const char *const *paths, gsize length,
                                    const PosternConfiguration *configuration)
{
    GPtrArray *found = list(paths, length);
    g_autoptr(GPtrArray) directories = g_ptr_array_new_with_free_func(g_free);
    char *own[] = {configuration->tls.server_certificate, configuration->tls.server_key, NULL};
    GHashTableIter iterator;
    gpointer value;
    add_directories(directories, own);
    g_hash_table_iter_init(&iterator, configuration->groups);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const PosternServersOptions *group = value;
        char *files[] = {group->tls_authorities, group->tls_certificate, group->tls_key, NULL};
        add_directories(directories, files);
    }
    for (guint i = 0; i < directories->len; i++)
        g_ptr_array_add(found, (gpointer)(gsize)g_intern_string(g_ptr_array_index(directories, i)));
    return found;
}

gboolean postern_confinement_enter(const PosternConfiguration *configuration, const char *path,
                                   const char *inspector_directory, gboolean *ret_confined, GError **error)
{
    gboolean starts = inspector_directory != NULL;
    const char *destination = configuration->log.destination;
    g_autofree char *configuration_directory = directory_of(path);
    g_autofree char *own = own_directory();
    g_autofree char *recipients = directory_of_table(configuration->clients.recipients);
    g_autofree char *networks = directory_of_table(configuration->clients.networks);
    g_autoptr(GPtrArray) stores = list_stores(configuration);
    g_autofree char *keys = directory_of_table(starts ? configuration->sign.table : "");
    g_autofree char *rules = directory_of_table(starts ? configuration->content.rules : "");
    g_autoptr(GPtrArray) directories = g_ptr_array_new_with_free_func(g_free);
    add_directories(directories, configuration->tls.certificates);
    add_directories(directories, configuration->tls.keys);
    add_directories(directories,
                    (char *[]){configuration->tls.server_authorities, configuration->tls.client_authorities,
                               configuration->proxy.drain_file, configuration->proxy.routes, NULL});
    g_autofree char *log = destination[0] == '/' ? g_path_get_dirname(destination) : NULL;
    const char *const readable[] = {
        "/etc",
        "/usr",
        "/lib",
        "/lib64",
        "/proc",
        "/sys/devices/system/cpu",
        "/run/systemd/resolve",
        "/dev/urandom",
        configuration_directory,
        own,
        configuration->dns.trust_anchor_file,
        recipients,
        networks,
        keys,
        rules,
        starts || configuration->capsule.directory[0] != '\0' ? configuration->virus.database : NULL};
    const char *temporary = starts ? configuration->inspector.temporary_directory : NULL;
    gboolean chosen_later = temporary != NULL && *temporary == '\0'; /* by the inspector: either */
    const char *const writable[] = {"/dev/null",
                                    log,
                                    configuration->capsule.directory,
                                    inspector_directory,
                                    temporary,
                                    chosen_later ? POSTERN_DIRECTORY_MEMORY : NULL,
                                    chosen_later ? POSTERN_DIRECTORY_DISK : NULL};
    const char *const executable[] = {"/usr", "/lib", "/lib64", own};
    g_autoptr(GPtrArray) read_only = list_with_servers(readable, G_N_ELEMENTS(readable), configuration);
    g_autoptr(GPtrArray) read_write = list(writable, G_N_ELEMENTS(writable));
    g_autoptr(GPtrArray) programs = list(executable, starts ? G_N_ELEMENTS(executable) : 0);
    g_ptr_array_extend(read_only, directories, NULL, NULL);
    g_ptr_array_extend(read_write, stores, NULL, NULL);
    g_ptr_array_add(read_only, NULL);
    g_ptr_array_add(read_write, NULL);
    g_ptr_array_add(programs, NULL);
    PosternPrivilegesPaths paths = {.read_only = (const char *const *)read_only->pdata,
                                    .read_write = (const char *const *)read_write->pdata,
                                    .executable = (const char *const *)programs->pdata};
    return postern_privileges_confine(&paths, ret_confined, error);
}
