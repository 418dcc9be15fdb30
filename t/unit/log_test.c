#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

#define THREADS 4
#define LINES 500

/* The log belongs to a process: each test has its own. What the child leaves on its stderr is the result. */
static char *run(void (*body)(void), int *ret_status)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    GString *text = g_string_new(NULL);
    char chunk[4096];
    gssize count;
    while ((count = read(ends[0], chunk, sizeof chunk)) > 0)
        g_string_append_len(text, chunk, count);
    close(ends[0]);
    g_assert_cmpint(waitpid(child, ret_status, 0), ==, child);
    return g_string_free(text, FALSE);
}

static char *run_well(void (*body)(void))
{
    int status;
    char *text = run(body, &status);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    return text;
}

static void open_log(const char *destination, PosternLogLevel level)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(postern_log_open("test-program", destination, level, &error));
    g_assert_no_error(error);
}

static void write_before_open(void)
{
    g_unsetenv("JOURNAL_STREAM");
    postern_log(POSTERN_LOG_NOTICE, "seen %d", 1);
    postern_log(POSTERN_LOG_INFO, "not seen");
}

static void test_before_open(void)
{
    g_autofree char *text = run_well(write_before_open);
    g_assert_true(g_str_has_suffix(text, "]: notice: seen 1\n"));
    g_assert_null(strstr(text, "not seen"));
}

static void write_levels(void)
{
    g_setenv("TZ", "Asia/Kolkata", TRUE);
    open_log("stderr", POSTERN_LOG_WARNING);
    postern_log(POSTERN_LOG_ERROR, "first");
    postern_log(POSTERN_LOG_NOTICE, "hidden");
    postern_log_set_level(POSTERN_LOG_DEBUG);
    g_assert_true(postern_log_enabled(POSTERN_LOG_DEBUG));
    postern_log(POSTERN_LOG_DEBUG, "second");
    postern_log_set_level(POSTERN_LOG_ERROR);
    g_assert_false(postern_log_enabled(POSTERN_LOG_WARNING));
    g_assert_true(postern_log_enabled(POSTERN_LOG_ERROR));
}

static void test_levels(void)
{
    g_autofree char *text = run_well(write_levels);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 3);
    g_assert_cmpstr(lines[2], ==, "");
    const char *stamp =
        "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}[+-]\\d\\d:\\d\\d test-program\\[\\d+\\]: ";
    g_autofree char *error_form = g_strconcat(stamp, "error: first$", NULL);
    g_autofree char *debug_form = g_strconcat(stamp, "debug: second$", NULL);
    g_assert_true(g_regex_match_simple(error_form, lines[0], 0, 0));
    g_assert_true(g_regex_match_simple(debug_form, lines[1], 0, 0));
    if (g_file_test("/usr/share/zoneinfo/Asia/Kolkata", G_FILE_TEST_EXISTS))
        g_assert_nonnull(strstr(lines[0], "+05:30 "));
}

static void write_to_journal(void)
{
    struct stat status;
    g_assert_cmpint(fstat(STDERR_FILENO, &status), ==, 0);
    g_autofree char *stream = g_strdup_printf("%lu:%lu", (gulong)status.st_dev, (gulong)status.st_ino);
    g_setenv("JOURNAL_STREAM", stream, TRUE);
    open_log("stderr", POSTERN_LOG_DEBUG);
    for (guint level = POSTERN_LOG_ERROR; level <= POSTERN_LOG_DEBUG; level++)
        postern_log(level, "text %u", level);
}

static void test_journal(void)
{
    g_autofree char *text = run_well(write_to_journal);
    g_assert_cmpstr(text, ==,
                    "<3>test-program: text 0\n<4>test-program: text 1\n<5>test-program: text 2\n"
                    "<6>test-program: text 3\n<7>test-program: text 4\n");
}

static void write_beside_journal(void)
{
    g_setenv("JOURNAL_STREAM", "1:1", TRUE);
    open_log("stderr", POSTERN_LOG_DEBUG);
    postern_log(POSTERN_LOG_ERROR, "text");
}

static void test_beside_journal(void)
{
    g_autofree char *text = run_well(write_beside_journal);
    g_assert_true(g_ascii_isdigit(text[0]));
}

static void write_hostile(void)
{
    char octets[256];
    for (guint i = 0; i < 255; i++)
        octets[i] = (char)(i + 1);
    octets[255] = '\0';
    open_log("stderr", POSTERN_LOG_INFO);
    errno = ENOTTY;
    postern_log(POSTERN_LOG_INFO, "a\nb %s", octets);
    g_assert_cmpint(errno, ==, ENOTTY);
}

