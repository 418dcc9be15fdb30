#include "mail/message.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

typedef struct {
    const char *text;
    guint64 header; /* octets with the empty line; 0: not complete */
} HeaderCase;

static const HeaderCase header_cases[] = {
    {"", 0},
    {"\r", 0},
    {"\r\n", 2},
    {"\n", 1},
    {"A: b\r\n", 0},
    {"A: b\r\n\r\n", 8},
    {"A: b\r\n\r\nbody\r\n\r\n", 8},
    {"A: b\n\nbody", 6},
    {"A: b\n\r\nbody", 7},
    {"A: b\r\r\n\r\n", 9},
    {"A: b\r\n\r\r\n", 0},
    {"A: b\r\n\r\r\n\r\n", 11},
    {"\r\r\n\r\n", 5},
};

static PosternMessage *message_of(const char *text, gsize step, gboolean seal)
{
    g_autoptr(GError) error = NULL;
    PosternMessage *message = postern_message_new(1000000, NULL, &error);
    gsize length = strlen(text);

    g_assert_no_error(error);
    for (gsize at = 0; at < length; at += step)
        g_assert_true(postern_message_append(message, text + at, MIN(step, length - at), &error));
    if (seal)
        g_assert_true(postern_message_seal(message, &error));
    return message;
}

static void assert_octets(PosternMessage *message, const char *text, gsize expected)
{
    g_autoptr(GError) error = NULL;
    gsize length = 1;
    const char *octets = postern_message_octets(message, &length, &error);

    g_assert_no_error(error);
    g_assert_nonnull(octets);
    g_assert_cmpmem(octets, length, text, expected);
}

static void test_header_complete(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(header_cases); i++) {
        const HeaderCase *entry = &header_cases[i];

        for (gsize step = 1; step <= 20; step++) {
            g_autoptr(PosternMessage) message = message_of(entry->text, step, FALSE);
            guint64 octets = 99;

            g_assert_cmpint(postern_message_header_complete(message, &octets), ==, entry->header > 0);
            g_assert_cmpuint(octets, ==, entry->header);
            g_assert_cmpuint(postern_message_size(message), ==, strlen(entry->text));
        }
    }
}

static void test_copy_header(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(header_cases); i++) {
        const HeaderCase *entry = &header_cases[i];
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternMessage) message = message_of(entry->text, 3, FALSE);
        g_autoptr(PosternMessage) copy = postern_message_copy_header(message, &error);

        g_assert_no_error(error);
        assert_octets(copy, entry->text, entry->header ? entry->header : strlen(entry->text));
        g_assert_true(postern_message_append(message, "more", 4, &error));
    }
}

