#include "inspector/held_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/signature_files.h"

typedef struct {
    char *name;
    int descriptor;
} PosternHeldFile;

static void free_file(gpointer data)
{
    PosternHeldFile *file = data;
    close(file->descriptor);
    g_free(file->name);
    g_free(file);
}

GPtrArray *postern_held_files_new(void)
{
    return g_ptr_array_new_with_free_func(free_file);
}

/* Takes name and descriptor. */
static void add(GPtrArray *files, char *name, int descriptor)
{
    PosternHeldFile *file = g_new0(PosternHeldFile, 1);
    file->name = name;
    file->descriptor = descriptor;
    g_ptr_array_add(files, file);
}

void postern_held_files_open(GPtrArray *files, const char *database)
{
    g_autoptr(GPtrArray) paths = postern_signature_files_list(database);
    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        struct stat status;
        int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (descriptor >= 0)
            add(files, g_path_get_basename(path), descriptor);
        if (descriptor < 0 || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) ||
            files->len > POSTERN_SIGNATURES_HELD_MAX) {
            g_ptr_array_set_size(files, 0);
            return;
        }
    }
}

gboolean postern_held_files_link(const GPtrArray *files, const char *path, GError **error)
{
    if (mkdir(path, 0700) != 0)
        return postern_error_set_system(error, errno, "making the directory %s", path);
    for (guint i = 0; i < files->len; i++) {
        const PosternHeldFile *file = g_ptr_array_index(files, i);
        g_autofree char *link = g_build_filename(path, file->name, NULL);
        g_autofree char *target = g_strdup_printf("/proc/self/fd/%d", file->descriptor);
        if (symlink(target, link) != 0)
            return postern_error_set_system(error, errno, "making the link %s", link);
    }
    return TRUE;
}

gboolean postern_held_files_send(const GPtrArray *files, int socket)
{
    for (guint i = 0; i < files->len; i++) {
        const PosternHeldFile *file = g_ptr_array_index(files, i);
        PosternPacket packet = {
            .kind = POSTERN_PACKET_FILE, .descriptors = {file->descriptor}, .descriptor_count = 1};
        postern_packet_set_text(&packet, file->name);
        if (postern_packet_send(socket, &packet, NULL) != 1)
            return FALSE;
    }
    return TRUE;
}

void postern_held_files_take(GPtrArray *files, PosternPacket *packet)
{
    if (packet->descriptor_count == 0 || strchr(packet->text, '/') != NULL || packet->text[0] == '\0' ||
        files->len >= POSTERN_SIGNATURES_HELD_MAX)
        return;
    add(files, g_strdup(packet->text), postern_packet_take_descriptor(packet));
}
