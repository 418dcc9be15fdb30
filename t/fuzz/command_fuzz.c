#include "wire/command.h"

#include <string.h>

#include <glib.h>

#include "base/limits.h"
#include "split.h"

static void assert_no_control(const char *text, gboolean utf8)
{
    for (const char *at = text; *at != '\0'; at++)
        g_assert_true((guchar)*at >= ' ' && *at != 0x7f && (utf8 || (guchar)*at < 0x80));
    g_assert_true(g_utf8_validate(text, -1, NULL));
}

/* What was accepted, said again in the plainest way, is understood as the same. */
static void check_again(const PosternCommand *command, gboolean utf8)
{
    const char *keyword = command->verb == POSTERN_COMMAND_MAIL ? "FROM" : "TO";
    g_autofree char *line = g_strdup_printf("%s %s:<%s> %s", postern_command_name(command->verb), keyword,
                                            command->path, command->parameter_text);
    g_autoptr(PosternCommand) again = postern_command_parse(line, strlen(line), utf8);

    g_assert_cmpint(again->verb, ==, command->verb);
    g_assert_cmpstr(again->problem, ==, NULL);
    g_assert_cmpstr(again->path, ==, command->path);
    g_assert_cmpstr(again->parameter_text, ==, command->parameter_text);
    g_assert_cmpuint(again->parameters->len, ==, command->parameters->len);
}

static void check_accepted(const PosternCommand *command, gboolean utf8)
{
    assert_no_control(command->path, utf8);
    assert_no_control(command->parameter_text, utf8);
    g_assert_cmpuint(strlen(command->path), <=, POSTERN_PATH_MAX_OCTETS);
    g_assert_cmpuint(command->parameters->len, <=, POSTERN_PARAMETERS_MAX);
    for (guint i = 0; i < command->parameters->len; i++) {
        const PosternParameter *parameter = g_ptr_array_index(command->parameters, i);

        g_assert_true(postern_command_parameter(command, parameter->keyword) == parameter);
        g_assert_true(parameter->value == NULL || strpbrk(parameter->value, " =") == NULL);
    }
    check_again(command, utf8);
}

static void check(const char *line, gsize length, gboolean utf8)
{
    g_autoptr(PosternCommand) command = postern_command_parse(line, length, utf8);
    gboolean has_path = command->verb == POSTERN_COMMAND_MAIL || command->verb == POSTERN_COMMAND_RCPT;

    g_assert_nonnull(command->argument);
    g_assert_true((command->parameters != NULL) == has_path && (command->parameter_text != NULL) == has_path);
    postern_helo_name_is_acceptable(command->argument);
    /* Without a path only a control octet is a problem; nothing of such a line is handed on. */
    gboolean control = command->verb == POSTERN_COMMAND_UNKNOWN && command->argument[0] == '\0';
    if (!has_path)
        g_assert_true(command->path == NULL && (command->problem == NULL || control));
    else if (command->problem == NULL)
        check_accepted(command, utf8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *line = g_malloc(MAX(size, 1));

    if (size > 0)
        memcpy(line, data, size);
    check(line, size, FALSE);
    check(line, size, TRUE);
    return 0;
}
