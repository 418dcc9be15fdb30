#include "base/configuration.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/build.h"
#include "base/configuration/check.h"
#include "base/configuration/private.h"
#include "base/error.h"
#include "base/limits.h"

struct PosternDiagnostics {
    const char *name;
    GHashTable *places; /* or NULL */
    GString *lines;
    guint count;
};

PosternDiagnostics *postern_diagnostics_new(const char *name, GHashTable *lines)
{
    PosternDiagnostics *diagnostics = g_new0(PosternDiagnostics, 1);
    diagnostics->name = name;
    diagnostics->places = lines != NULL ? g_hash_table_ref(lines) : NULL;
    diagnostics->lines = g_string_new(NULL);
    return diagnostics;
}

void postern_diagnostics_free(PosternDiagnostics *diagnostics)
{
    if (diagnostics == NULL)
        return;
    g_clear_pointer(&diagnostics->places, g_hash_table_unref);
    g_string_free(diagnostics->lines, TRUE);
    g_free(diagnostics);
}

/* As postern_escape_append, but a quote or backslash, harmless on a line of its own, stays readable. */
static void append(GString *out, const char *text, gsize maximum)
{
    gsize taken = 0;
    for (; text[taken] != '\0' && taken < maximum; taken++) {
        guchar octet = (guchar)text[taken];
        if (octet >= 0x20 && octet <= 0x7e)
            g_string_append_c(out, (char)octet);
        else
            g_string_append_printf(out, "\\x%02x", octet);
    }
    if (text[taken] != '\0')
        g_string_append(out, "...");
}

/* Starts the next line, or tells that there is no room for another. */
static gboolean start_line(PosternDiagnostics *diagnostics)
{
    if (diagnostics->count++ >= POSTERN_CONFIGURATION_DIAGNOSTICS_MAX)
        return FALSE;
    g_string_append_printf(diagnostics->lines, "%s%s: ", diagnostics->lines->len > 0 ? "\n" : "",
                           diagnostics->name);
    return TRUE;
}

/* 0: the file does not say. */
static guint line_of(const PosternDiagnostics *diagnostics, const char *group, const char *key)
{
    if (diagnostics->places == NULL || group == NULL)
        return 0;
    g_autofree char *place = g_strdup_printf("%s\n%s", group, key != NULL ? key : "");
    return GPOINTER_TO_UINT(g_hash_table_lookup(diagnostics->places, place));
}

void postern_diagnostics_add(PosternDiagnostics *diagnostics, const char *group, const char *key,
                             const char *format, ...)
{
    if (!start_line(diagnostics))
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    GString *lines = diagnostics->lines;
    guint number = line_of(diagnostics, group, key);
    if (number > 0)
        g_string_append_printf(lines, "line %u: ", number);
    if (group != NULL) {
        g_string_append_c(lines, '[');
        append(lines, group, POSTERN_CONFIGURATION_NAME_MAX_OCTETS);
        g_string_append(lines, key != NULL ? "] " : "]: ");
    }
    if (key != NULL) {
        append(lines, key, POSTERN_CONFIGURATION_NAME_MAX_OCTETS);
        g_string_append(lines, ": ");
    }
    append(lines, what, POSTERN_LOG_VALUE_MAX_OCTETS);
}

static void add_line(PosternDiagnostics *diagnostics, guint number, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Adds "NAME: line NUMBER: what". */
static void add_line(PosternDiagnostics *diagnostics, guint number, const char *format, ...)
{
    if (!start_line(diagnostics))
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    g_string_append_printf(diagnostics->lines, "line %u: ", number);
    append(diagnostics->lines, what, POSTERN_LOG_VALUE_MAX_OCTETS);
}

gboolean postern_diagnostics_none(const PosternDiagnostics *diagnostics, GError **error)
{
    if (diagnostics->count == 0)
        return TRUE;
    g_autofree char *more = NULL;
    if (diagnostics->count > POSTERN_CONFIGURATION_DIAGNOSTICS_MAX)
        more = g_strdup_printf("\n%s: and %u mistakes more", diagnostics->name,
                               diagnostics->count - POSTERN_CONFIGURATION_DIAGNOSTICS_MAX);
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "%s%s", diagnostics->lines->str,
                             more != NULL ? more : "");
}

