#include "base/command_line.h"

#include <string.h>

#include "base/error.h"

typedef struct {
    gboolean json;
    char *config, **recipients, **inputs;
} Options;

static void clear(Options *options)
{
    g_free(options->config);
    g_strfreev(options->recipients);
    g_strfreev(options->inputs);
}

static gboolean parse(Options *options, const char *text, gboolean operands, gboolean *ret_done,
                      GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->config, "Whose [file] it's", "FILE"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "One: object", NULL},
        {"recipient", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->recipients, "To whom", "ADDRESS"},
        {"secret", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->json, NULL, NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->inputs, NULL, "FILE"},
        {NULL},
    };
    const GOptionEntry without[] = {entries[0], entries[1], {NULL}};
    const GOptionEntry *const tables[] = {operands ? entries : without, NULL};
    const PosternCommandLine line = {
        .program = "a-program", .summary = "Tests.", .tables = tables, .operands = operands};
    g_auto(GStrv) kept = g_strsplit(text, " ", -1);
    g_autofree char **argv = g_memdup2(kept, (g_strv_length(kept) + 1) * sizeof(char *));
    char **rest = argv;
    int argc = (int)g_strv_length(kept);
    return postern_command_line_parse(&line, &argc, &rest, ret_done, error);
}

static void assert_mistake(const char *text, gboolean operands, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) none = NULL;
    Options options = {0};
    gboolean done = FALSE;
    g_assert_false(parse(&options, text, operands, &done, &error));
    g_assert_cmpstr(error->message, ==, expected);
    clear(&options);
}

static void test_options(void)
{
    Options options = {0};
    gboolean done = TRUE;
    g_assert_true(
        parse(&options, "a-program -c f --json --recipient a --recipient b x y", TRUE, &done, NULL));
    g_assert_false(done);
    g_assert_true(options.json);
    g_assert_cmpstr(options.config, ==, "f");
    g_assert_cmpuint(g_strv_length(options.recipients), ==, 2);
    g_assert_cmpuint(g_strv_length(options.inputs), ==, 2);
    clear(&options);
}

static void test_mistakes(void)
{
    assert_mistake("a-program --jsno", TRUE, "Unknown option --jsno; did you mean --json?");
    assert_mistake("a-program --recipent=x", TRUE, "Unknown option --recipent=x; did you mean --recipient?");
    assert_mistake("a-program --nothing-like", TRUE, "Unknown option --nothing-like");
    assert_mistake("a-program --secrt", TRUE, "Unknown option --secrt");
    assert_mistake("a-program -x", TRUE, "Unknown option -x");
    assert_mistake("a-program file", FALSE, "'file' is not expected: there are options only");
    assert_mistake("a-program --completion csh", TRUE, "--completion takes bash, zsh or fish");
}

static char *completion(const char *shell)
{
    char *text = NULL;
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &text, "Whose [file] it's", "FILE"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &text, "One: object", NULL},
        {"secret", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &text, NULL, NULL},
        {NULL},
    };
    const GOptionEntry *const tables[] = {entries, NULL};
    const PosternCommandLine line = {.program = "a-program", .summary = "Tests.", .tables = tables};
    return postern_command_line_completion(&line, shell);
}

static void test_completion(void)
{
    g_autofree char *bash = completion("bash");
    g_autofree char *zsh = completion("zsh");
    g_autofree char *fish = completion("fish");
    g_assert_null(completion("csh"));
    g_assert_nonnull(strstr(bash, "compgen -W '--help --config --json'"));
    g_assert_nonnull(strstr(bash, "=|--config|-c) return"));
    g_assert_nonnull(strstr(bash, "-F _a_program a-program\n"));
    g_assert_nonnull(strstr(zsh, "'(-c --config)'{-c,--config=}'[Whose \\[file\\] it'\\''s]:FILE:_files'"));
    g_assert_nonnull(strstr(zsh, "'--json[One\\: object]'"));
    g_assert_nonnull(strstr(fish, "complete -c a-program -s c -l config -r -F -d 'Whose [file] it'\\''s'"));
    g_assert_null(strstr(bash, "secret"));
    g_assert_null(strstr(zsh, "secret"));
    g_assert_null(strstr(fish, "secret"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/command-line/options", test_options);
    g_test_add_func("/command-line/mistakes", test_mistakes);
    g_test_add_func("/command-line/completion", test_completion);
    return g_test_run();
}
