/*
 * The processor time that the rules may take for one message.
 */
#pragma once

#include <glib.h>
#include <time.h>

#include "base/limits.h"

typedef struct {
    gint64 until_us; /* on the clock of this thread's processor time */
    gboolean spent;  /* it stays so */
} PosternRuleTime;

static inline gint64 postern_rule_time_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static inline PosternRuleTime postern_rule_time_begin(void)
{
    return (PosternRuleTime){.until_us = postern_rule_time_now() + POSTERN_RULES_CPU_MS * 1000};
}

/* Asks the clock. */
static inline gboolean postern_rule_time_is_spent(PosternRuleTime *time)
{
    time->spent = time->spent || postern_rule_time_now() > time->until_us;
    return time->spent;
}