typedef struct {
    PosternDiagnostics *diagnostics;
    GString *kept;     /* what GKeyFile gets to read */
    GHashTable *lines; /* as in PosternConfiguration: the first */
    char *group;       /* NULL: none yet, or one whose name cannot be read */
    gboolean lost;     /* keys cannot be told from one another until the next group */
    guint number;
} Scan;

static gboolean is_group_name(const char *name)
{
    for (const char *octet = name; *octet != '\0'; octet++)
        if (*octet == '[' || *octet == ']' || g_ascii_iscntrl(*octet))
            return FALSE;
    return *name != '\0';
}

static gboolean is_key_name(const char *name)
{
    for (const char *octet = name; *octet != '\0'; octet++)
        if (!g_ascii_isalnum(*octet) && *octet != '_' && *octet != '-')
            return FALSE;
    return *name != '\0';
}

static void scan_group(Scan *scan, char *line)
{
    gsize length = strlen(line);
    gboolean closed = line[length - 1] == ']';

    g_clear_pointer(&scan->group, g_free);
    if (closed)
        line[length - 1] = '\0';
    scan->lost = !closed || !is_group_name(line + 1);
    if (scan->lost) {
        add_line(scan->diagnostics, scan->number, "'%s' is not a group: write [NAME]", line);
        return;
    }
    scan->group = g_strdup(line + 1);
    g_autofree char *name = g_strdup_printf("%s\n", scan->group);
    if (!g_hash_table_contains(scan->lines, name))
        g_hash_table_insert(scan->lines, g_steal_pointer(&name), GUINT_TO_POINTER(scan->number));
    g_string_append_printf(scan->kept, "[%s]\n", scan->group);
}

static void scan_key(Scan *scan, const char *key, const char *value)
{
    if (scan->lost)
        return;
    if (!is_key_name(key)) {
        add_line(scan->diagnostics, scan->number, "'%s' is not a key: write KEY = VALUE", key);
        return;
    }
    if (scan->group == NULL) {
        add_line(scan->diagnostics, scan->number,
                 "'%s' stands before the first group: put it below a line such as [proxy]", key);
        return;
    }
    g_autofree char *name = g_strdup_printf("%s\n%s", scan->group, key);
    if (g_hash_table_contains(scan->lines, name)) {
        postern_diagnostics_add(scan->diagnostics, scan->group, key, "stands again in line %u: keep one",
                                scan->number);
        return;
    }
    g_hash_table_insert(scan->lines, g_steal_pointer(&name), GUINT_TO_POINTER(scan->number));
    g_string_append_printf(scan->kept, "%s=%s\n", key, value);
}

static void scan_line(Scan *scan, char *line)
{
    g_strstrip(line);
    if (*line == '\0' || *line == '#')
        return;
    if (*line == '[') {
        scan_group(scan, line);
        return;
    }
    char *equals = strchr(line, '=');
    if (equals == NULL || *line == ';') {
        add_line(scan->diagnostics, scan->number,
                 "'%s' is not [GROUP], KEY = VALUE or a # comment on a line of its own", line);
        return;
    }
    *equals = '\0';
    scan_key(scan, g_strchomp(line), g_strchug(equals + 1));
}

static GKeyFile *scan(const char *text, gsize length, GHashTable *lines, PosternDiagnostics *diagnostics)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    g_autoptr(GString) kept = g_string_new(NULL);
    Scan scan = {.diagnostics = diagnostics, .kept = kept, .lines = lines};

    const char *end = text + length;
    if (length >= 3 && memcmp(text, byte_order_mark, 3) == 0)
        text += 3;
    while (text < end) {
        const char *line_end = memchr(text, '\n', (gsize)(end - text));
        if (line_end == NULL)
            line_end = end;
        g_autofree char *line = g_strndup(text, (gsize)(line_end - text));
        scan.number++;
        scan_line(&scan, line);
        text = line_end + 1;
    }
    g_free(scan.group);

    GKeyFile *file = g_key_file_new();
    g_autoptr(GError) reason = NULL;
    if (!g_key_file_load_from_data(file, kept->str, kept->len, G_KEY_FILE_NONE, &reason))
        postern_diagnostics_add(diagnostics, NULL, NULL, "%s", reason->message);
    return file;
}

