#include "checks/content/part.h"

#include <string.h>

#include "base/limits.h"

static gboolean begins_with_name(const char *line, gsize length, const char *name, gsize *ret_value)
{
    gsize place = strlen(name);
    if (length <= place || g_ascii_strncasecmp(line, name, place) != 0)
        return FALSE;
    while (place < length && (line[place] == ' ' || line[place] == '\t'))
        place++;
    *ret_value = place + 1;
    return place < length && line[place] == ':';
}

static void append(GString *out, const char *text, gsize length)
{
    gsize room = POSTERN_CONTENT_FIELD_MAX_OCTETS - MIN(out->len, POSTERN_CONTENT_FIELD_MAX_OCTETS);
    for (gsize i = 0; i < MIN(length, room); i++)
        g_string_append_c(out, text[i] != '\0' ? text[i] : '?');
}

void postern_content_part_header_line(PosternContentPart *part, const char *line, gsize length)
{
    if (length > 0 && (line[0] == ' ' || line[0] == '\t')) {
        if (part->current != NULL)
            append(part->current, line, length);
        return;
    }
    const struct {
        const char *name;
        GString **value;
    } fields[] = {
        {"Content-Type", &part->type},
        {"Content-Disposition", &part->disposition},
        {"Content-Transfer-Encoding", &part->encoding},
    };
    part->current = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        gsize value;
        if (*fields[i].value != NULL || !begins_with_name(line, length, fields[i].name, &value))
            continue;
        part->current = *fields[i].value = g_string_new(NULL);
        append(part->current, line + value, length - value);
    }
}

void postern_content_part_header_end(PosternContentPart *part)
{
    part->current = NULL;
    part->decoding = POSTERN_CONTENT_IDENTITY;
    if (part->encoding == NULL)
        return;
    g_autofree char *encoding = g_strstrip(g_strdup(part->encoding->str));
    if (g_ascii_strncasecmp(encoding, "base64", strlen("base64")) == 0)
        part->decoding = POSTERN_CONTENT_BASE64;
    else if (g_ascii_strncasecmp(encoding, "quoted-printable", strlen("quoted-printable")) == 0)
        part->decoding = POSTERN_CONTENT_QUOTED_PRINTABLE;
}

static guint64 count_base64(const char *line, gsize length)
{
    guint64 count = 0;
    for (gsize i = 0; i < length; i++)
        count += g_ascii_isalnum(line[i]) || line[i] == '+' || line[i] == '/';
    return count;
}

/* RFC 2045 6.7. A soft line break takes the line end with it: *end_length becomes 0. */
static guint64 count_quoted_printable(const char *line, gsize length, guint *end_length)
{
    guint64 count = 0;
    while (length > 0 && ((guchar)line[length - 1] <= ' ' || line[length - 1] == 0x7f))
        length--;
    for (gsize i = 0; i < length; i++) {
        if (line[i] == '=' && i + 1 == length) {
            *end_length = 0;
            break;
        }
        if (line[i] == '=' && i + 2 < length && g_ascii_isxdigit(line[i + 1]) &&
            g_ascii_isxdigit(line[i + 2]))
            i += 2;
        count++;
    }
    return count;
}

void postern_content_part_body_line(PosternContentPart *part, const char *line, gsize length,
                                    guint end_length)
{
    if (part->decoding == POSTERN_CONTENT_BASE64) {
        part->characters += count_base64(line, length);
        return;
    }
    part->octets += part->pending;
    if (part->decoding == POSTERN_CONTENT_QUOTED_PRINTABLE)
        part->octets += count_quoted_printable(line, length, &end_length);
    else
        part->octets += length;
    part->pending = end_length;
}

guint64 postern_content_part_size(const PosternContentPart *part, gboolean bounded)
{
    if (part->decoding == POSTERN_CONTENT_BASE64)
        return part->characters * 3 / 4;
    return part->octets + (bounded ? 0 : part->pending);
}

void postern_content_part_clear(PosternContentPart *part)
{
    GString *held[] = {part->type, part->disposition, part->encoding};
    for (gsize i = 0; i < G_N_ELEMENTS(held); i++)
        if (held[i] != NULL)
            g_string_free(held[i], TRUE);
    *part = (PosternContentPart){NULL};
}
