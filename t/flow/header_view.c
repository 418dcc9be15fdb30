/*
 * What our reader of headers and GMime make of messages, for flow/header_*_test.py: for each FILE and each of
 * the two a line "READER FILE", then "field NAME VALUE" for each field and "body OCTETS", in base64.
 */
#include <gmime/gmime.h>
#include <string.h>

#include "mail/header.h"

static void put(const char *octets, gsize length)
{
    g_autofree char *text = g_base64_encode((const guchar *)octets, length);
    g_print(" %s", *text != '\0' ? text : "=");
}

static void put_field(const char *name, gsize name_length, const char *value, gsize length)
{
    g_print("field");
    put(name, name_length);
    put(value, length);
    g_print("\n");
}

static void put_body(const char *octets, gsize length)
{
    g_print("body");
    put(octets, length);
    g_print("\n");
}

static void view_ours(const char *octets, gsize length)
{
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        put_field(field->name, field->name_length, field->value, field->value_length);
    }
    put_body(octets + header->body_offset, length - header->body_offset);
}

static void put_list(GMimeObject *object)
{
    GMimeHeaderList *list = g_mime_object_get_header_list(object);
    for (int i = 0; i < g_mime_header_list_get_count(list); i++) {
        GMimeHeader *header = g_mime_header_list_get_header_at(list, i);
        const char *name = g_mime_header_get_name(header);
        const char *value = g_mime_header_get_raw_value(header);
        put_field(name, strlen(name), value != NULL ? value : "", value != NULL ? strlen(value) : 0);
    }
}

static void view_gmime(const char *octets, gsize length)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(octets, length);
    GMimeStream *body = g_mime_stream_mem_new();
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    GMimeObject *part = message != NULL ? g_mime_message_get_mime_part(message) : NULL;
    GMimeDataWrapper *content = GMIME_IS_PART(part) ? g_mime_part_get_content(GMIME_PART(part)) : NULL;
    if (message != NULL)
        put_list(GMIME_OBJECT(message));
    if (part != NULL)
        put_list(part);
    if (content != NULL)
        g_mime_stream_write_to_stream(g_mime_data_wrapper_get_stream(content), body);
    GByteArray *array = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(body));
    put_body((const char *)array->data, array->len);
    g_clear_object(&message);
    g_object_unref(parser);
    g_object_unref(body);
    g_object_unref(stream);
}

int main(int argc, char **argv)
{
    g_mime_init();
    for (int i = 1; i < argc; i++) {
        g_autofree char *octets = NULL;
        gsize length = 0;
        if (!g_file_get_contents(argv[i], &octets, &length, NULL))
            return 66;
        g_print("postern %s\n", argv[i]);
        view_ours(octets, length);
        g_print("gmime %s\n", argv[i]);
        view_gmime(octets, length);
    }
    g_mime_shutdown();
    return 0;
}
