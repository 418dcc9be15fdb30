/*
 * What of a message signatures of mail reach, and text that has readings with other line ends.
 */
#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include "checks/check.h"
#include "checks/virus/encoded_signatures.h"
#include "checks/virus/mail_octets.h"

#include "unit/virus_fixture.h"

#define FIELD_IN_FRONT "Received: by localhost\r\n"
#define FILE_OCTETS 90000
#define MARK_OCTETS 24

/* Lines of base64, of octets that repeat nowhere; with what they decode to. */
static GString *encoded(gsize octets, GByteArray **ret_file)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    GString *lines = g_string_new(NULL);
    for (guint32 seed = 1; file->len < octets;) {
        guint8 line[57];
        for (gsize i = 0; i < sizeof line; i++)
            line[i] = (guint8)((seed = seed * 1664525 + 1013904223) >> 24);
        g_autofree char *text = g_base64_encode(line, sizeof line);
        g_string_append_printf(lines, "%s\r\n", text);
        g_byte_array_append(file, line, sizeof line);
    }
    if (ret_file != NULL)
        *ret_file = g_steal_pointer(&file);
    return lines;
}

static GString *message_with(const GString *lines)
{
    GString *message =
        g_string_new("From: a@example.org\r\nX-Mark: of the header\r\nMIME-Version: 1.0\r\n"
                     "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText-mark-of-mail stands "
                     "in text.\r\n--b\r\n"
                     "Content-Type: text/html\r\n\r\n<p>Html-mark-of-mail stands in a page.</p>\r\n--b\r\n"
                     "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    g_string_append_len(message, lines->str, (gssize)lines->len);
    g_string_append(message, "--b--\r\nEpilogue-mark-of-mail\r\n");
    return message;
}

/* TRUE if each piece of octets is in mail, but for those that reach into the middle of the run. */
static void assert_pieces(const GString *message, gsize run, gsize run_end, GBytes *mail)
{
    gsize from = run + POSTERN_VIRUS_BASE64_BEGIN_OCTETS, to = run_end - POSTERN_VIRUS_BASE64_END_OCTETS;
    for (gsize at = 0; at + MARK_OCTETS <= message->len; at += 7) {
        gboolean there = memmem(g_bytes_get_data(mail, NULL), g_bytes_get_size(mail), message->str + at,
                                MARK_OCTETS) != NULL;
        g_assert_cmpint(there, ==, at + MARK_OCTETS <= from || at >= to);
    }
}

static void test_octets(void)
{
    g_autoptr(GString) lines = encoded(FILE_OCTETS, NULL);
    g_autoptr(GString) message = message_with(lines);
    gsize run = (gsize)(strstr(message->str, lines->str) - message->str);
    g_autoptr(GBytes) cut = postern_virus_mail_octets(message->str, message->len, TRUE);
    g_autoptr(GBytes) all = postern_virus_mail_octets(message->str, message->len, FALSE);
    g_autofree char *wanted = g_strconcat(FIELD_IN_FRONT, message->str, NULL);
    g_assert_cmpmem(g_bytes_get_data(all, NULL), g_bytes_get_size(all), wanted, strlen(wanted));
    g_assert_cmpint(g_bytes_get_size(cut) + lines->len, ==,
                    strlen(wanted) + POSTERN_VIRUS_BASE64_BEGIN_OCTETS + POSTERN_VIRUS_BASE64_END_OCTETS);
    assert_pieces(message, run, run + lines->len, cut);
}

/* What is no run of base64 lines stays as it is, however long. */
static void test_octets_that_stay(void)
{
    static const char *const shapes[] = {
        "",          "\r\n",     "A line of words.\r\n", "QUJD\r\n\r\n",
        " QUJD\r\n", "QUJDREVG", "QUJD-_\r\n",           "\r",
        "M(F5W\r\n", ">QUJD\n",  "=41=42=C3=A4, =\r\n",  "\xff\xfe\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_autoptr(GString) message = g_string_new("Subject: x\r\n\r\n");
        while (shapes[i][0] != '\0' && message->len < FILE_OCTETS)
            g_string_append(message, shapes[i]);
        g_autoptr(GBytes) mail = postern_virus_mail_octets(message->str, message->len, TRUE);
        g_assert_cmpint(g_bytes_get_size(mail), ==, strlen(FIELD_IN_FRONT) + message->len);
    }
}

/* Several runs, with lines of text between them. */
static void test_octets_of_runs(void)
{
    g_autoptr(GString) lines = encoded(FILE_OCTETS, NULL), message = g_string_new(NULL);
    gsize left = POSTERN_VIRUS_BASE64_BEGIN_OCTETS + POSTERN_VIRUS_BASE64_END_OCTETS;
    for (guint i = 0; i < 3; i++)
        g_string_append_printf(message, "%sbetween these\n", lines->str);
    g_autoptr(GBytes) mail = postern_virus_mail_octets(message->str, message->len, TRUE);
    g_assert_cmpint(g_bytes_get_size(mail), ==,
                    strlen(FIELD_IN_FRONT) + 3 * (left + strlen("between these\n")));
}

/* The word for message, of an engine that has one signature in a file of that ending. */
static void expect(VirusFixture *fixture, const char *ending, const char *signature, const GString *message,
                   const char *wanted)
{
    g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
    g_autoptr(GError) error = NULL;
    g_autofree char *warning = NULL;
    guint count;
    g_autofree char *path = g_strconcat(fixture->folder, ending, NULL);
    g_assert_true(g_file_set_contents(path, signature, -1, &error));
    PosternVirusEngine *engine = virus_engine(path, fixture->content, &count, &warning);
    postern_check_virus(engine, message->str, message->len, fixture->folder, &finding);
    g_autofree char *word = postern_virus_finding_word(&finding);
    if (!g_str_equal(word, wanted))
        g_error("%s (%s), wanted %s, by %s", word, finding.reason, wanted, signature);
    postern_virus_engine_free(engine);
    g_assert_cmpint(g_unlink(path), ==, 0);
}

/* A signature of some octets, for files of a kind (0: any, 3: HTML, 4: mail). */
static char *signature_of(guint target, const void *octets, gsize length)
{
    GString *line = g_string_new(NULL);
    g_string_append_printf(line, "Own:%u:*:", target);
    for (gsize i = 0; i < length; i++)
        g_string_append_printf(line, "%02x", ((const guint8 *)octets)[i]);
    g_string_append_c(line, '\n');
    return g_string_free(line, FALSE);
}

static void expect_of_mail(VirusFixture *fixture, const GString *message, const char *place,
                           const char *wanted)
{
    g_autofree char *signature = signature_of(4, place, MARK_OCTETS);
    expect(fixture, ".mail.ndb", signature, message, wanted);
}

static char *hexadecimal(const char *octets, gsize length)
{
    GString *text = g_string_new(NULL);
    for (gsize i = 0; i < length; i++)
        g_string_append_printf(text, "%02x", (guchar)octets[i]);
    return g_string_free(text, FALSE);
}

static void test_signatures(VirusFixture *fixture, gconstpointer data)
{
    static const char *const marks[] = {"X-Mark: of the header\r\nMIME", "Text-mark-of-mail stands",
                                        "Html-mark-of-mail stands", "--b--\r\nEpilogue-mark-of"};
    g_autoptr(GByteArray) file = NULL;
    g_autoptr(GString) lines = encoded(FILE_OCTETS, &file), message = message_with(lines);
    const char *run = strstr(message->str, lines->str), *end = run + lines->len;
    for (gsize i = 0; i < G_N_ELEMENTS(marks); i++)
        expect_of_mail(fixture, message, strstr(message->str, marks[i]), "infected:Own.UNOFFICIAL");
    const char *const places[] = {run - 4,
                                  run + POSTERN_VIRUS_BASE64_BEGIN_OCTETS - MARK_OCTETS,
                                  run + POSTERN_VIRUS_BASE64_BEGIN_OCTETS - MARK_OCTETS / 2,
                                  run + POSTERN_VIRUS_BASE64_BEGIN_OCTETS + 1,
                                  run + lines->len / 2,
                                  end - POSTERN_VIRUS_BASE64_END_OCTETS - MARK_OCTETS / 2,
                                  end - POSTERN_VIRUS_BASE64_END_OCTETS};
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        expect_of_mail(fixture, message, places[i], "infected:Own.UNOFFICIAL");
        g_autofree char *of_any = signature_of(0, places[i], MARK_OCTETS);
        expect(fixture, ".any.ndb", of_any, message, "infected:Own.UNOFFICIAL");
    }
    g_autofree char *of_file = signature_of(0, file->data + file->len / 2, MARK_OCTETS);
    expect(fixture, ".file.ndb", of_file, message, "infected:Own.UNOFFICIAL");
}

