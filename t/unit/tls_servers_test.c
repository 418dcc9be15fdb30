#include <glib/gstdio.h>
#include <openssl/err.h>

#include "base/limits.h"
#include "proxy/tls/context.h"
#include "support/certificate.h"

static PosternTlsContext *servers_context(const char *authorities)
{
    const char *text = "[proxy]\nrecipient_domains = example.org\n";
    char *none[] = {NULL};
    const PosternTlsServers servers = {.level = POSTERN_TLS_VERIFY,
                                       .name = "",
                                       .authorities = authorities,
                                       .certificate = "",
                                       .key = "",
                                       none};
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    PosternTlsContext *context = postern_tls_context_new_for_servers(configuration, &servers, &error);
    g_assert_no_error(error);
    return context;
}

static PosternAddress address_of(guint number)
{
    return (PosternAddress){.family = AF_INET, .ipv4.s_addr = htonl(0x0a000000 + number), .port = 25};
}

/* What one has written comes to the other; TRUE if it was anything. */
static gboolean carry(SSL *from, SSL *to)
{
    char octets[4096];
    int length;
    gboolean any = FALSE;
    while ((length = BIO_read(SSL_get_wbio(from), octets, sizeof octets)) > 0) {
        g_assert_cmpint(BIO_write(SSL_get_rbio(to), octets, length), ==, length);
        any = TRUE;
    }
    return any;
}

/* TRUE if the proxy takes the server, which shows the certificate of mx.example.org, for who it must be. */
static gboolean meets(PosternTlsContext *context, PosternTlsContext *of_server, const PosternAddress *address,
                      const char *name, gboolean *ret_resumed)
{
    char octet;
    SSL *server = postern_tls_context_accept(of_server);
    SSL *client = postern_tls_context_connect(context, address, name, NULL);
    SSL *both[] = {server, client};
    for (guint i = 0; i < 2; i++)
        SSL_set_bio(both[i], BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    gboolean any = TRUE;
    while (any) {
        SSL_do_handshake(client);
        any = carry(client, server);
        SSL_do_handshake(server);
        any = carry(server, client) || any;
    }
    SSL_read(client, &octet, 1); /* the tickets */
    gboolean met = SSL_is_init_finished(client) && SSL_is_init_finished(server);
    if (ret_resumed != NULL)
        *ret_resumed = SSL_session_reused(client) == 1;
    for (guint i = 0; i < 2; i++) {
        SSL_shutdown(both[i]); /* else its session would be none to resume */
        SSL_free(both[i]);
    }
    ERR_clear_error();
    return met;
}

typedef struct {
    char *path;
    PosternTlsContext *of_server, *context;
} Fixture;

static void fixture_init(Fixture *fixture)
{
    fixture->path = make_certificate();
    fixture->of_server = context_of(fixture->path);
    fixture->context = servers_context(fixture->path);
}

static void fixture_clear(Fixture *fixture)
{
    postern_tls_context_unref(fixture->of_server);
    postern_tls_context_unref(fixture->context);
    g_remove(fixture->path);
    g_free(fixture->path);
}

/* A server is who the administrator calls it; a session of one name vouches for no other. */
static void test_name(void)
{
    Fixture fixture;
    gboolean resumed;
    const PosternAddress address = address_of(1);
    fixture_init(&fixture);
    g_assert_false(meets(fixture.context, fixture.of_server, &address, NULL, NULL));
    g_assert_false(meets(fixture.context, fixture.of_server, &address, "mx.example.net", NULL));
    g_assert_true(meets(fixture.context, fixture.of_server, &address, "mx.example.org", &resumed));
    g_assert_false(resumed);
    g_assert_true(meets(fixture.context, fixture.of_server, &address, "mx.example.org", &resumed));
    g_assert_true(resumed);
    g_assert_false(meets(fixture.context, fixture.of_server, &address, "mx.example.net", NULL));
    g_assert_false(meets(fixture.context, fixture.of_server, &address, NULL, NULL));
    fixture_clear(&fixture);
}

/* The addresses of a name change for ever; what is kept of them does not grow for ever. */
static void test_sessions_are_bounded(void)
{
    Fixture fixture;
    gboolean resumed;
    guint greatest = 0;
    fixture_init(&fixture);
    for (guint i = 0; i < POSTERN_TLS_SESSIONS_MAX + 10; i++) {
        const PosternAddress address = address_of(i);
        g_assert_true(meets(fixture.context, fixture.of_server, &address, "mx.example.org", NULL));
        greatest = MAX(greatest, postern_tls_context_sessions(fixture.context));
    }
    g_assert_cmpuint(greatest, ==, POSTERN_TLS_SESSIONS_MAX);
    g_assert_cmpuint(postern_tls_context_sessions(fixture.context), ==, 10);
    const PosternAddress last = address_of(POSTERN_TLS_SESSIONS_MAX + 9);
    g_assert_true(meets(fixture.context, fixture.of_server, &last, "mx.example.org", &resumed));
    g_assert_true(resumed);
    fixture_clear(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tls-servers/name", test_name);
    g_test_add_func("/tls-servers/sessions-are-bounded", test_sessions_are_bounded);
    return g_test_run();
}
