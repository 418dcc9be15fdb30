#include "scan/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "mail/header.h"

#define DIRECTORY_DEPTH_MAX 64

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_directory(GPtrArray *list, const char *path, guint depth, PosternScanComplain complain,
                          gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) directory = depth <= DIRECTORY_DEPTH_MAX ? g_dir_open(path, 0, &error) : NULL;
    if (directory == NULL) {
        g_autofree char *text =
            error != NULL ? g_strdup(error->message)
                          : g_strdup_printf("%s: more than %d directories deep", path, DIRECTORY_DEPTH_MAX);
        complain(text, user_data);
        return;
    }
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    while ((name = g_dir_read_name(directory)) != NULL)
        g_ptr_array_add(names, g_build_filename(path, name, NULL));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        const char *entry = g_ptr_array_index(names, i);
        struct stat status;
        if (lstat(entry, &status) != 0)
            continue;
        if (S_ISDIR(status.st_mode))
            add_directory(list, entry, depth + 1, complain, user_data);
        else if (S_ISREG(status.st_mode))
            g_ptr_array_add(list, g_strdup(entry));
    }
}

GPtrArray *postern_scan_input_list(char *const *names, PosternScanComplain complain, gpointer user_data)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
    for (; *names != NULL; names++)
        if (strcmp(*names, "-") != 0 && g_file_test(*names, G_FILE_TEST_IS_DIR))
            add_directory(list, *names, 0, complain, user_data);
        else
            g_ptr_array_add(list, g_strdup(*names));
    return list;
}

/* Appends octets with CRLF for each LF that has no CR before it; *last is the octet before them. */
static gboolean append_lines(PosternMessage *message, const char *octets, gsize length, char *last,
                             GError **error)
{
    const char *start = octets;
    const char *end = octets + length;
    while (start < end) {
        const char *newline = memchr(start, '\n', (gsize)(end - start));
        const char *stop = newline != NULL ? newline : end;
        char before = stop > start ? stop[-1] : *last;
        if (!postern_message_append(message, start, (gsize)(stop - start), error))
            return FALSE;
        *last = before;
        if (newline == NULL)
            break;
        if (!postern_message_append(message, before == '\r' ? "\n" : "\r\n", before == '\r' ? 1 : 2, error))
            return FALSE;
        *last = '\n';
        start = newline + 1;
    }
    return TRUE;
}

static gboolean read_all(PosternMessage *message, int descriptor, const char *path, GError **error)
{
    g_autofree char *octets = g_malloc(POSTERN_MESSAGE_CHUNK_OCTETS);
    char last = '\0';
    for (;;) {
        ssize_t length = read(descriptor, octets, POSTERN_MESSAGE_CHUNK_OCTETS);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0) {
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, "%s: cannot be read: %s", path,
                        g_strerror(errno));
            return FALSE;
        }
        if (length == 0)
            return TRUE;
        if (!append_lines(message, octets, (gsize)length, &last, error)) {
            g_prefix_error(error, "%s: ", path);
            return FALSE;
        }
    }
}

static int open_input(const char *path, GError **error)
{
    if (strcmp(path, "-") == 0)
        return dup(STDIN_FILENO);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, "%s: cannot be opened: %s", path,
                    g_strerror(errno));
    return descriptor;
}

PosternMessage *postern_scan_input_read(const char *path, GError **error)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    int descriptor = open_input(path, error);
    if (descriptor < 0)
        return NULL;
    g_autoptr(PosternMessage) message = postern_message_new(POSTERN_MESSAGE_MAX_OCTETS, NULL, error);
    gboolean ok = message != NULL && read_all(message, descriptor, name, error);
    close(descriptor);
    if (!ok)
        return NULL;
    if (postern_message_size(message) == 0) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT,
                    "%s: is empty: a message has at least a header", name);
        return NULL;
    }
    return postern_message_seal(message, error) ? g_steal_pointer(&message) : NULL;
}

char *postern_scan_input_sender(PosternMessage *message)
{
    gsize length = 0;
    const char *octets = postern_message_octets(message, &length, NULL);
    if (octets == NULL)
        return NULL;
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    const PosternHeaderField *field = postern_header_find(header, "Return-Path", 0);
    if (field == NULL)
        return NULL;
    g_autofree char *value = postern_header_field_unfold(field);
    const char *open = strchr(value, '<');
    const char *close = open != NULL ? strrchr(open, '>') : NULL;
    return close != NULL ? g_strndup(open + 1, (gsize)(close - open - 1)) : NULL;
}
