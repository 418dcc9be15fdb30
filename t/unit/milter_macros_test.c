#include "milter/macros.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "base/limits.h"

typedef struct {
    const char *name;
    const char *value;
} Macro;

static const char *look_up(gpointer source, const char *name)
{
    for (const Macro *macro = source; macro->name != NULL; macro++)
        if (g_str_equal(macro->name, name))
            return macro->value;
    return NULL;
}

typedef struct {
    const char *name;    /* of the connection */
    const char *address; /* NULL: none; "/": a unix socket */
    Macro macros[4];
    const char *client; /* what comes of it */
    const char *verified;
    guint port;
} ClientCase;

static const ClientCase client_cases[] = {
    {"mail.example", "192.0.2.1", {{0}}, "192.0.2.1", "mail.example", 25},
    {"mail.example", "2001:db8::1", {{0}}, "2001:db8::1", "mail.example", 25},
    {"mail.example", "::ffff:192.0.2.1", {{0}}, "192.0.2.1", "mail.example", 25},
    {"[192.0.2.1]", "192.0.2.1", {{0}}, "192.0.2.1", NULL, 25},
    {"unknown", "192.0.2.1", {{0}}, "192.0.2.1", NULL, 25},
    {"UNKNOWN", "192.0.2.1", {{0}}, "192.0.2.1", NULL, 25},
    {"", "192.0.2.1", {{0}}, "192.0.2.1", NULL, 25},
    {NULL, "192.0.2.1", {{0}}, "192.0.2.1", NULL, 25},
    {"mail.example", "192.0.2.1", {{"{client_resolve}", "OK"}}, "192.0.2.1", "mail.example", 25},
    {"mail.example", "192.0.2.1", {{"{client_resolve}", "FORGED"}}, "192.0.2.1", NULL, 25},
    {"mail.example", "192.0.2.1", {{"{client_resolve}", "TEMP"}}, "192.0.2.1", NULL, 25},
    /* What the connection says comes before the macro. */
    {"mail.example", "192.0.2.1", {{"{client_addr}", "192.0.2.9"}}, "192.0.2.1", "mail.example", 25},
    {"localhost",
     "/",
     {{"{client_addr}", "192.0.2.9"}, {"{client_port}", "77"}},
     "192.0.2.9",
     "localhost",
     77},
    {"localhost", "/", {{0}}, "unknown", "localhost", 0},
    {"localhost", NULL, {{0}}, "unknown", "localhost", 0},
    {"localhost", NULL, {{"{client_addr}", "IPv6:2001:db8::2"}}, "2001:db8::2", "localhost", 0},
    {"localhost", NULL, {{"{client_addr}", "unknown"}}, "unknown", "localhost", 0},
    {"localhost", NULL, {{"{client_addr}", ""}, {"{client_port}", "99999"}}, "unknown", "localhost", 0},
    {"a@b", NULL, {{"{client_port}", "-1"}}, "unknown", NULL, 0},
};

static const struct sockaddr *make_address(const char *text, struct sockaddr_storage *storage)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)storage;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)storage;
    memset(storage, 0, sizeof *storage);
    if (text == NULL)
        return NULL;
    if (text[0] == '/') {
        storage->ss_family = AF_UNIX;
    } else if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons(25);
    } else {
        g_assert_cmpint(inet_pton(AF_INET6, text, &ipv6->sin6_addr), ==, 1);
        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_port = htons(25);
    }
    return (const struct sockaddr *)storage;
}

static void test_client(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(client_cases); i++) {
        ClientCase row = client_cases[i];
        struct sockaddr_storage storage;
        PosternEnvelope *envelope = postern_envelope_new();
        envelope->client_name = g_strdup("of another session");
        postern_milter_macros_client(envelope, row.name, make_address(row.address, &storage), look_up,
                                     row.macros);
        g_autofree char *client = postern_address_to_string(&envelope->client);
        g_assert_cmpstr(client, ==, row.client);
        g_assert_cmpstr(envelope->client_name, ==, row.verified);
        g_assert_cmpuint(envelope->client.port, ==, row.port);
        postern_envelope_free(envelope);
    }
}

