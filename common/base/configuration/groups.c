#include "base/configuration.h"

#include <string.h>

#include "base/configuration/private.h"
#include "base/limits.h"
#include "base/suggestion.h"

/* Mail of people who have logged in is theirs to send: no external records are asked for it. It is signed
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

#define NAMED(group, member, named, maximum, text)                                                           \
    {                                                                                                        \
        group, G_STRUCT_OFFSET(PosternConfiguration, member),                                                \
            sizeof(((PosternConfiguration *)NULL)->member), G_STRUCT_OFFSET(PosternConfiguration, named),    \
            maximum, text                                                                                    \
    }
static const PosternNamedGroup named_groups[] = {
    NAMED("policy", policy, policies, POSTERN_POLICIES_MAX,
          "Keys as in [policy], and its values where nothing is said; [clients] and its recipients name it."),
    NAMED("servers", servers, groups, POSTERN_SERVER_GROUPS_MAX,
          "Keys as in [servers], and its values where nothing is said; a group of servers, which [proxy] "
          "routes names."),
    NAMED("class", class, classes, POSTERN_CLASSES_MAX,
          "Keys as in [class], and its values where nothing is said; for the clients that it describes."),
    NAMED(
        "list", list, lists, POSTERN_LISTS_MAX,
        "Keys as in [list], and its values where nothing is said; a DNS list that clients are looked up in."),
};

const PosternNamedGroup *postern_named_groups(gsize *ret_length)
{
    *ret_length = G_N_ELEMENTS(named_groups);
    return named_groups;
}

static gboolean is_name(const char *text)
{
    gsize length = strlen(text);

    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '_')
            return FALSE;
    return length > 0 && length <= POSTERN_POLICY_NAME_MAX_OCTETS;
}

const PosternNamedGroup *postern_named_group(const char *group)
{
    for (gsize i = 0; i < G_N_ELEMENTS(named_groups); i++)
        if (g_str_equal(named_groups[i].group, group))
            return &named_groups[i];
    return NULL;
}

const PosternNamedGroup *postern_named_group_of(const char *group, const char **ret_name)
{
    const char *space = strchr(group, ' ');
    if (space == NULL)
        return NULL;
    g_autofree char *first = g_strndup(group, (gsize)(space - group));
    *ret_name = is_name(space + 1) ? space + 1 : "";
    return postern_named_group(first);
}

static GHashTable *table_of(const PosternConfiguration *configuration, const PosternNamedGroup *kind)
{
    return *(GHashTable *const *)((const guint8 *)configuration + kind->table);
}

static gpointer place_in(gpointer values, const PosternNamedGroup *kind, const PosternOption *option)
{
    return (guint8 *)values + (option->offset - kind->offset);
}

void postern_configuration_named_init(PosternConfiguration *configuration)
{
    for (gsize i = 0; i < G_N_ELEMENTS(named_groups); i++)
        *(GHashTable **)G_STRUCT_MEMBER_P(configuration, named_groups[i].table) =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void postern_configuration_named_clear(PosternConfiguration *configuration)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);

    for (gsize i = 0; i < length; i++) {
        const PosternNamedGroup *kind = postern_named_group(options[i].group);
        GHashTableIter iter;
        gpointer values;
        if (kind == NULL)
            continue;
        g_hash_table_iter_init(&iter, table_of(configuration, kind));
        while (g_hash_table_iter_next(&iter, NULL, &values))
            postern_configuration_value_clear(place_in(values, kind, &options[i]), &options[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(named_groups); i++)
        g_hash_table_unref(table_of(configuration, &named_groups[i]));
}

static void say_built_in(gpointer place, const PosternOption *option, gboolean has_keys)
{
    for (gsize i = 0; i < G_N_ELEMENTS(built_in_rows); i++)
        if (g_str_equal(built_in_rows[i].key, option->key) &&
            (has_keys || !g_str_equal(option->key, "sign")) &&
            !postern_configuration_value_set(place, option, built_in_rows[i].value, NULL))
            g_error("built-in [policy " POSTERN_POLICY_SUBMISSION "] %s is not taken", option->key);
}

void postern_configuration_named_add(PosternConfiguration *configuration, const char *group, const char *name)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    const PosternNamedGroup *kind = postern_named_group(group);
    GHashTable *table = table_of(configuration, kind);

    if (g_hash_table_contains(table, name))
        return;
    gpointer values = g_malloc0(kind->size);
    for (gsize i = 0; i < length; i++) {
        if (!g_str_equal(options[i].group, group))
            continue;
        gpointer place = place_in(values, kind, &options[i]);
        postern_configuration_value_copy(place, G_STRUCT_MEMBER_P(configuration, options[i].offset),
                                         &options[i]);
        if (g_str_equal(group, POSTERN_POLICY_GROUP) && g_str_equal(name, POSTERN_POLICY_SUBMISSION))
            say_built_in(place, &options[i], configuration->sign.table[0] != '\0');
    }
    g_hash_table_insert(table, g_strdup(name), values);
}

gpointer postern_configuration_named_place(PosternConfiguration *configuration, const char *name,
                                           const PosternOption *option)
{
    const PosternNamedGroup *kind = name != NULL ? postern_named_group(option->group) : NULL;
    gpointer values = kind != NULL ? g_hash_table_lookup(table_of(configuration, kind), name) : NULL;

    return values != NULL ? place_in(values, kind, option) : G_STRUCT_MEMBER_P(configuration, option->offset);
}

gconstpointer postern_configuration_place(const PosternConfiguration *configuration, const char *name,
                                          const PosternOption *option)
{
    return postern_configuration_named_place((PosternConfiguration *)(guintptr)configuration, name, option);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *postern_configuration_names(const PosternConfiguration *configuration, const char *group)
{
    const PosternNamedGroup *kind = postern_named_group(group);
    GPtrArray *names = g_ptr_array_new();
    GHashTableIter iter;
    gpointer name;

    if (kind == NULL)
        return names;
    g_hash_table_iter_init(&iter, table_of(configuration, kind));
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
static char *guess_named(const char *group)
{
    const char *candidates[G_N_ELEMENTS(named_groups) + 1] = {NULL};
    gsize length = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(named_groups); i++)
        candidates[i] = named_groups[i].group;
    while (g_ascii_isalpha(group[length]))
        length++;
    g_autofree char *word = g_strndup(group, length);
    const char *nearest = postern_suggestion_for_name(word, candidates);
    const char *name = group + length + (group[length] != '\0' ? 1 : 0);
    return nearest != NULL && is_name(name) ? g_strconcat(nearest, " ", name, NULL) : NULL;
}

void postern_configuration_add_unknown_group(PosternDiagnostics *diagnostics, const char *group)
{
    g_autoptr(GPtrArray) names = list_names(NULL);
    g_autofree char *named = guess_named(group);
    const char *nearest =
        named != NULL ? named : postern_suggestion_for_name(group, (const char *const *)names->pdata);
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
