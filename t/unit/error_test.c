#include "base/error.h"

#include <errno.h>

static void test_system(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(postern_error_set_system(&error, ENOENT, "cannot open %s", "/a%sb"));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM);
    g_autofree char *expected = g_strdup_printf("cannot open /a%%sb: %s", g_strerror(ENOENT));
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_false(postern_error_set_system(NULL, ENOENT, "nobody asks"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/system", test_system);
    return g_test_run();
}
