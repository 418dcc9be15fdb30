#include "http/page_tables.h"

#include <string.h>

#include "base/log_entry.h"

#define REPLY_CHARACTERS 240
#define VALUE_CHARACTERS 120
#define REFUSALS_AT_ONCE 8
#define TABLE "<table role=\"table\">"
#define ROWS "<tbody role=\"rowgroup\">"
#define ROW "<tr role=\"row\">"

/* What stands in one column of a table. */
typedef struct {
    const char *title, *class;
} Column;

static gboolean is_shown(gunichar character)
{
    static const gunichar hidden[] = {0x61c,  0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d,
                                      0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0xfeff};
    for (gsize i = 0; i < G_N_ELEMENTS(hidden); i++)
        if (character == hidden[i])
            return FALSE;
    return g_unichar_isprint(character) && !g_unichar_iszerowidth(character);
}

void postern_page_append_text(GString *out, const char *text, gsize limit)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    char *at = valid;
    g_string_append(out, "<bdi>");
    for (gsize i = 0; *at != '\0' && i < limit; i++, at = g_utf8_next_char(at)) {
        gunichar character = g_utf8_get_char(at);
        if (strchr("<>&\"'", (int)MIN(character, 0x7f)) != NULL)
            g_string_append_printf(out, "&#%u;", character);
        else if (is_shown(character))
            g_string_append_unichar(out, character);
        else
            g_string_append_printf(out, "\\u{%x}", character);
    }
    g_string_append(out, *at != '\0' ? "…</bdi>" : "</bdi>");
}

