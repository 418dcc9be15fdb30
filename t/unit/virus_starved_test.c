/*
 * A scan that lacks something it needs: each is taken away in turn from a child that scans EICAR in a zip,
 * and whatever it says, it must not be "clean". To be killed is an answer too.
 */
#include "checks/check.h"

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/virus_fixture.h"

/* How a child ends when what it tried is not possible here, such as to mount as a user. */
#define NOT_POSSIBLE 100

#ifdef POSTERN_SANITIZED
#define SANITIZED TRUE
#else
#define SANITIZED FALSE
#endif

typedef struct {
    VirusFixture *fixture;
    const char *folder;
    gint64 amount;
    const char *options;
} Lack;

typedef gboolean (*Starve)(Lack *lack);

static int scan_in_child(Starve starve, Lack *lack, const char *message)
{
    PosternVirusFinding finding = {POSTERN_VIRUS_NOT_CHECKED};
    if (!starve(lack))
        _exit(NOT_POSSIBLE);
    postern_check_virus(lack->fixture->engine, message, strlen(message), lack->folder, &finding);
    _exit((int)finding.result);
}

/* What the child found; ERROR where it was killed. */
static int scan_starved(Starve starve, Lack *lack, const char *message)
{
    int status = 0;
    pid_t child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0)
        scan_in_child(starve, lack, message);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : POSTERN_VIRUS_ERROR;
}

/* *ret_found counts where the virus was found in spite of it. FALSE: not possible here. */
static gboolean never_clean(Starve starve, Lack lack, guint *ret_found)
{
    g_autofree char *message = virus_zip_message();
    g_autofree char *folder = lack.folder == NULL ? g_strdup(lack.fixture->folder) : NULL;
    if (folder != NULL)
        lack.folder = folder;
    int result = scan_starved(starve, &lack, message);
    if (result == NOT_POSSIBLE)
        return FALSE;
    if (result != POSTERN_VIRUS_INFECTED && result != POSTERN_VIRUS_UNSCANNABLE &&
        result != POSTERN_VIRUS_ERROR)
        g_error("result %d with %" G_GINT64_FORMAT " %s", result, lack.amount, lack.options);
    if (result == POSTERN_VIRUS_INFECTED)
        *ret_found += 1;
    return TRUE;
}

static void clear_folder(const char *folder)
{
    g_autoptr(GDir) list = g_dir_open(folder, 0, NULL);
    const char *name;
    while (list != NULL && (name = g_dir_read_name(list)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_unlink(path) != 0) {
            clear_folder(path);
            g_rmdir(path);
        }
    }
}

static gboolean take_nothing(Lack *lack)
{
    return TRUE;
}

static void test_folder(VirusFixture *fixture, gconstpointer data)
{
    g_autofree char *file = g_build_filename(fixture->folder, "file", NULL);
    g_autofree char *missing = g_build_filename(fixture->folder, "missing", NULL);
    guint found = 0;
    g_assert_true(never_clean(take_nothing, (Lack){.fixture = fixture}, &found));
    g_assert_cmpuint(found, ==, 1);
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_assert_true(never_clean(take_nothing, (Lack){.fixture = fixture, .folder = file}, &found));
    g_assert_true(never_clean(take_nothing, (Lack){.fixture = fixture, .folder = missing}, &found));
    g_assert_true(never_clean(take_nothing, (Lack){.fixture = fixture, .folder = "/proc"}, &found));
    g_assert_true(never_clean(take_nothing, (Lack){.fixture = fixture, .folder = "/sys"}, &found));
    g_assert_cmpuint(found, ==, 1);
    g_unlink(file);
}

static gboolean become_nobody(Lack *lack)
{
    struct passwd *nobody = getpwnam("nobody");
    return nobody != NULL && setgid(nobody->pw_gid) == 0 && setuid(nobody->pw_uid) == 0;
}

static void test_foreign_folder(VirusFixture *fixture, gconstpointer data)
{
    guint found = 0;
    if (!never_clean(become_nobody, (Lack){.fixture = fixture}, &found))
        g_test_skip("only root can become another user");
    g_assert_cmpuint(found, ==, 0);
}

static gboolean limit(int resource, gint64 amount)
{
    struct rlimit value = {(rlim_t)amount, (rlim_t)amount};
    return setrlimit(resource, &value) == 0;
}

static gboolean limit_descriptors(Lack *lack)
{
    return limit(RLIMIT_NOFILE, lack->amount);
}

static void test_descriptors(VirusFixture *fixture, gconstpointer data)
{
    guint found = 0;
    for (gint64 amount = 0; amount <= 90; amount++)
        g_assert_true(never_clean(limit_descriptors, (Lack){.fixture = fixture, .amount = amount}, &found));
    g_assert_cmpuint(found, >, 0);
}

static gboolean limit_file_size(Lack *lack)
{
    signal(SIGXFSZ, lack->options != NULL ? SIG_IGN : SIG_DFL);
    return limit(RLIMIT_FSIZE, lack->amount);
}

