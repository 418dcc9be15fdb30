/*
 * What is no virus, what is told apart, and what readers of mail decode otherwise than libclamav does.
 */
#include "base/limits.h"
#include "checks/check.h"

#include "unit/virus_fixture.h"

static void check(VirusFixture *fixture, PosternVirusEngine *engine, const char *message,
                  PosternVirusFinding *finding)
{
    g_autofree char *copy = g_strdup(message);
    postern_check_virus(engine, copy, strlen(copy), fixture->folder, finding);
}

/* The word of the log for message. */
static void expect(VirusFixture *fixture, const char *message, const char *wanted)
{
    g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
    check(fixture, fixture->engine, message, &finding);
    g_autofree char *word = postern_virus_finding_word(&finding);
    if (!g_str_has_prefix(word, wanted))
        g_error("%s (%s), wanted %s, for:\n%.600s", word, finding.reason, wanted, message);
}

#define PLAIN "From: a@example.org\r\nSubject: x\r\n"
#define MIXED PLAIN "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
#define FILE_PART "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"

/* The EICAR test is a file that begins with its 68 octets and has at most white space behind them, up to 128
 * in all; text that quotes it is none. */
static void test_eicar(VirusFixture *fixture, gconstpointer data)
{
    static const struct {
        const char *before, *after;
        gboolean is_found;
    } files[] = {
        {"", "", TRUE},
        {"", "\r\n", TRUE},
        {"", " \t\r\n\x1a", TRUE},
        {"\r\n", "", FALSE},
        {" ", "", FALSE},
        {"", ".", FALSE},
        {"", "\r\nThis is how to test a scanner.", FALSE},
        {"The test string is ", " and no virus.", FALSE},
    };
    g_autofree char *eicar = postern_virus_sample_eicar();
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *file = g_strconcat(files[i].before, eicar, files[i].after, NULL);
        g_autofree char *attached = postern_virus_sample_message("x.com", file, strlen(file));
        expect(fixture, attached, files[i].is_found ? "infected" : "clean");
    }
    g_autofree char *spaces = g_strnfill(60, ' ');
    g_autofree char *longest = g_strconcat(eicar, spaces, NULL);
    g_autofree char *too_long = g_strconcat(eicar, spaces, " ", NULL);
    g_autofree char *found = postern_virus_sample_message("x.com", longest, strlen(longest));
    g_autofree char *passed = postern_virus_sample_message("x.com", too_long, strlen(too_long));
    g_autofree char *prose = g_strconcat(PLAIN "\r\nWrite ", eicar, " into a file.\r\n", NULL);
    g_autofree char *quoted = g_strconcat(PLAIN "\r\nHe wrote:\r\n> ", eicar, "\r\nand so on.\r\n", NULL);
    g_autofree char *html = g_strconcat(PLAIN "Content-Type: text/html\r\n\r\n<p>", eicar, "</p>\r\n", NULL);
    g_autofree char *body = g_strconcat(PLAIN "\r\n", eicar, "\r\n", NULL);
    expect(fixture, found, "infected");
    expect(fixture, passed, "clean");
    expect(fixture, prose, "clean");
    expect(fixture, quoted, "clean");
    expect(fixture, html, "clean");
    expect(fixture, body, "infected");
}

