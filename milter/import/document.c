#include <string.h>

#include "milter/import/import.h"

static gboolean is_said(const PosternImportRow *row)
{
    return row->kind != POSTERN_IMPORT_NEEDLESS;
}

/* Words that stand for others, those alone that are not the same. */
static void add_words(GString *page, const char *text)
{
    g_auto(GStrv) pairs = g_strsplit(text, " ", -1);
    const char *between = " (";
    for (char **pair = pairs; *pair != NULL; pair++) {
        g_auto(GStrv) words = g_strsplit(*pair, "=", 2);
        if (g_ascii_strcasecmp(words[0], words[1]) == 0)
            continue;
        g_string_append_printf(page, "%s%s: %s", between, words[0], words[1]);
        between = ", ";
    }
    g_string_append(page, *between == ',' ? ")\n" : "\n");
}

/* A reason that is where else to look stands alone. */
static void add_note(GString *page, const char *text)
{
    g_string_append_printf(page, "%s%s\n", g_str_has_prefix(text, "see ") ? "" : "none: ", text);
}

/* Neighbours with one reason share a row. */
static gboolean is_joined(const PosternImportRow *row, const PosternImportRow *next)
{
    return row->kind == POSTERN_IMPORT_NOTE && next->kind == POSTERN_IMPORT_NOTE &&
           strcmp(row->text, next->text) == 0;
}

static void add_row(GString *page, const PosternImportRow *row)
{
    if (row->kind == POSTERN_IMPORT_NOTE)
        add_note(page, row->text);
    else if (row->kind == POSTERN_IMPORT_SOCKET)
        g_string_append(page, "[milter] socket (the mail server is told ours)\n");
    else {
        g_string_append_printf(page, "[%s] %s", row->group, row->option);
        add_words(page, row->kind == POSTERN_IMPORT_MAP ? row->text : "");
    }
}

static void add_needless(GString *page, const PosternImportRow *rows, gsize length)
{
    const char *between = "Not needed:\n.Cm ";
    for (gsize i = 0; i < length; i++)
        if (!is_said(&rows[i])) {
            g_string_append_printf(page, "%s%s", between, rows[i].key);
            between = " ,\n.Cm ";
        }
    g_string_append(page, *between == ' ' ? " .\n" : "");
}

static gsize widest(const PosternImportRow *rows, gsize length)
{
    gsize width = 0;
    for (gsize i = 0; i < length; i++)
        width = is_said(&rows[i]) ? MAX(width, MIN(strlen(rows[i].key), 22)) : width;
    return width;
}

static void add_program(GString *page, const PosternImportRow *rows, gsize length)
{
    g_autofree char *width = g_strnfill(widest(rows, length), 'x');
    g_autofree char *title = g_ascii_strup(rows->program, -1);
    g_string_append_printf(page, ".Sh %s\n.Bl -column \"%s\" \"xx\"\n", title, width);
    for (gsize i = 0; i < length; i++) {
        if (!is_said(&rows[i]))
            continue;
        g_string_append_printf(page, ".It Cm %s", rows[i].key);
        for (; i + 1 < length && is_joined(&rows[i], &rows[i + 1]); i++)
            g_string_append_printf(page, " , %s", rows[i + 1].key);
        g_string_append(page, " Ta ");
        add_row(page, &rows[i]);
    }
    g_string_append(page, ".El\n.Pp\n");
    add_needless(page, rows, length);
}

char *postern_import_document(void)
{
    gsize length;
    const PosternImportRow *rows = postern_import_rows(&length);
    g_autoptr(GString) page = g_string_new(NULL);
    for (gsize first = 0, next; first < length; first = next) {
        for (next = first; next < length && strcmp(rows[next].program, rows[first].program) == 0; next++)
            ;
        add_program(page, rows + first, next - first);
    }
    return g_string_free(g_steal_pointer(&page), FALSE);
}
