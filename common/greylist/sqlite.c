#include "base/database.h"
#include "base/log.h"
#include "greylist/store.h"

#define MARK 0x5073476c /* "PsGl" */
#define LAYOUT 1
#define PAGE_OCTETS 4096
#define BUSY_MS 3000     /* less than POSTERN_GREYLIST_WAIT_MS, so that who asks is answered */
#define PRUNED_PARTS 20  /* so much of all goes at once: 1 / this */
#define COUNT_EVERY 1000 /* entries put; others may share the file */

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS entry (identity TEXT PRIMARY KEY, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, passed INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS entry_by_age ON entry (passed, last);";

typedef struct {
    PosternGreylistStore store;
    PosternGreylistStoreOptions options;
    PosternDatabase *database; /* NULL: it could not be opened, or has to be opened anew */
    sqlite3_stmt *get;
    sqlite3_stmt *put;
    guint puts;      /* until the entries are counted again */
    gboolean failed; /* the last batch: who waits for a lock has waited */
} Sqlite;

static Sqlite *of(PosternGreylistStore *store)
{
    return (Sqlite *)store;
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
    if (!postern_database_run(self->database, old, error) ||
        !postern_database_number(self->database, "SELECT count(*) FROM entry", &count, error) ||
        !postern_database_number(self->database, "PRAGMA page_count", &pages, error) ||
        !postern_database_number(self->database, "PRAGMA freelist_count", &unused, error))
        return FALSE;
    gint64 more = count + self->puts - self->options.entries_max;
    gboolean large = (guint64)(pages - unused) * PAGE_OCTETS > self->options.octets_max / 4 * 3;
    if (more <= 0 && !large)
        return TRUE;
    g_autofree char *most = g_strdup_printf("DELETE FROM entry WHERE identity IN (SELECT identity FROM entry "
                                            "ORDER BY passed, last LIMIT %" G_GINT64_FORMAT ")",
                                            MAX(more, count / (large ? 4 : PRUNED_PARTS)));
    return postern_database_run(self->database, most, error);
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
    return result == SQLITE_ROW || result == SQLITE_DONE || postern_database_fail(self->database, error);
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
    return postern_database_fail(self->database, error);
}

static void shut(Sqlite *self)
{
    sqlite3_finalize(g_steal_pointer(&self->get));
    sqlite3_finalize(g_steal_pointer(&self->put));
    g_clear_pointer(&self->database, postern_database_free);
}

static void tell_aside(const Sqlite *self, const char *aside)
{
    if (aside != NULL)
        postern_log(POSTERN_LOG_WARNING,
                    "[greylist] file %s was damaged: it is kept as %s, and a new one is begun, so whoever was"
                    " known has to come back once; look at the disk, and remove what is not needed",
                    self->options.path, aside);
}

static PosternDatabaseOptions file_of(const char *path, guint64 octets_max)
{
    return (PosternDatabaseOptions){
        .what = "[greylist] file",
        .path = path,
        .schema = schema,
        .mark = MARK,
        .layout = LAYOUT,
        .octets_max = octets_max,
        .wait_ms = BUSY_MS,
    };
}

gboolean postern_greylist_sqlite_check(const char *path, gboolean by_its_user, GError **error)
{
    const PosternDatabaseOptions options = file_of(path, G_MAXUINT64);
    return postern_database_check(&options, by_its_user, error);
}

/* What fails later may be damage that mend() sees to, so it stays open. */
static gboolean open_file(Sqlite *self, GError **error)
{
    g_autofree char *aside = NULL;
    const char *path = self->options.path[0] == '\0' ? ":memory:" : self->options.path;
    PosternDatabaseOptions options = file_of(path, self->options.octets_max);
    options.wait_ms = self->failed ? 0 : BUSY_MS;
    self->database = postern_database_open(&options, &aside, error);
    tell_aside(self, aside);
    if (self->database == NULL)
        return FALSE;
    self->get = postern_database_prepare(self->database,
                                         "SELECT first, last, passed FROM entry WHERE identity = ?", error);
    if (self->get == NULL)
        return FALSE;
    self->put =
        postern_database_prepare(self->database, "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)", error);
    return self->put != NULL && prune(self, error);
}

static gboolean begin(PosternGreylistStore *store, GError **error)
{
    Sqlite *self = of(store);
    if (self->database != NULL && !postern_database_is_current(self->database))
        shut(self);
    if (self->database == NULL && !open_file(self, error)) {
        if (self->database != NULL && !postern_database_is_damaged(self->database))
            shut(self);
        self->failed = TRUE;
        return FALSE;
    }
    postern_database_set_wait(self->database, self->failed ? 0 : BUSY_MS);
    self->failed = !postern_database_run(self->database, "BEGIN IMMEDIATE", error);
    return !self->failed;
}

static gboolean end(PosternGreylistStore *store, GError **error)
{
    Sqlite *self = of(store);
    if (postern_database_run(self->database, "COMMIT", error))
        return TRUE;
    self->failed = TRUE;
    (void)!postern_database_run(self->database, "ROLLBACK", NULL);
    return FALSE;
}

static gboolean mend(PosternGreylistStore *store)
{
    g_autoptr(GError) error = NULL;
    Sqlite *self = of(store);
    if (self->database == NULL || !postern_database_is_damaged(self->database) ||
        self->options.path[0] == '\0')
        return FALSE;
    sqlite3_finalize(g_steal_pointer(&self->get));
    sqlite3_finalize(g_steal_pointer(&self->put));
    g_autofree char *aside = postern_database_set_aside(self->database, &error);
    shut(self);
    tell_aside(self, aside);
    if (error != NULL)
        postern_log(POSTERN_LOG_ERROR, "%s", error->message);
    return error == NULL;
}

static void sqlite_free(PosternGreylistStore *store)
{
    Sqlite *self = of(store);
    shut(self);
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
