#include "proxy/drain.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/table_file.h"

#define LOOK_SECONDS 1

struct PosternDrain {
    gint64 next;         /* monotonic microseconds */
    char *known;         /* the print of the file that was read; NULL: names may be of another */
    GHashTable *of_file; /* a set of names */
    GHashTable *ordered; /* likewise */
};

static GHashTable *new_set(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

PosternDrain *postern_drain_new(void)
{
    PosternDrain *drain = g_new0(PosternDrain, 1);
    drain->of_file = new_set();
    drain->ordered = new_set();
    drain->known = g_strdup("");
    return drain;
}

void postern_drain_free(PosternDrain *drain)
{
    if (drain == NULL)
        return;
    g_hash_table_unref(drain->of_file);
    g_hash_table_unref(drain->ordered);
    g_free(drain->known);
    g_free(drain);
}

static void add_all(GHashTable *names, GHashTable *from)
{
    GHashTableIter iterator;
    gpointer name;
    g_hash_table_iter_init(&iterator, from);
    while (g_hash_table_iter_next(&iterator, &name, NULL))
        g_hash_table_add(names, g_strdup(name));
}

static void tell_groups(const PosternDrain *drain, const PosternProxySettings *settings)
{
    g_autoptr(GHashTable) names = new_set();
    add_all(names, drain->of_file);
    add_all(names, drain->ordered);
    for (guint i = 0; i < settings->groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(settings->groups, i);
        postern_server_group_drain(group->servers, names, g_get_monotonic_time() / 1000);
    }
}

static gboolean is_a_server(const PosternProxySettings *settings, const char *name)
{
    for (guint i = 0; i < settings->groups->len; i++)
        if (postern_server_group_has(((const PosternProxyGroup *)settings->groups->pdata[i])->servers, name))
            return TRUE;
    return FALSE;
}

/* Another text as soon as the file is another one, or may be read by others; "": it is not there. */
static char *print_of(const char *path)
{
    struct stat status;
    if (path[0] == '\0')
        return g_strdup("");
    if (stat(path, &status) != 0)
        return errno == ENOENT ? g_strdup("") : g_strdup(g_strerror(errno));
    return g_strdup_printf("%lu %lu %ld %ld.%09ld %ld.%09ld", (gulong)status.st_dev, (gulong)status.st_ino,
                           (glong)status.st_size, (glong)status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                           (glong)status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

static gboolean take_line(char *line, gpointer user_data, GError **error)
{
    g_hash_table_add(user_data, g_strdup(line));
    return TRUE;
}

static void log_names(const PosternProxySettings *settings, GHashTable *names)
{
    g_autoptr(GString) text = g_string_new(NULL);
    GHashTableIter iterator;
    gpointer name;
    g_hash_table_iter_init(&iterator, names);
    while (g_hash_table_iter_next(&iterator, &name, NULL)) {
        g_autofree char *safe = g_strescape(name, NULL);
        if (!is_a_server(settings, name))
            postern_log(POSTERN_LOG_WARNING, "%s: '%s' is no server: write it as [proxy] backend has it",
                        settings->configuration->proxy.drain_file, safe);
        else
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", safe);
    }
    postern_log(POSTERN_LOG_NOTICE, "%s: drained: %s", settings->configuration->proxy.drain_file,
                text->len > 0 ? text->str : "no server");
}

/* A file that cannot be read changes nothing. */
static void read_file(PosternDrain *drain, const PosternProxySettings *settings, gboolean is_there)
{
    const char *path = settings->configuration->proxy.drain_file;
    g_autoptr(GHashTable) names = new_set();
    g_autoptr(GError) error = NULL;
    if (is_there && !postern_table_file_read(path, "[proxy] drain_file", POSTERN_DRAIN_FILE_MAX_OCTETS,
                                             take_line, names, &error)) {
        postern_log(POSTERN_LOG_ERROR, "%s; servers are drained as before", error->message);
        return;
    }
    g_hash_table_unref(drain->of_file);
    drain->of_file = g_steal_pointer(&names);
    log_names(settings, drain->of_file);
    tell_groups(drain, settings);
}

void postern_drain_look(PosternDrain *drain, const PosternProxySettings *settings)
{
    gint64 now = g_get_monotonic_time();
    if (now < drain->next)
        return;
    drain->next = now + LOOK_SECONDS * (gint64)G_USEC_PER_SEC;
    g_autofree char *print = print_of(settings->configuration->proxy.drain_file);
    if (g_strcmp0(print, drain->known) == 0)
        return;
    g_free(drain->known);
    drain->known = g_strdup(print);
    read_file(drain, settings, print[0] != '\0');
}

void postern_drain_reset(PosternDrain *drain, const PosternProxySettings *settings)
{
    if (settings->configuration->proxy.drain_file[0] == '\0')
        g_hash_table_remove_all(drain->of_file);
    g_clear_pointer(&drain->known, g_free);
    if (g_hash_table_size(drain->of_file) == 0)
        drain->known = g_strdup("");
    drain->next = 0;
    tell_groups(drain, settings);
    postern_drain_look(drain, settings);
}

static int refuse(GString *out, const char *why)
{
    g_string_append_printf(out, "%s\n", why);
    return -1;
}

int postern_drain_request(PosternDrain *drain, const PosternProxySettings *settings, const char *request,
                          GString *out)
{
    gboolean drains = g_str_has_prefix(request, "drain ");
    if (!drains && !g_str_has_prefix(request, "undrain "))
        return 0;
    const char *name = strchr(request, ' ') + 1;
    if (drains && !is_a_server(settings, name))
        return refuse(out, "there is no such server: --status has the names");
    if (drains && g_hash_table_size(drain->ordered) >= POSTERN_ORDERS_MAX)
        return refuse(out, "too many servers are drained already");
    if (drains)
        g_hash_table_add(drain->ordered, g_strdup(name));
    else if (!g_hash_table_remove(drain->ordered, name))
        return refuse(out, "that server was not drained in this way");
    postern_log(POSTERN_LOG_NOTICE, "control: %s", request);
    tell_groups(drain, settings);
    for (guint i = 0; i < settings->groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(settings->groups, i);
        if (postern_server_group_has(group->servers, name))
            postern_server_group_describe(group->servers, group->name, out);
    }
    return 1;
}
