/*
 * Preloaded into a program: counts its calls of malloc, calloc and realloc in the first eight octets of a
 * file named by its process id, in the folder COUNT_ALLOCATIONS, and in the next eight the octets of the heap
 * in use, with the allocator's word for each piece. Forked processes count in their parent's.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static struct {
    uint64_t calls;
    int64_t octets;
} early, *counters = &early;

__attribute__((constructor)) static void count_in_file(void)
{
    char path[4096];
    const char *folder = getenv("COUNT_ALLOCATIONS");
    if (folder == NULL)
        return;
    snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    void *mapping = MAP_FAILED;
    if (descriptor >= 0 && ftruncate(descriptor, sizeof *counters) == 0)
        mapping = mmap(NULL, sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapping != MAP_FAILED)
        counters = mapping;
    if (descriptor >= 0)
        close(descriptor);
}

static void use(void *memory, int sign)
{
    if (memory != NULL)
        __atomic_add_fetch(&counters->octets, sign * (int64_t)(malloc_usable_size(memory) + sizeof(size_t)),
                           __ATOMIC_RELAXED);
}

static void *count(void *memory)
{
    __atomic_add_fetch(&counters->calls, 1, __ATOMIC_RELAXED);
    use(memory, 1);
    return memory;
}

void *malloc(size_t size)
{
    return count(__libc_malloc(size));
}

void *calloc(size_t number, size_t size)
{
    return count(__libc_calloc(number, size));
}

void *realloc(void *memory, size_t size)
{
    use(memory, -1);
    void *moved = __libc_realloc(memory, size);
    if (moved == NULL && size > 0)
        use(memory, 1);
    return count(moved);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    *memory = __libc_memalign(alignment, size);
    use(*memory, 1);
    return *memory != NULL ? 0 : ENOMEM;
}

void free(void *memory)
{
    use(memory, -1);
    __libc_free(memory);
}
