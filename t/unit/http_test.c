#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/log_entry.h"
#include "http/history.h"
#include "http/metrics.h"
#include "http/page.h"
#include "http/passwords.h"
#include "http/server.h"

/* A counter's text form, with what stands between quotes escaped. */
static void test_metrics(void)
{
    g_autoptr(PosternCounters) counters = postern_counters_new();
    g_autoptr(PosternStatus) status = postern_status_new();
    postern_counters_add(counters, "messages", NULL, 3);
    postern_counters_add(counters, "verdicts", "spf:pass", 2);
    postern_counters_add(counters, "odd", "a\"b\\c\nd", 1);
    postern_counters_add(counters, "session_states", "data", (guint64)-2);
    postern_counters_time(counters, POSTERN_LATENCY_VERDICT, 3);
    postern_counters_time(counters, POSTERN_LATENCY_VERDICT, 1000000);
    postern_counters_time(counters, POSTERN_LATENCY_VERDICT, -1);
    postern_status_add_server(
        status,
        &(PosternStatusServer){.group = (char[]){"g"}, .name = (char[]){"s\"1"}, .health = "up", .used = 2});
    postern_status_add_server(
        status, &(PosternStatusServer){
                    .group = (char[]){"g"}, .name = (char[]){"s2"}, .health = "up", .drained = TRUE});
    g_autofree char *text = postern_metrics("postern-test", counters, status);
    static const char *const lines[] = {
        "\npostern_messages_total 3\n",
        "\npostern_verdicts_total{check=\"spf\",result=\"pass\"} 2\n",
        "\npostern_odd_total{label=\"a\\\"b\\\\c\\nd\"} 1\n",
        "\npostern_session_states{state=\"data\"} -2\n",
        "\npostern_errors_total 0\n",
        "\npostern_verdict_seconds_bucket{le=\"0.002\"} 0\n",
        "\npostern_verdict_seconds_bucket{le=\"0.005\"} 1\n",
        "\npostern_verdict_seconds_bucket{le=\"120\"} 1\n",
        "\npostern_verdict_seconds_bucket{le=\"+Inf\"} 2\n",
        "\npostern_verdict_seconds_sum 1000.003\n",
        "\npostern_server_up{group=\"g\",server=\"s\\\"1\"} 1\n",
        "\npostern_server_up{group=\"g\",server=\"s2\"} 0\n",
        "\npostern_server_drained{group=\"g\",server=\"s\\\"1\"} 0\n",
        "\npostern_server_drained{group=\"g\",server=\"s2\"} 1\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_test_message("%s", lines[i]);
        g_assert_nonnull(strstr(text, lines[i]));
    }
}

static char *shown(const char *text, gsize limit)
{
    GString *out = g_string_new(NULL);
    postern_page_append_text(out, text, limit);
    return g_string_free(out, FALSE);
}

static void test_hostile_text(void)
{
    static const struct {
        const char *text, *shown;
        gsize limit;
    } rows[] = {
        {"<script>alert('x')</script>", "&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;", 100},
        {"a&b\"c", "a&#38;b&#34;c", 100},
        {"\xe2\x80\xaegpj.exe", "\\u{202e}gpj.exe", 100},
        {"\xd7\xa9\xd7\x9c", "\xd7\xa9\xd7\x9c", 100},
        {"a\r\nb", "a\\u{d}\\u{a}b", 100},
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd", 100},
        {"abcdef", "abc\xe2\x80\xa6", 3},
        {"zero\xe2\x80\x8bwidth", "zero\\u{200b}width", 100},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = shown(rows[i].text, rows[i].limit);
        g_autofree char *expected = g_strdup_printf("<bdi>%s</bdi>", rows[i].shown);
        g_assert_cmpstr(text, ==, expected);
    }
}

