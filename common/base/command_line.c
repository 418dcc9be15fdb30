#include "base/command_line.h"

#include <string.h>

#include "base/error.h"
#include "base/suggestion.h"

typedef void (*EntryCallback)(const GOptionEntry *entry, gpointer data);

static void each_entry(const PosternCommandLine *line, EntryCallback callback, gpointer data)
{
    for (const GOptionEntry *const *table = line->tables; *table != NULL; table++)
        for (const GOptionEntry *entry = *table; entry->long_name != NULL; entry++)
            if (*entry->long_name != '\0' && (entry->flags & G_OPTION_FLAG_HIDDEN) == 0)
                callback(entry, data);
}

static void add_name(const GOptionEntry *entry, gpointer names)
{
    g_ptr_array_add(names, g_strdup(entry->long_name));
}

/* argv has what GOption could not take first in the place where it stopped; its message names it. */
static void suggest(const PosternCommandLine *line, GError *error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *dashes = strstr(error->message, "--");
    if (dashes == NULL)
        return;
    g_autofree char *name = g_strndup(dashes + 2, strcspn(dashes + 2, "= "));
    each_entry(line, add_name, names);
    g_ptr_array_add(names, NULL);
    const char *nearest = postern_suggestion_for_name(name, (const char *const *)names->pdata);
    if (nearest == NULL)
        return;
    char *message = g_strdup_printf("%s; did you mean --%s?", error->message, nearest);
    g_free(error->message);
    error->message = message;
}

static gboolean takes_value(const GOptionEntry *entry)
{
    return entry->arg != G_OPTION_ARG_NONE;
}

static gboolean takes_file(const GOptionEntry *entry)
{
    return entry->arg == G_OPTION_ARG_FILENAME || entry->arg == G_OPTION_ARG_FILENAME_ARRAY;
}

static gboolean may_be_repeated(const GOptionEntry *entry)
{
    return entry->arg == G_OPTION_ARG_FILENAME_ARRAY || entry->arg == G_OPTION_ARG_STRING_ARRAY;
}

static void add_bash_word(const GOptionEntry *entry, gpointer words)
{
    g_string_append_printf(words, " --%s", entry->long_name);
}

static void add_bash_value(const GOptionEntry *entry, gpointer values)
{
    if (takes_value(entry))
        g_string_append_printf(values, "|--%s", entry->long_name);
    if (takes_value(entry) && entry->short_name != 0)
        g_string_append_printf(values, "|-%c", entry->short_name);
}

/* Where nothing is offered bash offers files, as -o default says. */
static char *for_bash(const PosternCommandLine *line)
{
    g_autoptr(GString) words = g_string_new("--help");
    g_autoptr(GString) values = g_string_new("=");
    g_autofree char *function = g_strdelimit(g_strdup(line->program), "-", '_');
    each_entry(line, add_bash_word, words);
    each_entry(line, add_bash_value, values);
    return g_strdup_printf(
        "_%s()\n"
        "{\n"
        "    COMPREPLY=()\n"
        "    case ${COMP_WORDS[COMP_CWORD-1]} in\n"
        "    %s) return ;;\n"
        "    esac\n"
        "    case ${COMP_WORDS[COMP_CWORD]} in\n"
        "    -*) mapfile -t COMPREPLY < <(compgen -W '%s' -- \"${COMP_WORDS[COMP_CWORD]}\") ;;\n"
        "    esac\n"
        "}\n"
        "complete -o bashdefault -o default -F _%s %s\n",
        function, values->str, words->str, function, line->program);
}

/* Text within single quotes of a shell; in zsh brackets and colons want a backslash too. */
static void append_quoted(GString *out, const char *text, const char *special)
{
    for (; *text != '\0'; text++)
        if (*text == '\'')
            g_string_append(out, "'\\''");
        else
            g_string_append_printf(out, "%s%c", strchr(special, *text) != NULL ? "\\" : "", *text);
}

