/* Files of the greylist that cannot be used: damaged, locked, full, read-only, of others. */
#include <glib/gstdio.h>
#include <sched.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/database.h"
#include "greylist/store.h"

#define KNOWN "domain:known.example"
#define NEW "domain:new.example"

typedef struct {
    char *folder;
    char *path;
    PosternGreylistStore *store;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->folder = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->folder, "greylist", NULL);
}

static void close_store(Fixture *fixture)
{
    if (fixture->store != NULL)
        fixture->store->functions->free(fixture->store);
    fixture->store = NULL;
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    close_store(fixture);
    g_autoptr(GDir) directory = g_dir_open(fixture->folder, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *path = g_build_filename(fixture->folder, name, NULL);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
    g_free(fixture->folder);
    g_free(fixture->path);
}

static PosternGreylistStore *open_store(const char *path)
{
    const PosternGreylistStoreOptions options = {
        path, 1000, 1 << 20, {.delay_s = 300, .window_s = 3600, .lifetime_s = 7200}};
    return postern_greylist_sqlite_new(&options);
}

/* One batch; what it says, or NULL. */
static char *try_note(PosternGreylistStore *store, const char *identity)
{
    const PosternGreylistEntry entry = {g_get_real_time() / G_USEC_PER_SEC,
                                        g_get_real_time() / G_USEC_PER_SEC, TRUE};
    g_autoptr(GError) error = NULL;
    gboolean ok = store->functions->begin(store, &error);
    if (ok) {
        ok = store->functions->put(store, identity, &entry, &error);
        ok = store->functions->end(store, ok ? &error : NULL) && ok;
    }
    return ok ? NULL : g_strdup(error->message);
}

static void assert_fails(PosternGreylistStore *store, const char *text)
{
    g_autofree char *problem = try_note(store, NEW);
    g_assert_nonnull(problem);
    g_assert_nonnull(strstr(problem, "[greylist] file"));
    if (strstr(problem, text) == NULL)
        g_error("\"%s\" is not in: %s", text, problem);
}

static void assert_works(PosternGreylistStore *store, const char *identity)
{
    g_autofree char *problem = try_note(store, identity);
    g_assert_cmpstr(problem, ==, NULL);
}

static gboolean knows(PosternGreylistStore *store, const char *identity)
{
    g_autoptr(GError) error = NULL;
    PosternGreylistEntry entry;
    g_assert_true(store->functions->begin(store, &error));
    g_assert_true(store->functions->get(store, identity, &entry, &error));
    g_assert_true(store->functions->end(store, &error));
    return entry.passed;
}

/* What is kept of files that were damaged, logs aside. */
static guint count_aside(const Fixture *fixture)
{
    g_autoptr(GDir) directory = g_dir_open(fixture->folder, 0, NULL);
    guint count = 0;
    const char *name;
    while ((name = g_dir_read_name(directory)) != NULL)
        count += g_str_has_prefix(name, "greylist.damaged-") && !g_str_has_suffix(name, "-wal");
    return count;
}

/* Overwrites what is from octet from on. */
static void damage(const char *path, gsize from)
{
    g_autofree char *octets = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(path, &octets, &length, NULL));
    g_assert_cmpuint(length, >, from);
    FILE *file = fopen(path, "r+b");
    g_assert_cmpint(fseek(file, (long)from, SEEK_SET), ==, 0);
    for (gsize i = from; i < length; i++)
        g_assert_cmpint(fputc('x', file), ==, 'x');
    g_assert_cmpint(fclose(file), ==, 0);
}

static void fill(Fixture *fixture)
{
    fixture->store = open_store(fixture->path);
    assert_works(fixture->store, KNOWN);
}

/* At the start: no database, one whose pages are gone, one that is cut short. */
static void test_damaged(Fixture *fixture, gconstpointer data)
{
    for (guint i = 0; i < 3; i++) {
        fill(fixture);
        close_store(fixture);
        if (i < 2)
            damage(fixture->path, i == 0 ? 16 : 4096);
        else
            g_assert_cmpint(truncate(fixture->path, 4096), ==, 0);
        fixture->store = open_store(fixture->path);
        g_autofree char *problem = try_note(fixture->store, NEW);
        g_assert_true((problem != NULL) == fixture->store->functions->mend(fixture->store));
        g_assert_false(fixture->store->functions->mend(fixture->store));
        assert_works(fixture->store, NEW);
        g_assert_false(knows(fixture->store, KNOWN));
        g_assert_cmpuint(count_aside(fixture), ==, i + 1);
        close_store(fixture);
        g_assert_cmpint(g_unlink(fixture->path), ==, 0);
    }
}

