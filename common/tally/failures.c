#include "tally/failures.h"

#include "base/limits.h"

struct PosternTallyFailures {
    guint rate;
    GHashTable *known; /* key_of() to PosternTallyFailure * */
    GHashTable *hours; /* "DAY\tHOUR\tDOMAIN" to a number */
};

const char postern_tally_failures_schema[] =
    "CREATE TABLE IF NOT EXISTS failure (day INTEGER NOT NULL, hour INTEGER NOT NULL, domain TEXT NOT NULL,"
    " cause TEXT NOT NULL, record TEXT NOT NULL, spf_domain TEXT NOT NULL, fields TEXT NOT NULL,"
    " header TEXT NOT NULL, incidents INTEGER NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL,"
    " PRIMARY KEY (day, hour, domain, cause)) WITHOUT ROWID;";

static char *hour_of(const PosternTallyFailure *failure)
{
    return g_strdup_printf("%u\t%u\t%s", failure->day, failure->hour, failure->domain);
}

static char *key_of(const PosternTallyFailure *failure)
{
    g_autofree char *hour = hour_of(failure);
    return g_strdup_printf("%s\t%s", hour, failure->cause);
}

PosternTallyFailures *postern_tally_failures_new(guint rate)
{
    PosternTallyFailures *failures = g_new0(PosternTallyFailures, 1);
    failures->rate = rate;
    failures->known =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)postern_tally_failure_free);
    failures->hours = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return failures;
}

void postern_tally_failures_free(PosternTallyFailures *failures)
{
    if (failures == NULL)
        return;
    g_hash_table_unref(failures->known);
    g_hash_table_unref(failures->hours);
    g_free(failures);
}

gboolean postern_tally_failures_count(PosternTallyFailures *failures, const PosternTallyFailure *failure)
{
    g_autofree char *key = key_of(failure), *hour = hour_of(failure);
    PosternTallyFailure *known = g_hash_table_lookup(failures->known, key);
    if (known != NULL) {
        known->incidents += known->incidents < G_MAXUINT ? 1 : 0;
        return TRUE;
    }
    return g_hash_table_size(failures->known) >= POSTERN_FAILURES_WAITING_MAX ||
           GPOINTER_TO_UINT(g_hash_table_lookup(failures->hours, hour)) >= failures->rate;
}

void postern_tally_failures_add(PosternTallyFailures *failures, PosternTallyFailure *failure)
{
    if (postern_tally_failures_count(failures, failure)) { /* another thread was faster */
        postern_tally_failure_free(failure);
        return;
    }
    g_autofree char *hour = hour_of(failure);
    guint number = GPOINTER_TO_UINT(g_hash_table_lookup(failures->hours, hour));
    g_hash_table_replace(failures->hours, g_steal_pointer(&hour), GUINT_TO_POINTER(number + 1));
    g_hash_table_replace(failures->known, key_of(failure), failure);
}

guint postern_tally_failures_length(const PosternTallyFailures *failures)
{
    return g_hash_table_size(failures->known);
}

typedef struct {
    sqlite3_stmt *update, *insert;
    guint rate, maximum;
} Writing;

static gboolean step(sqlite3_stmt *statement, const PosternTallyFailure *failure, const Writing *writing)
{
    const char *texts[] = {failure->domain,     failure->cause,  failure->record,
                           failure->spf_domain, failure->fields, failure->header};
    int count = sqlite3_bind_parameter_count(statement), first_text = 4;
    sqlite3_bind_int64(statement, 1, failure->day);
    sqlite3_bind_int64(statement, 2, failure->hour);
    sqlite3_bind_int64(statement, 3, failure->incidents);
    for (int i = 0; i < (int)G_N_ELEMENTS(texts) && first_text + i <= count; i++)
        sqlite3_bind_text(statement, first_text + i, texts[i], -1, SQLITE_STATIC);
    if (statement == writing->insert) {
        sqlite3_bind_int64(statement, count - 1, writing->rate);
        sqlite3_bind_int64(statement, count, writing->maximum);
    }
    (void)sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK;
}

static gboolean write_all(const PosternTallyFailures *failures, PosternDatabase *database,
                          const Writing *writing, GError **error)
{
    GHashTableIter iterator;
    gpointer failure;
    g_hash_table_iter_init(&iterator, failures->known);
    while (g_hash_table_iter_next(&iterator, NULL, &failure)) {
        if (!step(writing->update, failure, writing))
            return postern_database_fail(database, error);
        if (sqlite3_changes(sqlite3_db_handle(writing->update)) == 0 &&
            !step(writing->insert, failure, writing))
            return postern_database_fail(database, error);
    }
    return TRUE;
}

gboolean postern_tally_failures_write(const PosternTallyFailures *failures, PosternDatabase *database,
                                      guint maximum, GError **error)
{
    static const char update[] = "UPDATE failure SET incidents = incidents + ?3 WHERE day = ?1 AND hour = ?2"
                                 " AND domain = ?4 AND cause = ?5";
    static const char insert[] =
        "INSERT INTO failure SELECT ?1, ?2, ?4, ?5, ?6, ?7, ?8, ?9, ?3, '', 0 WHERE ?10 >"
        " (SELECT count(*) FROM failure WHERE day = ?1 AND hour = ?2 AND domain = ?4) AND ?11 >"
        " (SELECT count(*) FROM failure)";
    if (failures == NULL || g_hash_table_size(failures->known) == 0)
        return TRUE;
    Writing writing = {.rate = failures->rate, .maximum = maximum};
    writing.update = postern_database_prepare(database, update, error);
    writing.insert = writing.update != NULL ? postern_database_prepare(database, insert, error) : NULL;
    gboolean ok = writing.insert != NULL && write_all(failures, database, &writing, error);
    sqlite3_finalize(writing.update);
    sqlite3_finalize(writing.insert);
    return ok;
}
