#include "mail/envelope.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static void test_address_text(void)
{
    static const struct {
        const char *text;
        const char *back; /* NULL: no address */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"IPv6:2001:db8::1", "2001:db8::1"},
        {"ipv6:::1", "::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"IPv6:::ffff:c000:201", "192.0.2.1"},
        {"IPv6:192.0.2.1", NULL},
        {"", NULL},
        {"IPv6:", NULL},
        {"192.0.2.1:25", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"[192.0.2.1]", NULL},
        {"192.0.2.1 ", NULL},
        {"fe80::1%lo", NULL},
        {"localhost", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        PosternAddress address;

        g_assert_cmpint(postern_address_parse(&address, cases[i].text), ==, cases[i].back != NULL);

        g_autofree char *back = postern_address_to_string(&address);

        g_assert_cmpstr(back, ==, cases[i].back ? cases[i].back : "unknown");
        g_assert_cmpuint(address.port, ==, 0);
    }
}

static void test_address_from_sockaddr(void)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(25)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(2525)};
    struct sockaddr other = {.sa_family = AF_UNIX};

    inet_pton(AF_INET, "192.0.2.7", &ipv4.sin_addr);
    inet_pton(AF_INET6, "::ffff:192.0.2.7", &ipv6.sin6_addr);

    PosternAddress plain = postern_address_from_sockaddr((const struct sockaddr *)&ipv4);
    PosternAddress mapped = postern_address_from_sockaddr((const struct sockaddr *)&ipv6);

    g_assert_cmpint(plain.family, ==, AF_INET);
    g_assert_cmpuint(plain.port, ==, 25);
    g_assert_cmpint(mapped.family, ==, AF_INET);
    g_assert_cmpuint(mapped.port, ==, 2525);
    g_assert_true(postern_address_in_network(&plain, &mapped, 32));
    g_assert_cmpint(postern_address_from_sockaddr(&other).family, ==, AF_UNSPEC);
    g_assert_cmpint(postern_address_from_sockaddr(NULL).family, ==, AF_UNSPEC);
}

static void test_address_in_network(void)
{
    static const struct {
        const char *address;
        const char *network;
        guint bits;
        gboolean in;
    } cases[] = {
        {"192.0.2.1", "192.0.2.0", 24, TRUE},
        {"192.0.3.1", "192.0.2.0", 24, FALSE},
        {"192.0.3.1", "192.0.2.0", 23, TRUE},
        {"192.0.2.1", "192.0.2.1", 32, TRUE},
        {"192.0.2.1", "192.0.2.0", 32, FALSE},
        {"192.0.2.1", "10.0.0.0", 0, TRUE},
        {"192.0.2.1", "192.0.2.1", 33, FALSE},
        {"192.0.2.129", "192.0.2.1", 25, FALSE},
        {"2001:db8::1", "2001:db8::", 32, TRUE},
        {"2001:db9::1", "2001:db8::", 32, FALSE},
        {"2001:db9::1", "2001:db8::", 31, TRUE},
        {"2001:db8::1", "2001:db8::1", 128, TRUE},
        {"2001:db8::1", "2001:db8::", 128, FALSE},
        {"2001:db8::1", "2001:db8::1", 129, FALSE},
        {"192.0.2.1", "::", 0, FALSE},
        {"::ffff:192.0.2.1", "192.0.2.0", 24, TRUE},
    };
    PosternAddress unknown = {.family = AF_UNSPEC};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        PosternAddress address;
        PosternAddress network;

        g_assert_true(postern_address_parse(&address, cases[i].address));
        g_assert_true(postern_address_parse(&network, cases[i].network));
        g_assert_cmpint(postern_address_in_network(&address, &network, cases[i].bits), ==, cases[i].in);
    }
    g_assert_false(postern_address_in_network(&unknown, &unknown, 0));
}

