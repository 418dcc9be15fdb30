#include "daemon/directory.h"
#include "inspector/accounts.h"
#include "inspector/queue.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "mail/envelope.h"

#define ITEM(n) GUINT_TO_POINTER(n)
#define SECOND ((gint64)G_USEC_PER_SEC)

/* A client of a user, as the queue knows it: the same pointer for the same one. */
#define CLIENT(n) GUINT_TO_POINTER(n)
#define ANY G_MAXUINT

static gboolean push(PosternQueue *queue, guint user, guint client, guint item)
{
    return postern_queue_push(queue, user, CLIENT(client), ANY, ITEM(item));
}

static guint pop(PosternQueue *queue)
{
    return GPOINTER_TO_UINT(postern_queue_pop(queue, NULL, NULL));
}

static void assert_order(PosternQueue *queue, const guint *expected, gsize length)
{
    for (gsize i = 0; i < length; i++)
        g_assert_cmpuint(pop(queue), ==, expected[i]);
    g_assert_cmpuint(pop(queue), ==, 0);
    g_assert_cmpuint(postern_queue_length(queue), ==, 0);
}

static void test_turns_of_users(void)
{
    g_autoptr(PosternQueue) queue = postern_queue_new(100);
    static const guint expected[] = {11, 21, 31, 12, 22, 13, 14};
    for (guint i = 11; i <= 14; i++)
        g_assert_true(push(queue, 1, 5, i));
    g_assert_true(push(queue, 2, 5, 21));
    g_assert_true(push(queue, 2, 6, 22));
    g_assert_true(push(queue, 3, 5, 31));
    assert_order(queue, expected, G_N_ELEMENTS(expected));
}

/* One user, as a proxy is, for many clients: who asks much waits for itself. */
static void test_turns_of_clients(void)
{
    g_autoptr(PosternQueue) queue = postern_queue_new(1000);
    for (guint i = 0; i < 400; i++)
        g_assert_true(push(queue, 1, 1, 1000 + i));
    for (guint i = 0; i < 20; i++)
        g_assert_true(push(queue, 1, 2 + i, 1 + i));
    guint served = 0;
    for (guint i = 0; i < 21; i++)
        served += pop(queue) < 1000;
    g_assert_cmpuint(served, ==, 20);
    for (guint i = 1; i < 400; i++)
        g_assert_cmpuint(pop(queue), ==, 1000 + i);
    g_assert_cmpuint(postern_queue_length(queue), ==, 0);
}

static gboolean is_even(gpointer client, gpointer item, gpointer user_data)
{
    (*(guint *)user_data)++;
    return GPOINTER_TO_UINT(client) % 2 == 0;
}

static void test_wanted_clients(void)
{
    g_autoptr(PosternQueue) queue = postern_queue_new(100);
    guint asked = 0;
    push(queue, 1, 1, 11);
    push(queue, 1, 3, 13);
    g_assert_false(postern_queue_has(queue, is_even, &asked));
    push(queue, 1, 4, 14);
    push(queue, 1, 4, 15);
    push(queue, 2, 2, 22);
    g_assert_true(postern_queue_has(queue, is_even, &asked));
    g_assert_cmpuint(GPOINTER_TO_UINT(postern_queue_pop(queue, is_even, &asked)), ==, 14);
    g_assert_cmpuint(GPOINTER_TO_UINT(postern_queue_pop(queue, is_even, &asked)), ==, 22);
    g_assert_cmpuint(GPOINTER_TO_UINT(postern_queue_pop(queue, is_even, &asked)), ==, 15);
    g_assert_null(postern_queue_pop(queue, is_even, &asked));
    g_assert_cmpuint(asked, >, 0);
    g_assert_cmpuint(pop(queue), ==, 11);
    g_assert_cmpuint(pop(queue), ==, 13);
}