static void test_maximum(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternMessage) message = postern_message_new(5, NULL, &error);

    g_assert_true(postern_message_append(message, "abc", 3, &error));
    g_assert_false(postern_message_is_too_big(message));
    g_assert_false(postern_message_append(message, "def", 3, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
    g_clear_error(&error);
    g_assert_true(postern_message_is_too_big(message));
    g_assert_cmpuint(postern_message_size(message), ==, 3);
    g_assert_true(postern_message_append(message, "DE", 2, &error));
    g_assert_true(postern_message_append(message, "", 0, &error));
    g_assert_true(postern_message_seal(message, &error));
    assert_octets(message, "abcDE", 5);
    g_assert_false(postern_message_append(message, "", 0, NULL));
}

static void test_budget(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternBudget) budget = postern_budget_new(100000);
    g_autofree char *octets = g_strnfill(90000, 'x');
    PosternMessage *message = postern_message_new(1000000, budget, &error);

    g_assert_true(postern_message_append(message, octets, 10, &error));
    g_assert_cmpuint(postern_budget_used(budget), ==, POSTERN_MESSAGE_PAGE_OCTETS);
    g_assert_true(
        postern_message_append(message, octets, 90000, &error)); /* a whole step does not fit any more */
    g_assert_cmpuint(postern_budget_used(budget), ==, 90010);
    g_assert_false(postern_message_append(message, octets, 20000, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
    g_assert_false(postern_message_is_too_big(message));
    g_assert_cmpuint(postern_message_size(message), ==, 90010);
    g_clear_error(&error);

    g_assert_true(postern_message_seal(message, &error));
    g_assert_cmpuint(postern_budget_used(budget), ==, 90010);
    postern_message_unref(message);
    g_assert_cmpuint(postern_budget_used(budget), ==, 0);

    message = postern_message_new(1000000, budget, &error);
    g_assert_true(postern_message_append(message, octets, 10, &error));
    g_assert_true(postern_message_seal(message, &error));
    g_assert_cmpuint(postern_budget_used(budget), ==, 10); /* what was taken ahead is given back */
    postern_message_unref(message);
}

/* Few octets need no memfd. */
static void test_seal_in_heap(void)
{
    g_autoptr(PosternMessage) message = message_of("abc\r\n", 2, FALSE);
    gsize length;
    g_assert_cmpint(postern_message_descriptor(message), ==, -1);
    g_assert_null(postern_message_octets(message, &length, NULL));
    g_assert_true(postern_message_seal(message, NULL));
    g_assert_false(postern_message_append(message, "x", 1, NULL));
    assert_octets(message, "abc\r\n", 5);
    g_assert_cmpint(postern_message_descriptor(message), ==, -1);
}

static void test_seal(void)
{
    g_autofree char *text = g_strnfill(POSTERN_MESSAGE_HEAP_MAX_OCTETS + 5, 'x');
    g_autoptr(PosternMessage) message = message_of(text, 7001, FALSE);
    gsize length;
    int descriptor = postern_message_descriptor(message);
    g_assert_null(postern_message_octets(message, &length, NULL));
    g_assert_true(postern_message_seal(message, NULL));
    g_assert_true(postern_message_seal(message, NULL));
    g_assert_cmpint(fcntl(descriptor, F_GET_SEALS), ==,
                    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    g_assert_cmpint(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_cmpint(pwrite(descriptor, "x", 1, 0), ==, -1);
    assert_octets(message, text, strlen(text));
}

static void test_from_octets(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(header_cases); i++) {
        const char *text = header_cases[i].text;
        g_autoptr(GBytes) octets = g_bytes_new(text, strlen(text));
        g_autoptr(PosternMessage) message = postern_message_from_octets(octets);
        guint64 header = 0;
        g_clear_pointer(&octets, g_bytes_unref);
        assert_octets(message, text, strlen(text));
        g_assert_cmpint(postern_message_header_complete(message, &header), ==, header_cases[i].header > 0);
        g_assert_cmpuint(header, ==, header_cases[i].header);
        g_assert_false(postern_message_append(message, "x", 1, NULL));
    }
}

static void test_empty(void)
{
    g_autoptr(PosternMessage) message = message_of("", 1, TRUE);

    assert_octets(message, "", 0);
}

/* A memfd that holds text, sealed as asked. */
static int descriptor_of(const char *text, int seals)
{
    int descriptor = memfd_create("test", MFD_ALLOW_SEALING);

    g_assert_cmpint(descriptor, >=, 0);
    g_assert_cmpint(write(descriptor, text, strlen(text)), ==, (gssize)strlen(text));
    g_assert_cmpint(fcntl(descriptor, F_ADD_SEALS, seals), ==, 0);
    return descriptor;
}

static void test_from_descriptor(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(header_cases); i++) {
        g_autoptr(GError) error = NULL;
        const char *text = header_cases[i].text;
        int descriptor = descriptor_of(text, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        g_autoptr(PosternMessage) message = postern_message_from_descriptor(descriptor, strlen(text), &error);
        guint64 octets;

        g_assert_no_error(error);
        assert_octets(message, text, strlen(text));
        g_assert_cmpint(postern_message_header_complete(message, &octets), ==, header_cases[i].header > 0);
        g_assert_cmpuint(octets, ==, header_cases[i].header);
        g_assert_cmpint(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
        g_assert_false(postern_message_append(message, "x", 1, NULL));
    }
}

static void assert_refused(int descriptor, guint64 maximum, PosternError code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(postern_message_from_descriptor(descriptor, maximum, &error));
    g_assert_error(error, POSTERN_ERROR, (int)code);
    g_assert_cmpint(fcntl(descriptor, F_GETFD), ==, -1); /* it was taken over and closed */
}

static void test_from_bad_descriptor(void)
{
    int pair[2];

    assert_refused(descriptor_of("abc", 0), 100, POSTERN_ERROR_PROTOCOL);
    assert_refused(descriptor_of("abc", F_SEAL_SHRINK | F_SEAL_GROW), 100, POSTERN_ERROR_PROTOCOL);
    assert_refused(descriptor_of("abc", F_SEAL_SHRINK | F_SEAL_WRITE), 100, POSTERN_ERROR_PROTOCOL);
    assert_refused(descriptor_of("abc", F_SEAL_GROW | F_SEAL_WRITE), 100, POSTERN_ERROR_PROTOCOL);
    assert_refused(descriptor_of("abc", F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 2, POSTERN_ERROR_LIMIT);
    assert_refused(open("/dev/null", O_RDONLY), 100, POSTERN_ERROR_PROTOCOL);
    assert_refused(-1, 100, POSTERN_ERROR_PROTOCOL);
    g_assert_cmpint(pipe(pair), ==, 0);
    assert_refused(pair[0], 100, POSTERN_ERROR_PROTOCOL);
    close(pair[1]);
}

static void test_large_hostile_header(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *octets = g_strnfill(3 * POSTERN_MESSAGE_CHUNK_OCTETS - 3, 'x');
    g_autofree char *text =
        g_strconcat(octets, "\r\n\r\nbody", NULL); /* the empty line lies across two chunks */
    int descriptor = descriptor_of(text, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    g_autoptr(PosternMessage) message = postern_message_from_descriptor(descriptor, G_MAXUINT64, &error);
    guint64 header;

    g_assert_no_error(error);
    g_assert_true(postern_message_header_complete(message, &header));
    g_assert_cmpuint(header, ==, strlen(text) - 4);
    g_assert_cmpuint(postern_message_size(message), ==, strlen(text));
}

static gpointer read_message(gpointer data)
{
    gsize length;

    return (gpointer)(guintptr)postern_message_octets(data, &length, NULL);
}

static void test_threads_share_one_mapping(void)
{
    g_autofree char *text = g_strnfill(POSTERN_MESSAGE_HEAP_MAX_OCTETS + 1, 'x');
    g_autoptr(PosternMessage) message = message_of(text, 8000, TRUE);
    GThread *threads[8];
    gsize length;

    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("reader", read_message, message);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        g_assert_true(g_thread_join(threads[i]) == postern_message_octets(message, &length, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/message/header-complete", test_header_complete);
    g_test_add_func("/message/copy-header", test_copy_header);
    g_test_add_func("/message/maximum", test_maximum);
    g_test_add_func("/message/budget", test_budget);
    g_test_add_func("/message/seal", test_seal);
    g_test_add_func("/message/seal-in-heap", test_seal_in_heap);
    g_test_add_func("/message/from-octets", test_from_octets);
    g_test_add_func("/message/empty", test_empty);
    g_test_add_func("/message/from-descriptor", test_from_descriptor);
    g_test_add_func("/message/from-bad-descriptor", test_from_bad_descriptor);
    g_test_add_func("/message/large-hostile-header", test_large_hostile_header);
    g_test_add_func("/message/threads-share-one-mapping", test_threads_share_one_mapping);
    return g_test_run();
}
