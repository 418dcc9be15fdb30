#include "checks/dkim/tags.h"

#include <string.h>

char *postern_dkim_collapse(const char *value)
{
    GString *out = g_string_new(NULL);
    for (const char *place = value != NULL ? value : ""; *place != '\0'; place++)
        if (!g_ascii_isspace(*place))
            g_string_append_c(out, *place);
    return g_string_free(out, FALSE);
}

guint postern_dkim_list_count(const char *value, const char *item)
{
    gsize length = strlen(item);
    guint count = 0;
    while (value != NULL) {
        const char *end = strchr(value, ':');
        const char *stop = end != NULL ? end : value + strlen(value);
        while (value < stop && g_ascii_isspace(*value))
            value++;
        while (stop > value && g_ascii_isspace(stop[-1]))
            stop--;
        if ((gsize)(stop - value) == length && g_ascii_strncasecmp(value, item, length) == 0)
            count++;
        value = end != NULL ? end + 1 : NULL;
    }
    return count;
}

gboolean postern_dkim_list_has(const char *value, const char *item)
{
    return postern_dkim_list_count(value, item) > 0;
}

gboolean postern_dkim_number(const char *value, gint64 *ret_number)
{
    gint64 number = 0;
    gsize digits = 0;
    for (; g_ascii_isdigit(value[digits]); digits++) {
        if (digits == 15)
            return FALSE;
        number = number * 10 + (value[digits] - '0');
    }
    *ret_number = number;
    return digits > 0 && value[digits] == '\0';
}
