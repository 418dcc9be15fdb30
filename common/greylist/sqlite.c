#include <sqlite3.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/log.h"
#include "greylist/set_aside.h"
#include "greylist/store.h"

#define LAYOUT 1 /* PRAGMA user_version; 0 is the same, of before it had a number */
#define PAGE_OCTETS 4096
#define BUSY_MS 3000     /* less than POSTERN_GREYLIST_WAIT_MS, so that who asks is answered */
#define PRUNED_PARTS 20  /* so much of all goes at once: 1 / this */
#define COUNT_EVERY 1000 /* entries put; others may share the file */

typedef struct {
    PosternGreylistStore store;
    PosternGreylistStoreOptions options;
    sqlite3 *database; /* NULL: it could not be opened, or has to be opened anew */
    sqlite3_stmt *get;
    sqlite3_stmt *put;
    struct stat file; /* that is open */
    guint puts;       /* until the entries are counted again */
    gboolean damaged;
    gboolean failed; /* the last batch: who waits for a lock has waited */
} Sqlite;

static Sqlite *of(PosternGreylistStore *store)
{
    return (Sqlite *)store;
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
    case SQLITE_ERROR:
        return ": if it is of another program, name another file";
    default:
        return "";
    }
}

static gboolean fail(Sqlite *self, GError **error)
{
    int code = self->database != NULL ? sqlite3_errcode(self->database) & 0xff : SQLITE_NOMEM;
    self->damaged = self->damaged || code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM, "[greylist] file %s: %s%s", self->options.path,
                self->database != NULL ? sqlite3_errmsg(self->database) : "no memory", advice_on(code));
    return FALSE;
}

static gboolean run(Sqlite *self, const char *statement, GError **error)
{
    return sqlite3_exec(self->database, statement, NULL, NULL, NULL) == SQLITE_OK || fail(self, error);
}

static int take_number(void *data, int columns, char **values, char **names)
{
    *(gint64 *)data = values[0] != NULL ? g_ascii_strtoll(values[0], NULL, 10) : 0;
    return 0;
}

static gboolean ask_number(Sqlite *self, const char *statement, gint64 *ret_number, GError **error)
{
    return sqlite3_exec(self->database, statement, take_number, ret_number, NULL) == SQLITE_OK ||
           fail(self, error);
}

/* Those whose time is over go, and then, if there are too many, those who have not passed, the oldest first.
 * A file that is full could not even forget: it never becomes so. */
static gboolean prune(Sqlite *self, GError **error)
{
    const PosternGreylistTimes *times = &self->options.times;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC, count = 0, pages = 0, unused = 0;
    g_autofree char *old = g_strdup_printf("DELETE FROM entry WHERE passed = 0 AND last < %" G_GINT64_FORMAT
                                           " OR passed = 1 AND last < %" G_GINT64_FORMAT,
                                           now - times->window_s, now - times->lifetime_s);
    self->puts = MIN(COUNT_EVERY, self->options.entries_max / PRUNED_PARTS);
    if (!run(self, old, error) || !ask_number(self, "SELECT count(*) FROM entry", &count, error) ||
        !ask_number(self, "PRAGMA page_count", &pages, error) ||
        !ask_number(self, "PRAGMA freelist_count", &unused, error))
        return FALSE;
    gint64 more = count + self->puts - self->options.entries_max;
    gboolean large = (guint64)(pages - unused) * PAGE_OCTETS > self->options.octets_max / 4 * 3;
    if (more <= 0 && !large)
        return TRUE;
    g_autofree char *most = g_strdup_printf("DELETE FROM entry WHERE identity IN (SELECT identity FROM entry "
                                            "ORDER BY passed, last LIMIT %" G_GINT64_FORMAT ")",
                                            MAX(more, count / (large ? 4 : PRUNED_PARTS)));
    return run(self, most, error);
}

static gboolean get(PosternGreylistStore *store, const char *identity, PosternGreylistEntry *ret_entry,
                    GError **error)
{
    Sqlite *self = of(store);
    *ret_entry = (PosternGreylistEntry){.first = 0};
    sqlite3_bind_text(self->get, 1, identity, -1, SQLITE_STATIC);
    int result = sqlite3_step(self->get);
    if (result == SQLITE_ROW) {
        ret_entry->first = sqlite3_column_int64(self->get, 0);
        ret_entry->last = sqlite3_column_int64(self->get, 1);
        ret_entry->passed = sqlite3_column_int(self->get, 2) != 0;
    }
    sqlite3_reset(self->get);
    return result == SQLITE_ROW || result == SQLITE_DONE || fail(self, error);
}

static gboolean put(PosternGreylistStore *store, const char *identity, const PosternGreylistEntry *entry,
                    GError **error)
{
    Sqlite *self = of(store);
    if (self->puts > 0)
        self->puts--;
    else if (!prune(self, error))
        return FALSE;
    sqlite3_bind_text(self->put, 1, identity, -1, SQLITE_STATIC);
    sqlite3_bind_int64(self->put, 2, entry->first);
    sqlite3_bind_int64(self->put, 3, entry->last);
    sqlite3_bind_int(self->put, 4, entry->passed);
    (void)sqlite3_step(self->put);
    if (sqlite3_reset(self->put) == SQLITE_OK)
        return TRUE;
    self->puts = 0;
    return fail(self, error);
}