static void test_login(void)
{
    PosternEnvelope *envelope = postern_envelope_new();
    Macro none[] = {{0}};
    Macro some[] = {{"{auth_authen}", "ada"}, {0}};
    Macro empty[] = {{"{auth_authen}", ""}, {0}};
    postern_milter_macros_login(envelope, look_up, some);
    g_assert_cmpstr(envelope->login, ==, "ada");
    postern_milter_macros_login(envelope, look_up, empty);
    g_assert_null(envelope->login);
    postern_milter_macros_login(envelope, look_up, some);
    postern_milter_macros_login(envelope, look_up, none);
    g_assert_null(envelope->login);
    postern_envelope_free(envelope);
}

static void test_path(void)
{
    static const struct {
        const char *argument;
        const char *macro;
        const char *path;
    } cases[] = {
        {"<a@b.example>", NULL, "a@b.example"},
        {"<a@b.example>", "c@d.example", "a@b.example"},
        {"<>", "c@d.example", ""},
        {"<@relay.example:a@b.example>", NULL, "a@b.example"},
        {"<\"a b\"@b.example>", NULL, "\"a b\"@b.example"},
        {"a@b.example", NULL, "a@b.example"},
        {"<not a path>", NULL, "\"not a path\""},
        {"< a@b.example. >", NULL, "a@b.example"},
        {"<a(c) @b.example>", NULL, "a@b.example"},
        {"<a%b.example>", NULL, "a@b.example"},
        {"<a@b.example> more", NULL, "<a@b.example> more"},
        {"<", NULL, "<"},
        {"", "c@d.example", "c@d.example"},
        {NULL, "c@d.example", "c@d.example"},
        {NULL, NULL, ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Macro macros[] = {{"{mail_addr}", cases[i].macro}, {0}};
        g_autofree char *path = postern_milter_macros_path(cases[i].argument, "{mail_addr}", look_up, macros);
        g_assert_cmpstr(path, ==, cases[i].path);
    }
}

static void test_long_path(void)
{
    Macro none[] = {{0}};
    g_autofree char *argument = g_strnfill(100000, 'x');
    g_autofree char *path = postern_milter_macros_path(argument, "{mail_addr}", look_up, none);
    g_assert_cmpuint(strlen(path), ==, POSTERN_PATH_MAX_OCTETS);
}

static void test_local(void)
{
    static const struct {
        const char *name;
        const char *address; /* as in ClientCase */
        gboolean local;
    } cases[] = {{"localhost", "/", TRUE},
                 {"unknown", "/", TRUE},
                 {"localhost", NULL, TRUE},
                 {"root@localhost", NULL, TRUE},
                 {"LocalHost", NULL, TRUE},
                 {"unknown", NULL, FALSE},
                 {"", NULL, FALSE},
                 {NULL, NULL, FALSE},
                 {"localhost.example", NULL, FALSE},
                 {"localhost@evil", NULL, FALSE},
                 {"localhost", "127.0.0.1", FALSE}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct sockaddr_storage storage;
        const struct sockaddr *address = make_address(cases[i].address, &storage);
        g_assert_cmpint(postern_milter_macros_is_local(cases[i].name, address), ==, cases[i].local);
    }
}

static void test_tls(void)
{
    static const struct {
        Macro macros[3];
        const char *tls;
    } cases[] = {{{{0}}, NULL},
                 {{{"{tls_version}", ""}, {"{cipher}", "x"}}, NULL},
                 {{{"{cipher}", "x"}}, NULL},
                 {{{"{tls_version}", "TLSv1.3"}}, "TLSv1.3"},
                 {{{"{tls_version}", "TLSv1.3"}, {"{cipher}", ""}}, "TLSv1.3"},
                 {{{"{tls_version}", "TLSv1.2"}, {"{cipher}", "AES"}}, "TLSv1.2 AES"}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Macro macros[G_N_ELEMENTS(cases[i].macros)];
        memcpy(macros, cases[i].macros, sizeof macros);
        g_autofree char *tls = postern_milter_macros_tls(look_up, macros);
        g_assert_cmpstr(tls, ==, cases[i].tls);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/milter-macros/client", test_client);
    g_test_add_func("/milter-macros/login", test_login);
    g_test_add_func("/milter-macros/path", test_path);
    g_test_add_func("/milter-macros/long-path", test_long_path);
    g_test_add_func("/milter-macros/local", test_local);
    g_test_add_func("/milter-macros/tls", test_tls);
    return g_test_run();
}
