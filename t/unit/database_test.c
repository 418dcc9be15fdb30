/* Which files a database is begun in, which are set aside, and which are left as they are. */
#include "base/database.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define MARK 0x12345678
#define SCHEMA                                                                                               \
    "CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY) WITHOUT ROWID;"                                 \
    "CREATE INDEX IF NOT EXISTS by_name ON kept (name);"
#define MAGIC "SQLite format 3"

typedef struct {
    char *folder;
    char *path;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->folder = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->folder, "store", NULL);
}

static void remove_all(const char *folder)
{
    g_autoptr(GDir) directory = g_dir_open(folder, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
            remove_all(path);
        else
            g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    remove_all(fixture->folder);
    g_free(fixture->folder);
    g_free(fixture->path);
}

static guint count_names(const char *folder)
{
    g_autoptr(GDir) directory = g_dir_open(folder, 0, NULL);
    guint count = 0;
    while (g_dir_read_name(directory) != NULL)
        count++;
    return count;
}

static PosternDatabase *try_open(const char *path, char **ret_aside, GError **error)
{
    const PosternDatabaseOptions options = {.what = "[test] store",
                                            .path = path,
                                            .schema = SCHEMA,
                                            .mark = MARK,
                                            .layout = 1,
                                            .octets_max = 1 << 20};
    return postern_database_open(&options, ret_aside, error);
}

static gint64 number_of(PosternDatabase *database, const char *statement)
{
    gint64 number = 0;
    g_assert_true(postern_database_number(database, statement, &number, NULL));
    return number;
}

/* Opens, adds a row and closes. The rows before, and where a damaged file is kept, or NULL. */
static gint64 use(const char *path, char **ret_aside)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternDatabase) database = try_open(path, ret_aside, &error);
    g_assert_no_error(error);
    gint64 rows = number_of(database, "SELECT count(*) FROM kept");
    g_autofree char *add =
        g_strdup_printf("INSERT INTO kept VALUES ('%" G_GINT64_FORMAT "')", g_get_monotonic_time());
    g_assert_true(postern_database_run(database, add, &error));
    return rows;
}

static gint64 use_sound(const char *path)
{
    g_autofree char *aside = NULL;
    gint64 rows = use(path, &aside);
    g_assert_cmpstr(aside, ==, NULL);
    return rows;
}

