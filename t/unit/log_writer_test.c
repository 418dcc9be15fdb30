#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/limits.h"
#include "base/log_file.h"
#include "base/log_writer.h"

#define FULL_OCTETS 1000

/* The log belongs to a process: each test has its own, with descriptor for its standard error. */
static pid_t start(void (*body)(void), int descriptor)
{
    pid_t child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        dup2(descriptor, STDERR_FILENO);
        close(descriptor);
        signal(SIGPIPE, SIG_IGN);
        body();
        _exit(0);
    }
    return child;
}

static void end_well(pid_t child)
{
    int status = 0;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void open_log(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(postern_log_open("test", "stderr", POSTERN_LOG_INFO, &error));
    postern_log_start();
}

static char *read_all(int descriptor)
{
    GString *text = g_string_new(NULL);
    char chunk[4096];
    gssize count;
    while ((count = read(descriptor, chunk, sizeof chunk)) > 0)
        g_string_append_len(text, chunk, count);
    close(descriptor);
    return g_string_free(text, FALSE);
}

static void write_in_order(void)
{
    open_log();
    for (guint i = 0; i < 5000; i++)
        postern_log(POSTERN_LOG_INFO, "line %u", i);
    postern_log_finish();
    postern_log(POSTERN_LOG_INFO, "line 5000");
}

static void test_order(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = start(write_in_order, ends[1]);
    close(ends[1]);
    g_autofree char *text = read_all(ends[0]);
    end_well(child);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 5002);
    for (guint i = 0; i <= 5000; i++) {
        g_autofree char *end = g_strdup_printf(": info: line %u", i);
        g_assert_true(g_str_has_suffix(lines[i], end));
    }
}

#define FLOOD (4 * POSTERN_LOG_QUEUE_MAX_OCTETS / 1000)

/* More than the pipe and the queue hold, while nobody reads: nobody waits. */
static void write_flood(void)
{
    g_autofree char *filler = g_strnfill(1000, 'x');
    open_log();
    for (guint i = 0; i < FLOOD; i++)
        postern_log(POSTERN_LOG_INFO, "%u %s", i, filler);
    postern_log(POSTERN_LOG_ERROR, "last");
    kill(getpid(), SIGSTOP); /* nobody reads until here, and all was said */
    postern_log_finish();
}

static void test_stalled_reader(void)
{
    int ends[2];
    int status = 0;
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = start(write_flood, ends[1]);
    close(ends[1]);
    g_assert_cmpint(waitpid(child, &status, WUNTRACED), ==, child);
    g_assert_true(WIFSTOPPED(status));
    kill(child, SIGCONT);
    g_autofree char *text = read_all(ends[0]);
    end_well(child);

    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint64 written = 0, lost = 0;
    for (char **line = lines; *line != NULL; line++) {
        const char *warning = strstr(*line, " warning: ");
        written += strstr(*line, " xxxx") != NULL || g_str_has_suffix(*line, ": last");
        if (warning != NULL)
            lost += g_ascii_strtoull(warning + strlen(" warning: "), NULL, 10);
    }
    g_assert_cmpuint(lost, >, 0);
    g_assert_cmpuint(written + lost, ==, FLOOD + 1);
}

static void write_to_the_dead(void)
{
    open_log();
    for (guint i = 0; i < 10000; i++)
        postern_log(POSTERN_LOG_INFO, "line");
    postern_log_finish();
}

/* A reader that is gone, and a disk that is full, are no reason to wait or to end. */
static void test_reader_is_gone(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    close(ends[0]);
    end_well(start(write_to_the_dead, ends[1]));
    int full = open("/dev/full", O_WRONLY);
    g_assert_cmpint(full, >=, 0);
    end_well(start(write_to_the_dead, full));
}

/* As a disk that is full, and then is not. */
static void write_to_a_full_file(void)
{
    struct rlimit limit = {.rlim_cur = FULL_OCTETS, .rlim_max = RLIM_INFINITY};
    gint64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    struct stat status = {0};
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    open_log();
    for (guint i = 0; i < 100; i++)
        postern_log(POSTERN_LOG_INFO, "%u of a hundred", i);
    while (status.st_size < FULL_OCTETS && g_get_monotonic_time() < end) {
        g_assert_cmpint(fstat(STDERR_FILENO, &status), ==, 0);
        g_thread_yield();
    }
    limit.rlim_cur = RLIM_INFINITY;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    postern_log(POSTERN_LOG_INFO, "again");
    postern_log_finish();
}

