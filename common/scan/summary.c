#include "scan/summary.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "verdict/check.h"

/* Names of viruses that are counted each; one more goes with the others. */
#define NAMES_MAX 1000
#define OTHERS "others"
#define MEBIBYTE (1024.0 * 1024.0)

struct PosternScanSummary {
    gint64 started; /* monotonic */
    guint64 messages;
    guint64 refused;
    GPtrArray *counts; /* of Count *, as they are shown */
};

/* One count: of how many messages had each name. */
typedef struct {
    char *title;
    GHashTable *names; /* char * -> guint64 * */
} Count;

static void count_free(gpointer data)
{
    Count *count = data;
    g_free(count->title);
    g_hash_table_unref(count->names);
    g_free(count);
}

static GHashTable *names_of(PosternScanSummary *summary, const char *title)
{
    for (guint i = 0; i < summary->counts->len; i++) {
        Count *count = g_ptr_array_index(summary->counts, i);
        if (g_str_equal(count->title, title))
            return count->names;
    }
    Count *count = g_new(Count, 1);
    count->title = g_strdup(title);
    count->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_ptr_array_add(summary->counts, count);
    return count->names;
}

PosternScanSummary *postern_scan_summary_new(void)
{
    PosternScanSummary *summary = g_new0(PosternScanSummary, 1);
    summary->started = g_get_monotonic_time();
    summary->counts = g_ptr_array_new_with_free_func(count_free);
    return summary;
}

void postern_scan_summary_free(PosternScanSummary *summary)
{
    if (summary == NULL)
        return;
    g_ptr_array_unref(summary->counts);
    g_free(summary);
}

/* A title stands in its place from the first message on, whether or not it has a name. */
static void count(gpointer out, const char *title, const char *name)
{
    GHashTable *names = names_of(out, title);
    if (name == NULL || *name == '\0')
        return;
    guint64 *number = g_hash_table_lookup(names, name);
    if (number == NULL && g_hash_table_size(names) >= NAMES_MAX) {
        name = OTHERS;
        number = g_hash_table_lookup(names, name);
    }
    if (number == NULL) {
        number = g_new0(guint64, 1);
        g_hash_table_insert(names, g_strdup(name), number);
    }
    (*number)++;
}

void postern_scan_summary_add(PosternScanSummary *summary, const PosternScanResult *result)
{
    gboolean read = result->verdict != NULL;
    summary->messages++;
    summary->refused += postern_scan_result_status(result) != POSTERN_SCAN_ACCEPT;
    count(summary, "Action", read ? postern_action_name(result->verdict->action) : "not read");
    if (result->findings == NULL)
        return;
    postern_checks_counts(result->findings, count, summary);
    count(summary, "Errors", result->problem != NULL ? "checks that could not be done" : NULL);
}

guint64 postern_scan_summary_messages(const PosternScanSummary *summary)
{
    return summary->messages;
}

guint64 postern_scan_summary_refused(const PosternScanSummary *summary)
{
    return summary->refused;
}

/* The most frequent first. */
static gint compare_counts(gconstpointer a, gconstpointer b, gpointer user_data)
{
    GHashTable *counts = user_data;
    const guint64 *first = g_hash_table_lookup(counts, a);
    const guint64 *second = g_hash_table_lookup(counts, b);
    if (*first != *second)
        return *first > *second ? -1 : 1;
    return strcmp(a, b);
}

static void add_count(GString *out, const Count *count)
{
    g_autoptr(GList) names =
        g_list_sort_with_data(g_hash_table_get_keys(count->names), compare_counts, count->names);
    for (const GList *item = names; item != NULL; item = item->next) {
        const guint64 *number = g_hash_table_lookup(count->names, item->data);
        g_string_append_printf(out, "    %-12s %10" G_GUINT64_FORMAT "  ", item == names ? count->title : "",
                               *number);
        postern_escape_append(out, item->data, strlen(item->data), POSTERN_LOG_VALUE_MAX_OCTETS);
        g_string_append_c(out, '\n');
    }
}

char *postern_scan_summary_to_text(const PosternScanSummary *summary, guint64 octets)
{
    GString *out = g_string_new(NULL);
    double seconds = (double)(g_get_monotonic_time() - summary->started) / G_USEC_PER_SEC;
    g_string_append_printf(
        out,
        "%" G_GUINT64_FORMAT " messages, %" G_GUINT64_FORMAT " accepted, %" G_GUINT64_FORMAT
        " not; %.1f MiB in %.1f seconds, %.1f messages a second\n",
        summary->messages, summary->messages - summary->refused, summary->refused, (double)octets / MEBIBYTE,
        seconds, seconds > 0 ? (double)summary->messages / seconds : 0.0);
    for (guint i = 0; i < summary->counts->len; i++)
        add_count(out, g_ptr_array_index(summary->counts, i));
    return g_string_free(out, FALSE);
}