static void test_shares(void)
{
    g_autoptr(PosternQueue) queue = postern_queue_new(4);
    g_assert_true(push(queue, 1, 1, 1));
    g_assert_true(push(queue, 1, 2, 2));
    g_assert_false(push(queue, 1, 3, 3));
    g_assert_true(push(queue, 2, 1, 4));
    g_assert_true(push(queue, 0, 1, 5));
    g_assert_false(push(queue, 3, 1, 6));
    postern_queue_push_back(queue, ITEM(7));
    g_assert_cmpuint(postern_queue_length(queue), ==, 5);
    g_assert_cmpuint(pop(queue), ==, 7);
    g_assert_cmpuint(pop(queue), ==, 1);
    g_assert_true(push(queue, 1, 1, 8));
}

static void test_share_of_a_client(void)
{
    g_autoptr(PosternQueue) queue = postern_queue_new(100);
    g_assert_true(postern_queue_push(queue, 1, CLIENT(1), 2, ITEM(1)));
    g_assert_true(postern_queue_push(queue, 1, CLIENT(1), 2, ITEM(2)));
    g_assert_false(postern_queue_push(queue, 1, CLIENT(1), 2, ITEM(3)));
    g_assert_false(postern_queue_push(queue, 1, CLIENT(2), 0, ITEM(4)));
    g_assert_true(postern_queue_push(queue, 1, CLIENT(2), 2, ITEM(5)));
    g_assert_cmpuint(pop(queue), ==, 1);
    g_assert_true(postern_queue_push(queue, 1, CLIENT(1), 2, ITEM(6)));
}

static void test_remove(void)
{
    g_autoptr(PosternQueue) queue = postern_queue_new(10);
    push(queue, 1, 1, 1);
    push(queue, 2, 1, 2);
    push(queue, 2, 1, 3);
    push(queue, 2, 2, 5);
    postern_queue_push_back(queue, ITEM(4));
    g_assert_false(postern_queue_remove(queue, 1, CLIENT(1), ITEM(2)));
    g_assert_false(postern_queue_remove(queue, 9, CLIENT(1), ITEM(2)));
    g_assert_false(postern_queue_remove(queue, 2, CLIENT(2), ITEM(2)));
    g_assert_true(postern_queue_remove(queue, 1, CLIENT(1), ITEM(1)));
    g_assert_true(postern_queue_remove(queue, 2, CLIENT(1), ITEM(4)));
    g_assert_true(postern_queue_remove(queue, 2, CLIENT(2), ITEM(5)));
    g_assert_cmpuint(postern_queue_length(queue), ==, 2);
    g_assert_cmpuint(pop(queue), ==, 2);
    g_assert_true(postern_queue_remove(queue, 2, CLIENT(1), ITEM(3)));
    g_assert_cmpuint(pop(queue), ==, 0);
}

static void test_crashes(void)
{
    PosternCrashes crashes = {0};
    postern_crashes_note(&crashes, 100);
    postern_crashes_note(&crashes, 200);
    g_assert_cmpuint(postern_crashes_count(&crashes, 250, 1000), ==, 2);
    g_assert_cmpuint(postern_crashes_count(&crashes, 250, 100), ==, 1);
    for (guint i = 0; i < 2 * POSTERN_CRASHES_KEPT; i++)
        postern_crashes_note(&crashes, 300 + i);
    g_assert_cmpuint(postern_crashes_count(&crashes, 400, 1000), ==, POSTERN_CRASHES_KEPT);
    postern_crashes_clear(&crashes);
    g_assert_cmpuint(postern_crashes_count(&crashes, 400, 1000), ==, 0);
}

