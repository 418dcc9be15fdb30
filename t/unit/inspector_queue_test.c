#include "inspect/directory.h"
#include "inspector/account.h"
#include "inspector/queue.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"

#define ITEM(n) GUINT_TO_POINTER(n)

static void test_turns(void)
{
    g_autoptr(PosternQueue) queue = postern_queue_new(100);
    static const guint expected[] = {11, 21, 31, 12, 22, 13, 14};
    for (guint i = 11; i <= 14; i++) {
        g_assert_true(postern_queue_push(queue, 1, ITEM(i)));
    }
    g_assert_true(postern_queue_push(queue, 2, ITEM(21)));
    g_assert_true(postern_queue_push(queue, 2, ITEM(22)));
    g_assert_true(postern_queue_push(queue, 3, ITEM(31)));
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_cmpuint(GPOINTER_TO_UINT(postern_queue_pop(queue)), ==, expected[i]);
    }
    g_assert_null(postern_queue_pop(queue));
    g_assert_cmpuint(postern_queue_length(queue), ==, 0);
}

static void test_shares(void)
{
    g_autoptr(PosternQueue) queue = postern_queue_new(4);
    g_assert_true(postern_queue_push(queue, 1, ITEM(1)));
    g_assert_true(postern_queue_push(queue, 1, ITEM(2)));
    g_assert_false(postern_queue_push(queue, 1, ITEM(3)));
    g_assert_true(postern_queue_push(queue, 2, ITEM(4)));
    g_assert_true(postern_queue_push(queue, 0, ITEM(5)));
    g_assert_false(postern_queue_push(queue, 3, ITEM(6)));
    postern_queue_push_back(queue, ITEM(7));
    g_assert_cmpuint(postern_queue_length(queue), ==, 5);
    g_assert_cmpuint(GPOINTER_TO_UINT(postern_queue_pop(queue)), ==, 7);
    g_assert_cmpuint(GPOINTER_TO_UINT(postern_queue_pop(queue)), ==, 1);
    g_assert_true(postern_queue_push(queue, 1, ITEM(8)));
}

static void test_remove(void)
{
    g_autoptr(PosternQueue) queue = postern_queue_new(10);
    postern_queue_push(queue, 1, ITEM(1));
    postern_queue_push(queue, 2, ITEM(2));
    postern_queue_push(queue, 2, ITEM(3));
    postern_queue_push_back(queue, ITEM(4));
    g_assert_false(postern_queue_remove(queue, 1, ITEM(2)));
    g_assert_false(postern_queue_remove(queue, 9, ITEM(2)));
    g_assert_true(postern_queue_remove(queue, 1, ITEM(1)));
    g_assert_true(postern_queue_remove(queue, 2, ITEM(4)));
    g_assert_cmpuint(postern_queue_length(queue), ==, 2);
    g_assert_cmpuint(GPOINTER_TO_UINT(postern_queue_pop(queue)), ==, 2);
    g_assert_true(postern_queue_remove(queue, 2, ITEM(3)));
    g_assert_null(postern_queue_pop(queue));
}

static void test_crashes(void)
{
    PosternCrashes crashes = {0};
    postern_crashes_note(&crashes, 100);
    postern_crashes_note(&crashes, 200);
    g_assert_cmpuint(postern_crashes_count(&crashes, 250, 1000), ==, 2);
    g_assert_cmpuint(postern_crashes_count(&crashes, 250, 100), ==, 1);
    for (guint i = 0; i < 2 * POSTERN_CRASHES_KEPT; i++) {
        postern_crashes_note(&crashes, 300 + i);
    }
    g_assert_cmpuint(postern_crashes_count(&crashes, 400, 1000), ==, POSTERN_CRASHES_KEPT);
    postern_crashes_clear(&crashes);
    g_assert_cmpuint(postern_crashes_count(&crashes, 400, 1000), ==, 0);
}

static void test_account(void)
{
    const gint64 second = G_USEC_PER_SEC;
    PosternAccount account = {.user = 5, .connections = 1};
    gint64 now = 1000 * second;
    for (guint i = 1; i < POSTERN_INSPECTOR_CLIENT_CRASHES_MAX; i++) {
        g_assert_false(postern_account_note_crash(&account, now));
    }
    g_assert_false(postern_account_is_paused(&account, now));
    g_assert_true(postern_account_note_crash(&account, now));
    g_assert_true(postern_account_is_paused(&account, now));
    g_assert_false(postern_account_note_crash(&account, now));
    now += POSTERN_INSPECTOR_CLIENT_PAUSE_SECONDS * second;
    g_assert_false(postern_account_is_paused(&account, now));
    account.connections = 0;
    g_assert_false(postern_account_is_idle(&account, now));
    now += POSTERN_INSPECTOR_CRASH_WINDOW_SECONDS * second;
    g_assert_true(postern_account_is_idle(&account, now));
}

static char *make_parent(void)
{
    char *parent = g_strdup("/tmp/postern-unit-XXXXXX");
    g_assert_nonnull(mkdtemp(parent));
    return parent;
}

static void test_directory(void)
{
    g_autofree char *parent = make_parent();
    g_autoptr(GError) error = NULL;
    PosternDirectory *directory = postern_directory_new(parent, "postern-inspector-", &error);
    g_assert_no_error(error);
    g_autofree char *outside = g_build_filename(parent, "outside", NULL);
    g_autofree char *inner = g_build_filename(directory->path, "a", "b", NULL);
    g_autofree char *file = g_build_filename(inner, "file", NULL);
    g_autofree char *link = g_build_filename(directory->path, "link", NULL);
    g_autofree char *closed = g_build_filename(directory->path, "a", NULL);
    g_assert_cmpint(g_mkdir_with_parents(inner, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
    g_assert_true(g_file_set_contents(outside, "x", 1, NULL));
    g_assert_cmpint(symlink(parent, link), ==, 0);
    g_assert_cmpint(chmod(closed, 0), ==, 0);
    postern_directory_free(directory);
    g_assert_true(g_file_test(outside, G_FILE_TEST_EXISTS));
    g_assert_cmpint(unlink(outside), ==, 0);
    g_assert_cmpint(rmdir(parent), ==, 0);
}

/* What a killed inspector left goes; what a living one has stays. */
static void test_stale_directory(void)
{
    g_autofree char *parent = make_parent();
    g_autofree char *stale = g_build_filename(parent, "postern-inspector-stale", NULL);
    g_autofree char *living = g_build_filename(parent, "postern-inspector-living", NULL);
    g_autofree char *other = g_build_filename(parent, "other", NULL);
    g_assert_cmpint(mkdir(stale, 0700) | mkdir(living, 0700) | mkdir(other, 0700), ==, 0);
    int lock = open(living, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(flock(lock, LOCK_EX), ==, 0);
    PosternDirectory *directory = postern_directory_new(parent, "postern-inspector-", NULL);
    g_assert_nonnull(directory);
    g_assert_false(g_file_test(stale, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(living, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(other, G_FILE_TEST_EXISTS));
    postern_directory_free(directory);
    close(lock);
    g_assert_cmpint(rmdir(living) | rmdir(other) | rmdir(parent), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/queue/turns", test_turns);
    g_test_add_func("/queue/shares", test_shares);
    g_test_add_func("/queue/remove", test_remove);
    g_test_add_func("/crashes", test_crashes);
    g_test_add_func("/account", test_account);
    g_test_add_func("/directory", test_directory);
    g_test_add_func("/directory/stale", test_stale_directory);
    return g_test_run();
}
