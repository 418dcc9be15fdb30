#include <string.h>

#include "checks/rules/html.h"
#include "checks/rules/link.h"
#include "support/rules.h"

typedef struct {
    PosternContentEngine *content;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->content = postern_content_engine_new();
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    postern_content_engine_free(fixture->content);
}

/* "RULE FILE; RULE", "-" for no file. */
static char *list(const PosternFindings *findings)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < findings->rules.matches->len; i++) {
        const PosternRuleMatch *match = g_ptr_array_index(findings->rules.matches, i);
        g_string_append_printf(out, "%s%s %s", i > 0 ? "; " : "", match->rule,
                               match->file != NULL ? match->file : "-");
    }
    return g_string_free(out, FALSE);
}

static void assert_rules(Fixture *fixture, const char *rules, const char *message, gsize length,
                         const char *wanted)
{
    g_autoptr(PosternRulesEngine) engine = rules_engine_of(rules, fixture->content);
    g_autoptr(PosternFindings) findings = rules_check(engine, fixture->content, message, length);
    g_autofree char *found = list(findings);
    if (!g_str_equal(found, wanted))
        g_error("rules '%s' on '%s': '%s', not '%s'", rules, message, found, wanted);
    g_assert_cmpstr(findings->rules.undecided, ==, NULL);
    g_assert_true(findings->rules.checked);
}

