#include "proxy/connection/spread.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_US 100000
#define FORGET_US 1000000 /* what was measured before says nothing any more */
#define BUSY 0.9          /* a thread that has no time left */
#define SPARE 0.6         /* one fewer would not have more to do than this */
#define HELP 0.25         /* a thread that does no more than this, where no processor is idle, costs more */
#define FREE 0.5          /* processors that are idle enough for one more thread */
#define NONE_FREE 0.1
#define UNEVEN 0.25      /* so much busier than the others, a thread gets nobody for a while */
#define SOCKETS_MAX 1024 /* two steps of a program each, of which the kernel takes 4096 (BPF_MAXINSNS) */
G_STATIC_ASSERT(POSTERN_THREADS_MAX == 64); /* a mask has as many bits */

/* Sockets of one address. */
typedef struct {
    int socket; /* any of them */
    guint count;
} Group;

struct PosternSpread {
    guint threads;
    gboolean gather;
    int uptime;           /* proc(5): how long processors were idle; or -1 */
    pthread_mutex_t lock; /* for what follows */
    GArray *groups;       /* of Group */
    guint serving;
    guint64 led;   /* mask of the threads that clients are led to; 0: as the kernel likes */
    gint64 looked; /* microseconds; 0: never */
    double idle;   /* seconds, of all processors */
    gboolean known[POSTERN_THREADS_MAX];
    clockid_t clocks[POSTERN_THREADS_MAX];
    gint64 worked[POSTERN_THREADS_MAX]; /* microseconds */
    PosternSpreadLoad load;
};

/* A mask of so many, at least 1. */
static guint64 first_threads(guint count)
{
    return G_MAXUINT64 >> (POSTERN_THREADS_MAX - count);
}

PosternSpread *postern_spread_new(guint threads, gboolean gather)
{
    PosternSpread *spread = g_new0(PosternSpread, 1);
    spread->threads = threads;
    spread->uptime = open("/proc/uptime", O_RDONLY | O_CLOEXEC);
    pthread_mutex_init(&spread->lock, NULL);
    spread->groups = g_array_new(FALSE, FALSE, sizeof(Group));
    spread->gather = gather;
    spread->serving = gather ? 1 : threads;
    spread->led = first_threads(spread->serving);
    return spread;
}

void postern_spread_free(PosternSpread *spread)
{
    if (spread == NULL)
        return;
    if (spread->uptime >= 0)
        close(spread->uptime);
    g_array_unref(spread->groups);
    pthread_mutex_destroy(&spread->lock);
    g_free(spread);
}

static void add_step(GArray *program, guint16 code, guint8 if_true, guint8 if_false, guint32 value)
{
    const struct sock_filter step = {.code = code, .jt = if_true, .jf = if_false, .k = value};
    g_array_append_val(program, step);
}

/* The program that chooses one of places by chance: the number of a socket in its group. */
static GArray *make_program(const GArray *places)
{
    GArray *program = g_array_new(FALSE, FALSE, sizeof(struct sock_filter));
    add_step(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (guint32)(SKF_AD_OFF + SKF_AD_RANDOM));
    add_step(program, BPF_ALU | BPF_MOD | BPF_K, 0, 0, places->len);
    for (guint i = 0; i < places->len; i++) {
        add_step(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, i);
        add_step(program, BPF_RET | BPF_K, 0, 0, g_array_index(places, guint32, i));
    }
    add_step(program, BPF_RET | BPF_K, 0, 0, g_array_index(places, guint32, 0));
    return program;
}

/* FALSE: its sockets are no group of SO_REUSEPORT. */
static gboolean lead(const PosternSpread *spread, const Group *group, guint64 threads)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint32 i = 0; i < group->count; i++)
        if ((threads >> (i % spread->threads) & 1) != 0)
            g_array_append_val(places, i);
    if (places->len == 0)
        return TRUE;
    g_autoptr(GArray) steps = make_program(places);
    const struct sock_fprog program = {.len = (unsigned short)steps->len,
                                       .filter = (struct sock_filter *)(gpointer)steps->data};
    return setsockopt(group->socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
}

/* Those behind them are the same ones once more. */
static guint count_different(const GArray *sockets)
{
    struct stat first = {0}, other = {0};
    guint count = 1;
    if (fstat(g_array_index(sockets, int, 0), &first) < 0)
        return 0;
    while (count < sockets->len && fstat(g_array_index(sockets, int, count), &other) == 0 &&
           other.st_ino != first.st_ino)
        count++;
    return count;
}

void postern_spread_add(PosternSpread *spread, const GArray *sockets)
{
    Group group = {.socket = sockets->len > 0 ? g_array_index(sockets, int, 0) : -1};
    group.count = sockets->len > 0 ? count_different(sockets) : 0;
    if (group.count < 2 || group.count > SOCKETS_MAX || spread->threads < 2)
        return;
    pthread_mutex_lock(&spread->lock);
    if (lead(spread, &group, spread->led))
        g_array_append_val(spread->groups, group);
    pthread_mutex_unlock(&spread->lock);
}

