/* What the reader gives is what a naive model makes of message and edits, and the body is always as it was.
 */
#include "mail/edits.h"

#include <stdint.h>
#include <string.h>

#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One unit of the header as the model sees it: a field, or a line that is none, with its folds. */
typedef struct {
    GString *text;
    GString *name; /* NULL: no field */
} Unit;

static void unit_clear(gpointer data)
{
    Unit *unit = data;

    g_string_free(unit->text, TRUE);
    if (unit->name)
        g_string_free(unit->name, TRUE);
}

/* The name before the colon in lower case, or NULL. */
static GString *name_of(const GString *line)
{
    GString *name = g_string_new(NULL);
    gsize i = 0;

    while (i < line->len && (guchar)line->str[i] > ' ' && (guchar)line->str[i] < 127 && line->str[i] != ':')
        g_string_append_c(name, g_ascii_tolower(line->str[i++]));
    while (i < line->len && (line->str[i] == ' ' || line->str[i] == '\t'))
        i++;
    if (name->len > 0 && i < line->len && line->str[i] == ':')
        return name;
    g_string_free(name, TRUE);
    return NULL;
}

/* Splits the header into units; the rest of the message begins at the return value. */
static gsize split(GArray *units, const char *octets, gsize length)
{
    gsize at = 0;

    while (at < length) {
        GString *line = g_string_new(NULL);

        do
            g_string_append_c(line, octets[at + line->len]);
        while (at + line->len < length && line->str[line->len - 1] != '\n');
        if (strcmp(line->str, "\n") == 0 || strcmp(line->str, "\r\n") == 0) {
            g_string_free(line, TRUE);
            return at;
        }
        at += line->len;

        Unit *last = units->len > 0 ? &g_array_index(units, Unit, units->len - 1) : NULL;

        if ((line->str[0] == ' ' || line->str[0] == '\t') && last) {
            g_string_append_len(last->text, line->str, (gssize)line->len);
            g_string_free(line, TRUE);
        } else {
            Unit unit = {line, name_of(line)};

            g_array_append_val(units, unit);
        }
    }
    return at;
}

/* How many of its name, or without one, stand above it. */
static guint occurrence_of(const GArray *units, guint index)
{
    const Unit *unit = &g_array_index(units, Unit, index);
    guint occurrence = 0;

    for (guint i = 0; i < index; i++) {
        const Unit *other = &g_array_index(units, Unit, i);

        occurrence += unit->name ? other->name && g_string_equal(other->name, unit->name) : !other->name;
    }
    return occurrence;
}

/* The edit that a unit meets, a removal rather than a change, of changes the last; or NULL. */
static const PosternEdit *edit_of(const PosternEdits *edits, const GArray *units, guint index)
{
    const Unit *unit = &g_array_index(units, Unit, index);
    guint occurrence = occurrence_of(units, index);
    const PosternEdit *found = NULL;

    for (guint i = 0; i < edits->list->len; i++) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i);
        gboolean odd = edit->kind == POSTERN_EDIT_REMOVE_ODD_LINE;

        if (edit->kind != POSTERN_EDIT_INSERT && edit->occurrence == occurrence && odd == !unit->name &&
            (odd || g_ascii_strcasecmp(edit->name, unit->name->str) == 0) &&
            (!found || found->kind == POSTERN_EDIT_CHANGE))
            found = edit;
    }
    return found;
}

static void append_unit(GString *out, const Unit *unit, const PosternEdit *edit)
{
    const char *text = unit->text->str;
    gsize length = unit->text->len;
    gsize line_end = length > 0 && text[length - 1] == '\n' ? 1 : 0;

    if (!edit) {
        g_string_append_len(out, text, (gssize)length);
    } else if (edit->kind == POSTERN_EDIT_CHANGE) {
        if (line_end == 1 && length > 1 && text[length - 2] == '\r')
            line_end = 2;
        g_string_append_len(out, text, (const char *)memchr(text, ':', length) - text + 1);
        g_string_append_printf(out, " %s", edit->value);
        g_string_append_len(out, text + length - line_end, (gssize)line_end);
    }
}

