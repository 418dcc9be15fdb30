#include "checks/spf/record.h"

#include <string.h>

#include "base/limits.h"
#include "checks/spf/macro.h"
#include "dns/question.h"

#define NOW 1700000000
#define RECEIVER "mx.example.org"

static const struct {
    const char *record;
    gboolean valid;
} syntax_cases[] = {
    {"v=spf1", TRUE},
    {"v=spf1 ", TRUE},
    {"V=SPF1  +A  -ALL  ", TRUE},
    {"v=spf1 a/0 a/32 a//0 a//128 a/24//64 a:x.example/8", TRUE},
    {"v=spf1 a/00", FALSE},
    {"v=spf1 a/", FALSE},
    {"v=spf1 a//", FALSE},
    {"v=spf1 a/1234", FALSE},
    {"v=spf1 a/99999999999999999999", FALSE},
    {"v=spf1 a:/24", FALSE},
    {"v=spf1 a:x.example/", FALSE},
    {"v=spf1 a:x.example///64", FALSE},
    {"v=spf1 a:%{d}/24//64", TRUE},
    {"v=spf1 a:%{d/}.example", TRUE},
    {"v=spf1 a:x.example.", TRUE},
    {"v=spf1 a:x.example..", FALSE},
    {"v=spf1 a:x.1example", TRUE},
    {"v=spf1 a:x.e-", FALSE},
    {"v=spf1 a:%{d}com", FALSE},
    {"v=spf1 a:%{d}.com", TRUE},
    {"v=spf1 a:%{d}%%", TRUE},
    {"v=spf1 a:192.0.2.1", FALSE},
    {"v=spf1 mx:x.example exists:%{i}.x.example include:x.example ptr ptr:x.example", TRUE},
    {"v=spf1 exists:x.example/24", FALSE},
    {"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ip6:::ffff:192.0.2.1", TRUE},
    {"v=spf1 ip4:192.0.2.01", FALSE},
    {"v=spf1 ip4:192.0.2.1/24/24", FALSE},
    {"v=spf1 ip4:2001:db8::1", FALSE},
    {"v=spf1 ip6:192.0.2.1", FALSE},
    {"v=spf1 ip6:2001:db8::1%eth0", FALSE},
    {"v=spf1 ip4", FALSE},
    {"v=spf1 --all", FALSE},
    {"v=spf1 -", FALSE},
    {"v=spf1 +redirect=x.example", FALSE},
    {"v=spf1 REDIRECT=x.example exp=%{i}.x.example", TRUE},
    {"v=spf1 redirect=x.example redirect=x.example", FALSE},
    {"v=spf1 rp=unknown x-y.z_0= m=%{c}", TRUE},
    {"v=spf1 m=%{x}", FALSE},
    {"v=spf1 a:%{d0}", FALSE},
    {"v=spf1 a:%{d", FALSE},
    {"v=spf1 a:%{d!}", FALSE},
    {"v=spf1 a:%{c}", FALSE},
    {"v=spf1 a:%{dR}.x.example a:%{d4294967297r-+}.example", TRUE},
    {"v=spf1\ta", FALSE},
    {"v=spf1 a\tb", FALSE},
    {"v=spf1 a:\x7f.example", FALSE},
};

static void test_record_syntax(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(syntax_cases); i++) {
        gsize length = strlen(syntax_cases[i].record);
        g_autofree char *problem = NULL;
        g_autoptr(PosternSpfRecord) record = NULL;

        if (!postern_spf_record_is(syntax_cases[i].record, length)) {
            g_assert_false(syntax_cases[i].valid);
            continue;
        }
        record = postern_spf_record_parse(syntax_cases[i].record, length, &problem);
        g_test_message("%s: %s", syntax_cases[i].record, problem != NULL ? problem : "valid");
        g_assert_cmpint(record != NULL, ==, syntax_cases[i].valid);
        g_assert_cmpint(problem == NULL, ==, syntax_cases[i].valid);
    }
}

