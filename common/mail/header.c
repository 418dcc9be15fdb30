#include "mail/header.h"

#include <string.h>

#include "base/limits.h"

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

static gboolean is_white(char octet)
{
    return octet == ' ' || octet == '\t';
}

/* Octets of a field name (RFC 5322 3.6.8) before the colon, or 0; *ret_colon is where the colon stands. White
 * space between name and colon is obsolete syntax (4.5) that must be understood. */
static gsize name_length(const char *text, gsize length, gsize *ret_colon)
{
    gsize name = 0;

    while (name < length && text[name] > 0x20 && text[name] < 0x7f && text[name] != ':')
        name++;

    gsize colon = name;

    while (colon < length && is_white(text[colon]))
        colon++;
    *ret_colon = colon;
    return colon < length && text[colon] == ':' ? name : 0;
}

static gboolean begin_field(PosternHeaderField *field, const char *octets, Line line)
{
    const char *text = octets + line.offset;
    gsize colon;
    gsize name = name_length(text, line.text_length, &colon);

    if (name == 0)
        return FALSE;
    *field = (PosternHeaderField){
        .name = text,
        .name_length = name,
        .value = text + colon + 1,
        .value_length = line.text_length - colon - 1,
        .offset = line.offset,
        .length = line.length,
    };
    return TRUE;
}

static void extend_field(PosternHeaderField *field, const char *octets, Line line)
{
    field->value_length = (gsize)(octets + line.offset + line.text_length - field->value);
    field->length = line.offset + line.length - field->offset;
}

/* Beyond the limits the block is still followed to its end, for the place of the body, but not indexed. */
static void end_field(PosternHeader *header, PosternHeaderField *field)
{
    if (!field->name)
        return;
    if (header->fields->len >= POSTERN_HEADER_FIELDS_MAX ||
        field->offset + field->length > POSTERN_HEADER_BLOCK_MAX_OCTETS)
        header->too_many = TRUE;
    else
        g_array_append_val(header->fields, *field);
    field->name = NULL;
}

PosternHeader *postern_header_parse(const char *octets, gsize length)
{
    PosternHeader *header = g_new0(PosternHeader, 1);
    PosternHeaderField field = {NULL};
    gsize offset = 0;

    header->fields = g_array_new(FALSE, FALSE, sizeof(PosternHeaderField));
    header->octets = octets;
    header->body_offset = length;
    while (offset < length) {
        Line line = line_at(octets, length, offset);
        gboolean continues = line.text_length > 0 && is_white(octets[offset]);

        if (line.text_length == 0) {
            header->body_offset = offset + line.length;
            break;
        }
        offset += line.length;
        if (continues && field.name) {
            extend_field(&field, octets, line);
            continue;
        }
        end_field(header, &field);
        if (continues || !begin_field(&field, octets, line))
            header->malformed_lines++;
    }
    end_field(header, &field);
    header->header_length = offset;
    if (offset > POSTERN_HEADER_BLOCK_MAX_OCTETS)
        header->too_many = TRUE;
    return header;
}

void postern_header_free(PosternHeader *header)
{
    if (!header)
        return;
    g_array_unref(header->fields);
    g_free(header);
}

const PosternHeaderField *postern_header_find(const PosternHeader *header, const char *name, guint occurrence)
{
    gsize length = strlen(name);

    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);

        if (field->name_length != length || g_ascii_strncasecmp(field->name, name, length) != 0)
            continue;
        if (occurrence-- == 0)
            return field;
    }
    return NULL;
}

/* TRUE where a line is name and a colon once all octets that are not printable are gone. */
static gboolean looks_like(const char *line, gsize length, const char *name)
{
    gsize matched = 0;

    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isgraph(line[i]))
            continue;
        if (name[matched] == '\0')
            return line[i] == ':';
        if (g_ascii_tolower(line[i]) != g_ascii_tolower(name[matched++]))
            return FALSE;
    }
    return FALSE;
}

gboolean postern_header_hides(const PosternHeader *header, const char *name)
{
    guint seen = 0;
    gsize offset = 0;

    while (offset < header->header_length) {
        const char *line = header->octets + offset;
        gsize length = header->header_length - offset;
        const char *newline = memchr(line, '\n', length);

        length = newline ? (gsize)(newline - line) : length;
        const char *bare = memchr(line, '\r', length);

        length = bare ? (gsize)(bare - line) : length;
        if ((offset == 0 || !is_white(*line)) && looks_like(line, length, name))
            seen++;
        offset += length + 1;
    }
    return seen > 0 && postern_header_find(header, name, seen - 1) == NULL;
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
