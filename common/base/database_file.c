#include "base/database_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

#define INFIX ".damaged-"
#define LOG "-wal"
#define MAGIC "SQLite format 3" /* with its NUL: the first octets of each */
#define ADVICE ": nothing in it is changed; name another file"

char *postern_database_resolve(const char *path)
{
    char *resolved = realpath(path, NULL);
    if (resolved != NULL) {
        char *copy = g_strdup(resolved);
        free(resolved);
        return copy;
    }
    g_autofree char *target = g_file_read_link(path, NULL); /* of a file that is still to be made */
    if (target == NULL || g_path_is_absolute(target))
        return target != NULL ? g_steal_pointer(&target) : g_strdup(path);
    g_autofree char *folder = g_path_get_dirname(path);
    return g_build_filename(folder, target, NULL);
}

static gboolean refuse(const PosternDatabaseOptions *options, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean refuse(const PosternDatabaseOptions *options, GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *why = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "%s %s %s", options->what, options->path,
                             why);
}

/* Zeros are what some file systems leave of a file after a loss of power. */
static gboolean is_of_zeros(int file)
{
    char octets[4096];
    ssize_t length;
    while ((length = read(file, octets, sizeof octets)) > 0)
        for (ssize_t i = 0; i < length; i++)
            if (octets[i] != '\0')
                return FALSE;
    return length == 0;
}

/* TRUE if SQLite has written it, or nobody: whoever names another program's file gets it back as it is. */
static gboolean is_of_sqlite(int file, const PosternDatabaseOptions *options, GError **error)
{
    struct stat status;
    char head[sizeof MAGIC];
    if (fstat(file, &status) != 0)
        return postern_error_set_system(error, errno, "%s %s", options->what, options->path);
    if (!S_ISREG(status.st_mode))
        return refuse(options, error, "is no file" ADVICE);
    if (pread(file, head, sizeof head, 0) == (ssize_t)sizeof head && memcmp(head, MAGIC, sizeof head) == 0)
        return TRUE;
    if ((guint64)status.st_size <= options->octets_max && is_of_zeros(file))
        return TRUE;
    return refuse(options, error, "is no database of SQLite" ADVICE ", or remove it if nobody needs it");
}

/* What the schema makes: of each table and index the name and the statement. */
static GHashTable *list_made(const char *schema)
{
    GHashTable *made = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    sqlite3 *handle = NULL;
    sqlite3_stmt *list = NULL;
    if (sqlite3_open(":memory:", &handle) == SQLITE_OK &&
        sqlite3_exec(handle, schema, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(handle, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL", -1, &list, NULL) ==
            SQLITE_OK)
        while (sqlite3_step(list) == SQLITE_ROW)
            g_hash_table_add(made, g_strdup((const char *)sqlite3_column_text(list, 0)));
    sqlite3_finalize(list);
    sqlite3_close(handle);
    return made;
}

static gboolean fail(sqlite3 *handle, const PosternDatabaseOptions *options, GError **error)
{
    return postern_error_set(error, POSTERN_ERROR_SYSTEM, "%s %s: %s", options->what, options->path,
                             sqlite3_errmsg(handle));
}

/* For files of before they were marked. */
static gboolean has_only_ours(sqlite3 *handle, const PosternDatabaseOptions *options, GError **error)
{
    sqlite3_stmt *list = NULL;
    g_autoptr(GHashTable) made = list_made(options->schema);
    g_autofree char *other = NULL;
    int result = sqlite3_prepare_v2(handle, "SELECT sql, name FROM sqlite_master WHERE sql IS NOT NULL", -1,
                                    &list, NULL);
    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(list);
        if (result != SQLITE_ROW || g_hash_table_contains(made, sqlite3_column_text(list, 0)))
            continue;
        g_autofree char *name = g_strescape((const char *)sqlite3_column_text(list, 1), NULL);
        other = g_strdup_printf("is a database of another program (it has %.60s)" ADVICE, name);
        result = SQLITE_DONE;
    }
    sqlite3_finalize(list);
    if (result != SQLITE_DONE)
        return fail(handle, options, error);
    return other == NULL || refuse(options, error, "%s", other);
}

static gboolean ask(sqlite3 *handle, const char *statement, gint64 *ret_number)
{
    sqlite3_stmt *prepared = NULL;
    gboolean ok = sqlite3_prepare_v2(handle, statement, -1, &prepared, NULL) == SQLITE_OK &&
                  sqlite3_step(prepared) == SQLITE_ROW;
    *ret_number = ok ? sqlite3_column_int64(prepared, 0) : 0;
    return sqlite3_finalize(prepared) == SQLITE_OK && ok;
}

gboolean postern_database_file_is_ours(sqlite3 *handle, const PosternDatabaseOptions *options, GError **error)
{
    gint64 mark = 0, layout = 0;
    if (!ask(handle, "PRAGMA application_id", &mark) || !ask(handle, "PRAGMA user_version", &layout))
        return fail(handle, options, error);
    if (mark != 0 && mark != options->mark)
        return refuse(options, error,
                      "is a database of another program (application_id %" G_GINT64_FORMAT ")" ADVICE, mark);
    if (mark == 0 && !has_only_ours(handle, options, error))
        return FALSE;
    if (layout <= options->layout)
        return TRUE;
    return refuse(options, error,
                  "is left alone: a newer version of this program has written it (layout %" G_GINT64_FORMAT
                  ", this one knows %u): run that version, or name another file",
                  layout, options->layout);
}

/* immutable: SQLite makes no file beside it, and takes no lock. What it reads may be half written, so of its
 * answers the one counts that it is of another. */
static gboolean looks_ours(const char *path, const PosternDatabaseOptions *options, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autofree char *name = g_filename_to_uri(path, NULL, NULL);
    g_autofree char *uri = g_strconcat(name != NULL ? name : "file:", "?immutable=1", NULL);
    sqlite3 *handle = NULL;
    gboolean ok = sqlite3_open_v2(uri, &handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) != SQLITE_OK ||
                  postern_database_file_is_ours(handle, options, &problem) ||
                  !g_error_matches(problem, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
    sqlite3_close(handle);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&problem));
    return ok;
}

