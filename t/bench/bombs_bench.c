/*
 * What bombs cost: containers that unpack to much, to many files, to many levels, or that must be searched.
 * Each is opened with all that is in it, in a process of its own that has as much memory as a worker.
 * Printed: its octets, seconds of the processor, the most memory in MiB, files handed on, and what was noted
 * first.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/limits.h"
#include "checks/container/container.h"
#include "checks/virus/sample.h"

#define MEMORY_OCTETS (1024L * 1024 * 1024)
#define MIB (1024 * 1024)

typedef struct {
    PosternItemBudget budget;
    PosternItemVisitor visitor;
    guint files;
    char *noted;
} Opened;

static gboolean take(const PosternItem *item, gpointer data)
{
    Opened *opened = data;
    opened->files++;
    (void)postern_container_open(item, &opened->budget, &opened->visitor);
    return TRUE;
}

static void note(PosternVirusKind kind, const char *text, gpointer data)
{
    Opened *opened = data;
    if (opened->noted == NULL)
        opened->noted = g_strdup_printf("%s: %s", postern_virus_kind_name(kind), text);
}

static void open_it(const GByteArray *bomb)
{
    static const char *const names[] = {"bomb", NULL}, *const types[] = {"application/octet-stream", NULL};
    const struct rlimit limit = {MEMORY_OCTETS, MEMORY_OCTETS};
    g_autoptr(GBytes) octets = g_bytes_new_static(bomb->data, bomb->len);
    const PosternItem item = {.kind = POSTERN_ITEM_FILE, .names = names, .types = types, .octets = octets};
    Opened opened = {.budget = postern_item_budget(bomb->len)};
    opened.visitor = (PosternItemVisitor){take, note, &opened};
    setrlimit(RLIMIT_AS, &limit);
    (void)postern_container_open(&item, &opened.budget, &opened.visitor);
    printf(" %6u files  %s\n", opened.files, opened.noted != NULL ? opened.noted : "clean");
    fflush(stdout);
}

static void measure(const char *name, GByteArray *bomb)
{
    struct rusage usage;
    int status = 0;
    int descriptors[2];
    char text[512] = "";
    fflush(stdout);
    if (pipe(descriptors) != 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        dup2(descriptors[1], STDOUT_FILENO);
        open_it(bomb);
        _exit(0);
    }
    close(descriptors[1]);
    gssize count = read(descriptors[0], text, sizeof text - 1);
    close(descriptors[0]);
    if (child > 0 && wait4(child, &status, 0, &usage) == child)
        printf("%-34s %9u octets %6.2f s %6ld MiB%s", name, bomb->len,
               (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6, usage.ru_maxrss / 1024,
               WIFEXITED(status) && count > 0 ? text : " died\n");
    g_byte_array_unref(bomb);
}

static GByteArray *deflated(const void *octets, gsize length, int bits)
{
    GByteArray *out = g_byte_array_new();
    z_stream stream = {.next_in = (z_const Bytef *)(guintptr)octets, .avail_in = (uInt)length};
    deflateInit2(&stream, 9, Z_DEFLATED, bits, 9, Z_DEFAULT_STRATEGY);
    g_byte_array_set_size(out, (guint)deflateBound(&stream, length));
    stream.next_out = out->data;
    stream.avail_out = out->len;
    deflate(&stream, Z_FINISH);
    g_byte_array_set_size(out, (guint)stream.total_out);
    deflateEnd(&stream);
    return out;
}

static GByteArray *repeated(const GByteArray *octets, guint times)
{
    GByteArray *out = g_byte_array_new();
    for (guint i = 0; i < times; i++)
        g_byte_array_append(out, octets->data, octets->len);
    return out;
}

static GByteArray *zeros(guint mib, guint levels)
{
    g_autofree char *nothing = g_malloc0((gsize)mib * MIB);
    GByteArray *out = deflated(nothing, (gsize)mib * MIB, 31);
    for (; levels > 1; levels--) {
        GByteArray *next = deflated(out->data, out->len, 31);
        g_byte_array_unref(out);
        out = next;
    }
    return out;
}

static void put(GByteArray *out, guint64 value, guint octets)
{
    for (guint i = 0; i < octets; i++) {
        guint8 octet = (guint8)(value >> (8 * i));
        g_byte_array_append(out, &octet, 1);
    }
}

/* count entries of the directory for count members, or all for one. */
static GByteArray *zip_of(const void *member, gsize length, guint count, gboolean one)
{
    g_autoptr(GByteArray) packed = deflated(member, length, -15);
    guint32 checksum = (guint32)crc32_z(0, member, length);
    g_autoptr(GByteArray) directory = g_byte_array_new();
    GByteArray *out = g_byte_array_new();
    for (guint i = 0; i < count; i++) {
        guint place = one ? 0 : out->len;
        for (guint central = 0; central < 2; central++) {
            GByteArray *header = central != 0 ? directory : out;
            if (central == 0 && one && i > 0)
                continue;
            put(header, central != 0 ? 0x02014b50 : 0x04034b50, 4);
            put(header, 20, central != 0 ? 4 : 2);
            put(header, 0, 2);
            put(header, 8, 2);
            put(header, 0, 4);
            put(header, checksum, 4);
            put(header, packed->len, 4);
            put(header, length, 4);
            put(header, 1, 4);
            if (central != 0) {
                put(header, 0, 10);
                put(header, place, 4);
            }
            put(header, 'a', 1);
            if (central == 0)
                g_byte_array_append(out, packed->data, packed->len);
        }
    }
    guint place = out->len;
    g_byte_array_append(out, directory->data, directory->len);
    put(out, 0x06054b50, 8);
    put(out, count, 2);
    put(out, count, 2);
    put(out, directory->len, 4);
    put(out, place, 6);
    return out;
}

