#include "checks/dmarc/record.h"

#include <string.h>

#include "base/limits.h"

/* "p sp np psd t adkim aspf" in short, "unusable", or "none". */
static char *describe(const char *octets, gsize length)
{
    g_autofree char *copy = g_memdup2(octets, MAX(length, 1));
    PosternDmarcRecord record;

    if (!postern_dmarc_record_parse(copy, length, &record))
        return g_strdup("none");
    if (!record.usable)
        return g_strdup("unusable");
    return g_strdup_printf("%s %s %s %c%s%s%s", postern_dmarc_policy_name(record.policy),
                           postern_dmarc_policy_name(record.subdomain_policy),
                           postern_dmarc_policy_name(record.nonexistent_policy), "uyn"[record.psd],
                           record.testing ? " testing" : "", record.strict_dkim ? " adkim" : "",
                           record.strict_spf ? " aspf" : "");
}

typedef struct {
    const char *text;
    const char *expected;
} Case;

static void check(const Case *cases, gsize count)
{
    for (gsize i = 0; i < count; i++) {
        g_autofree char *found = describe(cases[i].text, strlen(cases[i].text));

        g_test_message("%s", cases[i].text);
        g_assert_cmpstr(found, ==, cases[i].expected);
    }
}

static void test_tags(void)
{
    static const Case cases[] = {
        {"v=DMARC1;p=reject", "reject reject reject u"},
        {"v=DMARC1;p=reject;", "reject reject reject u"},
        {"V=DMARC1;p=reject", "reject reject reject u"},
        {"v\t=\tDMARC1\t;\tp\t=\treject\t", "reject reject reject u"},
        {"v=DMARC1;p=none;sp=quarantine;np=reject;psd=y;t=y;adkim=s;aspf=s",
         "none quarantine reject y testing adkim aspf"},
        {"v=DMARC1;p=none;sp=quarantine", "none quarantine quarantine u"},
        {"v=DMARC1;p=none;np=quarantine", "none none quarantine u"},
        {"v=DMARC1;p=NONE;psd=N;t=Y;aspf=S", "none none none n testing aspf"},
        {"v=DMARC1;p=none;psd=x;t=x;adkim=x;aspf=x", "none none none u"},
        {"v=DMARC1;p=none;P=reject;xp=x;Xp=x", "none none none u"},
        {"v=DMARC1;=;=;p=none", "none none none u"},
        {"v=DMARC1;p=reject\xff;", "unusable"},
        {"v=DMARC1;p=reject;x=\xff", "reject reject reject u"},
        {"v=DMARC1;=;p=reject", "reject reject reject u"},
        {"v=DMARC1;P=reject", "unusable"},
        {"v=DMARC1;p=reject p=none", "unusable"},
        {"v=DMARC1", "unusable"},
        {"v=DMARC1 ", "unusable"},
    };

    check(cases, G_N_ELEMENTS(cases));
}

static void test_reports(void)
{
    static const Case cases[] = {
        {"v=DMARC1;rua=mailto:a@b", "none none none u"},
        {"v=DMARC1;rua=mailto:a@b!10m", "none none none u"},
        {"v=DMARC1;rua=mailto:a@b!", "unusable"},
        {"v=DMARC1;rua=mailto:a@b!x", "unusable"},
        {"v=DMARC1;rua=https://example.com/a?b=c%20d", "none none none u"},
        {"v=DMARC1;rua=mailto:a%@b", "unusable"},
        {"v=DMARC1;rua=mailto:a b@c", "unusable"},
        {"v=DMARC1;rua=mailto:", "unusable"},
        {"v=DMARC1;rua=:a", "unusable"},
        {"v=DMARC1;rua=1a:b", "unusable"},
        {"v=DMARC1;rua=,,mailto:a@b", "none none none u"},
        {"v=DMARC1;rua=", "unusable"},
        {"v=DMARC1;ruf=mailto:a@b", "unusable"},
    };

    check(cases, G_N_ELEMENTS(cases));
}

static void test_no_record(void)
{
    static const Case cases[] = {
        {"", "none"},
        {";", "none"},
        {"v", "none"},
        {"v=", "none"},
        {"v=DMARC", "none"},
        {"v=DMARC1x;p=reject", "none"},
        {"v=Dmarc1;p=reject", "none"},
        {"\tv=DMARC1;p=reject", "none"},
        {"v=DMARC1,p=reject", "none"},
        {"p=reject;v=DMARC1", "none"},
        {"v=spf1 -all", "none"},
    };

    check(cases, G_N_ELEMENTS(cases));
}

