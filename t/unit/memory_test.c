#include "base/memory.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define MEBIBYTE (G_GUINT64_CONSTANT(1024) * 1024)

typedef struct {
    const char *name;
    const char *files[12]; /* path and text in turn */
    guint64 expected;
} Machine;

static const Machine machines[] = {
    {"nothing is known", {NULL}, G_MAXUINT64},
    {"no groups", {"meminfo", "MemTotal: 9000 kB\nMemAvailable:    2048 kB\n"}, 2 * MEBIBYTE},
    {"a group without a limit",
     {"meminfo", "MemAvailable: 4096 kB\n", "self/cgroup", "0::/a\n", "a/memory.max", "max\n",
      "a/memory.current", "9\n"},
     4 * MEBIBYTE},
    {"a limit above, and what can be given back",
     {"meminfo", "MemAvailable: 4096 kB\n", "self/cgroup", "0::/a/b\n", "a/memory.max", "3145728\n",
      "a/memory.current", "2097152\n", "a/memory.stat", "anon 1\ninactive_file 1048576\n"},
     2 * MEBIBYTE},
    {"used up",
     {"meminfo", "MemAvailable: 4096 kB\n", "self/cgroup", "0::/a\n", "a/memory.max", "100\n",
      "a/memory.current", "300\n"},
     0},
    {"groups of the old kind",
     {"meminfo", "MemAvailable: 1024 kB\n", "self/cgroup", "3:memory:/a\n0::/\n", "a/memory.max", "1\n"},
     MEBIBYTE},
};

static void write_file(const char *folder, const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *above = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(above, 0700), ==, 0);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void remove_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_unlink(path);
    for (char *end = strrchr(path, '/'); strlen(path) > strlen(folder); end = strrchr(path, '/')) {
        g_rmdir(path);
        *end = '\0';
    }
}

static void test_available(gconstpointer data)
{
    const Machine *machine = data;
    g_autofree char *folder = g_dir_make_tmp("postern-XXXXXX", NULL);
    for (guint i = 0; machine->files[i] != NULL; i += 2)
        write_file(folder, machine->files[i], machine->files[i + 1]);
    g_assert_cmpuint(postern_memory_available(folder, folder), ==, machine->expected);
    for (guint i = 0; machine->files[i] != NULL; i += 2)
        remove_file(folder, machine->files[i]);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_resident(void)
{
    g_assert_cmpuint(postern_memory_resident(getpid()), >, 100 * 1024);
    g_assert_cmpuint(postern_memory_resident(G_MAXINT), ==, 0);
    g_assert_cmpuint(postern_memory_available("/proc", "/sys/fs/cgroup"), >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autofree char *path = g_strconcat("/memory/available/", machines[i].name, NULL);
        g_test_add_data_func(path, &machines[i], test_available);
    }
    g_test_add_func("/memory/resident", test_resident);
    return g_test_run();
}
