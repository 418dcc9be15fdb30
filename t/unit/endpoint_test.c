#include "base/endpoint.h"

#include "base/error.h"

static void test_valid(void)
{
    static const struct {
        const char *text, *address;
        guint16 port;
    } cases[] = {
        {"127.0.0.1:25", "127.0.0.1", 25},
        {"0.0.0.0:65535", "0.0.0.0", 65535},
        {"[::]:25", "::", 25},
        {"[2001:db8::1]:2525", "2001:db8::1", 2525},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GInetSocketAddress) endpoint = postern_endpoint_parse(cases[i].text, &error);
        g_assert_no_error(error);
        g_autofree char *address = g_inet_address_to_string(g_inet_socket_address_get_address(endpoint));
        g_assert_cmpstr(address, ==, cases[i].address);
        g_assert_cmpuint(g_inet_socket_address_get_port(endpoint), ==, cases[i].port);
    }
}

static void test_invalid(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "has no port"},
        {"127.0.0.1", "has no port"},
        {"[::1]", "has no port"},
        {"[::1]25", "has no port"},
        {"2001:db8::1:25", "needs brackets"},
        {"127.0.0.1:0", "1 to 65535"},
        {"127.0.0.1:65536", "1 to 65535"},
        {"127.0.0.1:-1", "1 to 65535"},
        {"127.0.0.1:", "1 to 65535"},
        {"127.0.0.1:25x", "1 to 65535"},
        {"[127.0.0.1]:25", "not ADDRESS:PORT"},
        {"mx.example.org:25", "names are not looked up"},
        {":25", "not ADDRESS:PORT"},
        {"[]:25", "not ADDRESS:PORT"},
        {"[fe80::1%lo]:25", "not ADDRESS:PORT"},
        {"[::1:25", "needs brackets"},
        {"127.0.0.1:25; 127.0.0.1:26", "more than one address"},
        {"127.0.0.1:25 [::1]:25", "more than one address"},
        {"127.0.0.1:25,127.0.0.1:26", "more than one address"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(postern_endpoint_parse(cases[i].text, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        g_assert_nonnull(g_strstr_len(error->message, -1, cases[i].says));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/endpoint/valid", test_valid);
    g_test_add_func("/endpoint/invalid", test_invalid);
    return g_test_run();
}
