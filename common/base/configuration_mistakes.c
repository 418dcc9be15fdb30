#include "base/configuration_mistakes.h"

#include "base/error.h"
#include "base/limits.h"

struct PosternMistakes {
    const char *name;
    GString *lines;
    guint count;
};

PosternMistakes *postern_mistakes_new(const char *name)
{
    PosternMistakes *mistakes = g_new0(PosternMistakes, 1);
    mistakes->name = name;
    mistakes->lines = g_string_new(NULL);
    return mistakes;
}

void postern_mistakes_free(PosternMistakes *mistakes)
{
    if (mistakes == NULL)
        return;
    g_string_free(mistakes->lines, TRUE);
    g_free(mistakes);
}

/* As postern_escape_append, but a quote or backslash, harmless on a line of its own, stays readable. */
static void append(GString *out, const char *text, gsize maximum)
{
    gsize taken = 0;
    for (; text[taken] != '\0' && taken < maximum; taken++) {
        guchar octet = (guchar)text[taken];
        if (octet >= 0x20 && octet <= 0x7e)
            g_string_append_c(out, (char)octet);
        else
            g_string_append_printf(out, "\\x%02x", octet);
    }
    if (text[taken] != '\0')
        g_string_append(out, "...");
}

/* Starts the next line, or tells that there is no room for another. */
static gboolean start_line(PosternMistakes *mistakes)
{
    if (mistakes->count++ >= POSTERN_CONFIGURATION_MISTAKES_MAX)
        return FALSE;
    g_string_append_printf(mistakes->lines, "%s%s: ", mistakes->lines->len > 0 ? "\n" : "", mistakes->name);
    return TRUE;
}

void postern_mistakes_add(PosternMistakes *mistakes, const char *group, const char *key, const char *format,
                          ...)
{
    if (!start_line(mistakes))
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    GString *lines = mistakes->lines;
    if (group != NULL) {
        g_string_append_c(lines, '[');
        append(lines, group, POSTERN_CONFIGURATION_NAME_MAX_OCTETS);
        g_string_append(lines, key != NULL ? "] " : "]: ");
    }
    if (key != NULL) {
        append(lines, key, POSTERN_CONFIGURATION_NAME_MAX_OCTETS);
        g_string_append(lines, ": ");
    }
    append(lines, what, POSTERN_LOG_VALUE_MAX_OCTETS);
}

void postern_mistakes_add_line(PosternMistakes *mistakes, guint number, const char *format, ...)
{
    if (!start_line(mistakes))
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    g_string_append_printf(mistakes->lines, "line %u: ", number);
    append(mistakes->lines, what, POSTERN_LOG_VALUE_MAX_OCTETS);
}

guint postern_mistakes_count(const PosternMistakes *mistakes)
{
    return mistakes->count;
}

gboolean postern_mistakes_none(const PosternMistakes *mistakes, GError **error)
{
    if (mistakes->count == 0)
        return TRUE;
    g_autofree char *more = NULL;
    if (mistakes->count > POSTERN_CONFIGURATION_MISTAKES_MAX)
        more = g_strdup_printf("\n%s: and %u mistakes more", mistakes->name,
                               mistakes->count - POSTERN_CONFIGURATION_MISTAKES_MAX);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "%s%s", mistakes->lines->str,
                more != NULL ? more : "");
    return FALSE;
}
