/*
 * libmilter, which this folder alone knows. What it makes necessary, and where that is done:
 *
 * - One filter a process, on one socket; smfi_main() cannot be a part of an event loop, returns on SIGHUP,
 * and waits for its listener when it ends. So a supervisor takes the signals (supervisor.h), the loop is
 * another thread's, and the process ends by _exit() (server.c).
 * - Callbacks of one session run on different threads: nothing of a session is thread-local. There may be as
 * many threads as sessions that wait, each with the default stack: stacks are made small here, and how many
 *   messages may wait is limited (runtime.h).
 * - A session that is ready may be left behind a thread that waits: a connection of our own stirs the
 * controller (wake_up.h).
 * - A step without a reply (SMFIP_NR_*) has to return SMFIS_NOREPLY, or libmilter writes an error line; a
 * refusal there is lost, and the session hangs. Which steps have none is negotiated (negotiation.h), and
 * remembered by connection, because the end of a client is not told from that of a connection
 * (SMFIC_QUIT_NC).
 * - A mail server gives up on a filter that is silent: smfi_progress() says now and then that we are at work
 *   (callbacks.c).
 * - Without SMFIP_HDR_LEADSPC the space behind a field's colon is gone, which a simple DKIM canonicalization
 *   needs; with it, fields that are added need their own (answer.c).
 * - smfi_setreply() reads '%' as a format (reply.h); prototypes are older than const (callbacks.c).
 * - Why it cannot listen is told to the system log alone, and a path is taken from one who listens there:
 * both are looked at first. A unix socket gets its rights from the umask, TCP_NODELAY cannot be asked for,
 * and a socket that is there already cannot be given to it: it opens another, whose descriptor becomes that
 * of ours (listener.c).
 */
#pragma once

#include "base/configuration.h"
#include "base/milter_socket.h"

/* Where libmilter listens; the descriptor is its own. */
typedef struct {
    int descriptor;
    sa_family_t family;
} PosternMilterListener;

/*
 * Registers callbacks (milter/libmilter/callbacks.h) with libmilter and listens on [milter] socket. A unix
 * socket gets socket_mode, and socket_group or the group of user; one that a process which is gone has left
 * is replaced. Once in a process, before privileges are dropped. An error says what libmilter only tells the
 * system log. passed: sockets (of int, the caller's) that were handed over: one at that address is served.
 */
gboolean postern_milter_listener_open(const PosternConfiguration *configuration, const char *user,
                                      const GArray *passed, PosternMilterListener *ret_listener,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * From now on nobody is taken who connects: whoever else has the socket finds them waiting there. What
 * listens in its place, for ourselves alone (wake_up.h); NULL: nothing could, and all is as before.
 */
PosternMilterSocket *postern_milter_listener_leave(const PosternMilterListener *listener);

/* Removes a unix socket; nothing for the other kinds. */
void postern_milter_listener_remove(const PosternConfiguration *configuration);

/* Serves, on this thread and libmilter's own, until libmilter ends by itself. */
void postern_milter_serve(void);
