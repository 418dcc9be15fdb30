#include "base/configuration.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/build.h"
#include "base/configuration_agreement.h"
#include "base/configuration_check.h"
#include "base/configuration_mistakes.h"
#include "base/configuration_scan.h"
#include "base/configuration_value.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/nearest.h"

static void name_host(PosternConfiguration *configuration)
{
    char name[POSTERN_DOMAIN_NAME_MAX_OCTETS + 2] = {0};
    if (configuration->proxy.hostname[0] != '\0')
        return;
    gboolean usable =
        gethostname(name, sizeof name - 1) == 0 && postern_configuration_check_domain(name, NULL);
    g_free(configuration->proxy.hostname);
    configuration->proxy.hostname = g_strdup(usable ? name : "localhost");
}

static PosternConfiguration *new_with_defaults(void)
{
    PosternConfiguration *configuration = g_new0(PosternConfiguration, 1);
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);

    for (gsize i = 0; i < length; i++) {
        g_autoptr(GError) error = NULL;
        if (!postern_configuration_value_set(configuration, &options[i], options[i].initial, &error))
            g_error("default of [%s] %s: %s", options[i].group, options[i].key, error->message);
    }
    return configuration;
}

PosternConfiguration *postern_configuration_new(void)
{
    PosternConfiguration *configuration = new_with_defaults();
    name_host(configuration);
    return configuration;
}

void postern_configuration_free(PosternConfiguration *configuration)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);

    if (configuration == NULL)
        return;
    for (gsize i = 0; i < length; i++)
        postern_configuration_value_clear(configuration, &options[i]);
    g_free(configuration);
}

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

static const PosternOption *find_option(const char *group, const char *key)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);

    for (gsize i = 0; i < length; i++)
        if ((group == NULL || strcmp(options[i].group, group) == 0) && strcmp(options[i].key, key) == 0)
            return &options[i];
    return NULL;
}

static void add_unknown_group(PosternMistakes *mistakes, const char *group)
{
    g_autoptr(GPtrArray) names = list_names(NULL);
    const char *nearest = postern_nearest_name(group, (const char *const *)names->pdata);
    g_autofree char *all = g_strjoinv(", ", (char **)names->pdata);

    if (nearest != NULL)
        postern_mistakes_add(mistakes, group, NULL, "there is no such group (did you mean '%s'?)", nearest);
    else
        postern_mistakes_add(mistakes, group, NULL, "there is no such group; there are %s", all);
}

static void add_unknown_key(PosternMistakes *mistakes, const char *group, const char *key)
{
    g_autoptr(GPtrArray) names = list_names(group);
    const char *nearest = postern_nearest_name(key, (const char *const *)names->pdata);
    const PosternOption *elsewhere = find_option(NULL, key);

    if (elsewhere != NULL)
        postern_mistakes_add(mistakes, group, key, "there is no such key here (did you mean '%s' of [%s]?)",
                             key, elsewhere->group);
    else if (nearest != NULL)
        postern_mistakes_add(mistakes, group, key, "there is no such key (did you mean '%s'?)", nearest);
    else
        postern_mistakes_add(mistakes, group, key, "there is no such key; --dump-config shows all");
}

/* FALSE where the value, not the key, is wrong. */
static gboolean read_key(PosternConfiguration *configuration, GKeyFile *file, const char *group,
                         const char *key, PosternMistakes *mistakes)
{
    g_autoptr(GError) error = NULL;
    const PosternOption *option = find_option(group, key);

    if (option == NULL) {
        add_unknown_key(mistakes, group, key);
        return TRUE;
    }
    g_autoptr(GError) escapes = NULL;
    g_autofree char *value = g_key_file_get_string(file, group, key, &escapes);
    if (value == NULL || escapes != NULL) {
        postern_mistakes_add(mistakes, group, key, "has a backslash that means nothing: write \\\\ for one");
        return FALSE;
    }
    if (!postern_configuration_value_set(configuration, option, value, &error)) {
        postern_mistakes_add(mistakes, group, key, "%s%s", error->message,
                             strstr(value, " #") != NULL ? " (a comment needs a line of its own)" : "");
        return FALSE;
    }
    return TRUE;
}

