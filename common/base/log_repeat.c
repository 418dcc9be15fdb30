#include "base/log_repeat.h"

#include "base/limits.h"

#define WINDOW_MS (POSTERN_LOG_REPEAT_WINDOW_SECONDS * G_GINT64_CONSTANT(1000))

typedef struct {
    guint written;
    guint64 counted;
} Entry;

struct PosternLogRepeats {
    GHashTable *entries; /* char * -> Entry * */
    GQueue ended;        /* of char *, keys of a window that is over */
    GQueue counts;       /* of guint64 *, of ended */
    guint written;
    guint64 others;
    gint64 started;
};

PosternLogRepeats *postern_log_repeats_new(void)
{
    PosternLogRepeats *repeats = g_new0(PosternLogRepeats, 1);
    repeats->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_queue_init(&repeats->ended);
    g_queue_init(&repeats->counts);
    repeats->started = G_MININT64;
    return repeats;
}

void postern_log_repeats_free(PosternLogRepeats *repeats)
{
    if (repeats == NULL)
        return;
    g_hash_table_unref(repeats->entries);
    g_queue_clear_full(&repeats->ended, g_free);
    g_queue_clear_full(&repeats->counts, g_free);
    g_free(repeats);
}

static void push(PosternLogRepeats *repeats, const char *key, guint64 count)
{
    /* What nobody asked for yet is at most one window's: more would be a leak. */
    if (count == 0 || repeats->ended.length > POSTERN_LOG_REPEAT_KEYS_MAX)
        return;
    g_queue_push_tail(&repeats->ended, g_strdup(key));
    g_queue_push_tail(&repeats->counts, g_memdup2(&count, sizeof count));
}

static void turn_window(PosternLogRepeats *repeats, gint64 now)
{
    GHashTableIter iterator;
    gpointer key;
    gpointer value;
    if (repeats->started != G_MININT64 && now < repeats->started + WINDOW_MS)
        return;
    g_hash_table_iter_init(&iterator, repeats->entries);
    while (g_hash_table_iter_next(&iterator, &key, &value))
        push(repeats, key, ((const Entry *)value)->counted);
    push(repeats, "others", repeats->others);
    g_hash_table_remove_all(repeats->entries);
    repeats->written = 0;
    repeats->others = 0;
    repeats->started = now;
}

static Entry *find(PosternLogRepeats *repeats, const char *key)
{
    g_autofree char *cut = g_strndup(key, POSTERN_LOG_VALUE_MAX_OCTETS);
    Entry *entry = g_hash_table_lookup(repeats->entries, cut);
    if (entry == NULL && g_hash_table_size(repeats->entries) < POSTERN_LOG_REPEAT_KEYS_MAX) {
        entry = g_new0(Entry, 1);
        g_hash_table_insert(repeats->entries, g_steal_pointer(&cut), entry);
    }
    return entry;
}

gboolean postern_log_repeats_admit(PosternLogRepeats *repeats, const char *key, gint64 now)
{
    turn_window(repeats, now);
    Entry *entry = find(repeats, key);
    gboolean room = repeats->written < POSTERN_LOG_REPEAT_ALL_MAX;
    if (entry == NULL) {
        repeats->others++;
        return FALSE;
    }
    if (!room || entry->written >= POSTERN_LOG_REPEAT_LINES_MAX) {
        entry->counted++;
        return FALSE;
    }
    entry->written++;
    repeats->written++;
    return TRUE;
}

char *postern_log_repeats_next(PosternLogRepeats *repeats, gint64 now, guint64 *ret_count)
{
    turn_window(repeats, now);
    g_autofree guint64 *count = g_queue_pop_head(&repeats->counts);
    if (count != NULL)
        *ret_count = *count;
    return g_queue_pop_head(&repeats->ended);
}
