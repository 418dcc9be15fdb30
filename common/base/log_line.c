#include "base/log.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

struct PosternLogLine {
    GString *text;
};

PosternLogLine *postern_log_line_new(const char *kind)
{
    PosternLogLine *line = g_new0(PosternLogLine, 1);
    line->text = g_string_new(kind);
    return line;
}

void postern_log_line_free(PosternLogLine *line)
{
    if (line == NULL)
        return;
    g_string_free(line->text, TRUE);
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

void postern_log_line_add(PosternLogLine *line, const char *key, const char *value)
{
    if (value == NULL)
        return;
    gboolean quotes = needs_quotes(value);
    g_string_append_printf(line->text, quotes ? " %s=\"" : " %s=", key);
    postern_escape_append(line->text, value, strlen(value), POSTERN_LOG_VALUE_MAX_OCTETS);
    if (quotes)
        g_string_append_c(line->text, '"');
}

void postern_log_line_add_number(PosternLogLine *line, const char *key, gint64 value)
{
    g_string_append_printf(line->text, " %s=%" G_GINT64_FORMAT, key, value);
}

const char *postern_log_line_text(const PosternLogLine *line)
{
    return line->text->str;
}

void postern_log_line_write(PosternLogLine *line, PosternLogLevel level)
{
    postern_log(level, "%s", line->text->str);
    postern_log_line_free(line);
}
