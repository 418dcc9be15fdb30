#include "base/configuration.h"

#include <string.h>

#include "base/configuration/private.h"
#include "base/option.h"

/* What configuration would be if its groups [GROUP NAME] said nothing themselves. */
static PosternConfiguration *without_named_values(const PosternConfiguration *configuration)
{
    PosternConfiguration *plain = postern_configuration_new();
    gsize length, kinds;
    const PosternOption *options = postern_configuration_options(&length);
    const PosternNamedGroup *groups = postern_named_groups(&kinds);

    postern_configuration_named_clear(plain);
    postern_configuration_named_init(plain);
    for (gsize i = 0; i < length; i++) {
        gpointer place = postern_configuration_named_place(plain, NULL, &options[i]);
        postern_configuration_value_clear(place, &options[i]);
        postern_configuration_value_copy(place, postern_configuration_place(configuration, NULL, &options[i]),
                                         &options[i]);
    }
    for (gsize i = 0; i < kinds; i++) {
        g_autoptr(GPtrArray) names = postern_configuration_names(configuration, groups[i].group);
        for (guint j = 0; j < names->len; j++)
            postern_configuration_named_add(plain, groups[i].group, names->pdata[j]);
    }
    return plain;
}

/* Appends what configuration says in a group, [GROUP] if name is NULL, and reference says otherwise. */
static void append_group(GString *out, const PosternConfiguration *configuration,
                         const PosternConfiguration *reference, const char *group, const char *name)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    /* The policy of submission exists unsaid. */
    gboolean implied = name == NULL || (strcmp(group, POSTERN_POLICY_GROUP) == 0 &&
                                        strcmp(name, POSTERN_POLICY_SUBMISSION) == 0);
    g_autoptr(GString) lines = g_string_new(NULL);

    for (gsize i = 0; i < length; i++) {
        if (strcmp(options[i].group, group) != 0)
            continue;
        g_autofree char *value = postern_configuration_option_text(configuration, name, &options[i]);
        g_autofree char *unsaid = postern_configuration_option_text(reference, name, &options[i]);
        if (strcmp(value, unsaid) != 0)
            g_string_append_printf(lines, "%s =%s%s\n", options[i].key, value[0] != '\0' ? " " : "", value);
    }
    if (lines->len > 0 || !implied)
        g_string_append_printf(out, "%s[%s%s%s]\n%s", out->len > 0 ? "\n" : "", group,
                               name != NULL ? " " : "", name != NULL ? name : "", lines->str);
}

char *postern_configuration_dump_changed(const PosternConfiguration *configuration)
{
    g_autoptr(PosternConfiguration) defaults = postern_configuration_new();
    g_autoptr(PosternConfiguration) plain = without_named_values(configuration);
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    GString *out = g_string_new(NULL);

    for (gsize i = 0; i < length; i++) {
        const char *group = options[i].group;
        if (i > 0 && strcmp(options[i - 1].group, group) == 0)
            continue;
        append_group(out, configuration, defaults, group, NULL);
        if (postern_named_group(group) == NULL)
            continue;
        g_autoptr(GPtrArray) names = postern_configuration_names(configuration, group);
        for (guint j = 0; j < names->len; j++)
            append_group(out, configuration, plain, group, names->pdata[j]);
    }
    return g_string_free(out, FALSE);
}
