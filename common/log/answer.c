#include "log/answer.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

#define NAMES_MAX 10000 /* different clients and the like that are counted; others are "others" */
#define TOP 10

/* A list of paths, `<a@x>,<b@y>`, has it. */
static gboolean has_address(const char *paths, const char *what)
{
    g_auto(GStrv) parts = g_strsplit_set(paths, "<>,", -1);
    for (char **part = parts; *part != NULL; part++) {
        const char *at = strrchr(*part, '@');
        if ((*part)[0] == '\0')
            continue;
        if (g_ascii_strcasecmp(*part, what) == 0 ||
            (what[0] == '@' && at != NULL && g_ascii_strcasecmp(at, what) == 0))
            return TRUE;
    }
    return FALSE;
}

static gboolean is_message_id(const char *value, const char *what)
{
    gsize length = strlen(value);
    gboolean bracketed = length > 2 && value[0] == '<' && value[length - 1] == '>';
    return g_ascii_strcasecmp(value, what) == 0 ||
           (bracketed && strlen(what) == length - 2 && g_ascii_strncasecmp(value + 1, what, length - 2) == 0);
}

gboolean postern_log_answers(const PosternLogEntry *entry, const char *what)
{
    static const char *const ids[] = {"session", "message", "queue", "server_queue",
                                      "client",  "origin",  "relay", "peer"};
    static const char *const addresses[] = {"from", "to", "header_from", "user", "login"};
    const char *value = postern_log_fields_get(entry->fields, "message_id");
    if (value != NULL && is_message_id(value, what))
        return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        value = postern_log_fields_get(entry->fields, ids[i]);
        if (value != NULL && g_ascii_strcasecmp(value, what) == 0)
            return TRUE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
        value = postern_log_fields_get(entry->fields, addresses[i]);
        if (value != NULL && has_address(value, what))
            return TRUE;
    }
    return FALSE;
}

static void append_time(GString *out, gint64 time)
{
    g_autoptr(GDateTime) moment = time > 0 ? g_date_time_new_from_unix_local(time / G_USEC_PER_SEC) : NULL;
    g_autofree char *text = moment != NULL ? g_date_time_format(moment, "%Y-%m-%d %H:%M:%S") : NULL;
    g_string_append_printf(out, "%-19s ", text != NULL ? text : "?");
}

/* Text of others: what a terminal might take for more than letters is escaped. */
static void append_value(GString *out, const char *value)
{
    postern_escape_append(out, value, strlen(value), POSTERN_LOG_VALUE_MAX_OCTETS);
}

static void append_if(GString *out, const PosternLogEntry *entry, const char *before, const char *key)
{
    const char *value = postern_log_fields_get(entry->fields, key);
    if (value == NULL)
        return;
    g_string_append(out, before);
    append_value(out, value);
}

/* What became of a message. */
static void tell_message(const PosternLogEntry *entry, GString *out)
{
    static const struct {
        const char *key, *value, *text;
    } ends[] = {
        {"action", "reject", "was refused"},
        {"action", "tempfail", "was deferred"},
        {"action", "discard", "was discarded"},
        {"delivery", "unknown", "may have been delivered: the mail server was lost before it answered"},
        {"delivery", "failed", "was not delivered: the mail server was lost"},
        {"delivery", "refused", "was refused by the mail server"},
        {"action", "quarantine", "was accepted, for quarantine"},
        {"delivery", "accepted", "was delivered"},
        {"delivery", "none", "did not come to its end"},
        {"action", "mark", "was accepted, marked"},
        {"action", "accept", "was accepted"},
    };
    const char *text = "ended";
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++)
        if (g_strcmp0(postern_log_fields_get(entry->fields, ends[i].key), ends[i].value) == 0) {
            text = ends[i].text;
            break;
        }
    append_if(out, entry, "message ", "message");
    append_if(out, entry, " from ", "from");
    append_if(out, entry, " to ", "to");
    g_string_append_printf(out, " %s", text);
    append_if(out, entry, "; decided by ", "check");
    append_if(out, entry, "; would have met: ", "would");
    append_if(out, entry, "\n    client ", "client");
    append_if(out, entry, " (", "name");
    g_string_append(out, postern_log_fields_get(entry->fields, "name") != NULL ? ")" : "");
    append_if(out, entry, ", session ", "session");
    append_if(out, entry, "\n    Message-ID ", "message_id");
    append_if(out, entry, "\n    From ", "header_from");
    append_if(out, entry, "\n    subject ", "subject");
    append_if(out, entry, "\n    would have been told: ", "would_reply");
    append_if(out, entry, "\n    server ", "server");
    append_if(out, entry, ", which calls it ", "server_queue");
    append_if(out, entry, "\n    failure: ", "failure");
    append_if(out, entry, "\n    problem: ", "problem");
    append_if(out, entry, "\n    reply: ", "reply");
    append_if(out, entry, "\n    milliseconds: ", "milliseconds");
    append_if(out, entry, ", of them waiting for a server ", "backend_wait");
    append_if(out, entry, ", data ", "data_ms");
    append_if(out, entry, ", verdict ", "verdict_ms");
    append_if(out, entry, ", server ", "server_ms");
    g_string_append_c(out, '\n');
}

void postern_log_tell(const PosternLogEntry *entry, GString *out)
{
    append_time(out, entry->time);
    append_value(out, entry->program != NULL ? entry->program : "?");
    g_string_append(out, ": ");
    if (entry->fields == NULL) {
        append_value(out, entry->text);
        g_string_append_c(out, '\n');
        return;
    }
    if (g_str_equal(entry->fields->kind, "message")) {
        tell_message(entry, out);
        return;
    }
    append_value(out, entry->fields->kind);
    for (guint i = 0; i < entry->fields->keys->len; i++) {
        g_string_append_printf(out, "%s%s ", i > 0 ? ", " : " ",
                               (const char *)g_ptr_array_index(entry->fields->keys, i));
        append_value(out, g_ptr_array_index(entry->fields->values, i));
    }
    g_string_append_c(out, '\n');
}

