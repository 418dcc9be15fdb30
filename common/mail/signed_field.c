#include "mail/signed_field.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"

/*
 * RFC 6376 5.4.1, and what makes one body look like another (Content-*, MIME-Version), the name that replies
 * refer to, and what RFC 8058 4 wants signed.
 */
static const char *const signed_names[] = {
    "From",
    "Sender",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "To",
    "Cc",
    "MIME-Version",
    "Content-Type",
    "Resent-Date",
    "Content-Transfer-Encoding",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "In-Reply-To",
    "References",
    "List-Id",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Post",
    "List-Owner",
    "List-Unsubscribe-Post",
    "List-Archive",
};

gboolean postern_signed_field_is(const PosternHeaderField *field)
{
    for (gsize i = 0; i < G_N_ELEMENTS(signed_names); i++)
        if (field->name_length == strlen(signed_names[i]) &&
            g_ascii_strncasecmp(field->name, signed_names[i], field->name_length) == 0)
            return TRUE;
    return FALSE;
}

/* The octets of the line that rest begins with, without its CRLF; *ret_length with it. */
static gsize line_octets(const char *rest, gsize length, gsize *ret_length)
{
    const char *end = rest;

    while ((end = memchr(end, '\r', length - (gsize)(end - rest))) != NULL) {
        if ((gsize)(end - rest) + 1 < length && end[1] == '\n') {
            *ret_length = (gsize)(end - rest) + 2;
            return (gsize)(end - rest);
        }
        end++;
    }
    *ret_length = length;
    return length;
}

gboolean postern_signed_field_is_long(const PosternHeaderField *field)
{
    gsize line = 0;
    gsize length = (gsize)(field->value - field->name) + field->value_length;

    for (gsize at = 0; at < length; at += line)
        if (line_octets(field->name + at, length - at, &line) > POSTERN_SIGN_LINE_MAX_OCTETS)
            return TRUE;
    return FALSE;
}

/* Where a line of length octets is broken before octet maximum: the last blank behind a word and before one.
 * 0: it cannot be. */
static gsize find_break(const char *line, gsize length, gsize maximum)
{
    gsize word_end = length;

    while (word_end > 0 && postern_is_blank(line[word_end - 1]))
        word_end--;
    for (gsize at = MIN(maximum, word_end); at > 0; at--)
        if (at < word_end && postern_is_blank(line[at]) && !postern_is_blank(line[at - 1]))
            return at;
    return 0;
}

/* Appends a line, without its end, in as many as it needs. FALSE: a word is too long, or there is none. */
static gboolean append_line(GString *out, const char *line, gsize length, gsize prefix)
{
    while (prefix + length > POSTERN_SIGN_LINE_MAX_OCTETS) {
        gsize at = find_break(line, length, POSTERN_SIGN_LINE_MAX_OCTETS - prefix);

        if (at == 0)
            return FALSE;
        g_string_append_len(out, line, (gssize)at);
        g_string_append(out, "\r\n");
        line += at;
        length -= at;
        prefix = 0;
    }
    g_string_append_len(out, line, (gssize)length);
    for (gsize i = 0; i < length; i++)
        if (!postern_is_blank(line[i]))
            return TRUE;
    return FALSE;
}

char *postern_signed_field_fold(const PosternHeaderField *field)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const char *rest = field->value;
    gsize length = field->value_length;
    gsize prefix = field->name_length + strlen(": ");

    while (length > 0 && strchr(" \t\r\n", *rest) != NULL && *rest != '\0') {
        rest++;
        length--;
    }
    while (length > 0) {
        gsize whole;
        gsize line = line_octets(rest, length, &whole);

        if (!append_line(out, rest, line, prefix))
            return NULL;
        if (whole > line)
            g_string_append(out, "\r\n");
        prefix = 0;
        rest += whole;
        length -= whole;
    }
    if (out->len > POSTERN_HEADER_EDIT_MAX_OCTETS || memchr(out->str, '\0', out->len) != NULL)
        return NULL;
    return g_string_free(g_steal_pointer(&out), FALSE);
}
