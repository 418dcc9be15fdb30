#include "base/configuration.h"

#include <string.h>

#include "base/configuration/private.h"

/* value as a key file writes it, so that it is read back as it is. */
static char *quote(const char *value)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_key_file_set_string(file, "group", "key", value);
    return g_key_file_get_value(file, "group", "key", NULL);
}

static const char *default_text(const PosternOption *option)
{
    return option->initial[0] == '\0' ? "empty" : option->initial;
}

char *postern_configuration_option_text(const PosternConfiguration *configuration, const char *name,
                                        const PosternOption *option)
{
    gconstpointer place = postern_configuration_place(configuration, name, option);
    gboolean unsaid =
        place == (gconstpointer)&configuration->proxy.hostname && configuration->proxy.hostname_of_machine;
    g_autofree char *value =
        unsaid ? g_strdup(option->initial) : postern_configuration_value_text(place, option);
    return quote(value);
}

static void append_value(GString *out, const PosternConfiguration *configuration, const char *name,
                         const PosternOption *option)
{
    g_autofree char *value = postern_configuration_option_text(configuration, name, option);
    g_string_append_printf(out, "%s =%s%s\n", option->key, value[0] != '\0' ? " " : "", value);
}

static void append_named(GString *out, const PosternConfiguration *configuration, const char *group)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    const PosternNamedGroup *kind = postern_named_group(group);
    g_autoptr(GPtrArray) names = postern_configuration_names(configuration, group);

    for (guint i = 0; i < names->len; i++) {
        g_string_append_printf(out, "\n[%s %s]\n# %s\n", group, (char *)names->pdata[i], kind->text);
        for (gsize j = 0; j < length; j++)
            if (strcmp(options[j].group, group) == 0)
                append_value(out, configuration, names->pdata[i], &options[j]);
    }
}

/* Whether the row is the first, or the last, of its group. */
static gboolean is_at_edge(const PosternOption *options, gsize length, gsize i, gboolean last)
{
    if (last)
        return i + 1 == length || strcmp(options[i + 1].group, options[i].group) != 0;
    return i == 0 || strcmp(options[i - 1].group, options[i].group) != 0;
}

char *postern_configuration_dump(const PosternConfiguration *configuration)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    GString *out = g_string_new("# The configuration of Postern. What is not said here has its default.\n");

    for (gsize i = 0; i < length; i++) {
        const PosternOption *option = &options[i];
        g_autofree char *range = postern_option_range(option);

        if (is_at_edge(options, length, i, FALSE))
            g_string_append_printf(out, "\n[%s]\n", option->group);
        g_string_append_printf(out, "# %s\n# (%s; default: %s; %s)\n", option->text, range,
                               default_text(option), postern_option_reload_text(option));
        append_value(out, configuration, NULL, option);
        if (is_at_edge(options, length, i, TRUE))
            append_named(out, configuration, option->group);
    }
    return g_string_free(out, FALSE);
}

/* Text for mdoc(7), where a backslash begins an escape, a dot at the start of a line a request, and each
 * sentence a line. */
static void append_for_mdoc(GString *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        g_string_append(out, "\\&");
    for (; *text != '\0'; text++)
        if (*text == '\\')
            g_string_append(out, "\\e");
        else if (*text == '-')
            g_string_append(out, "\\-");
        else if (text[0] == ' ' && out->str[out->len - 1] == '.' && g_ascii_isupper(text[1]))
            g_string_append_c(out, '\n');
        else
            g_string_append_c(out, *text);
}

static void append_row(GString *out, const PosternOption *option)
{
    g_autofree char *range = postern_option_range(option);
    g_string_append_printf(out, ".It Cm %s\n", option->key);
    append_for_mdoc(out, option->text);
    g_string_append(out, "\n.br\n");
    append_for_mdoc(out, range);
    g_string_append(out, "; default: ");
    append_for_mdoc(out, default_text(option));
    g_string_append_printf(out, "; %s.\n", postern_option_reload_text(option));
}

char *postern_configuration_document(void)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    GString *out = g_string_new(NULL);
    for (gsize i = 0; i < length; i++) {
        if (is_at_edge(options, length, i, FALSE))
            g_string_append_printf(out, "%s.Ss Group [%s]\n.Bl -tag -width Ds\n", i > 0 ? ".El\n" : "",
                                   options[i].group);
        append_row(out, &options[i]);
        const PosternNamedGroup *kind = postern_named_group(options[i].group);
        if (kind != NULL && is_at_edge(options, length, i, TRUE)) {
            g_string_append_printf(out, ".It Op %s Ar NAME\n", kind->group);
            append_for_mdoc(out, kind->text);
            g_string_append_c(out, '\n');
        }
    }
    g_string_append(out, ".El\n");
    return g_string_free(out, FALSE);
}
