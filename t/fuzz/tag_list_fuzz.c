#include "wire/tag_list.h"

#include <string.h>

#include <glib.h>

#include "base/limits.h"
#include "split.h"

static void check_tags(const PosternTagList *list)
{
    g_assert_cmpuint(list->names->len, ==, list->values->len);
    g_assert_true(list->names->len >= 1 && list->names->len <= POSTERN_DKIM_TAGS_MAX);
    for (guint i = 0; i < list->names->len; i++) {
        const char *name = g_ptr_array_index(list->names, i);
        const char *value = g_ptr_array_index(list->values, i);

        g_assert_true(g_ascii_isalpha(name[0]) && strpbrk(name, " =;") == NULL);
        g_assert_true(postern_tag_list_get(list, name) == value);
        g_assert_true(strchr(value, ';') == NULL && g_utf8_validate(value, -1, NULL));
        if (value[0] != '\0')
            g_assert_true((guchar)value[0] > ' ' && (guchar)value[strlen(value) - 1] > ' ');
    }
}

/* Written down again, it is the same list. */
static void check_again(const PosternTagList *list)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(PosternTagList) again = NULL;
    const char *problem;

    for (guint i = 0; i < list->names->len; i++)
        g_string_append_printf(text, " %s =\t%s;", (const char *)g_ptr_array_index(list->names, i),
                               (const char *)g_ptr_array_index(list->values, i));
    again = postern_tag_list_parse(text->str, text->len, &problem);
    g_assert_nonnull(again);
    g_assert_cmpuint(again->names->len, ==, list->names->len);
    for (guint i = 0; i < list->names->len; i++) {
        g_assert_cmpstr(g_ptr_array_index(again->names, i), ==, g_ptr_array_index(list->names, i));
        g_assert_cmpstr(g_ptr_array_index(again->values, i), ==, g_ptr_array_index(list->values, i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_malloc(MAX(size, 1));
    g_autoptr(PosternTagList) list = NULL;
    const char *problem = NULL;

    if (size > 0)
        memcpy(text, data, size);
    list = postern_tag_list_parse(text, size, &problem);
    g_assert_true((list == NULL) == (problem != NULL));
    if (list != NULL) {
        check_tags(list);
        check_again(list);
    }
    return 0;
}
