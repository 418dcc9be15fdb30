#include "report/rua.h"

#include <string.h>

#include "base/limits.h"

static const struct {
    const char *list, *addresses;
} cases[] = {
    {"mailto:a@example.org", "a@example.org"},
    {"MAILTO:A@Example.ORG", "A@example.org"},
    {" mailto:a@x.example , mailto:b@y.example ", "a@x.example b@y.example"},
    {"mailto:a@x.example,mailto:a@x.example", "a@x.example"},
    {"mailto:a@x.example!10m", "a@x.example!10485760"},
    {"mailto:a@x.example!5", "a@x.example!5"},
    {"mailto:a@x.example!2K,mailto:b@x.example!0", "a@x.example!2048 b@x.example!1"},
    {"mailto:a@x.example!99999999999999t", "a@x.example!18446744073709551615"},
    {"mailto:a@x.example!,mailto:b@x.example!m,mailto:c@x.example!1mm", ""},
    {"mailto:a%2Bb@x.example", "a+b@x.example"},
    {"mailto:a@x.example?subject=s", "a@x.example"},
    {"mailto:a%0d%0aRCPT@x.example", ""},
    {"mailto:a%00@x.example", ""},
    {"mailto:a@x.example%3E", ""},
    {"mailto:a@x.example%2Cb@y.example", ""},
    {"mailto:@x.example,mailto:a@,mailto:,mailto,a@x.example", ""},
    {"https://x.example/report,mailto:a@x.example", "a@x.example"},
    {"mailto:a@[192.0.2.1]", ""},
    {"mailto:\"a b\"@x.example", ""},
    {",,,", ""},
    {"", ""},
};

static char *parse(const char *list, gsize length)
{
    g_autoptr(GPtrArray) addresses = postern_rua_parse(list, length);
    GString *text = g_string_new(NULL);
    g_assert_cmpuint(addresses->len, <=, POSTERN_REPORT_ADDRESSES_MAX);
    for (guint i = 0; i < addresses->len; i++) {
        const PosternReportAddress *address = addresses->pdata[i];
        g_string_append_printf(text, "%s%s", i > 0 ? " " : "", address->address);
        if (address->octets_max > 0)
            g_string_append_printf(text, "!%" G_GUINT64_FORMAT, address->octets_max);
        g_assert_cmpstr(postern_report_address_domain(address), ==, strrchr(address->address, '@') + 1);
    }
    return g_string_free(text, FALSE);
}

static void test_lists(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *found = parse(cases[i].list, strlen(cases[i].list));
        g_assert_cmpstr(found, ==, cases[i].addresses);
    }
}

/* Cut behind each octet, in a block of just that size: what stands behind is never read. */
static void test_cut_anywhere(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        for (gsize length = 0; length <= strlen(cases[i].list); length++) {
            g_autofree char *block = g_memdup2(cases[i].list, MAX(length, 1));
            g_autofree char *terminated = g_strndup(cases[i].list, length);
            g_autofree char *of_block = parse(block, length);
            g_autofree char *of_text = parse(terminated, length);
            g_assert_cmpstr(of_block, ==, of_text);
        }
}

static void test_bounds(void)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; i < 1000; i++)
        g_string_append_printf(list, "mailto:a%u@x.example,", i);
    g_autoptr(GPtrArray) many = postern_rua_parse(list->str, list->len);
    g_assert_cmpuint(many->len, ==, POSTERN_REPORT_ADDRESSES_MAX);
    g_autoptr(GPtrArray) with_nul = postern_rua_parse("mailto:a@x.example\0,mailto:b@x.example", 38);
    g_assert_cmpuint(with_nul->len, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report_rua/lists", test_lists);
    g_test_add_func("/report_rua/cut_anywhere", test_cut_anywhere);
    g_test_add_func("/report_rua/bounds", test_bounds);
    return g_test_run();
}
