#include "mail/edits.h"

#include <string.h>

#include "base/limits.h"
#include "base/memory.h"

static PosternEdit *edit_new(PosternEditKind kind, const char *name, const char *value, guint occurrence)
{
    PosternEdit *edit = postern_new_zeroed(PosternEdit);

    edit->kind = kind;
    edit->name = g_strdup(name);
    edit->value = g_strdup(value);
    edit->occurrence = occurrence;
    return edit;
}

static void edit_free(gpointer data)
{
    PosternEdit *edit = data;

    g_free(edit->name);
    g_free(edit->value);
    g_free(edit);
}

PosternEdits *postern_edits_new(void)
{
    PosternEdits *edits = postern_new_zeroed(PosternEdits);

    edits->list = g_ptr_array_new_with_free_func(edit_free);
    return edits;
}

PosternEdits *postern_edits_copy(const PosternEdits *edits)
{
    PosternEdits *copy = postern_edits_new();

    for (guint i = 0; i < edits->list->len; i++) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i);

        g_ptr_array_add(copy->list, edit_new(edit->kind, edit->name, edit->value, edit->occurrence));
    }
    return copy;
}

void postern_edits_free(PosternEdits *edits)
{
    if (!edits)
        return;
    g_ptr_array_unref(edits->list);
    g_free(edits);
}

static gboolean name_is_acceptable(const char *name)
{
    gsize length = 0;

    for (; name[length]; length++)
        if (name[length] < 0x21 || name[length] > 0x7e || name[length] == ':' ||
            length >= POSTERN_HEADER_EDIT_MAX_OCTETS)
            return FALSE;
    return length > 0;
}

/* A line of white space alone is an empty line to some readers: it would end the header. */
static gboolean value_is_acceptable(const char *value)
{
    gsize length = strlen(value);

    if (length > POSTERN_HEADER_EDIT_MAX_OCTETS)
        return FALSE;
    for (gsize i = strcspn(value, "\r\n"); i < length; i += strcspn(value + i, "\r\n")) {
        if (value[i] != '\r' || value[i + 1] != '\n')
            return FALSE;
        i += 2;

        gsize white = strspn(value + i, " \t");

        if (white == 0 || value[i + white] == '\0' || value[i + white] == '\r')
            return FALSE;
    }
    return TRUE;
}

gboolean postern_edits_insert(PosternEdits *edits, const char *name, const char *value)
{
    if (edits->list->len >= POSTERN_HEADER_EDITS_MAX || !name_is_acceptable(name) ||
        !value_is_acceptable(value))
        return FALSE;
    g_ptr_array_add(edits->list, edit_new(POSTERN_EDIT_INSERT, name, value, 0));
    return TRUE;
}

gboolean postern_edits_remove(PosternEdits *edits, const char *name, guint occurrence)
{
    if (edits->list->len >= POSTERN_HEADER_EDITS_MAX || !name_is_acceptable(name))
        return FALSE;
    g_ptr_array_add(edits->list, edit_new(POSTERN_EDIT_REMOVE, name, NULL, occurrence));
    return TRUE;
}

gboolean postern_edits_remove_odd_line(PosternEdits *edits, guint occurrence)
{
    if (edits->list->len >= POSTERN_HEADER_EDITS_MAX)
        return FALSE;
    g_ptr_array_add(edits->list, edit_new(POSTERN_EDIT_REMOVE_ODD_LINE, NULL, NULL, occurrence));
    return TRUE;
}

gboolean postern_edits_change(PosternEdits *edits, const char *name, guint occurrence, const char *value)
{
    if (edits->list->len >= POSTERN_HEADER_EDITS_MAX || !name_is_acceptable(name) ||
        !value_is_acceptable(value))
        return FALSE;
    g_ptr_array_add(edits->list, edit_new(POSTERN_EDIT_CHANGE, name, value, occurrence));
    return TRUE;
}
