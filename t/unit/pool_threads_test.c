#include "pool_harness.h"

#include <pthread.h>

#define THREADS 4
#define LIMIT 5
#define BORROWS 1500 /* of each thread */
#define WAITERS 6    /* at the same time, of each thread */
#define PATIENCE_S 60

/* What all threads share: a server that counts its connections. */
typedef struct {
    PosternServerGroup *group;
    gint connections; /* atomic */
    gint most;        /* atomic */
    gint served;      /* atomic */
} Shared;

typedef struct {
    Shared *shared;
    PosternPool *pool;
    GThread *thread;
    GRand *random;
    pthread_mutex_t lock;
    pthread_cond_t condition;
    gboolean woken;
    GQueue busy; /* numbers of connections that are in use */
    guint64 next_waiter;
    guint waiting;
    gint64 now;
} Thread;

static void on_wake(gpointer data)
{
    Thread *thread = data;
    pthread_mutex_lock(&thread->lock);
    thread->woken = TRUE;
    pthread_cond_signal(&thread->condition);
    pthread_mutex_unlock(&thread->lock);
}

static gboolean is_over(const Thread *thread)
{
    return g_atomic_int_get(&thread->shared->served) == THREADS * BORROWS;
}

/* Nothing to do: until it is woken. A wake-up that is lost ends the test. Who has been served looks now and
 * then whether the others were. */
static void wait_for_wake(Thread *thread)
{
    int result = 0;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += thread->waiting > 0 ? PATIENCE_S : 1;
    pthread_mutex_lock(&thread->lock);
    while (!thread->woken && result == 0 && !is_over(thread))
        result = pthread_cond_timedwait(&thread->condition, &thread->lock, &until);
    g_assert_true(thread->woken || thread->waiting == 0);
    thread->woken = FALSE;
    pthread_mutex_unlock(&thread->lock);
}

static void note_connection(Shared *shared)
{
    gint count = g_atomic_int_add(&shared->connections, 1) + 1;
    g_assert_cmpint(count, <=, LIMIT); /* the promise */
    gint most = g_atomic_int_get(&shared->most);
    while (count > most && !g_atomic_int_compare_and_exchange(&shared->most, most, count))
        most = g_atomic_int_get(&shared->most);
}

static void end_connection(Thread *thread, guint64 number)
{
    g_atomic_int_add(&thread->shared->connections, -1);
    postern_pool_closed(thread->pool, number, NULL, thread->now);
}

static void take_action(Thread *thread, const PosternPoolAction *action)
{
    switch (action->kind) {
    case POSTERN_POOL_OPEN:
        note_connection(thread->shared);
        opened(thread->pool, action->connection, thread->now);
        break;
    case POSTERN_POOL_ASSIGN:
        if (action->borrower == POSTERN_BORROWER_PROBE) {
            postern_pool_mark_up(thread->pool, action->server, PROBE_AGAIN_MS, thread->now);
            postern_pool_returned(thread->pool, action->connection, TRUE, thread->now);
            break;
        }
        thread->waiting--;
        g_atomic_int_inc(&thread->shared->served);
        g_queue_push_tail(&thread->busy, g_memdup2(&action->connection, sizeof action->connection));
        break;
    case POSTERN_POOL_QUIT:
        end_connection(thread, action->connection);
        break;
    case POSTERN_POOL_PROBE:
        postern_pool_request_probe(thread->pool, action->server, thread->now);
        break;
    case POSTERN_POOL_LOOK_UP:
    case POSTERN_POOL_ANNOUNCE:
        break;
    case POSTERN_POOL_RECALL: /* nobody offers, and nobody waits too long */
    case POSTERN_POOL_REFUSE:
        g_assert_not_reached();
    }
}

static void take_actions(Thread *thread)
{
    PosternPoolAction action;
    while (postern_pool_next_action(thread->pool, &action))
        take_action(thread, &action);
}

static void let_one_go(Thread *thread)
{
    g_autofree guint64 *number = g_queue_pop_head(&thread->busy);
    if (g_rand_int_range(thread->random, 0, 8) == 0)
        end_connection(thread, *number);
    else
        postern_pool_returned(thread->pool, *number, g_rand_int_range(thread->random, 0, 8) > 0, thread->now);
}

static gpointer run(gpointer data)
{
    Thread *thread = data;
    postern_pool_timer(thread->pool, thread->now);
    take_actions(thread);
    while (!is_over(thread) || thread->busy.length > 0) {
        while (thread->waiting < WAITERS && thread->next_waiter < BORROWS) {
            thread->waiting++;
            thread->next_waiter++;
            postern_pool_request(thread->pool, thread->next_waiter, 1 + thread->next_waiter % 40, 0,
                                 POSTERN_FAIR_TURN_LAST, thread->now);
        }
        take_actions(thread);
        if (thread->busy.length > 0)
            let_one_go(thread);
        else
            wait_for_wake(thread);
        take_actions(thread);
        thread->now++;
    }
    return NULL;
}

/* What is unused at the end goes too. */
static void finish(Thread *thread)
{
    postern_pool_drain(thread->pool, thread->now);
    take_actions(thread);
    postern_pool_free(thread->pool);
    pthread_mutex_destroy(&thread->lock);
    pthread_cond_destroy(&thread->condition);
    g_rand_free(thread->random);
}

/* Real threads: never more than the limit, all of it is used, and everybody is served. */
static void test_threads(void)
{
    Thread threads[THREADS];
    g_autoptr(GPtrArray) settings = server_settings_of(1, LIMIT);
    Shared shared = {.group = new_group(settings)};
    for (guint i = 0; i < THREADS; i++) {
        threads[i] = (Thread){.shared = &shared, .random = g_rand_new_with_seed(i)};
        pthread_mutex_init(&threads[i].lock, NULL);
        pthread_cond_init(&threads[i].condition, NULL);
        threads[i].pool = postern_pool_new(shared.group, G_MAXINT, G_MAXINT, on_wake, &threads[i]);
    }
    for (guint i = 0; i < THREADS; i++)
        threads[i].thread = g_thread_new("pool", run, &threads[i]);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i].thread);
    for (guint i = 0; i < THREADS; i++)
        finish(&threads[i]);
    g_assert_cmpint(shared.served, ==, THREADS * BORROWS);
    g_assert_cmpint(shared.most, ==, LIMIT);
    g_assert_cmpint(shared.connections, ==, 0);
    postern_server_group_unref(shared.group);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pool/threads", test_threads);
    return g_test_run();
}
