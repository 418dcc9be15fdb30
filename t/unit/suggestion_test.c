#include "base/suggestion.h"

#include <string.h>

static const char *const names[] = {"listen", "backend", "backend_wait", "mode", "message_size", "a", NULL};

static void test_names(void)
{
    static const struct {
        const char *name, *expected;
    } cases[] = {
        {"listen", "listen"},
        {"lisen", "listen"},
        {"Listen", "listen"},
        {"lsiten", "listen"},
        {"listenn", "listen"},
        {"messagesize", "message_size"},
        {"message-size", "message_size"},
        {"backendwiat", "backend_wait"},
        {"mod", "mode"},
        {"b", "a"},
        {"", "a"},
        {"nothing", NULL},
        {"xyz", NULL},
        {"lxxxen", NULL},
        {"listen_adress", "listen"},
        {"listen-on-port", "listen"},
        {"backend_wait_seconds", "backend_wait"},
        {"message", "message_size"},
        {"listening_port", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpstr(postern_suggestion_for_name(cases[i].name, names), ==, cases[i].expected);
}

static void test_long_names(void)
{
    g_autofree char *fits = g_strnfill(64, 'x');
    g_autofree char *other = g_strnfill(64, 'x');
    g_autofree char *too_long = g_strnfill(65, 'x');
    other[10] = 'y';
    const char *const candidates[] = {too_long, fits, NULL};

    g_assert_cmpstr(postern_suggestion_for_name(other, candidates), ==, fits);
    g_assert_null(postern_suggestion_for_name(too_long, candidates));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nearest/names", test_names);
    g_test_add_func("/nearest/long-names", test_long_names);
    return g_test_run();
}
