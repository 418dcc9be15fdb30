#include "base/milter_socket.h"

#include <netinet/in.h>
#include <string.h>

#include "base/error.h"

static void test_taken(void)
{
    static const struct {
        const char *text;
        sa_family_t family;
        const char *path;
        const char *told;
    } cases[] = {
        {"inet:8891@127.0.0.1", AF_INET, NULL, "inet:8891@[127.0.0.1]"},
        {"inet:1@[192.0.2.1]", AF_INET, NULL, "inet:1@[192.0.2.1]"},
        {"inet6:65535@::1", AF_INET6, NULL, "inet6:65535@[::1]"},
        {"inet6:8891@[2001:DB8:0::1]", AF_INET6, NULL, "inet6:8891@[2001:db8::1]"},
        {"unix:/run/postern/milter.sock", AF_UNIX, "/run/postern/milter.sock",
         "unix:/run/postern/milter.sock"},
        {"local:/a:b@c", AF_UNIX, "/a:b@c", "unix:/a:b@c"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternMilterSocket) place = postern_milter_socket_parse(cases[i].text, &error);
        g_assert_no_error(error);
        g_assert_cmpint(place->family, ==, cases[i].family);
        g_assert_cmpstr(place->path, ==, cases[i].path);
        g_assert_cmpstr(place->text, ==, cases[i].told);
        g_assert_cmpint(place->address.ss_family, ==, cases[i].family);
        g_assert_cmpuint(place->length, >=, sizeof(struct sockaddr_in));
    }
}

static void test_refused(void)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"", "no place for a milter"},
        {"8891", "no place for a milter"},
        {"127.0.0.1:8891", "no place for a milter"},
        {"/run/milter.sock", "no place for a milter"},
        {"inet:8891", "names no address"},
        {"inet:8891@", "no address of its kind"},
        {"inet:@127.0.0.1", "no valid port"},
        {"inet:0@127.0.0.1", "no valid port"},
        {"inet:65536@127.0.0.1", "no valid port"},
        {"inet:+1@127.0.0.1", "no valid port"},
        {"inet:8891@::1", "no address of its kind"},
        {"inet6:8891@127.0.0.1", "no address of its kind"},
        {"inet6:8891@fe80::1%lo", "no address of its kind"},
        {"inet:8891@mail.example", "names are not looked up"},
        {"unix:", "no absolute path"},
        {"unix:milter.sock", "no absolute path"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(postern_milter_socket_parse(cases[i].text, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        g_assert_nonnull(strstr(error->message, cases[i].why));
    }
}

static void test_path_length(void)
{
    g_autofree char *longest = g_strdup_printf("unix:/%0106d", 0);
    g_autofree char *longer = g_strdup_printf("unix:/%0107d", 0);
    g_autoptr(PosternMilterSocket) place = postern_milter_socket_parse(longest, NULL);
    g_assert_nonnull(place);
    g_assert_null(postern_milter_socket_parse(longer, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/milter-socket/taken", test_taken);
    g_test_add_func("/milter-socket/refused", test_refused);
    g_test_add_func("/milter-socket/path-length", test_path_length);
    return g_test_run();
}
