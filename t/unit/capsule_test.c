#include "capsule/capsule.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "unit/capsule_sample.h"

static const char text[] = "From: a@example.com\r\n\r\nHello.\r\n";

static void test_all_comes_back(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternCapsule) capsule = capsule_sample_of(text, strlen(text));
    g_autoptr(GBytes) octets = capsule_sample_octets(capsule);
    g_autoptr(PosternCapsule) back = postern_capsule_parse(octets, &error);
    gsize length = 0;
    g_assert_no_error(error);
    g_assert_cmpstr(back->name, ==, "folder/message.eml");
    g_assert_cmpmem(postern_message_octets(back->message, &length, NULL), length, text, strlen(text));
    g_assert_cmpstr(back->envelope->sender, ==, "a\xff@example.com");
    g_assert_cmpuint(back->envelope->recipients->len, ==, 1);
    g_assert_cmpuint(postern_answers_count(back->answers), ==, 2);
    g_assert_cmpint(back->now, ==, -5);
    g_assert_cmpstr(back->receiver, ==, "mx.example.org");
    g_assert_cmpuint(back->scan_octets, ==, 12345);
    g_assert_cmpuint(back->checks, ==, POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS);
    g_assert_cmpuint(back->failed, ==, POSTERN_CHECK_DKIM);
    g_assert_cmpstr(back->problem, ==, "the inspector is gone");
    g_assert_cmpint(back->findings->virus.result, ==, POSTERN_VIRUS_UNSCANNABLE);
    g_assert_cmpuint(back->findings->steps->len, ==, 0);
    g_assert_true(g_str_has_prefix(back->versions, "postern "));
    g_assert_cmpstr(back->configuration, ==, capsule->configuration);
    g_assert_cmpstr(back->policy, ==, "submission");
    g_assert_cmpint(back->client_class, ==, POSTERN_CLIENT_TRUSTED_RELAY);
    g_assert_true(back->observe);
    g_assert_cmpint(back->action, ==, POSTERN_ACTION_ACCEPT);
    g_assert_cmpint(back->would, ==, POSTERN_ACTION_REJECT);
    g_assert_null(back->reply);
    g_assert_cmpstr(back->would_reply, ==, "550 5.7.23 no");
    g_assert_cmpstr(back->check, ==, "spf_fail");
    g_autoptr(GBytes) again = capsule_sample_octets(back);
    g_assert_true(g_bytes_equal(octets, again));
}

/* The file is what GVariant itself would make of the two: at the sizes too where its offsets grow. */
static void test_form_is_that_of_gvariant(void)
{
    g_autoptr(PosternCapsule) empty = capsule_sample_of("", 0);
    g_autoptr(GBytes) least = capsule_sample_octets(empty);
    gsize overhead = g_bytes_get_size(least) - strlen(POSTERN_CAPSULE_MAGIC) - 2;
    const gsize sizes[] = {1,
                           100,
                           G_MAXUINT16 - overhead - 3,
                           G_MAXUINT16 - overhead - 2,
                           G_MAXUINT16 - overhead - 1,
                           G_MAXUINT16 - overhead,
                           100000};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *filler = g_strnfill(sizes[i], 'x');
        g_autoptr(PosternCapsule) capsule = capsule_sample_of(filler, sizes[i]);
        g_autoptr(GBytes) octets = capsule_sample_octets(capsule);
        gsize start = strlen(POSTERN_CAPSULE_MAGIC);
        g_autoptr(GBytes) body = g_bytes_new_from_bytes(octets, start, g_bytes_get_size(octets) - start);
        g_autoptr(GVariant) variant = g_variant_ref_sink(
            g_variant_new_from_bytes(G_VARIANT_TYPE(POSTERN_CAPSULE_VARIANT), body, FALSE));
        g_autoptr(GVariant) dictionary = g_variant_get_child_value(variant, 0);
        GVariant *children[] = {dictionary,
                                g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, filler, sizes[i], 1)};
        g_autoptr(GVariant) expected = g_variant_ref_sink(g_variant_new_tuple(children, 2));
        g_autoptr(GBytes) wanted = g_variant_get_data_as_bytes(expected);
        g_assert_true(g_variant_is_normal_form(variant));
        g_assert_true(g_bytes_equal(body, wanted));
    }
}

/* A capsule is tens of thousands of octets by now, most of them the configuration. */
#define STEP 7

static void test_cut_off_anywhere(void)
{
    g_autoptr(PosternCapsule) capsule = capsule_sample_of(text, strlen(text));
    g_autoptr(GBytes) octets = capsule_sample_octets(capsule);
    for (gsize length = 0; length < g_bytes_get_size(octets); length += STEP) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) part = g_bytes_new(g_bytes_get_data(octets, NULL), length);
        g_assert_null(postern_capsule_parse(part, &error));
        g_assert_nonnull(error);
    }
}

