#include "base/counters.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/limits.h"

#define BLOCKS_MAX 64
#define CACHE_LINE_OCTETS 64

typedef struct {
    guint64 numbers[POSTERN_COUNTERS_MAX]; /* each where its key is */
    PosternLatencySum latencies[POSTERN_LATENCIES];
} __attribute__((aligned(CACHE_LINE_OCTETS))) Block;

typedef struct {
    gint64 time;
    char *text;
} Event;

typedef struct {
    pthread_mutex_t lock;
    guint next;
    Event events[POSTERN_EVENTS_REMEMBERED_MAX]; /* a ring */
} Memory;

struct PosternCounters {
    gint references; /* atomic */
    char **keys;     /* POSTERN_COUNTERS_MAX of "NAME", NUL, "LABEL": by its hash, or the next free one */
    guint length;
    Block *blocks;
    Memory *memory; /* or NULL */
};

const guint postern_latency_bounds_ms[POSTERN_LATENCY_BUCKETS] = {
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000, 30000, 120000,
};

static const char *label_of(const char *key)
{
    return key + strlen(key) + 1;
}

PosternCounters *postern_counters_new(void)
{
    PosternCounters *counters = g_new0(PosternCounters, 1);
    counters->references = 1;
    counters->keys = g_new0(char *, POSTERN_COUNTERS_MAX);
    counters->length = MIN(g_get_num_processors(), BLOCKS_MAX);
    counters->blocks = g_aligned_alloc0(counters->length, sizeof(Block), CACHE_LINE_OCTETS);
    return counters;
}

PosternCounters *postern_counters_ref(PosternCounters *counters)
{
    g_atomic_int_inc(&counters->references);
    return counters;
}

void postern_counters_unref(PosternCounters *counters)
{
    if (!g_atomic_int_dec_and_test(&counters->references))
        return;
    for (guint i = 0; i < POSTERN_COUNTERS_MAX; i++)
        g_free(counters->keys[i]);
    g_free(counters->keys);
    g_aligned_free(counters->blocks);
    if (counters->memory != NULL) {
        for (guint i = 0; i < POSTERN_EVENTS_REMEMBERED_MAX; i++)
            g_free(counters->memory->events[i].text);
        pthread_mutex_destroy(&counters->memory->lock);
        g_free(counters->memory);
    }
    g_free(counters);
}

static char *key_of(const char *name, const char *label)
{
    gsize length = strlen(name) + 1;
    char *key = g_malloc(length + strlen(label) + 1);
    memcpy(key, name, length);
    memcpy(key + length, label, strlen(label) + 1);
    return key;
}

/* The place of that name and label, POSTERN_COUNTERS_MAX if there is none; a new one if it is to be made and
 * there is room. */
static guint find(const PosternCounters *counters, const char *name, const char *label, gboolean make)
{
    guint start = g_str_hash(name) * 31 + g_str_hash(label);
    for (guint i = 0; i < POSTERN_COUNTERS_MAX; i++) {
        guint place = (start + i) % POSTERN_COUNTERS_MAX;
        char *key = g_atomic_pointer_get(&counters->keys[place]);
        if (key == NULL && !make)
            return POSTERN_COUNTERS_MAX;
        if (key == NULL) {
            char *made = key_of(name, label);
            if (g_atomic_pointer_compare_and_exchange(&counters->keys[place], NULL, made))
                return place;
            g_free(made); /* another thread was first: it may be ours */
            key = g_atomic_pointer_get(&counters->keys[place]);
        }
        if (strcmp(key, name) == 0 && strcmp(label_of(key), label) == 0)
            return place;
    }
    return POSTERN_COUNTERS_MAX;
}

static Block *block_here(PosternCounters *counters)
{
    int processor = sched_getcpu();
    return &counters->blocks[processor > 0 ? (guint)processor % counters->length : 0];
}

static void add_to(guint64 *number, guint64 change)
{
    __atomic_fetch_add(number, change, __ATOMIC_RELAXED);
}

guint postern_counters_place(PosternCounters *counters, const char *name, const char *label)
{
    return find(counters, name, label != NULL ? label : "", TRUE);
}

void postern_counters_add_at(PosternCounters *counters, guint place, guint64 number)
{
    if (counters != NULL && place < POSTERN_COUNTERS_MAX)
        add_to(&block_here(counters)->numbers[place], number);
}

