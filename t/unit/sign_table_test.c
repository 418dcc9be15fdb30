#include "checks/sign/table.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static GPtrArray *parse(const char *text, GError **error)
{
    g_autofree char *copy = g_memdup2(text, MAX(strlen(text), 1));
    return postern_sign_table_parse(copy, strlen(text), "keys", error);
}

static void test_rows(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rows = parse("# a comment\r\n"
                                      "\n"
                                      "  Example.ORG\tsel1   /etc/a key.pem  # the old one\n"
                                      "example.org 2026.Q1 /etc/b#c.pem\r\n"
                                      "xn--bcher-kva.example s /k",
                                      &error);
    const struct {
        const char *domain, *selector, *file;
        guint line;
    } wanted[] = {{"example.org", "sel1", "/etc/a key.pem", 3},
                  {"example.org", "2026.Q1", "/etc/b#c.pem", 4},
                  {"xn--bcher-kva.example", "s", "/k", 5}};
    g_assert_no_error(error);
    g_assert_cmpuint(rows->len, ==, G_N_ELEMENTS(wanted));
    for (guint i = 0; i < rows->len; i++) {
        const PosternSignRow *row = g_ptr_array_index(rows, i);
        g_assert_cmpstr(row->domain, ==, wanted[i].domain);
        g_assert_cmpstr(row->selector, ==, wanted[i].selector);
        g_assert_cmpstr(row->file, ==, wanted[i].file);
        g_assert_cmpuint(row->line, ==, wanted[i].line);
    }
}

static void test_bad_rows(void)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"", "keys names no key"},
        {"# nothing\n\n", "keys names no key"},
        {"example.org s /k\nexample.org\n", "keys:2: a line has three words"},
        {"example.org s\n", "keys:1: a line has three words"},
        {"example.org s # /k\n", "keys:1: a line has three words"},
        {"org s /k\n", "keys:1: 'org' is no domain"},
        {"-a.org s /k\n", "'-a.org' is no domain"},
        {"a..org s /k\n", "'a..org' is no domain"},
        {".org s /k\n", "is no domain"},
        {"a.org. s /k\n", "is no domain"},
        {"b\xc3\xbc"
         "cher.example s /k\n",
         "xn-- form"},
        {"a_b.org s /k\n", "is no domain"},
        {"a@b.org s /k\n", "is no domain"},
        {"a.org s;t /k\n", "'s;t' is no selector"},
        {"a.org .s /k\n", "is no selector"},
        {"a.org s k.pem\n", "'k.pem' is no absolute path"},
        {"a.org s /k\nb.org s /k\nA.ORG S /l\n", "keys:3: a.org has selector S already"},
        {"a.org 1 /k\na.org 2 /k\na.org 3 /k\na.org 4 /k\na.org 5 /k\n",
         "keys:5: a.org has more than 4 keys"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(cases[i].text, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        if (strstr(error->message, cases[i].wanted) == NULL)
            g_error("'%s', wanted '%s', for: %s", error->message, cases[i].wanted, cases[i].text);
    }
}

static void test_long_names(void)
{
    g_autofree char *label = g_strnfill(63, 'a');
    g_autofree char *fits = g_strdup_printf("%s.%s.%s.org s /k\n", label, label, label);
    g_autofree char *longer = g_strdup_printf("%s.%s.%s.%s.org s /k\n", label, label, label, label);
    g_autofree char *wide = g_strdup_printf("a%s.org s /k\n", label);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rows = parse(fits, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(rows->len, ==, 1);
    g_assert_null(parse(longer, &error));
    g_assert_nonnull(strstr(error->message, "too long for a domain name"));
    g_clear_error(&error);
    g_assert_null(parse(wide, &error));
    g_assert_nonnull(strstr(error->message, "is no domain"));
}

static void test_most_keys(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < POSTERN_SIGN_KEYS_MAX; i++)
        g_string_append_printf(text, "d%u.example s /k\n", i);
    g_autoptr(GPtrArray) rows = parse(text->str, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(rows->len, ==, POSTERN_SIGN_KEYS_MAX);
    g_string_append(text, "one.more.example s /k\n");
    g_assert_null(parse(text->str, &error));
    g_assert_nonnull(strstr(error->message, "keys:1001: more than 1000 keys"));
}

static void test_nul(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(postern_sign_table_parse("a.org s /k\0x\n", 13, "keys", &error));
    g_assert_nonnull(strstr(error->message, "keys:1: a NUL octet"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sign_table/rows", test_rows);
    g_test_add_func("/sign_table/bad_rows", test_bad_rows);
    g_test_add_func("/sign_table/long_names", test_long_names);
    g_test_add_func("/sign_table/most_keys", test_most_keys);
    g_test_add_func("/sign_table/nul", test_nul);
    return g_test_run();
}