/* An error, or a capsule that can be written again. */
static void test_garbled_anywhere(void)
{
    g_autoptr(PosternCapsule) capsule = capsule_sample_of(text, strlen(text));
    g_autoptr(GBytes) octets = capsule_sample_octets(capsule);
    const guint8 flips[] = {0xff, 0x01, 0x80};
    guint refused = 0;
    for (gsize place = 0; place < g_bytes_get_size(octets); place += STEP) {
        gsize length = 0;
        g_autoptr(GError) error = NULL;
        guint8 *copy = g_memdup2(g_bytes_get_data(octets, &length), g_bytes_get_size(octets));
        copy[place] ^= flips[place % G_N_ELEMENTS(flips)];
        g_autoptr(GBytes) garbled = g_bytes_new_take(copy, length);
        g_autoptr(PosternCapsule) back = postern_capsule_parse(garbled, &error);
        g_assert_true((back == NULL) == (error != NULL));
        refused += back == NULL;
        if (back != NULL) {
            g_autoptr(GBytes) again = capsule_sample_octets(back);
            g_assert_cmpuint(g_bytes_get_size(again), >, 0);
        }
    }
    /* The configuration alone has a digest, and it is most of a capsule. */
    g_assert_cmpuint(refused * STEP, >, strlen(capsule->configuration));
}

static void test_file_is_private_and_whole(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("postern-capsule-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "a.capsule", NULL);
    g_autoptr(PosternCapsule) capsule = capsule_sample_of(text, strlen(text));
    struct stat status;
    mode_t before = umask(0);
    g_assert_true(postern_capsule_save(capsule, path, &error));
    umask(before);
    g_assert_no_error(error);
    g_assert_cmpint(stat(path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 07777, ==, 0600);
    g_autoptr(PosternCapsule) back = postern_capsule_load(path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(back->name, ==, capsule->name);
    g_remove(path);
    g_assert_cmpint(g_rmdir(folder), ==, 0); /* nothing half done is left */
}

/* Nothing is ever lost for a capsule: no message, no capsule of yesterday, no device. */
static void test_never_over_anything(void)
{
    g_autofree char *folder = g_dir_make_tmp("postern-capsule-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "file", NULL);
    g_autofree char *dangling = g_build_filename(folder, "link", NULL);
    g_autofree char *fifo = g_build_filename(folder, "pipe", NULL);
    const char *const names[] = {file, dangling, fifo};
    g_autoptr(PosternCapsule) capsule = capsule_sample_of(text, strlen(text));
    g_autofree char *kept = NULL;
    g_assert_true(g_file_set_contents(file, "kept", -1, NULL));
    g_assert_cmpint(symlink("nowhere", dangling), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(postern_capsule_save(capsule, names[i], &error));
        g_assert_true(g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM));
        g_assert_nonnull(strstr(error->message, names[i]));
    }
    g_assert_true(g_file_get_contents(file, &kept, NULL, NULL));
    g_assert_cmpstr(kept, ==, "kept");
    g_assert_true(g_file_test(dangling, G_FILE_TEST_IS_SYMLINK));
    g_assert_false(g_file_test(fifo, G_FILE_TEST_IS_REGULAR));
    g_remove(fifo);
    g_remove(file);
    g_remove(dangling);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_where_it_cannot_be_written(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternCapsule) capsule = capsule_sample_of(text, strlen(text));
    g_assert_false(postern_capsule_save(capsule, "/nonexistent/a.capsule", &error));
    g_assert_true(g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM));
    g_assert_nonnull(strstr(error->message, "/nonexistent/a.capsule"));
}

static void test_what_is_no_capsule(void)
{
    const char *const paths[] = {"/nonexistent", "/dev/null", "/", "/proc/self/cmdline"};
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(postern_capsule_load(paths[i], &error));
        g_assert_true(g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_INPUT));
        g_assert_true(g_str_has_prefix(error->message, paths[i]));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/capsule/all-comes-back", test_all_comes_back);
    g_test_add_func("/capsule/form-is-that-of-gvariant", test_form_is_that_of_gvariant);
    g_test_add_func("/capsule/cut-off-anywhere", test_cut_off_anywhere);
    g_test_add_func("/capsule/garbled-anywhere", test_garbled_anywhere);
    g_test_add_func("/capsule/file-is-private-and-whole", test_file_is_private_and_whole);
    g_test_add_func("/capsule/never-over-anything", test_never_over_anything);
    g_test_add_func("/capsule/where-it-cannot-be-written", test_where_it_cannot_be_written);
    g_test_add_func("/capsule/what-is-no-capsule", test_what_is_no_capsule);
    return g_test_run();
}