static int open_to_look(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* it may be a pipe */
}

gboolean postern_database_file_is_usable(const PosternDatabaseOptions *options, GError **error)
{
    g_autofree char *path = postern_database_resolve(options->path);
    int file = open_to_look(path);
    if (file < 0)
        return errno == ENOENT ||
               postern_error_set_system(error, errno, "%s %s", options->what, options->path);
    gboolean ok = is_of_sqlite(file, options, error);
    (void)close(file);
    return ok && looks_ours(path, options, error);
}

gboolean postern_database_check(const PosternDatabaseOptions *options, gboolean by_its_user, GError **error)
{
    g_autofree char *path = postern_database_resolve(options->path);
    g_autofree char *folder = g_path_get_dirname(path);
    if (access(folder, by_its_user ? W_OK | X_OK : F_OK) != 0)
        return (errno == EACCES && !by_its_user) ||
               postern_error_set_system(
                   error, errno,
                   "%s %s: its folder %s has to be there, and writable for the user of this program",
                   options->what, options->path, folder);
    if (access(path, by_its_user ? R_OK | W_OK : R_OK) != 0)
        return errno == ENOENT || (errno == EACCES && !by_its_user) ||
               postern_error_set_system(error, errno, "%s %s has to be writable for the user of this program",
                                        options->what, options->path);
    return postern_database_file_is_usable(options, error);
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

/* A disk that damages one file after the other must not be filled by them. */
static void remove_oldest(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *prefix = g_strconcat(name, INFIX, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) directory = g_dir_open(folder, 0, NULL);
    const char *next;
    while (directory != NULL && (next = g_dir_read_name(directory)) != NULL)
        if (g_str_has_prefix(next, prefix) && !g_str_has_suffix(next, LOG))
            g_ptr_array_add(found, g_build_filename(folder, next, NULL));
    g_ptr_array_sort(found, by_name);
    for (guint i = 0; i + POSTERN_DATABASE_SET_ASIDE_MAX < found->len; i++) {
        const char *old = g_ptr_array_index(found, i);
        g_autofree char *log = g_strconcat(old, LOG, NULL);
        (void)unlink(log);
        (void)unlink(old);
    }
}

/* The log goes first: it must never be taken for that of the new file. */
static gboolean move(const char *path, const char *aside)
{
    g_autofree char *log = g_strconcat(path, LOG, NULL);
    g_autofree char *log_aside = g_strconcat(aside, LOG, NULL);
    g_autofree char *index = g_strconcat(path, "-shm", NULL);
    return (rename(log, log_aside) == 0 || errno == ENOENT) && (unlink(index) == 0 || errno == ENOENT) &&
           rename(path, aside) == 0;
}

static char *set_aside(int file, const char *path, const PosternDatabaseOptions *options,
                       const struct stat *damaged, GError **error)
{
    struct stat now;
    g_autoptr(GDateTime) date = g_date_time_new_now_utc();
    g_autofree char *text = g_date_time_format(date, "%Y%m%dT%H%M%S");
    g_autofree char *aside =
        g_strdup_printf("%s" INFIX "%s.%06d", path, text, g_date_time_get_microsecond(date));
    if (flock(file, LOCK_EX) != 0 || stat(path, &now) != 0) {
        if (errno != ENOENT)
            postern_error_set_system(error, errno, "%s %s is damaged: cannot lock it", options->what,
                                     options->path);
        return NULL;
    }
    if (now.st_ino != damaged->st_ino || now.st_dev != damaged->st_dev || !is_of_sqlite(file, options, error))
        return NULL;
    if (!move(path, aside)) {
        postern_error_set_system(error, errno,
                                 "%s %s is damaged, move it away, or make its folder writable: cannot rename"
                                 " it to %s",
                                 options->what, options->path, aside);
        return NULL;
    }
    remove_oldest(path);
    return g_steal_pointer(&aside);
}

char *postern_database_file_set_aside(const PosternDatabaseOptions *options, const struct stat *damaged,
                                      GError **error)
{
    g_autofree char *path = postern_database_resolve(options->path);
    int file = open_to_look(path);
    if (file < 0) {
        if (errno != ENOENT)
            postern_error_set_system(error, errno, "%s %s is damaged", options->what, options->path);
        return NULL;
    }
    char *aside = set_aside(file, path, options, damaged, error);
    (void)close(file);
    return aside;
}