static void test_address_is_loopback(void)
{
    static const struct {
        const char *text;
        gboolean loopback;
    } cases[] = {
        {"127.0.0.1", TRUE},        {"127.255.0.1", TRUE}, {"128.0.0.1", FALSE}, {"::1", TRUE},
        {"::ffff:127.0.0.1", TRUE}, {"::2", FALSE},        {"none", FALSE},      {"::ffff:10.0.0.1", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        PosternAddress address;

        postern_address_parse(&address, cases[i].text);
        g_assert_cmpint(postern_address_is_loopback(&address), ==, cases[i].loopback);
    }
}

static void test_path_domain(void)
{
    static const struct {
        const char *path;
        const char *domain;
    } cases[] = {
        {"a@Example.COM", "example.com"},
        {"a@example.com.", "example.com"},
        {"\"x@y\"@example.com", "example.com"},
        {"a@[192.0.2.1]", "[192.0.2.1]"},
        {"a@[IPv6:2001:DB8::1]", "[IPv6:2001:DB8::1]"},
        {"postmaster", NULL},
        {"", NULL},
        {"a@", NULL},
        {"a@.", NULL},
        {"a@\xc3\x84.example", "\xc3\x84.example"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *domain = postern_path_domain(cases[i].path);

        g_assert_cmpstr(domain, ==, cases[i].domain);
    }
    g_assert_null(postern_path_domain(NULL));
}

static PosternEnvelope *sample(void)
{
    PosternEnvelope *envelope = postern_envelope_new();

    g_assert_true(postern_address_parse(&envelope->client, "2001:db8::25"));
    envelope->client.port = 40000;
    envelope->client_name = g_strdup("mail.example.com");
    envelope->helo = g_strdup("m\xc3\xa4il");
    envelope->esmtp = TRUE;
    envelope->login = g_strdup("user");
    envelope->sender = g_strdup("");
    envelope->sender_parameters = g_strdup("SIZE=5");
    envelope->session = g_strdup("0123456789abcdef");
    g_ptr_array_add(envelope->recipients, g_strdup("b@example.org"));
    g_ptr_array_add(envelope->recipients, g_strdup("\xff@example.org"));
    return envelope;
}

static void assert_same(const PosternEnvelope *a, const PosternEnvelope *b)
{
    g_assert_cmpint(a->client.family, ==, b->client.family);
    g_assert_cmpuint(a->client.port, ==, b->client.port);
    g_assert_true(a->client.family == AF_UNSPEC || postern_address_in_network(&a->client, &b->client, 32));
    g_assert_cmpstr(a->client_name, ==, b->client_name);
    g_assert_cmpstr(a->helo, ==, b->helo);
    g_assert_cmpint(a->esmtp, ==, b->esmtp);
    g_assert_cmpstr(a->login, ==, b->login);
    g_assert_cmpstr(a->sender, ==, b->sender);
    g_assert_cmpstr(a->sender_parameters, ==, b->sender_parameters);
    g_assert_cmpstr(a->session, ==, b->session);
    g_assert_cmpuint(a->recipients->len, ==, b->recipients->len);
    for (guint i = 0; i < a->recipients->len; i++)
        g_assert_cmpstr(g_ptr_array_index(a->recipients, i), ==, g_ptr_array_index(b->recipients, i));
}

static void test_copy_and_reset(void)
{
    g_autoptr(PosternEnvelope) envelope = sample();
    g_autoptr(PosternEnvelope) copy = postern_envelope_copy(envelope);

    assert_same(envelope, copy);
    postern_envelope_reset(envelope);
    g_assert_null(envelope->sender);
    g_assert_null(envelope->sender_parameters);
    g_assert_cmpuint(envelope->recipients->len, ==, 0);
    g_assert_cmpstr(envelope->helo, ==, copy->helo);
    g_assert_cmpuint(copy->recipients->len, ==, 2);
}

static GBytes *octets_of(const PosternEnvelope *envelope)
{
    GByteArray *out = g_byte_array_new();
    postern_envelope_encode(envelope, out);
    return g_byte_array_free_to_bytes(out);
}

static PosternEnvelope *envelope_of(GBytes *octets, GError **error)
{
    PosternOctets in = postern_octets_of(octets);
    g_autoptr(PosternEnvelope) envelope = postern_envelope_decode(&in, error);
    return envelope != NULL && postern_octets_end(&in, "envelope", error) ? g_steal_pointer(&envelope) : NULL;
}

static void assert_round_trip(const PosternEnvelope *envelope)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) octets = octets_of(envelope);
    g_autoptr(PosternEnvelope) back = envelope_of(octets, &error);
    g_assert_no_error(error);
    assert_same(envelope, back);
}

