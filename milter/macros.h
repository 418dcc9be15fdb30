/*
 * What a mail server tells of a client in arguments and macros. Servers differ in what they define, and say
 * "unknown" in several ways: what is missing or odd is as if it had not been said. Pure.
 */
#pragma once

#include <glib.h>
#include <sys/socket.h>

#include "mail/envelope.h"

/* The value of a macro, "{auth_authen}" or "i", or NULL; it lives as long as the callback that asks. */
typedef const char *(*PosternMilterMacro)(gpointer source, const char *name);

/*
 * Sets the client's address and verified name. name and address (NULL: none) are what the server says of the
 * connection; an address that is no IP address gives way to {client_addr}. A name that the server could not
 * verify ({client_resolve}, or an address in brackets) is none.
 */
void postern_milter_macros_client(PosternEnvelope *envelope, const char *name, const struct sockaddr *address,
                                  PosternMilterMacro macro, gpointer source);

/*
 * Whether a connection of that name and address is no connection at all, but mail that was handed in on the
 * server's own machine: by a unix socket, or on the standard input of a server that calls it localhost.
 */
gboolean postern_milter_macros_is_local(const char *name, const struct sockaddr *address);

/* Sets login from {auth_authen}, or NULL: not authenticated. */
void postern_milter_macros_login(PosternEnvelope *envelope, PosternMilterMacro macro, gpointer source);

/*
 * The path of MAIL or RCPT, a new string without brackets: argument, or if that is none what macro name
 * ({mail_addr}, {rcpt_addr}) has; "" if there is neither.
 */
char *postern_milter_macros_path(const char *argument, const char *name, PosternMilterMacro macro,
                                 gpointer source);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384", of {tls_version} and {cipher}; NULL: the client uses no TLS. */
char *postern_milter_macros_tls(PosternMilterMacro macro, gpointer source);
