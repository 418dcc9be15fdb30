#include "inspector/memory.h"

#include <string.h>

#include "base/limits.h"

#define KILLER_US ((gint64)POSTERN_INSPECTOR_KILLER_SECONDS * G_USEC_PER_SEC)

typedef struct {
    guint user;
    guint8 fingerprint[POSTERN_FINGERPRINT_OCTETS];
    char *version;
    GBytes *findings;
    gint64 since;
    GList link; /* in the order of use, the newest first */
} Entry;

typedef struct {
    guint maximum;
    gsize octets;
    gsize octets_maximum;
    GTree *entries; /* Entry -> itself, owned */
    GQueue order;
} Table;

struct PosternMemory {
    Table findings;
    Table suspects; /* that cost one worker */
    Table killers;
};

static gint compare(gconstpointer a, gconstpointer b, gpointer user_data)
{
    (void)user_data;
    const Entry *one = a, *other = b;
    int order = memcmp(one->fingerprint, other->fingerprint, sizeof one->fingerprint);
    return order != 0 ? order : (one->user > other->user) - (one->user < other->user);
}

static void entry_free(gpointer data)
{
    Entry *entry = data;
    g_clear_pointer(&entry->findings, g_bytes_unref);
    g_free(entry->version);
    g_free(entry);
}

static void table_init(Table *table, guint maximum, gsize octets_maximum)
{
    table->maximum = maximum;
    table->octets_maximum = octets_maximum;
    table->entries = g_tree_new_full(compare, NULL, NULL, entry_free);
    g_queue_init(&table->order);
}

static gsize octets_of(const Entry *entry)
{
    return entry->findings != NULL ? g_bytes_get_size(entry->findings) : 0;
}

static void forget(Table *table, Entry *entry)
{
    table->octets -= octets_of(entry);
    g_queue_unlink(&table->order, &entry->link);
    g_tree_remove(table->entries, entry);
}

static void clear(Table *table)
{
    while (!g_queue_is_empty(&table->order))
        forget(table, g_queue_peek_tail(&table->order));
}

/* The entry, which is the newest now; or NULL. */
static Entry *use(Table *table, guint user, const guint8 *fingerprint)
{
    Entry key = {.user = user};
    memcpy(key.fingerprint, fingerprint, sizeof key.fingerprint);
    Entry *entry = g_tree_lookup(table->entries, &key);
    if (entry != NULL) {
        g_queue_unlink(&table->order, &entry->link);
        g_queue_push_head_link(&table->order, &entry->link);
    }
    return entry;
}

/* A new entry, in the place of what was there; findings may be NULL. */
static Entry *add(Table *table, guint user, const guint8 *fingerprint, GBytes *findings)
{
    Entry *entry = use(table, user, fingerprint);
    if (entry != NULL)
        forget(table, entry);
    entry = g_new0(Entry, 1);
    entry->user = user;
    memcpy(entry->fingerprint, fingerprint, sizeof entry->fingerprint);
    entry->findings = findings != NULL ? g_bytes_ref(findings) : NULL;
    entry->link.data = entry;
    table->octets += octets_of(entry);
    g_tree_insert(table->entries, entry, entry);
    g_queue_push_head_link(&table->order, &entry->link);
    while (g_queue_get_length(&table->order) > table->maximum || table->octets > table->octets_maximum)
        forget(table, g_queue_peek_tail(&table->order));
    return entry;
}

PosternMemory *postern_memory_new(void)
{
    PosternMemory *memory = g_new0(PosternMemory, 1);
    table_init(&memory->findings, POSTERN_INSPECTOR_REMEMBERED_MAX, POSTERN_INSPECTOR_REMEMBERED_MAX_OCTETS);
    table_init(&memory->suspects, POSTERN_INSPECTOR_KILLERS_MAX, G_MAXSIZE);
    table_init(&memory->killers, POSTERN_INSPECTOR_KILLERS_MAX, G_MAXSIZE);
    return memory;
}

void postern_memory_free(PosternMemory *memory)
{
    if (memory == NULL)
        return;
    g_tree_unref(memory->findings.entries);
    g_tree_unref(memory->suspects.entries);
    g_tree_unref(memory->killers.entries);
    g_free(memory);
}

void postern_memory_keep(PosternMemory *memory, const guint8 *fingerprint, const char *version,
                         GBytes *findings)
{
    if (g_bytes_get_size(findings) <= memory->findings.octets_maximum)
        add(&memory->findings, 0, fingerprint, findings)->version = g_strdup(version);
}

GBytes *postern_memory_find(PosternMemory *memory, const guint8 *fingerprint, const char *version)
{
    Entry *entry = use(&memory->findings, 0, fingerprint);
    if (entry == NULL || g_strcmp0(entry->version, version) == 0)
        return entry != NULL ? entry->findings : NULL;
    forget(&memory->findings, entry);
    return NULL;
}

/* As use(), but what is too old is gone. */
static Entry *use_young(Table *table, guint user, const guint8 *fingerprint, gint64 now)
{
    Entry *entry = use(table, user, fingerprint);
    if (entry == NULL || now - entry->since < KILLER_US)
        return entry;
    forget(table, entry);
    return NULL;
}

gboolean postern_memory_note_death(PosternMemory *memory, guint user, const guint8 *fingerprint, gint64 now)
{
    Entry *suspect = use_young(&memory->suspects, user, fingerprint, now);
    if (suspect != NULL)
        forget(&memory->suspects, suspect);
    add(suspect != NULL ? &memory->killers : &memory->suspects, user, fingerprint, NULL)->since = now;
    return suspect != NULL;
}

gboolean postern_memory_kills(PosternMemory *memory, guint user, const guint8 *fingerprint, gint64 now)
{
    return use_young(&memory->killers, user, fingerprint, now) != NULL;
}

void postern_memory_forgive(PosternMemory *memory)
{
    clear(&memory->suspects);
    clear(&memory->killers);
}
