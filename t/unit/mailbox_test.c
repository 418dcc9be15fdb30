#include "wire/mailbox.h"

#include <string.h>

#include "base/limits.h"

typedef struct {
    const char *value;
    const char *domains; /* with blanks between */
    guint mailboxes;
    const char *problem; /* NULL: none */
} Case;

static char *join(const PosternMailboxList *list)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < list->domains->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? " " : "", (char *)g_ptr_array_index(list->domains, i));
    return g_string_free(text, FALSE);
}

static void check_octets(const char *value, gsize length, const Case *expected)
{
    /* A copy of exactly so many octets: a sanitizer sees any read past it. */
    g_autofree char *copy = g_memdup2(value, length > 0 ? length : 1);
    g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(copy, length);
    g_autofree char *domains = join(list);

    g_test_message("%s", expected->value);
    g_assert_cmpstr(domains, ==, expected->domains);
    g_assert_cmpstr(list->problem, ==, expected->problem);
    g_assert_cmpuint(list->mailboxes, ==, expected->mailboxes);
}

static void check(const Case *cases, gsize count)
{
    for (gsize i = 0; i < count; i++)
        check_octets(cases[i].value, strlen(cases[i].value), &cases[i]);
}

static void test_forms(void)
{
    static const Case cases[] = {
        {"a@example.com", "example.com", 1, NULL},
        {"<a@example.com>", "example.com", 1, NULL},
        {"Ann Author <a@example.com>", "example.com", 1, NULL},
        {"\"Author, Ann \\\"A\\\"\" <a@example.com>", "example.com", 1, NULL},
        {"Ann Q. Author <a@example.com>", "example.com", 1, NULL},
        {"A.B.C. Corp. <a@example.com>", "example.com", 1, NULL},
        {"a.b+c@example.com", "example.com", 1, NULL},
        {"a..b@example.com", "example.com", 1, NULL},
        {"a.@example.com", "example.com", 1, NULL},
        {"Ann <a..b...@example.com>", "example.com", 1, NULL},
        {"\"odd one\"@example.com", "example.com", 1, NULL},
        {"\"a\".b.\"c d\"@example.com", "example.com", 1, NULL},
        {"a@example.com (Ann (the) Author)", "example.com", 1, NULL},
        {"(x)a(y)@(z)example.com(w)", "example.com", 1, NULL},
        {"(\\)) <(a) x (b) @ (c) example.com (d)> (e)", "example.com", 1, NULL},
        {" \t a . b @ example.com\t", "example.com", 1, NULL},
        {"Ann\r\n Author\r\n\t<a@example.com>\r\n ", "example.com", 1, NULL},
        {"Ann\n Author <a@example.com>", "example.com", 1, NULL},
        {"a@Example.COM", "Example.COM", 1, NULL},
        {"a@b\xc3\xbc"
         "cher.example",
         "b\xc3\xbc"
         "cher.example",
         1, NULL},
        {"J\xc3\xb6rg <j\xc3\xb6rg@example.com>", "example.com", 1, NULL},
        {"J\xf6rg <a@example.com>", "example.com", 1, NULL},
        {"a@localhost", "localhost", 1, NULL},
        {"a@_dmarc.under_score.example", "_dmarc.under_score.example", 1, NULL},
        {"a@[192.0.2.1]", "[192.0.2.1]", 1, NULL},
        {"<a@[IPv6:2001:db8::1]>", "[IPv6:2001:db8::1]", 1, NULL},
        {"=?utf-8?q?Ann?= =?utf-8?b?QXV0aG9y?= <a@example.com>", "example.com", 1, NULL},
        {"=?utf-8?q?Ann=40home?= <a@example.com>", "example.com", 1, NULL},
        {"=?utf-8?q?Author=2C_Ann?= <a@example.com>", "example.com", 1, NULL},
        {"=?utf-8?q?a@example.com?= <a@example.com>", "example.com", 1, NULL},
        {"\"a@example.com\" <b@example.net>", "example.net", 1, NULL},
        {"[A. list] Ann <a@example.com>", "example.com", 1, NULL},
        {"=?ISO-2022-JP?B?GyRCOzNFREJATzobKEI=?= <a@example.com>", "example.com", 1, NULL},
        {"=?ISO-2022-JP?B?GyRCPUk6ZDo9GyhC?= <a@example.com>", "example.com", 1, NULL},
        {"=?iso-2022-kr?B?GyQpQw5HUTE5Dw==?= <a@example.com> (=?iso-2022-jp?q?=1B$B=3C=40=1B=28B?=)",
         "example.com", 1, NULL},
        {"\"<a@example.com>\" <a@Example.COM>", "Example.COM", 1, NULL},
        {"a@example.com (=?utf-8?q?J=C3=B6rg?=)", "example.com", 1, NULL},
        {"a@example.com <a@example.com>", "example.com", 1, NULL},
        {"Ann a@example.com <a@example.com>", "example.com", 1, NULL},
    };

    check(cases, G_N_ELEMENTS(cases));
}

