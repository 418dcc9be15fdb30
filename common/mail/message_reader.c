#include "mail/edits.h"

#include <string.h>

#include "mail/header.h"

typedef struct {
    const char *octets;
    gsize length;
} Piece;

struct PosternMessageReader {
    PosternMessage *message;
    GString *inserted;
    GArray *pieces; /* of Piece, in order: all of the edited message */
    guint at;       /* the piece that is next */
    gsize taken;    /* octets of it that were given out */
    guint64 size;
};

static void add_piece(PosternMessageReader *reader, const char *octets, gsize length)
{
    Piece piece = {octets, length};

    if (length == 0)
        return;
    g_array_append_val(reader->pieces, piece);
    reader->size += length;
}

static gint compare_places(gconstpointer a, gconstpointer b)
{
    const PosternHeaderField *const *left = a;
    const PosternHeaderField *const *right = b;

    return ((*left)->offset > (*right)->offset) - ((*left)->offset < (*right)->offset);
}

/* The fields that go, each once, in the order of the message. */
static GPtrArray *removed_fields(const PosternHeader *header, const PosternEdits *edits)
{
    GPtrArray *fields = g_ptr_array_new();

    for (guint i = 0; edits && i < edits->list->len; i++) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i);
        const PosternHeaderField *field = edit->kind == POSTERN_EDIT_REMOVE
                                              ? postern_header_find(header, edit->name, edit->occurrence)
                                              : NULL;

        if (field && !g_ptr_array_find(fields, field, NULL))
            g_ptr_array_add(fields, (gpointer)(guintptr)field);
    }
    g_ptr_array_sort(fields, compare_places);
    return fields;
}

static GString *inserted_fields(const PosternEdits *edits)
{
    GString *text = g_string_new(NULL);

    for (guint i = edits ? edits->list->len : 0; i > 0; i--) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i - 1);

        if (edit->kind == POSTERN_EDIT_INSERT)
            g_string_append_printf(text, "%s: %s\r\n", edit->name, edit->value);
    }
    return text;
}

/*
 * Where inserted fields go: to the very start, unless the message begins with white space. Such lines would
 * become a continuation of what stands before them, so a stranger could add to a field of ours.
 */
static gsize insertion_place(const char *octets, const PosternHeader *header)
{
    gsize place = 0;

    while (place < header->header_length && (octets[place] == ' ' || octets[place] == '\t')) {
        const char *newline = memchr(octets + place, '\n', header->header_length - place);

        place = newline ? (gsize)(newline - octets) + 1 : header->header_length;
    }
    return place;
}

static void lay_out(PosternMessageReader *reader, const char *octets, gsize length, const PosternEdits *edits)
{
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    g_autoptr(GPtrArray) removed = removed_fields(header, edits);
    gsize place = insertion_place(octets, header);

    reader->inserted = inserted_fields(edits);
    if (reader->inserted->len > 0 && place > 0 && octets[place - 1] != '\n')
        g_string_prepend(reader->inserted, "\r\n");
    add_piece(reader, octets, place);
    add_piece(reader, reader->inserted->str, reader->inserted->len);
    for (guint i = 0; i < removed->len; i++) {
        const PosternHeaderField *field = g_ptr_array_index(removed, i);

        add_piece(reader, octets + place, field->offset - place);
        place = field->offset + field->length;
    }
    add_piece(reader, octets + place, length - place);
}

PosternMessageReader *postern_message_reader_new(PosternMessage *message, const PosternEdits *edits,
                                                 GError **error)
{
    gsize length;
    const char *octets = postern_message_octets(message, &length, error);

    if (!octets)
        return NULL;

    PosternMessageReader *reader = g_new0(PosternMessageReader, 1);

    reader->message = postern_message_ref(message);
    reader->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    lay_out(reader, octets, length, edits);
    return reader;
}

void postern_message_reader_free(PosternMessageReader *reader)
{
    if (!reader)
        return;
    g_array_unref(reader->pieces);
    g_string_free(reader->inserted, TRUE);
    postern_message_unref(reader->message);
    g_free(reader);
}

guint64 postern_message_reader_size(const PosternMessageReader *reader)
{
    return reader->size;
}

int postern_message_reader_next(PosternMessageReader *reader, gsize maximum, const char **ret_octets,
                                gsize *ret_length)
{
    if (reader->at >= reader->pieces->len) {
        *ret_octets = NULL;
        *ret_length = 0;
        return 0;
    }

    const Piece *piece = &g_array_index(reader->pieces, Piece, reader->at);

    *ret_octets = piece->octets + reader->taken;
    *ret_length = MIN(maximum, piece->length - reader->taken);
    reader->taken += *ret_length;
    if (reader->taken == piece->length) {
        reader->at++;
        reader->taken = 0;
    }
    return 1;
}
