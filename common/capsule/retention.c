#include "capsule/retention.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "capsule/capsule.h"

#define PARTIAL_SUFFIX ".partial"
#define PARTIAL_MAX_MS (10 * 60 * 1000)

typedef struct {
    char *name;
    gint64 time; /* microseconds since 1970 */
    guint64 octets;
} Kept;

static void kept_clear(gpointer data)
{
    g_free(((Kept *)data)->name);
}

static int compare_age(gconstpointer a, gconstpointer b)
{
    const Kept *first = a;
    const Kept *second = b;
    if (first->time != second->time)
        return first->time < second->time ? -1 : 1;
    return strcmp(first->name, second->name);
}

static gboolean look_at(int directory, const char *name, Kept *ret_kept)
{
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
        return FALSE;
    ret_kept->time = (gint64)status.st_mtim.tv_sec * G_USEC_PER_SEC + status.st_mtim.tv_nsec / 1000;
    ret_kept->octets = (guint64)status.st_size;
    return TRUE;
}

static gboolean is_over(const Kept *kept, guint age_ms)
{
    return g_get_real_time() - kept->time > (gint64)age_ms * 1000;
}

/* The capsules that are there, of Kept; what is too old is removed on the way. */
static GArray *list(int directory, guint age_ms)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Kept));
    g_array_set_clear_func(all, kept_clear);
    int descriptor = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = descriptor >= 0 ? fdopendir(descriptor) : NULL;
    const struct dirent *entry;
    if (entries == NULL) {
        if (descriptor >= 0)
            close(descriptor);
        return all;
    }
    while ((entry = readdir(entries)) != NULL && all->len < POSTERN_CAPSULE_FILES_MAX) {
        Kept kept = {0};
        gboolean partial = entry->d_name[0] == '.' && g_str_has_suffix(entry->d_name, PARTIAL_SUFFIX);
        if ((!partial && !g_str_has_suffix(entry->d_name, POSTERN_CAPSULE_SUFFIX)) ||
            !look_at(directory, entry->d_name, &kept))
            continue;
        if (is_over(&kept, partial ? PARTIAL_MAX_MS : age_ms)) {
            (void)unlinkat(directory, entry->d_name, 0);
        } else if (!partial) {
            kept.name = g_strdup(entry->d_name);
            g_array_append_val(all, kept);
        }
    }
    closedir(entries);
    return all;
}

guint64 postern_retention_tidy(int directory, guint64 octets, guint age_ms)
{
    g_autoptr(GArray) all = list(directory, age_ms);
    guint64 total = 0;
    for (guint i = 0; i < all->len; i++)
        total += g_array_index(all, Kept, i).octets;
    if (total <= octets)
        return total;
    g_array_sort(all, compare_age);
    for (guint i = 0; i < all->len && total > octets; i++) {
        const Kept *kept = &g_array_index(all, Kept, i);
        if (unlinkat(directory, kept->name, 0) == 0)
            total -= kept->octets;
    }
    return total;
}
