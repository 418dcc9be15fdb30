/*
 * The PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt): what stands before all else on a
 * connection that comes through a balancer, and says whose it is.
 */
#pragma once

#include "base/address.h"

typedef struct {
    gboolean proxied;      /* FALSE (LOCAL, UNKNOWN, or no addresses of TCP): it is the balancer's own */
    PosternAddress source; /* these two: AF_UNSPEC unless proxied */
    PosternAddress destination;
    gboolean tls;      /* the client speaks TLS with the balancer */
    gboolean verified; /* its certificate was verified */
    char *tls_version; /* these are UTF-8 without control characters, or NULL: not told */
    char *tls_cipher;
    char *tls_name;  /* CN of the client's certificate */
    char *authority; /* the name that the client has asked for (SNI) */
    char *unique_id; /* of the connection, at most 128 octets */
} PosternProxyHeader;

/* Frees what it holds; the struct is empty then. */
void postern_proxy_header_clear(PosternProxyHeader *header);

/*
 * Reads the header that octets begin with. 1: it is whole, *ret_octets long, and *ret_header the caller's to
 * clear. 0: *ret_octets more of it are missing at least, so that who reads no more than these at a time reads
 * nothing of what follows it. -1: it is none; *ret_problem, static text, says why. Version 2 is taken up to
 * POSTERN_PROXY_HEADER_MAX_OCTETS; its checksum is verified if there is one.
 */
int postern_proxy_header_read(const guint8 *octets, gsize length, gsize *ret_octets,
                              PosternProxyHeader *ret_header, const char **ret_problem);

/* Appends header as version 1 or 2 has it; version 1 tells of addresses alone. Texts are cut at 255 octets,
 * unique_id at 128. */
void postern_proxy_header_write(GString *out, guint version, const PosternProxyHeader *header);
