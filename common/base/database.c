#include "base/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/database_file.h"
#include "base/error.h"

#define PAGE_OCTETS 4096

struct PosternDatabase {
    PosternDatabaseOptions options;
    sqlite3 *handle;
    struct stat file; /* that was opened */
    gboolean damaged;
};

static gboolean is_file(const PosternDatabase *database)
{
    return !g_str_equal(database->options.path, ":memory:");
}

/* What an administrator can do about it; "": nothing that we know of. */
static const char *advice_on(int code)
{
    switch (code) {
    case SQLITE_FULL:
        return ": make room on that disk";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return ": the folder must be there, and writable, with the file, for the user of this program";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ": another program keeps it locked: end that one";
    default:
        return "";
    }
}

gboolean postern_database_fail(PosternDatabase *database, GError **error)
{
    int code = database->handle != NULL ? sqlite3_errcode(database->handle) & 0xff : SQLITE_NOMEM;
    database->damaged = database->damaged || code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return postern_error_set(
        error, POSTERN_ERROR_SYSTEM, "%s %s: %s%s", database->options.what, database->options.path,
        database->handle != NULL ? sqlite3_errmsg(database->handle) : "no memory", advice_on(code));
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

gboolean postern_database_is_current(const PosternDatabase *database)
{
    struct stat now;
    return !is_file(database) || (stat(database->options.path, &now) == 0 &&
                                  now.st_dev == database->file.st_dev && now.st_ino == database->file.st_ino);
}

gboolean postern_database_is_damaged(const PosternDatabase *database)
{
    return database->damaged;
}

void postern_database_set_wait(PosternDatabase *database, guint wait_ms)
{
    sqlite3_busy_timeout(database->handle, (int)wait_ms);
}

static gboolean set_number(PosternDatabase *database, const char *pragma, guint number, GError **error)
{
    gint64 now = 0;
    g_autofree char *get = g_strdup_printf("PRAGMA %s", pragma);
    g_autofree char *set = g_strdup_printf("PRAGMA %s = %u", pragma, number);
    return postern_database_number(database, get, &now, error) &&
           (now == number || postern_database_run(database, set, error));
}

/* The mark is there before anything else, and in the file itself: what is in the log alone is not always
 * read. WAL: who only reads waits for nobody, and a commit needs no fsync to survive the end of the process.
 */
static gboolean prepare(PosternDatabase *database, GError **error)
{
    g_autofree char *pages = g_strdup_printf("PRAGMA max_page_count = %" G_GUINT64_FORMAT,
                                             database->options.octets_max / PAGE_OCTETS);
    return postern_database_run(database, "PRAGMA page_size = 4096", error) &&
           set_number(database, "application_id", database->options.mark, error) &&
           postern_database_run(database, "PRAGMA journal_mode = WAL", error) &&
           postern_database_run(database, "PRAGMA synchronous = NORMAL", error) &&
           postern_database_run(database, "PRAGMA journal_size_limit = 4194304", error) &&
           postern_database_run(database, pages, error) &&
           postern_database_run(database, database->options.schema, error) &&
           set_number(database, "user_version", database->options.layout, error);
}

/* Made by us, for SQLite would let everybody read it. */
static gboolean make_file(PosternDatabase *database, GError **error)
{
    const PosternDatabaseOptions *options = &database->options;
    if (!is_file(database))
        return TRUE;
    if (!postern_database_file_is_usable(options, error))
        return FALSE;
    int descriptor = open(options->path, O_RDWR | O_CLOEXEC | (options->must_exist ? 0 : O_CREAT), 0640);
    if (descriptor < 0)
        return postern_error_set_system(
            error, errno,
            "%s %s: the folder must be there, and writable, with the file, for the user of this program",
            options->what, options->path);
    gboolean ok = fstat(descriptor, &database->file) == 0;
    (void)close(descriptor);
    return ok || postern_error_set_system(error, errno, "%s %s", options->what, options->path);
}

/* If what is open is no longer what the path names, nothing that has its name is touched: SQLite would delete
 * the log of the file that is there now. */
static void shut(PosternDatabase *database)
{
    gboolean touch = !database->damaged && postern_database_is_current(database);
    if (database->handle != NULL)
        sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !touch, NULL);
    sqlite3_close(g_steal_pointer(&database->handle));
}

static gboolean is_ours(PosternDatabase *database, GError **error)
{
    g_autoptr(GError) problem = NULL;
    if (postern_database_file_is_ours(database->handle, &database->options, &problem))
        return TRUE;
    if (!g_error_matches(problem, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION))
        return postern_database_fail(database, error);
    sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(g_steal_pointer(&database->handle));
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
}

static gboolean open_once(PosternDatabase *database, GError **error)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (!make_file(database, error))
        return FALSE;
    if (sqlite3_open_v2(database->options.path, &database->handle, flags, NULL) != SQLITE_OK)
        return postern_database_fail(database, error);
    postern_database_set_wait(database, database->options.wait_ms);
    return is_ours(database, error) && prepare(database, error);
}

char *postern_database_set_aside(PosternDatabase *database, GError **error)
{
    shut(database);
    database->damaged = FALSE;
    return is_file(database) ? postern_database_file_set_aside(&database->options, &database->file, error)
                             : NULL;
}

PosternDatabase *postern_database_open(const PosternDatabaseOptions *options, char **ret_aside,
                                       GError **error)
{
    g_autoptr(PosternDatabase) database = g_new0(PosternDatabase, 1);
    g_autoptr(GError) problem = NULL;
    database->options = *options;
    *ret_aside = NULL;
    gboolean ok = open_once(database, &problem);
    if (!ok && database->damaged) {
        g_clear_error(&problem);
        *ret_aside = postern_database_set_aside(database, &problem);
        database->options.must_exist = FALSE;
        ok = problem == NULL && open_once(database, &problem);
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
    shut(database);
    g_free(database);
}