/* A run that is hardly longer than what is looked at of the longest: the signature is where little is cut. */
static void test_signatures_of_short_runs(VirusFixture *fixture, gconstpointer data)
{
    g_autoptr(GString) lines = encoded(FILE_OCTETS, NULL);
    const gsize kept = POSTERN_VIRUS_BASE64_BEGIN_OCTETS + POSTERN_VIRUS_BASE64_END_OCTETS;
    for (gsize more = MARK_OCTETS; more > 0; more -= 4) {
        g_string_truncate(lines, kept + more);
        lines->str[lines->len - 1] = '\n';
        g_autoptr(GString) message = message_with(lines);
        const char *cut = strstr(message->str, lines->str) + POSTERN_VIRUS_BASE64_BEGIN_OCTETS;
        expect_of_mail(fixture, message, cut - MARK_OCTETS / 2, "infected:Own.UNOFFICIAL");
    }
}

/* Of other forms, that stand in the middle of the run, and in part before it. */
static void test_signatures_of_other_forms(VirusFixture *fixture, gconstpointer data)
{
    static const struct {
        const char *ending, *form; /* with the octets of a field, and those in the run */
    } forms[] = {
        {".own.ndb", "Own:4:*:%s*%s\n"},
        {".own.ndb", "Own:0:*:%s{2000-}%s\n"},
        {".own.ldb", "Own;Engine:51-255,Target:4;0&1;%s;%s\n"},
        {".own.ldb", "Own;Engine:51-255,Target:0;0&1;%s::i;*:%s::i\n"},
        {".own.db", "Own=%s*%s\n"},
        {".own.yara", "rule Own { strings: $a = { %s } $b = { %s } condition: $a and $b }\n"},
    };
    g_autoptr(GString) lines = encoded(FILE_OCTETS, NULL), message = message_with(lines);
    g_autofree char *field = hexadecimal("X-Mark: of the header", 21);
    g_autofree char *letters = hexadecimal(strstr(message->str, lines->str) + lines->len / 2, MARK_OCTETS);
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autoptr(GString) signature = g_string_new(forms[i].form);
        g_string_replace(signature, "%s", field, 1);
        g_string_replace(signature, "%s", letters, 1);
        expect(fixture, forms[i].ending, signature->str, message,
               g_str_equal(forms[i].ending, ".own.yara") ? "infected:YARA.Own.UNOFFICIAL"
                                                         : "infected:Own.UNOFFICIAL");
    }
}