void postern_page_append_duration(GString *out, double seconds)
{
    guint64 minutes = (guint64)MAX(0, seconds) / 60;
    if (seconds < 1)
        g_string_append_printf(out, "%.0f ms", seconds * 1000);
    else if (minutes == 0)
        g_string_append_printf(out, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    else if (minutes < 60)
        g_string_append_printf(out, "%" G_GUINT64_FORMAT " min", minutes);
    else if (minutes < 48 * 60)
        g_string_append_printf(out, "%" G_GUINT64_FORMAT " h %" G_GUINT64_FORMAT " min", minutes / 60,
                               minutes % 60);
    else
        g_string_append_printf(out, "%" G_GUINT64_FORMAT " days", minutes / (24 * 60));
}

static void append_number(GString *out, guint64 number)
{
    g_autofree char *digits = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    gsize length = strlen(digits);
    for (gsize i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            g_string_append_c(out, ',');
        g_string_append_c(out, digits[i]);
    }
}

void postern_page_append_value(GString *out, PosternUnit unit, double value)
{
    if (unit == POSTERN_UNIT_SECONDS) {
        postern_page_append_duration(out, value);
    } else if (unit == POSTERN_UNIT_OCTETS) {
        g_autofree char *size = g_format_size_full((guint64)MAX(0, value), G_FORMAT_SIZE_IEC_UNITS);
        g_string_append(out, size);
    } else if (value < 0) {
        g_string_append(out, "0");
    } else {
        append_number(out, (guint64)value);
    }
}

static void begin_section(GString *out, const char *id, const char *title)
{
    g_string_append_printf(out,
                           "<section id=\"%s\" class=\"rows\" data-fresh aria-labelledby=\"%s-title\"><h2 "
                           "id=\"%s-title\">%s</h2>",
                           id, id, id, title);
}

static void begin_table(GString *out, const Column *columns, gsize count)
{
    g_string_append(out, TABLE "<thead role=\"rowgroup\">" ROW);
    for (gsize i = 0; i < count; i++)
        g_string_append_printf(out, "<th role=\"columnheader\" scope=\"col\" class=\"%s\">%s</th>",
                               columns[i].class, columns[i].title);
    g_string_append(out, "</tr></thead>" ROWS);
}

static void end_table(GString *out)
{
    g_string_append(out, "</tbody></table></section>");
}

static void begin_cell(GString *out, const Column *column)
{
    g_string_append_printf(out, "<td role=\"cell\" class=\"%s\" data-label=\"%s\">", column->class,
                           column->title);
}

static void append_text_cell(GString *out, const Column *column, const char *text, gsize limit)
{
    begin_cell(out, column);
    if (text != NULL && text[0] != '\0')
        postern_page_append_text(out, text, limit);
    g_string_append(out, "</td>");
}

static void append_number_cell(GString *out, const Column *column, guint64 number)
{
    begin_cell(out, column);
    append_number(out, number);
    g_string_append(out, "</td>");
}

/* A row of a counter: who is told has the section begun with the first of them. */
typedef struct {
    GString *out;
    const char *name; /* of the counters wanted */
    const Column *columns;
    guint rows;
} CounterRows;

static void append_counter(const char *name, const char *label, guint64 sum, gpointer user_data)
{
    CounterRows *rows = user_data;
    if (!g_str_equal(name, rows->name) || sum == 0)
        return;
    const char *colon = strchr(label, ':');
    g_autofree char *first = colon != NULL ? g_strndup(label, (gsize)(colon - label)) : g_strdup(label);
    rows->rows++;
    g_string_append(rows->out, ROW "<th role=\"rowheader\" scope=\"row\">");
    postern_page_append_text(rows->out, first, VALUE_CHARACTERS);
    g_string_append(rows->out, "</th>");
    if (colon != NULL)
        append_text_cell(rows->out, &rows->columns[1], colon + 1, VALUE_CHARACTERS);
    append_number_cell(rows->out, &rows->columns[colon != NULL ? 2 : 1], sum);
    g_string_append(rows->out, "</tr>");
}

void postern_page_append_observed(GString *out, const PosternPageFacts *facts)
{
    static const Column columns[] = {{"What enforcing would have done", "word"}, {"Messages", "number"}};
    CounterRows rows = {out, "observed", columns, 0};
    gsize before = out->len;
    begin_section(out, "observed", "What observing found");
    g_string_append(
        out,
        "<p class=\"small\">Messages that passed, or met less than policy says, since the start. "
        "With <code>[capsule] which = all</code>, <code>postern-scan --replay</code> judges kept messages "
        "again under another policy; <code>postern-log --summary</code> lists them.</p>");
    begin_table(out, columns, G_N_ELEMENTS(columns));
    postern_counters_each(facts->counters, append_counter, &rows);
    end_table(out);
    if (rows.rows > 0 || facts->status->observes)
        return;
    g_string_truncate(out, before);
    g_string_append(out, "<div id=\"observed\" data-fresh></div>");
}

static const char *word_of(const PosternLogFields *fields, const char **ret_class)
{
    static const struct {
        const char *action, *word, *class;
    } words[] = {
        {"reject", "refused", "bad"},
        {"tempfail", "deferred", "warn"},
        {"quarantine", "held", "warn"},
        {"discard", "discarded", "bad"},
    };
    const char *action = postern_log_fields_get(fields, "action");
    *ret_class = "bad";
    if (g_str_equal(fields->kind, "recipient"))
        return "recipient refused";
    if (g_str_equal(fields->kind, "sender"))
        return "sender refused";
    if (g_str_equal(fields->kind, "login"))
        return "login failed";
    for (gsize i = 0; action != NULL && i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(words[i].action, action)) {
            *ret_class = words[i].class;
            return words[i].word;
        }
    *ret_class = "warn";
    return postern_log_fields_get(fields, "would") != NULL ? "would be refused" : "not delivered";
}

static const char *first_of(const PosternLogFields *fields, const char *const *keys)
{
    const char *value = NULL;
    for (; *keys != NULL && value == NULL; keys++)
        value = postern_log_fields_get(fields, *keys);
    return value;
}

static const Column refusal_columns[] = {{"Time and id", "small"}, {"What", "word"}, {"Client", ""},
                                         {"From", "wide"},         {"To", "wide"},   {"Why", "wide"}};

/* The newest are there at once, the others when they are asked for. */
typedef struct {
    GString *out;
    guint rows;
} RefusalRows;

static void append_refusal(gint64 time, const char *text, gpointer user_data)
{
    static const char *const ids[] = {"message", "session", NULL};
    static const char *const reasons[] = {"would_reply", "reply", "failure", "problem", NULL};
    static const char *const senders[] = {"from", "user", NULL};
    RefusalRows *rows = user_data;
    GString *out = rows->out;
    const char *class = NULL;
    g_autoptr(PosternLogFields) fields = postern_log_fields_parse(text, strlen(text));
    g_autoptr(GDateTime) moment = g_date_time_new_from_unix_local(time / G_USEC_PER_SEC);
    if (fields == NULL || moment == NULL)
        return;
    g_autofree char *shown = g_date_time_format(moment, "%H:%M:%S");
    const char *word = word_of(fields, &class);
    const char *check = postern_log_fields_get(fields, "check");
    const char *id = first_of(fields, ids);
    const Column *column = refusal_columns;
    if (rows->rows++ == REFUSALS_AT_ONCE) {
        g_string_append(out, "</tbody></table><details><summary>Earlier ones</summary>");
        begin_table(out, refusal_columns, G_N_ELEMENTS(refusal_columns));
    }
    g_string_append(out, ROW);
    begin_cell(out, column++);
    g_string_append_printf(out, "%s <span class=\"code id\">", shown);
    postern_page_append_text(out, id != NULL ? id : "", VALUE_CHARACTERS);
    g_string_append(out, "</span></td>");
    begin_cell(out, column++);
    g_string_append_printf(out, "<span class=\"badge %s\">%s</span></td>", class, word);
    append_text_cell(out, column++, postern_log_fields_get(fields, "client"), VALUE_CHARACTERS);
    append_text_cell(out, column++, first_of(fields, senders), VALUE_CHARACTERS);
    append_text_cell(out, column++, postern_log_fields_get(fields, "to"), VALUE_CHARACTERS);
    begin_cell(out, column);
    const char *reason = first_of(fields, reasons);
    postern_page_append_text(out, reason != NULL ? reason : "", REPLY_CHARACTERS);
    if (check != NULL) {
        g_string_append(out, " <span class=\"small\">by ");
        postern_page_append_text(out, check, VALUE_CHARACTERS);
        g_string_append(out, "</span>");
    }
    g_string_append(out, "</td></tr>");
}

void postern_page_append_refusals(GString *out, const PosternCounters *counters)
{
    begin_section(out, "refusals", "Recent refusals");
    gsize before = out->len;
    RefusalRows rows = {out, 0};
    begin_table(out, refusal_columns, G_N_ELEMENTS(refusal_columns));
    postern_counters_recall(counters, append_refusal, &rows);
    if (rows.rows > 0) {
        g_string_append(out, rows.rows > REFUSALS_AT_ONCE ? "</tbody></table></details></section>"
                                                          : "</tbody></table></section>");
        return;
    }
    g_string_truncate(out, before);
    g_string_append(out, "<p class=\"none\">None since the start.</p></section>");
}

void postern_page_append_clients(GString *out, const GPtrArray *clients)
{
    static const Column columns[] = {
        {"Client", ""},          {"Points", "number"},   {"What is known of it", "wide"},
        {"Connected", "number"}, {"Messages", "number"}, {"Refused recipients", "number"}};
    begin_section(out, "clients", "Clients that stand out");
    if (clients->len == 0) {
        g_string_append(out, "<p class=\"none\">None is known.</p></section>");
        return;
    }
    begin_table(out, columns, G_N_ELEMENTS(columns));
    for (guint i = 0; i < clients->len; i++) {
        const PosternStatusClient *client = g_ptr_array_index(clients, i);
        g_string_append(out, ROW "<th role=\"rowheader\" scope=\"row\">");
        postern_page_append_text(out, client->client, VALUE_CHARACTERS);
        g_string_append(out, "</th>");
        append_number_cell(out, &columns[1], client->points);
        begin_cell(out, &columns[2]);
        if (client->blocked_seconds > 0) {
            g_string_append(out, "<span class=\"badge bad\">blocked for ");
            postern_page_append_duration(out, client->blocked_seconds);
            g_string_append(out, "</span> ");
        }
        postern_page_append_text(out, client->reasons[0] != '\0' ? client->reasons : "nothing",
                                 REPLY_CHARACTERS);
        g_string_append(out, "</td>");
        append_number_cell(out, &columns[3], client->connections);
        append_number_cell(out, &columns[4], client->messages);
        append_number_cell(out, &columns[5], client->refused);
        g_string_append(out, "</tr>");
    }
    end_table(out);
}

void postern_page_append_servers(GString *out, const GPtrArray *servers)
{
    static const Column columns[] = {
        {"Server", ""},        {"Group", ""},        {"Health", "word"}, {"Connections", "number"},
        {"At most", "number"}, {"Weight", "number"}, {"Problem", "wide"}};
    begin_section(out, "servers", "Mail servers");
    begin_table(out, columns, G_N_ELEMENTS(columns));
    for (guint i = 0; i < servers->len; i++) {
        const PosternStatusServer *server = g_ptr_array_index(servers, i);
        const char *class = server->drained                       ? "warn"
                            : g_str_equal(server->health, "up")   ? "good"
                            : g_str_equal(server->health, "down") ? "bad"
                                                                  : "warn";
        g_string_append(out, ROW "<th role=\"rowheader\" scope=\"row\">");
        postern_page_append_text(out, server->name, VALUE_CHARACTERS);
        g_string_append(out, "</th>");
        append_text_cell(out, &columns[1], server->group, VALUE_CHARACTERS);
        begin_cell(out, &columns[2]);
        const char *state = server->drained ? (server->used > 0 ? "draining" : "drained") : server->health;
        g_string_append_printf(out, "<span class=\"badge %s\">%s</span></td>", class, state);
        append_number_cell(out, &columns[3], server->used);
        append_number_cell(out, &columns[4], server->limit);
        append_number_cell(out, &columns[5], server->weight);
        append_text_cell(out, &columns[6], server->reason, REPLY_CHARACTERS);
        g_string_append(out, "</tr>");
    }
    end_table(out);
}

void postern_page_append_verdicts(GString *out, const PosternCounters *counters)
{
    static const Column columns[] = {{"Check", ""}, {"Result", ""}, {"Messages", "number"}};
    CounterRows rows = {out, "verdicts", columns, 0};
    begin_section(out, "verdicts", "What checks found");
    gsize before = out->len;
    begin_table(out, columns, G_N_ELEMENTS(columns));
    postern_counters_each(counters, append_counter, &rows);
    if (rows.rows > 0) {
        end_table(out);
        return;
    }
    g_string_truncate(out, before);
    g_string_append(out, "<p class=\"none\">No message was checked since the start.</p></section>");
}

/* The bound of the bucket that the part of all is in. */
static void append_quantile(GString *out, const Column *column, const PosternLatencySum *sum, double part)
{
    guint64 all = 0, so_far = 0;
    guint bucket = 0;
    for (guint i = 0; i <= POSTERN_LATENCY_BUCKETS; i++)
        all += sum->buckets[i];
    for (; bucket < POSTERN_LATENCY_BUCKETS; bucket++) {
        so_far += sum->buckets[bucket];
        if ((double)so_far >= part * (double)all)
            break;
    }
    guint bound = postern_latency_bounds_ms[MIN(bucket, POSTERN_LATENCY_BUCKETS - 1)];
    begin_cell(out, column);
    g_string_append(out, bucket == POSTERN_LATENCY_BUCKETS ? "&gt; " : "≤ ");
    postern_page_append_duration(out, bound / 1000.0);
    g_string_append(out, "</td>");
}

void postern_page_append_latencies(GString *out, const PosternCounters *counters)
{
    static const Column columns[] = {
        {"What", ""}, {"Times", "number"}, {"Half of them", "number"}, {"95 %", "number"}};
    static const char *const titles[POSTERN_LATENCIES] = {
        [POSTERN_LATENCY_CONNECT] = "Connecting to a mail server",
        [POSTERN_LATENCY_FIRST_REPLY] = "Until the greeting",
        [POSTERN_LATENCY_POOL_WAIT] = "Waiting for a connection",
        [POSTERN_LATENCY_VERDICT] = "Verdict",
        [POSTERN_LATENCY_SERVER] = "Mail server’s answer",
        [POSTERN_LATENCY_MESSAGE] = "Whole message",
        [POSTERN_LATENCY_DNS] = "DNS question",
    };
    guint shown = 0;
    begin_section(out, "latencies", "How long it takes");
    gsize before = out->len;
    begin_table(out, columns, G_N_ELEMENTS(columns));
    for (guint i = 0; i < POSTERN_LATENCIES; i++) {
        PosternLatencySum sum;
        guint64 count = 0;
        postern_counters_latency(counters, i, &sum);
        for (guint j = 0; j <= POSTERN_LATENCY_BUCKETS; j++)
            count += sum.buckets[j];
        if (count == 0)
            continue;
        shown++;
        g_string_append_printf(out, ROW "<th role=\"rowheader\" scope=\"row\">%s</th>", titles[i]);
        append_number_cell(out, &columns[1], count);
        append_quantile(out, &columns[2], &sum, 0.5);
        append_quantile(out, &columns[3], &sum, 0.95);
        g_string_append(out, "</tr>");
    }
    if (shown > 0) {
        end_table(out);
        return;
    }
    g_string_truncate(out, before);
    g_string_append(out, "<p class=\"none\">Nothing was measured since the start.</p></section>");
}
