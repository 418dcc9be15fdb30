#include "proxy/screen/pace.h"

#include <string.h>

/* As many as a transport that waits for nothing has room for. */
#define OWN_MAX_OCTETS 80

/* Thousands are trickled at once: one timer is for all of a moment. */
#define GRAIN_MS 20

void postern_pace_set(PosternPace *pace, PosternTrickle trickle)
{
    pace->interval_ms = trickle.interval_ms;
    pace->piece = MAX(trickle.octets, 1);
}

PosternPace *postern_pace_new(const char *octets, gsize length, gint64 first, PosternTrickle trickle,
                              char **last)
{
    const gboolean own = length <= OWN_MAX_OCTETS;
    if (length > G_MAXUINT16)
        return NULL;
    PosternPace *pace = g_malloc0(sizeof *pace + (own ? length : 0));
    pace->next = first;
    postern_pace_set(pace, trickle);
    pace->length = (guint16)length;
    if (own) {
        memcpy(pace->octets, octets, length);
        return pace;
    }
    if (*last == NULL || g_ref_string_length(*last) != length || memcmp(*last, octets, length) != 0) {
        g_clear_pointer(last, g_ref_string_release);
        *last = g_ref_string_new_len(octets, (gssize)length);
    }
    pace->shared = g_ref_string_acquire(*last);
    return pace;
}

void postern_pace_clear(PosternPace *pace)
{
    g_clear_pointer(&pace->shared, g_ref_string_release);
}

void postern_pace_free(PosternPace *pace)
{
    if (pace != NULL)
        postern_pace_clear(pace);
    g_free(pace);
}

gboolean postern_pace_append(PosternPace *pace, const char *octets, gsize length)
{
    if (length > (gsize)G_MAXUINT16 - pace->length)
        return FALSE;
    g_autoptr(GString) all =
        g_string_new_len(pace->shared != NULL ? pace->shared : pace->octets, pace->length);
    g_string_append_len(all, octets, (gssize)length);
    postern_pace_clear(pace);
    pace->shared = g_ref_string_new_len(all->str, (gssize)all->len);
    pace->length = (guint16)all->len;
    return TRUE;
}

PosternPace *postern_pace_move(PosternPace *pace, gpointer memory, gboolean from_heap)
{
    memcpy(memory, pace, postern_pace_size(pace));
    if (from_heap)
        g_free(pace);
    return memory;
}

gsize postern_pace_size(const PosternPace *pace)
{
    return sizeof *pace + (pace->shared == NULL ? pace->length : 0);
}

const char *postern_pace_octets(const PosternPace *pace)
{
    return (pace->shared != NULL ? pace->shared : pace->octets) + pace->sent;
}

gint64 postern_pace_deadline(const PosternPace *pace)
{
    return (pace->next + GRAIN_MS - 1) / GRAIN_MS * GRAIN_MS;
}

gsize postern_pace_due(const PosternPace *pace, gint64 now)
{
    gsize left = (gsize)pace->length - pace->sent;
    if (now < pace->next)
        return 0;
    if (pace->interval_ms == 0)
        return left;
    return MIN(left, pace->piece * (1 + (gsize)((now - pace->next) / pace->interval_ms)));
}

gboolean postern_pace_is_done_after(PosternPace *pace, gsize length, gint64 now)
{
    pace->sent = (guint16)(pace->sent + length);
    pace->next += (gint64)((length + pace->piece - 1) / pace->piece) * pace->interval_ms;
    /* What could not leave in time makes the others no faster. */
    if (pace->next <= now)
        pace->next = now + pace->interval_ms;
    return pace->sent == pace->length;
}
