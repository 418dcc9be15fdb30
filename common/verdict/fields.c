#include "verdict/fields.h"

#include <string.h>

#include "base/error.h"

#define NUMBER_OCTETS 8
#define LISTS_MAX 4 /* of one structure */

static gpointer place(const PosternField *field, gconstpointer data)
{
    return (gpointer)((guintptr)data + field->offset);
}

static char *text_of(const PosternField *field, gconstpointer data)
{
    return *(char **)place(field, data);
}

static GPtrArray *list_of(const PosternField *field, gconstpointer data)
{
    return *(GPtrArray **)place(field, data);
}

static gboolean is_list(const PosternField *field)
{
    return field->type == POSTERN_FIELD_LIST || field->type == POSTERN_FIELD_TEXTS;
}

static guint64 number_of(const PosternField *field, gconstpointer data)
{
    if (data == NULL)
        return 0;
    return field->type == POSTERN_FIELD_OCTETS ? *(guint64 *)place(field, data)
                                               : *(guint *)place(field, data);
}

static void set_number(const PosternField *field, gpointer data, guint64 number)
{
    if (field->type == POSTERN_FIELD_OCTETS)
        *(guint64 *)place(field, data) = number;
    else
        *(guint *)place(field, data) = (guint)number;
}

static void set_initial(const PosternStructure *structure, gpointer data)
{
    if (structure->initial != NULL)
        memcpy(data, structure->initial, structure->size);
    else
        memset(data, 0, structure->size);
}

static void structure_init(const PosternStructure *structure, gpointer data)
{
    set_initial(structure, data);
    for (const PosternField *field = structure->fields; field->name != NULL; field++)
        if (is_list(field))
            *(GPtrArray **)place(field, data) =
                g_ptr_array_new_with_free_func(field->of != NULL ? field->of->free : g_free);
        else if (field->type == POSTERN_FIELD_STRUCTURE)
            structure_init(field->of, place(field, data));
}

static void structure_release(const PosternStructure *structure, gpointer data)
{
    for (const PosternField *field = structure->fields; field->name != NULL; field++)
        if (field->type == POSTERN_FIELD_TEXT)
            g_free(text_of(field, data));
        else if (is_list(field))
            g_ptr_array_unref(list_of(field, data));
        else if (field->type == POSTERN_FIELD_STRUCTURE)
            structure_release(field->of, place(field, data));
}

void postern_structure_reset(const PosternStructure *structure, gpointer data)
{
    GPtrArray *lists[LISTS_MAX];
    guint count = 0;
    for (const PosternField *field = structure->fields; field->name != NULL; field++) {
        if (field->type == POSTERN_FIELD_TEXT) {
            g_free(text_of(field, data));
        } else if (is_list(field)) {
            g_assert(count < LISTS_MAX);
            lists[count++] = list_of(field, data);
            g_ptr_array_set_size(list_of(field, data), 0);
        }
    }
    set_initial(structure, data);
    count = 0;
    for (const PosternField *field = structure->fields; field->name != NULL; field++)
        if (is_list(field))
            *(GPtrArray **)place(field, data) = lists[count++];
}

gpointer postern_structure_new(const PosternStructure *structure)
{
    gpointer data = g_malloc(structure->size);
    structure_init(structure, data);
    return data;
}

void postern_structure_free(const PosternStructure *structure, gpointer data)
{
    if (data == NULL)
        return;
    structure_release(structure, data);
    g_free(data);
}

/* Where the length of the entry's value stands, to be set at its end. */
static guint begin_entry(GByteArray *out, const char *name)
{
    static const guint8 no_length[4];
    guint8 length = (guint8)strlen(name);
    g_byte_array_append(out, &length, 1);
    g_byte_array_append(out, (const guint8 *)name, length);
    g_byte_array_append(out, no_length, sizeof no_length);
    return out->len;
}

static void end_entry(GByteArray *out, guint start)
{
    guint32 length = GUINT32_TO_LE(out->len - start);
    memcpy(out->data + start - sizeof length, &length, sizeof length);
}