static void test_lists(void)
{
    static const Case cases[] = {
        {"a@example.com, b@example.com", "example.com", 2, NULL},
        {"a@example.com, B <b@example.NET>,c@Example.com", "example.com example.NET", 3, NULL},
        {", a@example.com,, (x) ,", "example.com", 1, NULL},
        {"Team: a@example.com, Bob <b@example.net>;", "example.com example.net", 2, NULL},
        {"Team: ;, a@example.com", "example.com", 1, NULL},
        {"\"The Team\":,a@example.com,;(x)", "example.com", 1, NULL},
        {"<@relay.example,@x.example:a@example.com>", "relay.example x.example example.com", 1, NULL},
        {"< , @relay.example, , @x.example :a@example.com>", "relay.example x.example example.com", 1, NULL},
        {"a@example.net <b@example.com>", "example.net example.com", 1, NULL},
        {"a@example.net b@example.org <b@example.com>", "example.net example.org example.com", 1, NULL},
    };

    check(cases, G_N_ELEMENTS(cases));
}

/* Readers give up at different places of what no grammar has, and begin anew at others: in a quoted string, a
 * comment. */
static void test_liberal(void)
{
    static const char problem[] = "another address among words that are not well-formed";
    static const Case cases[] = {
        {"\"x, a@example.com\" x@evil.net <x@evil.net>", "evil.net", 1, problem},
        {"=?utf-8?q?=22?= \"a@example.com\"@evil.net <x@evil.net>", "evil.net", 1, problem},
        {"=?utf-8?q?a=40example.com?= x@evil.net <x@evil.net>", "evil.net", 1, problem},
        {"x@evil.net (x, a@example.com) <x@evil.net>", "evil.net", 1, problem},
        {"[List] \"x, a@example.com\" <x@evil.net>", "evil.net", 1, problem},
        {"\"a@example.com\" [List] <x@evil.net>", "evil.net", 1, problem},
        {". \"x, a@example.com\" <x@evil.net>", "evil.net", 1, problem},
        {"..(\\), a@example.com) <x@evil.net>", "evil.net", 1, problem},
        {"\"x; a@example.com\" =?utf-8?q?=22?= <x@evil.net>", "evil.net", 1, problem},
        {"a.@evil.net (x, a@example.com)", "evil.net", 1, problem},
        {"a..b@evil.net (x, a@example.com)", "evil.net", 1, problem},
        {"\"x, a@example.com\" <a.@evil.net>", "evil.net", 1, problem},
        {"\"x, a@example.com\" <a..b@evil.net>", "evil.net", 1, problem},
        {"[List] \"a@EVIL.net\" x@evil.net (a@ evil.net) <x@evil.net>", "evil.net", 1, NULL},
        {"\"x, a@example.com\" (a@example.com) Ann Q. <x@evil.net>", "evil.net", 1, problem},
        {"\"x, a@example.com\" (a@example.com) J. <x@evil.net>", "evil.net", 1, problem},
        {"a.b@evil.net (a@example.com)", "evil.net", 1, NULL},
        {"\"a@example.com\" =?utf-8?q?via_List?= <x@evil.net>", "evil.net", 1, NULL},
    };

    check(cases, G_N_ELEMENTS(cases));
}

