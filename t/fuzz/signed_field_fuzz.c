/*
 * Hostile header blocks, their long fields folded: each has the same relaxed form as before, no long
 * line, and is what an edit may have.
 */
#include "mail/signed_field.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "checks/signature/canonical.h"
#include "mail/edits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

static void check(const PosternHeaderField *field)
{
    g_autofree char *folded = postern_signed_field_fold(field);
    if (folded == NULL)
        return;
    g_autofree char *name = g_strndup(field->name, field->name_length);
    g_autofree char *text = g_strdup_printf("%s: %s", name, folded);
    PosternHeaderField changed = {.name = text, .name_length = field->name_length};
    changed.value = text + field->name_length + 1;
    changed.value_length = strlen(changed.value);
    g_autoptr(GString) before = g_string_new(NULL);
    g_autoptr(GString) after = g_string_new(NULL);
    postern_canonical_append_field(before, field, TRUE);
    postern_canonical_append_field(after, &changed, TRUE);
    require(g_string_equal(before, after));
    require(!postern_signed_field_is_long(&changed));
}

/* The first octet says how often the rest is repeated, so that lines get long. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    g_autoptr(GString) message = g_string_new(NULL);
    g_string_append_len(message, (const char *)data + 1, (gssize)size - 1);
    gsize value = message->len;
    for (guint i = 0; i < data[0]; i++)
        g_string_append_len(message, message->str + value / 2, (gssize)(value - value / 2));
    gsize length = message->len;
    g_autofree char *copy = g_memdup2(message->str, MAX(length, 1));
    g_autoptr(PosternHeader) header = postern_header_parse(copy, length);
    for (guint i = 0; i < header->fields->len; i++)
        check(&g_array_index(header->fields, PosternHeaderField, i));
    return 0;
}
