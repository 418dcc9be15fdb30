#include "inspector/signature_watch.h"

#include "base/limits.h"
#include "base/signature_files.h"

struct PosternSignatureWatch {
    PosternSignaturesChanged changed;
    gpointer user_data;
    struct event *look;
    char *database;
    guint interval_ms;
    char *loaded; /* the print of what was loaded, or NULL */
    char *newest; /* of what was there at the last look, if that is another, or NULL */
};

static void look_again(PosternSignatureWatch *watch, guint milliseconds)
{
    struct timeval time = {.tv_sec = milliseconds / 1000, .tv_usec = (milliseconds % 1000) * 1000};
    evtimer_add(watch->look, &time);
}

/* Several files come one after the other: they are loaded once none has changed for a moment. */
static void on_look(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternSignatureWatch *watch = data;
    g_autofree char *print = postern_signature_files_print(watch->database);
    gboolean settled = g_strcmp0(print, watch->newest) == 0;
    g_clear_pointer(&watch->newest, g_free);
    if (g_strcmp0(print, watch->loaded) == 0) {
        look_again(watch, watch->interval_ms);
        return;
    }
    watch->newest = g_steal_pointer(&print);
    if (!settled || !watch->changed(watch->user_data))
        look_again(watch, MIN(watch->interval_ms, POSTERN_SIGNATURES_SETTLE_MS));
}

PosternSignatureWatch *postern_signature_watch_new(struct event_base *loop, PosternSignaturesChanged changed,
                                                   gpointer user_data)
{
    PosternSignatureWatch *watch = g_new0(PosternSignatureWatch, 1);
    watch->changed = changed;
    watch->user_data = user_data;
    watch->look = evtimer_new(loop, on_look, watch);
    return watch;
}

void postern_signature_watch_free(PosternSignatureWatch *watch)
{
    if (watch == NULL)
        return;
    event_free(watch->look);
    g_free(watch->database);
    g_free(watch->loaded);
    g_free(watch->newest);
    g_free(watch);
}

void postern_signature_watch_begin(PosternSignatureWatch *watch, const PosternConfiguration *configuration)
{
    g_free(watch->database);
    g_free(watch->loaded);
    g_clear_pointer(&watch->newest, g_free);
    watch->database = g_strdup(configuration->virus.database);
    watch->interval_ms = configuration->virus.scan ? configuration->virus.self_check_ms : 0;
    watch->loaded = postern_signature_files_print(watch->database);
    if (watch->interval_ms > 0)
        look_again(watch, watch->interval_ms);
    else
        evtimer_del(watch->look);
}