/* Why lines were lost is told as it is. */
static void test_full_file(void)
{
    g_autofree char *path = NULL, *text = NULL;
    int file = g_file_open_tmp("postern-log-XXXXXX", &path, NULL);
    g_assert_cmpint(file, >=, 0);
    end_well(start(write_to_a_full_file, file));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_autofree char *reason = g_strdup_printf(" lines of this log were lost: %s\n", g_strerror(EFBIG));
    const char *told = strstr(text, reason);
    g_assert_nonnull(told);
    g_assert_null(strstr(text, "too slow"));
    g_assert_true(g_str_has_suffix(text, reason) || g_str_has_suffix(text, ": info: again\n"));
    close(file);
    g_unlink(path);
}

static void write_nonblocking(void)
{
    g_autofree char *filler = g_strnfill(1000, 'x');
    fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    open_log();
    for (guint i = 0; i < 1000; i++)
        postern_log(POSTERN_LOG_INFO, "%u %s", i, filler);
    postern_log_finish();
}

static void test_nonblocking_descriptor(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = start(write_nonblocking, ends[1]);
    close(ends[1]);
    g_autofree char *text = read_all(ends[0]);
    end_well(child);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 1001);
}

static void fork_with_log(void)
{
    open_log();
    for (guint i = 0; i < 20; i++) {
        postern_log(POSTERN_LOG_INFO, "parent");
        pid_t child = fork();
        if (child == 0) {
            postern_log(POSTERN_LOG_INFO, "child");
            postern_log_start();
            postern_log(POSTERN_LOG_INFO, "child");
            postern_log_finish();
            _exit(0);
        }
        g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
    }
    postern_log_finish();
}

static void test_fork(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = start(fork_with_log, ends[1]);
    close(ends[1]);
    g_autofree char *text = read_all(ends[0]);
    end_well(child);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 61);
}

static void complain(void)
{
    open_log();
    for (guint i = 0; i < 1000; i++)
        postern_log(POSTERN_LOG_ERROR, "the same again");
    for (guint i = 0; i < 10; i++)
        postern_log(POSTERN_LOG_NOTICE, "news");
    postern_log_finish();
}

static void test_complaints_are_counted(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = start(complain, ends[1]);
    close(ends[1]);
    g_autofree char *text = read_all(ends[0]);
    end_well(child);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, POSTERN_LOG_REPEAT_LINES_MAX + 10 + 1);
}

static void assert_not_opened(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(postern_log_file_open(path, &error), ==, -1);
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, path));
}

static void assert_opened(const char *path)
{
    g_autoptr(GError) error = NULL;
    int descriptor = postern_log_file_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fcntl(descriptor, F_GETFL) & O_NONBLOCK, ==, 0);
    close(descriptor);
}

/* The log at path is given to nobody: who owns file then. */
static void assert_owner_after_giving(const char *path, const char *file, uid_t owner)
{
    g_autoptr(GError) error = NULL;
    struct stat status;
    g_assert_true(postern_log_open("test", path, POSTERN_LOG_INFO, &error));
    g_assert_true(postern_log_give("nobody", &error));
    g_assert_true(postern_log_open("test", "stderr", POSTERN_LOG_INFO, &error));
    g_assert_cmpint(stat(file, &status), ==, 0);
    g_assert_cmpuint(status.st_uid, ==, owner);
}

/* What another user puts where root writes its log. */
static void test_file_of_root(void)
{
    if (geteuid() != 0) {
        g_test_skip("only root can be led astray");
        return;
    }
    g_autofree char *directory = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    g_autofree char *secret = g_build_filename(directory, "secret", NULL);
    g_autofree char *link = g_build_filename(directory, "link", NULL);
    g_autofree char *hard = g_build_filename(directory, "hard", NULL);
    g_autofree char *fifo = g_build_filename(directory, "fifo", NULL);
    g_autofree char *dangling = g_build_filename(directory, "dangling", NULL);
    g_autofree char *made = g_build_filename(directory, "made", NULL);

    assert_opened(secret);
    g_assert_cmpint(symlink("secret", link), ==, 0);
    assert_opened(link); /* root's own, in a directory of root */
    assert_owner_after_giving(link, secret, 0);
    assert_owner_after_giving("/dev/null", "/dev/null", 0);
    g_assert_cmpint(chmod(directory, 0775), ==, 0);
    assert_not_opened(link);
    g_assert_cmpint(chmod(directory, 0755), ==, 0);
    g_assert_cmpint(lchown(link, 65534, 65534), ==, 0);
    assert_not_opened(link);
    g_assert_cmpint(chown(directory, 65534, 65534), ==, 0);
    assert_not_opened(link);
    g_assert_cmpint(symlink(made, dangling), ==, 0);
    assert_not_opened(dangling);
    g_assert_false(g_file_test(made, G_FILE_TEST_EXISTS));
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    assert_opened(fifo);
    g_assert_cmpint(linkat(AT_FDCWD, secret, AT_FDCWD, hard, 0), ==, 0);
    assert_not_opened(hard);
    assert_not_opened(directory);
    assert_opened("/dev/null");
    assert_owner_after_giving(made, made, 65534);
    const char *const paths[] = {secret, link, hard, fifo, dangling, made};
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
        g_unlink(paths[i]);
    g_rmdir(directory);
}

