/*
 * Threads without signals, and waiting for a condition until a moment of the monotonic clock. Conditions are
 * pthread's, as all our locks are: ThreadSanitizer does not know those of GLib.
 */
#pragma once

#include <glib.h>
#include <pthread.h>

/* In the place of pthread_cond_init(). */
void postern_condition_init(pthread_cond_t *condition);

/* lock is held. FALSE: until (as g_get_monotonic_time(), microseconds) has come. TRUE may be for nothing. */
gboolean postern_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, gint64 until);

/* g_thread_new() for a thread, and those that it makes, that takes no signals: they are for the main one. */
GThread *postern_thread_new(const char *name, GThreadFunc run, gpointer data);
