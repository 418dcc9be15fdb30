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

/* The sum, 0 if there is none of it. */
guint64 postern_counters_read(const PosternCounters *counters, const char *name, const char *label);

/* Calls tell for each counter, in the order of name and label, label "" if it has none. */
typedef void (*PosternCountersTell)(const char *name, const char *label, guint64 sum, gpointer user_data);
void postern_counters_each(const PosternCounters *counters, PosternCountersTell tell, gpointer user_data);