static void test_hostile(void)
{
    g_autofree char *text = run_well(write_hostile);
    gsize length = strlen(text);
    for (gsize i = 0; i + 1 < length; i++)
        g_assert_true(text[i] >= 0x20 && text[i] <= 0x7e);
    g_assert_cmpint(text[length - 1], ==, '\n');
    g_assert_nonnull(strstr(text, "a\\x0ab \\x01\\x02"));
    g_assert_nonnull(strstr(text, "\\x1b"));
    g_assert_nonnull(strstr(text, "}~\\x7f\\x80"));
}

static void write_long(void)
{
    g_autofree char *plain = g_strnfill(3 * POSTERN_LOG_LINE_MAX_OCTETS, 'x');
    g_autofree char *control = g_strnfill(3 * POSTERN_LOG_LINE_MAX_OCTETS, '\x01');
    open_log("stderr", POSTERN_LOG_INFO);
    postern_log(POSTERN_LOG_INFO, "%s", plain);
    postern_log(POSTERN_LOG_INFO, "%s", control);
    for (guint length = POSTERN_LOG_LINE_MAX_OCTETS - 100; length <= POSTERN_LOG_LINE_MAX_OCTETS; length++)
        postern_log(POSTERN_LOG_INFO, "%.*s", (int)length, plain);
}

static void test_long(void)
{
    g_autofree char *text = run_well(write_long);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 2 + 101 + 1);
    for (guint i = 0; i < 2 + 101; i++) {
        g_assert_cmpuint(strlen(lines[i]), <, POSTERN_LOG_LINE_MAX_OCTETS);
        g_assert_cmpuint(strlen(lines[i]), >, POSTERN_LOG_LINE_MAX_OCTETS - 100);
    }
    g_assert_true(g_str_has_suffix(lines[0], "xxx..."));
    g_assert_true(g_str_has_suffix(lines[1], "\\x01..."));
    g_assert_true(g_str_has_suffix(lines[2 + 100], "xxx..."));
}

static gpointer write_lines(gpointer data)
{
    g_autofree char *filler = g_strnfill(2000, (char)('a' + GPOINTER_TO_UINT(data)));
    for (guint i = 0; i < LINES; i++)
        postern_log(POSTERN_LOG_INFO, "begin%send", filler);
    return NULL;
}

static void write_from_threads(void)
{
    GThread *threads[THREADS];
    open_log("stderr", POSTERN_LOG_INFO);
    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("log", write_lines, GUINT_TO_POINTER(i));
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
}

static void test_threads(void)
{
    g_autofree char *text = run_well(write_from_threads);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, THREADS * LINES + 1);
    for (guint i = 0; i < THREADS * LINES; i++) {
        const char *begin = strstr(lines[i], "begin");
        g_assert_nonnull(begin);
        g_assert_cmpuint(strlen(begin), ==, 5 + 2000 + 3);
        g_assert_true(g_str_has_suffix(begin, "end"));
        for (guint j = 0; j < 2000; j++)
            g_assert_cmpint(begin[5 + j], ==, begin[5]);
    }
}

static void write_and_rotate(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "log", NULL);
    g_autofree char *rotated = g_build_filename(directory, "log.1", NULL);
    g_autofree char *first = NULL, *second = NULL;

    open_log(path, POSTERN_LOG_INFO);
    postern_log(POSTERN_LOG_INFO, "one");
    g_assert_cmpint(g_rename(path, rotated), ==, 0);
    postern_log(POSTERN_LOG_INFO, "two");
    g_assert_true(postern_log_reopen(&error));
    postern_log(POSTERN_LOG_INFO, "three");
    open_log(path, POSTERN_LOG_INFO);
    postern_log(POSTERN_LOG_INFO, "four");

    g_assert_true(g_file_get_contents(rotated, &first, NULL, NULL));
    g_assert_true(g_file_get_contents(path, &second, NULL, NULL));
    g_assert_true(g_regex_match_simple("^\\S+ \\S+ info: one\n\\S+ \\S+ info: two\n$", first, 0, 0));
    g_assert_true(g_regex_match_simple("^\\S+ \\S+ info: three\n\\S+ \\S+ info: four\n$", second, 0, 0));
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_unlink(rotated), ==, 0);
    g_assert_cmpint(g_rmdir(directory), ==, 0);

    g_assert_false(postern_log_reopen(&error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, path));
}

