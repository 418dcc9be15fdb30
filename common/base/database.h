/*
 * A file of SQLite for what a program remembers: several processes of one machine may share it, a commit
 * survives the end of the process, and a file that is damaged is set aside and begun anew. One thread at a
 * time.
 */
#pragma once

#include <glib.h>
#include <sqlite3.h>

typedef struct {
    const char *what;   /* before its path in errors: "[report] store" */
    const char *path;   /* made with mode 0640 if there is none; ":memory:": no file */
    const char *schema; /* statements that make its tables if they are missing */
    guint64 octets_max; /* of the file; a write that would make it larger fails */
    gboolean must_exist;
} PosternDatabaseOptions;

typedef struct PosternDatabase PosternDatabase;

/*
 * Texts of options outlive it. A file that SQLite cannot read as one of its own is renamed to PATH.damaged
 * (an older one of that name goes), and *ret_set_aside is TRUE. NULL and error: it cannot be opened.
 */
PosternDatabase *postern_database_open(const PosternDatabaseOptions *options, gboolean *ret_set_aside,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Statements must be finalized before. NULL is allowed. */
void postern_database_free(PosternDatabase *database);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDatabase, postern_database_free)

/* FALSE: another process has set the file aside, or it was removed: what is written is lost. Open it anew. */
gboolean postern_database_is_current(const PosternDatabase *database);
/* TRUE if the last call failed because the file is damaged. */
gboolean postern_database_is_damaged(const PosternDatabase *database);
/* Renames it to PATH.damaged, unless another process has. Free it then, and open it anew. */
void postern_database_set_aside(PosternDatabase *database);

/* Sets error by the last call that failed: "WHAT PATH: why". Always FALSE. */
gboolean postern_database_fail(const PosternDatabase *database, GError **error);

/* Runs statements that return nothing. */
gboolean postern_database_run(PosternDatabase *database, const char *statements,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The number that statement returns, 0 if it returns none, in *ret_number. */
gboolean postern_database_number(PosternDatabase *database, const char *statement, gint64 *ret_number,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* For sqlite3_bind_*() and sqlite3_step(); finalize it. NULL and error. */
sqlite3_stmt *postern_database_prepare(PosternDatabase *database, const char *statement,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
