#include "checks/sign/table.h"

#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/limits.h"

#define LABEL_MAX_OCTETS 63 /* RFC 1035 2.3.4 */
#define SHOWN_OCTETS 80

typedef struct {
    const char *name;
    guint line;
    GPtrArray *rows;
    GHashTable *keys;    /* set of char *: "SELECTOR._domainkey.DOMAIN" */
    GHashTable *domains; /* char * -> how many keys */
} Parser;

static void row_free(PosternSignRow *row)
{
    if (row == NULL)
        return;
    g_free(row->domain);
    g_free(row->selector);
    g_free(row->file);
    g_free(row);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternSignRow, row_free)

static gboolean refuse(const Parser *parser, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static gboolean refuse(const Parser *parser, GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "%s:%u: %s", parser->name, parser->line,
                             text);
}

static gboolean is_blank(char octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r';
}

static gboolean is_label(const char *label, gsize length)
{
    if (length == 0 || length > LABEL_MAX_OCTETS || label[0] == '-' || label[length - 1] == '-')
        return FALSE;
    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isalnum(label[i]) && label[i] != '-')
            return FALSE;
    return TRUE;
}

/* The labels of a name of letters, digits and hyphens (RFC 6376 3.1); 0: it is none. */
static guint count_labels(const char *name)
{
    guint count = 0;
    for (const char *start = name;; count++) {
        const char *end = strchr(start, '.');
        gsize length = end != NULL ? (gsize)(end - start) : strlen(start);
        if (!is_label(start, length))
            return 0;
        if (end == NULL)
            return count + 1;
        start = end + 1;
    }
}

/* The next word of *line, or NULL; *line then stands behind it. */
static char *take_word(const char **line, const char *end)
{
    const char *start = *line;
    while (start < end && is_blank(*start))
        start++;
    const char *stop = start;
    while (stop < end && !is_blank(*stop))
        stop++;
    *line = stop;
    return stop > start ? g_strndup(start, (gsize)(stop - start)) : NULL;
}

/* The rest of the line without outer white space, or NULL. */
static char *take_rest(const char *line, const char *end)
{
    while (line < end && is_blank(*line))
        line++;
    while (end > line && is_blank(end[-1]))
        end--;
    return end > line ? g_strndup(line, (gsize)(end - line)) : NULL;
}

static const char *comment_of(const char *line, const char *end)
{
    for (const char *octet = line; octet < end; octet++)
        if (*octet == '#' && (octet == line || is_blank(octet[-1])))
            return octet;
    return end;
}

static gboolean check_names(const Parser *parser, const PosternSignRow *row, GError **error)
{
    g_autofree char *domain = postern_escape(row->domain, strlen(row->domain), SHOWN_OCTETS);
    g_autofree char *selector = postern_escape(row->selector, strlen(row->selector), SHOWN_OCTETS);
    if (count_labels(row->domain) < 2) {
        return refuse(
            parser, error,
            "'%s' is no domain: letters, digits and '-', with at least one dot between; other scripts "
            "in their xn-- form",
            domain);
    }
    if (count_labels(row->selector) == 0)
        return refuse(parser, error, "'%s' is no selector: letters, digits and '-', dots between", selector);
    if (strlen(row->selector) + strlen("._domainkey.") + strlen(row->domain) > POSTERN_DOMAIN_NAME_MAX_OCTETS)
        return refuse(parser, error, "%s._domainkey.%s is too long for a domain name", selector, domain);
    if (!g_path_is_absolute(row->file)) {
        g_autofree char *file = postern_escape(row->file, strlen(row->file), SHOWN_OCTETS);
        return refuse(parser, error, "'%s' is no absolute path: it has to begin with '/'", file);
    }
    return TRUE;
}

static gboolean check_counts(Parser *parser, const PosternSignRow *row, GError **error)
{
    g_autofree char *selector = g_ascii_strdown(row->selector, -1);
    if (parser->rows->len >= POSTERN_SIGN_KEYS_MAX)
        return refuse(parser, error, "more than %d keys", POSTERN_SIGN_KEYS_MAX);
    if (!g_hash_table_add(parser->keys, g_strdup_printf("%s._domainkey.%s", selector, row->domain)))
        return refuse(parser, error, "%s has selector %s already", row->domain, row->selector);
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(parser->domains, row->domain)) + 1;
    g_hash_table_insert(parser->domains, g_strdup(row->domain), GUINT_TO_POINTER(count));
    if (count > POSTERN_SIGN_FIELDS_MAX) {
        return refuse(parser, error,
                      "%s has more than %d keys: each message would carry a signature of every one",
                      row->domain, POSTERN_SIGN_FIELDS_MAX);
    }
    return TRUE;
}

static gboolean parse_line(Parser *parser, const char *line, const char *end, GError **error)
{
    if (memchr(line, '\0', (gsize)(end - line)) != NULL)
        return refuse(parser, error, "a NUL octet: this is no table of keys");
    end = comment_of(line, end);
    g_autofree char *domain = take_word(&line, end);
    if (domain == NULL)
        return TRUE;
    g_autoptr(PosternSignRow) row = g_new0(PosternSignRow, 1);
    row->line = parser->line;
    row->domain = g_ascii_strdown(domain, -1);
    row->selector = take_word(&line, end);
    row->file = take_rest(line, end);
    if (row->selector == NULL || row->file == NULL)
        return refuse(parser, error, "a line has three words: DOMAIN SELECTOR FILE");
    if (!check_names(parser, row, error) || !check_counts(parser, row, error))
        return FALSE;
    g_ptr_array_add(parser->rows, g_steal_pointer(&row));
    return TRUE;
}

GPtrArray *postern_sign_table_parse(const char *text, gsize length, const char *name, GError **error)
{
    Parser parser = {.name = name};
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)row_free);
    g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    parser.rows = rows;
    parser.keys = keys;
    parser.domains = domains;
    for (const char *line = text; line < text + length;) {
        const char *end = memchr(line, '\n', (gsize)(text + length - line));
        parser.line++;
        if (!parse_line(&parser, line, end != NULL ? end : text + length, error))
            return NULL;
        line = end != NULL ? end + 1 : text + length;
    }
    if (rows->len == 0) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "%s names no key: a line is DOMAIN SELECTOR FILE; without [sign] table nothing is signed",
                    name);
        return NULL;
    }
    return g_steal_pointer(&rows);
}
