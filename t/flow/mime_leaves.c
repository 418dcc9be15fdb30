/*
 * What GMime makes of messages: for each file named, a line "FILE SHA-256" for each leaf, decoded.
 */
#include <gmime/gmime.h>

static void show(GMimeObject *parent, GMimeObject *object, gpointer file)
{
    if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
        if (message != NULL)
            g_mime_message_foreach(message, show, file);
    }
    GMimeDataWrapper *content = GMIME_IS_PART(object) ? g_mime_part_get_content(GMIME_PART(object)) : NULL;
    if (content == NULL)
        return;
    GMimeStream *memory = g_mime_stream_mem_new();
    g_mime_data_wrapper_write_to_stream(content, memory);
    GByteArray *octets = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory));
    g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, octets->data, octets->len);
    g_print("%s %s\n", (const char *)file, digest);
    g_object_unref(memory);
}

int main(int argc, char **argv)
{
    g_mime_init();
    for (int i = 1; i < argc; i++) {
        GMimeStream *stream = g_mime_stream_file_open(argv[i], "r", NULL);
        if (stream == NULL)
            return 1;
        GMimeParser *parser = g_mime_parser_new_with_stream(stream);
        GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
        if (message != NULL) {
            g_mime_message_foreach(message, show, argv[i]);
            g_object_unref(message);
        }
        g_object_unref(parser);
        g_object_unref(stream);
    }
    return 0;
}
