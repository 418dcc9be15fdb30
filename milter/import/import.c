#include "milter/import/import.h"

#include <string.h>

#include "base/configuration.h"
#include "base/error.h"
#include "milter/import/file.h"
#include "milter/import/networks.h"

#define KEYS_FILE "/etc/postern/keys/table" /* as postern-inspector(8) has it: keys is a directory */

/* One line for postern.conf. */
typedef struct {
    const char *group, *option;
    char *value;
    GString *sources; /* "opendkim InternalHosts" */
} Line;

typedef struct {
    const char *program; /* of the file at hand */
    GPtrArray *lines;    /* of Line * */
    GPtrArray *notes;    /* of char *: what is not taken over, and why */
    GPtrArray *sockets;  /* of char *: where the programs listened */
    GPtrArray *keys;     /* of char *: lines for [sign] table */
    char *domains, *selector, *key_file;
    gboolean verifies_only; /* opendkim has keys, and signs nothing */
} Import;

static void line_free(gpointer data)
{
    Line *line = data;
    g_free(line->value);
    g_string_free(line->sources, TRUE);
    g_free(line);
}

static void import_clear(Import *import)
{
    g_ptr_array_unref(import->lines);
    g_ptr_array_unref(import->notes);
    g_ptr_array_unref(import->sockets);
    g_ptr_array_unref(import->keys);
    g_free(import->domains);
    g_free(import->selector);
    g_free(import->key_file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Import, import_clear)

static void note(Import *import, const PosternSetting *setting, const char *why)
{
    g_ptr_array_add(import->notes,
                    g_strdup_printf("%s %s %s: %s", import->program, setting->key, setting->value, why));
}

static Line *find_line(Import *import, const PosternImportRow *row)
{
    for (guint i = 0; i < import->lines->len; i++) {
        Line *line = import->lines->pdata[i];
        if (strcmp(line->group, row->group) == 0 && strcmp(line->option, row->option) == 0)
            return line;
    }
    return NULL;
}

/* NULL: postern.conf takes it, else why not. */
static char *refusal_of(const PosternImportRow *row, const char *value)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup_printf("[%s]\n%s = %s\n", row->group, row->option, value);
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, strlen(text), "postern.conf", &error);
    return configuration == NULL ? g_strdup(error->message) : NULL;
}

/* The first file that says it counts; lists are joined. */
static void set(Import *import, const PosternImportRow *row, const PosternSetting *setting, const char *value,
                gboolean list)
{
    Line *line = find_line(import, row);
    g_autofree char *refusal = row->kind != POSTERN_IMPORT_KEY ? refusal_of(row, value) : NULL;
    if (refusal != NULL) {
        note(import, setting, refusal);
        return;
    }
    if (line == NULL) {
        line = g_new0(Line, 1);
        line->group = row->group;
        line->option = row->option;
        line->value = g_strdup(value);
        line->sources = g_string_new(NULL);
        g_ptr_array_add(import->lines, line);
    } else if (list) {
        char *joined = g_strconcat(line->value, "; ", value, NULL);
        g_free(line->value);
        line->value = joined;
    } else if (strcmp(line->value, value) != 0) {
        g_autofree char *why = g_strdup_printf("[%s] %s is %s already", row->group, row->option, line->value);
        note(import, setting, why);
        return;
    }
    g_autofree char *source = g_strdup_printf("%s %s", import->program, setting->key);
    if (!g_str_has_suffix(line->sources->str, source))
        g_string_append_printf(line->sources, "%s%s", line->sources->len > 0 ? ", " : "", source);
}

static void take_word(Import *import, const PosternImportRow *row, const PosternSetting *setting)
{
    g_auto(GStrv) pairs = g_strsplit(row->text, " ", -1);
    for (char **pair = pairs; *pair != NULL; pair++) {
        char *equals = strchr(*pair, '=');
        *equals = '\0';
        if (g_ascii_strcasecmp(*pair, setting->value) == 0) {
            set(import, row, setting, equals + 1, FALSE);
            return;
        }
    }
    g_autofree char *why = g_strdup_printf("set [%s] %s yourself", row->group, row->option);
    note(import, setting, why);
}

