#include "proxy/tls_watch.h"

#include <sys/stat.h>

#include "base/log.h"

#define LOOK_SECONDS 2

struct PosternTlsWatch {
    gint64 next;  /* monotonic microseconds */
    char *known;  /* the print of what was taken, or of what was told of since */
    char *newest; /* of what was there at the last look */
};

static void add_file(GString *print, const char *path)
{
    struct stat status = {0};
    if (path[0] == '\0')
        return;
    if (stat(path, &status) != 0)
        status.st_ino = 0;
    g_string_append_printf(print, "%lu %lu %ld %ld.%09ld %ld.%09ld\n", (gulong)status.st_dev,
                           (gulong)status.st_ino, (glong)status.st_size, (glong)status.st_mtim.tv_sec,
                           status.st_mtim.tv_nsec, (glong)status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

/* Another text as soon as one of the files is another one. */
static char *print_of(const PosternProxySettings *settings)
{
    const PosternConfiguration *configuration = settings->configuration;
    GString *print = g_string_new(NULL);
    if (settings->tls != NULL) {
        for (char **path = configuration->tls.certificates; *path != NULL; path++)
            add_file(print, *path);
        for (char **path = configuration->tls.keys; *path != NULL; path++)
            add_file(print, *path);
        add_file(print, configuration->tls.client_authorities);
    }
    for (guint i = 0; i < settings->groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(settings->groups, i);
        if (group->tls == NULL)
            continue;
        add_file(print, group->tls_servers.authorities);
        add_file(print, group->tls_servers.certificate);
        add_file(print, group->tls_servers.key);
    }
    return g_string_free(print, FALSE);
}

PosternTlsWatch *postern_tls_watch_new(const PosternProxySettings *settings)
{
    PosternTlsWatch *watch = g_new0(PosternTlsWatch, 1);
    postern_tls_watch_reset(watch, settings);
    return watch;
}

void postern_tls_watch_free(PosternTlsWatch *watch)
{
    if (watch == NULL)
        return;
    g_free(watch->known);
    g_free(watch->newest);
    g_free(watch);
}

void postern_tls_watch_reset(PosternTlsWatch *watch, const PosternProxySettings *settings)
{
    g_free(watch->known);
    g_free(watch->newest);
    watch->known = print_of(settings);
    watch->newest = g_strdup(watch->known);
}

static void take(const PosternProxySettings *settings)
{
    g_autoptr(GError) error = NULL;
    const PosternConfiguration *configuration = settings->configuration;
    gboolean ok = settings->tls == NULL || postern_tls_context_reload(settings->tls, configuration, &error);
    for (guint i = 0; ok && i < settings->groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(settings->groups, i);
        ok = group->tls == NULL || postern_tls_context_reload(group->tls, configuration, &error);
    }
    if (ok)
        postern_log(POSTERN_LOG_NOTICE, "the certificates were read again; new connections get them");
    else
        postern_log(POSTERN_LOG_ERROR,
                    "the certificates have changed, and those of before stay in service: %s", error->message);
}

void postern_tls_watch_look(PosternTlsWatch *watch, const PosternProxySettings *settings)
{
    gint64 now = g_get_monotonic_time();
    if (now < watch->next)
        return;
    watch->next = now + LOOK_SECONDS * (gint64)G_USEC_PER_SEC;
    g_autofree char *print = print_of(settings);
    gboolean rests = g_str_equal(print, watch->newest);
    g_free(watch->newest);
    watch->newest = g_strdup(print);
    if (!rests || g_str_equal(print, watch->known))
        return;
    g_free(watch->known);
    watch->known = g_steal_pointer(&print);
    take(settings);
}
