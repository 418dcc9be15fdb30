/*
 * What [virus] database may name: only signatures that are loaded all, or an empty folder, make an engine;
 * all else says what is wrong and what to do.
 */
#include "checks/check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/signature_files.h"
#include "unit/virus_fixture.h"

typedef struct {
    char *folder;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->folder = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    g_assert_nonnull(fixture->folder);
}

static void empty(const char *folder)
{
    g_autoptr(GDir) list = g_dir_open(folder, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(list)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_unlink(path) != 0)
            g_assert_cmpint(g_rmdir(path), ==, 0);
    }
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    empty(fixture->folder);
    g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
    g_free(fixture->folder);
}

static char *put(const Fixture *fixture, const char *name, const char *text)
{
    char *path = g_build_filename(fixture->folder, name, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

/* The finding for a message that has the mark of the signature in it. */
static PosternVirusResult scan_mark(const Fixture *fixture, PosternVirusEngine *engine)
{
    static const char message[] = "A: b\r\n\r\n" VIRUS_MARK "\r\n";
    g_autofree char *temporary = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
    postern_check_virus(engine, message, strlen(message), temporary, &finding);
    g_assert_cmpint(g_rmdir(temporary), ==, 0);
    return finding.result;
}

static void test_loads(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = put(fixture, "own.ndb", VIRUS_SIGNATURE);
    g_autofree char *other = put(fixture, "notes.txt", "not for the library\n");
    const char *const databases[] = {fixture->folder, file};
    for (gsize i = 0; i < G_N_ELEMENTS(databases); i++) {
        g_autofree char *warning = NULL;
        guint count = 0;
        g_autoptr(PosternContentEngine) content = postern_content_engine_new();
        g_autoptr(PosternVirusEngine) engine = virus_engine(databases[i], content, &count, &warning);
        g_assert_cmpuint(count, ==, 2);
        g_assert_null(warning);
        g_assert_cmpint(scan_mark(fixture, engine), ==, POSTERN_VIRUS_INFECTED);
        g_assert_true(postern_signature_files_check(databases[i], NULL));
    }
}

/* Nothing is called clean by a scan that knows no virus; EICAR is found all the same. */
static void test_empty_folder(Fixture *fixture, gconstpointer data)
{
    static const char *const left_by_freshclam[] = {NULL, "freshclam.dat", "mirrors.dat", ".hidden",
                                                    "tmp.a1b2"};
    for (gsize i = 0; i < G_N_ELEMENTS(left_by_freshclam); i++) {
        g_autofree char *file = left_by_freshclam[i] != NULL ? put(fixture, left_by_freshclam[i], "x") : NULL;
        g_autofree char *warning = NULL;
        g_autofree char *zip = virus_zip_message();
        g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
        guint count = 0;
        g_autoptr(PosternContentEngine) content = postern_content_engine_new();
        g_autoptr(PosternVirusEngine) engine = virus_engine(fixture->folder, content, &count, &warning);
        g_assert_cmpuint(count, ==, 1);
        g_assert_nonnull(strstr(warning, fixture->folder));
        g_assert_nonnull(strstr(warning, "freshclam"));
        g_assert_cmpint(scan_mark(fixture, engine), ==, POSTERN_VIRUS_NO_SIGNATURES);
        postern_check_virus(engine, zip, strlen(zip), fixture->folder, &finding);
        g_assert_cmpint(finding.result, ==, POSTERN_VIRUS_INFECTED);
    }
}

static void expect_refused(const char *database, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *warning = NULL;
    guint count = 0;
    const PosternVirusOptions options = {.database = database, .scan_octets = VIRUS_SCAN_OCTETS};
    g_autoptr(PosternVirusEngine) engine = postern_virus_engine_new(&options, &count, &warning, &error);
    if (engine != NULL)
        g_error("%s makes an engine; wanted: %s", database, why);
    g_assert_null(warning);
    if (strstr(error->message, why) == NULL || strstr(error->message, "[virus] database") == NULL ||
        strstr(error->message, "freshclam") == NULL)
        g_error("'%s', wanted '%s'", error->message, why);
}

static void test_not_there(Fixture *fixture, gconstpointer data)
{
    g_autofree char *missing = g_build_filename(fixture->folder, "missing", NULL);
    g_autofree char *below_a_file = g_build_filename("/etc/passwd", "x", NULL);
    g_autofree char *link = g_build_filename(fixture->folder, "dangling.ndb", NULL);
    expect_refused(missing, "does not exist");
    expect_refused(below_a_file, "cannot be read");
    expect_refused("/dev/null", "neither a folder nor a file");
    g_assert_cmpint(symlink(missing, link), ==, 0);
    expect_refused(link, "does not exist");
    expect_refused(fixture->folder, "cannot be read");
    g_assert_false(postern_signature_files_check(fixture->folder, NULL));
    g_assert_false(postern_signature_files_check(missing, NULL));
}

/* The library would wait at one for ever, read the other without end, and never come back from the third. */
static void test_not_files(Fixture *fixture, gconstpointer data)
{
    g_autofree char *good = put(fixture, "own.ndb", VIRUS_SIGNATURE);
    g_autofree char *path = g_build_filename(fixture->folder, "other.hdb", NULL);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    expect_refused(fixture->folder, "other.hdb is not a file");
    g_assert_false(postern_signature_files_check(fixture->folder, NULL));
    g_unlink(path);
    g_assert_cmpint(symlink("/dev/zero", path), ==, 0);
    expect_refused(fixture->folder, "other.hdb is not a file");
    g_unlink(path);
    g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
    expect_refused(fixture->folder, "other.hdb is not a file");
    g_assert_cmpint(g_rmdir(path), ==, 0);
    g_assert_true(postern_signature_files_check(fixture->folder, NULL));
}

static void test_mistyped(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = put(fixture, "notes.txt", "a folder, but another one\n");
    g_autofree char *folder = g_build_filename(fixture->folder, "clamav", NULL);
    expect_refused(fixture->folder, "is it the right folder");
    g_unlink(file);
    g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
    expect_refused(fixture->folder, "is it the right folder");
}

/* One that is damaged, cut or empty takes all with it: half of the signatures is not told from all. */
static void test_damaged(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *name, *text;
    } files[] = {
        {"bad.ndb", "not a signature\n"},
        {"cut.ndb", VIRUS_SIGNATURE "Own-Test:0:*:6f7"},
        {"empty.ndb", ""},
        {"daily.cvd", "ClamAV-VDB:01 Jan 2026 00-00 +0000:1:1:90:x:x:builder:1"},
        {"daily.cld", ""},
        {"bad.ldb", "Name;Target:0;0\n"},
        {"bad.hdb", "zz:1:Name\n"},
        {"main.cvd", "<html>404</html>\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *good = put(fixture, "good.ndb", VIRUS_SIGNATURE);
        g_autofree char *bad = put(fixture, files[i].name, files[i].text);
        expect_refused(fixture->folder, fixture->folder);
        expect_refused(bad, bad);
        empty(fixture->folder);
    }
}

/* Files of which the library makes nothing are no signatures. */
static void test_none_in_it(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = put(fixture, "daily.ign2", "Some.Name\n");
    expect_refused(fixture->folder, "there are none in it");
}

static void test_unreadable(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = put(fixture, "own.ndb", VIRUS_SIGNATURE);
    if (geteuid() == 0) {
        g_test_skip("root reads everything");
        return;
    }
    g_assert_cmpint(g_chmod(file, 0), ==, 0);
    expect_refused(fixture->folder, "cannot be read");
    expect_refused(file, "cannot be read");
    g_assert_cmpint(g_chmod(fixture->folder, 0), ==, 0);
    expect_refused(fixture->folder, "cannot be read");
    g_assert_cmpint(g_chmod(fixture->folder, 0700), ==, 0);
}

/* The print changes with what would be loaded, and with nothing else. */
static void test_print(Fixture *fixture, gconstpointer data)
{
    g_autofree char *none = postern_signature_files_print(fixture->folder);
    g_autofree char *notes = put(fixture, "notes.txt", "x");
    g_autofree char *still_none = postern_signature_files_print(fixture->folder);
    g_autofree char *file = put(fixture, "own.ndb", VIRUS_SIGNATURE);
    g_autofree char *one = postern_signature_files_print(fixture->folder);
    g_autofree char *same = postern_signature_files_print(fixture->folder);
    g_autofree char *of_file = postern_signature_files_print(file);
    g_autofree char *again = put(fixture, "own.ndb", VIRUS_SIGNATURE);
    g_autofree char *replaced = postern_signature_files_print(fixture->folder);
    g_autofree char *file_replaced = postern_signature_files_print(file);
    g_assert_cmpstr(none, ==, still_none);
    g_assert_cmpstr(none, !=, one);
    g_assert_cmpstr(one, ==, same);
    g_assert_cmpstr(one, !=, replaced);
    g_assert_cmpstr(of_file, !=, file_replaced);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/virus-database/loads", test_loads},           {"/virus-database/empty-folder", test_empty_folder},
        {"/virus-database/not-there", test_not_there},   {"/virus-database/mistyped", test_mistyped},
        {"/virus-database/not-files", test_not_files},   {"/virus-database/damaged", test_damaged},
        {"/virus-database/none-in-it", test_none_in_it}, {"/virus-database/unreadable", test_unreadable},
        {"/virus-database/print", test_print},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