static gboolean is_loopback(const char *item)
{
    return g_str_has_prefix(item, "127.") || g_str_equal(item, "::1");
}

static gboolean has_item(Import *import, const PosternImportRow *row, const char *item)
{
    const Line *line = find_line(import, row);
    g_auto(GStrv) items = g_strsplit(line != NULL ? line->value : "", "; ", -1);
    return g_strv_contains((const char *const *)items, item);
}

/* The domains among items; the others are appended to left_out. */
static GPtrArray *pick_domains(char *const *items, GString *left_out)
{
    GPtrArray *domains = g_ptr_array_new_with_free_func(g_free);
    for (; *items != NULL; items++)
        if (strchr(*items, '.') != NULL)
            g_ptr_array_add(domains, g_strdup(*items));
        else
            g_string_append_printf(left_out, "%s%s", left_out->len > 0 ? ", " : "", *items);
    return domains;
}

static GPtrArray *pick_networks(char **items, GString *left_out)
{
    for (char **item = items; *item != NULL; item++) {
        if (g_ascii_strcasecmp(*item, "localhost") == 0) {
            g_free(*item);
            *item = g_strdup("127.0.0.1");
        }
        g_strdelimit(*item, "[]", ' '); /* around IPv6 addresses */
        g_strstrip(*item);
    }
    return postern_import_networks((const char *const *)items, left_out);
}

static void take_items(Import *import, const PosternImportRow *row, const PosternSetting *setting)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) items = postern_settings_items(setting->value, &error);
    g_autoptr(GString) left_out = g_string_new(NULL);
    gboolean domains = row->kind == POSTERN_IMPORT_DOMAINS;
    if (items == NULL) {
        note(import, setting, error->message);
        return;
    }
    g_autoptr(GPtrArray) picked = domains ? pick_domains(items, left_out) : pick_networks(items, left_out);
    for (guint i = 0; i < picked->len; i++) {
        const char *item = picked->pdata[i];
        /* Nothing of this machine's own is checked by SPF and DMARC; but what is signed has to be said. */
        if ((strcmp(row->group, "policy") != 0 || !is_loopback(item)) && !has_item(import, row, item))
            set(import, row, setting, item, TRUE);
    }
    if (left_out->len > 0) {
        g_autofree char *why = g_strdup_printf("%s: [%s] %s takes %s only", left_out->str, row->group,
                                               row->option, domains ? "domains" : "addresses");
        note(import, setting, why);
    }
}

static void take_clamd(Import *import, const PosternImportRow *row, const PosternSetting *setting)
{
    const char *value = setting->value;
    if (g_str_has_prefix(value, "unix:") || g_str_has_prefix(value, "tcp:"))
        value = strchr(value, ':') + 1;
    set(import, row, setting, value, FALSE);
}

/* opendkim's KeyTable: NAME DOMAIN:SELECTOR:FILE. */
static void take_key_table(Import *import, const PosternSetting *setting)
{
    g_autoptr(GError) error = NULL;
    const char *path = postern_settings_path(setting->value);
    g_autoptr(GPtrArray) lines = path != NULL ? postern_settings_read(path, &error) : NULL;
    for (guint i = 0; lines != NULL && i < lines->len; i++) {
        const PosternSetting *key = lines->pdata[i];
        g_auto(GStrv) parts = g_strsplit(key->value, ":", 3);
        if (g_strv_length(parts) == 3 && strchr(key->value, '%') != NULL)
            note(import, key, "% is the domain of From: write a line for each domain of yours");
        else if (g_strv_length(parts) == 3 && parts[2][0] == '/')
            g_ptr_array_add(import->keys, g_strjoin(" ", parts[0], parts[1], parts[2], NULL));
        else
            note(import, key, "is not DOMAIN:SELECTOR:FILE with an absolute path");
    }
    if (lines == NULL)
        note(import, setting, error != NULL ? error->message : "is no file");
}

