#include "report/xml.h"

#include <string.h>

#include "tally/rows.h"

/* What GMarkup, which is no parser of ours, reads in text. */
static char *read_back(const GString *text)
{
    g_autofree char *whole = g_strdup_printf("<a>%s</a>", text->str);
    const char *start = strchr(whole, '>') + 1;
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&(GMarkupParser){NULL}, G_MARKUP_DEFAULT_FLAGS, NULL, NULL);
    g_assert_true(g_markup_parse_context_parse(context, whole, -1, NULL));
    g_assert_true(g_markup_parse_context_end_parse(context, NULL));
    return g_strndup(start, strlen(start) - strlen("</a>"));
}

static void test_text(void)
{
    static const struct {
        const char *text, *xml;
    } cases[] = {
        {"", ""},
        {"plain.example", "plain.example"},
        {"<script>&\"'", "&lt;script&gt;&amp;&quot;&apos;"},
        {"]]>", "]]&gt;"},
        {"a\nb\tc\rd\x01"
         "e\x7f",
         "a?b?c?d?e?"},
        {"\xc3\xa4", "\xc3\xa4"},
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xef\xbf\xbe\xef\xbf\xbf", "??"},         /* U+FFFE, U+FFFF */
        {"\xc2\x85\xc2\x9f\xc2\xa0", "??\xc2\xa0"}, /* C1 controls */
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) out = g_string_new(NULL);
        postern_report_xml_text(out, cases[i].text);
        g_assert_cmpstr(out->str, ==, cases[i].xml);
        g_autofree char *again = read_back(out);
        g_assert_cmpstr(again, ==, out->str);
    }
}

static void test_every_octet(void)
{
    for (guint octet = 1; octet < 256; octet++)
        for (guint second = 0; second < 256; second++) {
            const char text[] = {(char)octet, (char)second, 'x', '\0'};
            g_autoptr(GString) out = g_string_new(NULL);
            postern_report_xml_text(out, text);
            g_assert_true(g_utf8_validate(out->str, (gssize)out->len, NULL));
            g_assert_null(strpbrk(out->str, "<>\"'\n\r\t"));
            g_autofree char *again = read_back(out);
            g_assert_nonnull(again);
        }
}

static void test_document(void)
{
    const char *columns[POSTERN_TALLY_DMARC_COLUMNS] = {
        "d.example", "192.0.2.1", "d.example", "<e>", "none",     "fail",
        "pass",      "other",     "a&b",       "f",   "softfail", "x s pass;broken;y <t> fail"};
    const PosternReportHead head = {
        "O & Co", "a@b.example", "",          "id@x",
        86400,    172799,        "d.example", "v=DMARC1; p=reject; np=none; adkim=s; fo=1:d; t=y"};
    g_autoptr(GString) out = g_string_new(NULL);
    postern_report_xml_begin(out, &head);
    postern_report_xml_row(out, columns, 7);
    postern_report_xml_end(out);
    static const char *const has[] = {
        "<org_name>O &amp; Co</org_name>",
        "<begin>86400</begin>",
        "<p>reject</p>",
        "<sp>reject</sp>",
        "<np>none</np>",
        "<fo>1:d</fo>",
        "<adkim>s</adkim>",
        "<aspf>r</aspf>",
        "<testing>y</testing>",
        "<count>7</count>",
        "<comment>a&amp;b</comment>",
        "<envelope_from>&lt;e&gt;<",
        "<selector>&lt;t&gt;</selector>",
        "<result>softfail</result>",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(has); i++)
        if (strstr(out->str, has[i]) == NULL)
            g_error("no %s in %s", has[i], out->str);
    g_assert_null(strstr(out->str, "broken"));
    g_assert_null(strstr(out->str, "extra_contact_info"));
}

/* Nothing of it is a record: the defaults of RFC 9989 4.7. */
static void test_no_record(void)
{
    const PosternReportHead head = {"O", "a@b.example", "", "id@x", 86400, 172799, "d.example", "garbage"};
    g_autoptr(GString) out = g_string_new(NULL);
    postern_report_xml_begin(out, &head);
    g_assert_nonnull(strstr(out->str, "<p>none</p>"));
    g_assert_nonnull(strstr(out->str, "<fo>0</fo>"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report_xml/text", test_text);
    g_test_add_func("/report_xml/every_octet", test_every_octet);
    g_test_add_func("/report_xml/document", test_document);
    g_test_add_func("/report_xml/no_record", test_no_record);
    return g_test_run();
}
