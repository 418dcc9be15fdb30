/*
 * What a service manager is told (sd_notify(3)): a datagram to the socket that $NOTIFY_SOCKET names; and the
 * sockets that it hands over (sd_listen_fds(3)). libsystemd would bring five libraries for it.
 */
#pragma once

#include <glib.h>

/*
 * Sends state, lines like "READY=1" or "STATUS=text". Nothing happens if no service manager listens. Any
 * process of the service may (NotifyAccess=all).
 */
void postern_notify(const char *state);

/* Whether there is a service manager that listens. */
gboolean postern_notify_is_heard(void);

/*
 * The manager keeps these sockets (of int; the caller's still) in place of those that it kept before, which
 * were at most so many, and hands them to the next process of the service: who connects meanwhile waits, and
 * is not refused (FileDescriptorStoreMax= in the unit).
 */
void postern_notify_keep(const GArray *sockets, guint before);

/*
 * Sockets that this process was handed over, of int, close-on-exec and non-blocking, the caller's to close;
 * those of postern_notify_keep() in the order that they had there. *ret_kept: the manager has them of
 * postern_notify_keep() of the process before, which has kept at most so many; 0: they are of a socket unit,
 * which keeps them in any case. Once: the environment forgets them.
 */
GArray *postern_notify_take_sockets(guint *ret_kept);

/* Microseconds within which the manager wants to hear "WATCHDOG=1" of this process; 0: it does not. */
gint64 postern_notify_watchdog_time(void);