/* However often it happens, few are kept. */
static void test_few_are_kept(Fixture *fixture, gconstpointer data)
{
    for (guint i = 0; i < POSTERN_DATABASE_SET_ASIDE_MAX + 3; i++) {
        g_assert_true(
            g_file_set_contents(fixture->path, "SQLite format 3\0and no more that is of one", 40, NULL));
        fixture->store = open_store(fixture->path);
        assert_works(fixture->store, NEW);
        close_store(fixture);
    }
    g_assert_cmpuint(count_aside(fixture), ==, POSTERN_DATABASE_SET_ASIDE_MAX);
}

/* Two processes have it open: one of them sets it aside, and both use the new one. */
static void test_damaged_while_shared(Fixture *fixture, gconstpointer data)
{
    PosternGreylistStore *other = open_store(fixture->path);
    fill(fixture);
    assert_works(other, "domain:other.example");
    damage(fixture->path, 16);
    g_autofree char *log = g_strconcat(fixture->path, "-wal", NULL);
    damage(log, 0);
    for (guint i = 0; i < 200 && count_aside(fixture) == 0; i++) {
        g_autofree char *problem = try_note(fixture->store, NEW);
        if (problem != NULL)
            g_assert_true(fixture->store->functions->mend(fixture->store));
    }
    g_assert_cmpuint(count_aside(fixture), <=, 1);
    close_store(fixture);
    fixture->store = open_store(fixture->path);
    g_autofree char *problem = try_note(fixture->store, NEW);
    if (problem != NULL) {
        g_assert_true(fixture->store->functions->mend(fixture->store));
        assert_works(fixture->store, NEW);
    }
    assert_works(other, "domain:last.example");
    g_assert_true(knows(fixture->store, "domain:last.example"));
    g_assert_true(knows(other, NEW));
    g_assert_cmpuint(count_aside(fixture), ==, 1);
    other->functions->free(other);
    assert_works(fixture->store, KNOWN);
    close_store(fixture);
    fixture->store = open_store(fixture->path);
    g_assert_true(knows(fixture->store, "domain:last.example") && knows(fixture->store, KNOWN));
}

/* An administrator has moved it away, or removed it. */
static void test_moved(Fixture *fixture, gconstpointer data)
{
    g_autofree char *away = g_strconcat(fixture->path, ".away", NULL);
    fill(fixture);
    g_assert_cmpint(g_rename(fixture->path, away), ==, 0);
    assert_works(fixture->store, NEW);
    g_assert_cmpint(g_unlink(fixture->path), ==, 0);
    assert_works(fixture->store, NEW);
    g_assert_true(knows(fixture->store, NEW));
    g_assert_cmpuint(count_aside(fixture), ==, 0);
}

static sqlite3 *open_database(const char *path, const char *statement)
{
    sqlite3 *database = NULL;
    g_assert_cmpint(sqlite3_open(path, &database), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(database, statement, NULL, NULL, NULL), ==, SQLITE_OK);
    return database;
}

static void test_locked(Fixture *fixture, gconstpointer data)
{
    fill(fixture);
    sqlite3 *other = open_database(fixture->path, "BEGIN IMMEDIATE");
    assert_fails(fixture->store, "keeps it locked");
    gint64 began = g_get_monotonic_time();
    for (guint i = 0; i < 100; i++) /* nobody waits again for what is locked for long */
        assert_fails(fixture->store, "keeps it locked");
    g_assert_cmpint(g_get_monotonic_time() - began, <, 3 * G_USEC_PER_SEC);
    g_assert_false(fixture->store->functions->mend(fixture->store));
    sqlite3_close(other);
    assert_works(fixture->store, NEW);
    g_assert_true(knows(fixture->store, KNOWN));
}

/* It is for the version that wrote it, and stays as it is. */
static void test_newer(Fixture *fixture, gconstpointer data)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    gsize lengths[2];
    sqlite3_close(open_database(
        fixture->path,
        "PRAGMA application_id = 0x5073476c; PRAGMA user_version = 2; CREATE TABLE entries (x, y)"));
    g_assert_true(g_file_get_contents(fixture->path, &before, &lengths[0], NULL));
    fixture->store = open_store(fixture->path);
    assert_fails(fixture->store,
                 "a newer version of this program has written it (layout 2, this one knows 1)");
    g_assert_false(fixture->store->functions->mend(fixture->store));
    close_store(fixture);
    g_assert_true(g_file_get_contents(fixture->path, &after, &lengths[1], NULL));
    g_assert_cmpmem(before, lengths[0], after, lengths[1]);
}