static void insert(GString *out, const PosternEdits *edits)
{
    gsize before = out->len;

    for (guint i = edits->list->len; i > 0; i--) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i - 1);

        if (edit->kind != POSTERN_EDIT_INSERT)
            continue;
        if (out->len == before && before > 0 && out->str[before - 1] != '\n')
            g_string_append(out, "\r\n");
        g_string_append_printf(out, "%s: %s\r\n", edit->name, edit->value);
    }
}

/* White space, or the line of a mailbox. */
static gboolean stays_first(const Unit *unit)
{
    const char *text = unit->text->str;

    return *text == ' ' || *text == '\t' || g_str_has_prefix(text, "From ") ||
           g_str_has_prefix(text, ">From ");
}

static GString *model(const PosternEdits *edits, const char *octets, gsize length)
{
    g_autoptr(GArray) units = g_array_new(FALSE, FALSE, sizeof(Unit));
    GString *out = g_string_new(NULL);
    gboolean inserted = FALSE;
    gsize rest;

    g_array_set_clear_func(units, unit_clear);
    rest = split(units, octets, length);
    for (guint i = 0; i < units->len; i++) {
        const Unit *unit = &g_array_index(units, Unit, i);

        if (!inserted && (i > 0 || !stays_first(unit))) {
            insert(out, edits);
            inserted = TRUE;
        }
        append_unit(out, unit, edit_of(edits, units, i));
    }
    if (!inserted)
        insert(out, edits);
    g_string_append_len(out, octets + rest, (gssize)(length - rest));
    return out;
}

static GString *read_all(PosternMessage *message, const PosternEdits *edits, gsize maximum)
{
    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(message, edits, NULL);
    GString *out = g_string_new(NULL);
    const char *piece;
    gsize length;

    while (postern_message_reader_next(reader, maximum, &piece, &length)) {
        g_assert(length > 0 && length <= maximum);
        g_string_append_len(out, piece, (gssize)length);
    }
    return out;
}

/* Edits, a line each: '+' NAME '=' VALUE (with '|' for a fold), '*' OCCURRENCE NAME '=' VALUE, '-'
 * OCCURRENCE NAME, or '?' OCCURRENCE for an odd line; "\n\n" ends them. */
static gsize parse_edits(PosternEdits *edits, const char *octets, gsize length)
{
    gsize at = 0;

    while (at < length && octets[at] != '\n') {
        const char *end = memchr(octets + at, '\n', length - at);
        gsize line_length = end ? (gsize)(end - octets) - at : length - at;
        g_autofree char *line = g_strndup(octets + at, line_length);
        char *value = strchr(line, '=');

        if ((line[0] == '+' || (line[0] == '*' && value > line + 1)) && value) {
            g_autoptr(GString) folded = g_string_new(value + 1);

            *value = '\0';
            g_string_replace(folded, "|", "\r\n ", 0);
            if (line[0] == '+')
                postern_edits_insert(edits, line + 1, folded->str);
            else
                postern_edits_change(edits, line + 2, (guint)(line[1] - '0') % 4, folded->str);
        } else if (line[0] == '?') {
            postern_edits_remove_odd_line(edits, (guint)(guchar)line[1] % 4);
        } else if (line[0] == '-' && line[1]) {
            postern_edits_remove(edits, line + 2, (guint)(line[1] - '0') % 4);
        }
        at += line_length + 1;
    }
    return MIN(at + 1, length);
}

static void check(const PosternEdits *edits, const char *octets, gsize length, gsize step)
{
    g_autoptr(PosternMessage) message = postern_message_new(length, NULL, NULL);
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    g_autoptr(GString) expected = model(edits, octets, length);
    gsize body = length - header->body_offset;

    g_assert(postern_message_append(message, octets, length, NULL));
    g_assert(postern_message_seal(message, NULL));

    g_autoptr(GString) whole = read_all(message, edits, 65536);
    g_autoptr(GString) trickle = read_all(message, edits, step);

    g_assert(g_string_equal(whole, expected) && g_string_equal(trickle, expected));
    g_assert(whole->len >= body);
    g_assert(memcmp(whole->str + whole->len - body, octets + header->body_offset, body) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 8192)
        return -1;

    g_autofree char *octets = g_memdup2(data, size);
    g_autoptr(PosternEdits) edits = postern_edits_new();
    gsize start = parse_edits(edits, octets, size);

    check(edits, octets + start, size - start, 1 + size % 7);
    return 0;
}