static void test_octets(void)
{
    g_autoptr(PosternEnvelope) envelope = sample();
    g_autoptr(PosternEnvelope) empty = postern_envelope_new();
    assert_round_trip(envelope);
    assert_round_trip(empty);
    g_assert_true(postern_address_parse(&envelope->client, "192.0.2.1"));
    assert_round_trip(envelope);
}

static void assert_refused(GBytes *octets)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(envelope_of(octets, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
}

#define CLIENT_OCTETS (4 + sizeof(struct in6_addr)) /* of the sample's client, with their length */

/* Cut off anywhere, with something behind it, an address of another length, a NUL octet in a text. */
static void test_hostile_octets(void)
{
    g_autoptr(PosternEnvelope) envelope = sample();
    g_autoptr(GBytes) whole = octets_of(envelope);
    gsize length = 0;
    const char *start = g_bytes_get_data(whole, &length);
    for (gsize cut = 0; cut < length; cut++) {
        g_autoptr(GBytes) part = g_bytes_new(start, cut);
        assert_refused(part);
    }
    GByteArray *more = g_byte_array_new();
    g_byte_array_append(more, (const guint8 *)start, (guint)length);
    postern_octets_add_number(more, 0, 1);
    g_autoptr(GBytes) longer = g_byte_array_free_to_bytes(more);
    assert_refused(longer);
    GByteArray *other = g_byte_array_new();
    postern_octets_add_text(other, "\1\2\3", 3);
    g_byte_array_append(other, (const guint8 *)start + CLIENT_OCTETS, (guint)(length - CLIENT_OCTETS));
    g_autoptr(GBytes) short_address = g_byte_array_free_to_bytes(other);
    assert_refused(short_address);
    g_autofree char *copy = g_memdup2(start, length);
    char *login = memmem(copy, length, envelope->login, strlen(envelope->login));
    g_assert_nonnull(login);
    login[0] = '\0';
    g_autoptr(GBytes) with_nul = g_bytes_new(copy, length);
    assert_refused(with_nul);
}

static void assert_over_limit(const PosternEnvelope *envelope)
{
    g_autoptr(GBytes) octets = octets_of(envelope);
    assert_refused(octets);
}

static void test_octets_limits(void)
{
    g_autoptr(PosternEnvelope) paths = postern_envelope_new();
    g_autoptr(PosternEnvelope) crowd = postern_envelope_new();

    paths->sender = g_strnfill(POSTERN_PATH_MAX_OCTETS, 'a');
    assert_round_trip(paths);
    g_free(paths->sender);
    paths->sender = g_strnfill(POSTERN_PATH_MAX_OCTETS + 1, 'a');
    assert_over_limit(paths);
    for (guint i = 0; i < POSTERN_RECIPIENTS_MAX; i++)
        g_ptr_array_add(crowd->recipients, g_strdup("a@example.org"));
    assert_round_trip(crowd);
    g_ptr_array_add(crowd->recipients, g_strdup("a@example.org"));
    assert_over_limit(crowd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/envelope/address-text", test_address_text);
    g_test_add_func("/envelope/address-from-sockaddr", test_address_from_sockaddr);
    g_test_add_func("/envelope/address-in-network", test_address_in_network);
    g_test_add_func("/envelope/address-is-loopback", test_address_is_loopback);
    g_test_add_func("/envelope/path-domain", test_path_domain);
    g_test_add_func("/envelope/copy-and-reset", test_copy_and_reset);
    g_test_add_func("/envelope/octets", test_octets);
    g_test_add_func("/envelope/hostile-octets", test_hostile_octets);
    g_test_add_func("/envelope/octets-limits", test_octets_limits);
    return g_test_run();
}
