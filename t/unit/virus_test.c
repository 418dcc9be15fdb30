#include "checks/check.h"

#include "unit/virus_fixture.h"

static void expect(VirusFixture *fixture, const char *octets, gsize length, PosternVirusResult wanted,
                   const char *text)
{
    PosternVirusFinding finding = {POSTERN_VIRUS_NOT_CHECKED};
    g_autofree char *copy = g_memdup2(octets, MAX(length, 1));
    postern_check_virus(fixture->engine, copy, length, fixture->folder, &finding);
    const char *said = finding.result == POSTERN_VIRUS_INFECTED ? finding.name : finding.reason;
    if (finding.result != wanted)
        g_error("%s (%s), wanted %s, for:\n%.*s", postern_virus_result_name(finding.result), said,
                postern_virus_result_name(wanted), (int)MIN(length, 400), octets);
    if (text != NULL && (said == NULL || strstr(said, text) == NULL))
        g_error("'%s', wanted '%s'", said, text);
    g_assert_true((finding.name != NULL) == (wanted == POSTERN_VIRUS_INFECTED));
    g_assert_true((finding.reason != NULL) == (wanted >= POSTERN_VIRUS_UNSCANNABLE));
    postern_virus_finding_clear(&finding);
}

static void test_prove(VirusFixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(postern_virus_engine_self_test(fixture->engine, fixture->folder, &error));
    g_assert_no_error(error);
    g_assert_false(postern_virus_engine_self_test(fixture->engine, "/nonexistent", &error));
    g_assert_nonnull(error);
}

/* The marks of a message in the table: @ is EICAR, # is it in base64, % is a zip with it in base64. */
static char *fill(const char *format)
{
    g_autofree char *eicar = postern_virus_sample_eicar();
    g_autofree char *base64 = g_base64_encode((const guchar *)eicar, strlen(eicar));
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("x.com", eicar, strlen(eicar));
    g_autofree char *zipped = g_base64_encode(zip->data, zip->len);
    GString *out = g_string_new(NULL);
    for (; *format != '\0'; format++)
        if (*format == '@')
            g_string_append(out, eicar);
        else if (*format == '#')
            g_string_append(out, base64);
        else if (*format == '%')
            g_string_append(out, zipped);
        else
            g_string_append_c(out, *format);
    return g_string_free(out, FALSE);
}

#define MULTIPART "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
#define ZIP_PART "Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n%\r\n"

static void test_messages(VirusFixture *fixture, gconstpointer data)
{
    static const struct {
        const char *format;
        PosternVirusResult wanted;
    } cases[] = {
        {"", POSTERN_VIRUS_CLEAN},
        {"Subject: x\r\n\r\nNothing.\r\n", POSTERN_VIRUS_CLEAN},
        {"Subject: x\r\n\r\n@\r\n", POSTERN_VIRUS_INFECTED},
        {"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n#\r\n", POSTERN_VIRUS_INFECTED},
        {"Subject: x\r\n" MULTIPART ZIP_PART "--b--\r\n", POSTERN_VIRUS_INFECTED},
        {"Subject: x\r\n" MULTIPART ZIP_PART, POSTERN_VIRUS_INFECTED},
        {"X-Unheard-Of: x\r\n" MULTIPART ZIP_PART "--b--\r\n", POSTERN_VIRUS_INFECTED},
        {"MZ: x\r\n" MULTIPART ZIP_PART "--b--\r\n", POSTERN_VIRUS_INFECTED},
        {"From x\r\nSubject: x\r\n" MULTIPART ZIP_PART "--b--\r\n", POSTERN_VIRUS_INFECTED},
        {" folded\r\n" MULTIPART ZIP_PART "--b--\r\n", POSTERN_VIRUS_INFECTED},
        {MULTIPART ZIP_PART "--b--\r\n", POSTERN_VIRUS_INFECTED},
        {"Subject: x\r\n" MULTIPART
         "Content-Type: message/rfc822\r\n\r\nX-A: b\r\nContent-Type: multipart/mixed; "
         "boundary=c\r\n\r\n--c\r\n" ZIP_PART "--c--\r\n--b--\r\n",
         POSTERN_VIRUS_INFECTED},
        {"Subject: x\r\n" MULTIPART
         "Content-Type: message/global\r\n\r\nnot a field\r\nMime-version: 1.0\r\n" MULTIPART ZIP_PART,
         POSTERN_VIRUS_INFECTED},
        {"Subject: x\r\n" MULTIPART "\r\nText.\r\n\r\nFrom here on\r\n\r\n--b\r\n" ZIP_PART "--b--\r\n",
         POSTERN_VIRUS_INFECTED},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *message = fill(cases[i].format);
        expect(fixture, message, strlen(message), cases[i].wanted,
               cases[i].wanted == POSTERN_VIRUS_INFECTED ? "Eicar-Test-Signature" : NULL);
    }
}