static void name_host(PosternConfiguration *configuration)
{
    char name[POSTERN_DOMAIN_NAME_MAX_OCTETS + 2] = {0};
    if (configuration->proxy.hostname[0] != '\0')
        return;
    gboolean usable =
        gethostname(name, sizeof name - 1) == 0 && postern_configuration_check_domain(name, NULL);
    g_free(configuration->proxy.hostname);
    configuration->proxy.hostname = g_strdup(usable ? name : "localhost");
    configuration->proxy.hostname_of_machine = TRUE;
}

static gpointer place_of(PosternConfiguration *configuration, const PosternOption *option)
{
    return G_STRUCT_MEMBER_P(configuration, option->offset);
}

static PosternConfiguration *new_with_defaults(void)
{
    PosternConfiguration *configuration = g_new0(PosternConfiguration, 1);
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);

    postern_configuration_named_init(configuration);
    for (gsize i = 0; i < length; i++) {
        g_autoptr(GError) error = NULL;
        if (!postern_configuration_value_set(place_of(configuration, &options[i]), &options[i],
                                             options[i].initial, &error))
            g_error("default of [%s] %s: %s", options[i].group, options[i].key, error->message);
    }
    return configuration;
}

PosternConfiguration *postern_configuration_new(void)
{
    PosternConfiguration *configuration = new_with_defaults();
    postern_configuration_named_add(configuration, POSTERN_POLICY_GROUP, POSTERN_POLICY_SUBMISSION);
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
        postern_configuration_value_clear(place_of(configuration, &options[i]), &options[i]);
    postern_configuration_named_clear(configuration);
    g_clear_pointer(&configuration->lines, g_hash_table_unref);
    g_free(configuration->given_inspector);
    g_free(configuration);
}

typedef struct {
    PosternConfiguration *configuration;
    GKeyFile *file;
    PosternDiagnostics *diagnostics;
    gboolean all_right; /* no value is wrong; a wrong one is still the default */
} Reading;

/* FALSE if the value, not the key, is wrong. group: as the file has it; rows: whose rows it has; name: of a
 * [GROUP NAME], or NULL. */
static gboolean read_key(Reading *reading, const char *group, const char *key, const char *rows,
                         const char *name)
{
    g_autoptr(GError) error = NULL;
    const PosternOption *option = postern_configuration_find(rows, key);

    if (option == NULL) {
        postern_configuration_add_unknown_key(reading->diagnostics, group, rows, key);
        return TRUE;
    }
    g_autoptr(GError) escapes = NULL;
    g_autofree char *value = g_key_file_get_string(reading->file, group, key, &escapes);
    if (value == NULL || escapes != NULL) {
        postern_diagnostics_add(reading->diagnostics, group, key,
                                "has a backslash that means nothing: write \\\\ for one");
        return FALSE;
    }
    gpointer place = postern_configuration_named_place(reading->configuration, name, option);
    if (!postern_configuration_value_set(place, option, value, &error)) {
        postern_diagnostics_add(reading->diagnostics, group, key, "%s%s", error->message,
                                strstr(value, " #") != NULL ? " (a comment needs a line of its own)" : "");
        return FALSE;
    }
    return TRUE;
}

static void read_group(Reading *reading, const char *group, const char *rows, const char *name)
{
    g_auto(GStrv) keys = g_key_file_get_keys(reading->file, group, NULL, NULL);
    for (char **key = keys; key != NULL && *key != NULL; key++)
        reading->all_right = read_key(reading, group, *key, rows, name) && reading->all_right;
}

