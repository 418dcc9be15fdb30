#include "capsule/store.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "capsule/retention.h"
#include "unit/capsule_sample.h"

typedef struct {
    char *folder;
    char *directory;
    PosternConfiguration *configuration;
    PosternCapsuleStore *store;
    gint warnings; /* atomic, as is the following */
    gint lost;
} Fixture;

static void warn(const char *text, guint lost, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_assert_cmpstr(text, !=, "");
    g_atomic_int_inc(&fixture->warnings);
    g_atomic_int_add(&fixture->lost, (gint)lost);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->folder = g_dir_make_tmp("postern-store-XXXXXX", NULL);
    fixture->directory = g_build_filename(fixture->folder, "capsules", NULL);
    fixture->configuration = postern_configuration_new();
    g_free(fixture->configuration->capsule.directory);
    fixture->configuration->capsule.directory = g_strdup(fixture->directory);
}

static GPtrArray *names(const Fixture *fixture)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) directory = g_dir_open(fixture->directory, 0, NULL);
    const char *name;
    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL)
        g_ptr_array_add(all, g_build_filename(fixture->directory, name, NULL));
    return all;
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    postern_capsule_store_free(fixture->store);
    g_autoptr(GPtrArray) all = names(fixture);
    for (guint i = 0; i < all->len; i++)
        g_remove(g_ptr_array_index(all, i));
    g_rmdir(fixture->directory);
    g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
    postern_configuration_free(fixture->configuration);
    g_free(fixture->directory);
    g_free(fixture->folder);
}

/* Who runs the test: the store's directory is to be his. */
static gboolean open_store(Fixture *fixture, GError **error)
{
    return postern_capsule_store_open(fixture->configuration, geteuid() == 0 ? "nobody" : g_get_user_name(),
                                      warn, fixture, &fixture->store, error);
}

static void put(Fixture *fixture, gsize octets)
{
    g_autofree char *filler = g_strnfill(octets, 'x');
    postern_capsule_store_put(fixture->store, capsule_sample_of(filler, octets), "Session1");
}

