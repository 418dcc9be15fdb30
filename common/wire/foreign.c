#include "wire/foreign.h"

#include <string.h>

#include "base/span.h"

/* RFC 9110 9.3, RFC 5789, and the first line of HTTP/2 (RFC 9113 3.4). */
static const char *const methods[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                      "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"};

static gboolean is_method(const char *word, gsize length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++)
        if (strlen(methods[i]) == length && g_ascii_strncasecmp(word, methods[i], length) == 0)
            return TRUE;
    return FALSE;
}

/* HTTP-version = "HTTP/" DIGIT "." DIGIT, as the last word. */
static gboolean ends_in_version(const char *line, gsize length)
{
    static const char version[] = " HTTP/";
    gsize name = strlen(version);
    if (length < name + 3)
        return FALSE;
    const char *at = line + length - name - 3;
    return g_ascii_strncasecmp(at, version, name) == 0 && g_ascii_isdigit(at[name]) && at[name + 1] == '.' &&
           g_ascii_isdigit(at[name + 2]);
}

/* RFC 5322 2.2, and 4.5 for the blanks before the colon. */
static gboolean is_field(const char *line, gsize length)
{
    gsize at = 0;
    while (at < length && line[at] > ' ' && line[at] <= '~' && line[at] != ':')
        at++;
    gsize name = at;
    while (at < length && postern_is_blank(line[at]))
        at++;
    return name > 0 && at < length && line[at] == ':';
}

gboolean postern_line_is_request(const char *line, gsize length)
{
    gsize word = 0;
    while (word < length && !postern_is_blank(line[word]))
        word++;
    return is_method(line, word) || ends_in_version(line, length);
}

gboolean postern_line_is_foreign(const char *line, gsize length)
{
    if (length == 0 || postern_is_blank(line[0]))
        return FALSE;
    return !g_ascii_isalpha(line[0]) || postern_line_is_request(line, length) || is_field(line, length);
}