#define HTML "Content-Type: text/html\r\n\r\n"
#define FILE_OF(name)                                                                                        \
    "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=" name "\r\n\r\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static const struct {
    const char *rules, *message, *wanted;
} cases[] = {
    /* names */
    {"a log name *.exe", FILE_OF("x.EXE") "1", "a x.EXE"},
    {"a log name *.exe", FILE_OF("\"x.exe. \"") "1", "a x.exe. "},
    {"a log name *.exe", FILE_OF("\"x.exe::$DATA\"") "1", "a x.exe::$DATA"},
    {"a log name *.exe", FILE_OF("x.txt") "1", ""},
    {"a log name *.exe", FILE_OF("exe") "1", ""},
    {"a log name /^x+\\.e/", FILE_OF("xxx.e") "1", "a xxx.e"},
    {"a log name /^X+\\.e/i", FILE_OF("xxx.e") "1", ""},
    {"a log not name *.txt", FILE_OF("x.pdf") "1", "a x.pdf"},
    {"a log not name *.txt", FILE_OF("x.txt") "1", ""},
    {"a log name x*\n name *.pdf", FILE_OF("x.pdf") "1", "a x.pdf"},
    {"a log name x*\n name *.pdf",
     MIXED "--b\r\n" FILE_OF("x.txt") "1\r\n--b\r\n" FILE_OF("y.pdf") "1\r\n--b--\r\n", ""},
    {"a log name *.exe", FILE_OF("\"=?utf-8?Q?x=2Eexe?=\"") "1", "a x.exe"},
    {"a log name *.exe", "Content-Type: application/octet-stream; name*=utf-8''x%2Eexe\r\n\r\n1", "a x.exe"},
    /* the letter U+017F is an s to who ignores case */
    {"a log name *.scr", FILE_OF("\"=?utf-8?B?eC7Fv2Ny?=\"") "1",
     "a x.\xc5\xbf"
     "cr"},
    /* types */
    {"a log type application/*", FILE_OF("x") "1", "a x"},
    {"a log type message/partial", "Content-Type: message/partial; id=1; number=1\r\n\r\nx",
     "a message/partial"},
    {"a log type message/external-body", "Content-Type: message/external-body; access-type=URL\r\n\r\nx",
     "a message/external-body"},
    {"a log sniffed image/gif", FILE_OF("x") "GIF89a", "a x"},
    /* disguises */
    {"a log disguise double-extension", FILE_OF("a.pdf.exe") "1", "a a.pdf.exe"},
    {"a log disguise double-extension", FILE_OF("a.pdf.txt") "1", ""},
    {"a log disguise double-extension", FILE_OF("a.v1.exe") "1", ""},
    {"a log disguise blanks", FILE_OF("\"a.pdf              .exe\"") "1", "a a.pdf              .exe"},
    {"a log disguise bidi-override", FILE_OF("\"=?utf-8?Q?a=E2=80=AEfdp.exe?=\"") "1",
     "a a\xe2\x80\xae"
     "fdp.exe"},
    {"a log disguise bidi", FILE_OF("a.exe") "1", ""},
    /* counts and sizes */
    {"a log size >3", FILE_OF("x") "1234", "a x"},
    {"a log size >4", FILE_OF("x") "1234", ""},
    {"a log size <5", FILE_OF("x") "1234", "a x"},
    {"a log files >1", MIXED "--b\r\n" FILE_OF("x") "1\r\n--b\r\n" FILE_OF("y") "1\r\n--b--\r\n", "a -"},
    {"a log files >2", MIXED "--b\r\n" FILE_OF("x") "1\r\n--b\r\n" FILE_OF("y") "1\r\n--b--\r\n", ""},
    {"a log files-size <3", MIXED "--b\r\n" FILE_OF("x") "1\r\n--b\r\n" FILE_OF("y") "1\r\n--b--\r\n", "a -"},
    /* places */
    {"a log place body", "\r\ntext", "a text/plain"},
    {"a log place attached", "\r\ntext", ""},
    {"a log place attached", FILE_OF("x") "text", "a x"},
    /* header fields */
    {"a log header Subject prize", "Subject: a PRIZE for you\r\n\r\n", "a -"},
    {"a log header Subject prize", "Subject: prizes\r\n\r\n", ""},
    {"a log header Subject prize", "From: prize\r\n\r\n", ""},
    {"a log header * prize", "From: prize\r\n\r\n", "a -"},
    {"a log header subject prize", "Subject: =?utf-8?B?cHJpemU=?=\r\n\r\n", "a -"},
    {"a log header Subject /a b/", "Subject: a\r\n b\r\n\r\n", "a -"},
    {"a log not header Subject prize", "Subject: x\r\n\r\n", "a -"},
    {"a log header Subject prize\n header From x", "Subject: prize\r\nFrom: y\r\n\r\n", ""},
    /* text */
    {"a log text lottery", "\r\nthe LOTTERY.", "a -"},
    {"a log text lottery", "\r\nlotterys", ""},
    {"a log text \"big lottery\"", "\r\nbig\r\n  lottery", "a -"},
    {"a log text lottery", "Content-Transfer-Encoding: base64\r\n\r\nbG90dGVyeQ==", "a -"},
    {"a log text caf\xc3\xa9", "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nCAF\xc9", "a -"},
    {"a log text caf\xc3\xa9", "Content-Type: text/plain; charset=UTF-8\r\n\r\nCAF\xc3\x89", "a -"},
    {"a log text lottery",
     "Content-Type: text/html; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "//5sAG8AdAB0AGUAcgB5AA==",
     "a -"},
    {"a log text lottery", HTML "<p>lot<b>te</b>ry", "a -"},
    {"a log text lottery", HTML "lot&#116;ery", "a -"},
    {"a log text lottery", HTML "lot<br>tery", ""},
    {"a log text lottery", HTML "<style>lottery</style>x<!-- lottery -->", ""},
    {"a log text lottery", FILE_OF("x.html") "<p>lottery", "a -"},
    {"a log text /l.t+ery/", "\r\nlottery", "a -"},
    {"a log text lottery\n name *.pdf", FILE_OF("x.pdf") "lottery", ""},
    /* links */
    {"a log link deceptive", HTML "<a href='http://evil.example/'>https://bank.example/</a>", "a -"},
    {"a log link deceptive", HTML "<a href='http://x@evil.example:80/'>www.<b>bank</b>.example</a>", "a -"},
    {"a log link deceptive", HTML "<a href='http://click.bank.example/'>http://www.bank.example</a>", ""},
    {"a log link deceptive", HTML "<a href='http://a.co.uk/'>http://b.co.uk</a>", "a -"},
    {"a log link deceptive", HTML "<a href='http://evil.example/'>click here</a>", ""},
    {"a log link deceptive", HTML "<a href='mailto:a@evil.example'>http://bank.example</a>", ""},
    {"a log link punycode", HTML "<a href='http://xn--pypal-4ve.example/'>x</a>", "a -"},
    {"a log link punycode", "\r\nhttp://www.xn--pypal-4ve.example/x", "a -"},
    {"a log link address", "\r\nhttp://192.0.2.1/x", "a -"},
    {"a log link address", "\r\nhttps://[2001:db8::1]/x", "a -"},
    {"a log link-host *.example", "\r\nhttp://a.EXAMPLE/x", "a -"},
    {"a log link-host *.example", "\r\nftp://a.example/x", ""},
    /* contents */
    {"a log contents program",
     FILE_OF("x") "\x7f"
                  "ELF",
     "a x"},
    {"a log contents windows-program", FILE_OF("x") "MZ is my name", ""},
    {"a log contents script", FILE_OF("x") "#! /bin/sh", "a x"},
    {"a log contents script", FILE_OF("x") "#!not", ""},
    {"a log contents html", FILE_OF("x") " <!DOCTYPE html>", "a x"},
    {"a log contents html-script", HTML "<ScRiPt src=x>", "a text/html"},
    {"a log contents html-script", HTML "<p onclick=\"x\">", "a text/html"},
    {"a log contents html-script", HTML "<a href=\" java\tscript:x\">x</a>", "a text/html"},
    {"a log contents html-script", HTML "<p>script</p>", ""},
    {"a log contents html-download", HTML "<SCRIPT>new Blob([x])</script>", "a text/html"},
    {"a log contents html-download", HTML "<svg onload='URL.createObjectURL(x)'>", "a text/html"},
    {"a log contents html-download", HTML "<A download=a.zip href='data:a/b,x'>x</a>", "a text/html"},
    {"a log contents html-download", HTML "<img src=x onerror = 'URL.createObjectURL(x)'>", "a text/html"},
    {"a log contents html-download", HTML "<a/DOWNLOAD href='Data:a/b,x'>x</a>", "a text/html"},
    {"a log contents html-download", HTML "<a title=data:image/ download href='data:a/b,x'>", "a text/html"},
    {"a log contents html-download", HTML "<p>on new Blob=</p>", ""},
    {"a log contents html-download", HTML "<a download=a.png href='data:image/png,x'>x</a>", ""},
    {"a log contents html-download", HTML "<a href='data:a/b,x'>download</a>", ""},
    {"a log contents html-download", HTML "<p>new Blob</p>", ""},
    {"a log contents svg-script", FILE_OF("x.svg") "<?xml version='1.0'?><svg><script>x</script></svg>",
     "a x.svg"},
    {"a log contents url-shortcut", FILE_OF("x") "[InternetShortcut]\r\nURL=x", "a x"},
};

