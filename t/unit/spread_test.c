#include "proxy/connection/spread.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREADS 3
#define CLIENTS 60

/* Listening sockets at one address, one a thread. */
typedef struct {
    struct sockaddr_in address;
    GArray *sockets; /* of int */
} Listeners;

static int listen_at(struct sockaddr_in *address)
{
    const int on = 1;
    socklen_t length = sizeof *address;
    int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    g_assert_no_errno(setsockopt(one, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    g_assert_no_errno(bind(one, (struct sockaddr *)address, sizeof *address));
    g_assert_no_errno(listen(one, 1024));
    g_assert_no_errno(getsockname(one, (struct sockaddr *)address, &length));
    return one;
}

static Listeners listeners_new(guint count)
{
    Listeners self = {.address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                      .sockets = g_array_new(FALSE, FALSE, sizeof(int))};
    for (guint i = 0; i < count; i++) {
        int one = listen_at(&self.address);
        g_array_append_val(self.sockets, one);
    }
    return self;
}

static void listeners_clear(Listeners *self)
{
    for (guint i = 0; i < self->sockets->len; i++)
        close(g_array_index(self->sockets, int, i));
    g_array_unref(self->sockets);
}

/* So many clients connect; how many of them each socket has. */
static void connect_clients(const Listeners *self, guint ret_counts[])
{
    for (guint i = 0; i < CLIENTS; i++) {
        int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_no_errno(connect(one, (const struct sockaddr *)&self->address, sizeof self->address));
        close(one);
    }
    for (guint i = 0; i < self->sockets->len; i++) {
        int one;
        ret_counts[i] = 0;
        while ((one = accept(g_array_index(self->sockets, int, i), NULL, NULL)) >= 0) {
            ret_counts[i]++;
            close(one);
        }
    }
}

static void assert_counts(const guint counts[], const gboolean some[], guint sockets)
{
    guint total = 0;
    for (guint i = 0; i < sockets; i++) {
        g_test_message("socket %u: %u clients", i, counts[i]);
        g_assert_cmpint(counts[i] > 0, ==, some[i]);
        total += counts[i];
    }
    g_assert_cmpuint(total, ==, CLIENTS);
}

static void decide(PosternSpread *spread, double first, double second, double third, double idle)
{
    const PosternSpreadLoad load = {.busy = {first, second, third}, .idle = idle};
    postern_spread_decide(spread, &load);
}

static void test_first_thread_serves_while_it_has_time(void)
{
    guint counts[THREADS];
    Listeners listeners = listeners_new(THREADS);
    g_autoptr(PosternSpread) spread = postern_spread_new(THREADS, TRUE);
    postern_spread_add(spread, listeners.sockets);
    connect_clients(&listeners, counts);
    assert_counts(counts, (const gboolean[]){TRUE, FALSE, FALSE}, THREADS);
    decide(spread, 0.8, 0, 0, 3);
    connect_clients(&listeners, counts);
    assert_counts(counts, (const gboolean[]){TRUE, FALSE, FALSE}, THREADS);
    listeners_clear(&listeners);
}

static void test_more_threads_serve_if_need_be(void)
{
    guint counts[THREADS];
    Listeners listeners = listeners_new(THREADS);
    g_autoptr(PosternSpread) spread = postern_spread_new(THREADS, TRUE);
    postern_spread_add(spread, listeners.sockets);
    decide(spread, 0.95, 0, 0, 3);
    connect_clients(&listeners, counts);
    /* that has all the work still, and gets none until the other has its part */
    assert_counts(counts, (const gboolean[]){FALSE, TRUE, FALSE}, THREADS);
    decide(spread, 0.8, 0.7, 0, 2);
    connect_clients(&listeners, counts);
    assert_counts(counts, (const gboolean[]){TRUE, TRUE, FALSE}, THREADS);
    decide(spread, 0.95, 0.95, 0, 2);
    decide(spread, 0.8, 0.8, 0.8, 1);
    connect_clients(&listeners, counts);
    assert_counts(counts, (const gboolean[]){TRUE, TRUE, TRUE}, THREADS);
    g_assert_cmpuint(postern_spread_serving(spread), ==, THREADS);
    decide(spread, 1, 1, 1, 1); /* there is no fourth */
    g_assert_cmpuint(postern_spread_serving(spread), ==, THREADS);
    listeners_clear(&listeners);
}

static void test_threads_rest_when_there_is_less_to_do(void)
{
    guint counts[THREADS];
    Listeners listeners = listeners_new(THREADS);
    g_autoptr(PosternSpread) spread = postern_spread_new(THREADS, TRUE);
    postern_spread_add(spread, listeners.sockets);
    decide(spread, 1, 0, 0, 3);
    decide(spread, 1, 1, 0, 3);
    g_assert_cmpuint(postern_spread_serving(spread), ==, 3);
    decide(spread, 0.5, 0.4, 0.4, 2); /* two would have as much as is well */
    g_assert_cmpuint(postern_spread_serving(spread), ==, 3);
    decide(spread, 0.4, 0.4, 0.3, 2);
    g_assert_cmpuint(postern_spread_serving(spread), ==, 2);
    decide(spread, 0.3, 0.2, 0, 2);
    g_assert_cmpuint(postern_spread_serving(spread), ==, 1);
    connect_clients(&listeners, counts);
    assert_counts(counts, (const gboolean[]){TRUE, FALSE, FALSE}, THREADS);
    listeners_clear(&listeners);
}

static void test_no_further_thread_where_no_processor_is_idle(void)
{
    g_autoptr(PosternSpread) spread = postern_spread_new(THREADS, TRUE);
    decide(spread, 0.95, 0, 0, 0.3);
    g_assert_cmpuint(postern_spread_serving(spread), ==, 1);
    decide(spread, 0.95, 0, 0, 0.6);
    g_assert_cmpuint(postern_spread_serving(spread), ==, 2);
    decide(spread, 0.7, 0.7, 0, 0.05); /* it does something that one alone could not */
    g_assert_cmpuint(postern_spread_serving(spread), ==, 2);
    decide(spread, 0.6, 0.6, 0, 0.05);
    g_assert_cmpuint(postern_spread_serving(spread), ==, 1);
}

/* A socket that two threads share, and two sockets of one thread. */
static void test_other_numbers_of_sockets(void)
{
    guint counts[4];
    Listeners two = listeners_new(2), four = listeners_new(4);
    for (guint i = 0; i < 2; i++) {
        int again = fcntl(g_array_index(two.sockets, int, i), F_DUPFD_CLOEXEC, 0);
        g_array_append_val(two.sockets, again);
    }
    g_autoptr(PosternSpread) of_four = postern_spread_new(4, TRUE);
    g_autoptr(PosternSpread) of_two = postern_spread_new(2, TRUE);
    postern_spread_add(of_four, two.sockets);
    postern_spread_add(of_two, four.sockets);
    connect_clients(&two, counts);
    assert_counts(counts, (const gboolean[]){TRUE, FALSE, FALSE, FALSE}, 4);
    connect_clients(&four, counts);
    assert_counts(counts, (const gboolean[]){TRUE, FALSE, TRUE, FALSE}, 4);
    listeners_clear(&two);
    listeners_clear(&four);
}

static void test_socket_of_its_own_is_left_alone(void)
{
    guint counts[1];
    Listeners one = listeners_new(1);
    int same = fcntl(g_array_index(one.sockets, int, 0), F_DUPFD_CLOEXEC, 0);
    g_autoptr(PosternSpread) spread = postern_spread_new(2, TRUE);
    g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(int));
    postern_spread_add(spread, none);
    postern_spread_add(spread, one.sockets);
    decide(spread, 1, 0, 0, 2);
    connect_clients(&one, counts);
    assert_counts(counts, (const gboolean[]){TRUE}, 1);
    close(same);
    listeners_clear(&one);
}

static gint64 worked_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * (gint64)G_USEC_PER_SEC + time.tv_nsec / 1000;
}