/* Cut at maximum octets, not within a character if it is UTF-8. */
static void encode_text(const PosternField *field, const char *text, GByteArray *out)
{
    gsize length = strnlen(text, field->maximum + 1);
    if (length > field->maximum) {
        length = field->maximum;
        while (length > 0 && field->maximum - length < 3 && ((guchar)text[length] & 0xc0) == 0x80)
            length--;
    }
    guint start = begin_entry(out, field->name);
    g_byte_array_append(out, (const guint8 *)text, (guint)length);
    end_entry(out, start);
}

static void encode_number(const PosternField *field, guint64 number, GByteArray *out)
{
    guint64 value = GUINT64_TO_LE(MIN(number, field->maximum));
    guint start = begin_entry(out, field->name);
    g_byte_array_append(out, (const guint8 *)&value, NUMBER_OCTETS);
    end_entry(out, start);
}

static void encode_structure(const PosternField *field, gconstpointer data, GByteArray *out)
{
    guint start = begin_entry(out, field->name);
    postern_structure_encode(field->of, data, out);
    end_entry(out, start);
}

static void encode_list(const PosternField *field, const GPtrArray *list, GByteArray *out)
{
    for (guint i = 0; i < MIN(list->len, field->entries); i++) {
        gconstpointer entry = g_ptr_array_index(list, i);
        if (field->of == NULL)
            encode_text(field, entry, out);
        else
            encode_structure(field, entry, out);
    }
}

void postern_structure_encode(const PosternStructure *structure, gconstpointer data, GByteArray *out)
{
    for (const PosternField *field = structure->fields; field->name != NULL; field++) {
        if (is_list(field)) {
            encode_list(field, list_of(field, data), out);
        } else if (field->type == POSTERN_FIELD_STRUCTURE) {
            encode_structure(field, place(field, data), out);
        } else if (field->type == POSTERN_FIELD_TEXT) {
            if (text_of(field, data) != NULL)
                encode_text(field, text_of(field, data), out);
        } else if (number_of(field, data) != number_of(field, structure->initial)) {
            encode_number(field, number_of(field, data), out);
        }
    }
}

static gboolean refuse(GError **error, PosternError code, const char *name, const char *what)
{
    return postern_error_set(error, code, "findings: %s %s", name, what);
}

static gboolean decode_number(const PosternField *field, const guint8 *octets, gsize length, gpointer data,
                              GError **error)
{
    guint64 value;
    if (length != NUMBER_OCTETS)
        return refuse(error, POSTERN_ERROR_PROTOCOL, field->name, "is no number");
    memcpy(&value, octets, sizeof value);
    value = GUINT64_FROM_LE(value);
    if (value > field->maximum)
        return refuse(error, POSTERN_ERROR_LIMIT, field->name, "is too large a number");
    set_number(field, data, value);
    return TRUE;
}

static char *decode_text(const PosternField *field, const guint8 *octets, gsize length, GError **error)
{
    if (length > field->maximum)
        refuse(error, POSTERN_ERROR_LIMIT, field->name, "is too long");
    else if (memchr(octets, '\0', length) != NULL)
        refuse(error, POSTERN_ERROR_PROTOCOL, field->name, "has a NUL octet inside");
    else
        return g_strndup((const char *)octets, length);
    return NULL;
}

static gboolean decode_entry(const PosternField *field, const guint8 *octets, gsize length, GPtrArray *list,
                             GError **error)
{
    if (list->len >= field->entries)
        return refuse(error, POSTERN_ERROR_LIMIT, field->name, "has too many entries");
    if (field->of != NULL) {
        g_ptr_array_add(list, postern_structure_new(field->of));
        return postern_structure_decode(field->of, octets, length, list->pdata[list->len - 1], error);
    }
    char *text = decode_text(field, octets, length, error);
    if (text != NULL)
        g_ptr_array_add(list, text);
    return text != NULL;
}

