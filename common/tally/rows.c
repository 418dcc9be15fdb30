#include "tally/rows.h"

#include <string.h>

#include "base/limits.h"

#define SECONDS_OF_DAY 86400
#define COLUMN_MAX_OCTETS 255 /* a domain name at most; SIGNATURES is longer */
#define SEPARATOR "\t"

struct PosternTallyRows {
    GHashTable *counted;  /* "TABLE\tDAY\tCOLUMN…" to a number */
    GHashTable *policies; /* "DAY\tDOMAIN" to char * */
};

static const guint columns_of[] = {
    [POSTERN_TALLY_DMARC] = POSTERN_TALLY_DMARC_COLUMNS,
    [POSTERN_TALLY_COUNT] = POSTERN_TALLY_COUNT_COLUMNS,
};

PosternTallyRows *postern_tally_rows_new(void)
{
    PosternTallyRows *rows = g_new0(PosternTallyRows, 1);
    rows->counted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    rows->policies = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return rows;
}

void postern_tally_rows_free(PosternTallyRows *rows)
{
    if (rows == NULL)
        return;
    g_hash_table_unref(rows->counted);
    g_hash_table_unref(rows->policies);
    g_free(rows);
}

guint postern_tally_day(gint64 seconds)
{
    return (guint)(MAX(seconds, 0) / SECONDS_OF_DAY);
}

static void append_column(GString *key, const char *text, gsize maximum)
{
    gsize length = MIN(strlen(text), maximum);
    g_string_append(key, SEPARATOR);
    for (gsize i = 0; i < length; i++)
        g_string_append_c(key, (guchar)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i]);
}

gboolean postern_tally_rows_add(PosternTallyRows *rows, PosternTallyTable table, guint day,
                                const char *const *columns)
{
    g_autoptr(GString) key = g_string_sized_new(256);
    g_string_printf(key, "%u" SEPARATOR "%u", table, day);
    for (guint i = 0; i < columns_of[table]; i++) {
        gboolean is_list = table == POSTERN_TALLY_DMARC && i == POSTERN_TALLY_SIGNATURES;
        append_column(key, columns[i], is_list ? POSTERN_TALLY_ROW_MAX_OCTETS : COLUMN_MAX_OCTETS);
    }
    gpointer number = NULL;
    if (g_hash_table_lookup_extended(rows->counted, key->str, NULL, &number)) {
        guint messages = GPOINTER_TO_UINT(number);
        g_hash_table_replace(rows->counted, g_string_free(g_steal_pointer(&key), FALSE),
                             GUINT_TO_POINTER(messages < G_MAXUINT ? messages + 1 : messages));
        return TRUE;
    }
    if (g_hash_table_size(rows->counted) >= POSTERN_TALLY_WAITING_MAX)
        return FALSE;
    g_hash_table_insert(rows->counted, g_string_free(g_steal_pointer(&key), FALSE), GUINT_TO_POINTER(1));
    return TRUE;
}

void postern_tally_rows_set_policy(PosternTallyRows *rows, guint day, const char *domain, const char *record)
{
    g_autofree char *key = g_strdup_printf("%u" SEPARATOR "%s", day, domain);
    if (g_strcmp0(g_hash_table_lookup(rows->policies, key), record) != 0 &&
        (g_hash_table_size(rows->policies) < POSTERN_TALLY_WAITING_MAX ||
         g_hash_table_contains(rows->policies, key)))
        g_hash_table_insert(rows->policies, g_steal_pointer(&key), g_strdup(record));
}

guint postern_tally_rows_count(const PosternTallyRows *rows)
{
    return g_hash_table_size(rows->counted);
}

static guint number_of(const char *text)
{
    return (guint)g_ascii_strtoull(text, NULL, 10);
}

gboolean postern_tally_rows_each(const PosternTallyRows *rows, PosternTallyRow row, PosternTallyPolicy policy,
                                 gpointer user_data)
{
    GHashTableIter iterator;
    gpointer key, value;
    g_hash_table_iter_init(&iterator, rows->counted);
    while (g_hash_table_iter_next(&iterator, &key, &value)) {
        g_auto(GStrv) parts = g_strsplit(key, SEPARATOR, -1);
        if (!row((PosternTallyTable)number_of(parts[0]), number_of(parts[1]), parts + 2,
                 GPOINTER_TO_UINT(value), user_data))
            return FALSE;
    }
    g_hash_table_iter_init(&iterator, rows->policies);
    while (g_hash_table_iter_next(&iterator, &key, &value)) {
        const char *domain = strchr(key, SEPARATOR[0]) + 1;
        if (!policy(number_of(key), domain, value, user_data))
            return FALSE;
    }
    return TRUE;
}
