/*
 * A file of SQLite for what a program remembers: several processes of one machine may share it, a commit
 * survives the end of the process, and a file that is damaged is set aside and begun anew. A file of another
 * program is left as it is. One thread at a time.
 */
#pragma once

#include <glib.h>
#include <sqlite3.h>

#define POSTERN_DATABASE_SET_ASIDE_MAX 3 /* damaged files kept of one; the oldest go */

typedef struct {
    const char *what;   /* before its path in errors: "[report] store" */
    const char *path;   /* made with mode 0640 if there is none; ":memory:": no file */
    const char *schema; /* statements that make its tables if they are missing */
    guint32 mark;       /* PRAGMA application_id, below 2^31: whose file it is */
    guint layout;       /* PRAGMA user_version that schema is; 0 is the same, of before it had a number */
    guint64 octets_max; /* of the file; a write that would make it larger fails */
    guint wait_ms;      /* for another process that has it locked */
    gboolean must_exist;
} PosternDatabaseOptions;

typedef struct PosternDatabase PosternDatabase;

/*
 * Texts of options outlive it. A file that SQLite wrote, or that holds nothing but zeros, and that is damaged
 * is renamed, *ret_aside is its new name (owned by the caller), and another is begun; else *ret_aside is
 * NULL. NULL and error: it cannot be opened. POSTERN_ERROR_CONFIGURATION: it is no file of SQLite, or one of
 * another program (it is marked as such, or it has no mark, and tables that schema does not make), or a newer
 * version has written it: it is as it was.
 */
PosternDatabase *postern_database_open(const PosternDatabaseOptions *options, char **ret_aside,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/*
 * Whether postern_database_open() could use the file, as far as can be seen without a write or a lock; one
 * that is not there yet can be made. Nothing is changed. by_its_user: this process may do what the one that
 * opens it may; else what it is not allowed to see or do is taken to be right. FALSE and error, which says
 * what to do.
 */
gboolean postern_database_check(const PosternDatabaseOptions *options, gboolean by_its_user,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Statements must be finalized before. NULL is allowed. */
void postern_database_free(PosternDatabase *database);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDatabase, postern_database_free)

/* FALSE: another process has set the file aside, or it was removed: what is written is lost. Open it anew. */
gboolean postern_database_is_current(const PosternDatabase *database);
/* TRUE if a call has failed because the file is damaged. */
gboolean postern_database_is_damaged(const PosternDatabase *database);
/*
 * Closes it, as postern_database_free(), and renames it to PATH.damaged-DATE; of a symbolic link, the file
 * that it names. The new name, owned by the caller; NULL without error: another process has. Open it anew
 * then. NULL and error: it cannot be renamed, or is no file of SQLite any more, and stays as it is.
 */
char *postern_database_set_aside(PosternDatabase *database, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Where path leads: the target of a symbolic link, also of one that is not there yet. Owned by the caller. */
char *postern_database_resolve(const char *path) G_GNUC_WARN_UNUSED_RESULT;

/* From now on; see wait_ms. */
void postern_database_set_wait(PosternDatabase *database, guint wait_ms);

/* Sets error by the last call that failed: "WHAT PATH: why", and what to do about it. Always FALSE. */
gboolean postern_database_fail(PosternDatabase *database, GError **error);

/* Runs statements that return nothing. */
gboolean postern_database_run(PosternDatabase *database, const char *statements,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The number that statement returns, 0 if it returns none, in *ret_number. */
gboolean postern_database_number(PosternDatabase *database, const char *statement, gint64 *ret_number,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* For sqlite3_bind_*() and sqlite3_step(); finalize it. NULL and error. */
sqlite3_stmt *postern_database_prepare(PosternDatabase *database, const char *statement,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
