#include "wire/command.h"

#include <string.h>

#include <glib.h>

#include "base/limits.h"
#include "split.h"
#include "wire/dsn.h"
#include "wire/manners.h"

#define TAKEN (POSTERN_PATH_UTF8 | POSTERN_PATH_LIBERAL | POSTERN_PATH_TAKEN)

static void assert_no_control(const char *text, guint syntax)
{
    gboolean wide = (syntax & (POSTERN_PATH_UTF8 | POSTERN_PATH_LIBERAL)) != 0;

    for (const char *at = text; *at != '\0'; at++)
        g_assert_true((guchar)*at >= ' ' && *at != 0x7f && (wide || (guchar)*at < 0x80));
    g_assert_true(g_utf8_validate(text, -1, NULL));
}

/* What was accepted, said again in the plainest way, is understood as the same, also by who takes all. */
static void check_again(const PosternCommand *command, guint syntax)
{
    const char *keyword = command->verb == POSTERN_COMMAND_MAIL ? "FROM" : "TO";
    g_autofree char *line = g_strdup_printf("%s %s:<%s> %s", postern_command_name(command->verb), keyword,
                                            command->path, command->parameter_text);
    g_autoptr(PosternCommand) again = postern_command_parse(line, strlen(line), syntax);

    g_assert_cmpint(again->verb, ==, command->verb);
    g_assert_cmpstr(again->problem, ==, NULL);
    g_assert_cmpstr(again->path, ==, command->path);
    g_assert_cmpuint(again->parameters->len, ==, command->parameters->len);
}

static void check_accepted(const PosternCommand *command, guint syntax)
{
    if ((syntax & POSTERN_PATH_TAKEN) == 0)
        assert_no_control(command->path, syntax);
    g_assert_null(strpbrk(command->path, "\r\n"));
    assert_no_control(command->parameter_text, syntax);
    g_assert_cmpuint(strlen(command->path) + strlen("<>"), <=, POSTERN_PATH_MAX_OCTETS);
    g_assert_cmpuint(command->parameters->len, <=, POSTERN_PARAMETERS_MAX);
    for (guint i = 0; i < command->parameters->len; i++) {
        const PosternParameter *parameter = g_ptr_array_index(command->parameters, i);

        g_assert_true(postern_command_parameter(command, parameter->keyword) == parameter);
        g_assert_true(parameter->value == NULL || strchr(parameter->value, ' ') == NULL);
        (void)postern_dsn_problem(parameter->keyword, parameter->value);
    }
    check_again(command, syntax);
}

/* What BDAT says is in its line, in these digits. */
static void check_chunk(const PosternCommand *command)
{
    guint64 octets = 0;
    gboolean last = FALSE;
    int form = postern_command_chunk(command, &octets, &last);

    if (form < 0)
        return;
    g_assert_cmpuint(octets, ==, g_ascii_strtoull(command->argument, NULL, 10));
    g_assert_true(g_ascii_isdigit(command->argument[0]) && octets <= G_MAXINT64);
    g_assert_true(!last ||
                  g_ascii_strcasecmp(command->argument + strlen(command->argument) - 4, "LAST") == 0);
}

/* Whichever mail server takes it as a name: what is kept of it is one to all. */
static void check_name(const char *text)
{
    g_autofree char *name = postern_helo_name_clean(text);
    for (guint server = 0; server <= POSTERN_MAIL_SERVER_OPENSMTPD; server++)
        if (postern_manners_of(server)->takes_name(text))
            g_assert_true(postern_helo_name_is_acceptable(name));
}

static void check(const char *line, gsize length, guint syntax)
{
    g_autoptr(PosternCommand) command = postern_command_parse(line, length, syntax);
    gboolean has_path = command->verb == POSTERN_COMMAND_MAIL || command->verb == POSTERN_COMMAND_RCPT;

    g_assert_nonnull(command->argument);
    g_assert_true((command->problem != NULL) == (command->problem_code != NULL));
    g_assert_true((command->parameters != NULL) == has_path && (command->parameter_text != NULL) == has_path);
    check_name(command->argument);
    check_chunk(command);
    /* Without a path only a control octet is a problem; nothing of such a line is handed on. */
    gboolean control = command->verb == POSTERN_COMMAND_UNKNOWN && command->argument[0] == '\0';
    if (!has_path)
        g_assert_true(command->path == NULL && (command->problem == NULL || control));
    else if (command->problem == NULL)
        check_accepted(command, syntax);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const guint syntaxes[] = {
        0,
        POSTERN_PATH_UTF8,
        POSTERN_PATH_LIBERAL,
        TAKEN,
        TAKEN | POSTERN_PATH_SINGLE,
        TAKEN | POSTERN_PATH_COLON_APART,
        POSTERN_PATH_LIBERAL | POSTERN_PATH_ONE_SPACE | POSTERN_PATH_PLAIN,
        POSTERN_PATH_LIBERAL | POSTERN_PATH_ONE_SPACE | POSTERN_PATH_QUALIFIED,
    };
    g_autofree char *line = g_malloc(MAX(size, 1));

    if (size > 0)
        memcpy(line, data, size);
    /* The line reader keeps these from commands. */
    if (memchr(line, '\0', size) != NULL || memchr(line, '\r', size) != NULL ||
        memchr(line, '\n', size) != NULL)
        return 0;
    for (gsize i = 0; i < G_N_ELEMENTS(syntaxes); i++)
        check(line, size, syntaxes[i]);
    return 0;
}