static gboolean decode_field(const PosternField *field, const guint8 *octets, gsize length, gpointer data,
                             GError **error)
{
    if (is_list(field))
        return decode_entry(field, octets, length, list_of(field, data), error);
    if (field->type == POSTERN_FIELD_STRUCTURE)
        return postern_structure_decode(field->of, octets, length, place(field, data), error);
    if (field->type != POSTERN_FIELD_TEXT)
        return decode_number(field, octets, length, data, error);
    char *text = decode_text(field, octets, length, error);
    *(char **)place(field, data) = text;
    return text != NULL;
}

/* 1: an entry, and octets are behind it; 0: there are no more; -1: it is cut off. */
static int next_entry(const guint8 **octets, gsize *left, const char **ret_name, gsize *ret_name_length,
                      const guint8 **ret_value, gsize *ret_length)
{
    guint32 length;
    if (*left == 0)
        return 0;
    gsize name_length = (*octets)[0];
    gsize head = 1 + name_length + sizeof length;
    if (*left < head)
        return -1;
    memcpy(&length, *octets + 1 + name_length, sizeof length);
    length = GUINT32_FROM_LE(length);
    if (length > *left - head)
        return -1;
    *ret_name = (const char *)*octets + 1;
    *ret_name_length = name_length;
    *ret_value = *octets + head;
    *ret_length = length;
    *octets += head + length;
    *left -= head + length;
    return 1;
}

gboolean postern_structure_decode(const PosternStructure *structure, const guint8 *octets, gsize length,
                                  gpointer data, GError **error)
{
    const char *name;
    gsize name_length, value_length;
    const guint8 *value;
    guint64 seen = 0;
    int got;
    while ((got = next_entry(&octets, &length, &name, &name_length, &value, &value_length)) > 0) {
        const PosternField *field = structure->fields;
        while (field->name != NULL &&
               (strlen(field->name) != name_length || memcmp(field->name, name, name_length) != 0))
            field++;
        if (field->name == NULL)
            continue;
        guint64 bit = G_GUINT64_CONSTANT(1) << (field - structure->fields);
        if ((seen & bit) != 0 && !is_list(field))
            return refuse(error, POSTERN_ERROR_PROTOCOL, field->name, "is there twice");
        seen |= bit;
        if (!decode_field(field, value, value_length, data, error))
            return FALSE;
    }
    if (got < 0)
        return refuse(error, POSTERN_ERROR_PROTOCOL, "an entry", "is cut off");
    if (structure->settle != NULL)
        structure->settle(data);
    return TRUE;
}

static void tell_list(const PosternField *field, const GPtrArray *list, const PosternJson *json)
{
    if (list->len == 0 && !field->always)
        return;
    json->begin(json->out, field->json, TRUE);
    for (guint i = 0; i < list->len; i++) {
        json->begin(json->out, NULL, FALSE);
        postern_structure_tell(field->of, g_ptr_array_index(list, i), json);
        json->end(json->out, FALSE);
    }
    json->end(json->out, TRUE);
}

static void tell_number(const PosternField *field, guint64 number, const PosternJson *json)
{
    if (field->names != NULL)
        json->text(json->out, field->json, number <= field->maximum ? field->names[number] : "unknown");
    else if (field->type == POSTERN_FIELD_BOOLEAN)
        json->boolean(json->out, field->json, number != 0);
    else
        json->number(json->out, field->json, (gint64)number);
}

void postern_structure_tell(const PosternStructure *structure, gconstpointer data, const PosternJson *json)
{
    for (const PosternField *field = structure->fields; field->name != NULL; field++) {
        if (field->json == NULL)
            continue;
        if (field->type == POSTERN_FIELD_LIST)
            tell_list(field, list_of(field, data), json);
        else if (field->type == POSTERN_FIELD_TEXT)
            json->text(json->out, field->json, text_of(field, data));
        else if (field->always || number_of(field, data) != number_of(field, structure->initial))
            tell_number(field, number_of(field, data), json);
    }
}