/* Ordinary mail that was called unscannable once: it is decoded by all readings, and is clean. */
static void test_wanted(VirusFixture *fixture, gconstpointer data)
{
    static const char *const messages[] = {
        PLAIN "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n____\r\nlist@example.org\r\n",
        PLAIN
        "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>a= \r\nb</p>\r\n",
        PLAIN "Content-Type: text/plain;\r\n name=\"=?utf-8?X?abc?=\"\r\n\r\nText.\r\n",
        PLAIN "Content-Type: text/plain;\r\n name=\"=?UTF-8?=?utf-8?Q?x.pdf?=\"\r\n\r\nText.\r\n",
        PLAIN "Content-Type: message/external-body; access-type=URL;\r\n "
              "URL=\"http://example.org/x\"\r\n\r\nContent-Type: a/b\r\n\r\n",
        MIXED "Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: "
              "rfc822;a@example.org\r\n--b--\r\n",
        MIXED "Content-Type: message/x-unheard-of\r\n\r\nabc def ghi\r\n--b--\r\n",
        MIXED "\r\n1\r\n--b\r\n\r\n12345\r\n--b--\r\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++)
        expect(fixture, messages[i], "clean");
    g_autoptr(GString) deep = g_string_new(PLAIN);
    for (guint i = 0; i < 40; i++)
        g_string_append_printf(deep, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
    g_string_append(deep, "\r\nDeep down.\r\n");
    expect(fixture, deep->str, "clean");
    g_autoptr(GString) many = g_string_new(MIXED);
    for (guint i = 0; i < 1500; i++)
        g_string_append_printf(many, "Content-Type: text/x-part\r\n\r\nPart %u of them.\r\n--b\r\n", i);
    expect(fixture, many->str, "clean");
}

/* Where readers do not agree on the header they do not on how the body is decoded. */
static void test_ambiguous_header(VirusFixture *fixture, gconstpointer data)
{
    static const char *const fields[] = {
        "\vContent-Transfer-Encoding: base64",
        "Content-Transfer-Encoding\r\n : base64",
        "X: y\rContent-Transfer-Encoding: base64",
        "\xef\xbb\xbf"
        "Content-Transfer-Encoding: base64",
        "no colon\r\nContent-Type: text/plain",
        "Content-Type: text/plain\r\nContent-Type: text/html",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autofree char *message = g_strconcat(PLAIN, fields[i], "\r\n\r\nSGVsbG8=\r\n", NULL);
        expect(fixture, message, "unscannable:ambiguous");
    }
    expect(fixture, "From a@b Thu Jan  1 00:00:00 2026\r\n\f\r\n" PLAIN "\r\nHello\r\n",
           "unscannable:ambiguous");
    expect(fixture, "From a@b Thu Jan  1 00:00:00 2026\r\n" PLAIN "\r\nHello\r\n", "clean");
    expect(fixture, PLAIN "Content-Type : text/plain\r\nX-Y : z\r\n\r\nHello\r\n", "clean");
    expect(fixture, "No header at all\r\n\r\nHello\r\n", "clean");
}

static char *encrypted_zip(void)
{
    static const char text[] = "Nobody knows what this would say.";
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("secret.txt", text, strlen(text));
    zip->data[6] |= 1;
    zip->data[30 + strlen("secret.txt") + strlen(text) + 8] |= 1;
    return g_base64_encode(zip->data, zip->len);
}

static char *nested_zip(void)
{
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("a.txt", "deep down", strlen("deep down"));
    for (guint i = 0; i < 40; i++) {
        g_autoptr(GByteArray) inner = g_steal_pointer(&zip);
        zip = postern_virus_sample_zip("a.zip", inner->data, inner->len);
    }
    return g_base64_encode(zip->data, zip->len);
}

/* Several kinds in one message are all told, or policy would see the mildest alone. */
static void test_kinds(VirusFixture *fixture, gconstpointer data)
{
    static const guint8 rar[] =
        "Rar!\x1a\x07\x01\x00\x33\x92\xb5\xe5\x0a\x01\x05\x06\x00\x05\x01\x01\x80\x80\x00";
    g_autofree char *encrypted = encrypted_zip();
    g_autofree char *nested = nested_zip();
    g_autofree char *archive = g_base64_encode(rar, sizeof rar - 1);
    g_autofree char *one = g_strconcat(MIXED FILE_PART, encrypted, "\r\n--b--\r\n", NULL);
    g_autofree char *two =
        g_strconcat(MIXED FILE_PART, encrypted, "\r\n--b\r\n" FILE_PART, nested, "\r\n--b--\r\n", NULL);
    g_autofree char *four = g_strconcat(
        MIXED FILE_PART, nested, "\r\n--b\r\n" FILE_PART, archive, "\r\n--b\r\n" FILE_PART, encrypted,
        "\r\n--b\r\nContent-Type: message/partial; id=1; number=1; total=2\r\n\r\n"
        "Subject: y\r\n\r\nThe first half\r\n--b--\r\n",
        NULL);
    g_autoptr(GString) parts = g_string_new(MIXED);
    for (guint i = 0; i < POSTERN_MIME_PARTS_MIN * 2; i++)
        g_string_append(parts, "\r\nx\r\n--b\r\n");
    expect(fixture, parts->str, "unscannable:ambiguous");
    expect(fixture, one, "unscannable:encrypted");
    expect(fixture, two, "unscannable:encrypted,too_large");
    expect(fixture, four, "unscannable:ambiguous,encrypted,too_large");
    expect(fixture,
           PLAIN "Content-Type: message/partial; id=1; number=1; total=2\r\n\r\nSubject: y\r\n\r\nHalf.\r\n",
           "unscannable:ambiguous");
}

/* Where libclamav does not go into all of the mail, its limits hide nothing: neither a virus nor a kind. */
static void test_beyond_the_limits_of_mail(VirusFixture *fixture, gconstpointer data)
{
    g_autofree char *eicar = postern_virus_sample_eicar();
    g_autofree char *virus = g_base64_encode((const guchar *)eicar, strlen(eicar));
    g_autofree char *encrypted = encrypted_zip();
    const struct {
        const char *part, *wanted;
    } parts[] = {{virus, "infected"}, {encrypted, "unscannable:encrypted"}};
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(GString) deep = g_string_new(PLAIN);
        for (guint k = 0; k < 60; k++)
            g_string_append_printf(deep, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", k,
                                   k);
        g_string_append_printf(deep, FILE_PART "%s\r\n", parts[i].part);
        expect(fixture, deep->str, parts[i].wanted);
        g_autoptr(GString) many = g_string_new(MIXED);
        for (guint k = 0; k < 1500; k++)
            g_string_append(many, "Content-Type: text/x-part\r\n\r\nA part.\r\n--b\r\n");
        g_string_append_printf(many, FILE_PART "%s\r\n--b--\r\n", parts[i].part);
        expect(fixture, many->str, parts[i].wanted);
        g_autoptr(GString) enclosed = g_string_new(PLAIN);
        for (guint k = 0; k < 60; k++)
            g_string_append(enclosed, "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n");
        g_string_append_printf(enclosed, FILE_PART "%s\r\n", parts[i].part);
        expect(fixture, enclosed->str, parts[i].wanted);
    }
}

/* A file that is known by the digest of all of it is found however it is written: one octet too few, and it
 * would not be. */
static void test_readings(VirusFixture *fixture, gconstpointer data)
{
    static const struct {
        const char *header, *body;
    } parts[] = {
        {"base64", "TVogb3duLWZpbGUtbWFyawo="},
        {"base64", "TVogb3du\r\nLWZpbGUt\r\nbWFyawo=\r\n\r\n"},
        {"base64", "TVo=\r\nIG93bi1maWxlLW1hcmsK\r\n"},
        {"base64", "TVog=b3duLWZpbGUtbWFyawo="},
        {"base64", "TVogb3duLWZpbGUtbWFyawo=\r\n-- \r\nlist footer\r\n"},
        {"base64", "TVogb3duLWZpbGUtbWFyawo=AAAA"},
        {"BASE64 ", "TVog*b3duLW#ZpbGUtbWFyawo="},
        {"quoted-printable", "MZ=20own-file-mark=0A="},
        {"quoted-printable", "M=  \r\nZ=20own-=\t\r\nfile-mark=0A=\r\n"},
        {"quoted-printable", "=4d=5A own-file-mark\r\n"},
        {"8bit", "MZ own-file-mark\r\n"},
    };
    static const char file[] = "MZ own-file-mark\n";
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_MD5, file, -1);
    g_autofree char *line = g_strdup_printf("%s:%u:Own-File\n", sum, (guint)strlen(file));
    g_autofree char *path = g_strconcat(fixture->folder, ".hdb", NULL);
    g_autofree char *warning = NULL;
    guint count = 0;
    g_assert_true(g_file_set_contents(path, line, -1, NULL));
    g_autoptr(PosternVirusEngine) engine = virus_engine(path, fixture->content, &count, &warning);
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *message =
            g_strconcat(MIXED "Content-Type: application/octet-stream; name=x.exe\r\n"
                              "Content-Transfer-Encoding: ",
                        parts[i].header, "\r\n\r\n", parts[i].body, "\r\n--b--\r\n", NULL);
        g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
        check(fixture, engine, message, &finding);
        if (g_strcmp0(finding.name, "Own-File.UNOFFICIAL") != 0)
            g_error("%s (%s) for:\n%s", postern_virus_result_name(finding.result), finding.reason, message);
    }
    g_unlink(path);
}

