/*
 * An octet with a descriptor, between processes of one program (unix(7), SCM_RIGHTS).
 */
#pragma once

#include <glib.h>

/*
 * Sends octet through socket (AF_UNIX, SOCK_STREAM), with descriptor unless it is -1, without waiting.
 * descriptor stays the caller's. FALSE: the other end is gone, or takes nothing now.
 */
gboolean postern_descriptor_send(int socket, char octet, int descriptor);

/*
 * Receives one octet. 1: *ret_octet, and *ret_descriptor, the caller's, close-on-exec, or -1; 0: the other
 * end is gone; -1: nothing is there now. Waits if socket is a blocking one.
 */
int postern_descriptor_receive(int socket, char *ret_octet, int *ret_descriptor);