/* The clock goes on by a second, of which this thread works the given part. */
static gint64 work(PosternSpread *spread, gint64 now, gint64 part)
{
    gint64 begun = worked_us();
    while (worked_us() < begun + G_USEC_PER_SEC / part)
        ;
    now += (worked_us() - begun) * part;
    postern_spread_look(spread, now);
    return now;
}

static void test_time_of_threads_is_measured(void)
{
    g_autoptr(PosternSpread) spread = postern_spread_new(2, TRUE);
    gint64 now = g_get_monotonic_time();
    postern_spread_begin(spread, 0);
    postern_spread_begin(spread, 1); /* each has all the time of this thread, so that two are at work */
    postern_spread_look(spread, now);
    decide(spread, 1, 1, 0, 2);
    g_assert_cmpuint(postern_spread_serving(spread), ==, 2);
    now = work(spread, now, 1);
    g_assert_cmpuint(postern_spread_serving(spread), ==, 2);
    (void)work(spread, now, 10);
    g_assert_cmpuint(postern_spread_serving(spread), ==, 1);
}

static void test_nothing_is_done_with_sockets_that_are_closed(void)
{
    guint counts[THREADS];
    Listeners listeners = listeners_new(THREADS);
    g_autoptr(PosternSpread) spread = postern_spread_new(THREADS, TRUE);
    postern_spread_add(spread, listeners.sockets);
    postern_spread_end(spread);
    decide(spread, 1, 0, 0, 3);
    connect_clients(&listeners, counts); /* as before */
    assert_counts(counts, (const gboolean[]){TRUE, FALSE, FALSE}, THREADS);
    listeners_clear(&listeners);
}

/* Also if they were led to the first before. */
static void test_all_threads_serve_alike(void)
{
    guint counts[THREADS];
    Listeners listeners = listeners_new(THREADS);
    g_autoptr(PosternSpread) before = postern_spread_new(THREADS, TRUE);
    g_autoptr(PosternSpread) spread = postern_spread_new(THREADS, FALSE);
    postern_spread_add(before, listeners.sockets);
    postern_spread_add(spread, listeners.sockets);
    postern_spread_begin(spread, 0);
    postern_spread_look(spread, g_get_monotonic_time());
    connect_clients(&listeners, counts);
    assert_counts(counts, (const gboolean[]){TRUE, TRUE, TRUE}, THREADS);
    listeners_clear(&listeners);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spread/first", test_first_thread_serves_while_it_has_time);
    g_test_add_func("/spread/more", test_more_threads_serve_if_need_be);
    g_test_add_func("/spread/less", test_threads_rest_when_there_is_less_to_do);
    g_test_add_func("/spread/no_processor", test_no_further_thread_where_no_processor_is_idle);
    g_test_add_func("/spread/numbers", test_other_numbers_of_sockets);
    g_test_add_func("/spread/alone", test_socket_of_its_own_is_left_alone);
    g_test_add_func("/spread/measured", test_time_of_threads_is_measured);
    g_test_add_func("/spread/alike", test_all_threads_serve_alike);
    g_test_add_func("/spread/end", test_nothing_is_done_with_sockets_that_are_closed);
    return g_test_run();
}