static void test_record_terms(void)
{
    static const char text[] = "v=spf1 ~mx:%{d}.example/20//48 ?ip6:2001:db8::/32 -all redirect=r.example";
    g_autofree char *problem = NULL;
    g_autoptr(PosternSpfRecord) record = postern_spf_record_parse(text, strlen(text), &problem);
    const PosternSpfDirective *directives;

    g_assert_nonnull(record);
    g_assert_cmpuint(record->directives->len, ==, 3);
    directives = &g_array_index(record->directives, PosternSpfDirective, 0);
    g_assert_cmpint(directives[0].mechanism, ==, POSTERN_SPF_MX);
    g_assert_cmpint(directives[0].result, ==, POSTERN_SPF_SOFTFAIL);
    g_assert_cmpmem(directives[0].domain.text, directives[0].domain.length, "%{d}.example", 12);
    g_assert_cmpuint(directives[0].ipv4_bits, ==, 20);
    g_assert_cmpuint(directives[0].ipv6_bits, ==, 48);
    g_assert_cmpint(directives[1].result, ==, POSTERN_SPF_NEUTRAL);
    g_assert_cmpuint(directives[1].ipv6_bits, ==, 32);
    g_assert_cmpint(directives[1].network.family, ==, AF_INET6);
    g_assert_cmpint(directives[2].mechanism, ==, POSTERN_SPF_ALL);
    g_assert_cmpint(directives[2].result, ==, POSTERN_SPF_FAIL);
    g_assert_cmpmem(record->redirect.text, record->redirect.length, "r.example", 9);
    g_assert_null(record->explanation.text);
}

/* Every prefix, in memory that ends where it ends: nothing may be read beyond. */
static void test_record_prefixes(void)
{
    static const char text[] =
        "v=spf1 mx:%{d4r.-}.%%%_%-.example/20//48 ip6:2001:db8::1/32 a/24 exp=%{l}.x.example";

    for (gsize length = 0; length < sizeof text; length++) {
        g_autofree char *octets = g_memdup2(text, length);
        g_autofree char *problem = NULL;
        g_autoptr(PosternSpfRecord) record = NULL;

        if (length < 6) {
            g_assert_false(postern_spf_record_is(octets, length));
            continue;
        }
        if (!postern_spf_record_is(octets, length))
            continue;
        record = postern_spf_record_parse(octets, length, &problem);
        g_assert_true((record == NULL) == (problem != NULL));
    }
}

static PosternSpfMacroValues example_values(const char *client)
{
    PosternSpfMacroValues values = {
        .local_part = "strong-bad",
        .sender_domain = "email.example.com",
        .domain = "email.example.com",
        .helo = "mx.example.net",
        .receiver = RECEIVER,
        .now = NOW,
    };

    g_assert_true(postern_address_parse(&values.client, client));
    return values;
}