static void test_conditions(Fixture *fixture, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_rules(fixture, cases[i].rules, cases[i].message, strlen(cases[i].message), cases[i].wanted);
}

/* Octets at offset in a file of zeros of size octets. */
static const struct {
    const char *rules;
    gsize size, offset;
    const char *octets;
    gsize length;
} files[] = {
#define OCTETS(text) text, sizeof(text) - 1
    {"a log contents shortcut", 80, 0, OCTETS("L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0\x46")},
    {"a log contents disk-image", 40000, 0x8001, OCTETS("CD001")},
    {"a log contents disk-image", 40000, 0x8801, OCTETS("NSR02")},
    {"a log contents disk-image", 2000, 2000 - 512, OCTETS("conectix")},
    {"a log contents disk-image", 2000, 0, OCTETS("vhdxfile")},
    {"a log contents installer", 2000, 0,
     OCTETS("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46")},
    {"a log contents macro", 2000, 0,
     OCTETS("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0")},
    {"a log contents macro", 100, 0, OCTETS("PK\3\4 word/vbaProject.bin")},
    {"a log contents macro-sheet", 100, 0, OCTETS("PK\3\4 xl/macrosheets/sheet1.xml")},
    {"a log contents macro-sheet", 600, 0,
     OCTETS("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1W\0o\0r\0k\0b\0o\0o\0k\0\x85\0\x0a\0\0\0\0\0\0\1\2\0m1")},
    {"a log contents java", 100, 0, OCTETS("PK\3\4META-INF/MANIFEST.MF a/B.class")},
    {"a log contents java", 100, 0, OCTETS("\xca\xfe\xba\xbe\0\0\0\x37")},
    {"a log contents mach-o", 100, 0, OCTETS("\xca\xfe\xba\xbe\0\0\0\2")},
    {"a log contents windows-program", 100, 0, OCTETS("MZ\x90\0\3\0\0\0\4\0")},
    {"a log contents compiled-help", 100, 0, OCTETS("ITSF")},
    {"a log contents onenote", 100, 0,
     OCTETS("\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3")},
};

