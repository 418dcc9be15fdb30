#include "tally/store.h"

#include <string.h>

#include "base/error.h"

#define MARK 0x50735270 /* "PsRp" */
#define LAYOUT 1
#define BUSY_MS 5000
#define ROW_OCTETS 1024  /* of the file, that a row may take; they are smaller */
#define FAILURE_ROWS 100 /* in whose place a failure stands, which has a header */
#define FILE_MIN_OCTETS (4 * 1024 * 1024)
#define PRUNED_PARTS 20 /* the rows are counted once as many may be new as this part of all */

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS dmarc (day INTEGER NOT NULL, domain TEXT NOT NULL, source TEXT NOT NULL,"
    " header_from TEXT NOT NULL, envelope_from TEXT NOT NULL, disposition TEXT NOT NULL, dkim TEXT NOT NULL,"
    " spf TEXT NOT NULL, reason TEXT NOT NULL, comment TEXT NOT NULL, spf_domain TEXT NOT NULL,"
    " spf_result TEXT NOT NULL, signatures TEXT NOT NULL, messages INTEGER NOT NULL,"
    " PRIMARY KEY (day, domain, source, header_from, envelope_from, disposition, dkim, spf, reason, comment,"
    " spf_domain, spf_result, signatures)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS count (day INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,"
    " domain TEXT NOT NULL, messages INTEGER NOT NULL, PRIMARY KEY (day, kind, name, domain)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS policy (day INTEGER NOT NULL, domain TEXT NOT NULL, record TEXT NOT NULL,"
    " PRIMARY KEY (day, domain)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS report (day INTEGER NOT NULL, domain TEXT NOT NULL, state TEXT NOT NULL,"
    " tries INTEGER NOT NULL, PRIMARY KEY (day, domain)) WITHOUT ROWID;";

/* Parameters: the columns, the day, and the number. */
static const struct {
    const char *update, *insert;
    guint columns;
} statements[] = {
    [POSTERN_TALLY_DMARC] =
        {"UPDATE dmarc SET messages = messages + ?14 WHERE day = ?13 AND domain = ?1 AND source = ?2 AND"
         " header_from = ?3 AND envelope_from = ?4 AND disposition = ?5 AND dkim = ?6 AND spf = ?7 AND"
         " reason = ?8 AND comment = ?9 AND spf_domain = ?10 AND spf_result = ?11 AND signatures = ?12",
         "INSERT INTO dmarc VALUES (?13, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?14)",
         POSTERN_TALLY_DMARC_COLUMNS},
    [POSTERN_TALLY_COUNT] =
        {"UPDATE count SET messages = messages + ?5 WHERE day = ?4 AND kind = ?1 AND name = ?2 AND"
         " domain = ?3",
         "INSERT INTO count VALUES (?4, ?1, ?2, ?3, ?5)", POSTERN_TALLY_COUNT_COLUMNS},
};
static const char put_policy[] = "INSERT OR REPLACE INTO policy VALUES (?1, ?2, ?3)";
static const char *const tables[] = {"dmarc", "count", "policy", "report", "failure"};

struct PosternTallyStore {
    PosternDatabase *database;
    guint keep_days, max_rows;
    sqlite3_stmt *update[G_N_ELEMENTS(statements)], *insert[G_N_ELEMENTS(statements)], *policy;
    guint room;     /* rows that may be new before they are counted again */
    guint full_day; /* the day that has its half; 0: none */
    guint lost;     /* of one call */
    GError **error; /* of that call */
};

PosternDatabase *postern_tally_store_database(PosternTallyStore *store)
{
    return store->database;
}

static void finalize(PosternTallyStore *store)
{
    for (gsize i = 0; i < G_N_ELEMENTS(statements); i++) {
        sqlite3_finalize(g_steal_pointer(&store->update[i]));
        sqlite3_finalize(g_steal_pointer(&store->insert[i]));
    }
    sqlite3_finalize(g_steal_pointer(&store->policy));
}

char *postern_tally_store_set_aside(PosternTallyStore *store, GError **error)
{
    finalize(store);
    return postern_database_set_aside(store->database, error);
}

void postern_tally_store_free(PosternTallyStore *store)
{
    if (store == NULL)
        return;
    finalize(store);
    postern_database_free(store->database);
    g_free(store);
}

static PosternDatabaseOptions file_of(const char *path, guint64 octets_max)
{
    return (PosternDatabaseOptions){
        .what = "[report] store",
        .path = path,
        .schema = schema,
        .mark = MARK,
        .layout = LAYOUT,
        .wait_ms = BUSY_MS,
        .octets_max = octets_max,
    };
}

gboolean postern_tally_store_check(const char *path, gboolean by_its_user, GError **error)
{
    const PosternDatabaseOptions options = file_of(path, G_MAXUINT64);
    return postern_database_check(&options, by_its_user, error);
}

PosternTallyStore *postern_tally_store_open(const PosternTallyStoreOptions *wanted, char **ret_aside,
                                            GError **error)
{
    g_autoptr(PosternTallyStore) store = g_new0(PosternTallyStore, 1);
    PosternDatabaseOptions options =
        file_of(wanted->path, MAX((guint64)wanted->max_rows * ROW_OCTETS, FILE_MIN_OCTETS));
    options.must_exist = wanted->must_exist;
    store->keep_days = wanted->keep_days;
    store->max_rows = wanted->max_rows;
    store->database = postern_database_open(&options, ret_aside, error);
    gboolean ok = store->database != NULL &&
                  postern_database_run(store->database, postern_tally_failures_schema, error);
    for (gsize i = 0; i < G_N_ELEMENTS(statements) && ok; i++) {
        store->update[i] = postern_database_prepare(store->database, statements[i].update, error);
        store->insert[i] = store->update[i] != NULL
                               ? postern_database_prepare(store->database, statements[i].insert, error)
                               : NULL;
        ok = store->insert[i] != NULL;
    }
    store->policy = ok ? postern_database_prepare(store->database, put_policy, error) : NULL;
    return store->policy != NULL ? g_steal_pointer(&store) : NULL;
}

/* Days before that one go. */
static gboolean forget_before(PosternTallyStore *store, guint day, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autofree char *statement = g_strdup_printf("DELETE FROM %s WHERE day < %u", tables[i], day);
        if (!postern_database_run(store->database, statement, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean count_rows(PosternTallyStore *store, guint from_day, gint64 *ret_rows, GError **error)
{
    g_autofree char *statement = g_strdup_printf("SELECT (SELECT count(*) FROM dmarc WHERE day >= %u) +"
                                                 " (SELECT count(*) FROM count WHERE day >= %u)",
                                                 from_day, from_day);
    return postern_database_number(store->database, statement, ret_rows, error);
}

/* What is too old goes, then whole days, the oldest first; a day by itself never has more than half. */
static gboolean prune(PosternTallyStore *store, guint today, GError **error)
{
    guint part = MAX(store->max_rows / PRUNED_PARTS, 1);
    gint64 rows = 0, of_today = 0;
    if (!forget_before(store, today > store->keep_days ? today - store->keep_days : 0, error) ||
        !count_rows(store, 0, &rows, error) || !count_rows(store, today, &of_today, error))
        return FALSE;
    while (rows + part > store->max_rows && rows > of_today) {
        gint64 oldest = 0;
        if (!postern_database_number(store->database,
                                     "SELECT min(day) FROM (SELECT min(day) AS day FROM dmarc UNION ALL"
                                     " SELECT min(day) FROM count)",
                                     &oldest, error) ||
            !forget_before(store, (guint)oldest + 1, error) || !count_rows(store, 0, &rows, error))
            return FALSE;
    }
    gint64 half = store->max_rows / 2;
    store->full_day = of_today >= half ? today : 0;
    store->room = (guint)MIN(part, MAX(half - of_today, part / 2));
    return TRUE;
}

static gboolean step(PosternTallyStore *store, sqlite3_stmt *statement, guint day, char *const *columns,
                     guint count, guint messages)
{
    for (guint i = 0; i < count; i++)
        sqlite3_bind_text(statement, (int)i + 1, columns[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, (int)count + 1, day);
    sqlite3_bind_int64(statement, (int)count + 2, messages);
    (void)sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK || postern_database_fail(store->database, store->error);
}

static gboolean add_row(PosternTallyTable table, guint day, char *const *columns, guint messages,
                        gpointer user_data)
{
    PosternTallyStore *store = user_data;
    if (!step(store, store->update[table], day, columns, statements[table].columns, messages))
        return FALSE;
    if (sqlite3_changes(sqlite3_db_handle(store->update[table])) > 0)
        return TRUE;
    if (store->room == 0 && !prune(store, day, store->error))
        return FALSE;
    if (store->full_day == day) {
        store->lost++;
        return TRUE;
    }
    store->room -= MIN(store->room, 1);
    return step(store, store->insert[table], day, columns, statements[table].columns, messages);
}

static gboolean add_policy(guint day, const char *domain, const char *record, gpointer user_data)
{
    PosternTallyStore *store = user_data;
    if (store->full_day == day)
        return TRUE;
    sqlite3_bind_int64(store->policy, 1, day);
    sqlite3_bind_text(store->policy, 2, domain, -1, SQLITE_STATIC);
    sqlite3_bind_text(store->policy, 3, record, -1, SQLITE_STATIC);
    (void)sqlite3_step(store->policy);
    return sqlite3_reset(store->policy) == SQLITE_OK || postern_database_fail(store->database, store->error);
}

gboolean postern_tally_store_add(PosternTallyStore *store, const PosternTallyRows *rows,
                                 const PosternTallyFailures *failures, gint64 now, guint *ret_lost,
                                 GError **error)
{
    g_autoptr(GError) problem = NULL;
    store->lost = 0;
    store->error = &problem;
    if (!postern_database_run(store->database, "BEGIN IMMEDIATE", error))
        return FALSE;
    gboolean ok = (store->room > 0 || prune(store, postern_tally_day(now), &problem)) &&
                  postern_tally_rows_each(rows, add_row, add_policy, store) &&
                  postern_tally_failures_write(failures, store->database,
                                               MAX(store->max_rows / FAILURE_ROWS, 1), &problem) &&
                  postern_database_run(store->database, "COMMIT", &problem);
    *ret_lost = store->lost;
    if (ok)
        return TRUE;
    store->room = 0;
    gboolean damaged = postern_database_is_damaged(store->database);
    if (!damaged) /* it would take the place of what went wrong */
        (void)!postern_database_run(store->database, "ROLLBACK", NULL);
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
}
