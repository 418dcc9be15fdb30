#include "base/configuration_diagnostics.h"

#include "base/error.h"
#include "base/limits.h"

struct PosternDiagnostics {
    const char *name;
    GString *lines;
    guint count;
};

PosternDiagnostics *postern_diagnostics_new(const char *name)
{
    PosternDiagnostics *diagnostics = g_new0(PosternDiagnostics, 1);
    diagnostics->name = name;
    diagnostics->lines = g_string_new(NULL);
    return diagnostics;
}

void postern_diagnostics_free(PosternDiagnostics *diagnostics)
{
    if (diagnostics == NULL)
        return;
    g_string_free(diagnostics->lines, TRUE);
    g_free(diagnostics);
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
static gboolean start_line(PosternDiagnostics *diagnostics)
{
    if (diagnostics->count++ >= POSTERN_CONFIGURATION_DIAGNOSTICS_MAX)
        return FALSE;
    g_string_append_printf(diagnostics->lines, "%s%s: ", diagnostics->lines->len > 0 ? "\n" : "",
                           diagnostics->name);
    return TRUE;
}

void postern_diagnostics_add(PosternDiagnostics *diagnostics, const char *group, const char *key,
                             const char *format, ...)
{
    if (!start_line(diagnostics))
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    GString *lines = diagnostics->lines;
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

void postern_diagnostics_add_line(PosternDiagnostics *diagnostics, guint number, const char *format, ...)
{
    if (!start_line(diagnostics))
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    g_string_append_printf(diagnostics->lines, "line %u: ", number);
    append(diagnostics->lines, what, POSTERN_LOG_VALUE_MAX_OCTETS);
}

guint postern_diagnostics_count(const PosternDiagnostics *diagnostics)
{
    return diagnostics->count;
}

gboolean postern_diagnostics_none(const PosternDiagnostics *diagnostics, GError **error)
{
    if (diagnostics->count == 0)
        return TRUE;
    g_autofree char *more = NULL;
    if (diagnostics->count > POSTERN_CONFIGURATION_DIAGNOSTICS_MAX)
        more = g_strdup_printf("\n%s: and %u mistakes more", diagnostics->name,
                               diagnostics->count - POSTERN_CONFIGURATION_DIAGNOSTICS_MAX);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "%s%s", diagnostics->lines->str,
                more != NULL ? more : "");
    return FALSE;
}
