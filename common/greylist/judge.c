#include "greylist/store.h"

guint postern_greylist_judge(PosternGreylistEntry *entry, const PosternGreylistTimes *times, gint64 now,
                             gboolean *ret_is_new)
{
    gint64 known_for = entry->passed ? times->lifetime_s : times->window_s;
    gint64 since = entry->passed ? entry->last : entry->first;
    gboolean known = entry->first > 0 && since >= now - known_for;
    *ret_is_new = !known;
    if (!known)
        *entry = (PosternGreylistEntry){.first = now};
    /* The clock was set back, or another thread's message of a moment later came first. */
    entry->first = MIN(entry->first, now);
    entry->last = now;
    gint64 due = entry->first + times->delay_s;
    if (!entry->passed && now < due)
        return (guint)(due - now);
    entry->passed = TRUE;
    return 0;
}