static void test_pause(void)
{
    PosternAccount account = {.waiting = 1};
    gint64 now = 1000 * SECOND;
    for (guint i = 1; i < POSTERN_INSPECTOR_CLIENT_CRASHES_MAX; i++)
        g_assert_false(postern_account_note_crash(&account, now));
    g_assert_false(postern_account_is_paused(&account, now));
    g_assert_true(postern_account_note_crash(&account, now));
    g_assert_true(postern_account_is_paused(&account, now));
    g_assert_false(postern_account_note_crash(&account, now));
    now += POSTERN_INSPECTOR_CLIENT_PAUSE_SECONDS * SECOND;
    g_assert_false(postern_account_is_paused(&account, now));
    account.waiting = 0;
    g_assert_false(postern_account_is_idle(&account, now));
    now += POSTERN_INSPECTOR_CRASH_WINDOW_SECONDS * SECOND;
    g_assert_true(postern_account_is_idle(&account, now));
}

static void test_budget(void)
{
    PosternAccount account = {0};
    const gint64 budget = POSTERN_INSPECTOR_BUDGET_MS * (gint64)1000;
    const gint64 window = POSTERN_INSPECTOR_BUDGET_WINDOW_SECONDS * SECOND;
    gint64 now = 5000 * SECOND;
    postern_account_begin(&account, now);
    g_assert_false(postern_account_is_heavy(&account, now + budget - 1));
    g_assert_true(postern_account_is_heavy(&account, now + budget)); /* what is under way counts */
    g_assert_false(postern_account_is_idle(&account, now));
    postern_account_end(&account, now, budget, now);
    g_assert_true(postern_account_is_heavy(&account, now));
    g_assert_true(postern_account_is_heavy(&account, now + window - window / 6));
    g_assert_false(postern_account_is_heavy(&account, now + window));
    g_assert_cmpint(postern_usage_sum(&account.usage, now + window), ==, 0);
    g_assert_true(postern_account_is_idle(&account, now + window));
    /* Two at once count twice. */
    postern_account_begin(&account, now + 2 * window);
    postern_account_begin(&account, now + 2 * window);
    g_assert_true(postern_account_is_heavy(&account, now + 2 * window + budget / 2));
}

/* The sum over sliding time is that of a list of all that was added, to a slice. */
static void test_usage(void)
{
    const gint64 window = POSTERN_INSPECTOR_BUDGET_WINDOW_SECONDS * SECOND;
    const gint64 slice = window / POSTERN_USAGE_SLICES;
    PosternUsage usage = {0};
    gint64 times[500], added[500], now = 3 * window;
    for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
        now += g_test_rand_int_range(0, i % 50 == 49 ? (gint32)(2 * window) : (gint32)(slice / 2));
        times[i] = now;
        added[i] = g_test_rand_int_range(0, 1000000);
        postern_usage_add(&usage, added[i], now);
        gint64 least = 0, most = 0;
        for (guint j = 0; j <= i; j++) {
            least += times[j] > now - window + slice ? added[j] : 0;
            most += times[j] > now - window ? added[j] : 0;
        }
        g_assert_cmpint(postern_usage_sum(&usage, now), >=, least);
        g_assert_cmpint(postern_usage_sum(&usage, now), <=, most);
    }
}

static PosternAccountKey key_of(guint user, const char *address)
{
    PosternAddress client;
    g_assert_true(postern_address_parse(&client, address));
    return (PosternAccountKey){.user = user, .client = postern_address_client_number(&client)};
}

static PosternAccount *account(PosternAccounts *accounts, guint user, const char *address, gint64 now)
{
    PosternAccountKey key = key_of(user, address);
    return postern_accounts_get(accounts, &key, now);
}

static void test_accounts(void)
{
    g_autoptr(PosternAccounts) accounts = postern_accounts_new(100);
    PosternAccount *one = account(accounts, 1, "192.0.2.1", SECOND);
    one->waiting = 1;
    g_assert_true(account(accounts, 1, "192.0.2.1", SECOND) == one);
    g_assert_false(account(accounts, 2, "192.0.2.1", SECOND) == one);
    g_assert_false(account(accounts, 1, "192.0.2.2", SECOND) == one);
    g_assert_true(account(accounts, 1, "2001:db8:1:2::3", SECOND) ==
                  account(accounts, 1, "2001:db8:1:2:ffff::", SECOND));
    g_assert_false(account(accounts, 1, "2001:db8:1:2::3", SECOND) ==
                   account(accounts, 1, "2001:db8:1:3::3", SECOND));
    g_autofree char *text = postern_client_number_to_string(one->key.client);
    g_assert_cmpstr(text, ==, "192.0.2.1");
    g_autofree char *network =
        postern_client_number_to_string(account(accounts, 1, "2001:db8:1:2::3", 0)->key.client);
    g_assert_cmpstr(network, ==, "2001:db8:1:2::/64");
    g_autofree char *unknown = postern_client_number_to_string(0);
    g_assert_cmpstr(unknown, ==, "unknown");
}