/* RFC 6376 3.2: the whole list is invalid. */
static void test_twice(void)
{
    static const Case cases[] = {
        {"v=DMARC1;p=none;p=none", "none"},
        {"v=DMARC1;p=none;p=reject", "none"},
        {"v=DMARC1;p=none;p =\treject;rua=mailto:a@b", "none"},
        {"v=DMARC1;p=none;psd=y;psd=n", "none"},
        {"v=DMARC1;p=none;v=DMARC1", "none"},
        {"V=DMARC1;v=DMARC1;p=none", "none"},
        {"v=DMARC1;p=none;rua=mailto:a@b;rua=mailto:c@d", "none"},
        {"v=DMARC1;p=none;x=1;x=2", "none"},
        {"v=DMARC1;p=none;pct=1;pct=1", "none"},
    };

    check(cases, G_N_ELEMENTS(cases));
}

static void test_nul_and_length(void)
{
    static const char nul[] = "v=DMARC1;p=reject\0;sp=none";
    static const char inside[] = "v=DMARC1;x=\0;p=reject;rua=\0";
    g_autofree char *cut = describe(nul, sizeof nul - 1);
    g_autofree char *beside = describe(inside, sizeof inside - 1);
    g_autoptr(GString) large = g_string_new("v=DMARC1;p=reject;x=");

    static const char names[] = "v=DMARC1;p=reject;x=1;x\0y=2";
    g_autofree char *apart = describe(names, sizeof names - 1);

    g_assert_cmpstr(apart, ==, "reject reject reject u");
    g_assert_cmpstr(cut, ==, "unusable");
    g_assert_cmpstr(beside, ==, "reject reject reject u");
    while (large->len < POSTERN_DMARC_RECORD_MAX_OCTETS)
        g_string_append_c(large, 'x');
    g_autofree char *largest = describe(large->str, large->len);

    g_assert_cmpstr(largest, ==, "reject reject reject u");
    g_autofree char *over = describe(large->str, large->len + 1);

    g_assert_cmpstr(over, ==, "none");
}

/* Cut anywhere: a record or none, and nothing is read beyond. */
static void test_cut(void)
{
    static const char text[] =
        "v=DMARC1; p=quarantine; sp=reject; np=none; psd=n; t=y; adkim=s; rua=mailto:a@b!1k";

    for (gsize length = 0; length < sizeof text; length++) {
        g_autofree char *found = describe(text, length);

        g_assert_cmpint(strcmp(found, "none") == 0, ==, length < strlen("v=DMARC1"));
    }
}

static void test_select(void)
{
    static const struct {
        const char *texts[4];
        gboolean selected;
        guint count;
    } cases[] = {
        {{"v=DMARC1;p=none"}, TRUE, 1},
        {{"v=spf1 -all", "v=DMARC1;p=none", "x"}, TRUE, 1},
        {{"v=DMARC1;p=none", "v=DMARC1;p=none"}, FALSE, 2},
        {{"v=DMARC1", "v=DMARC1;p=none"}, FALSE, 2},
        {{"v=spf1 -all"}, FALSE, 0},
        {{"v=DMARC1;p=reject;p=reject", "v=DMARC1;p=none"}, TRUE, 1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternAnswer) answer = postern_answer_new(POSTERN_ANSWER_NODATA);
        PosternDmarcRecord record;
        GBytes *text = NULL;
        guint count = 99;

        for (guint j = 0; cases[i].texts[j] != NULL; j++)
            g_assert_true(postern_answer_add(answer, cases[i].texts[j], strlen(cases[i].texts[j])));
        g_assert_cmpint(postern_dmarc_record_select(answer, &record, &text, &count), ==, cases[i].selected);
        g_assert_cmpuint(count, ==, cases[i].count);
        if (cases[i].selected)
            g_assert_cmpuint(g_bytes_get_size(text), ==, strlen("v=DMARC1;p=none"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dmarc/record/tags", test_tags);
    g_test_add_func("/dmarc/record/reports", test_reports);
    g_test_add_func("/dmarc/record/no-record", test_no_record);
    g_test_add_func("/dmarc/record/twice", test_twice);
    g_test_add_func("/dmarc/record/nul-and-length", test_nul_and_length);
    g_test_add_func("/dmarc/record/cut", test_cut);
    g_test_add_func("/dmarc/record/select", test_select);
    return g_test_run();
}