/* What a heuristic guesses is no virus. */
static void test_heuristics(VirusFixture *fixture, gconstpointer data)
{
    static const struct {
        const char *name, *wanted;
    } names[] = {
        {"Heuristics.Phishing.Email.SpoofedDomain", "heuristic"},
        {"Heuristics.Own.Guess", "heuristic"},
        {"PUA.Own.Tool", "heuristic"},
        {"Heuristics.Encrypted.Zip", "unscannable:encrypted"},
        {"Heuristics.Limits.Exceeded.MaxFiles", "unscannable:too_large"},
        {"Own.Phishing.Virus", "infected:Own.Phishing.Virus"},
    };
    g_autofree char *path = g_strconcat(fixture->folder, "-names.ndb", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *line = g_strdup_printf("%s:0:*:6f776e2d746573742d6d61726b\n", names[i].name);
        g_autofree char *warning = NULL;
        g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
        guint count = 0;
        g_assert_true(g_file_set_contents(path, line, -1, NULL));
        g_autoptr(PosternVirusEngine) engine = virus_engine(path, fixture->content, &count, &warning);
        check(fixture, engine, PLAIN "\r\nThis is " VIRUS_MARK ".\r\n", &finding);
        g_autofree char *word = postern_virus_finding_word(&finding);
        if (!g_str_has_prefix(word, names[i].wanted))
            g_error("%s (%s) for %s", word, finding.reason, names[i].name);
    }
    g_unlink(path);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(VirusFixture *fixture, gconstpointer data);
    } tests[] = {
        {"/virus-kinds/eicar", test_eicar},
        {"/virus-kinds/wanted", test_wanted},
        {"/virus-kinds/ambiguous-header", test_ambiguous_header},
        {"/virus-kinds/kinds", test_kinds},
        {"/virus-kinds/readings", test_readings},
        {"/virus-kinds/heuristics", test_heuristics},
        {"/virus-kinds/beyond-the-limits-of-mail", test_beyond_the_limits_of_mail},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, VirusFixture, NULL, virus_set_up, tests[i].run, virus_tear_down);
    return g_test_run();
}