/* libclamav itself scans only the text of these, or nothing, and says that all is clean. */
static void test_multiparts(VirusFixture *fixture, gconstpointer data)
{
    static const char *const kinds[] = {
        "mixed",        "related",          "signed",       "SIGNED",    "parallel",         "plain",
        "html",         "enriched",         "richtext",     "(c)signed", "si(c)gned",        "(;)parallel",
        " \r\n signed", "\tsigned\r\n\t(;", "sig\\ned (c)", "\"signed",  "x multipart/html",
    };
    static const char *const orders[] = {"--b\r\n%s", "--b\r\n\r\nText.\r\n--b\r\n%s",
                                         "--b\r\n%s--b\r\n\r\nText.\r\n--b\r\n\r\nText.\r\n"};
    static const char part[] = "Content-Type: application/octet-stream; name=x.com\r\n"
                               "Content-Transfer-Encoding: base64\r\n\r\n#\r\n";
    for (gsize i = 0; i < G_N_ELEMENTS(kinds) * G_N_ELEMENTS(orders); i++) {
        g_auto(GStrv) around = g_strsplit(orders[i % G_N_ELEMENTS(orders)], "%s", 2);
        g_autofree char *parts = g_strjoin(part, around[0], around[1], NULL);
        g_autofree char *format =
            g_strconcat("MIME-Version: 1.0\r\ncontent-type : multipart/", kinds[i / G_N_ELEMENTS(orders)],
                        "; boundary=b\r\n\r\n", parts, "--b--\r\n", NULL);
        g_autofree char *message = fill(format);
        expect(fixture, message, strlen(message), POSTERN_VIRUS_INFECTED, "Eicar-Test-Signature");
        g_autofree char *mail = g_strconcat("Received: by x\r\n", message, NULL);
        g_autofree char *encoded = g_base64_encode((const guchar *)mail, strlen(mail));
        g_autofree char *enclosed =
            g_strconcat("Subject: x\r\n" MULTIPART
                        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
                        encoded, "\r\n--b--\r\n", NULL);
        expect(fixture, enclosed, strlen(enclosed), POSTERN_VIRUS_INFECTED, "Eicar-Test-Signature");
    }
}

static void test_size(VirusFixture *fixture, gconstpointer data)
{
    gsize length = VIRUS_SCAN_OCTETS;
    g_autofree char *message = g_strnfill(length + 1, 'x');
    memcpy(message, "A: b\r\n\r\n", strlen("A: b\r\n\r\n"));
    expect(fixture, message, length + 1, POSTERN_VIRUS_UNSCANNABLE, "larger");
    expect(fixture, message, length, POSTERN_VIRUS_CLEAN, NULL);
}

/* The zip's flag that its file is encrypted: what it holds cannot be seen. */
static void test_encrypted(VirusFixture *fixture, gconstpointer data)
{
    static const char text[] = "Nobody knows what this would say.";
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("secret.txt", text, strlen(text));
    zip->data[6] |= 1;
    zip->data[30 + strlen("secret.txt") + strlen(text) + 8] |= 1;
    g_autofree char *message = postern_virus_sample_message("secret.zip", zip->data, zip->len);
    expect(fixture, message, strlen(message), POSTERN_VIRUS_UNSCANNABLE, "Heuristics.Encrypted.Zip");
}

