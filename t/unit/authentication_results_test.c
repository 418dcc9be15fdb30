#include "wire/authentication_results.h"

#include <string.h>

#include <glib.h>

#include "base/limits.h"
#include "trickle.h"

#define AUTHSERV_ID "mx.example.org"

static void show(const char *text)
{
    g_autofree char *escaped = g_strescape(text, NULL);

    g_test_message("%s", escaped);
}

static void test_none(void)
{
    g_autoptr(PosternAuthenticationResults) results = postern_authentication_results_new(AUTHSERV_ID);
    g_autofree char *one_line = NULL;
    g_autofree char *folded = NULL;

    postern_authentication_results_add_property(results, "smtp", "mailfrom", "a@example.org");
    one_line = postern_authentication_results_format(results, FALSE);
    folded = postern_authentication_results_format(results, TRUE);
    g_assert_cmpstr(one_line, ==, "mx.example.org; none");
    g_assert_cmpstr(folded, ==, "mx.example.org; none");
}

static void test_methods(void)
{
    g_autoptr(PosternAuthenticationResults) results = postern_authentication_results_new(AUTHSERV_ID);
    g_autofree char *one_line = NULL;
    g_autofree char *folded = NULL;

    postern_authentication_results_add(results, "spf", "pass", NULL);
    postern_authentication_results_add_property(results, "smtp", "mailfrom", "a@example.net");
    postern_authentication_results_add_property(results, "smtp", "helo", NULL);
    postern_authentication_results_add(results, "dkim", "fail", "bad \"signature\"");
    postern_authentication_results_add_property(results, "header", "d", "example.net");
    postern_authentication_results_add_property(results, "header", "b", "aB3+/x=");
    postern_authentication_results_add(results, "dmarc", "none", NULL);
    one_line = postern_authentication_results_format(results, FALSE);
    folded = postern_authentication_results_format(results, TRUE);
    g_assert_cmpstr(
        one_line, ==,
        "mx.example.org; spf=pass smtp.mailfrom=a@example.net; dkim=fail reason=\"bad \\\"signature\\\"\" "
        "header.d=example.net header.b=\"aB3+/x=\"; dmarc=none");
    g_assert_cmpstr(folded, ==,
                    "mx.example.org;\r\n\tspf=pass smtp.mailfrom=a@example.net;\r\n\tdkim=fail reason=\"bad "
                    "\\\"signature\\\"\" header.d=example.net header.b=\"aB3+/x=\";\r\n\tdmarc=none");
}

static void test_values(void)
{
    static const struct {
        const char *value;
        const char *formatted;
    } rows[] = {
        {"token", "token"},
        {"example.net", "example.net"},
        {"192.0.2.1", "192.0.2.1"},
        {"2001:db8::1", "\"2001:db8::1\""},
        {"a@example.net", "a@example.net"},
        {"a.b+c/d=e@example.net", "a.b+c/d=e@example.net"},
        {"@example.net", "@example.net"},
        {"", "\"\""},
        {"a b", "\"a b\""},
        {"a;b", "\"a;b\""},
        {"a; dkim=pass", "\"a; dkim=pass\""},
        {"a\r\nSubject: b", "\"a??Subject: b\""},
        {"a\"; spf=pass", "\"a\\\"; spf=pass\""},
        {"a\\", "\"a\\\\\""},
        {"(comment)", "\"(comment)\""},
        {"\"a b\"@example.net", "\"\\\"a b\\\"@example.net\""},
        {"a@b@c", "\"a@b@c\""},
        {"a@", "\"a@\""},
        {"@", "\"@\""},
        {"a..b@example.net", "\"a..b@example.net\""},
        {".a@example.net", "\".a@example.net\""},
        {"a@example.net.", "\"a@example.net.\""},
        {"a@[192.0.2.1]", "\"a@[192.0.2.1]\""},
        {"\303\244@example.net", "??@example.net"},
        {"a\001\177b", "\"a??b\""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PosternAuthenticationResults) results = postern_authentication_results_new("mx");
        g_autofree char *expected = g_strdup_printf("mx; spf=pass smtp.mailfrom=%s", rows[i].formatted);
        g_autofree char *value = NULL;

        postern_authentication_results_add(results, "spf", "pass", NULL);
        postern_authentication_results_add_property(results, "smtp", "mailfrom", rows[i].value);
        value = postern_authentication_results_format(results, FALSE);
        g_assert_cmpstr(value, ==, expected);
    }
}

static void test_values_are_cut(void)
{
    g_autoptr(PosternAuthenticationResults) results = postern_authentication_results_new("mx");
    g_autofree char *text = g_strnfill(1000, 'a');
    g_autofree char *cut = g_strnfill(255, 'a');
    g_autofree char *expected = g_strdup_printf("mx; spf=fail reason=\"%s\" smtp.helo=%s", cut, cut);
    g_autofree char *value = NULL;

    postern_authentication_results_add(results, "spf", "fail", text);
    postern_authentication_results_add_property(results, "smtp", "helo", text);
    value = postern_authentication_results_format(results, FALSE);
    g_assert_cmpstr(value, ==, expected);
}