static void test_malformed_lists(void)
{
    static const Case cases[] = {
        {"", "", 0, "no address"},
        {" (nobody) ", "", 0, "no address"},
        {",", "", 0, "no address"},
        {"root", "", 0, "no domain"},
        {"Ann Author", "", 0, "no domain"},
        {"a@example.com, root", "example.com", 1, "no domain"},
        {"<>", "", 0, "no address between < and >"},
        {"Ann <root>", "", 0, "no address between < and >"},
        {"<<a@example.com>>", "", 0, "no address between < and >"},
        {"<.a@example.com>", "", 0, "no address between < and >"},
        {"<a b@example.com>", "", 0, "no address between < and >"},
        {"<a@b@example.com>", "b", 0, "no > behind an address"},
        {"<a@example.com", "example.com", 0, "no > behind an address"},
        {"<a@example.com>>", "example.com", 1, "something behind an address"},
        {"<a@example.com> <b@example.net>", "example.com", 1, "something behind an address"},
        {"<a@example.com> b", "example.com", 1, "something behind an address"},
        {"a@example.com b", "example.com", 0, "words around an address without < and >"},
        {"Ann a@example.com", "example.com", 0, "words around an address without < and >"},
        {"a@b@example.com", "b example.com", 0, "words around an address without < and >"},
        {".a@example.com", "example.com", 0, "words around an address without < and >"},
        {"@example.com", "example.com", 0, "words around an address without < and >"},
    };

    check(cases, G_N_ELEMENTS(cases));
}

static void test_malformed_addresses(void)
{
    static const Case cases[] = {
        {"a@", "", 0, "a bad domain"},
        {"a@.example.com", "", 0, "a bad domain"},
        {"a@example.com.", "", 0, "a bad domain"},
        {"a@example..com", "", 0, "a bad domain"},
        {"a@exa!mple.com", "", 0, "a bad domain"},
        {"a@\"example\".com", "", 0, "a bad domain"},
        {"a@b\xfc"
         "cher.example",
         "", 0, "a domain that is not UTF-8"},
        {"a@[192.0.2.1", "", 0, "a bad address literal"},
        {"a@[\xc8]", "", 0, "a bad address literal"},
        {"a@[x[y]", "", 0, "a bad address literal"},
        {"a@[<x@y.example>]", "", 0, "a bad address literal"},
        {"a@[x\\]y]", "", 0, "a bad address literal"},
        {"(a@example.com", "", 0, "a comment without end"},
        {"(\\)a@example.com", "", 0, "a comment without end"},
        {"\"a@example.com", "", 0, "a quoted string without end"},
        {"\"a\\\"@example.com", "", 0, "a quoted string without end"},
        {"a@example.com;", "example.com", 1, "a ; that ends no group"},
        {"Team: a@example.com", "example.com", 1, "a group without end"},
        {"A: B: a@example.com;;", "", 0, "a group within a group"},
        {"Team: a@example.com; b@example.com", "example.com", 1, "a ; that ends no group"},
        {": a@example.com;", "", 0, "a group without a name"},
        {": ;", "", 0, "a group without a name"},
        {"a@example.com: ;", "example.com", 0, "a group without a name"},
        {"<@relay.example a@example.com>", "relay.example", 0, "a bad source route"},
        {"<@relay.example:>", "relay.example", 0, "no address between < and >"},
        {"\\<a@example.com\\>\\, <b@example.net>", "", 0, "an octet that no address has"},
        {"[list <a@example.com>", "", 0, "an octet that no address has"},
        {"[<b@example.net>] <a@example.com>", "", 0, "an octet that no address has"},
        {"[list]@example.com", "example.com", 0, "words around an address without < and >"},
        {"[list]", "", 0, "no domain"},
        {"a@example.com\rb@example.net", "example.com", 0, "a control character"},
        {"a@example.com\r\nb@example.net", "example.com", 0, "a control character"},
        {"\"a\r\" <a@example.com>", "", 0, "a control character"},
        {"(\x01) <a@example.com>", "", 0, "a control character"},
        {"\x7f <a@example.com>", "", 0, "a control character"},
    };

    check(cases, G_N_ELEMENTS(cases));
}

