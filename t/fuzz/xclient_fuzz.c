#include "wire/xclient.h"

#include <string.h>

#include <glib.h>

#include "split.h"

static void check_attributes(const char *text)
{
    guint mask = postern_client_attributes_parse(text);
    g_autofree char *names = postern_client_attributes_names(mask);

    g_assert_cmpuint(postern_client_attributes_parse(names), ==, mask);
}

/* One command a line, and each value is the beginning of what it was given. */
static void check_format(const char *text, guint supported)
{
    PosternClientAttributeValue values[] = {
        {POSTERN_CLIENT_NAME, text}, {POSTERN_CLIENT_ADDR, NULL},  {POSTERN_CLIENT_HELO, text},
        {POSTERN_CLIENT_PORT, ""},   {POSTERN_CLIENT_LOGIN, text},
    };
    g_autoptr(GPtrArray) commands =
        postern_client_attributes_format("XCLIENT", supported, values, G_N_ELEMENTS(values));

    for (guint i = 0; i < commands->len; i++) {
        const char *command = g_ptr_array_index(commands, i);
        gsize length = strlen(command);
        g_autofree char *line = g_strndup(command, length - 2);
        g_auto(GStrv) words = g_strsplit(line, " ", -1);

        g_assert_true(length <= 512 && g_str_has_suffix(command, "\r\n") && strpbrk(line, "\r\n") == NULL);
        g_assert_cmpstr(words[0], ==, "XCLIENT");
        for (gsize j = 1; words[j] != NULL; j++) {
            const char *value = strchr(words[j], '=') + 1;
            g_autofree char *decoded = postern_xtext_decode(value);

            g_assert_true(strcmp(value, "[UNAVAILABLE]") == 0 || g_str_has_prefix(text, decoded));
        }
    }
}

static void check_given(const PosternClientAttributeGiven *given, guint supported)
{
    g_assert_true((given->attribute & supported) != 0 && (given->attribute & (given->attribute - 1)) == 0);
    if (given->value == NULL)
        return;
    g_assert_false(given->temporary);
    g_assert_cmpuint(strlen(given->value), <=, 255);
    g_assert_true(g_utf8_validate(given->value, -1, NULL));
    for (const char *at = given->value; *at != '\0'; at++)
        g_assert_true((guchar)*at >= ' ' && *at != 0x7f);
}

/* What a server in front says: refused for a reason, or each value fit for a log and a command. */
static void check_read(const char *text, guint supported)
{
    const char *problem = NULL;
    g_autoptr(GPtrArray) attributes = postern_client_attributes_read(text, supported, &problem);

    g_assert_true((attributes == NULL) == (problem != NULL));
    for (guint i = 0; attributes != NULL && i < attributes->len; i++)
        check_given(g_ptr_array_index(attributes, i), supported);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = NULL, *decoded = NULL;

    if (size < 1)
        return 0;
    text = g_strndup((const char *)data + 1, size - 1);
    decoded = postern_xtext_decode(text);
    check_attributes(text);
    check_format(decoded != NULL ? decoded : text, data[0] == 0 ? ~0u : data[0]);
    check_read(text, data[0] == 0 ? ~0u : data[0]);
    return 0;
}
