#include "dns/question.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define NAME_253                                                                                             \
    LABEL_63 "." LABEL_63 "." LABEL_63 "."                                                                   \
             "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy"

static void test_new(void)
{
    static const struct {
        const char *name, *normalised;
    } cases[] = {
        {"example.com", "example.com"},
        {"Example.COM.", "example.com"},
        {"a", "a"},
        {"_dmarc.x", "_dmarc.x"},
        {"a\\b@C! d.x", "a\\b@c! d.x"},
        {LABEL_63 ".x", LABEL_63 ".x"},
        {NAME_253, NAME_253},
        {NAME_253 ".", NAME_253},
        {"", NULL},
        {".", NULL},
        {"..", NULL},
        {".x", NULL},
        {"a..b", NULL},
        {"a..", NULL},
        {"a\tb", NULL},
        {"a\x7f", NULL},
        {"\xc3\xa4.x", NULL},
        {"x" LABEL_63 ".x", NULL},
        {NAME_253 "z", NULL},
        {NAME_253 "z.", NULL},
        {NAME_253 "..", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternQuestion) question = postern_question_new(cases[i].name, POSTERN_DNS_MX);
        if (cases[i].normalised == NULL) {
            g_assert_null(question);
            continue;
        }
        g_assert_nonnull(question);
        g_assert_cmpstr(question->name, ==, cases[i].normalised);
        g_assert_cmpint(question->type, ==, POSTERN_DNS_MX);
    }
    g_assert_cmpuint(strlen(NAME_253), ==, 253);
}

static void test_very_long_name(void)
{
    g_autofree char *name = g_malloc(1 << 20);
    memset(name, 'a', (1 << 20) - 1);
    name[(1 << 20) - 1] = '\0';
    g_assert_null(postern_question_new(name, POSTERN_DNS_A));
}

static void test_equal(void)
{
    g_autoptr(PosternQuestion) one = postern_question_new("A.example", POSTERN_DNS_A);
    g_autoptr(PosternQuestion) same = postern_question_new("a.EXAMPLE.", POSTERN_DNS_A);
    g_autoptr(PosternQuestion) copy = postern_question_copy(one);
    g_autoptr(PosternQuestion) type = postern_question_new("a.example", POSTERN_DNS_AAAA);
    g_autoptr(PosternQuestion) name = postern_question_new("b.example", POSTERN_DNS_A);
    g_assert_true(postern_question_equal(one, same));
    g_assert_true(postern_question_equal(one, copy));
    g_assert_cmpuint(postern_question_hash(one), ==, postern_question_hash(same));
    g_assert_false(postern_question_equal(one, type));
    g_assert_false(postern_question_equal(one, name));
}

static void test_types(void)
{
    static const PosternDnsType types[] = {POSTERN_DNS_A,  POSTERN_DNS_CNAME, POSTERN_DNS_PTR,
                                           POSTERN_DNS_MX, POSTERN_DNS_TXT,   POSTERN_DNS_AAAA};
    PosternDnsType type;
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_assert_true(postern_dns_type_parse(&type, postern_dns_type_name(types[i])));
        g_assert_cmpint(type, ==, types[i]);
    }
    g_assert_true(postern_dns_type_parse(&type, "aaaa"));
    g_assert_cmpint(type, ==, POSTERN_DNS_AAAA);
    g_assert_cmpstr(postern_dns_type_name(POSTERN_DNS_TXT), ==, "TXT");
    g_assert_null(postern_dns_type_name((PosternDnsType)99));
    g_assert_false(postern_dns_type_parse(&type, "SPF"));
    g_assert_false(postern_dns_type_parse(&type, ""));
    g_assert_false(postern_dns_type_parse(&type, "AA"));
}

static void test_reverse(void)
{
    struct in_addr four;
    struct in6_addr six;
    g_assert_cmpint(inet_pton(AF_INET, "192.0.2.255", &four), ==, 1);
    g_assert_cmpint(inet_pton(AF_INET6, "2001:db8::567:89ab", &six), ==, 1);
    g_autofree char *name4 = postern_dns_reverse_ipv4(&four);
    g_autofree char *name6 = postern_dns_reverse_ipv6(&six);
    g_assert_cmpstr(name4, ==, "255.2.0.192.in-addr.arpa");
    g_assert_cmpstr(name6, ==, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/question/new", test_new);
    g_test_add_func("/question/very-long-name", test_very_long_name);
    g_test_add_func("/question/equal", test_equal);
    g_test_add_func("/question/types", test_types);
    g_test_add_func("/question/reverse", test_reverse);
    return g_test_run();
}
