#include "base/signature_files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define WHAT_TO_DO                                                                                           \
    "freshclam (Debian: package clamav-freshclam) fetches signatures to " POSTERN_SIGNATURES_DEFAULT         \
    "; [virus] scan = no does without"

/* Suffixes of what libclamav loads. */
static const char *const suffixes[] = {
    "cvd", "cld", "cud",  "hdb", "hdu",  "hsb", "hsu", "mdb",  "mdu", "msb", "msu", "ndb", "ndu",
    "ldb", "ldu", "idb",  "cdb", "cbc",  "db",  "fp",  "sfp",  "gdb", "pdb", "wdb", "ftm", "crb",
    "cat", "ign", "ign2", "yar", "yara", "ioc", "imp", "pwdb", "sdb", "zmd", "rmd", "cfg", "info",
};

static gboolean is_signatures(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (gsize i = 0; dot != NULL && i < G_N_ELEMENTS(suffixes); i++)
        if (g_ascii_strcasecmp(dot + 1, suffixes[i]) == 0)
            return TRUE;
    return FALSE;
}

/* What freshclam has in the folder before it has fetched anything, and a file system in its root. */
static gboolean is_no_matter(const char *name)
{
    return name[0] == '.' || g_str_has_prefix(name, "tmp.") || g_str_equal(name, "lost+found") ||
           g_str_equal(name, "freshclam.dat") || g_str_equal(name, "mirrors.dat");
}

static PosternSignatureFiles unusable(const char *path, const char *what, char **ret_problem)
{
    *ret_problem = g_strdup_printf("%s %s; " WHAT_TO_DO, path, what);
    return POSTERN_SIGNATURES_UNUSABLE;
}

/* What is wrong with a file of a folder (static), or NULL. libclamav opens whatever has the suffix: it waits
 * for ever at a FIFO, and reads a device that has no end. */
static const char *file_problem(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return "cannot be read";
    if (!S_ISREG(status.st_mode))
        return "is not a file, and has the name of one with signatures";
    return access(path, R_OK) != 0 ? "cannot be read" : NULL;
}

static PosternSignatureFiles look_at_folder(const char *path, char **ret_problem)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) folder = g_dir_open(path, 0, &error);
    guint files = 0, others = 0;
    const char *name;
    if (folder == NULL || access(path, R_OK | X_OK) != 0)
        return unusable(path, "cannot be read", ret_problem);
    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        gboolean counts = is_signatures(name);
        files += counts;
        others += !counts && !is_no_matter(name);
        const char *problem = counts ? file_problem(file) : NULL;
        if (problem != NULL)
            return unusable(file, problem, ret_problem);
    }
    if (files == 0 && others > 0)
        return unusable(path, "holds files, and no signatures among them: is it the right folder?",
                        ret_problem);
    return files > 0 ? POSTERN_SIGNATURES_THERE : POSTERN_SIGNATURES_NONE;
}

PosternSignatureFiles postern_signature_files_look(const char *database, char **ret_path, char **ret_problem)
{
    gboolean named = database != NULL && database[0] != '\0';
    const char *path = named ? database : POSTERN_SIGNATURES_DEFAULT;
    struct stat status;
    gboolean there = stat(path, &status) == 0;
    int number = errno;
    *ret_path = NULL;
    *ret_problem = NULL;
    if (!named && !there && number == ENOENT)
        return POSTERN_SIGNATURES_NONE;
    *ret_path = g_strdup(path);
    if (!there)
        return unusable(path, number == ENOENT ? "does not exist" : "cannot be read", ret_problem);
    if (S_ISDIR(status.st_mode))
        return look_at_folder(path, ret_problem);
    if (!S_ISREG(status.st_mode))
        return unusable(path, "is neither a folder nor a file", ret_problem);
    if (access(path, R_OK) != 0)
        return unusable(path, "cannot be read", ret_problem);
    return POSTERN_SIGNATURES_THERE;
}

gboolean postern_signature_files_check(const char *database, GError **error)
{
    g_autofree char *path = NULL, *problem = NULL;
    if (postern_signature_files_look(database, &path, &problem) != POSTERN_SIGNATURES_UNUSABLE)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "[virus] database: %s", problem);
}

static int compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *postern_signature_files_list(const char *database)
{
    const char *path = database != NULL && database[0] != '\0' ? database : POSTERN_SIGNATURES_DEFAULT;
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;
    if (folder == NULL)
        g_ptr_array_add(files, g_strdup(path));
    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL)
        if (is_signatures(name))
            g_ptr_array_add(files, g_build_filename(path, name, NULL));
    g_ptr_array_sort(files, compare_paths);
    return files;
}

static void add_to_print(GChecksum *sum, const char *path)
{
    struct stat status = {0};
    gboolean there = stat(path, &status) == 0;
    g_autofree char *line =
        g_strdup_printf("%s %d %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT
                        " %" G_GINT64_FORMAT ".%09ld %u\n",
                        path, there, (guint64)status.st_dev, (guint64)status.st_ino, (gint64)status.st_size,
                        (gint64)status.st_mtim.tv_sec, (long)status.st_mtim.tv_nsec, (guint)status.st_mode);
    g_checksum_update(sum, (const guchar *)line, -1);
}

char *postern_signature_files_print(const char *database)
{
    g_autoptr(GPtrArray) files = postern_signature_files_list(database);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    for (guint i = 0; i < files->len; i++)
        add_to_print(sum, g_ptr_array_index(files, i));
    return g_strdup(g_checksum_get_string(sum));
}

gint64 postern_signature_files_newest(const char *database)
{
    g_autoptr(GPtrArray) files = postern_signature_files_list(database);
    gint64 newest = 0;
    for (guint i = 0; i < files->len; i++) {
        struct stat status;
        if (stat(g_ptr_array_index(files, i), &status) == 0)
            newest = MAX(newest, (gint64)status.st_mtim.tv_sec);
    }
    return newest;
}
