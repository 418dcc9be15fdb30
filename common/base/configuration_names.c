#include "base/configuration_names.h"

#include <string.h>

#include "base/configuration_policies.h"
#include "base/suggestion.h"

/* The groups, or the keys of group where it is not NULL; the container is the caller's. */
static GPtrArray *list_names(const char *group)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    GPtrArray *names = g_ptr_array_new();

    for (gsize i = 0; i < length; i++) {
        const char *name = group == NULL ? options[i].group : options[i].key;
        gboolean wanted = group == NULL ? i == 0 || strcmp(options[i - 1].group, name) != 0
                                        : strcmp(options[i].group, group) == 0;
        if (wanted)
            g_ptr_array_add(names, (gpointer)(guintptr)name);
    }
    g_ptr_array_add(names, NULL);
    return names;
}

gboolean postern_configuration_has_group(const char *group)
{
    g_autoptr(GPtrArray) names = list_names(NULL);

    return g_strv_contains((const char *const *)names->pdata, group);
}

const PosternOption *postern_configuration_find(const char *group, const char *key)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);

    for (gsize i = 0; i < length; i++)
        if ((group == NULL || strcmp(options[i].group, group) == 0) && strcmp(options[i].key, key) == 0)
            return &options[i];
    return NULL;
}

/* "polcy strict", "policy:strict", "Policy_strict": what [policy NAME] would be, or NULL; a new string. */
static char *guess_policy(const char *group)
{
    static const char *const candidates[] = {POSTERN_POLICY_GROUP, NULL};
    gsize length = 0;

    while (g_ascii_isalpha(group[length]))
        length++;
    g_autofree char *word = g_strndup(group, length);
    g_autofree char *name =
        g_strconcat(POSTERN_POLICY_GROUP " ", group + length + (group[length] != '\0' ? 1 : 0), NULL);
    const char *policy = postern_configuration_policy_of_group(name);
    if (postern_suggestion_for_name(word, candidates) == NULL || policy == NULL || *policy == '\0')
        return NULL;
    return g_steal_pointer(&name);
}

void postern_configuration_add_unknown_group(PosternDiagnostics *diagnostics, const char *group)
{
    g_autoptr(GPtrArray) names = list_names(NULL);
    g_autofree char *policy = guess_policy(group);
    const char *nearest =
        policy != NULL ? policy : postern_suggestion_for_name(group, (const char *const *)names->pdata);
    g_autofree char *all = g_strjoinv(", ", (char **)names->pdata);

    if (nearest != NULL)
        postern_diagnostics_add(diagnostics, group, NULL, "there is no such group (did you mean '%s'?)",
                                nearest);
    else
        postern_diagnostics_add(
            diagnostics, group, NULL,
            "there is no such group; there are %s, and policies of your own, [policy NAME]", all);
}

void postern_configuration_add_unknown_key(PosternDiagnostics *diagnostics, const char *group,
                                           const char *rows, const char *key)
{
    g_autoptr(GPtrArray) names = list_names(rows);
    const char *nearest = postern_suggestion_for_name(key, (const char *const *)names->pdata);
    const PosternOption *elsewhere = postern_configuration_find(NULL, key);

    if (elsewhere != NULL)
        postern_diagnostics_add(diagnostics, group, key,
                                "there is no such key here (did you mean '%s' of [%s]?)", key,
                                elsewhere->group);
    else if (nearest != NULL)
        postern_diagnostics_add(diagnostics, group, key, "there is no such key (did you mean '%s'?)",
                                nearest);
    else
        postern_diagnostics_add(diagnostics, group, key, "there is no such key; --dump-config shows all");
}