static void test_authserv_id_is_quoted(void)
{
    g_autoptr(PosternAuthenticationResults) results = postern_authentication_results_new("mx example");
    g_autofree char *value = postern_authentication_results_format(results, FALSE);

    g_assert_cmpstr(value, ==, "\"mx example\"; none");
    g_assert_true(postern_authentication_results_is_of(value, strlen(value), "mx example"));
}

static void assert_folds_are_well_formed(const char *value)
{
    g_auto(GStrv) lines = g_strsplit(value, "\r\n", -1);

    for (gsize i = 0; lines[i] != NULL; i++) {
        g_assert_cmpuint(strlen(lines[i]), <=, 998);
        g_assert_null(strpbrk(lines[i], "\r\n"));
        if (i > 0)
            g_assert_true(lines[i][0] == '\t' && lines[i][1] > ' ');
    }
}

static void test_size_is_bounded(void)
{
    g_autoptr(PosternAuthenticationResults) results = postern_authentication_results_new(AUTHSERV_ID);
    g_autofree char *text = g_strnfill(255, '"');
    g_autofree char *one_line = NULL;
    g_autofree char *folded = NULL;

    for (int i = 0; i < 1000; i++) {
        postern_authentication_results_add(results, "dkim", "fail", text);
        for (int j = 0; j < 4; j++)
            postern_authentication_results_add_property(results, "header", "d", text);
    }
    one_line = postern_authentication_results_format(results, FALSE);
    folded = postern_authentication_results_format(results, TRUE);
    g_assert_cmpuint(strlen(folded), >, POSTERN_HEADER_EDIT_MAX_OCTETS / 2);
    g_assert_cmpuint(strlen(folded), <=, POSTERN_HEADER_EDIT_MAX_OCTETS + strlen(AUTHSERV_ID));
    g_assert_null(strpbrk(one_line, "\r\n"));
    assert_folds_are_well_formed(folded);
}

static const struct {
    const char *value;
    gboolean is_of;
} fields[] = {
    {"mx.example.org; spf=pass", TRUE},
    {"MX.Example.ORG; none", TRUE},
    {"mx.example.org", TRUE},
    {"mx.example.org 1; spf=pass", TRUE},
    {"mx.example.org;", TRUE},
    {"\"mx.example.org\"; spf=pass", TRUE},
    {"\"mx\\.example\\.org\"; spf=pass", TRUE},
    {"\"mx.exam\r\n ple.org\"; spf=pass", TRUE},
    {" \t mx.example.org ; spf=pass", TRUE},
    {"\r\n\tmx.example.org\r\n\t; spf=pass", TRUE},
    {"\n mx.example.org;\n spf=pass", TRUE},
    {"(a)mx.example.org(b); spf=pass", TRUE},
    {"(a (nested \\) ) ; other.example;) mx.example.org; spf=pass", TRUE},
    {"(a) (b)\r\n (c) \"mx.example.org\" (d) 1 (e); spf=pass", TRUE},
    {"mx.example.org/1; spf=pass", TRUE},
    {"mx.example.org.; spf=pass", TRUE},
    {"mx.example.org spf=pass", TRUE},
    {"mx.example.org=; spf=pass", TRUE},
    {"spf=pass smtp.mailfrom=a@mx.example.org; dkim=none", TRUE},
    {"; mx.example.org", TRUE},
    {"(unclosed mx.example.org; spf=pass", TRUE},
    {"\"mx.example.org; spf=pass", TRUE},
    {"<mx.example.org>; spf=pass", TRUE},
    {"@mx.example.org; spf=pass", TRUE},
    {"mx.exam(a)ple.org; spf=pass", TRUE},
    {"\"mx.\"example.org; spf=pass", TRUE},
    {"mx.exam\001ple.org; spf=pass", TRUE},
    {"mx.example.org\177; spf=pass", TRUE},
    {"=?utf-8?b?bXguZXhhbXBsZS5vcmc=?=; spf=pass", TRUE},
    {"(a) =?utf-8?q?mx?= =?utf-8?q?.example.org?=; spf=pass", TRUE},
    {"\"=?utf-8?b?bXguZXhhbXBsZS5vcmc=?=\"; spf=pass", TRUE},

    {"", FALSE},
    {" ", FALSE},
    {"other.example; spf=pass", FALSE},
    {"other.example; spf=pass smtp.mailfrom=a@mx.example.org", FALSE},
    {"other.example (mx.example.org); spf=pass", FALSE},
    {"other.example 1; spf=pass smtp.helo=mx.example.org", FALSE},
    {"(mx.example.org) other.example; spf=pass", FALSE},
    {"other.example; spf=pass reason=\"=?utf-8?b?bXguZXhhbXBsZS5vcmc=?=\"", FALSE},
    {"\"other.example\"; spf=pass reason=\"mx.example.org\"", FALSE},
    {"mx.example.org.evil.example; spf=pass", FALSE},
    {"xmx.example.org; spf=pass", FALSE},
    {"mx.example; spf=pass", FALSE},
    {"spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=other.example", FALSE},
    {"\"other.example", FALSE},
    {"(", FALSE},
    {"(\\", FALSE},
    {"\"\\", FALSE},
};