static void test_contents(Fixture *fixture, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree guchar *octets = g_malloc0(files[i].size);
        memcpy(octets + files[i].offset, files[i].octets, files[i].length);
        g_autofree char *base64 = g_base64_encode(octets, files[i].size);
        g_autofree char *message =
            g_strconcat("Content-Transfer-Encoding: base64\r\nContent-Type: image/png; name=x\r\n\r\n",
                        base64, "\r\n", NULL);
        assert_rules(fixture, files[i].rules, message, strlen(message), "a x");
    }
}

/* A pattern that backtracks for ever is given up, and that is told. */
static void test_bombs(Fixture *fixture, gconstpointer data)
{
    static const char *const patterns[] = {"/(a+)+[bc]/", "/(a|aa)+$x/", "/(?=(a+))\\1*c/", "/a.*b.*c.*d/"};
    g_autofree char *letters = g_strnfill(200000, 'a');
    g_autofree char *message = g_strconcat("\r\n", letters, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(patterns); i++) {
        g_autofree char *rules =
            g_strconcat("bomb reject text ", patterns[i], "\nother log text nothing\n", NULL);
        g_autoptr(PosternRulesEngine) engine = rules_engine_of(rules, fixture->content);
        g_autoptr(PosternFindings) findings = rules_check(engine, fixture->content, message, strlen(message));
        g_assert_cmpuint(findings->rules.matches->len, ==, 0);
        if (i < 3 && findings->rules.undecided != NULL)
            g_assert_nonnull(strstr(findings->rules.undecided, "rule bomb"));
    }
    g_autoptr(PosternRulesEngine) engine =
        rules_engine_of("bomb reject text /(a+)+[bc]/\n", fixture->content);
    g_autoptr(PosternFindings) findings = rules_check(engine, fixture->content, message, strlen(message));
    g_assert_nonnull(findings->rules.undecided);
}

/* When time is spent every rule that does not hold yet is undecided. */
static void test_time(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GString) rules = g_string_new("held log header Subject x\nlast reject name *.exe\n");
    g_autoptr(GString) message = g_string_new("Subject: x\r\n" MIXED);
    for (guint i = 0; i < 2000; i++)
        g_string_append_printf(rules, "r%u log text /[a-z]{%u}[0-9]/\n", i, 20 + i % 40);
    for (guint i = 0; i < 200; i++)
        g_string_append_printf(message, "--b\r\n\r\n%0*u\r\n", 20000, 0);
    for (char *at = strchr(message->str, '0'); at != NULL; at = strchr(at, '0'))
        *at = 'k';
    g_string_append(message, "--b\r\n" FILE_OF("x.exe") "1\r\n--b--\r\n");
    g_autoptr(PosternRulesEngine) engine = rules_engine_of(rules->str, fixture->content);
    g_autoptr(PosternFindings) findings = rules_check(engine, fixture->content, message->str, message->len);
    g_autofree char *found = list(findings);
    g_assert_cmpstr(found, ==, "held -");
    g_assert_nonnull(findings->rules.undecided);
    g_assert_nonnull(strstr(findings->rules.undecided, "processor time"));
}

