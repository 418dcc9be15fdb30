/*
 * The settings of another program, from anybody's octets: keys have no blanks, values none at their ends, and
 * they are read again as they were written.
 */
#include "milter/import/file.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize length);

static void check(const PosternSetting *setting)
{
    gsize end = strlen(setting->value);
    g_assert_true(strpbrk(setting->key, " \t=#\n") == NULL);
    g_assert_true(strpbrk(setting->value, "#\n") == NULL);
    g_assert_true(setting->key[0] != '\0' || setting->value[0] != '\0' || end == 0);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
    g_autofree char *text = g_strndup((const char *)data, length);
    g_autoptr(GPtrArray) settings = postern_settings_parse(text);
    for (guint i = 0; i < settings->len; i++)
        check(settings->pdata[i]);
    g_auto(GStrv) items =
        text[0] != '/' && strchr(text, ':') == NULL ? postern_settings_items(text, NULL) : NULL;
    for (char **item = items; item != NULL && *item != NULL; item++)
        g_assert_true(**item != '\0' && strpbrk(*item, ", \t") == NULL);
    return 0;
}