/* Archives of sixteen archives, and so on. */
static GByteArray *tree(guint levels)
{
    g_autofree char *nothing = g_malloc0(MIB);
    GByteArray *out = zip_of(nothing, MIB, 16, FALSE);
    for (guint i = 1; i < levels; i++) {
        GByteArray *next = zip_of(out->data, out->len, 16, FALSE);
        g_byte_array_unref(out);
        out = next;
    }
    return out;
}

static GByteArray *marks(void)
{
    static const char header[] = "PK\3\4\x14\0\0\0\x08\0____crc.\0\0\0\0\0\0\0\0\1\0\0\0a\2\0";
    g_autoptr(GByteArray) one = g_byte_array_append(g_byte_array_new(), (const guint8 *)header, 33);
    return repeated(one, 4 * MIB / 33);
}

static GByteArray *dictionary(void)
{
    static const guint8 lzma[] = "\x5d\0\0\0\xc0\xff\xff\xff\xff\xff\xff\xff\xff\0\x20\x90\x80\0\0\0\0";
    return g_byte_array_append(g_byte_array_new(), lzma, sizeof lzma);
}

int main(void)
{
    g_autofree char *nothing = g_malloc0(MIB);
    g_autoptr(GByteArray) empty = deflated("", 0, 31);
    measure("gzip of zeros", zeros(256, 1));
    measure("the same in gzip in gzip", zeros(256, 3));
    measure("many gzip members of nothing", repeated(empty, 2 * MIB / empty->len));
    measure("zip of 1,000 files of zeros", zip_of(nothing, MIB, 1000, FALSE));
    measure("zip of one file 30,000 times", zip_of(nothing, MIB, 30000, TRUE));
    measure("zip of 60,000 empty files", zip_of("", 0, 60000, FALSE));
    measure("16 zips in each zip, 5 levels", tree(5));
    measure("headers of zip without directory", marks());
    measure("lzma with a dictionary of 3 GiB", dictionary());
    return 0;
}