/* What is counted, in the order in which it is told; only of entries of kind, by the value of key. */
static const struct {
    const char *title, *kind, *key;
    gboolean would; /* only of those that observing let through */
} counts[] = {
    {"Messages by action", "message", "action", FALSE},
    {"Messages by the rule that decided", "message", "check", FALSE},
    {"Messages by delivery", "message", "delivery", FALSE},
    {"What enforcing would have done (observe)", "message", "would", FALSE},
    {"By rule (observe)", "message", "check", TRUE},
    {"Senders of those (observe)", "message", "from", TRUE},
    {"Recipients refused, by whom", "recipient", "refused_by", FALSE},
    {"Clients whose recipients were refused", "recipient", "client", FALSE},
    {"Connections turned away, by limit", "refused", "limit", FALSE},
    {"Clients turned away", "refused", "client", FALSE},
    {"Logins failed, by client", "login", "client", FALSE},
    {"Sessions by their end", "session", "ended", FALSE},
    {"SPF", "message", "spf", FALSE},
    {"DMARC", "message", "dmarc", FALSE},
    {"Viruses", "message", "virus", FALSE},
};

struct PosternLogSummary {
    gint64 first, last;
    guint64 messages, octets, sessions;
    GHashTable *tables[G_N_ELEMENTS(counts)]; /* value -> guint64 * */
};

PosternLogSummary *postern_log_summary_new(void)
{
    PosternLogSummary *summary = g_new0(PosternLogSummary, 1);
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++)
        summary->tables[i] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return summary;
}

void postern_log_summary_free(PosternLogSummary *summary)
{
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++)
        g_hash_table_unref(summary->tables[i]);
    g_free(summary);
}

static void count(GHashTable *table, const char *value, guint64 number)
{
    guint64 *sum = g_hash_table_lookup(table, value);
    if (sum == NULL && g_hash_table_size(table) >= NAMES_MAX) {
        value = "others";
        sum = g_hash_table_lookup(table, value);
    }
    if (sum == NULL) {
        sum = g_new0(guint64, 1);
        g_hash_table_insert(table, g_strdup(value), sum);
    }
    *sum += number;
}

static guint64 number_of(const PosternLogFields *fields, const char *key)
{
    const char *value = postern_log_fields_get(fields, key);
    guint64 number = 0;
    return value != NULL && g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT64, &number, NULL) ? number : 0;
}

void postern_log_summary_add(PosternLogSummary *summary, const PosternLogEntry *entry)
{
    const PosternLogFields *fields = entry->fields;
    if (fields == NULL)
        return;
    if (entry->time > 0) {
        summary->first = summary->first == 0 ? entry->time : MIN(summary->first, entry->time);
        summary->last = MAX(summary->last, entry->time);
    }
    gboolean is_message = g_str_equal(fields->kind, "message");
    summary->messages += is_message;
    summary->octets += is_message ? number_of(fields, "size") : 0;
    summary->sessions += g_str_equal(fields->kind, "session");
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        const char *value = postern_log_fields_get(fields, counts[i].key);
        if (value == NULL || !g_str_equal(fields->kind, counts[i].kind) ||
            (counts[i].would && postern_log_fields_get(fields, "would") == NULL))
            continue;
        gsize length = g_str_equal(counts[i].key, "spf") || g_str_equal(counts[i].key, "dmarc")
                           ? strcspn(value, ":,")
                           : strlen(value);
        g_autofree char *name = g_strndup(value, length);
        count(summary->tables[i], name, 1);
    }
}

typedef struct {
    const char *name;
    guint64 number;
} Row;

static gint compare_rows(gconstpointer a, gconstpointer b)
{
    const Row *one = a, *other = b;
    return one->number != other->number ? (one->number < other->number ? 1 : -1)
                                        : strcmp(one->name, other->name);
}

static void tell_table(GHashTable *table, const char *title, GString *out)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(Row));
    GHashTableIter iterator;
    gpointer name, number;
    g_hash_table_iter_init(&iterator, table);
    while (g_hash_table_iter_next(&iterator, &name, &number)) {
        const Row row = {name, *(const guint64 *)number};
        g_array_append_val(rows, row);
    }
    if (rows->len == 0)
        return;
    g_array_sort(rows, compare_rows);
    g_string_append_printf(out, "\n%s\n", title);
    for (guint i = 0; i < MIN(rows->len, (guint)TOP); i++) {
        g_string_append_printf(out, "%10" G_GUINT64_FORMAT "  ", g_array_index(rows, Row, i).number);
        append_value(out, g_array_index(rows, Row, i).name);
        g_string_append_c(out, '\n');
    }
    if (rows->len > TOP)
        g_string_append_printf(out, "%10s  and %u more\n", "", rows->len - TOP);
}

void postern_log_summary_tell(const PosternLogSummary *summary, GString *out)
{
    g_autofree char *size = g_format_size_full(summary->octets, G_FORMAT_SIZE_IEC_UNITS);
    if (summary->first > 0) {
        append_time(out, summary->first);
        g_string_append(out, "to ");
        append_time(out, summary->last);
        g_string_append(out, "\n");
    }
    g_string_append_printf(out, "%" G_GUINT64_FORMAT " messages (%s) in %" G_GUINT64_FORMAT " sessions\n",
                           summary->messages, size, summary->sessions);
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++)
        tell_table(summary->tables[i], counts[i].title, out);
}