/* What libclamav passes over in silence, and other programs unpack. */
static void test_packing(VirusFixture *fixture, gconstpointer data)
{
    static const guint8 methods[] = {14, 93, 95, 98}; /* LZMA, zstd, xz, PPMd */
    const char text[] = "who knows";
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(GByteArray) zip = postern_virus_sample_zip("a.txt", text, strlen(text));
        zip->data[8] = methods[i];
        zip->data[30 + strlen("a.txt") + strlen(text) + 10] = methods[i];
        g_autofree char *message = postern_virus_sample_message("a.zip", zip->data, zip->len);
        expect(fixture, message, strlen(message), POSTERN_VIRUS_UNSCANNABLE, NULL);
    }
    g_autoptr(GByteArray) cut = postern_virus_sample_zip("a.txt", text, strlen(text));
    g_autofree char *message =
        postern_virus_sample_message("a.zip", cut->data, 30 + strlen("a.txt") + strlen(text));
    expect(fixture, message, strlen(message), POSTERN_VIRUS_UNSCANNABLE, NULL);
}

static void test_limits(VirusFixture *fixture, gconstpointer data)
{
    static const char text[] = "deep down";
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("a.txt", text, strlen(text));
    for (guint i = 0; i < 40; i++) {
        g_autoptr(GByteArray) inner = g_steal_pointer(&zip);
        zip = postern_virus_sample_zip("a.zip", inner->data, inner->len);
    }
    g_autofree char *message = postern_virus_sample_message("a.zip", zip->data, zip->len);
    expect(fixture, message, strlen(message), POSTERN_VIRUS_UNSCANNABLE, "Heuristics.Limits.Exceeded");
}

/* A virus is named even where not everything could be seen. */
static void test_virus_beside_limit(VirusFixture *fixture, gconstpointer data)
{
    static const char text[] = "Nobody knows what this would say.";
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("secret.txt", text, strlen(text));
    zip->data[6] |= 1;
    zip->data[30 + strlen("secret.txt") + strlen(text) + 8] |= 1;
    g_autofree char *base64 = g_base64_encode(zip->data, zip->len);
    g_autofree char *infected = fill(ZIP_PART);
    g_autofree char *message =
        g_strconcat(MULTIPART "Content-Type: application/zip\r\nContent-Transfer-Encoding: "
                              "base64\r\n\r\n",
                    base64, "\r\n--b\r\n", infected, "--b--\r\n", NULL);
    expect(fixture, message, strlen(message), POSTERN_VIRUS_INFECTED, "Eicar");
}

static void test_again(VirusFixture *fixture, gconstpointer data)
{
    g_autofree char *message = virus_zip_message();
    for (guint i = 0; i < 5; i++) {
        expect(fixture, message, strlen(message), POSTERN_VIRUS_INFECTED, NULL);
        expect(fixture, "A: b\r\n\r\nx\r\n", strlen("A: b\r\n\r\nx\r\n"), POSTERN_VIRUS_CLEAN, NULL);
    }
}

/* Without the plugin a RAR archive is not looked into, and libclamav does not say so. */
static void test_rar(VirusFixture *fixture, gconstpointer data)
{
    g_autoptr(GDir) plugins = g_dir_open("/usr/lib/x86_64-linux-gnu", 0, NULL);
    const char *name;
    while (plugins != NULL && (name = g_dir_read_name(plugins)) != NULL) {
        if (g_str_has_prefix(name, "libclamunrar_iface")) {
            g_test_skip("libclamunrar is installed");
            return;
        }
    }
    static const char rar[] =
        "Rar!\x1a\x07\x01\x00\x33\x92\xb5\xe5\x0a\x01\x05\x06\x00\x05\x01\x01\x80\x80\x00";
    g_autofree char *message = postern_virus_sample_message("a.rar", rar, sizeof rar - 1);
    expect(fixture, message, strlen(message), POSTERN_VIRUS_UNSCANNABLE, "RAR");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(VirusFixture *fixture, gconstpointer data);
    } tests[] = {
        {"/virus/prove", test_prove},           {"/virus/messages", test_messages},
        {"/virus/multiparts", test_multiparts}, {"/virus/size", test_size},
        {"/virus/encrypted", test_encrypted},   {"/virus/packing", test_packing},
        {"/virus/limits", test_limits},         {"/virus/virus-beside-limit", test_virus_beside_limit},
        {"/virus/again", test_again},           {"/virus/rar", test_rar},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, VirusFixture, NULL, virus_set_up, tests[i].run, virus_tear_down);
    return g_test_run();
}
