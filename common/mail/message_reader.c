#include "mail/edits.h"

#include <string.h>

#include "base/span.h"
#include "mail/header.h"

typedef struct {
    const char *octets;
    gsize length;
} Piece;

/* A field that does not stay as it is. */
typedef struct {
    const PosternHeaderField *field;
    char *value; /* NULL: it is removed */
} Change;

struct PosternMessageReader {
    PosternMessage *message;
    GString *inserted;
    GArray *changes; /* of Change, in the order of the message */
    GArray *pieces;  /* of Piece, in order: all of the edited message */
    guint at;        /* the piece that is next */
    gsize taken;     /* octets of it that were given out */
};

static void add_piece(PosternMessageReader *reader, const char *octets, gsize length)
{
    Piece piece = {octets, length};

    if (length == 0)
        return;
    g_array_append_val(reader->pieces, piece);
}

static void change_clear(gpointer data)
{
    g_free(((Change *)data)->value);
}

static gint compare_places(gconstpointer a, gconstpointer b)
{
    const Change *left = a;
    const Change *right = b;

    return (left->field->offset > right->field->offset) - (left->field->offset < right->field->offset);
}

static Change *find_change(GArray *changes, const PosternHeaderField *field)
{
    for (guint i = 0; i < changes->len; i++)
        if (g_array_index(changes, Change, i).field == field)
            return &g_array_index(changes, Change, i);
    return NULL;
}

/* What the field has in place of the white space and value behind its colon. */
static char *changed_value(const char *octets, const PosternHeaderField *field, const char *value)
{
    gsize end = (gsize)(field->value - octets) + field->value_length;
    g_autofree char *line_end = g_strndup(octets + end, field->offset + field->length - end);

    return g_strconcat(" ", value, line_end, NULL);
}

static const PosternHeaderField *edited_field(const PosternHeader *header, const PosternEdit *edit)
{
    switch (edit->kind) {
    case POSTERN_EDIT_REMOVE:
    case POSTERN_EDIT_CHANGE:
        return postern_header_find(header, edit->name, edit->occurrence);
    case POSTERN_EDIT_REMOVE_ODD_LINE:
        return edit->occurrence < header->odd_lines->len
                   ? &g_array_index(header->odd_lines, PosternHeaderField, edit->occurrence)
                   : NULL;
    case POSTERN_EDIT_INSERT:
        break;
    }
    return NULL;
}

/* The fields that change, each once, in the order of the message. */
static GArray *changes_of(const PosternHeader *header, const char *octets, const PosternEdits *edits)
{
    GArray *changes = g_array_new(FALSE, FALSE, sizeof(Change));

    g_array_set_clear_func(changes, change_clear);
    for (guint i = 0; edits && i < edits->list->len; i++) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i);
        const PosternHeaderField *field = edited_field(header, edit);
        gboolean removed = edit->kind != POSTERN_EDIT_CHANGE;

        if (!field)
            continue;

        Change *known = find_change(changes, field);

        if (!known) {
            Change change = {field, removed ? NULL : changed_value(octets, field, edit->value)};

            g_array_append_val(changes, change);
        } else if (known->value) {
            g_free(known->value);
            known->value = removed ? NULL : changed_value(octets, field, edit->value);
        }
    }
    g_array_sort(changes, compare_places);
    return changes;
}

static GString *inserted_fields(const PosternEdits *edits)
{
    GString *text = g_string_new(NULL);

    for (guint i = edits ? edits->list->len : 0; i > 0; i--) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i - 1);

        if (edit->kind == POSTERN_EDIT_INSERT) {
            g_string_append(text, edit->name);
            g_string_append(text, ": ");
            g_string_append(text, edit->value);
            g_string_append(text, "\r\n");
        }
    }
    return text;
}

static gsize next_line(const char *octets, const PosternHeader *header, gsize place)
{
    const char *newline = memchr(octets + place, '\n', header->header_length - place);

    return newline ? (gsize)(newline - octets) + 1 : header->header_length;
}

/* A line that must stay the first: white space would continue a field of ours, so that a sender could add
 * to it; and the "From " of a mailbox is told from a line of the body by its place alone. */
static gboolean stays_first(const char *octets, gsize length)
{
    return (length > 0 && postern_is_blank(*octets)) || (length >= 5 && memcmp(octets, "From ", 5) == 0) ||
           (length >= 6 && memcmp(octets, ">From ", 6) == 0);
}

GString *postern_edits_on_top(const PosternEdits *edits, const char *octets, gsize length)
{
    for (guint i = 0; i < edits->list->len; i++)
        if (((const PosternEdit *)g_ptr_array_index(edits->list, i))->kind != POSTERN_EDIT_INSERT)
            return NULL;
    return stays_first(octets, length) ? NULL : inserted_fields(edits);
}

/* Where inserted fields go: to the very start, or behind what must stay there. */
static gsize insertion_place(const char *octets, const PosternHeader *header)
{
    gsize place = 0;

    if (!stays_first(octets, header->header_length))
        return 0;
    do
        place = next_line(octets, header, place);
    while (place < header->header_length && postern_is_blank(octets[place]));
    return place;
}

/* kept: what stands before them. */
static void add_inserted(PosternMessageReader *reader, const char *kept, gsize length)
{
    add_piece(reader, kept, length);
    if (reader->inserted->len > 0 && length > 0 && kept[length - 1] != '\n')
        g_string_prepend(reader->inserted, "\r\n");
    add_piece(reader, reader->inserted->str, reader->inserted->len);
}

static void lay_out(PosternMessageReader *reader, const char *octets, gsize length, const PosternEdits *edits)
{
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    gsize place = insertion_place(octets, header);
    gsize at = 0;

    reader->changes = changes_of(header, octets, edits);
    reader->inserted = inserted_fields(edits);
    for (guint i = 0; i <= reader->changes->len; i++) {
        const Change *change = i < reader->changes->len ? &g_array_index(reader->changes, Change, i) : NULL;
        gsize start = !change ? length : change->field->offset;

        place = MAX(place, at);
        if (place <= start) {
            add_inserted(reader, octets + at, place - at);
            at = place;
            place = G_MAXSIZE;
        }
        if (change && change->value)
            start = (gsize)(change->field->value - octets);
        add_piece(reader, octets + at, start - at);
        if (!change)
            break;
        if (change->value)
            add_piece(reader, change->value, strlen(change->value));
        at = change->field->offset + change->field->length;
    }
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
    g_array_unref(reader->changes);
    g_string_free(reader->inserted, TRUE);
    postern_message_unref(reader->message);
    g_free(reader);
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
