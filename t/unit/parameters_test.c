#include "wire/command.h"

#include <string.h>

#include <glib.h>

#include "wire/dsn.h"

static void test_chunks(void)
{
    static const struct {
        const char *line;
        int form;
        guint64 octets;
        gboolean last;
    } rows[] = {
        {"BDAT 0", 1, 0, FALSE},
        {"BDAT 007 last", 1, 7, TRUE},
        {"bdat 9223372036854775807   LAST ", 1, G_MAXINT64, TRUE},
        {"BDAT 5 LOST", 0, 5, FALSE},
        {"BDAT 5 LAST x", 0, 5, FALSE},
        {"BDAT 5 6", 0, 5, FALSE},
        {"BDAT", -1, 0, FALSE},
        {"BDAT LAST", -1, 0, FALSE},
        {"BDAT -1", -1, 0, FALSE},
        {"BDAT +1", -1, 0, FALSE},
        {"BDAT 0x1", -1, 0, FALSE},
        {"BDAT 5LAST", -1, 0, FALSE},
        {"BDAT 9223372036854775808", -1, 0, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PosternCommand) command = postern_command_parse(rows[i].line, strlen(rows[i].line), 0);
        guint64 octets = 0;
        gboolean last = FALSE;

        g_assert_cmpint(postern_command_chunk(command, &octets, &last), ==, rows[i].form);
        if (rows[i].form < 0)
            continue;
        g_assert_cmpuint(octets, ==, rows[i].octets);
        g_assert_cmpint(last, ==, rows[i].last);
    }
}

static void test_dsn(void)
{
    static const struct {
        const char *keyword, *value;
        gboolean good;
    } rows[] = {
        {"RET", "full", TRUE},
        {"RET", "HDRS", TRUE},
        {"RET", "HEADERS", FALSE},
        {"RET", NULL, FALSE},
        {"ENVID", "a+2Bb", TRUE},
        {"ENVID", "a+2", FALSE},
        {"ENVID", "", FALSE},
        {"ENVID", "a=b", FALSE},
        {"notify", "never", TRUE},
        {"NOTIFY", "NEVER,DELAY", FALSE},
        {"NOTIFY", "delay,SUCCESS", TRUE},
        {"NOTIFY", "", FALSE},
        {"NOTIFY", "SUCCESS,", FALSE},
        {"NOTIFY", "SUCCESS,FAILURE,DELAY,DELAY,DELAY,DELAY", FALSE},
        {"ORCPT", "rfc822;a+40b", TRUE},
        {"ORCPT", "utf-8;\303\244@x.test", TRUE},
        {"ORCPT", ";a", FALSE},
        {"ORCPT", "rfc822", FALSE},
        {"ORCPT", "rfc822;", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *problem = postern_dsn_problem(rows[i].keyword, rows[i].value);

        if ((problem == NULL) != rows[i].good)
            g_error("%s=%s", rows[i].keyword, rows[i].value);
    }
    g_assert_true(postern_dsn_is_parameter("ret", FALSE));
    g_assert_true(postern_dsn_is_parameter("ORCPT", TRUE));
    g_assert_false(postern_dsn_is_parameter("RET", TRUE));
    g_assert_false(postern_dsn_is_parameter("SIZE", FALSE));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/command/chunks", test_chunks);
    g_test_add_func("/wire/dsn", test_dsn);
    return g_test_run();
}
