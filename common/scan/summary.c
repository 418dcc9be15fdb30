#include "scan/summary.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

/* Names of viruses that are counted each; one more goes with the others. */
#define NAMES_MAX 1000
#define OTHERS "others"
#define MEBIBYTE (1024.0 * 1024.0)

typedef struct {
    const char *title;
    /* What result has to be counted, or NULL: nothing. */
    const char *(*name)(const PosternScanResult *result);
} Row;

struct PosternScanSummary {
    gint64 started; /* monotonic */
    guint64 messages;
    guint64 refused;
    GHashTable **counts; /* for each row: char * -> guint64 * */
};

static const char *action_of(const PosternScanResult *result)
{
    return result->verdict != NULL ? postern_action_name(result->verdict->action) : "not read";
}

static const char *spf_of(const PosternScanResult *result)
{
    PosternSpfResult spf = result->findings->spf.result;
    return spf == POSTERN_SPF_NOT_CHECKED ? "not checked" : postern_spf_result_name(spf);
}

/* One that passes is enough (RFC 6376 6.1). */
static const char *dkim_of(const PosternScanResult *result)
{
    const GPtrArray *signatures = result->findings->dkim;
    if (!result->findings->dkim_checked)
        return "not checked";
    for (guint i = 0; i < signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(signatures, i);
        if (finding->result == POSTERN_DKIM_PASS)
            return postern_dkim_result_name(POSTERN_DKIM_PASS);
    }
    if (signatures->len == 0)
        return postern_dkim_result_name(POSTERN_DKIM_NONE);
    const PosternDkimFinding *first = g_ptr_array_index(signatures, 0);
    return postern_dkim_result_name(first->result);
}

static const char *dmarc_of(const PosternScanResult *result)
{
    PosternDmarcResult dmarc = result->findings->dmarc.result;
    return dmarc == POSTERN_DMARC_NOT_CHECKED ? "not checked" : postern_dmarc_result_name(dmarc);
}

static const char *arc_of(const PosternScanResult *result)
{
    PosternArcResult arc = result->findings->arc.result;
    return arc == POSTERN_ARC_NOT_CHECKED ? "not checked" : postern_arc_result_name(arc);
}

static const char *virus_of(const PosternScanResult *result)
{
    PosternVirusResult virus = result->findings->virus.result;
    return virus == POSTERN_VIRUS_NOT_CHECKED ? "not checked" : postern_virus_result_name(virus);
}

static const char *virus_name_of(const PosternScanResult *result)
{
    const PosternVirusFinding *virus = &result->findings->virus;
    return virus->result == POSTERN_VIRUS_INFECTED ? virus->name : NULL;
}

static const char *problem_of(const PosternScanResult *result)
{
    return result->problem != NULL ? "checks that could not be done" : NULL;
}

static const Row rows[] = {
    {"Action", action_of},         {"SPF", spf_of},        {"DKIM", dkim_of},
    {"DMARC", dmarc_of},           {"ARC", arc_of},        {"Virus", virus_of},
    {"Virus name", virus_name_of}, {"Errors", problem_of},
};

PosternScanSummary *postern_scan_summary_new(void)
{
    PosternScanSummary *summary = g_new0(PosternScanSummary, 1);
    summary->started = g_get_monotonic_time();
    summary->counts = g_new0(GHashTable *, G_N_ELEMENTS(rows));
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        summary->counts[i] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return summary;
}

void postern_scan_summary_free(PosternScanSummary *summary)
{
    if (summary == NULL)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_hash_table_unref(summary->counts[i]);
    g_free(summary->counts);
    g_free(summary);
}

static void count(GHashTable *counts, const char *name)
{
    guint64 *number = g_hash_table_lookup(counts, name);
    if (number == NULL && g_hash_table_size(counts) >= NAMES_MAX) {
        name = OTHERS;
        number = g_hash_table_lookup(counts, name);
    }
    if (number == NULL) {
        number = g_new0(guint64, 1);
        g_hash_table_insert(counts, g_strdup(name), number);
    }
    (*number)++;
}

void postern_scan_summary_add(PosternScanSummary *summary, const PosternScanResult *result)
{
    summary->messages++;
    summary->refused += postern_scan_result_status(result) != POSTERN_SCAN_ACCEPT;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (result->findings == NULL && rows[i].name != action_of)
            continue;
        const char *name = rows[i].name(result);
        if (name != NULL)
            count(summary->counts[i], name);
    }
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

static void add_row(GString *out, const char *title, GHashTable *counts)
{
    g_autoptr(GList) names = g_list_sort_with_data(g_hash_table_get_keys(counts), compare_counts, counts);
    for (const GList *item = names; item != NULL; item = item->next) {
        const guint64 *number = g_hash_table_lookup(counts, item->data);
        g_string_append_printf(out, "    %-12s %10" G_GUINT64_FORMAT "  ", item == names ? title : "",
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
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        add_row(out, rows[i].title, summary->counts[i]);
    return g_string_free(out, FALSE);
}