/* It is refused with that text; neither it nor its folder changes. */
static void assert_refused(const Fixture *fixture, const char *text)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    g_autofree char *aside = NULL;
    g_autoptr(GError) error = NULL;
    gsize lengths[2];
    guint names = count_names(fixture->folder);
    g_assert_true(g_file_get_contents(fixture->path, &before, &lengths[0], NULL));
    g_assert_null(try_open(fixture->path, &aside, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
    g_assert_cmpstr(aside, ==, NULL);
    g_assert_nonnull(strstr(error->message, fixture->path));
    g_assert_nonnull(strstr(error->message, "[test] store"));
    g_assert_nonnull(strstr(error->message, "name another file"));
    if (strstr(error->message, text) == NULL)
        g_error("\"%s\" is not in: %s", text, error->message);
    g_assert_true(g_file_get_contents(fixture->path, &after, &lengths[1], NULL));
    g_assert_cmpmem(before, lengths[0], after, lengths[1]);
    g_assert_cmpuint(count_names(fixture->folder), ==, names);
}

static sqlite3 *run(const char *path, const char *statements)
{
    sqlite3 *database = NULL;
    g_assert_cmpint(sqlite3_open(path, &database), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(database, statements, NULL, NULL, NULL), ==, SQLITE_OK);
    return database;
}

static void write_octets(const char *path, const char *octets, gsize length)
{
    g_assert_true(g_file_set_contents(path, octets, (gssize)length, NULL));
}

static void test_new(Fixture *fixture, gconstpointer data)
{
    (void)data;
    struct stat status;
    g_assert_cmpint(use_sound(fixture->path), ==, 0);
    g_assert_cmpint(use_sound(fixture->path), ==, 1);
    g_assert_cmpint(stat(fixture->path, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 07027, ==, 0);
    g_assert_cmpint(use_sound(":memory:"), ==, 0);
}

static void test_empty(Fixture *fixture, gconstpointer data)
{
    (void)data;
    write_octets(fixture->path, "", 0);
    g_assert_cmpint(use_sound(fixture->path), ==, 0);
    g_assert_cmpint(g_unlink(fixture->path), ==, 0);
    sqlite3_close(run(fixture->path, "PRAGMA user_version = 1; VACUUM")); /* a database without tables */
    g_assert_cmpint(use_sound(fixture->path), ==, 0);
}

/* Text, pictures, what begins as a database but for one octet, and zeros that are more than we would write.
 */
static void test_no_database(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static char large[(1 << 20) + 1];
    static const struct {
        const char *octets;
        gsize length;
    } files[] = {
        {"x", 1},
        {"this is somebody's text\n", 24},
        {"SQLite format 3", 15},
        {"SQLite format 4\0", 16},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x", 17},
        {large, sizeof large},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        write_octets(fixture->path, files[i].octets, files[i].length);
        assert_refused(fixture, "is no database of SQLite");
    }
    static char octets[8193];
    octets[8192] = 'x';
    write_octets(fixture->path, octets, sizeof octets);
    assert_refused(fixture, "is no database of SQLite");
}

static void test_no_file(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *aside = NULL;
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(mkfifo(fixture->path, 0600), ==, 0);
    g_assert_null(try_open(fixture->path, &aside, &error)); /* and does not wait for who writes to it */
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
    g_assert_nonnull(strstr(error->message, "is no file"));
    g_clear_error(&error);
    g_assert_null(try_open(fixture->folder, &aside, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
}

static void test_of_another(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *statements;
        const char *text;
    } others[] = {
        {"CREATE TABLE users (name TEXT)", "it has users"},
        {"CREATE TABLE kept (name TEXT)", "it has kept"},
        {"PRAGMA journal_mode = WAL; CREATE TABLE users (name TEXT)", "it has users"},
        {"PRAGMA application_id = 77; CREATE TABLE users (name TEXT)", "application_id 77"},
        {"PRAGMA application_id = 77; VACUUM", "application_id 77"},
        {"PRAGMA user_version = 9; CREATE TABLE users (name TEXT)", "it has users"},
        {"CREATE VIEW users AS SELECT 1", "it has users"},
        {SCHEMA "CREATE TABLE users (name TEXT)", "it has users"}, /* ours were added to it */
    };
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        sqlite3_close(run(fixture->path, others[i].statements));
        assert_refused(fixture, others[i].text);
        g_assert_cmpint(g_unlink(fixture->path), ==, 0);
    }
}

/* Its tables are in the log alone, for it still runs; it loses nothing. */
static void test_of_another_that_runs(Fixture *fixture, gconstpointer data)
{
    (void)data;
    sqlite3 *other = run(fixture->path, "PRAGMA journal_mode = WAL; CREATE TABLE users (name TEXT)");
    assert_refused(fixture, "it has users");
    g_assert_cmpint(sqlite3_exec(other, "INSERT INTO users VALUES ('a')", NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(other);
    assert_refused(fixture, "it has users");
    sqlite3_close(run(fixture->path, "BEGIN EXCLUSIVE; DELETE FROM users; ROLLBACK"));
    other = run(fixture->path, "PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE; DELETE FROM users");
    assert_refused(fixture, "it has users");
    sqlite3_close(other);
}

static void test_newer(Fixture *fixture, gconstpointer data)
{
    (void)data;
    sqlite3_close(run(fixture->path, "PRAGMA application_id = 0x12345678; PRAGMA user_version = 2;"
                                     "CREATE TABLE other (name TEXT)"));
    assert_refused(fixture, "a newer version of this program has written it (layout 2, this one knows 1)");
}

/* As files were before they were marked. */
static void test_unmarked(Fixture *fixture, gconstpointer data)
{
    (void)data;
    sqlite3_close(run(fixture->path, SCHEMA "INSERT INTO kept VALUES ('old')"));
    g_assert_cmpint(use_sound(fixture->path), ==, 1);
    sqlite3 *file = run(fixture->path, "CREATE TABLE later (name TEXT)"); /* it has its mark now */
    sqlite3_close(file);
    g_assert_cmpint(use_sound(fixture->path), ==, 2);
}

static void assert_set_aside(const char *path, const char *folder)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    g_autofree char *aside = NULL;
    gsize lengths[2];
    g_assert_true(g_file_get_contents(path, &before, &lengths[0], NULL));
    g_assert_cmpint(use(path, &aside), ==, 0);
    g_assert_nonnull(aside);
    g_assert_true(g_str_has_prefix(aside, folder));
    g_assert_nonnull(strstr(aside, "store.damaged-"));
    g_assert_true(g_file_get_contents(aside, &after, &lengths[1], NULL));
    g_assert_cmpmem(before, lengths[0], after, lengths[1]);
    g_assert_cmpint(use_sound(path), ==, 1);
}

static void test_damaged(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static char octets[8192];
    write_octets(fixture->path, octets, sizeof octets); /* zeros: after a loss of power */
    assert_set_aside(fixture->path, fixture->folder);
    memset(octets, 'x', sizeof octets);
    memcpy(octets, MAGIC, sizeof MAGIC);
    write_octets(fixture->path, octets, sizeof octets);
    assert_set_aside(fixture->path, fixture->folder);
    write_octets(fixture->path, octets, 40);
    assert_set_aside(fixture->path, fixture->folder);
}

/* The file moves, the link stays and leads to the new one. */
static void test_link(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *elsewhere = g_build_filename(fixture->folder, "elsewhere", NULL);
    g_autofree char *target = g_build_filename(elsewhere, "store", NULL);
    g_assert_cmpint(g_mkdir(elsewhere, 0700), ==, 0);
    g_assert_cmpint(symlink("elsewhere/store", fixture->path), ==, 0);
    g_assert_cmpint(use_sound(fixture->path), ==, 0); /* of a link to a file that is not there yet */
    g_assert_cmpint(use_sound(target), ==, 1);
    write_octets(target, MAGIC "\0and no more that is of one", 40);
    assert_set_aside(fixture->path, elsewhere);
    g_assert_true(g_file_test(fixture->path, G_FILE_TEST_IS_SYMLINK));
    g_assert_cmpuint(count_names(fixture->folder), ==, 2);
    g_assert_cmpint(use_sound(target), ==, 2);
}

/* Somebody writes over it while it is open: it is kept if it was SQLite's, and else left as it is. */
static void test_overwritten(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *aside = NULL;
    g_autoptr(GError) error = NULL;
    PosternDatabase *database = try_open(fixture->path, &aside, &error);
    g_assert_no_error(error);
    write_octets(fixture->path, "somebody's text", 15);
    g_assert_false(postern_database_is_current(database)); /* it is another file now */
    g_assert_null(postern_database_set_aside(database, &error));
    g_assert_no_error(error);
    postern_database_free(database);
    assert_refused(fixture, "is no database of SQLite");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/database/new", test_new},
        {"/database/empty", test_empty},
        {"/database/no-database", test_no_database},
        {"/database/no-file", test_no_file},
        {"/database/of-another", test_of_another},
        {"/database/of-another-that-runs", test_of_another_that_runs},
        {"/database/newer", test_newer},
        {"/database/unmarked", test_unmarked},
        {"/database/damaged", test_damaged},
        {"/database/link", test_link},
        {"/database/overwritten", test_overwritten},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
