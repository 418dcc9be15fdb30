#include "base/configuration.h"

#include <string.h>

#include "base/configuration_value.h"

/* value as a key file writes it, so that it is read back as it is. */
static char *quote(const char *value)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_key_file_set_string(file, "group", "key", value);
    return g_key_file_get_value(file, "group", "key", NULL);
}

static char *describe_default(const PosternOption *option)
{
    return option->initial[0] == '\0' ? g_strdup("empty") : g_strdup(option->initial);
}

char *postern_configuration_dump(const PosternConfiguration *configuration)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    GString *out = g_string_new("# The configuration of Postern. What is not said here has its default.\n");

    for (gsize i = 0; i < length; i++) {
        const PosternOption *option = &options[i];
        g_autofree char *range = postern_option_range(option);
        g_autofree char *initial = describe_default(option);
        g_autofree char *value = postern_configuration_value_text(configuration, option);
        g_autofree char *quoted = quote(value);

        if (i == 0 || strcmp(options[i - 1].group, option->group) != 0)
            g_string_append_printf(out, "\n[%s]\n", option->group);
        g_string_append_printf(out, "# %s\n# (%s; default: %s)\n", option->text, range, initial);
        g_string_append_printf(out, "%s =%s%s\n", option->key, quoted[0] != '\0' ? " " : "", quoted);
    }
    return g_string_free(out, FALSE);
}

/* Text for mdoc(7), where a backslash begins an escape and a dot at the start of a line a request. */
static void append_for_mdoc(GString *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        g_string_append(out, "\\&");
    for (; *text != '\0'; text++)
        if (*text == '\\')
            g_string_append(out, "\\e");
        else if (*text == '-')
            g_string_append(out, "\\-");
        else
            g_string_append_c(out, *text);
}

static void append_manual_row(GString *out, const PosternOption *option, const char *range,
                              const char *initial)
{
    g_string_append_printf(out, ".It Cm %s\n", option->key);
    append_for_mdoc(out, option->text);
    g_string_append(out, "\n.br\n");
    append_for_mdoc(out, range);
    g_string_append(out, "; default: ");
    append_for_mdoc(out, initial);
    g_string_append(out, ".\n");
}

static void append_plain_row(GString *out, const PosternOption *option, const char *range,
                             const char *initial)
{
    g_string_append_printf(out, "  %-27s %s\n", option->key, option->text);
    g_string_append_printf(out, "  %-27s %s; default: %s\n", "", range, initial);
}

char *postern_configuration_document(gboolean manual)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    GString *out = g_string_new(NULL);

    for (gsize i = 0; i < length; i++) {
        const PosternOption *option = &options[i];
        g_autofree char *range = postern_option_range(option);
        g_autofree char *initial = describe_default(option);
        gboolean starts = i == 0 || strcmp(options[i - 1].group, option->group) != 0;

        if (starts && manual)
            g_string_append_printf(out, "%s.Ss Group [%s]\n.Bl -tag -width Ds\n", i > 0 ? ".El\n" : "",
                                   option->group);
        else if (starts)
            g_string_append_printf(out, "%s[%s]\n", i > 0 ? "\n" : "", option->group);
        if (manual)
            append_manual_row(out, option, range, initial);
        else
            append_plain_row(out, option, range, initial);
    }
    if (manual)
        g_string_append(out, ".El\n");
    return g_string_free(out, FALSE);
}
