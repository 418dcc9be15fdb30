/*
 * What a process counts, by name: each processor has a block of its own, so that threads do not wait for one
 * another, and who reads gets the sums. Any thread.
 */
#pragma once

#include <glib.h>

typedef struct PosternCounters PosternCounters;

PosternCounters *postern_counters_new(void);
PosternCounters *postern_counters_ref(PosternCounters *counters);
void postern_counters_unref(PosternCounters *counters);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternCounters, postern_counters_unref)

/*
 * Adds number to the counter name, or to that of name and label (NULL: none); both are copied when it is new.
 * It only ever grows. Labels are ours, never a peer's: of more than POSTERN_COUNTERS_MAX counters those that
 * come last are not kept. counters may be NULL: nothing is counted.
 */
void postern_counters_add(PosternCounters *counters, const char *name, const char *label, guint64 number);

/*
 * Where the counter of name and label is kept as long as counters live, for what is counted often:
 * postern_counters_add_at() need not look for it. POSTERN_COUNTERS_MAX: there was no room, and nothing is
 * counted there.
 */
guint postern_counters_place(PosternCounters *counters, const char *name, const char *label);
/* As postern_counters_add(); for a number of what there is now, a negative one as it is modulo 2^64. */
void postern_counters_add_at(PosternCounters *counters, guint place, guint64 number);

/* The sum, 0 if there is none of it. */
guint64 postern_counters_read(const PosternCounters *counters, const char *name, const char *label);

/* Calls tell for each counter, in the order of name and label, label "" if it has none. */
typedef void (*PosternCountersTell)(const char *name, const char *label, guint64 sum, gpointer user_data);
void postern_counters_each(const PosternCounters *counters, PosternCountersTell tell, gpointer user_data);

/* How long something took. */
typedef enum {
    POSTERN_LATENCY_CONNECT,     /* to a mail server: until its greeting */
    POSTERN_LATENCY_FIRST_REPLY, /* from a client's connection to what it hears first */
    POSTERN_LATENCY_POOL_WAIT,   /* for a connection to a mail server */
    POSTERN_LATENCY_VERDICT,     /* from a message's end to its verdict */
    POSTERN_LATENCY_SERVER,      /* from the verdict to the mail server's reply */
    POSTERN_LATENCY_MESSAGE,     /* from MAIL to the reply to the message */
    POSTERN_LATENCY_DNS,         /* of a question that went out */
    POSTERN_LATENCIES,
} PosternLatency;

#define POSTERN_LATENCY_BUCKETS 14
/* The most milliseconds that each bucket takes, in ascending order; what takes longer is in none of them. */
extern const guint postern_latency_bounds_ms[POSTERN_LATENCY_BUCKETS];

typedef struct {
    guint64 buckets[POSTERN_LATENCY_BUCKETS + 1]; /* each by itself; the last: longer than all bounds */
    guint64 milliseconds;
} PosternLatencySum;

/* Counts one that took so long; negative: not known, nothing is counted. */
void postern_counters_time(PosternCounters *counters, PosternLatency latency, gint64 milliseconds);
void postern_counters_latency(const PosternCounters *counters, PosternLatency latency,
                              PosternLatencySum *ret_sum);

/*
 * Remembers from now on the last POSTERN_EVENTS_REMEMBERED_MAX lines that postern_counters_remember() is
 * told; before threads use counters.
 */
void postern_counters_start_remembering(PosternCounters *counters);
gboolean postern_counters_remembers(const PosternCounters *counters);
/* text: a closing line, copied. Never waits: what comes while another thread does the same is left out. */
void postern_counters_remember(PosternCounters *counters, const char *text);
/* Calls tell for each, the newest first, with the time (microseconds, real) when it came; the text is only
 * for the call. */
typedef void (*PosternEventTell)(gint64 time, const char *text, gpointer user_data);
void postern_counters_recall(const PosternCounters *counters, PosternEventTell tell, gpointer user_data);
