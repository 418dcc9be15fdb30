#include "base/configuration.h"

#include <string.h>

#include "base/configuration/private.h"
#include "base/limits.h"
#include "base/suggestion.h"

/* Mail of people who have logged in is theirs to send: no stranger's records are asked for it. It is signed
 * if there are keys. */
static const struct {
    const char *key, *value;
} built_in_rows[] = {
    {"checks", "virus; rules"},       {"sign", "yes"},
    {"authentication_results", "no"}, {"spf_fail", "accept"},
    {"spf_softfail", "accept"},       {"spf_error", "accept"},
    {"spf_helo", "accept"},           {"dkim_fail", "accept"},
    {"dkim_error", "accept"},         {"dmarc_reject", "accept"},
    {"dmarc_quarantine", "accept"},   {"dmarc_error", "accept"},
};

static gboolean is_name(const char *text)
{
    gsize length = strlen(text);

    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '_')
            return FALSE;
    return length > 0 && length <= POSTERN_POLICY_NAME_MAX_OCTETS;
}

const char *postern_configuration_policy_of_group(const char *group)
{
    if (!g_str_has_prefix(group, POSTERN_POLICY_GROUP " "))
        return NULL;
    const char *name = group + strlen(POSTERN_POLICY_GROUP " ");
    return is_name(name) ? name : "";
}

/* The rows of group policy follow one another. */
static const PosternOption *policy_options(gsize *ret_length)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    gsize start = 0;

    while (!g_str_equal(options[start].group, POSTERN_POLICY_GROUP))
        start++;
    gsize end = start;
    while (end < length && g_str_equal(options[end].group, POSTERN_POLICY_GROUP))
        end++;
    *ret_length = end - start;
    return options + start;
}

static gpointer place_in(PosternPolicyOptions *policy, const PosternOption *option)
{
    return (guint8 *)policy + (option->offset - G_STRUCT_OFFSET(PosternConfiguration, policy));
}

static void policy_free(gpointer data)
{
    gsize length;
    const PosternOption *options = policy_options(&length);

    for (gsize i = 0; i < length; i++)
        postern_configuration_value_clear(place_in(data, &options[i]), &options[i]);
    g_free(data);
}

GHashTable *postern_configuration_policies_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, policy_free);
}

static void say_built_in(PosternPolicyOptions *policy, const PosternOption *option, gboolean has_keys)
{
    for (gsize i = 0; i < G_N_ELEMENTS(built_in_rows); i++)
        if (g_str_equal(built_in_rows[i].key, option->key) &&
            (has_keys || !g_str_equal(option->key, "sign")) &&
            !postern_configuration_value_set(place_in(policy, option), option, built_in_rows[i].value, NULL))
            g_error("built-in [policy " POSTERN_POLICY_SUBMISSION "] %s is not taken", option->key);
}

void postern_configuration_policies_add(PosternConfiguration *configuration, const char *name)
{
    gsize length;
    const PosternOption *options = policy_options(&length);

    if (g_hash_table_contains(configuration->policies, name))
        return;
    PosternPolicyOptions *policy = g_new0(PosternPolicyOptions, 1);
    for (gsize i = 0; i < length; i++) {
        postern_configuration_value_copy(place_in(policy, &options[i]),
                                         place_in(&configuration->policy, &options[i]), &options[i]);
        if (g_str_equal(name, POSTERN_POLICY_SUBMISSION))
            say_built_in(policy, &options[i], configuration->sign.table[0] != '\0');
    }
    g_hash_table_insert(configuration->policies, g_strdup(name), policy);
}

gpointer postern_configuration_policies_place(PosternConfiguration *configuration, const char *policy,
                                              const PosternOption *option)
{
    PosternPolicyOptions *options = NULL;

    if (policy != NULL && g_str_equal(option->group, POSTERN_POLICY_GROUP))
        options = g_hash_table_lookup(configuration->policies, policy);
    return options != NULL ? place_in(options, option) : G_STRUCT_MEMBER_P(configuration, option->offset);
}

gconstpointer postern_configuration_place(const PosternConfiguration *configuration, const char *policy,
                                          const PosternOption *option)
{
    return postern_configuration_policies_place((PosternConfiguration *)(guintptr)configuration, policy,
                                                option);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *postern_configuration_policy_names(const PosternConfiguration *configuration)
{
    GPtrArray *names = g_ptr_array_new();
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, configuration->policies);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(names, name);
    g_ptr_array_sort(names, compare_names);
    return names;
}

const PosternPolicyOptions *postern_configuration_policy(const PosternConfiguration *configuration,
                                                         const char *name)
{
    if (name == NULL || *name == '\0')
        return &configuration->policy;
    return g_hash_table_lookup(configuration->policies, name);
}

/* The groups, or the keys of group if it is not NULL; the container is the caller's. */
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