/* WAL: who only reads waits for nobody, and a commit needs no fsync to survive the end of the process. */
static gboolean prepare(Sqlite *self, GError **error)
{
    g_autofree char *pages =
        g_strdup_printf("PRAGMA max_page_count = %" G_GUINT64_FORMAT, self->options.octets_max / PAGE_OCTETS);
    g_autofree char *layout = g_strdup_printf("PRAGMA user_version = %u", LAYOUT);
    return run(self, "PRAGMA page_size = 4096", error) && run(self, "PRAGMA journal_mode = WAL", error) &&
           run(self, "PRAGMA synchronous = NORMAL", error) &&
           run(self, "PRAGMA journal_size_limit = 4194304", error) && run(self, pages, error) &&
           run(self,
               "CREATE TABLE IF NOT EXISTS entry (identity TEXT PRIMARY KEY, first INTEGER NOT NULL,"
               " last INTEGER NOT NULL, passed INTEGER NOT NULL) WITHOUT ROWID",
               error) &&
           run(self, "CREATE INDEX IF NOT EXISTS entry_by_age ON entry (passed, last)", error) &&
           run(self, layout, error) &&
           (sqlite3_prepare_v2(self->database, "SELECT first, last, passed FROM entry WHERE identity = ?", -1,
                               &self->get, NULL) == SQLITE_OK ||
            fail(self, error)) &&
           (sqlite3_prepare_v2(self->database, "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)", -1,
                               &self->put, NULL) == SQLITE_OK ||
            fail(self, error)) &&
           prune(self, error);
}

static gboolean is_in_memory(const Sqlite *self)
{
    return self->options.path[0] == '\0';
}

/* What a newer version has written is left as it is, for that version. */
static gboolean knows_layout(Sqlite *self, GError **error)
{
    gint64 layout = 0;
    if (!ask_number(self, "PRAGMA user_version", &layout, error))
        return FALSE;
    if (layout <= LAYOUT)
        return TRUE;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                "[greylist] file %s: a newer version of this program has written it (layout %" G_GINT64_FORMAT
                ", this one knows %d): run that version, or name another file",
                self->options.path, layout, LAYOUT);
    return FALSE;
}

/* in_place: what is open is still what the path names. Else nothing that has its name is touched: SQLite
 * would delete the log of the file that is there now. */
static void shut(Sqlite *self, gboolean in_place)
{
    if (self->database != NULL)
        sqlite3_db_config(self->database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !in_place, NULL);
    sqlite3_finalize(g_steal_pointer(&self->get));
    sqlite3_finalize(g_steal_pointer(&self->put));
    sqlite3_close(g_steal_pointer(&self->database));
}

static gboolean open_file(Sqlite *self, GError **error)
{
    const char *path = is_in_memory(self) ? ":memory:" : self->options.path;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    gboolean ok = sqlite3_open_v2(path, &self->database, flags, NULL) == SQLITE_OK || fail(self, error);
    sqlite3_busy_timeout(self->database, self->failed ? 0 : BUSY_MS);
    ok = ok && knows_layout(self, error) && prepare(self, error);
    if (stat(path, &self->file) != 0)
        self->file = (struct stat){0};
    if (!ok)
        shut(self, !self->damaged);
    return ok;
}

/* Somebody has set it aside, or removed it: what is written to it nobody would read. */
static gboolean is_gone(const Sqlite *self)
{
    struct stat now;
    return !is_in_memory(self) && (stat(self->options.path, &now) != 0 || now.st_ino != self->file.st_ino ||
                                   now.st_dev != self->file.st_dev);
}

static gboolean begin(PosternGreylistStore *store, GError **error)
{
    Sqlite *self = of(store);
    if (self->database != NULL && is_gone(self))
        shut(self, FALSE);
    if (self->database == NULL && !open_file(self, error)) {
        self->failed = TRUE;
        return FALSE;
    }
    sqlite3_busy_timeout(self->database, self->failed ? 0 : BUSY_MS);
    self->failed = !run(self, "BEGIN IMMEDIATE", error);
    return !self->failed;
}

static gboolean end(PosternGreylistStore *store, GError **error)
{
    Sqlite *self = of(store);
    if (run(self, "COMMIT", error))
        return TRUE;
    self->failed = TRUE;
    (void)sqlite3_exec(self->database, "ROLLBACK", NULL, NULL, NULL);
    return FALSE;
}

static gboolean mend(PosternGreylistStore *store)
{
    g_autoptr(GError) error = NULL;
    Sqlite *self = of(store);
    if (!self->damaged || is_in_memory(self))
        return FALSE;
    shut(self, FALSE);
    self->damaged = FALSE;
    g_autofree char *aside = postern_greylist_set_aside(self->options.path, &self->file, &error);
    if (error != NULL)
        postern_log(POSTERN_LOG_ERROR,
                    "[greylist] file %s is damaged, and cannot be set aside: %s: move it away, or"
                    " make its folder writable",
                    self->options.path, error->message);
    else if (aside != NULL)
        postern_log(POSTERN_LOG_WARNING,
                    "[greylist] file %s was damaged: it is kept as %s, and a new one is begun, so whoever was"
                    " known has to come back once; look at the disk, and remove what is not needed",
                    self->options.path, aside);
    return error == NULL;
}

static void sqlite_free(PosternGreylistStore *store)
{
    Sqlite *self = of(store);
    shut(self, !is_gone(self));
    g_free((gpointer)(guintptr)self->options.path);
    g_free(self);
}

static const PosternGreylistStoreFunctions functions = {begin, end, get, put, mend, sqlite_free};

PosternGreylistStore *postern_greylist_sqlite_new(const PosternGreylistStoreOptions *options)
{
    Sqlite *self = g_new0(Sqlite, 1);
    self->store.functions = &functions;
    self->options = *options;
    self->options.path = g_strdup(options->path);
    return &self->store;
}