/* Some readers split a field of such words, some do not; none finds another address. */
static void test_only(void)
{
    static const Case cases[] = {
        {"Acme, Inc. <a@example.com>", "example.com", 1, NULL},
        {"Roe, Jane <a@example.com>", "example.com", 1, NULL},
        {"Roe, Jane (she) <a@example.com> ", "example.com", 1, NULL},
        {"Roe,\r\n Jane <a@Example.COM>\r\n ", "Example.COM", 1, NULL},
        {"Acme: Sales <a@example.com>", "example.com", 1, NULL},
        {"Acme; Sales <a@example.com>", "example.com", 1, NULL},
        {"\"A, B\" C, D <a.b+c@example.com>", "example.com", 1, NULL},
        {"[A. list] Acme [UK], Inc. <a@example.com>", "example.com", 1, NULL},
        {"Jane @ Acme <a@example.com>", "example.com", 1, NULL},
        {"Jane @ Acme Inc. <a@example.com>", "example.com", 1, NULL},
        {"Jane @ Acme, Inc. <a@example.com>", "example.com", 1, NULL},
        {"=?utf-8?Q?Acme,_Inc.?= <a@example.com>", "example.com", 1, NULL},
        {"=?utf-8?Q?Acme, Inc.?= <a@example.com>", "example.com", 1, NULL},
        {"=?utf-8?q?Re:_Acme?= <a@example.com>", "example.com", 1, NULL},
        {"=?iso-8859-1?Q?Shop;_R=EDo?= <a@example.com>", "example.com", 1, NULL},
        {"=?utf-8?q?Acme,?= =?utf-8?b?IEluYy4=?= <a@example.com>", "example.com", 1, NULL},
        {"J\xc3\xb6rg, Roe <a@b\xc3\xbc"
         "cher.example>",
         "b\xc3\xbc"
         "cher.example",
         1, NULL},
    };

    check(cases, G_N_ELEMENTS(cases));
}

/* The same, with something that a reader may find another address in. */
static void test_not_only(void)
{
    static const char *const values[] = {
        "a@example.net, Jane <a@example.com>",
        "Roe, Jane <a@example.com>, b@example.net",
        "Roe, Jane <a@example.com>, Bob <b@example.com>",
        "<b@example.net>, Jane <a@example.com>",
        "Roe, \"<b@example.net>\" <a@example.com>",
        "Roe, \"b@example.net\" <a@example.com>",
        "Roe, Jane (b@example.net) <a@example.com>",
        "Jane@Acme <a@example.com>",
        "Jane @ example.net <a@example.com>",
        "Jane @ Acme.net <a@example.com>",
        "Jane @ Acme . net <a@example.com>",
        "Jane @ Acme (x) . net <a@example.com>",
        "Jane @ Acme\xe3\x80\x82net <a@example.com>",
        "Jane @ <a@example.com>",
        "@jane <a@example.com>",
        "Jane @ Acme @ example.net <a@example.com>",
        "=?utf-8?Q?b@example.net,_x?= <a@example.com>",
        "=?utf-8?Q?b=40example.net,_x?= <a@example.com>",
        "=?utf-8?Q?x,_b=40example.net?= <a@example.com>",
        "=?utf-8?Q?x,_=3Cb?= <a@example.com>",
        "=?utf-8?Q?x,=0A?= <a@example.com>",
        "=?utf-7?Q?x,+AEA-?= <a@example.com>",
        "=?utf-8?Q?x, <a@example.com>",
        "=?utf-8?z?x,?= <a@example.com>",
        "Roe, Jane a@example.com",
        "Roe, Jane <a@example.com> x",
        "Roe, Jane <a@example.com>>",
        "Roe, Jane <a@b@example.com>",
        "Roe, Jane <\"b@example.net\"@example.com>",
        "Roe, Jane <=?utf-8?q?b?=@example.com>",
        "Roe, Jane <@example.net:a@example.com>",
        "Roe, Jane <a@example.com.>",
        "Roe, Jane <a@[192.0.2.1]>",
        "Roe, Jane <a @example.com>",
        "Roe\\, Jane <a@example.com>",
        "Roe, (Jane <a@example.com>",
        "Roe, Jane) <a@example.com>",
        "Roe, \"Jane <a@example.com>",
        "Roe, [Jane <a@example.com>",
        "Roe, [Jane, x] <a@example.com>",
        "Roe, Jane] <a@example.com>",
        "[",
        "Roe,\rJane <a@example.com>",
        "Roe,\r\nJane <a@example.com>",
        "Roe, \x01Jane <a@example.com>",
        "root, a@example.com",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(values[i], strlen(values[i]));

        if (list->problem == NULL && list->domains->len == 1)
            g_test_fail_printf("%s", values[i]);
    }
}