static la_ssize_t append(struct archive *archive, void *data, const void *octets, size_t length)
{
    g_string_append_len(data, octets, (gssize)length);
    return (la_ssize_t)length;
}

/* A database of one signature, as ClamAV's own are, but for its
 * signature. */
static GString *archive_of(const char *line)
{
    GString *database = g_string_new(
        "ClamAV-VDB:01 Nov 2026 10-00 +0000:1:1:90:00000000000000000000000000000000:x:own:1793527200");
    while (database->len < 512)
        g_string_append_c(database, ' ');
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_write_add_filter_gzip(archive);
    archive_write_set_format_ustar(archive);
    g_assert_cmpint(archive_write_open(archive, database, NULL, append, NULL), ==, ARCHIVE_OK);
    archive_entry_set_pathname(entry, "own.ndb");
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_size(entry, (gint64)strlen(line));
    g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
    g_assert_cmpint(archive_write_data(archive, line, strlen(line)), ==, strlen(line));
    archive_write_free(archive);
    archive_entry_free(entry);
    return database;
}

static void test_signatures_in_archive(VirusFixture *fixture, gconstpointer data)
{
    g_autoptr(GString) lines = encoded(FILE_OCTETS, NULL), message = message_with(lines);
    g_autofree char *line = signature_of(4, strstr(message->str, lines->str) + lines->len / 2, MARK_OCTETS);
    g_autoptr(GString) database = archive_of(line);
    g_autofree char *path = g_strconcat(fixture->folder, ".own.cud", NULL);
    g_assert_true(g_file_set_contents(path, database->str, (gssize)database->len, NULL));
    struct cl_engine *library = cl_engine_new();
    g_autoptr(GError) error = NULL;
    guint count = 0;
    g_assert_true(postern_encoded_signatures_load(library, path, g_get_tmp_dir(), &count, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(count, ==, 1);
    cl_engine_free(library);
    g_assert_cmpint(truncate(path, 600), ==, 0);
    library = cl_engine_new();
    g_assert_false(postern_encoded_signatures_load(library, path, g_get_tmp_dir(), &count, &error));
    g_assert_nonnull(error);
    cl_engine_free(library);
    g_assert_cmpint(g_unlink(path), ==, 0);
}

/* Of ClamAV's own databases the names stay as they are: libclamav adds a word to those of others. (One that
 * libclamav takes for its own cannot be made here: it verifies them; here that has been done.) */
static void test_names(VirusFixture *fixture, gconstpointer data)
{
    static const struct {
        const char *ending, *name;
    } kinds[] = {{".own.cld", "Own"}, {".own.cud", "Own.UNOFFICIAL"}};
    static const struct cl_scan_options options = {.parse = CL_SCAN_PARSE_ELF};
    static const char mail[] = "Received: by localhost\r\nX-Mark: of the header\r\n\r\nText.\r\n";
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *line = signature_of(4, "Mark", 4);
        g_autoptr(GString) database = archive_of(line);
        g_autofree char *path = g_strconcat(fixture->folder, kinds[i].ending, NULL);
        g_autoptr(GError) error = NULL;
        struct cl_engine *library = cl_engine_new();
        struct cl_scan_options scan = options;
        const char *name = NULL;
        unsigned long scanned = 0;
        guint count = 0;
        g_assert_true(g_file_set_contents(path, database->str, (gssize)database->len, NULL));
        g_assert_true(postern_encoded_signatures_load(library, path, g_get_tmp_dir(), &count, &error));
        g_assert_cmpint(cl_engine_compile(library), ==, CL_SUCCESS);
        cl_fmap_t *map = cl_fmap_open_memory(mail, strlen(mail));
        g_assert_cmpint(cl_scanmap_callback(map, NULL, &name, &scanned, library, &scan, NULL), ==, CL_VIRUS);
        g_assert_cmpstr(name, ==, kinds[i].name);
        cl_fmap_close(map);
        cl_engine_free(library);
        g_assert_cmpint(g_unlink(path), ==, 0);
    }
}

/* Which may match base64: one that need not be looked for there costs nothing. */
static void test_which_match(void)
{
    static const struct {
        PosternSignatureForm form;
        const char *line;
        gboolean may;
    } lines[] = {
        {POSTERN_SIGNATURES_NDB, "A:0:*:41424344", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:4:*:41424344:1:90", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:1:*:41424344", FALSE},
        {POSTERN_SIGNATURES_NDB, "A:3:*:41424344", FALSE},
        {POSTERN_SIGNATURES_NDB, "A:12:*:41424344", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:41424320", FALSE},
        {POSTERN_SIGNATURES_NDB, "A:0:EOF-90:0d0a41", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:4142??4?8?43", FALSE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:4142??4??143", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:2020*4142", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:4142*2020", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:4120*2042", FALSE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:2020{3-9}4142", FALSE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:2020{3-}4142", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:2020{3-4000}4142", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:2020[3-9]4142", FALSE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:41(20|21)42", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:41!(42|43)(B)4444", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0:*:what is this", TRUE},
        {POSTERN_SIGNATURES_NDB, "A:0", TRUE},
        {POSTERN_SIGNATURES_NDB, "# a comment", FALSE},
        {POSTERN_SIGNATURES_NDB, "", FALSE},
        {POSTERN_SIGNATURES_LDB, "A;Engine:51-255,Target:0;0&1;2020;41424344", TRUE},
        {POSTERN_SIGNATURES_LDB, "A;Target:4;0&1;2020;41422020", FALSE},
        {POSTERN_SIGNATURES_LDB, "A;Target:1;0&1;4142;41424344", FALSE},
        {POSTERN_SIGNATURES_LDB, "A;Engine:51-255;0;EOF-20:41424344::i", TRUE},
        {POSTERN_SIGNATURES_LDB, "A;Target:0;0&1;2020;0/x/", TRUE},
        {POSTERN_SIGNATURES_DB, "A=41424344", TRUE},
        {POSTERN_SIGNATURES_DB, "A=4142ff44", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        if (postern_encoded_signature_is(lines[i].form, lines[i].line, strlen(lines[i].line)) != lines[i].may)
            g_error("%s", lines[i].line);
}

/* A part that stands in mail as it is, of that type, with line ends of CR LF. */
static GString *message_of(const char *type, const char *part)
{
    GString *message = g_string_new("From: a@example.org\r\nMIME-Version: 1.0\r\n"
                                    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n");
    g_string_append_printf(message, "Content-Type: %s\r\n\r\n%s\r\n--b--\r\n", type, part);
    return message;
}

static void expect_pattern(VirusFixture *fixture, const GString *message, guint target, const char *text)
{
    g_autofree char *signature = signature_of(target, text, strlen(text));
    expect(fixture, ".ends.ndb", signature, message, "infected:Own.UNOFFICIAL");
}

static void expect_digest(VirusFixture *fixture, const GString *message, const char *file)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, file, -1);
    g_autofree char *line = g_strdup_printf("%s:%" G_GSIZE_FORMAT ":Own\n", digest, strlen(file));
    expect(fixture, ".ends.hsb", line, message, "infected:Own.UNOFFICIAL");
}

/* A file of text may be saved with line ends of LF: both are looked for. */
static void test_line_ends(VirusFixture *fixture, gconstpointer data)
{
    static const char crlf[] = "One line\r\nand  another of it\r\nin a file";
    static const char lf[] = "One line\nand  another of it\nin a file";
    g_autoptr(GString) message = message_of("text/x-own; name=x.own", crlf);
    expect_digest(fixture, message, crlf);
    expect_digest(fixture, message, lf);
    expect_pattern(fixture, message, 0, "One line\r\nand  another");
    expect_pattern(fixture, message, 0, "One line\nand  another");
    expect_pattern(fixture, message, 7, "one line and another");
}

/* So may a page; libclamav looks for no pattern of any file in one but as it makes it plain. */
static void test_line_ends_of_page(VirusFixture *fixture, gconstpointer data)
{
    static const char page[] = "<html><body>\r\n<p>One line\r\nand another of it</p>\r\n</body></html>";
    g_autoptr(GString) message = message_of("text/html", page);
    expect_digest(fixture, message, page);
    expect_pattern(fixture, message, 0, "<p>One line\r\nand another");
    expect_pattern(fixture, message, 0, "<p>one line and another of it</p>");
    expect_pattern(fixture, message, 3, "<p>one line and another of it</p>");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virus/mail/octets", test_octets);
    g_test_add_func("/virus/mail/octets_that_stay", test_octets_that_stay);
    g_test_add_func("/virus/mail/octets_of_runs", test_octets_of_runs);
    g_test_add("/virus/mail/signatures", VirusFixture, NULL, virus_set_up, test_signatures, virus_tear_down);
    g_test_add("/virus/mail/signatures_of_short_runs", VirusFixture, NULL, virus_set_up,
               test_signatures_of_short_runs, virus_tear_down);
    g_test_add("/virus/mail/signatures_of_other_forms", VirusFixture, NULL, virus_set_up,
               test_signatures_of_other_forms, virus_tear_down);
    g_test_add("/virus/mail/signatures_in_archive", VirusFixture, NULL, virus_set_up,
               test_signatures_in_archive, virus_tear_down);
    g_test_add("/virus/mail/names", VirusFixture, NULL, virus_set_up, test_names, virus_tear_down);
    g_test_add_func("/virus/mail/which_match", test_which_match);
    g_test_add("/virus/mail/line_ends", VirusFixture, NULL, virus_set_up, test_line_ends, virus_tear_down);
    g_test_add("/virus/mail/line_ends_of_page", VirusFixture, NULL, virus_set_up, test_line_ends_of_page,
               virus_tear_down);
    return g_test_run();
}
