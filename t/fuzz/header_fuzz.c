/* The index of header fields: places lie inside the message, in order, and agree with what a growing message
 * sees. */
#include "mail/header.h"

#include <stdint.h>
#include <string.h>

#include "mail/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_field(const PosternHeader *header, const char *octets, guint index)
{
    const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, index);
    const PosternHeaderField *before = index > 0 ? field - 1 : NULL;
    g_autofree char *name = g_strndup(field->name, field->name_length);
    g_autofree char *value = postern_header_field_unfold(field);
    guint occurrence = 0;

    g_assert(field->name == octets + field->offset && field->name_length > 0 &&
             !memchr(name, ':', field->name_length));
    g_assert(field->offset + field->length <= header->header_length);
    g_assert(!before || before->offset + before->length <= field->offset);
    g_assert(field->value + field->value_length <= octets + field->offset + field->length);
    g_assert(field->value[-1] == ':' && field->value > field->name + field->name_length);
    g_assert(strlen(value) <= field->value_length && !strstr(value, "\r\n") && !strchr(value, '\n'));
    for (guint i = 0; i < index; i++) {
        const PosternHeaderField *other = &g_array_index(header->fields, PosternHeaderField, i);

        occurrence += other->name_length == field->name_length &&
                      g_ascii_strncasecmp(other->name, field->name, field->name_length) == 0;
    }
    g_assert(postern_header_find(header, name, occurrence) == field);
}

static void check_odd_line(const PosternHeader *header, const char *octets, guint index)
{
    const PosternHeaderField *line = &g_array_index(header->odd_lines, PosternHeaderField, index);
    const PosternHeaderField *before = index > 0 ? line - 1 : NULL;
    const char *value;
    gsize length;

    g_assert(line->name == octets + line->offset && line->name_length == 0 && line->value == line->name);
    g_assert(line->offset + line->length <= header->header_length && line->value_length <= line->length);
    g_assert(!before || before->offset + before->length <= line->offset);
    if (postern_header_line_hides(line, "From", &value, &length)) {
        g_assert(value > line->value && value + length == line->value + line->value_length);
        g_assert(value[-1] == ':' && postern_header_hides(header, "From"));
    }
}

/* A header that all read alike is fields from its first octet to its last, each colon at its name. */
static void check_ambiguity(const PosternHeader *header, const char *octets)
{
    g_autofree char *problem = postern_header_problem(header);
    gsize end = 0;

    g_assert((problem == NULL) == (header->ambiguity == POSTERN_HEADER_CLEAR));
    g_assert(!problem || header->ambiguous_offset < header->header_length);
    if (problem || header->fields->len == 0 || header->too_many)
        return;
    g_assert(header->odd_lines->len == 0 && !memchr(octets, '\0', header->header_length));
    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);

        g_assert(field->offset == end && field->name[field->name_length] == ':');
        end += field->length;
    }
    g_assert(end == header->header_length);
}

static void check_growth(const PosternHeader *header, const char *octets, gsize length)
{
    g_autoptr(PosternMessage) message = postern_message_new(length, NULL, NULL);
    guint64 complete = 0;

    for (gsize i = 0; i < length && !postern_message_header_complete(message, &complete); i++)
        g_assert(postern_message_append(message, octets + i, 1, NULL));
    if (postern_message_header_complete(message, &complete))
        g_assert(complete == header->body_offset && complete > header->header_length);
    else
        g_assert(header->body_offset == length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *octets = g_memdup2(data, size);
    g_autoptr(PosternHeader) header = postern_header_parse(octets, size);

    g_assert(header->header_length <= header->body_offset && header->body_offset <= size);
    g_assert(header->body_offset - header->header_length <= 2);
    for (guint i = 0; i < MIN(header->fields->len, 200u); i++)
        check_field(header, octets, i);
    for (guint i = 0; i < MIN(header->odd_lines->len, 200u); i++)
        check_odd_line(header, octets, i);
    check_ambiguity(header, octets);
    if (size < 500)
        check_growth(header, octets, size);
    return 0;
}
