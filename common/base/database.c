#include "base/database.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define PAGE_OCTETS 4096
#define BUSY_MS 5000

struct PosternDatabase {
    PosternDatabaseOptions options;
    sqlite3 *handle;
    dev_t device; /* with inode: the file that was opened */
    ino_t inode;
};

static gboolean is_file(const PosternDatabase *database)
{
    return !g_str_equal(database->options.path, ":memory:");
}

gboolean postern_database_fail(const PosternDatabase *database, GError **error)
{
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM, "%s %s: %s", database->options.what,
                database->options.path,
                database->handle != NULL ? sqlite3_errmsg(database->handle) : "no memory");
    return FALSE;
}

gboolean postern_database_run(PosternDatabase *database, const char *statements, GError **error)
{
    return sqlite3_exec(database->handle, statements, NULL, NULL, NULL) == SQLITE_OK ||
           postern_database_fail(database, error);
}

static int take_number(void *data, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(gint64 *)data = values[0] != NULL ? g_ascii_strtoll(values[0], NULL, 10) : 0;
    return 0;
}

gboolean postern_database_number(PosternDatabase *database, const char *statement, gint64 *ret_number,
                                 GError **error)
{
    *ret_number = 0;
    return sqlite3_exec(database->handle, statement, take_number, ret_number, NULL) == SQLITE_OK ||
           postern_database_fail(database, error);
}

sqlite3_stmt *postern_database_prepare(PosternDatabase *database, const char *statement, GError **error)
{
    sqlite3_stmt *prepared = NULL;
    if (sqlite3_prepare_v2(database->handle, statement, -1, &prepared, NULL) != SQLITE_OK)
        (void)postern_database_fail(database, error);
    return prepared;
}

static gboolean is_at_path(const PosternDatabase *database)
{
    struct stat status;
    return stat(database->options.path, &status) == 0 && status.st_dev == database->device &&
           status.st_ino == database->inode;
}

gboolean postern_database_is_current(const PosternDatabase *database)
{
    return !is_file(database) || is_at_path(database);
}

gboolean postern_database_is_damaged(const PosternDatabase *database)
{
    int code = database->handle != NULL ? sqlite3_errcode(database->handle) : SQLITE_OK;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

/* Of several processes that see the damage one renames the file; the others find another one in its place. */
void postern_database_set_aside(PosternDatabase *database)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    if (!is_file(database))
        return;
    g_autofree char *lock = g_strconcat(database->options.path, ".lock", NULL);
    int descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (descriptor >= 0)
        (void)flock(descriptor, LOCK_EX);
    for (gsize i = 0; is_at_path(database) && i < G_N_ELEMENTS(endings); i++) {
        gsize last = G_N_ELEMENTS(endings) - 1 - i; /* the file itself goes last */
        g_autofree char *from = g_strconcat(database->options.path, endings[last], NULL);
        g_autofree char *to = g_strconcat(database->options.path, ".damaged", endings[last], NULL);
        if (g_rename(from, to) != 0)
            (void)g_unlink(to);
    }
    if (descriptor >= 0)
        (void)close(descriptor);
}

/* WAL: who only reads waits for nobody, and a commit needs no fsync to survive the end of the process. */
static gboolean prepare(PosternDatabase *database, GError **error)
{
    g_autofree char *pages = g_strdup_printf("PRAGMA max_page_count = %" G_GUINT64_FORMAT,
                                             database->options.octets_max / PAGE_OCTETS);
    sqlite3_busy_timeout(database->handle, BUSY_MS);
    return postern_database_run(database, "PRAGMA page_size = 4096", error) &&
           postern_database_run(database, "PRAGMA journal_mode = WAL", error) &&
           postern_database_run(database, "PRAGMA synchronous = NORMAL", error) &&
           postern_database_run(database, "PRAGMA journal_size_limit = 4194304", error) &&
           postern_database_run(database, pages, error) &&
           postern_database_run(database, database->options.schema, error);
}

/* Made by us, for SQLite would let everybody read it. */
static gboolean make_file(PosternDatabase *database, GError **error)
{
    struct stat status;
    if (!is_file(database))
        return TRUE;
    int flags = O_RDWR | O_CLOEXEC | (database->options.must_exist ? 0 : O_CREAT);
    int descriptor = open(database->options.path, flags, 0640);
    if (descriptor < 0)
        return postern_error_set_system(error, errno, "%s %s", database->options.what,
                                        database->options.path);
    gboolean ok = fstat(descriptor, &status) == 0;
    database->device = status.st_dev;
    database->inode = status.st_ino;
    (void)close(descriptor);
    return ok ||
           postern_error_set_system(error, errno, "%s %s", database->options.what, database->options.path);
}

static gboolean open_once(PosternDatabase *database, GError **error)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (!make_file(database, error))
        return FALSE;
    if (sqlite3_open_v2(database->options.path, &database->handle, flags, NULL) != SQLITE_OK)
        return postern_database_fail(database, error);
    return prepare(database, error);
}

PosternDatabase *postern_database_open(const PosternDatabaseOptions *options, gboolean *ret_set_aside,
                                       GError **error)
{
    g_autoptr(PosternDatabase) database = g_new0(PosternDatabase, 1);
    g_autoptr(GError) problem = NULL;
    database->options = *options;
    *ret_set_aside = FALSE;
    gboolean ok = open_once(database, &problem);
    if (!ok && postern_database_is_damaged(database)) {
        postern_database_set_aside(database);
        *ret_set_aside = TRUE;
        g_clear_error(&problem);
        sqlite3_close(g_steal_pointer(&database->handle));
        database->options.must_exist = FALSE;
        ok = open_once(database, &problem);
    }
    if (ok)
        return g_steal_pointer(&database);
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
}

void postern_database_free(PosternDatabase *database)
{
    if (database == NULL)
        return;
    sqlite3_close(database->handle);
    g_free(database);
}