/* RFC 6854: a group without members names nobody. */
static void test_no_author(void)
{
    static const char *const nobody[] = {
        "Automated:;", "Nobody: ;", "\"The Team\" :,,; (x)", "A:;, B: ;", "=?utf-8?q?J=C3=B6rg?=:;",
        "(x) A.B. C:;"};
    static const char *const somebody[] = {"a@example.com:;",
                                           "\"a@example.com\":;",
                                           "A (b@example.com):;",
                                           "=?utf-8?q?a=40example.com?=:;",
                                           "A:; b@example.com",
                                           "A:",
                                           "A:b;",
                                           "A:;;",
                                           "A:;, b",
                                           "=?utf-7?q?x?=:;",
                                           ""};

    for (gsize i = 0; i < G_N_ELEMENTS(nobody); i++) {
        g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(nobody[i], strlen(nobody[i]));

        if (list->problem != NULL || !list->no_author || list->mailboxes > 0 || list->domains->len > 0)
            g_test_fail_printf("%s: %s", nobody[i], list->problem);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(somebody); i++) {
        g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(somebody[i], strlen(somebody[i]));

        if (list->problem == NULL || list->no_author)
            g_test_fail_printf("%s", somebody[i]);
    }
}

/* Well-formed, and yet another address in the eyes of some. */
static void test_doubtful(void)
{
    static const Case cases[] = {
        {"=?utf-8?q?a=40example.com=00?=@evil.net", "evil.net", 1, "an encoded word within an address"},
        {"<=?utf-8?q?a=40example.com?=@evil.net>", "evil.net", 1, "an encoded word within an address"},
        {"\"=?utf-8?q?a=40example.com?=\"@evil.net", "evil.net", 1, "an encoded word within an address"},
        {"\"a@example.com\"@evil.net", "evil.net", 1, "a local part that looks like an address"},
        {"<\"<a\"@evil.net>", "evil.net", 1, "a local part that looks like an address"},
        {"a@evil.net (<a@example.com>)", "evil.net", 1, "an address within a comment"},
        {"a@example.com .evil.net", "example.com.evil.net", 1, "blanks or a comment within a domain"},
        {"a@example.com. evil.net", "example.com.evil.net", 1, "blanks or a comment within a domain"},
        {"a@example.com(x).evil.net", "example.com.evil.net", 1, "blanks or a comment within a domain"},
        {"=?utf-8?q?=3Ca=40example.com=3E?= <a@evil.net>", "evil.net", 1,
         "an address within an encoded word"},
        {"=?utf-8?b?PGFAZXhhbXBsZS5jb20+?= <a@evil.net>", "evil.net", 1, "an address within an encoded word"},
        {"\"=?utf-8?q?=3Ca=40example.com=3E?=\" <a@evil.net>", "evil.net", 1,
         "an address within an encoded word"},
        {"=?utf-8?q?a=40example.com=2C?= <a@evil.net>", "evil.net", 1, "an address within an encoded word"},
        {"=?utf-8?q?a=40exam?= =?utf-8?q?ple.com=3B?= <a@evil.net>", "evil.net", 1,
         "an address within an encoded word"},
        {"=?utf-8?q?a=00?= <a@evil.net>", "evil.net", 1, "a control character within an encoded word"},
        {"=?utf-8?q?a=0D=0AFrom:?= <a@evil.net>", "evil.net", 1, "a group without end"},
        {"=?utf-8?q?a=0D=0A?= <a@evil.net>", "evil.net", 1, "a control character within an encoded word"},
        {"a@evil.net (=?utf-8?q?=3Ca=40example.com=3E?=)", "evil.net", 1,
         "an address within an encoded word"},
        {"=?utf-7?q?+ADw-a+AEA-example.com+AD4-?= <a@evil.net>", "evil.net", 1,
         "an encoded word whose character set hides what it says"},
        {"a@evil.net (=?UTF-16BE?b?ADwAYQBA?=)", "evil.net", 1,
         "an encoded word whose character set hides what it says"},
        {"=?iso-2022-jp?b?GyRCOzMbKEI8YUBleGFtcGxlLmNvbT4=?= <a@evil.net>", "evil.net", 1,
         "an address within an encoded word"},
        {"\"<a@example.com>\" <a@evil.net>", "evil.net", 1, "another address within a display name"},
        {"\"<a@evil.net\" <a@evil.net.example>", "evil.net.example", 1,
         "another address within a display name"},
        {"\"<a@example.com>\": a@evil.net;", "evil.net", 1, "an address within the name of a group"},
    };

    check(cases, G_N_ELEMENTS(cases));
}

