#include "base/configuration_scan.h"

#include <string.h>

typedef struct {
    PosternDiagnostics *diagnostics;
    GString *kept;     /* what GKeyFile gets to read */
    GHashTable *lines; /* "GROUP\nKEY" -> the line that it stands in first */
    char *group;       /* NULL: none yet, or one whose name cannot be read */
    gboolean lost;     /* keys cannot be told from one another until the next group */
    guint number;
} Scan;

static gboolean is_group_name(const char *name)
{
    for (const char *octet = name; *octet != '\0'; octet++)
        if (*octet == '[' || *octet == ']' || g_ascii_iscntrl(*octet))
            return FALSE;
    return *name != '\0';
}

static gboolean is_key_name(const char *name)
{
    for (const char *octet = name; *octet != '\0'; octet++)
        if (!g_ascii_isalnum(*octet) && *octet != '_' && *octet != '-')
            return FALSE;
    return *name != '\0';
}

static void scan_group(Scan *scan, char *line)
{
    gsize length = strlen(line);
    gboolean closed = line[length - 1] == ']';

    g_clear_pointer(&scan->group, g_free);
    if (closed)
        line[length - 1] = '\0';
    scan->lost = !closed || !is_group_name(line + 1);
    if (scan->lost) {
        postern_diagnostics_add_line(scan->diagnostics, scan->number, "'%s' is not a group: write [NAME]",
                                     line);
        return;
    }
    scan->group = g_strdup(line + 1);
    g_string_append_printf(scan->kept, "[%s]\n", scan->group);
}

static void scan_key(Scan *scan, const char *key, const char *value)
{
    if (scan->lost)
        return;
    if (!is_key_name(key)) {
        postern_diagnostics_add_line(scan->diagnostics, scan->number, "'%s' is not a key: write KEY = VALUE",
                                     key);
        return;
    }
    if (scan->group == NULL) {
        postern_diagnostics_add_line(
            scan->diagnostics, scan->number,
            "'%s' stands before the first group: put it below a line such as [proxy]", key);
        return;
    }
    g_autofree char *name = g_strdup_printf("%s\n%s", scan->group, key);
    guint first = GPOINTER_TO_UINT(g_hash_table_lookup(scan->lines, name));
    if (first != 0) {
        postern_diagnostics_add(scan->diagnostics, scan->group, key,
                                "stands in line %u and again in line %u: keep one", first, scan->number);
        return;
    }
    g_hash_table_insert(scan->lines, g_steal_pointer(&name), GUINT_TO_POINTER(scan->number));
    g_string_append_printf(scan->kept, "%s=%s\n", key, value);
}

static void scan_line(Scan *scan, char *line)
{
    g_strstrip(line);
    if (*line == '\0' || *line == '#')
        return;
    if (*line == '[') {
        scan_group(scan, line);
        return;
    }
    char *equals = strchr(line, '=');
    if (equals == NULL || *line == ';') {
        postern_diagnostics_add_line(scan->diagnostics, scan->number,
                                     "'%s' is not [GROUP], KEY = VALUE or a # comment on a line of its own",
                                     line);
        return;
    }
    *equals = '\0';
    scan_key(scan, g_strchomp(line), g_strchug(equals + 1));
}

GKeyFile *postern_configuration_scan(const char *text, gsize length, PosternDiagnostics *diagnostics)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    g_autoptr(GString) kept = g_string_new(NULL);
    g_autoptr(GHashTable) lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Scan scan = {.diagnostics = diagnostics, .kept = kept, .lines = lines};

    const char *end = text + length;
    if (length >= 3 && memcmp(text, byte_order_mark, 3) == 0)
        text += 3;
    while (text < end) {
        const char *line_end = memchr(text, '\n', (gsize)(end - text));
        if (line_end == NULL)
            line_end = end;
        g_autofree char *line = g_strndup(text, (gsize)(line_end - text));
        scan.number++;
        scan_line(&scan, line);
        text = line_end + 1;
    }
    g_free(scan.group);

    GKeyFile *file = g_key_file_new();
    g_autoptr(GError) reason = NULL;
    if (!g_key_file_load_from_data(file, kept->str, kept->len, G_KEY_FILE_NONE, &reason))
        postern_diagnostics_add(diagnostics, NULL, NULL, "%s", reason->message);
    return file;
}
