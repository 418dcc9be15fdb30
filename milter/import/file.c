#include "milter/import/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/limits.h"

static void setting_free(gpointer data)
{
    PosternSetting *setting = data;
    g_free(setting->key);
    g_free(setting->value);
    g_free(setting);
}

static void unquote(char *value)
{
    gsize length = strlen(value);
    if (length < 2 || value[0] != '"' || value[length - 1] != '"')
        return;
    memmove(value, value + 1, length - 2);
    value[length - 2] = '\0';
}

static void add_line(GPtrArray *settings, char *line)
{
    line[strcspn(line, "#")] = '\0';
    g_strstrip(line);
    if (*line == '\0')
        return;
    gsize length = strcspn(line, " \t=");
    PosternSetting *setting = g_new0(PosternSetting, 1);
    setting->key = g_strndup(line, length);
    line += length + strspn(line + length, " \t");
    if (*line == '=')
        line++;
    setting->value = g_strstrip(g_strdup(line));
    unquote(setting->value);
    g_ptr_array_add(settings, setting);
}

GPtrArray *postern_settings_parse(const char *text)
{
    GPtrArray *settings = g_ptr_array_new_with_free_func(setting_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        add_line(settings, *line);
    return settings;
}

/* To open a FIFO could wait for ever, and to open a device do something. */
static gboolean is_file(const char *path, GError **error)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return postern_error_set_system(error, errno, "%s", path);
    if (S_ISREG(status.st_mode))
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_INPUT, "%s: is no file", path);
}

static char *read_text(const char *path, GError **error)
{
    g_autoptr(GMappedFile) file = is_file(path, error) ? g_mapped_file_new(path, FALSE, error) : NULL;
    if (file == NULL)
        return NULL;
    gsize length = g_mapped_file_get_length(file);
    const char *octets = length > 0 ? g_mapped_file_get_contents(file) : "";
    if (length <= POSTERN_CONFIGURATION_FILE_MAX_OCTETS && g_utf8_validate(octets, (gssize)length, NULL))
        return g_strndup(octets, length);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT,
                "%s: is no file of settings: it is not text, or larger than %d octets", path,
                POSTERN_CONFIGURATION_FILE_MAX_OCTETS);
    return NULL;
}

GPtrArray *postern_settings_read(const char *path, GError **error)
{
    g_autofree char *text = read_text(path, error);
    return text != NULL ? postern_settings_parse(text) : NULL;
}

const char *postern_settings_path(const char *value)
{
    static const char *const schemes[] = {"refile:", "file:"};
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++)
        if (g_str_has_prefix(value, schemes[i]))
            return value + strlen(schemes[i]);
    return *value == '/' ? value : NULL;
}

char **postern_settings_items(const char *value, GError **error)
{
    g_autoptr(GStrvBuilder) items = g_strv_builder_new();
    const char *path = postern_settings_path(value);
    if (path != NULL) {
        g_autoptr(GPtrArray) lines = postern_settings_read(path, error);
        if (lines == NULL)
            return NULL;
        for (guint i = 0; i < lines->len; i++)
            g_strv_builder_add(items, ((PosternSetting *)lines->pdata[i])->key);
        return g_strv_builder_end(items);
    }
    if (g_str_has_prefix(value, "csl:"))
        value += strlen("csl:");
    g_auto(GStrv) words = g_strsplit_set(value, ", \t", -1);
    for (char **word = words; *word != NULL; word++)
        if (**word != '\0')
            g_strv_builder_add(items, *word);
    return g_strv_builder_end(items);
}