static void test_history(void)
{
    const gint64 slot = POSTERN_HISTORY_SLOT_SECONDS * G_USEC_PER_SEC;
    g_autoptr(PosternCounters) counters = postern_counters_new();
    PosternHistory *history = postern_history_new();
    postern_counters_add(counters, "messages", NULL, 10);
    postern_counters_add(counters, "actions", "reject", 4);
    postern_history_look(history, counters, 5 * slot);
    postern_history_look(history, counters, 5 * slot + 1);
    g_assert_cmpuint(postern_history_read(history, 0, POSTERN_SERIES_ACCEPTED), ==, 6);
    g_assert_cmpuint(postern_history_read(history, 0, POSTERN_SERIES_REFUSED), ==, 4);
    postern_counters_add(counters, "messages", NULL, 1);
    postern_history_look(history, counters, 8 * slot);
    g_assert_cmpuint(postern_history_read(history, 0, POSTERN_SERIES_ACCEPTED), ==, 1);
    g_assert_cmpuint(postern_history_read(history, 1, POSTERN_SERIES_ACCEPTED), ==, 0);
    g_assert_cmpuint(postern_history_read(history, 3, POSTERN_SERIES_REFUSED), ==, 4);
    /* Of those that never went to a mail server the four that were refused are counted as that. */
    postern_counters_add(counters, "messages", NULL, 2);
    postern_counters_add(counters, "deliveries", "none", 6);
    postern_history_look(history, counters, 8 * slot + 1);
    g_assert_cmpuint(postern_history_read(history, 0, POSTERN_SERIES_ACCEPTED), ==, 1);
    g_assert_cmpuint(postern_history_read(history, 0, POSTERN_SERIES_FAILED), ==, 2);
    g_assert_cmpuint(postern_history_read(history, 3, POSTERN_SERIES_REFUSED), ==, 4);
    postern_history_look(history, counters, (8 + POSTERN_HISTORY_SLOTS - 1) * slot);
    g_assert_cmpuint(postern_history_read(history, POSTERN_HISTORY_SLOTS - 1, POSTERN_SERIES_ACCEPTED), ==,
                     1);
    postern_history_look(history, counters, 1000 * slot);
    for (guint ago = 0; ago < POSTERN_HISTORY_SLOTS; ago++)
        g_assert_cmpuint(postern_history_read(history, ago, POSTERN_SERIES_REFUSED), ==, 0);
    postern_history_free(history);
}

static void note(gint64 time, const char *text, gpointer user_data)
{
    g_assert_cmpint(time, >, 0);
    g_string_append_printf(user_data, "%s ", text);
}

static void test_remembered(void)
{
    g_autoptr(PosternCounters) counters = postern_counters_new();
    g_autoptr(GString) found = g_string_new(NULL);
    postern_counters_remember(counters, "lost");
    g_assert_false(postern_counters_remembers(counters));
    postern_counters_start_remembering(counters);
    for (guint i = 0; i < POSTERN_EVENTS_REMEMBERED_MAX + 2; i++) {
        g_autofree char *text = g_strdup_printf("%u", i);
        postern_counters_remember(counters, text);
    }
    postern_counters_recall(counters, note, found);
    g_autofree char *newest =
        g_strdup_printf("%d %d ", POSTERN_EVENTS_REMEMBERED_MAX + 1, POSTERN_EVENTS_REMEMBERED_MAX);
    g_assert_true(g_str_has_prefix(found->str, newest));
    g_assert_true(g_str_has_suffix(found->str, " 3 2 "));
}

static PosternPasswords *passwords_of(const char *text, GError **error)
{
    g_autofree char *path = NULL;
    int descriptor = g_file_open_tmp("postern-passwords-XXXXXX", &path, NULL);
    g_assert_cmpint(descriptor, >=, 0);
    close(descriptor);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    PosternPasswords *passwords = postern_passwords_load(path, error);
    (void)unlink(path);
    return passwords;
}