void postern_spread_begin(PosternSpread *spread, guint number)
{
    pthread_mutex_lock(&spread->lock);
    spread->known[number] = pthread_getcpuclockid(pthread_self(), &spread->clocks[number]) == 0;
    pthread_mutex_unlock(&spread->lock);
}

void postern_spread_end(PosternSpread *spread)
{
    pthread_mutex_lock(&spread->lock);
    g_array_set_size(spread->groups, 0);
    memset(spread->known, 0, sizeof spread->known);
    pthread_mutex_unlock(&spread->lock);
}

guint postern_spread_serving(PosternSpread *spread)
{
    pthread_mutex_lock(&spread->lock);
    guint serving = spread->serving;
    pthread_mutex_unlock(&spread->lock);
    return serving;
}

static double total_of(const PosternSpread *spread, const PosternSpreadLoad *load)
{
    double total = 0;
    for (guint i = 0; i < spread->threads; i++)
        total += load->busy[i];
    return total;
}

/* Where no processor is idle, a thread that hardly helps takes time from those whom we serve. */
static guint serving_by(const PosternSpread *spread, const PosternSpreadLoad *load)
{
    guint serving = spread->serving, fewer = serving - 1;
    double total = total_of(spread, load);
    if (serving < spread->threads && total > BUSY * serving && load->idle >= FREE)
        return serving + 1;
    if (fewer > 0 && (total < SPARE * fewer || (load->idle < NONE_FREE && total < (1 + HELP) * fewer)))
        return fewer;
    return serving;
}

/* Of those that serve, the ones that are not much busier than the others. */
static guint64 threads_by(const PosternSpread *spread, const PosternSpreadLoad *load)
{
    guint64 threads = 0;
    double total = 0;
    for (guint i = 0; i < spread->serving; i++)
        total += load->busy[i];
    for (guint i = 0; i < spread->serving; i++)
        if (load->busy[i] <= total / spread->serving + UNEVEN)
            threads |= G_GUINT64_CONSTANT(1) << i;
    return threads;
}

static void decide(PosternSpread *spread, const PosternSpreadLoad *load)
{
    spread->serving = serving_by(spread, load);
    guint64 threads = threads_by(spread, load);
    for (guint i = 0; i < spread->groups->len && threads != spread->led; i++)
        (void)lead(spread, &g_array_index(spread->groups, Group, i), threads);
    spread->led = threads;
}

void postern_spread_decide(PosternSpread *spread, const PosternSpreadLoad *load)
{
    pthread_mutex_lock(&spread->lock);
    decide(spread, load);
    pthread_mutex_unlock(&spread->lock);
}

/* Of all processors, in seconds; less than 0: it is not known. */
static double read_idle(const PosternSpread *spread)
{
    char text[64];
    gssize length = spread->uptime >= 0 ? pread(spread->uptime, text, sizeof text - 1, 0) : 0;
    text[MAX(length, 0)] = '\0';
    const char *blank = strchr(text, ' ');
    return blank != NULL ? g_ascii_strtod(blank + 1, NULL) : -1;
}

static gint64 read_worked(const PosternSpread *spread, guint number)
{
    struct timespec time = {0};
    if (!spread->known[number] || clock_gettime(spread->clocks[number], &time) < 0)
        return spread->worked[number];
    return time.tv_sec * (gint64)G_USEC_PER_SEC + time.tv_nsec / 1000;
}

/* One moment counts half of what was before it. */
static void measure(PosternSpread *spread, gint64 now)
{
    double passed = (double)(now - spread->looked);
    double weight = passed < FORGET_US ? 0.5 : 1;
    for (guint i = 0; i < spread->threads; i++) {
        gint64 worked = read_worked(spread, i);
        double busy = (double)(worked - spread->worked[i]) / passed;
        spread->load.busy[i] += weight * (busy - spread->load.busy[i]);
        spread->worked[i] = worked;
    }
    double idle = read_idle(spread);
    double free = idle < 0 ? spread->threads : (idle - spread->idle) * G_USEC_PER_SEC / passed;
    spread->load.idle += weight * (free - spread->load.idle);
    spread->idle = idle;
    spread->looked = now;
}

void postern_spread_look(PosternSpread *spread, gint64 now)
{
    if (!spread->gather || spread->threads < 2 || pthread_mutex_trylock(&spread->lock) != 0)
        return;
    if (now >= spread->looked + LOOK_US) {
        measure(spread, now);
        decide(spread, &spread->load);
    }
    pthread_mutex_unlock(&spread->lock);
}
