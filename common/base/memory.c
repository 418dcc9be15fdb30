#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The number after name at the beginning of a line of folder's file ("": of its first), or otherwise. */
static guint64 read_number(const char *folder, const char *file, const char *name, guint64 otherwise)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return otherwise;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        const char *value = *line + strlen(name);
        char *end = NULL;
        if (!g_str_has_prefix(*line, name))
            continue;
        guint64 number = g_ascii_strtoull(value, &end, 10);
        return end != value ? number : otherwise;
    }
    return otherwise;
}

/* What the group may still take: pages of files that nobody has used lately it can give back. */
static guint64 left_in(const char *group)
{
    guint64 most = read_number(group, "memory.max", "", G_MAXUINT64);
    guint64 used = read_number(group, "memory.current", "", 0);
    guint64 spare = read_number(group, "memory.stat", "inactive_file ", 0);
    used -= MIN(used, spare);
    return most == G_MAXUINT64 ? most : most - MIN(most, used);
}

guint64 postern_memory_available(const char *proc, const char *cgroups)
{
    guint64 kibibytes = read_number(proc, "meminfo", "MemAvailable:", G_MAXUINT64 / 1024);
    guint64 available = kibibytes < G_MAXUINT64 / 1024 ? kibibytes * 1024 : G_MAXUINT64;
    g_autofree char *path = g_build_filename(proc, "self/cgroup", NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL) || !g_str_has_prefix(text, "0::/"))
        return available;
    text[strcspn(text, "\n")] = '\0';
    for (char *group = text + strlen("0::"); group[0] != '\0'; *strrchr(group, '/') = '\0') {
        g_autofree char *folder = g_strconcat(cgroups, group, NULL);
        available = MIN(available, left_in(folder));
    }
    return available;
}

guint64 postern_memory_resident(GPid process)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/statm", (int)process);
    g_autofree char *text = NULL;
    guint64 size = 0, pages = 0;
    if (!g_file_get_contents(path, &text, NULL, NULL) ||
        sscanf(text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &size, &pages) != 2)
        return 0;
    return pages * (guint64)sysconf(_SC_PAGESIZE);
}
