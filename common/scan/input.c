#include "scan/input.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"

struct PosternScanInput {
    char *name;
    int descriptor;
    gboolean standard;     /* shared with others: its flags are not ours to change */
    gboolean named_fifo;   /* a writer may still come */
    gboolean lacks_writer; /* and has not */
    guint64 size;          /* of a regular file, else 0 */
    guint64 read;
    gint64 opened; /* monotonic */
};

static gboolean fail(GError **error, const char *name, const char *what)
{
    return postern_error_set(error, POSTERN_ERROR_INPUT, "%s: %s", name, what);
}

static gboolean fail_system(GError **error, const char *name, const char *what, int number)
{
    return postern_error_set(error, POSTERN_ERROR_INPUT, "%s: %s: %s", name, what, g_strerror(number));
}

/* Nobody can open an anonymous pipe, such as that of <(command), once its writers have gone. */
static gboolean is_anonymous(int descriptor)
{
    struct statfs status;
    return fstatfs(descriptor, &status) == 0 && status.f_type == PIPEFS_MAGIC;
}

static gboolean examine(PosternScanInput *input, GError **error)
{
    struct stat status;
    if (fstat(input->descriptor, &status) != 0)
        return fail_system(error, input->name, "cannot be examined", errno);
    if (S_ISDIR(status.st_mode))
        return fail(error, input->name, "is a directory");
    if (!input->standard && (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)))
        return fail(error, input->name, "is a device, not a message");
    input->size = S_ISREG(status.st_mode) ? (guint64)status.st_size : 0;
    input->named_fifo = !input->standard && S_ISFIFO(status.st_mode) && !is_anonymous(input->descriptor);
    return TRUE;
}

PosternScanInput *postern_scan_input_open(const char *path, GError **error)
{
    g_autoptr(PosternScanInput) input = g_new0(PosternScanInput, 1);
    input->standard = strcmp(path, "-") == 0;
    input->name = g_strdup(input->standard ? "standard input" : path);
    input->opened = g_get_monotonic_time();
    /* Not blocking: opening a FIFO would wait for a writer. */
    input->descriptor = input->standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                        : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (input->descriptor < 0) {
        if (errno == ENXIO)
            (void)fail(error, input->name, "is a socket or a device, not a message");
        else
            (void)fail_system(error, input->name, "cannot be opened", errno);
        return NULL;
    }
    return examine(input, error) ? g_steal_pointer(&input) : NULL;
}

void postern_scan_input_free(PosternScanInput *input)
{
    if (input == NULL)
        return;
    if (input->descriptor >= 0)
        close(input->descriptor);
    g_free(input->name);
    g_free(input);
}

/* Reading from what others share must not wait, and may not be made not to. */
static gboolean would_wait(const PosternScanInput *input)
{
    struct pollfd poll_it = {.fd = input->descriptor, .events = POLLIN};
    return input->standard && poll(&poll_it, 1, 0) == 0;
}

static PosternScanInputStatus end(PosternScanInput *input, GError **error)
{
    if (!input->named_fifo || input->read > 0)
        return POSTERN_SCAN_INPUT_END;
    input->lacks_writer = TRUE;
    if (g_get_monotonic_time() - input->opened < POSTERN_SCAN_WRITER_SECONDS * G_USEC_PER_SEC)
        return POSTERN_SCAN_INPUT_WAIT;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT,
                "%s: is a FIFO, and nobody has written to it within %d seconds", input->name,
                POSTERN_SCAN_WRITER_SECONDS);
    return POSTERN_SCAN_INPUT_FAILED;
}

PosternScanInputStatus postern_scan_input_read(PosternScanInput *input, char *octets, gsize maximum,
                                               gsize *ret_length, GError **error)
{
    *ret_length = 0;
    input->lacks_writer = FALSE;
    for (;;) {
        if (would_wait(input))
            return POSTERN_SCAN_INPUT_WAIT;
        ssize_t length = read(input->descriptor, octets, maximum);
        if (length > 0) {
            input->read += (guint64)length;
            *ret_length = (gsize)length;
            return POSTERN_SCAN_INPUT_OCTETS;
        }
        if (length == 0)
            return end(input, error);
        if (errno == EAGAIN)
            return POSTERN_SCAN_INPUT_WAIT;
        if (errno == EINTR)
            continue;
        (void)fail_system(error, input->name, "cannot be read", errno);
        return POSTERN_SCAN_INPUT_FAILED;
    }
}

int postern_scan_input_descriptor(const PosternScanInput *input)
{
    return input->lacks_writer ? -1 : input->descriptor;
}

double postern_scan_input_fraction(const PosternScanInput *input)
{
    return input->size > 0 ? MIN(1.0, (double)input->read / (double)input->size) : 0.0;
}

const char *postern_scan_input_name(const PosternScanInput *input)
{
    return input->name;
}
