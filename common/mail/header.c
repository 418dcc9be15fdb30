#include "mail/header.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"
#include "mail/header_ambiguity.h"

/* One line of the header: where it starts, its text without the line end, and its octets with it. */
typedef struct {
    gsize offset;
    gsize text_length;
    gsize length;
} Line;

static Line line_at(const char *octets, gsize length, gsize offset)
{
    const char *start = octets + offset;
    const char *newline = memchr(start, '\n', length - offset);
    Line line = {offset, length - offset, length - offset};

    if (newline) {
        line.text_length = (gsize)(newline - start);
        line.length = line.text_length + 1;
        if (line.text_length > 0 && start[line.text_length - 1] == '\r')
            line.text_length--;
    }
    return line;
}

/* Octets of a field name (RFC 5322 3.6.8) before the colon, or 0; *ret_colon is where the colon stands. White
 * space between name and colon is obsolete syntax (4.5) that must be understood. */
static gsize name_length(const char *text, gsize length, gsize *ret_colon)
{
    gsize name = 0;

    while (name < length && text[name] > 0x20 && text[name] < 0x7f && text[name] != ':')
        name++;

    gsize colon = name;

    while (colon < length && postern_is_blank(text[colon]))
        colon++;
    *ret_colon = colon;
    return colon < length && text[colon] == ':' ? name : 0;
}

/* The field that begins on line; an odd line is all value. */
static PosternHeaderField begin_field(const char *octets, Line line)
{
    const char *text = octets + line.offset;
    gsize colon;
    gsize name = name_length(text, line.text_length, &colon);
    gsize value = name > 0 ? colon + 1 : 0;

    return (PosternHeaderField){
        .name = text,
        .name_length = name,
        .value = text + value,
        .value_length = line.text_length - value,
        .offset = line.offset,
        .length = line.length,
    };
}

static void extend_field(PosternHeaderField *field, const char *octets, Line line)
{
    field->value_length = (gsize)(octets + line.offset + line.text_length - field->value);
    field->length = line.offset + line.length - field->offset;
}

gboolean postern_header_misleads(const PosternHeader *header)
{
    return header->ambiguity != POSTERN_HEADER_CLEAR && header->ambiguity != POSTERN_HEADER_COLON_APART;
}

static void note(PosternHeader *header, PosternHeaderAmbiguity ambiguity, guint line, gsize offset)
{
    gboolean repeated = ambiguity == header->ambiguity;

    if (ambiguity == POSTERN_HEADER_CLEAR || repeated || postern_header_misleads(header))
        return;
    header->ambiguity = ambiguity;
    header->ambiguous_line = line;
    header->ambiguous_offset = offset;
}

/* Beyond the limits the block is still followed to its end, for the place of the body, but not indexed. */
static void end_field(PosternHeader *header, PosternHeaderField *field, guint line)
{
    if (!field->name)
        return;
    note(header, postern_header_line_ambiguity(field, field->offset == 0), line, field->offset);
    if (header->fields->len + header->odd_lines->len >= POSTERN_HEADER_FIELDS_MAX ||
        field->offset + field->length > POSTERN_HEADER_BLOCK_MAX_OCTETS)
        header->too_many = TRUE;
    else
        g_array_append_val(field->name_length > 0 ? header->fields : header->odd_lines, *field);
    field->name = NULL;
}

/* Which line a field begins on, from 1. */
static guint line_number(const PosternHeader *header, gsize offset)
{
    guint number = 1;

    for (gsize i = 0; i < offset; i++)
        number += header->octets[i] == '\n';
    return number;
}

static void compare_fields(PosternHeader *header)
{
    const PosternHeaderField *field = postern_header_disagreeing_field(header);

    if (field && (!postern_header_misleads(header) || field->offset < header->ambiguous_offset)) {
        header->ambiguity = POSTERN_HEADER_CLEAR;
        note(header, POSTERN_HEADER_FIELDS_DISAGREE, line_number(header, field->offset), field->offset);
    }
}