static void read_named(Reading *reading, const char *group, const PosternNamedGroup *kind, const char *name)
{
    if (*name == '\0') {
        postern_diagnostics_add(reading->diagnostics, group, NULL,
                                "is no %s: write [%s NAME], NAME of at most %d letters, digits, '-' and '_'",
                                kind->group, kind->group, POSTERN_POLICY_NAME_MAX_OCTETS);
        return;
    }
    g_autoptr(GPtrArray) names = postern_configuration_names(reading->configuration, kind->group);
    if (names->len >= kind->maximum && !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL)) {
        postern_diagnostics_add(reading->diagnostics, group, NULL,
                                "is one too many: there may be %u of [%s NAME]", kind->maximum, kind->group);
        return;
    }
    postern_configuration_named_add(reading->configuration, kind->group, name);
    read_group(reading, group, kind->group, name);
}

/* [GROUP NAME] come last, wherever they stand: they begin with what [GROUP] says. */
static void read_file(PosternConfiguration *configuration, GKeyFile *file, PosternDiagnostics *diagnostics)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    Reading reading = {configuration, file, diagnostics, TRUE};
    const PosternNamedGroup *kind;
    const char *name;

    for (char **group = groups; *group != NULL; group++) {
        if (postern_named_group_of(*group, &name) != NULL)
            continue;
        if (postern_configuration_has_group(*group))
            read_group(&reading, *group, *group, NULL);
        else
            postern_configuration_add_unknown_group(diagnostics, *group);
    }
    postern_configuration_named_add(configuration, POSTERN_POLICY_GROUP, POSTERN_POLICY_SUBMISSION);
    for (char **group = groups; *group != NULL; group++)
        if ((kind = postern_named_group_of(*group, &name)) != NULL)
            read_named(&reading, *group, kind, name);
    /* A wrong value is still the default here, which may contradict what was meant. */
    if (reading.all_right) {
        postern_configuration_agree(configuration, diagnostics);
        postern_configuration_agree_screen(configuration, diagnostics);
        postern_configuration_agree_report(configuration, diagnostics);
    }
}

static gboolean check_encoding(const char *text, gsize length, const char *name, GError **error)
{
    const char *end;
    if (length > POSTERN_CONFIGURATION_FILE_MAX_OCTETS)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "%s: is larger than %d octets: is it really a configuration file?", name,
                                 POSTERN_CONFIGURATION_FILE_MAX_OCTETS);
    if (g_utf8_validate_len(text, length, &end))
        return TRUE;
    guint line = 1;
    for (const char *octet = text; octet < end; octet++)
        line += *octet == '\n';
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                             "%s: line %u: octet 0x%02x is not UTF-8 text: save the file as UTF-8", name,
                             line, (guchar)*end);
}

PosternConfiguration *postern_configuration_parse(const char *text, gsize length, const char *name,
                                                  GError **error)
{
    if (!check_encoding(text, length, name, error))
        return NULL;
    g_autoptr(PosternConfiguration) configuration = new_with_defaults();
    configuration->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(PosternDiagnostics) diagnostics = postern_diagnostics_new(name, configuration->lines);
    g_autoptr(GKeyFile) file = scan(text, length, configuration->lines, diagnostics);

    read_file(configuration, file, diagnostics);
    if (!postern_diagnostics_none(diagnostics, error))
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
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "%s: cannot be read: %s%s", path,
                             g_strerror(number), advice);
}

static gboolean has_no_file(void)
{
    return access(POSTERN_CONFIGURATION_FILE, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

PosternConfiguration *postern_configuration_load(const char *path, GError **error)
{
    if (path == NULL) {
        if (has_no_file())
            return postern_configuration_new();
        path = POSTERN_CONFIGURATION_FILE;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    if (!read_path(path, text, error))
        return NULL;
    return postern_configuration_parse(text->str, text->len, path, error);
}

char *postern_configuration_ok_message(const char *path)
{
    if (path == NULL && has_no_file())
        return g_strdup("there is no " POSTERN_CONFIGURATION_FILE ": all options have their defaults");
    return g_strdup_printf("%s: no mistakes found", path != NULL ? path : POSTERN_CONFIGURATION_FILE);
}