static void read_file(PosternConfiguration *configuration, GKeyFile *file, PosternMistakes *mistakes)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    g_autoptr(GPtrArray) known = list_names(NULL);
    gboolean all_right = TRUE;

    for (char **group = groups; *group != NULL; group++) {
        if (!g_strv_contains((const char *const *)known->pdata, *group)) {
            add_unknown_group(mistakes, *group);
            continue;
        }
        g_auto(GStrv) keys = g_key_file_get_keys(file, *group, NULL, NULL);
        for (char **key = keys; *key != NULL; key++)
            all_right = read_key(configuration, file, *group, *key, mistakes) && all_right;
    }
    /* A wrong value is still the default here, which may contradict what was meant. */
    if (all_right)
        postern_configuration_agree(configuration, mistakes);
}

static gboolean check_encoding(const char *text, gsize length, const char *name, GError **error)
{
    const char *end;
    if (length > POSTERN_CONFIGURATION_FILE_MAX_OCTETS) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "%s: is larger than %d octets: is it really a configuration file?", name,
                    POSTERN_CONFIGURATION_FILE_MAX_OCTETS);
        return FALSE;
    }
    if (g_utf8_validate_len(text, length, &end))
        return TRUE;
    guint line = 1;
    for (const char *octet = text; octet < end; octet++)
        line += *octet == '\n';
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                "%s: line %u: octet 0x%02x is not UTF-8 text: save the file as UTF-8", name, line,
                (guchar)*end);
    return FALSE;
}

PosternConfiguration *postern_configuration_parse(const char *text, gsize length, const char *name,
                                                  GError **error)
{
    if (!check_encoding(text, length, name, error))
        return NULL;
    g_autoptr(PosternConfiguration) configuration = new_with_defaults();
    g_autoptr(PosternMistakes) mistakes = postern_mistakes_new(name);
    g_autoptr(GKeyFile) file = postern_configuration_scan(text, length, mistakes);

    read_file(configuration, file, mistakes);
    if (!postern_mistakes_none(mistakes, error))
        return NULL;
    name_host(configuration);
    return g_steal_pointer(&configuration);
}

/* Reads at most one octet more than is allowed, whatever kind of file it is. */
static gboolean read_all(int descriptor, GString *text)
{
    char chunk[4096];
    while (text->len <= POSTERN_CONFIGURATION_FILE_MAX_OCTETS) {
        gssize count = read(descriptor, chunk, sizeof chunk);
        if (count == 0)
            return TRUE;
        if (count > 0)
            g_string_append_len(text, chunk, count);
        else if (errno != EINTR)
            return FALSE;
    }
    return TRUE;
}

static gboolean read_path(const char *path, GString *text, GError **error)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    gboolean done = descriptor >= 0 && read_all(descriptor, text);
    int number = errno;
    if (descriptor >= 0)
        close(descriptor);
    if (done)
        return TRUE;

    const char *advice = "";
    if (number == ENOENT || number == ENOTDIR)
        advice = ": name an existing file, or none for the defaults";
    else if (number == EACCES)
        advice = ": make it readable for the user who starts the program";
    else if (number == EISDIR)
        advice = ": name the file in it";
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "%s: cannot be read: %s%s", path,
                g_strerror(number), advice);
    return FALSE;
}

PosternConfiguration *postern_configuration_load(const char *path, GError **error)
{
    if (path == NULL) {
        if (access(POSTERN_CONFIGURATION_FILE, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
            return postern_configuration_new();
        path = POSTERN_CONFIGURATION_FILE;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    if (!read_path(path, text, error))
        return NULL;
    return postern_configuration_parse(text->str, text->len, path, error);
}