static void test_descriptor(void)
{
    int pair[2];
    char octet = 0;
    int passed = -1;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), ==, 0);
    g_assert_cmpint(postern_descriptor_receive(pair[1], &octet, &passed), ==, -1);
    g_assert_true(postern_descriptor_send(pair[0], 'a', -1));
    g_assert_true(postern_descriptor_send(pair[0], 'b', STDIN_FILENO));
    g_assert_cmpint(postern_descriptor_receive(pair[1], &octet, &passed), ==, 1);
    g_assert_cmpint(octet, ==, 'a');
    g_assert_cmpint(passed, ==, -1);
    g_assert_cmpint(postern_descriptor_receive(pair[1], &octet, &passed), ==, 1);
    g_assert_cmpint(octet, ==, 'b');
    g_assert_cmpint(fcntl(passed, F_GETFD), ==, FD_CLOEXEC);
    close(passed);
    close(pair[0]);
    g_assert_cmpint(postern_descriptor_receive(pair[1], &octet, &passed), ==, 0);
    g_assert_false(postern_descriptor_send(pair[1], 'c', STDIN_FILENO));
    close(pair[1]);
}

static int pipe_of_lines[2]; /* a line waits until it can read an octet here */
static int pipe_of_begun[2]; /* a line that is begun says so here */
static gint lines_written;

static gboolean write_when_told(int priority, const char *line)
{
    char octet;
    g_assert_cmpint(write(pipe_of_begun[1], "x", 1), ==, 1);
    g_assert_cmpint(read(pipe_of_lines[0], &octet, 1), ==, 1);
    g_atomic_int_inc(&lines_written);
    return TRUE;
}

static void no_tick(gint64 now)
{
}

/* What is being written is waited for, so long and no longer; what comes meanwhile is written later. */
static void test_hold(void)
{
    static const PosternLogWriterCalls calls = {.write = write_when_told, .tick = no_tick};
    char octet;
    g_assert_cmpint(pipe(pipe_of_lines), ==, 0);
    g_assert_cmpint(pipe(pipe_of_begun), ==, 0);
    PosternLogWriter *writer = postern_log_writer_new(&calls);
    g_assert_true(postern_log_writer_hold(writer, 10000));
    g_assert_true(postern_log_writer_put(writer, 0, "first"));
    postern_log_writer_release(writer);
    g_assert_cmpint(read(pipe_of_begun[0], &octet, 1), ==, 1);
    g_assert_false(postern_log_writer_hold(writer, 1));
    g_assert_cmpint(write(pipe_of_lines[1], "xx", 2), ==, 2);
    g_assert_true(postern_log_writer_hold(writer, 10000));
    g_assert_cmpint(g_atomic_int_get(&lines_written), ==, 1);
    postern_log_writer_release(writer);
}

int main(int argc, char **argv)
{
    g_unsetenv("JOURNAL_STREAM");
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log-writer/order", test_order);
    g_test_add_func("/log-writer/stalled-reader", test_stalled_reader);
    g_test_add_func("/log-writer/reader-is-gone", test_reader_is_gone);
    g_test_add_func("/log-writer/full-file", test_full_file);
    g_test_add_func("/log-writer/nonblocking-descriptor", test_nonblocking_descriptor);
    g_test_add_func("/log-writer/fork", test_fork);
    g_test_add_func("/log-writer/hold", test_hold);
    g_test_add_func("/log-writer/complaints-are-counted", test_complaints_are_counted);
    g_test_add_func("/log-writer/file-of-root", test_file_of_root);
    g_test_add_func("/log-writer/descriptor", test_descriptor);
    return g_test_run();
}
