#include "inspector/signature_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/signature_files.h"

#define EVENTS                                                                                               \
    (IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF |     \
     IN_MOVE_SELF)

struct PosternSignatureWatch {
    char *database;
    gint64 interval; /* microseconds, as all times here */
    int events;      /* of inotify(7), or -1 */
    gint64 due;
    char *known;  /* the print of what was loaded, or of what was told since */
    char *newest; /* of what was there at the last look */
};

/* Anew each time, for the folder may be another one now: it, or a link to it, was replaced. */
static void listen_for_events(PosternSignatureWatch *watch)
{
    g_autofree char *above = g_path_get_dirname(watch->database);
    if (watch->events >= 0)
        close(watch->events);
    watch->events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    (void)inotify_add_watch(watch->events, watch->database, EVENTS);
    (void)inotify_add_watch(watch->events, above, EVENTS);
}

PosternSignatureWatch *postern_signature_watch_new(const PosternConfiguration *configuration)
{
    PosternSignatureWatch *watch = g_new0(PosternSignatureWatch, 1);
    const char *database = configuration->virus.database;
    watch->events = -1;
    watch->due = G_MAXINT64;
    if (!configuration->virus.scan || configuration->virus.clamd[0] != '\0' ||
        configuration->virus.self_check_ms == 0)
        return watch;
    watch->database = g_strdup(database[0] != '\0' ? database : POSTERN_SIGNATURES_DEFAULT);
    watch->interval = (gint64)configuration->virus.self_check_ms * 1000;
    watch->due = g_get_monotonic_time() + watch->interval;
    listen_for_events(watch);
    watch->known = postern_signature_files_print(watch->database);
    return watch;
}

int postern_signature_watch_descriptor(const PosternSignatureWatch *watch)
{
    return watch->events;
}

gint64 postern_signature_watch_due(const PosternSignatureWatch *watch)
{
    return watch->due;
}

/* Several files come one after the other: they are told of once none has changed for a moment. */
gboolean postern_signature_watch_look(PosternSignatureWatch *watch)
{
    char events[4096];
    gint64 now = g_get_monotonic_time();
    gint64 settled = now + MIN(watch->interval, POSTERN_SIGNATURES_SETTLE_MS * 1000);
    if (now < watch->due) {
        while (read(watch->events, events, sizeof events) > 0)
            watch->due = MIN(watch->due, settled);
        return FALSE;
    }
    listen_for_events(watch);
    g_autofree char *before = g_steal_pointer(&watch->newest);
    watch->newest = postern_signature_files_print(watch->database);
    gboolean known = g_str_equal(watch->newest, watch->known);
    gboolean changed = !known && g_strcmp0(watch->newest, before) == 0;
    watch->due = known || changed ? now + watch->interval : settled;
    if (changed) {
        g_free(watch->known);
        watch->known = g_strdup(watch->newest);
    }
    return changed;
}