void postern_counters_add(PosternCounters *counters, const char *name, const char *label, guint64 number)
{
    if (counters != NULL)
        postern_counters_add_at(counters, postern_counters_place(counters, name, label), number);
}

void postern_counters_time(PosternCounters *counters, PosternLatency latency, gint64 milliseconds)
{
    guint bucket = 0;
    if (counters == NULL || milliseconds < 0)
        return;
    PosternLatencySum *sum = &block_here(counters)->latencies[latency];
    while (bucket < POSTERN_LATENCY_BUCKETS && milliseconds > postern_latency_bounds_ms[bucket])
        bucket++;
    add_to(&sum->buckets[bucket], 1);
    add_to(&sum->milliseconds, (guint64)milliseconds);
}

void postern_counters_latency(const PosternCounters *counters, PosternLatency latency,
                              PosternLatencySum *ret_sum)
{
    *ret_sum = (PosternLatencySum){.milliseconds = 0};
    for (guint i = 0; i < counters->length; i++) {
        const PosternLatencySum *sum = &counters->blocks[i].latencies[latency];
        for (guint j = 0; j <= POSTERN_LATENCY_BUCKETS; j++)
            ret_sum->buckets[j] += __atomic_load_n(&sum->buckets[j], __ATOMIC_RELAXED);
        ret_sum->milliseconds += __atomic_load_n(&sum->milliseconds, __ATOMIC_RELAXED);
    }
}

void postern_counters_start_remembering(PosternCounters *counters)
{
    counters->memory = g_new0(Memory, 1);
    pthread_mutex_init(&counters->memory->lock, NULL);
}

gboolean postern_counters_remembers(const PosternCounters *counters)
{
    return counters != NULL && counters->memory != NULL;
}

void postern_counters_remember(PosternCounters *counters, const char *text)
{
    Memory *memory = counters->memory;
    if (memory == NULL || pthread_mutex_trylock(&memory->lock) != 0)
        return;
    Event *event = &memory->events[memory->next];
    memory->next = (memory->next + 1) % POSTERN_EVENTS_REMEMBERED_MAX;
    g_free(event->text);
    *event = (Event){g_get_real_time(), g_strdup(text)};
    pthread_mutex_unlock(&memory->lock);
}

void postern_counters_recall(const PosternCounters *counters, PosternEventTell tell, gpointer user_data)
{
    Memory *memory = counters->memory;
    if (memory == NULL)
        return;
    pthread_mutex_lock(&memory->lock);
    for (guint i = 1; i <= POSTERN_EVENTS_REMEMBERED_MAX; i++) {
        guint place = (memory->next + POSTERN_EVENTS_REMEMBERED_MAX - i) % POSTERN_EVENTS_REMEMBERED_MAX;
        if (memory->events[place].text != NULL)
            tell(memory->events[place].time, memory->events[place].text, user_data);
    }
    pthread_mutex_unlock(&memory->lock);
}

static guint64 sum_at(const PosternCounters *counters, guint place)
{
    guint64 sum = 0;
    for (guint i = 0; i < counters->length && place < POSTERN_COUNTERS_MAX; i++)
        sum += __atomic_load_n(&counters->blocks[i].numbers[place], __ATOMIC_RELAXED);
    return sum;
}

guint64 postern_counters_read(const PosternCounters *counters, const char *name, const char *label)
{
    return sum_at(counters, find(counters, name, label != NULL ? label : "", FALSE));
}

static int compare(gconstpointer a, gconstpointer b)
{
    const char *one = *(const char *const *)a;
    const char *other = *(const char *const *)b;
    int order = strcmp(one, other);
    return order != 0 ? order : strcmp(label_of(one), label_of(other));
}

void postern_counters_each(const PosternCounters *counters, PosternCountersTell tell, gpointer user_data)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    for (guint i = 0; i < POSTERN_COUNTERS_MAX; i++) {
        char *key = g_atomic_pointer_get(&counters->keys[i]);
        if (key != NULL)
            g_ptr_array_add(keys, key);
    }
    g_ptr_array_sort(keys, compare);
    for (guint i = 0; i < keys->len; i++) {
        const char *key = keys->pdata[i];
        tell(key, label_of(key), postern_counters_read(counters, key, label_of(key)), user_data);
    }
}
