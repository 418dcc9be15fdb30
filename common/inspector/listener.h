/*
 * The socket that the inspector listens on: its own at a path, or one that was handed to it.
 */
#pragma once

#include <glib.h>

typedef struct {
    int descriptor; /* SOCK_SEQPACKET, non-blocking, close-on-exec */
    char *path;     /* where it stands, or NULL */
    gboolean own;   /* we made it, and remove it */
} PosternListener;

/*
 * descriptor (-1: none) was inherited; else the one that systemd hands over (LISTEN_FDS); else a new one at
 * path, of mode 0660. The modes of socket and directory decide who may connect. A socket at path that nobody
 * listens on is replaced.
 */
PosternListener *postern_listener_new(int descriptor, const char *path,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Closes it, and removes what is its own, if the directory lets the user that we have become; else the
 * next start replaces it. */
void postern_listener_free(PosternListener *listener);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternListener, postern_listener_free)

/*
 * Makes the socket user's and group's ("": the group of the user asking, who is to ask), if it is our own
 * and we are root.
 */
gboolean postern_listener_give_to(PosternListener *listener, const char *user, const char *group,
                                  const char *asking, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The program that handed it over is gone: removes the socket, and the directory that was made for it. */
void postern_listener_remove(PosternListener *listener);
