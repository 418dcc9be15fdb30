#include "checks/virus/scan_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

#define RESERVE_OCTETS POSTERN_VIRUS_SCAN_MIN_OCTETS
#define RESERVE_FILES 64

/* Octets that this process may still put into the folder; 0 if it cannot be told or inodes are short. */
static guint64 free_octets(int directory)
{
    struct statvfs status;
    if (fstatvfs(directory, &status) != 0)
        return 0;
    if (status.f_files != 0 && status.f_favail < RESERVE_FILES)
        return 0;
    return (guint64)status.f_bavail * status.f_frsize;
}

/* A file with octets in it, as libclamav makes them; one without a name, if the file system has such. */
static gboolean try_files(int directory, GError **error)
{
    static const char octets[4096];
    char name[64];
    g_snprintf(name, sizeof name, "postern-probe-%ld", (long)getpid());
    int descriptor = openat(directory, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    gboolean named = descriptor < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT);
    if (named)
        descriptor = openat(directory, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    gboolean written = descriptor >= 0 && write(descriptor, octets, sizeof octets) == (ssize_t)sizeof octets;
    int number = errno;
    if (descriptor >= 0)
        close(descriptor);
    if (named)
        unlinkat(directory, name, 0);
    return written || postern_error_set_system(error, number, "cannot write a file in the temporary folder");
}

/* directory has just been opened, as the lowest number that was free: those above it are. */
static gboolean has_descriptors(int directory, GError **error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur > (rlim_t)directory + POSTERN_VIRUS_SCAN_DESCRIPTORS)
        return TRUE;
    return postern_error_set_system(error, EMFILE, "%d descriptors are needed for a scan",
                                    POSTERN_VIRUS_SCAN_DESCRIPTORS);
}

/* Whether address space and data limit leave room for so much. Nothing is touched, so nothing is used. */
static gboolean memory_allows(guint64 octets)
{
    void *place =
        mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED)
        return FALSE;
    munmap(place, octets);
    return TRUE;
}

static guint64 fit(const PosternVirusScanLimits *room, guint64 wanted, guint workers)
{
    struct rlimit file_size;
    guint64 octets = free_octets(room->directory) / MAX(workers, 1);
    octets = octets > RESERVE_OCTETS ? (octets - RESERVE_OCTETS) / 2 : 0;
    if (getrlimit(RLIMIT_FSIZE, &file_size) != 0)
        return 0;
    if (file_size.rlim_cur != RLIM_INFINITY)
        octets = MIN(octets, file_size.rlim_cur / 2);
    octets = MIN(octets, wanted);
    while (octets >= POSTERN_VIRUS_SCAN_MIN_OCTETS &&
           !memory_allows(octets * 2 + POSTERN_VIRUS_SCAN_MEMORY_OCTETS))
        octets /= 2;
    return octets;
}

gboolean postern_virus_scan_limits_open(PosternVirusScanLimits *room, const char *directory, guint64 wanted,
                                        guint workers, GError **error)
{
    *room = (PosternVirusScanLimits){.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (room->directory < 0)
        return postern_error_set_system(error, errno, "cannot open the temporary folder");
    if (!has_descriptors(room->directory, error) || !try_files(room->directory, error))
        return FALSE;
    room->scan_octets = fit(room, wanted, workers);
    if (room->scan_octets >= POSTERN_VIRUS_SCAN_MIN_OCTETS)
        return TRUE;
    return postern_error_set(
        error, POSTERN_ERROR_UNAVAILABLE,
        "there is not room for a scan: %d octets in the temporary folder, in one file and in memory "
        "are the least",
        POSTERN_VIRUS_SCAN_MIN_OCTETS);
}

void postern_virus_scan_limits_close(PosternVirusScanLimits *room)
{
    if (room->directory >= 0)
        close(room->directory);
    room->directory = -1;
}

const char *postern_virus_scan_limits_full(const PosternVirusScanLimits *room)
{
    return free_octets(room->directory) < RESERVE_OCTETS ? "the temporary folder is full" : NULL;
}

const char *postern_virus_scan_limits_problem(const PosternVirusScanLimits *room)
{
    struct stat status;
    if (fstat(room->directory, &status) != 0 || status.st_nlink == 0)
        return "the temporary folder is gone";
    return postern_virus_scan_limits_full(room);
}
