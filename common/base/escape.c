#include "base/escape.h"

#include <string.h>

static gboolean is_printable(guchar octet)
{
    return octet >= 0x20 && octet <= 0x7e;
}

void postern_escape_append(GString *out, const char *text, gsize length, gsize maximum)
{
    static const char digits[] = "0123456789abcdef";

    if (text == NULL)
        return;
    gsize taken = MIN(length, maximum);
    for (gsize i = 0; i < taken; i++) {
        guchar octet = (guchar)text[i];
        if (octet == '\\' || octet == '"') {
            g_string_append_c(out, '\\');
            g_string_append_c(out, (char)octet);
        } else if (is_printable(octet)) {
            g_string_append_c(out, (char)octet);
        } else {
            g_string_append_len(out, "\\x", 2);
            g_string_append_c(out, digits[octet >> 4]);
            g_string_append_c(out, digits[octet & 0x0f]);
        }
    }
    if (taken < length)
        g_string_append_len(out, "...", 3);
}

char *postern_escape(const char *text, gsize length, gsize maximum)
{
    GString *out = g_string_sized_new(MIN(length, maximum) + 4);
    postern_escape_append(out, text, length, maximum);
    return g_string_free(out, FALSE);
}

char *postern_escape_for_reply(char *text)
{
    for (char *octet = text; octet != NULL && *octet != '\0'; octet++)
        if (!is_printable((guchar)*octet))
            *octet = '?';
    return text;
}

char *postern_escape_for_header(char *text)
{
    for (char *word = postern_escape_for_reply(text); word != NULL && (word = strstr(word, "=?")) != NULL;)
        *word = '?';
    return text;
}