static void test_macro_domain(void)
{
    static const struct {
        const char *client, *macro, *expected;
    } cases[] = {
        /* RFC 7208 7.4 */
        {"192.0.2.3", "%{s}", "strong-bad@email.example.com"},
        {"192.0.2.3", "%{o}", "email.example.com"},
        {"192.0.2.3", "%{d}", "email.example.com"},
        {"192.0.2.3", "%{d4}", "email.example.com"},
        {"192.0.2.3", "%{d3}", "email.example.com"},
        {"192.0.2.3", "%{d2}", "example.com"},
        {"192.0.2.3", "%{d1}", "com"},
        {"192.0.2.3", "%{dr}", "com.example.email"},
        {"192.0.2.3", "%{d2r}", "example.email"},
        {"192.0.2.3", "%{l}", "strong-bad"},
        {"192.0.2.3", "%{l-}", "strong.bad"},
        {"192.0.2.3", "%{lr}", "strong-bad"},
        {"192.0.2.3", "%{lr-}", "bad.strong"},
        {"192.0.2.3", "%{l1r-}", "strong"},
        {"192.0.2.3", "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
        {"192.0.2.3", "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
        {"192.0.2.3", "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
        {"192.0.2.3", "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
        {"192.0.2.3", "%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
        {"2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}",
         "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com"},
        /* other rules of 7.1 and 7.3 */
        {"192.0.2.3", "%{S}", "strong-bad%40email.example.com"},
        {"192.0.2.3", "%{LR-}", "bad.strong"},
        {"192.0.2.3", "%{p}.x.example", "unknown.x.example"},
        {"192.0.2.3", "%{h3}.x.", "mx.example.net.x"},
        {"192.0.2.3", "%{h3}.", NULL},
        {"192.0.2.3", "a%%b%_c%-d.x.example.", "a%b c%20d.x.example"},
        {"192.0.2.3", "%{d99999999999}", "email.example.com"},
        {"192.0.2.3", "%{s1r@}", NULL},
        {"192.0.2.3", "%{s2=,_/+}", "strong-bad@email.example.com"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        PosternSpfMacroValues values = example_values(cases[i].client);
        gsize length = strlen(cases[i].macro);
        g_autofree char *expanded = NULL;

        g_assert_cmpint(postern_spf_macro_is_valid(cases[i].macro, length, POSTERN_SPF_MACRO_DOMAIN), ==,
                        cases[i].expected != NULL);
        if (cases[i].expected == NULL)
            continue;
        expanded = postern_spf_macro_expand_domain(cases[i].macro, length, &values);
        g_assert_cmpstr(expanded, ==, cases[i].expected);
    }
}

static void test_macro_truncation(void)
{
    PosternSpfMacroValues values = example_values("192.0.2.3");
    g_autoptr(GString) macro = g_string_new(NULL);
    g_autofree char *expanded = NULL, *labelless = NULL;

    for (guint i = 0; i < 2000; i++)
        g_string_append(macro, "%{d}.");
    g_string_append(macro, "example");
    expanded = postern_spf_macro_expand_domain(macro->str, macro->len, &values);
    /* 7 and 13 times 18 octets are 241; "example.com." are 12 more */
    g_assert_cmpuint(strlen(expanded), ==, 253);
    g_assert_true(g_str_has_prefix(expanded, "example.com.email.example.com."));
    g_string_assign(macro, "%{l}");
    g_autofree char *long_part = g_strnfill(1000, 'x');
    values.local_part = long_part;
    labelless = postern_spf_macro_expand_domain(macro->str, macro->len, &values);
    g_assert_null(postern_question_new(labelless, POSTERN_DNS_A));
}

static void test_macro_explanation(void)
{
    PosternSpfMacroValues values = example_values("2001:db8::1");
    static const char text[] = "%{c} is not %{d} at %{t} says %{r}.";
    g_autofree char *expanded = postern_spf_macro_expand_explanation(text, strlen(text), &values);
    g_autofree char *hostile = NULL, *longest = NULL;
    g_autoptr(GString) many = g_string_new(NULL);

    g_assert_true(postern_spf_macro_is_valid(text, strlen(text), POSTERN_SPF_MACRO_EXPLANATION));
    g_assert_false(postern_spf_macro_is_valid("a\r\nb", 4, POSTERN_SPF_MACRO_EXPLANATION));
    g_assert_cmpstr(expanded, ==, "2001:db8::1 is not email.example.com at 1700000000 says mx.example.org.");
    values.local_part = "a\r\n\xc3\xa4";
    hostile = postern_spf_macro_expand_explanation("%{l} %{L}", 9, &values);
    g_assert_cmpstr(hostile, ==, "a???? a%0D%0A%C3%A4");
    for (guint i = 0; i < 1000; i++)
        g_string_append(many, "%{s} ");
    longest = postern_spf_macro_expand_explanation(many->str, many->len, &values);
    g_assert_cmpuint(strlen(longest), ==, POSTERN_SPF_EXPLANATION_MAX_OCTETS);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spf/record/syntax", test_record_syntax);
    g_test_add_func("/spf/record/terms", test_record_terms);
    g_test_add_func("/spf/record/prefixes", test_record_prefixes);
    g_test_add_func("/spf/macro/domain", test_macro_domain);
    g_test_add_func("/spf/macro/truncation", test_macro_truncation);
    g_test_add_func("/spf/macro/explanation", test_macro_explanation);
    return g_test_run();
}