static void test_file(void)
{
    g_autofree char *text = run_well(write_and_rotate);
    g_assert_cmpstr(text, ==, "");
}

static void open_wrongly(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(postern_log_open("p", "console", POSTERN_LOG_INFO, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_USAGE);
    g_clear_error(&error);
    g_assert_false(postern_log_open("p", "/nonexistent/log", POSTERN_LOG_INFO, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM);
    g_clear_error(&error);
    open_log("stderr", POSTERN_LOG_INFO);
    g_assert_true(postern_log_reopen(&error));
    g_assert_no_error(error);
}

static void test_wrong_destination(void)
{
    g_autofree char *text = run_well(open_wrongly);
    g_assert_cmpstr(text, ==, "");
}

/* A /dev of its own for this process, with a socket in it that is asked what came. */
static void write_to_syslog(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    char received[1024] = {0};

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/dev", "tmpfs", 0, NULL) != 0)
        _exit(77);
    int server = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    g_assert_cmpint(bind(server, (struct sockaddr *)&address, sizeof address), ==, 0);
    open_log("syslog", POSTERN_LOG_INFO);
    postern_log(POSTERN_LOG_INFO, "hello\nworld %s", "%s%n");
    g_assert_cmpint(recv(server, received, sizeof received - 1, 0), >, 0);
    g_assert_true(g_str_has_prefix(received, "<22>"));
    g_assert_nonnull(strstr(received, "test-program["));
    g_assert_true(g_str_has_suffix(received, "]: hello\\x0aworld %s%n"));
    open_log("stderr", POSTERN_LOG_INFO);
}

static void test_syslog(void)
{
    int status;
    g_autofree char *text = run(write_to_syslog, &status);
    g_assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        g_test_skip("no mount namespace can be made here");
    else
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void test_line(void)
{
    g_autoptr(PosternLogLine) line = postern_log_line_new("message");
    g_autofree char *exact = g_strnfill(POSTERN_LOG_VALUE_MAX_OCTETS, 'v');
    g_autofree char *longer = g_strnfill(POSTERN_LOG_VALUE_MAX_OCTETS + 1, 'v');
    g_autofree char *expected = g_strdup_printf(
        "message session=0Az left=a@b.example helo=\"two words\" empty=\"\" "
        "quote=\"\\\"\\\\\" forged=\"x\\x0d\\x0aaction=accept\" pair=\"a=b\" size=-42 exact=%s longer=%s...",
        exact, exact);

    postern_log_line_add(line, "session", "0Az");
    g_assert_cmpstr(postern_log_line_text(line), ==, "message session=0Az");
    postern_log_line_add(line, "absent", NULL);
    g_assert_cmpstr(postern_log_line_text(line), ==, "message session=0Az");
    postern_log_line_add(line, "left", "a@b.example");
    postern_log_line_add(line, "helo", "two words");
    postern_log_line_add(line, "empty", "");
    postern_log_line_add(line, "quote", "\"\\");
    postern_log_line_add(line, "forged", "x\r\naction=accept");
    postern_log_line_add(line, "pair", "a=b");
    postern_log_line_add_number(line, "size", -42);
    postern_log_line_add(line, "exact", exact);
    postern_log_line_add(line, "longer", longer);
    g_assert_cmpstr(postern_log_line_text(line), ==, expected);
}

/* The pairs of a line, read as strictly as any reader would; NULL: it is no such line. */
static GHashTable *parse_line(const char *text)
{
    g_autoptr(GHashTable) pairs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GRegex) pair =
        g_regex_new(" ([a-z_]+)=(?:\"((?:\\\\(?:x[0-9a-f]{2}|[\"\\\\])|[^\"\\\\])*)\"|([^\\s\"\\\\=]+))", 0,
                    G_REGEX_MATCH_ANCHORED, NULL);
    const char *rest = text + strcspn(text, " ");
    while (*rest != '\0') {
        g_autoptr(GMatchInfo) match = NULL;
        int end = 0;
        if (!g_regex_match(pair, rest, G_REGEX_MATCH_ANCHORED, &match) ||
            !g_match_info_fetch_pos(match, 0, NULL, &end))
            return NULL;
        char *key = g_match_info_fetch(match, 1);
        g_assert_false(g_hash_table_contains(pairs, key));
        g_autofree char *quoted = g_match_info_fetch(match, 2);
        g_hash_table_insert(pairs, key,
                            quoted[0] != '\0' ? g_steal_pointer(&quoted) : g_match_info_fetch(match, 3));
        rest += end;
    }
    return g_steal_pointer(&pairs);
}

/* Whatever peers say, all that we say is there, and the line can be parsed. */
static void test_line_of_hostile_values(void)
{
    static const char *const alphabets[] = {"\x01", "\"", "\\", "a", " ", "\xff\"", "=\\x", "\n", "a\"\\"};
    for (guint round = 0; round < 300; round++) {
        g_autoptr(PosternLogLine) line = postern_log_line_new("message");
        guint peers = (guint)g_test_rand_int_range(1, 20);
        postern_log_line_add(line, "session", "9Fq200000A1bKx0Z");
        for (guint i = 0; i < peers; i++) {
            const char *alphabet = alphabets[g_test_rand_int_range(0, G_N_ELEMENTS(alphabets))];
            g_autoptr(GString) value = g_string_new(NULL);
            gsize length = (gsize)g_test_rand_int_range(0, 700);
            while (value->len < length)
                g_string_append(value, alphabet);
            g_autofree char *key = g_strdup_printf("peer_%c", 'a' + (char)i);
            postern_log_line_add(line, key, value->str);
        }
        postern_log_line_add_number(line, "size", 4711);
        postern_log_line_add(line, "delivery", "unknown");
        postern_log_line_add(line, "virus", "infected");
        const char *text = postern_log_line_text(line);
        g_assert_cmpuint(strlen(text), <=, POSTERN_LOG_LINE_MAX_OCTETS - POSTERN_LOG_PREFIX_MAX_OCTETS);
        g_autoptr(GHashTable) pairs = parse_line(text);
        g_assert_nonnull(pairs);
        g_assert_cmpuint(g_hash_table_size(pairs), ==, peers + 4);
        g_assert_cmpstr(g_hash_table_lookup(pairs, "delivery"), ==, "unknown");
        g_assert_cmpstr(g_hash_table_lookup(pairs, "virus"), ==, "infected");
        g_assert_cmpstr(g_hash_table_lookup(pairs, "size"), ==, "4711");
        g_assert_true(
            g_str_has_prefix(text, "message session=9Fq200000A1bKx0Z delivery=unknown virus=infected "));
    }
}

/* More keys than a line holds: whole pairs go, the last first, never those that decide. */
static void test_line_of_many_keys(void)
{
    g_autoptr(PosternLogLine) line = postern_log_line_new("message");
    for (guint i = 0; i < 26 * 26; i++) {
        char key[] = {'k', '_', (char)('a' + i / 26), (char)('a' + i % 26), '\0'};
        postern_log_line_add(line, key, "a value of some length");
    }
    postern_log_line_add(line, "action", "reject");
    const char *text = postern_log_line_text(line);
    g_assert_true(g_str_has_prefix(text, "message action=reject k_aa=\"a value"));
    g_autoptr(GHashTable) pairs = parse_line(text);
    g_assert_nonnull(pairs);
}

static void write_line(void)
{
    open_log("stderr", POSTERN_LOG_INFO);
    PosternLogLine *line = postern_log_line_new("session");
    postern_log_line_add(line, "percent", "%s%n");
    postern_log_line_write(line, POSTERN_LOG_INFO);
    postern_log_line_write(postern_log_line_new("hidden"), POSTERN_LOG_DEBUG);
}

static void test_line_is_written(void)
{
    g_autofree char *text = run_well(write_line);
    g_assert_true(g_str_has_suffix(text, ": info: session percent=%s%n\n"));
    g_assert_null(strstr(text, "hidden"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log/before-open", test_before_open);
    g_test_add_func("/log/levels", test_levels);
    g_test_add_func("/log/journal", test_journal);
    g_test_add_func("/log/beside-journal", test_beside_journal);
    g_test_add_func("/log/hostile", test_hostile);
    g_test_add_func("/log/long", test_long);
    g_test_add_func("/log/threads", test_threads);
    g_test_add_func("/log/file", test_file);
    g_test_add_func("/log/wrong-destination", test_wrong_destination);
    g_test_add_func("/log/syslog", test_syslog);
    g_test_add_func("/log/line", test_line);
    g_test_add_func("/log/line-of-hostile-values", test_line_of_hostile_values);
    g_test_add_func("/log/line-of-many-keys", test_line_of_many_keys);
    g_test_add_func("/log/line-is-written", test_line_is_written);
    return g_test_run();
}