static void test_is_of(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        gsize length = strlen(fields[i].value);
        g_autofree char *copy = trickle_copy(fields[i].value, length);

        show(fields[i].value);
        g_assert_cmpint(postern_authentication_results_is_of(copy, length, AUTHSERV_ID), ==, fields[i].is_of);
    }
}

/* Names that a reader who knows IDNA (RFC 8616 5) takes for one. */
static void test_is_of_internationalized(void)
{
    static const struct {
        const char *value;
        const char *authserv_id;
        gboolean is_of;
    } cases[] = {
        {"mx.b\u00fccher.example; spf=pass", "mx.xn--bcher-kva.example", TRUE},
        {"mx.B\u00dcCHER.example 1; spf=pass", "mx.xn--bcher-kva.example", TRUE},
        {"mx.bu\u0308cher.example; spf=pass", "mx.xn--bcher-kva.example", TRUE},
        {"mx.XN--bcher-kva.example; spf=pass", "mx.b\u00fccher.example", TRUE},
        {"mx.bucher.example; spf=pass", "mx.xn--bcher-kva.example", FALSE},
        {"mx\u3002example\u3002org; spf=pass", AUTHSERV_ID, TRUE},
        {"mx\uff0eexample\uff0eorg; spf=pass", AUTHSERV_ID, TRUE},
        {"\uff4d\uff58.example.org; spf=pass", AUTHSERV_ID, TRUE},
        {"mx\u00ad.example.org; spf=pass", AUTHSERV_ID, TRUE},
        {"\"mx.example.org\u200b\"; spf=pass", AUTHSERV_ID, TRUE},
        {"mx.example.org\u3002; spf=pass", AUTHSERV_ID, TRUE},
        {"\uff4d\uff58.example.org spf=pass", AUTHSERV_ID, TRUE},
        {"mx.example.\u00f6rg; spf=pass", AUTHSERV_ID, FALSE},
        {"mx.example.org\xff; spf=pass", AUTHSERV_ID, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize length = strlen(cases[i].value);
        g_autofree char *copy = trickle_copy(cases[i].value, length);

        show(cases[i].value);
        g_assert_cmpint(postern_authentication_results_is_of(copy, length, cases[i].authserv_id), ==,
                        cases[i].is_of);
    }
}

static void test_is_of_with_nul(void)
{
    static const char inside[] = "mx.exam\0ple.org; spf=pass";
    static const char before[] = "\0mx.example.org; spf=pass";
    static const char encoded[] = "\0=?utf-8?q?mx?=; spf=pass";

    g_assert_true(postern_authentication_results_is_of(inside, sizeof(inside) - 1, AUTHSERV_ID));
    g_assert_true(postern_authentication_results_is_of(before, sizeof(before) - 1, AUTHSERV_ID));
    g_assert_true(postern_authentication_results_is_of(encoded, sizeof(encoded) - 1, AUTHSERV_ID));
}

/* What a field begins with, octet by octet: never read past its end. */
static void test_is_of_every_prefix(void)
{
    static const char value[] = "(a\\)(b)) \"mx.exa\\mple.org\" (c) 1 ; spf=pass";

    for (gsize length = 0; length < sizeof(value); length++) {
        g_autofree char *copy = trickle_copy(value, length);

        g_assert_cmpint(postern_authentication_results_is_of(copy, length, AUTHSERV_ID), ==,
                        length >= strlen("(a\\)(b)) \"mx.exa\\mple.org"));
    }
}

/* What we write is known as ours again, folded or not. */
static void test_is_of_our_own(void)
{
    for (int folded = FALSE; folded <= TRUE; folded++) {
        g_autoptr(PosternAuthenticationResults) results = postern_authentication_results_new(AUTHSERV_ID);
        g_autofree char *value = NULL;

        postern_authentication_results_add(results, "spf", "pass", "a;(\"");
        value = postern_authentication_results_format(results, folded);
        g_assert_true(postern_authentication_results_is_of(value, strlen(value), AUTHSERV_ID));
        g_assert_false(postern_authentication_results_is_of(value, strlen(value), "other.example"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/authentication-results/none", test_none);
    g_test_add_func("/wire/authentication-results/methods", test_methods);
    g_test_add_func("/wire/authentication-results/values", test_values);
    g_test_add_func("/wire/authentication-results/values-are-cut", test_values_are_cut);
    g_test_add_func("/wire/authentication-results/authserv-id-is-quoted", test_authserv_id_is_quoted);
    g_test_add_func("/wire/authentication-results/size-is-bounded", test_size_is_bounded);
    g_test_add_func("/wire/authentication-results/is-of", test_is_of);
    g_test_add_func("/wire/authentication-results/is-of-internationalized", test_is_of_internationalized);
    g_test_add_func("/wire/authentication-results/is-of-with-nul", test_is_of_with_nul);
    g_test_add_func("/wire/authentication-results/is-of-every-prefix", test_is_of_every_prefix);
    g_test_add_func("/wire/authentication-results/is-of-our-own", test_is_of_our_own);
    return g_test_run();
}
