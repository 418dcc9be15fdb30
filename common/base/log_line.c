#include "base/log.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

#define TEXT_MAX_OCTETS (POSTERN_LOG_LINE_MAX_OCTETS - POSTERN_LOG_PREFIX_MAX_OCTETS)
#define VALUE_MIN_OCTETS 16 /* what of a value stays at the least */
#define CUT "..."

typedef struct {
    char *key;
    char *value; /* escaped */
    gsize length;
    gboolean quotes;
    guint rank;
} Pair;

struct PosternLogLine {
    char *kind;
    char *repeats; /* the key of postern_log_line_repeats(), or NULL */
    GArray *pairs;
    GString *text;
};

/* What decides is read first, and is there too if something on the way cuts long lines. */
static const char *const first_keys[] = {
    "session", "message", "client", "relay", "peer", "action", "check",  "delivery", "virus",   "would",
    "ended",   "spf",     "dkim",   "dmarc", "arc",  "class",  "policy", "queue",    "failure", "problem",
};

static guint rank_of(const char *key)
{
    guint rank = 0;
    while (rank < G_N_ELEMENTS(first_keys) && strcmp(first_keys[rank], key) != 0)
        rank++;
    return rank;
}

static void pair_clear(gpointer data)
{
    Pair *pair = data;
    g_free(pair->key);
    g_free(pair->value);
}

PosternLogLine *postern_log_line_new(const char *kind)
{
    PosternLogLine *line = g_new0(PosternLogLine, 1);
    line->kind = g_strdup(kind);
    line->pairs = g_array_new(FALSE, TRUE, sizeof(Pair));
    g_array_set_clear_func(line->pairs, pair_clear);
    line->text = g_string_new(NULL);
    return line;
}

void postern_log_line_free(PosternLogLine *line)
{
    if (line == NULL)
        return;
    g_string_free(line->text, TRUE);
    g_array_unref(line->pairs);
    g_free(line->repeats);
    g_free(line->kind);
    g_free(line);
}

static gboolean needs_quotes(const char *value)
{
    if (*value == '\0')
        return TRUE;
    for (; *value != '\0'; value++)
        if (!g_ascii_isgraph(*value) || *value == '"' || *value == '\\' || *value == '=')
            return TRUE;
    return FALSE;
}

/* Behind all pairs of the same or a lower rank. */
static void insert(PosternLogLine *line, Pair pair)
{
    guint place = line->pairs->len;
    while (place > 0 && g_array_index(line->pairs, Pair, place - 1).rank > pair.rank)
        place--;
    g_array_insert_val(line->pairs, place, pair);
}

void postern_log_line_add(PosternLogLine *line, const char *key, const char *value)
{
    if (value == NULL)
        return;
    GString *escaped = g_string_new(NULL);
    postern_escape_append(escaped, value, strlen(value), POSTERN_LOG_VALUE_MAX_OCTETS);
    Pair pair = {.key = g_strdup(key), .quotes = needs_quotes(value), .rank = rank_of(key)};
    pair.length = escaped->len;
    pair.value = g_string_free(escaped, FALSE);
    insert(line, pair);
}

void postern_log_line_add_number(PosternLogLine *line, const char *key, gint64 value)
{
    char text[32];
    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, value);
    Pair pair = {.key = g_strdup(key), .value = g_strdup(text), .length = strlen(text), .rank = rank_of(key)};
    insert(line, pair);
}

/* The octets that a line has whose values are cut to limit each. */
static gsize length_with(const PosternLogLine *line, gsize limit)
{
    gsize length = strlen(line->kind);
    for (guint i = 0; i < line->pairs->len; i++) {
        const Pair *pair = &g_array_index(line->pairs, Pair, i);
        length += 1 + strlen(pair->key) + 1 + (pair->quotes ? 2 : 0) + MIN(pair->length, limit);
    }
    return length;
}

/* The longest that values may be: the longest are cut, the short ones, which decide, are not. */
static gsize value_limit(const PosternLogLine *line)
{
    gsize low = VALUE_MIN_OCTETS;
    gsize high = TEXT_MAX_OCTETS;
    while (low < high) {
        gsize middle = (low + high + 1) / 2;
        if (length_with(line, middle) <= TEXT_MAX_OCTETS)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Never inside an escape. */
static void append_cut(GString *out, const Pair *pair, gsize limit)
{
    gsize room = limit - strlen(CUT);
    gsize taken = 0;
    while (taken < room) {
        gsize step = 1;
        if (pair->value[taken] == '\\')
            step = pair->value[taken + 1] == 'x' ? 4 : 2;
        if (taken + step > room)
            break;
        taken += step;
    }
    g_string_append_len(out, pair->value, (gssize)taken);
    g_string_append(out, CUT);
}

static void append_pair(GString *out, const Pair *pair, gsize limit)
{
    g_string_append_printf(out, " %s=%s", pair->key, pair->quotes ? "\"" : "");
    if (pair->length <= limit)
        g_string_append_len(out, pair->value, (gssize)pair->length);
    else
        append_cut(out, pair, limit);
    if (pair->quotes)
        g_string_append_c(out, '"');
}

const char *postern_log_line_text(PosternLogLine *line)
{
    gsize limit = value_limit(line);
    g_string_assign(line->text, line->kind);
    for (guint i = 0; i < line->pairs->len; i++) {
        gsize before = line->text->len;
        append_pair(line->text, &g_array_index(line->pairs, Pair, i), limit);
        if (line->text->len > TEXT_MAX_OCTETS) { /* so many keys: whole pairs go, the last first */
            g_string_truncate(line->text, before);
            break;
        }
    }
    return line->text->str;
}

void postern_log_line_repeats(PosternLogLine *line, const char *key)
{
    g_free(line->repeats);
    line->repeats = g_strdup(key);
}

void postern_log_line_write(PosternLogLine *line, PosternLogLevel level)
{
    if (line != NULL && postern_log_enabled(level)) {
        const char *text = postern_log_line_text(line);
        if (line->repeats != NULL)
            postern_log_unless_repeated(level, line->repeats, text);
        else
            postern_log(level, "%s", text);
    }
    postern_log_line_free(line);
}