static PosternHeader *header_new(const char *octets, gsize length)
{
    PosternHeader *header = g_new0(PosternHeader, 1);

    header->fields = g_array_new(FALSE, FALSE, sizeof(PosternHeaderField));
    header->odd_lines = g_array_new(FALSE, FALSE, sizeof(PosternHeaderField));
    header->octets = octets;
    header->body_offset = length;
    return header;
}

PosternHeader *postern_header_parse(const char *octets, gsize length)
{
    PosternHeader *header = header_new(octets, length);
    PosternHeaderField field = {NULL};
    guint number = 0, begun = 0;
    gsize offset = 0;

    while (offset < length) {
        Line line = line_at(octets, length, offset);
        gboolean continues = line.text_length > 0 && postern_is_blank(octets[offset]);

        if (line.text_length == 0) {
            header->body_offset = offset + line.length;
            break;
        }
        offset += line.length;
        number++;
        if (continues && field.name) {
            extend_field(&field, octets, line);
        } else {
            end_field(header, &field, begun);
            field = begin_field(octets, line);
            begun = number;
        }
    }
    end_field(header, &field, begun);
    header->header_length = offset;
    if (offset > POSTERN_HEADER_BLOCK_MAX_OCTETS)
        header->too_many = TRUE;
    compare_fields(header);
    /* All of it is body to everybody; a From that somebody may see in it is found by postern_header_hides. */
    if (header->fields->len == 0)
        header->ambiguity = POSTERN_HEADER_CLEAR;
    return header;
}

void postern_header_free(PosternHeader *header)
{
    if (!header)
        return;
    g_array_unref(header->fields);
    g_array_unref(header->odd_lines);
    g_free(header);
}

gboolean postern_header_field_is(const PosternHeaderField *field, const char *name)
{
    return field->name_length == strlen(name) &&
           g_ascii_strncasecmp(field->name, name, field->name_length) == 0;
}

guint postern_header_count(const PosternHeader *header, const char *name)
{
    guint count = 0;
    for (guint i = 0; i < header->fields->len; i++)
        count += postern_header_field_is(&g_array_index(header->fields, PosternHeaderField, i), name) ? 1 : 0;
    return count;
}

const PosternHeaderField *postern_header_find(const PosternHeader *header, const char *name, guint occurrence)
{
    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);

        if (postern_header_field_is(field, name) && occurrence-- == 0)
            return field;
    }
    return NULL;
}

char *postern_header_field_unfold(const PosternHeaderField *field)
{
    GString *text = g_string_sized_new(field->value_length);

    for (gsize i = 0; i < field->value_length; i++) {
        char octet = field->value[i];
        gboolean line_end =
            octet == '\n' || (octet == '\r' && i + 1 < field->value_length && field->value[i + 1] == '\n');

        if (!line_end)
            g_string_append_c(text, octet ? octet : '?');
    }
    return g_strstrip(g_string_free(text, FALSE));
}

char *postern_header_text(const PosternHeader *header, const char *name)
{
    const PosternHeaderField *field = postern_header_find(header, name, 0);

    if (!field)
        return NULL;

    PosternHeaderField start = *field;

    start.value_length = MIN(start.value_length, (gsize)POSTERN_LOG_VALUE_MAX_OCTETS);
    return postern_header_field_unfold(&start);
}

gboolean postern_header_find_end(PosternHeaderPlace *place, const char *octets, gsize length,
                                 gsize *ret_octets)
{
    const char *end = octets + length;
    for (const char *at = octets; at < end && *place != POSTERN_HEADER_ENDED; at++) {
        if (*place == POSTERN_HEADER_IN_LINE) {
            at = memchr(at, '\n', (gsize)(end - at));
            if (at == NULL)
                return FALSE;
            *place = POSTERN_HEADER_LINE_START;
        } else if (*at == '\n') {
            *place = POSTERN_HEADER_ENDED;
            *ret_octets = (gsize)(at - octets) + 1;
            return TRUE;
        } else if (*at == '\r' && *place == POSTERN_HEADER_LINE_START) {
            *place = POSTERN_HEADER_CR_AT_LINE_START;
        } else {
            *place = POSTERN_HEADER_IN_LINE;
        }
    }
    return FALSE;
}
