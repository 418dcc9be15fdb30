#include "base/condition.h"

#include <errno.h>

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