/* The gravest are kept. */
static void test_matches_are_bounded(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GString) rules = g_string_new(NULL);
    for (guint i = 0; i < POSTERN_RULE_MATCHES_MAX + 10; i++)
        g_string_append_printf(rules, "r%u log files <9\n", i);
    g_string_append(rules, "last reject files <9\n");
    g_autoptr(PosternRulesEngine) engine = rules_engine_of(rules->str, fixture->content);
    g_autoptr(PosternFindings) findings = rules_check(engine, fixture->content, "\r\n", 2);
    g_assert_cmpuint(findings->rules.matches->len, ==, POSTERN_RULE_MATCHES_MAX);
    const PosternRuleMatch *match =
        g_ptr_array_index(findings->rules.matches, findings->rules.matches->len - 1);
    g_assert_cmpstr(match->rule, ==, "last");
    g_assert_nonnull(findings->rules.undecided);
}

/* Many patterns in one set are found as each by itself. */
static void test_many(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GString) rules = g_string_new(NULL);
    for (guint i = 0; i < 1000; i++)
        g_string_append_printf(rules, "r%u log text word%u\n", i, i);
    g_autoptr(PosternRulesEngine) engine = rules_engine_of(rules->str, fixture->content);
    g_autoptr(PosternFindings) findings =
        rules_check(engine, fixture->content, "\r\nword7 WORD999 word1000", 24);
    g_autofree char *found = list(findings);
    g_assert_cmpstr(found, ==, "r7 -; r999 -");
}

/* What Windows runs, and what it does not. */
/* A name of any length, and whatever stands where in a text. */
static void test_lengths(Fixture *fixture, gconstpointer data)
{
    static const char rules[] = "a log name *.exe *.scr *.a\n"
                                "b log text needle word\n"
                                "c log name *.searchconnector-ms ?.b";
    g_autoptr(PosternRulesEngine) engine = rules_engine_of(rules, fixture->content);
    for (guint length = 1; length < 600; length++) {
        g_autofree char *filling = g_strnfill(length, 'x');
        g_autofree char *message =
            g_strdup_printf(MIXED "--b\r\n" FILE_OF("%s.Scr") "1\r\n--b\r\n\r\n%s Needle.%s\r\n--b--\r\n",
                            filling, filling, filling);
        g_autoptr(PosternFindings) findings = rules_check(engine, fixture->content, message, strlen(message));
        g_assert_cmpuint(findings->rules.matches->len, ==, 2);
    }
}

static void test_defaults(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *message, *wanted;
    } mails[] = {
        {FILE_OF("x.exe") "1", "windows-program x.exe"},
        {FILE_OF("x.vbs") "1", "windows-script x.vbs"},
        {FILE_OF("x.js") "1", "windows-batch x.js"},
        {FILE_OF("x.lnk") "1", "windows-shortcut x.lnk"},
        {FILE_OF("x.iso") "1", "disk-image x.iso"},
        {FILE_OF("x.pdf.scr") "1", "windows-program x.pdf.scr; double-extension x.pdf.scr"},
        {FILE_OF("x.pdf") "1", ""},
        {FILE_OF("x.docx") "PK\3\4", ""},
        {FILE_OF("x.html") "<script>x</script>", ""},
        {FILE_OF("x.sh") "#!/bin/sh", ""},
        {FILE_OF("x.tar.gz") "1", ""},
        {FILE_OF("google.com!example.com!1!2.xml.gz") "1", ""},
        {"Subject: www.example.com\r\n\r\nhttp://www.example.com/x.exe", ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(mails); i++)
        assert_rules(fixture, NULL, mails[i].message, strlen(mails[i].message), mails[i].wanted);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add("/rules/" #name, Fixture, NULL, set_up, test_##name, tear_down)
    ADD(conditions);
    ADD(contents);
    ADD(bombs);
    ADD(time);
    ADD(matches_are_bounded);
    ADD(many);
    ADD(lengths);
    ADD(defaults);
    return g_test_run();
}
