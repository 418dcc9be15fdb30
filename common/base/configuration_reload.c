#include "base/configuration_reload.h"

#include "base/configuration_value.h"
#include "base/error.h"

#define RESTARTS                                                                                             \
    (POSTERN_RELOAD_RESTARTS_PROXY | POSTERN_RELOAD_RESTARTS_MILTER | POSTERN_RELOAD_RESTARTS_INSPECTOR)

static gboolean is_same(const PosternConfiguration *a, const PosternConfiguration *b,
                        const PosternOption *option)
{
    gconstpointer place = postern_configuration_place(a, NULL, option);
    gconstpointer other_place = postern_configuration_place(b, NULL, option);
    g_autofree char *one = postern_configuration_value_text(place, option);
    g_autofree char *other = postern_configuration_value_text(other_place, option);
    return g_str_equal(one, other);
}

/* "[group] key" of each option that is of reload and differs; free with g_ptr_array_unref. */
static GPtrArray *differences(const PosternConfiguration *a, const PosternConfiguration *b, guint reload)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < length; i++)
        if ((options[i].reload & reload) != 0 && !is_same(a, b, &options[i]))
            g_ptr_array_add(names, g_strdup_printf("[%s] %s", options[i].group, options[i].key));
    return names;
}

gboolean postern_configuration_differs(const PosternConfiguration *a, const PosternConfiguration *b,
                                       guint reload)
{
    g_autoptr(GPtrArray) names = differences(a, b, reload);
    return names->len > 0;
}

gboolean postern_configuration_can_reload(const PosternConfiguration *running,
                                          const PosternConfiguration *wanted, guint programs, GError **error)
{
    g_autoptr(GPtrArray) names = differences(running, wanted, programs & RESTARTS);
    if (names->len == 0)
        return TRUE;
    const char *verb = names->len == 1 ? "needs" : "need";
    g_ptr_array_add(names, NULL);
    g_autofree char *text = g_strjoinv(", ", (char **)names->pdata);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "a new %s %s a restart", text, verb);
    return FALSE;
}

const char *postern_option_reload_text(const PosternOption *option)
{
    if ((option->reload & RESTARTS) != 0)
        return "needs a restart";
    return (option->reload & POSTERN_RELOAD_ENDS_SESSIONS) != 0 ? "a reload takes it, and lets clients go"
                                                                : "a reload takes it";
}
