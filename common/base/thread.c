#include "base/thread.h"

#include <errno.h>
#include <signal.h>

void postern_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

gboolean postern_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, gint64 until)
{
    const struct timespec at = {.tv_sec = until / G_USEC_PER_SEC, .tv_nsec = until % G_USEC_PER_SEC * 1000};
    return pthread_cond_timedwait(condition, lock, &at) != ETIMEDOUT;
}

GThread *postern_thread_new(const char *name, GThreadFunc run, gpointer data)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    GThread *thread = g_thread_new(name, run, data);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return thread;
}
