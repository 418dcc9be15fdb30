/*
 * Where a milter is found, as administrators write it for Postfix, Sendmail and libmilter alike. Only
 * addresses: names would need the network.
 */
#pragma once

#include <glib.h>
#include <sys/socket.h>

typedef struct {
    sa_family_t family; /* AF_INET, AF_INET6, AF_UNIX */
    char *path;         /* AF_UNIX: absolute; else NULL */
    char *text;         /* what libmilter is told */
    struct sockaddr_storage address;
    socklen_t length; /* of address */
} PosternMilterSocket;

/*
 * "inet:PORT@ADDRESS", "inet6:PORT@ADDRESS" (brackets allowed), "unix:PATH" or "local:PATH". An error
 * (POSTERN_ERROR_CONFIGURATION) says how it is written.
 */
PosternMilterSocket *postern_milter_socket_parse(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_milter_socket_free(PosternMilterSocket *place);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMilterSocket, postern_milter_socket_free)