static void add_zsh(const GOptionEntry *entry, gpointer data)
{
    GString *out = data;
    const char *equals = takes_value(entry) ? "=" : "";
    if (entry->short_name != 0)
        g_string_append_printf(out, "  '(-%c --%s)'{-%c,--%s%s}'[", entry->short_name, entry->long_name,
                               entry->short_name, entry->long_name, equals);
    else
        g_string_append_printf(out, "  '%s--%s%s[", may_be_repeated(entry) ? "*" : "", entry->long_name,
                               equals);
    append_quoted(out, entry->description, "[]:\\");
    g_string_append_c(out, ']');
    if (takes_value(entry))
        g_string_append_printf(out, ":%s:%s", entry->arg_description, takes_file(entry) ? "_files" : " ");
    g_string_append(out, "' \\\n");
}

static char *for_zsh(const PosternCommandLine *line)
{
    GString *out = g_string_new(NULL);
    g_string_printf(out, "#compdef %s\n_arguments -s \\\n", line->program);
    each_entry(line, add_zsh, out);
    g_string_append_printf(out, "  '(- *)'{-h,--help}'[Show help options]'%s\n",
                           line->operands ? " \\\n  '*:file:_files'" : "");
    return g_string_free(out, FALSE);
}

typedef struct {
    GString *out;
    const char *program;
} Fish;

static void add_fish(const GOptionEntry *entry, gpointer data)
{
    Fish *fish = data;
    g_string_append_printf(fish->out, "complete -c %s", fish->program);
    if (entry->short_name != 0)
        g_string_append_printf(fish->out, " -s %c", entry->short_name);
    g_string_append_printf(fish->out, " -l %s", entry->long_name);
    if (takes_value(entry))
        g_string_append(fish->out, takes_file(entry) ? " -r -F" : " -x");
    g_string_append(fish->out, " -d '");
    append_quoted(fish->out, entry->description, "\\");
    g_string_append(fish->out, "'\n");
}

static char *for_fish(const PosternCommandLine *line)
{
    Fish fish = {g_string_new(NULL), line->program};
    if (!line->operands)
        g_string_append_printf(fish.out, "complete -c %s -f\n", line->program);
    g_string_append_printf(fish.out, "complete -c %s -s h -l help -d 'Show help options'\n", line->program);
    each_entry(line, add_fish, &fish);
    return g_string_free(fish.out, FALSE);
}

char *postern_command_line_completion(const PosternCommandLine *line, const char *shell)
{
    static const struct {
        const char *shell;
        char *(*script)(const PosternCommandLine *line);
    } shells[] = {{"bash", for_bash}, {"zsh", for_zsh}, {"fish", for_fish}};
    for (gsize i = 0; i < G_N_ELEMENTS(shells); i++)
        if (strcmp(shells[i].shell, shell) == 0)
            return shells[i].script(line);
    return NULL;
}

static gboolean complete(const PosternCommandLine *line, const char *shell, GError **error)
{
    g_autofree char *script = postern_command_line_completion(line, shell);
    if (script == NULL)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_USAGE, "--completion takes bash, zsh or fish");
    else
        g_print("%s", script);
    return script != NULL;
}

gboolean postern_command_line_parse(const PosternCommandLine *line, int *argc, char ***argv,
                                    gboolean *ret_done, GError **error)
{
    g_autofree char *shell = NULL;
    const GOptionEntry hidden[] = {
        {"completion", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &shell, NULL, "SHELL"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) problem = NULL;
    *ret_done = FALSE;
    g_option_context_set_summary(context, line->summary);
    g_option_context_set_description(context, line->description);
    g_option_context_add_main_entries(context, hidden, NULL);
    for (const GOptionEntry *const *table = line->tables; *table != NULL; table++)
        g_option_context_add_main_entries(context, *table, NULL);
    if (!g_option_context_parse(context, argc, argv, &problem)) {
        if (g_error_matches(problem, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION))
            suggest(line, problem);
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    if (shell != NULL)
        return *ret_done = TRUE, complete(line, shell, error);
    if (line->operands || *argc <= 1)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_USAGE, "'%s' is not expected: there are options only",
                             (*argv)[1]);
}