static void test_nul(void)
{
    static const char value[] = "<a@example.com\0@evil.net>";
    static const char quoted[] = "\"\0\" <a@evil.net>";

    check_octets(value, sizeof value - 1,
                 &(Case){"NUL in a domain", "example.com", 0, "no > behind an address"});
    check_octets(quoted, sizeof quoted - 1, &(Case){"NUL in a quoted string", "", 0, "a control character"});
}

/* Cut anywhere, a list is never taken for another well-formed one with a domain that it does not have. */
static void test_cut(void)
{
    static const char value[] =
        "\"Ann\" (x) <@r.example:a@mail.example.com>, T: b@[192.0.2.1], =?u?q?c?= <d@e.f>;";

    for (gsize length = 0; length < sizeof value; length++) {
        g_autofree char *copy = g_memdup2(value, MAX(length, 1));
        g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(copy, length);

        g_assert_cmpuint(list->domains->len, <=, 4);
        g_assert_true(list->problem != NULL || list->mailboxes > 0);
    }
}

static void test_limits(void)
{
    g_autoptr(GString) many = g_string_new(NULL);
    g_autoptr(GString) deep = g_string_new(NULL);

    for (guint i = 0; i <= POSTERN_MAILBOX_DOMAINS_MAX; i++)
        g_string_append_printf(many, "a@d%u.example,", i);
    g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(many->str, many->len);

    g_assert_cmpuint(list->domains->len, ==, POSTERN_MAILBOX_DOMAINS_MAX);
    g_assert_cmpstr(list->problem, ==, "too many domains");
    for (guint i = 0; i < 1000000; i++)
        g_string_append_c(deep, '(');
    g_autoptr(PosternMailboxList) nested = postern_mailbox_list_parse(deep->str, deep->len);

    g_assert_cmpstr(nested->problem, ==, "a comment without end");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mailbox/forms", test_forms);
    g_test_add_func("/mailbox/lists", test_lists);
    g_test_add_func("/mailbox/liberal", test_liberal);
    g_test_add_func("/mailbox/malformed-lists", test_malformed_lists);
    g_test_add_func("/mailbox/malformed-addresses", test_malformed_addresses);
    g_test_add_func("/mailbox/doubtful", test_doubtful);
    g_test_add_func("/mailbox/only", test_only);
    g_test_add_func("/mailbox/not-only", test_not_only);
    g_test_add_func("/mailbox/no-author", test_no_author);
    g_test_add_func("/mailbox/nul", test_nul);
    g_test_add_func("/mailbox/cut", test_cut);
    g_test_add_func("/mailbox/limits", test_limits);
    return g_test_run();
}