static void test_kept(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    struct stat status;
    g_assert_true(open_store(fixture, &error));
    g_assert_no_error(error);
    postern_capsule_store_start(fixture->store);
    for (guint i = 0; i < 5; i++)
        put(fixture, 100);
    g_clear_pointer(&fixture->store, postern_capsule_store_free);
    g_assert_cmpint(stat(fixture->directory, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 07777, ==, 0700);
    g_autoptr(GPtrArray) all = names(fixture);
    g_assert_cmpuint(all->len, ==, 5);
    for (guint i = 0; i < all->len; i++) {
        const char *path = g_ptr_array_index(all, i);
        g_autofree char *name = g_path_get_basename(path);
        g_assert_true(g_regex_match_simple("^Session1-\\d{8}T\\d{6}\\.\\d{6}Z\\.capsule$", name, 0, 0));
        g_autoptr(PosternCapsule) back = postern_capsule_load(path, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(postern_message_size(back->message), ==, 100);
    }
    g_assert_cmpint(g_atomic_int_get(&fixture->warnings), ==, 0);
}

static void test_wanted(Fixture *fixture, gconstpointer data)
{
    PosternVerdict accepted = {.action = POSTERN_ACTION_ACCEPT, .would = POSTERN_ACTION_ACCEPT};
    PosternVerdict observed = {.action = POSTERN_ACTION_ACCEPT, .would = POSTERN_ACTION_REJECT};
    g_assert_false(postern_capsule_store_wants(NULL, &observed));
    g_assert_true(open_store(fixture, NULL));
    g_assert_true(postern_capsule_store_wants(fixture->store, &observed));
    g_assert_false(postern_capsule_store_wants(fixture->store, &accepted));
    fixture->configuration->capsule.which = POSTERN_CAPSULE_ALL;
    postern_capsule_store_reload(fixture->store, fixture->configuration);
    g_assert_true(postern_capsule_store_wants(fixture->store, &accepted));
    g_assert_false(postern_capsule_store_wants(fixture->store, NULL));
}

static void test_off_by_default(Fixture *fixture, gconstpointer data)
{
    fixture->configuration->capsule.directory[0] = '\0';
    g_assert_true(open_store(fixture, NULL));
    g_assert_null(fixture->store);
    postern_capsule_store_start(NULL);
    postern_capsule_store_reload(NULL, fixture->configuration);
    postern_capsule_store_free(NULL);
}

static guint64 octets_kept(const Fixture *fixture)
{
    g_autoptr(GPtrArray) all = names(fixture);
    guint64 octets = 0;
    for (guint i = 0; i < all->len; i++) {
        struct stat status;
        g_assert_cmpint(stat(g_ptr_array_index(all, i), &status), ==, 0);
        octets += (guint64)status.st_size;
    }
    return octets;
}

static void test_room_is_bounded(Fixture *fixture, gconstpointer data)
{
    const guint64 room = 1024 * 1024;
    fixture->configuration->capsule.octets = room;
    for (guint turn = 0; turn < 3; turn++) {
        g_assert_true(open_store(fixture, NULL));
        postern_capsule_store_start(fixture->store);
        for (guint i = 0; i < 40; i++)
            put(fixture, 100000);
        g_clear_pointer(&fixture->store, postern_capsule_store_free);
        g_assert_cmpuint(octets_kept(fixture), <=, room);
        g_assert_cmpuint(octets_kept(fixture), >, room / 2);
    }
    g_assert_cmpint(g_atomic_int_get(&fixture->lost), ==, 0);
}

static void test_what_is_too_large_is_told_once(Fixture *fixture, gconstpointer data)
{
    fixture->configuration->capsule.octets = 1024 * 1024;
    g_assert_true(open_store(fixture, NULL));
    postern_capsule_store_start(fixture->store);
    for (guint i = 0; i < 10; i++)
        put(fixture, 2 * 1024 * 1024);
    g_clear_pointer(&fixture->store, postern_capsule_store_free);
    g_assert_cmpint(g_atomic_int_get(&fixture->warnings), ==, 1);
    g_assert_cmpuint(octets_kept(fixture), ==, 0);
}

/* Without its thread nothing is ever written. */
static void test_the_queue_is_bounded(Fixture *fixture, gconstpointer data)
{
    g_assert_true(open_store(fixture, NULL));
    for (guint i = 0; i < 100; i++)
        put(fixture, 1024 * 1024);
    postern_capsule_store_start(fixture->store);
    g_clear_pointer(&fixture->store, postern_capsule_store_free);
    g_autoptr(GPtrArray) all = names(fixture);
    g_assert_cmpuint(all->len, ==, 64);
    g_assert_cmpint(g_atomic_int_get(&fixture->lost), ==, 36);
}

static void test_a_disk_that_fails_is_survived(Fixture *fixture, gconstpointer data)
{
    g_assert_true(open_store(fixture, NULL));
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    postern_capsule_store_start(fixture->store);
    for (guint i = 0; i < 10; i++)
        put(fixture, 10);
    g_clear_pointer(&fixture->store, postern_capsule_store_free);
    g_assert_cmpint(g_atomic_int_get(&fixture->warnings), ==, 1);
}

static void test_a_directory_that_is_open_to_others(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(g_mkdir(fixture->directory, 0755), ==, 0);
    if (geteuid() == 0)
        g_assert_cmpint(chown(fixture->directory, 65534, (gid_t)-1), ==, 0);
    g_assert_false(open_store(fixture, &error));
    g_assert_true(g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION));
    g_assert_nonnull(strstr(error->message, "[capsule] directory"));
}

static void test_a_link_is_not_followed(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(symlink("/tmp", fixture->directory), ==, 0);
    g_assert_false(open_store(fixture, &error));
    g_assert_nonnull(error);
    g_assert_cmpint(g_remove(fixture->directory), ==, 0);
}

static void make_file(const Fixture *fixture, const char *name, gint64 age_seconds, gsize octets)
{
    g_autofree char *path = g_build_filename(fixture->directory, name, NULL);
    g_autofree char *filler = g_strnfill(octets, 'x');
    struct timespec times[2] = {{.tv_sec = g_get_real_time() / G_USEC_PER_SEC - age_seconds}};
    times[1] = times[0];
    g_assert_true(g_file_set_contents(path, filler, (gssize)octets, NULL));
    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

static gboolean is_there(const Fixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->directory, name, NULL);
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void test_the_oldest_go_first(Fixture *fixture, gconstpointer data)
{
    g_assert_cmpint(g_mkdir(fixture->directory, 0700), ==, 0);
    make_file(fixture, "a.capsule", 30, 100);
    make_file(fixture, "b.capsule", 500, 100);
    make_file(fixture, "c.capsule", 20, 100);
    make_file(fixture, "d.capsule", 10, 100);
    make_file(fixture, "other", 5000, 100);
    make_file(fixture, ".e.capsule.1.2.partial", 5000, 100);
    make_file(fixture, ".f.capsule.1.2.partial", 1, 100);
    int directory = open(fixture->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpuint(postern_retention_tidy(directory, 250, 100 * 1000), ==, 200);
    close(directory);
    g_assert_false(is_there(fixture, "a.capsule"));
    g_assert_false(is_there(fixture, "b.capsule"));
    g_assert_true(is_there(fixture, "c.capsule"));
    g_assert_true(is_there(fixture, "d.capsule"));
    g_assert_true(is_there(fixture, "other"));
    g_assert_false(is_there(fixture, ".e.capsule.1.2.partial"));
    g_assert_true(is_there(fixture, ".f.capsule.1.2.partial"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add("/capsule-store/" name, Fixture, NULL, set_up, test, tear_down)
    ADD("kept", test_kept);
    ADD("wanted", test_wanted);
    ADD("off-by-default", test_off_by_default);
    ADD("room-is-bounded", test_room_is_bounded);
    ADD("what-is-too-large-is-told-once", test_what_is_too_large_is_told_once);
    ADD("the-queue-is-bounded", test_the_queue_is_bounded);
    ADD("a-disk-that-fails-is-survived", test_a_disk_that_fails_is_survived);
    ADD("a-directory-that-is-open-to-others", test_a_directory_that_is_open_to_others);
    ADD("a-link-is-not-followed", test_a_link_is_not_followed);
    ADD("the-oldest-go-first", test_the_oldest_go_first);
    return g_test_run();
}
