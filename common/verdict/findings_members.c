#include "verdict/findings_members.h"

#include "base/error.h"
#include "mail/dictionary.h"

void postern_findings_add_texts(GVariantBuilder *builder, const PosternFindingText *texts,
                                gconstpointer structure)
{
    for (const PosternFindingText *text = texts; text->key; text++) {
        const char *value = *(char *const *)((const char *)structure + text->offset);

        postern_dictionary_add_text(builder, text->key, value, text->maximum);
    }
}

gboolean postern_findings_get_texts(GVariant *dictionary, const PosternFindingText *texts, gpointer structure,
                                    GError **error)
{
    for (const PosternFindingText *text = texts; text->key; text++)
        if (!postern_dictionary_get_text(dictionary, text->key, text->maximum,
                                         (char **)G_STRUCT_MEMBER_P(structure, text->offset), error))
            return FALSE;
    return TRUE;
}

void postern_findings_add_number(GVariantBuilder *builder, const char *key, guint32 number)
{
    g_variant_builder_add(builder, "{sv}", key, g_variant_new_uint32(number));
}

void postern_findings_add_boolean(GVariantBuilder *builder, const char *key, gboolean value)
{
    g_variant_builder_add(builder, "{sv}", key, g_variant_new_boolean(value));
}

GVariant *postern_findings_list(const GPtrArray *list, guint maximum, PosternFindingWrite write)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < MIN(list->len, maximum); i++)
        g_variant_builder_add_value(&builder, write(g_ptr_array_index(list, i)));
    return g_variant_builder_end(&builder);
}

gboolean postern_findings_get_member(GVariant *dictionary, const char *key, PosternFindingRead read,
                                     gpointer structure, GError **error)
{
    GError *problem = NULL;
    g_autoptr(GVariant) member = postern_dictionary_get(dictionary, key, G_VARIANT_TYPE_VARDICT, &problem);

    if (problem)
        g_propagate_error(error, problem);
    return !problem && (!member || read(member, structure, error));
}

gboolean postern_findings_get_list(GVariant *dictionary, const PosternFindingList *list,
                                   GPtrArray *structures, GError **error)
{
    GError *problem = NULL;
    g_autoptr(GVariant) rows =
        postern_dictionary_get(dictionary, list->key, G_VARIANT_TYPE("aa{sv}"), &problem);
    gsize count = rows ? g_variant_n_children(rows) : 0;

    if (problem) {
        g_propagate_error(error, problem);
        return FALSE;
    }
    if (count > list->maximum) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT,
                    "findings have %" G_GSIZE_FORMAT " %s, over %u", count, list->key, list->maximum);
        return FALSE;
    }
    for (gsize i = 0; i < count; i++) {
        g_autoptr(GVariant) row = g_variant_get_child_value(rows, i);

        g_ptr_array_add(structures, list->create());
        if (!list->read(row, g_ptr_array_index(structures, i), error))
            return FALSE;
    }
    return TRUE;
}