/* What was written before layouts had numbers, and files marks, is known. */
static void test_unnumbered(Fixture *fixture, gconstpointer data)
{
    fill(fixture);
    close_store(fixture);
    sqlite3_close(open_database(fixture->path, "PRAGMA user_version = 0; PRAGMA application_id = 0"));
    fixture->store = open_store(fixture->path);
    g_assert_true(knows(fixture->store, KNOWN));
}

/* It stays octet by octet, and nothing comes to stand beside it. */
static void assert_left_alone(Fixture *fixture, const char *text)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    gsize lengths[2];
    guint names = 0;
    g_assert_true(g_file_get_contents(fixture->path, &before, &lengths[0], NULL));
    fixture->store = open_store(fixture->path);
    assert_fails(fixture->store, text);
    assert_fails(fixture->store, "name another file");
    g_assert_false(fixture->store->functions->mend(fixture->store));
    close_store(fixture);
    g_assert_true(g_file_get_contents(fixture->path, &after, &lengths[1], NULL));
    g_assert_cmpmem(before, lengths[0], after, lengths[1]);
    g_autoptr(GDir) directory = g_dir_open(fixture->folder, 0, NULL);
    while (g_dir_read_name(directory) != NULL)
        names++;
    g_assert_cmpuint(names, ==, 1);
}

static void test_of_another(Fixture *fixture, gconstpointer data)
{
    sqlite3_close(open_database(fixture->path, "CREATE TABLE entry (name TEXT)"));
    assert_left_alone(fixture, "is a database of another program (it has entry)");
}

static void test_no_folder(Fixture *fixture, gconstpointer data)
{
    g_autofree char *folder = g_build_filename(fixture->folder, "none", NULL);
    g_autofree char *path = g_build_filename(folder, "greylist", NULL);
    fixture->store = open_store(path);
    assert_fails(fixture->store, "the folder must be there, and writable");
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    assert_works(fixture->store, NEW);
    close_store(fixture);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static gboolean mount_small(const Fixture *fixture)
{
    if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", fixture->folder, "tmpfs", 0, "size=256k") == 0)
        return TRUE;
    g_test_skip("only root can mount a small disk");
    return FALSE;
}

static void test_read_only(Fixture *fixture, gconstpointer data)
{
    if (!mount_small(fixture))
        return;
    fill(fixture);
    close_store(fixture);
    g_assert_cmpint(mount("none", fixture->folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
    fixture->store = open_store(fixture->path);
    assert_fails(fixture->store, "the folder must be there, and writable");
    g_assert_false(fixture->store->functions->mend(fixture->store));
    g_assert_cmpint(mount("none", fixture->folder, NULL, MS_REMOUNT, "size=256k"), ==, 0);
    assert_works(fixture->store, NEW);
    g_assert_true(knows(fixture->store, KNOWN));
    close_store(fixture);
    g_assert_cmpint(umount(fixture->folder), ==, 0);
}

static void test_disk_full(Fixture *fixture, gconstpointer data)
{
    g_autofree char *filler = g_build_filename(fixture->folder, "filler", NULL);
    static const char octets[4096] = {0};
    if (!mount_small(fixture))
        return;
    fill(fixture);
    FILE *file = fopen(filler, "wb");
    setvbuf(file, NULL, _IONBF, 0);
    while (fwrite(octets, sizeof octets, 1, file) == 1)
        continue;
    fclose(file);
    g_autofree char *problem = NULL;
    for (guint i = 0; i < 1000 && problem == NULL; i++) {
        g_autofree char *identity = g_strdup_printf("domain:%u.example", i);
        problem = try_note(fixture->store, identity);
    }
    g_assert_nonnull(problem);
    g_assert_nonnull(strstr(problem, "make room on that disk"));
    g_assert_false(fixture->store->functions->mend(fixture->store));
    close_store(fixture);
    fixture->store = open_store(fixture->path); /* and a start with it */
    g_free(try_note(fixture->store, NEW));
    g_assert_cmpint(g_unlink(filler), ==, 0);
    assert_works(fixture->store, NEW);
    g_assert_true(knows(fixture->store, KNOWN));
    g_assert_cmpuint(count_aside(fixture), ==, 0);
    close_store(fixture);
    g_assert_cmpint(umount(fixture->folder), ==, 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/greylist-file/damaged", test_damaged},
        {"/greylist-file/few-are-kept", test_few_are_kept},
        {"/greylist-file/damaged-while-shared", test_damaged_while_shared},
        {"/greylist-file/moved", test_moved},
        {"/greylist-file/locked", test_locked},
        {"/greylist-file/newer", test_newer},
        {"/greylist-file/unnumbered", test_unnumbered},
        {"/greylist-file/of-another", test_of_another},
        {"/greylist-file/no-folder", test_no_folder},
        {"/greylist-file/read-only", test_read_only},
        {"/greylist-file/disk-full", test_disk_full},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
