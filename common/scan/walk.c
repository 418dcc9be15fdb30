#include "scan/walk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECTORY_DEPTH_MAX 64

typedef struct {
    GPtrArray *paths; /* of char *, sorted; for the first level the names as given */
    guint next;
    gboolean maildir;
    dev_t device;
    ino_t inode;
} Level;

struct PosternScanWalk {
    GPtrArray *levels; /* of Level *; the last one is where we are */
    PosternScanComplain complain;
    gpointer user_data;
    char *path;
};

static void level_free(gpointer data)
{
    Level *level = data;
    g_ptr_array_unref(level->paths);
    g_free(level);
}

static Level *level_new(PosternScanWalk *walk)
{
    Level *level = g_new0(Level, 1);
    level->paths = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(walk->levels, level);
    return level;
}

PosternScanWalk *postern_scan_walk_new(char *const *names, PosternScanComplain complain, gpointer user_data)
{
    PosternScanWalk *walk = g_new0(PosternScanWalk, 1);
    walk->levels = g_ptr_array_new_with_free_func(level_free);
    walk->complain = complain;
    walk->user_data = user_data;
    Level *given = level_new(walk);
    for (; *names != NULL; names++)
        g_ptr_array_add(given->paths, g_strdup(*names));
    return walk;
}

void postern_scan_walk_free(PosternScanWalk *walk)
{
    if (walk == NULL)
        return;
    g_ptr_array_unref(walk->levels);
    g_free(walk->path);
    g_free(walk);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static gboolean has_directory(const char *path, const char *name)
{
    g_autofree char *inner = g_build_filename(path, name, NULL);
    struct stat status;
    return lstat(inner, &status) == 0 && S_ISDIR(status.st_mode);
}

static gboolean is_maildir(const char *path)
{
    return has_directory(path, "cur") && has_directory(path, "new") && has_directory(path, "tmp");
}

/* A directory mounted below itself has no end. */
static gboolean contains_itself(const PosternScanWalk *walk, const struct stat *status)
{
    for (guint i = 1; i < walk->levels->len; i++) {
        const Level *level = g_ptr_array_index(walk->levels, i);
        if (level->device == status->st_dev && level->inode == status->st_ino)
            return TRUE;
    }
    return FALSE;
}

static void complain_of(PosternScanWalk *walk, const char *path, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s: %s", path, what);
    walk->complain(text, walk->user_data);
}

static void enter(PosternScanWalk *walk, const char *path, const struct stat *status)
{
    if (contains_itself(walk, status)) {
        complain_of(walk, path, "is a directory that contains itself");
        return;
    }
    if (walk->levels->len > DIRECTORY_DEPTH_MAX + 1) {
        g_autofree char *text = g_strdup_printf("more than %d directories deep", DIRECTORY_DEPTH_MAX);
        complain_of(walk, path, text);
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) directory = g_dir_open(path, 0, &error);
    if (directory == NULL) {
        walk->complain(error->message, walk->user_data);
        return;
    }
    Level *level = level_new(walk);
    level->device = status->st_dev;
    level->inode = status->st_ino;
    level->maildir = is_maildir(path);
    const char *name;
    while ((name = g_dir_read_name(directory)) != NULL)
        if (!level->maildir || strcmp(name, "tmp") != 0)
            g_ptr_array_add(level->paths, g_build_filename(path, name, NULL));
    g_ptr_array_sort(level->paths, compare_names);
}

/* One name more of the last level: TRUE: walk->path is a file. */
static gboolean step(PosternScanWalk *walk)
{
    Level *level = g_ptr_array_index(walk->levels, walk->levels->len - 1);
    gboolean given = walk->levels->len == 1;
    struct stat status;
    g_free(walk->path);
    walk->path = g_strdup(g_ptr_array_index(level->paths, level->next));
    level->next++;
    if (given && strcmp(walk->path, "-") == 0)
        return TRUE;
    if ((given ? stat(walk->path, &status) : lstat(walk->path, &status)) != 0)
        return given || errno == ENOENT;
    if (S_ISDIR(status.st_mode)) {
        enter(walk, walk->path, &status);
        return FALSE;
    }
    return given || (S_ISREG(status.st_mode) && !level->maildir);
}

const char *postern_scan_walk_next(PosternScanWalk *walk)
{
    while (walk->levels->len > 0) {
        const Level *level = g_ptr_array_index(walk->levels, walk->levels->len - 1);
        if (level->next == level->paths->len) {
            if (walk->levels->len == 1)
                return NULL;
            g_ptr_array_remove_index(walk->levels, walk->levels->len - 1);
        } else if (step(walk)) {
            return walk->path;
        }
    }
    return NULL;
}

double postern_scan_walk_fraction(const PosternScanWalk *walk, double within)
{
    double fraction = within;
    for (guint i = walk->levels->len; i > 0; i--) {
        const Level *level = g_ptr_array_index(walk->levels, i - 1);
        if (level->next > 0)
            fraction = (level->next - 1 + fraction) / level->paths->len;
        else
            fraction = 0;
    }
    return fraction;
}