static void take_key(Import *import, const PosternSetting *setting)
{
    char **place = g_ascii_strcasecmp(setting->key, "Domain") == 0     ? &import->domains
                   : g_ascii_strcasecmp(setting->key, "Selector") == 0 ? &import->selector
                   : g_ascii_strcasecmp(setting->key, "KeyFile") == 0  ? &import->key_file
                                                                       : NULL;
    if (place == NULL) {
        take_key_table(import, setting);
        return;
    }
    g_free(*place);
    *place = g_strdup(setting->value);
}

static void take(Import *import, const PosternImportRow *row, const PosternSetting *setting)
{
    g_autofree char *seconds = NULL;
    switch (row->kind) {
    case POSTERN_IMPORT_MAP:
        take_word(import, row, setting);
        break;
    case POSTERN_IMPORT_VALUE:
        if (strcmp(setting->value, "HOSTNAME") != 0) /* the name of the machine, as by default */
            set(import, row, setting, setting->value, FALSE);
        break;
    case POSTERN_IMPORT_SECONDS:
        seconds = g_strconcat(setting->value, "s", NULL);
        set(import, row, setting, seconds, FALSE);
        break;
    case POSTERN_IMPORT_NETWORKS:
    case POSTERN_IMPORT_DOMAINS:
        take_items(import, row, setting);
        break;
    case POSTERN_IMPORT_CLAMD:
        take_clamd(import, row, setting);
        break;
    case POSTERN_IMPORT_SOCKET:
        g_ptr_array_add(import->sockets, g_strdup(setting->value));
        break;
    case POSTERN_IMPORT_KEY:
        take_key(import, setting);
        break;
    case POSTERN_IMPORT_NOTE:
        note(import, setting, row->text);
        if (strcmp(row->program, "opendkim") == 0 && g_ascii_strcasecmp(row->key, "Mode") == 0)
            import->verifies_only = strchr(setting->value, 's') == NULL;
        break;
    case POSTERN_IMPORT_NEEDLESS:
        break;
    }
}

static gboolean is_of(const PosternImportRow *row, const char *program, const PosternSetting *setting)
{
    return strcmp(row->program, program) == 0 && g_ascii_strcasecmp(row->key, setting->key) == 0;
}

/* The program that knows most of settings, or NULL: none knows any. */
static const char *program_of(const GPtrArray *settings)
{
    gsize length;
    const PosternImportRow *rows = postern_import_rows(&length);
    const char *best = NULL;
    guint most = 0;
    for (gsize first = 0; first < length; first++) {
        guint known = 0;
        if (first > 0 && strcmp(rows[first].program, rows[first - 1].program) == 0)
            continue;
        for (guint i = 0; i < settings->len; i++)
            for (gsize j = first; j < length; j++)
                known += is_of(&rows[j], rows[first].program, settings->pdata[i]);
        if (known > most) {
            most = known;
            best = rows[first].program;
        }
    }
    return best;
}

static void take_setting(Import *import, const PosternSetting *setting)
{
    gsize length;
    const PosternImportRow *rows = postern_import_rows(&length);
    gboolean known = FALSE;
    for (gsize i = 0; i < length; i++)
        if (is_of(&rows[i], import->program, setting)) {
            take(import, &rows[i], setting);
            known = TRUE;
        }
    if (!known)
        note(import, setting, "has no equivalent that is known here");
}

static gboolean take_file(Import *import, const char *path, GError **error)
{
    g_autoptr(GPtrArray) settings = postern_settings_read(path, error);
    if (settings == NULL)
        return FALSE;
    import->program = program_of(settings);
    if (import->program == NULL)
        return postern_error_set(error, POSTERN_ERROR_INPUT,
                                 "%s: has no setting of opendkim, opendmarc, clamav-milter or policyd-spf",
                                 path);
    for (guint i = 0; i < settings->len; i++)
        take_setting(import, settings->pdata[i]);
    if (strcmp(import->program, "policyd-spf") == 0)
        g_ptr_array_add(import->sockets, g_strdup("check_policy_service of policyd-spf, which goes"));
    return TRUE;
}