static void test_file_size(VirusFixture *fixture, gconstpointer data)
{
    guint found = 0;
    for (gint64 amount = 0; amount < 400; amount += 7) {
        g_assert_true(never_clean(limit_file_size, (Lack){.fixture = fixture, .amount = amount}, &found));
        g_assert_true(never_clean(
            limit_file_size, (Lack){.fixture = fixture, .amount = amount, .options = "ignored"}, &found));
    }
    g_assert_cmpuint(found, ==, 0);
    g_assert_true(never_clean(limit_file_size, (Lack){.fixture = fixture, .amount = 1 << 30}, &found));
    g_assert_cmpuint(found, ==, 1);
    clear_folder(fixture->folder);
}

static gboolean limit_address_space(Lack *lack)
{
    return limit(RLIMIT_AS, lack->amount) && limit(RLIMIT_CORE, 0);
}

static gboolean limit_data(Lack *lack)
{
    return limit(RLIMIT_DATA, lack->amount) && limit(RLIMIT_CORE, 0);
}

static void test_memory(VirusFixture *fixture, gconstpointer data)
{
    if (SANITIZED) {
        g_test_skip("a sanitizer takes the address space");
        return;
    }
    guint found = 0;
    for (gint64 mebibytes = 4; mebibytes <= 400; mebibytes += 4) {
        gint64 amount = mebibytes * 1024 * 1024;
        g_assert_true(never_clean(limit_address_space, (Lack){.fixture = fixture, .amount = amount}, &found));
        g_assert_true(never_clean(limit_data, (Lack){.fixture = fixture, .amount = amount}, &found));
    }
    g_assert_cmpuint(found, >, 0);
    clear_folder(fixture->folder);
}

static gboolean fill_disk(Lack *lack)
{
    g_autofree char *path = g_build_filename(lack->folder, "fill", NULL);
    static const char octets[4096];
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", lack->folder, "tmpfs", 0, lack->options) != 0)
        return FALSE;
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    while (write(file, octets, sizeof octets) == (ssize_t)sizeof octets)
        continue;
    struct stat status;
    if (fstat(file, &status) != 0 || ftruncate(file, MAX(status.st_size - lack->amount, 0)) != 0)
        return FALSE;
    close(file);
    return TRUE;
}

static gboolean few_files(Lack *lack)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", lack->folder, "tmpfs", 0, lack->options) == 0;
}

static void test_disk(VirusFixture *fixture, gconstpointer data)
{
    guint found = 0, early = 0;
    for (gint64 amount = 0; amount <= 64 * 1024; amount += 4096) {
        if (!never_clean(fill_disk, (Lack){.fixture = fixture, .amount = amount, .options = "size=1m"},
                         &early)) {
            g_test_skip("only root can mount a small disk");
            return;
        }
    }
    g_assert_cmpuint(early, ==, 0);
    for (gint64 amount = 1; amount <= 8; amount++)
        g_assert_true(never_clean(fill_disk, (Lack){fixture, NULL, amount * 1024 * 1024, "size=9m"}, &found));
    g_assert_cmpuint(found, >, 0);
}

static void test_inodes(VirusFixture *fixture, gconstpointer data)
{
    guint found = 0;
    for (guint inodes = 1; inodes < 20; inodes++) {
        g_autofree char *options = g_strdup_printf("size=16m,nr_inodes=%u", inodes);
        if (!never_clean(few_files, (Lack){.fixture = fixture, .options = options}, &found)) {
            g_test_skip("only root can mount a small disk");
            return;
        }
    }
    g_assert_cmpuint(found, ==, 0);
    g_assert_true(
        never_clean(few_files, (Lack){.fixture = fixture, .options = "size=16m,nr_inodes=1000"}, &found));
    g_assert_cmpuint(found, ==, 1);
}

/* After a scan that lacked something nothing may be remembered of it: with everything there again the virus
 * is found. */
static void test_recovers(VirusFixture *fixture, gconstpointer data)
{
    g_autofree char *message = virus_zip_message();
    struct rlimit before, small;
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (guint i = 0; i < 3; i++) {
        PosternVirusFinding starved = {POSTERN_VIRUS_NOT_CHECKED}, fed = {POSTERN_VIRUS_NOT_CHECKED};
        small = (struct rlimit){100, before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        postern_check_virus(fixture->engine, message, strlen(message), fixture->folder, &starved);
        setrlimit(RLIMIT_FSIZE, &before);
        postern_check_virus(fixture->engine, message, strlen(message), fixture->folder, &fed);
        g_assert_cmpint(starved.result, ==, POSTERN_VIRUS_ERROR);
        g_assert_cmpint(fed.result, ==, POSTERN_VIRUS_INFECTED);
        postern_virus_finding_clear(&starved);
        postern_virus_finding_clear(&fed);
    }
    signal(SIGXFSZ, handler);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(VirusFixture *fixture, gconstpointer data);
    } tests[] = {
        {"/virus-starved/folder", test_folder},
        {"/virus-starved/foreign-folder", test_foreign_folder},
        {"/virus-starved/descriptors", test_descriptors},
        {"/virus-starved/file-size", test_file_size},
        {"/virus-starved/memory", test_memory},
        {"/virus-starved/disk", test_disk},
        {"/virus-starved/inodes", test_inodes},
        {"/virus-starved/recovers", test_recovers},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, VirusFixture, NULL, virus_set_up, tests[i].run, virus_tear_down);
    return g_test_run();
}