static void test_wrong_password_files(void)
{
    static const char *const texts[] = {"", "# nobody\n", "reader\n", ":$6$x\n", "reader:plain\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(passwords_of(texts[i], &error));
        g_assert_nonnull(error);
    }
}

/* A hash of the cheapest kind: "secret". */
static void test_passwords(void)
{
    g_autoptr(GError) error = NULL;
    PosternPasswords *passwords = passwords_of("reader:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1\n", &error);
    g_assert_no_error(error);
    g_autofree char *right = g_base64_encode((const guchar *)"reader:secret", 13);
    g_autofree char *credentials = g_strconcat("basic ", right, NULL);
    g_assert_cmpint(postern_passwords_check(passwords, NULL, 1), ==, POSTERN_PASSWORD_WRONG);
    g_assert_cmpint(postern_passwords_check(passwords, "Bearer x", 1), ==, POSTERN_PASSWORD_WRONG);
    for (guint i = 0; i < POSTERN_HTTP_PASSWORDS_PER_SECOND_MAX; i++)
        g_assert_cmpint(postern_passwords_check(passwords, "Basic eDp5", 1), ==, POSTERN_PASSWORD_WRONG);
    g_assert_cmpint(postern_passwords_check(passwords, credentials, 2), ==, POSTERN_PASSWORD_LATER);
    gint64 later = 2 * G_USEC_PER_SEC;
    g_assert_cmpint(postern_passwords_check(passwords, credentials, later), ==, POSTERN_PASSWORD_RIGHT);
    for (guint i = 0; i < 10; i++)
        (void)postern_passwords_check(passwords, "Basic eDp5", later);
    g_autofree char *otherwise = g_strconcat("BASIC ", right, NULL);
    g_assert_cmpint(postern_passwords_check(passwords, otherwise, later), ==, POSTERN_PASSWORD_RIGHT);
    g_assert_cmpint(postern_passwords_check(passwords, credentials, later), ==, POSTERN_PASSWORD_RIGHT);
    postern_passwords_free(passwords);
}

static void tell_nothing(PosternStatus *status G_GNUC_UNUSED, gpointer user_data G_GNUC_UNUSED)
{
}

/* How often the loop turned in that time. */
static guint turns_in(struct event_base *loop, gint64 microseconds)
{
    guint turns = 0;
    for (gint64 end = g_get_monotonic_time() + microseconds; g_get_monotonic_time() < end; turns++)
        event_base_loop(loop, EVLOOP_ONCE);
    return turns;
}

/* A connection that cannot be accepted, for no descriptor is free, is waited with. */
static void test_no_descriptors(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
    g_autoptr(PosternCounters) counters = postern_counters_new();
    g_autofree char *folder = g_dir_make_tmp("postern-http-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    g_autofree char *where = g_strconcat("unix:", path, NULL);
    struct event_base *loop = event_base_new();
    PosternHttp *http = NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct rlimit limit;
    g_assert_true(postern_http_open(configuration, where, "nobody", counters, &http, &error));
    postern_http_serve(http, loop, "postern-test", tell_nothing, NULL);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(connect(client, (struct sockaddr *)&address, sizeof address), ==, 0);
    int next = fcntl(client, F_DUPFD, 0);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    rlim_t before = limit.rlim_cur;
    close(next);
    limit.rlim_cur = (rlim_t)next;
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    g_assert_cmpuint(turns_in(loop, G_USEC_PER_SEC), <, 20);
    limit.rlim_cur = before;
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    close(client);
    postern_http_free(http);
    event_base_free(loop);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/http/metrics", test_metrics);
    g_test_add_func("/http/hostile-text", test_hostile_text);
    g_test_add_func("/http/history", test_history);
    g_test_add_func("/http/remembered", test_remembered);
    g_test_add_func("/http/wrong-password-files", test_wrong_password_files);
    g_test_add_func("/http/passwords", test_passwords);
    g_test_add_func("/http/no-descriptors", test_no_descriptors);
    return g_test_run();
}
