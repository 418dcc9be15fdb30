/*
 * Whether the DNS answers at all: one opinion of all resolvers of a process, for one line in the log when it
 * stops, and one when it is back. A single domain whose servers are dead says nothing of it.
 */
#pragma once

#include "base/counters.h"

typedef struct PosternResolverHealth PosternResolverHealth;

/* answers: whether it does; text says it, for people. Any thread, not under a lock. */
typedef void (*PosternResolverReport)(gboolean answers, const char *text, gpointer user_data);

PosternResolverHealth *postern_resolver_health_new(PosternResolverReport report, gpointer user_data);
/* Counts answers from now on, before other threads use health; counters outlive it. */
void postern_resolver_health_count_in(PosternResolverHealth *health, PosternCounters *counters);
/* A question had result ("answered", "cached", "timeout" …) after milliseconds (-1: it did not go out). Any
 * thread; health may be NULL. */
void postern_resolver_health_count(PosternResolverHealth *health, const char *result, gint64 milliseconds);
void postern_resolver_health_free(PosternResolverHealth *health);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternResolverHealth, postern_resolver_health_free)

/*
 * A question about domain went out, and was answered (NXDOMAIN is an answer), or failed: SERVFAIL, or no
 * answer in time. It is dead once POSTERN_RESOLVER_DEAD_QUESTIONS in a row failed, about as many different
 * domains, over POSTERN_RESOLVER_DEAD_SECONDS at least. now: monotonic, microseconds. Any thread.
 */
void postern_resolver_health_note(PosternResolverHealth *health, const char *domain, gboolean answered,
                                  gint64 now);