/* It is bounded: idle ones go, others share what there is. */
static void test_accounts_full(void)
{
    g_autoptr(PosternAccounts) accounts = postern_accounts_new(3);
    gint64 now = 100 * SECOND;
    PosternAccount *busy[3];
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
    for (guint i = 0; i < 3; i++) {
        busy[i] = account(accounts, 1, addresses[i], now);
        busy[i]->waiting = 1;
    }
    PosternAccount *shared = account(accounts, 1, "192.0.2.4", now);
    g_assert_true(account(accounts, 1, "192.0.2.5", now) == shared);
    g_assert_true(account(accounts, 1, "192.0.2.2", now) == busy[1]);
    g_assert_cmpuint(postern_accounts_length(accounts), ==, 3);
    busy[1]->waiting = 0;
    now += SECOND;
    g_assert_false(account(accounts, 1, "192.0.2.4", now) == shared);
    g_assert_cmpuint(postern_accounts_length(accounts), ==, 3);
    g_assert_true(account(accounts, 1, "192.0.2.1", now) == busy[0]);
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

#define STARTERS 20

/* One of many programs that start, work and end at the same moment; its exit status. */
static int start_and_end(const char *parent)
{
    for (guint i = 0; i < 50; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternDirectory) directory = postern_directory_new(parent, "postern-inspector-", &error);
        if (directory == NULL)
            return 1;
        g_autofree char *file = g_build_filename(directory->path, "file", NULL);
        if (!g_file_set_contents(file, "x", 1, NULL))
            return 2;
        if (!g_file_test(file, G_FILE_TEST_EXISTS))
            return 3; /* another one has removed it */
    }
    return 0;
}

static void test_start_together(void)
{
    g_autofree char *parent = make_parent();
    GPid processes[STARTERS];
    for (guint i = 0; i < STARTERS; i++) {
        processes[i] = fork();
        if (processes[i] == 0)
            _exit(start_and_end(parent));
    }
    for (guint i = 0; i < STARTERS; i++) {
        int status = -1;
        g_assert_cmpint(waitpid(processes[i], &status, 0), ==, processes[i]);
        g_assert_cmpint(status, ==, 0);
    }
    /* What the last of two was about to remove may be left, but no more than that. */
    PosternDirectory *directory = postern_directory_new(parent, "postern-inspector-", NULL);
    postern_directory_free(directory);
    g_assert_cmpint(rmdir(parent), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/queue/turns-of-users", test_turns_of_users);
    g_test_add_func("/queue/turns-of-clients", test_turns_of_clients);
    g_test_add_func("/queue/wanted-clients", test_wanted_clients);
    g_test_add_func("/queue/shares", test_shares);
    g_test_add_func("/queue/share-of-a-client", test_share_of_a_client);
    g_test_add_func("/queue/remove", test_remove);
    g_test_add_func("/crashes", test_crashes);
    g_test_add_func("/account/pause", test_pause);
    g_test_add_func("/account/budget", test_budget);
    g_test_add_func("/account/usage", test_usage);
    g_test_add_func("/accounts", test_accounts);
    g_test_add_func("/accounts/full", test_accounts_full);
    g_test_add_func("/directory", test_directory);
    g_test_add_func("/directory/stale", test_stale_directory);
    g_test_add_func("/directory/start-together", test_start_together);
    return g_test_run();
}