static void add_keys(Import *import)
{
    const PosternImportRow row = {.kind = POSTERN_IMPORT_KEY, .group = "sign", .option = "table"};
    const PosternImportRow sign = {
        .kind = POSTERN_IMPORT_KEY, .group = "policy submission", .option = "sign"};
    const PosternImportRow own = {.group = "clients", .option = "own_networks"};
    char name[] = "keys", path[] = KEYS_FILE, hosts[] = "InternalHosts", local[] = "127.0.0.1, by default";
    char mode_name[] = "Mode", verify[] = "v";
    const PosternSetting by_default = {hosts, local}, mode = {mode_name, verify};
    const PosternSetting setting = {name, path};
    if (import->domains != NULL && import->selector != NULL && import->key_file != NULL) {
        g_auto(GStrv) domains = g_strsplit_set(import->domains, ", \t", -1);
        for (char **domain = domains; *domain != NULL; domain++)
            if (**domain != '\0')
                g_ptr_array_add(import->keys,
                                g_strjoin(" ", *domain, import->selector, import->key_file, NULL));
    }
    import->program = "opendkim";
    if (import->verifies_only && import->keys->len > 0) {
        note(import, &mode, "its keys sign nothing, and are not taken over");
        g_ptr_array_set_size(import->keys, 0);
    }
    if (import->keys->len == 0)
        return;
    set(import, &row, &setting, KEYS_FILE, FALSE);
    set(import, &sign, &setting, "yes", FALSE);
    if (find_line(import, &own) == NULL)
        note(import, &by_default,
             "set [clients] own_networks = 127.0.0.1 if mail of this machine is to be signed");
}

static void print_list(GString *out, const char *title, const GPtrArray *items)
{
    if (items->len > 0)
        g_string_append_printf(out, "%s# %s\n", out->len > 0 ? "\n" : "", title);
    for (guint i = 0; i < items->len; i++)
        g_string_append_printf(out, "#   %s\n", (const char *)items->pdata[i]);
}

static void print_lines(GString *out, const GPtrArray *lines)
{
    g_autoptr(GHashTable) printed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < lines->len; i++) {
        const Line *first = lines->pdata[i];
        if (!g_hash_table_add(printed, g_strdup(first->group)))
            continue;
        g_string_append_printf(out, "\n[%s]\n", first->group);
        for (guint j = i; j < lines->len; j++) {
            const Line *line = lines->pdata[j];
            if (strcmp(line->group, first->group) == 0)
                g_string_append_printf(out, "# %s\n%s = %s\n", line->sources->str, line->option, line->value);
        }
    }
}

char *postern_import(const char *const *paths, GError **error)
{
    g_auto(Import) import = {
        .lines = g_ptr_array_new_with_free_func(line_free),
        .notes = g_ptr_array_new_with_free_func(g_free),
        .sockets = g_ptr_array_new_with_free_func(g_free),
        .keys = g_ptr_array_new_with_free_func(g_free),
    };
    g_autoptr(GString) out = g_string_new("# For postern.conf, by postern-milter --import");
    for (const char *const *path = paths; *path != NULL; path++) {
        g_string_append_printf(out, " %s", *path);
        if (!take_file(&import, *path, error))
            return NULL;
    }
    g_string_append(out, ".\n");
    add_keys(&import);
    print_list(
        out,
        "In smtpd_milters, non_smtpd_milters or INPUT_MAIL_FILTER, [milter] socket comes in the place of:",
        import.sockets);
    print_list(out,
               "Write these lines into " KEYS_FILE ", and let the group postern-inspector read the keys:",
               import.keys);
    print_list(out, "Not taken over:", import.notes);
    print_lines(out, import.lines);
    return g_string_free(g_steal_pointer(&out), FALSE);
}
