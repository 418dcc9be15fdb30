#include "base/endpoint.h"

#include "base/error.h"
#include "base/server_entry.h"

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

static void test_servers(void)
{
    static const struct {
        const char *text, *address;
        sa_family_t family;
        guint16 port;
        gboolean lmtp;
        const char *host;
        gboolean srv;
    } cases[] = {
        {"127.0.0.1:25", "127.0.0.1", AF_INET, 25, FALSE},
        {"lmtp:[::1]:24", "::1", AF_INET6, 24, TRUE},
        {"unix:/run/smtp", "/run/smtp", AF_UNIX, 0, FALSE},
        {"lmtp:unix:/run/dovecot/lmtp", "/run/dovecot/lmtp", AF_UNIX, 0, TRUE},
        {"Mail.Example.org:25", "unknown", AF_UNSPEC, 25, FALSE, "mail.example.org"},
        {"lmtp:localhost:24 weight=2", "unknown", AF_UNSPEC, 24, TRUE, "localhost"},
        {"srv:_smtp._tcp.Example.org backup", "unknown", AF_UNSPEC, 0, FALSE, "_smtp._tcp.example.org", TRUE},
        {"lmtp:srv:_lmtp._tcp.example.org", "unknown", AF_UNSPEC, 0, TRUE, "_lmtp._tcp.example.org", TRUE},
        {"mail.example.org", NULL, AF_UNSPEC, 0, FALSE},
        {"mail..org:25", NULL, AF_UNSPEC, 0, FALSE},
        {"mail_.org:25", NULL, AF_UNSPEC, 0, FALSE},
        {"192.0.2.300:25", NULL, AF_UNSPEC, 0, FALSE},
        {"srv:example.org", NULL, AF_UNSPEC, 0, FALSE},
        {"srv:_smtp._tcp", NULL, AF_UNSPEC, 0, FALSE},
        {"srv:", NULL, AF_UNSPEC, 0, FALSE},
        {"srv:_smtp._tcp.example.org:25", NULL, AF_UNSPEC, 0, FALSE},
        {"srv:_smtp._tcp.example.org weight=2", NULL, AF_UNSPEC, 0, FALSE},
        {"unix:run/smtp", NULL, AF_UNSPEC, 0, FALSE},
        {"unix:", NULL, AF_UNSPEC, 0, FALSE},
        {"lmtp:", NULL, AF_UNSPEC, 0, FALSE},
        {"unix:lmtp:/run/smtp", NULL, AF_UNSPEC, 0, FALSE},
        {"0.0.0.0:25", NULL, AF_UNSPEC, 0, FALSE},
        {"lmtp:[ff02::1]:25", NULL, AF_UNSPEC, 0, FALSE},
        {"unix:/a/path/that/is/longer/than/what/a/socket/address/has/room/for/which/is/one/hundred/and/eight/"
         "octets/on/Linux",
         NULL, AF_UNSPEC, 0, FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternServerEntry) entry = postern_server_entry_parse(cases[i].text, &error);
        g_assert_cmpint(entry != NULL, ==, cases[i].address != NULL);
        if (entry == NULL) {
            g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
            continue;
        }
        g_autofree char *text = postern_address_to_string(&entry->address);
        g_assert_cmpstr(text, ==, cases[i].address);
        g_assert_cmpint(entry->address.family, ==, cases[i].family);
        g_assert_cmpuint(entry->address.port, ==, cases[i].port);
        g_assert_cmpint(entry->lmtp, ==, cases[i].lmtp);
        g_assert_cmpstr(entry->host, ==, cases[i].host);
        g_assert_cmpint(entry->srv, ==, cases[i].srv);
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
    g_test_add_func("/endpoint/servers", test_servers);
    g_test_add_func("/endpoint/invalid", test_invalid);
    return g_test_run();
}
