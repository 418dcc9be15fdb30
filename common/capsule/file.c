#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/build.h"
#include "base/error.h"
#include "base/limits.h"
#include "capsule/capsule.h"

#define CHUNK_OCTETS 65536

static gboolean write_octets(int descriptor, const char *octets, gsize length)
{
    while (length > 0) {
        ssize_t written = write(descriptor, octets, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return FALSE;
        octets += written;
        length -= (gsize)written;
    }
    return TRUE;
}

static gboolean write_bytes(int descriptor, GBytes *bytes)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(bytes, &length);
    return write_octets(descriptor, octets, length);
}

/* A memfd is read, not mapped: the sessions that share the message may have it mapped, and this costs none
 * of their memory. */
static gboolean write_message(int descriptor, PosternMessage *message)
{
    int source = postern_message_descriptor(message);
    gsize size = 0;
    if (source < 0) {
        const char *held = postern_message_octets(message, &size, NULL);
        return held != NULL && write_octets(descriptor, held, size);
    }
    g_autofree char *octets = g_malloc(CHUNK_OCTETS);
    guint64 left = postern_message_size(message);
    for (off_t done = 0; left > 0;) {
        ssize_t length = pread(source, octets, MIN(CHUNK_OCTETS, left), done);
        if (length < 0 && errno == EINTR)
            continue;
        if (length == 0)
            errno = EIO;
        if (length <= 0 || !write_octets(descriptor, octets, (gsize)length))
            return FALSE;
        done += length;
        left -= (guint64)length;
    }
    return TRUE;
}

/* A name beside name's: as long as it is there the capsule is not. */
static char *partial_name(const char *name)
{
    g_autofree char *folder = g_path_get_dirname(name);
    g_autofree char *base = g_path_get_basename(name);
    g_autofree char *partial = g_strdup_printf(".%s.%d.%08x.partial", base, (int)getpid(), g_random_int());
    return strchr(name, '/') != NULL ? g_build_filename(folder, partial, NULL) : g_steal_pointer(&partial);
}

/* Not all file systems can do the first, and not all the second. */
static gboolean rename_to_new(int directory, const char *partial, const char *name)
{
    if (renameat2(directory, partial, directory, name, RENAME_NOREPLACE) == 0)
        return TRUE;
    if ((errno != EINVAL && errno != ENOSYS) || linkat(directory, partial, directory, name, 0) != 0)
        return FALSE;
    (void)unlinkat(directory, partial, 0);
    return TRUE;
}

gboolean postern_capsule_write(int directory, const char *name, GBytes *head, PosternMessage *message,
                               GBytes *tail, GError **error)
{
    g_autofree char *partial = partial_name(name);
    int descriptor =
        openat(directory, partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (descriptor < 0)
        return postern_error_set_system(error, errno, "%s: cannot be made", name);
    gboolean written =
        write_bytes(descriptor, head) && write_message(descriptor, message) && write_bytes(descriptor, tail);
    int number = errno;
    if (close(descriptor) != 0 && written) {
        written = FALSE;
        number = errno;
    }
    if (written && rename_to_new(directory, partial, name))
        return TRUE;
    number = written ? errno : number;
    (void)unlinkat(directory, partial, 0);
    return postern_error_set_system(error, number, "%s: cannot be written", name);
}

gboolean postern_capsule_save(const PosternCapsule *capsule, const char *path, GError **error)
{
    g_autoptr(GBytes) head = NULL;
    g_autoptr(GBytes) tail = NULL;
    postern_capsule_serialise(capsule, &head, &tail);
    return postern_capsule_write(AT_FDCWD, path, head, capsule->message, tail, error);
}

static GBytes *read_file(int descriptor, GError **error)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, "is no regular file");
        return NULL;
    }
    if (status.st_size > (off_t)POSTERN_CAPSULE_MAX_OCTETS) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, "is larger than a capsule may be");
        return NULL;
    }
    gsize size = (gsize)status.st_size;
    gsize done = 0;
    g_autofree char *octets = g_try_malloc(size + 1);
    while (octets != NULL && done < size) {
        ssize_t length = read(descriptor, octets + done, size - done);
        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            break;
        done += (gsize)length;
    }
    if (octets == NULL || done < size) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, "cannot be read");
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&octets), size);
}

PosternCapsule *postern_capsule_load(const char *path, GError **error)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, "%s: cannot be opened: %s", path,
                    g_strerror(errno));
        return NULL;
    }
    g_autoptr(GBytes) octets = read_file(descriptor, error);
    close(descriptor);
    g_autoptr(PosternCapsule) capsule = octets != NULL ? postern_capsule_parse(octets, error) : NULL;
    if (capsule == NULL)
        g_prefix_error(error, "%s: ", path);
    return g_steal_pointer(&capsule);
}

/* The head of a signature file of ClamAV, "ClamAV-VDB:DATE:VERSION:…": "NAME VERSION (DATE)", or NULL. */
static char *describe_signatures(const char *directory, const char *name)
{
    char head[512] = {0};
    g_autofree char *path = g_build_filename(directory, name, NULL);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0)
        return NULL;
    ssize_t length = read(descriptor, head, sizeof head - 1);
    close(descriptor);
    g_auto(GStrv) fields = g_strsplit(length > 0 ? head : "", ":", 4);
    if (g_strv_length(fields) < 4 || strcmp(fields[0], "ClamAV-VDB") != 0)
        return NULL;
    return g_strdup_printf("%s %s (%s)", name, fields[2], fields[1]);
}

char *postern_capsule_versions(const char *database)
{
    static const char *const names[] = {"main.cvd",  "main.cld",     "daily.cvd",
                                        "daily.cld", "bytecode.cvd", "bytecode.cld"};
    GString *text = g_string_new("postern " POSTERN_VERSION "; built with " POSTERN_LIBRARIES);
    for (guint i = 0; i < G_N_ELEMENTS(names) && database != NULL; i++) {
        g_autofree char *signatures = describe_signatures(database, names[i]);
        if (signatures != NULL)
            g_string_append_printf(text, "; %s", signatures);
    }
    return g_string_free(text, FALSE);
}
