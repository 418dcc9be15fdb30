#include "base/counters.h"

#include <sched.h>
#include <string.h>

#include "base/limits.h"

#define BLOCKS_MAX 64
#define CACHE_LINE_OCTETS 64

typedef struct {
    char *key; /* set once: "NAME", NUL, "LABEL" */
    guint64 number;
} Slot;

typedef struct {
    Slot slots[POSTERN_COUNTERS_MAX]; /* by hash of the key, the next free one if it is taken */
} __attribute__((aligned(CACHE_LINE_OCTETS))) Block;

struct PosternCounters {
    gint references; /* atomic */
    guint length;
    Block *blocks;
};

static const char *label_of(const char *key)
{
    return key + strlen(key) + 1;
}

PosternCounters *postern_counters_new(void)
{
    PosternCounters *counters = g_new0(PosternCounters, 1);
    counters->references = 1;
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
    for (guint i = 0; i < counters->length; i++)
        for (guint j = 0; j < POSTERN_COUNTERS_MAX; j++)
            g_free(counters->blocks[i].slots[j].key);
    g_aligned_free(counters->blocks);
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

/* The slot of that name and label, NULL if there is none; a new one if it is to be made and there is room. */
static Slot *find(Block *block, const char *name, const char *label, gboolean make)
{
    guint start = g_str_hash(name) * 31 + g_str_hash(label);
    for (guint i = 0; i < POSTERN_COUNTERS_MAX; i++) {
        Slot *slot = &block->slots[(start + i) % POSTERN_COUNTERS_MAX];
        char *key = g_atomic_pointer_get(&slot->key);
        if (key == NULL && !make)
            return NULL;
        if (key == NULL) {
            char *made = key_of(name, label);
            if (g_atomic_pointer_compare_and_exchange(&slot->key, NULL, made))
                return slot;
            g_free(made); /* another thread was first: it may be ours */
            key = g_atomic_pointer_get(&slot->key);
        }
        if (strcmp(key, name) == 0 && strcmp(label_of(key), label) == 0)
            return slot;
    }
    return NULL;
}

void postern_counters_add(PosternCounters *counters, const char *name, const char *label, guint64 number)
{
    if (counters == NULL)
        return;
    int processor = sched_getcpu();
    Block *block = &counters->blocks[processor > 0 ? (guint)processor % counters->length : 0];
    Slot *slot = find(block, name, label != NULL ? label : "", TRUE);
    if (slot != NULL)
        __atomic_fetch_add(&slot->number, number, __ATOMIC_RELAXED);
}

guint64 postern_counters_read(const PosternCounters *counters, const char *name, const char *label)
{
    guint64 sum = 0;
    for (guint i = 0; i < counters->length; i++) {
        const Slot *slot = find(&counters->blocks[i], name, label != NULL ? label : "", FALSE);
        sum += slot != NULL ? __atomic_load_n(&slot->number, __ATOMIC_RELAXED) : 0;
    }
    return sum;
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
    for (guint i = 0; i < counters->length; i++)
        for (guint j = 0; j < POSTERN_COUNTERS_MAX; j++) {
            char *key = g_atomic_pointer_get(&counters->blocks[i].slots[j].key);
            if (key != NULL)
                g_ptr_array_add(keys, key);
        }
    g_ptr_array_sort(keys, compare);
    for (guint i = 0; i < keys->len; i++) {
        const char *key = keys->pdata[i];
        if (i == 0 || compare(&keys->pdata[i - 1], &keys->pdata[i]) != 0)
            tell(key, label_of(key), postern_counters_read(counters, key, label_of(key)), user_data);
    }
}
