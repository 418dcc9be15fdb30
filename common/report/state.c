#include "report/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

int postern_report_lock(const char *store, GError **error)
{
    g_autofree char *path = g_strconcat(store, ".sending", NULL);
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        return descriptor;
    int number = errno;
    if (descriptor >= 0)
        (void)close(descriptor);
    if (number == EWOULDBLOCK)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, "another postern-report is sending");
    else
        (void)postern_error_set_system(error, number, "%s", path);
    return -1;
}

gboolean postern_report_set_state(PosternDatabase *database, guint day, const char *domain, const char *state,
                                  guint tried, GError **error)
{
    static const char statement[] = "INSERT INTO report VALUES (?1, ?2, ?3, ?4) ON CONFLICT (day, domain)"
                                    " DO UPDATE SET state = ?3, tries = tries + ?4";
    sqlite3_stmt *put = postern_database_prepare(database, statement, error);
    if (put == NULL)
        return FALSE;
    sqlite3_bind_int64(put, 1, day);
    sqlite3_bind_text(put, 2, domain, -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 3, state, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 4, tried);
    (void)sqlite3_step(put);
    return sqlite3_finalize(put) == SQLITE_OK || postern_database_fail(database, error);
}

gboolean postern_report_is_due(PosternDatabase *database, guint day, const char *domain, gboolean *ret_due,
                               GError **error)
{
    static const char statement[] = "SELECT state = '" POSTERN_REPORT_FAILED "' AND tries < ?3 FROM report"
                                    " WHERE day = ?1 AND domain = ?2";
    sqlite3_stmt *query = postern_database_prepare(database, statement, error);
    *ret_due = TRUE;
    if (query == NULL)
        return FALSE;
    sqlite3_bind_int64(query, 1, day);
    sqlite3_bind_text(query, 2, domain, -1, SQLITE_STATIC);
    sqlite3_bind_int64(query, 3, POSTERN_REPORT_TRIES_MAX);
    int result = sqlite3_step(query);
    if (result == SQLITE_ROW)
        *ret_due = sqlite3_column_int(query, 0) != 0;
    sqlite3_finalize(query);
    return result == SQLITE_ROW || result == SQLITE_DONE || postern_database_fail(database, error);
}
