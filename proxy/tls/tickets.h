/*
 * The keys of session tickets (RFC 5077, RFC 8446 4.6.1): random, of this process alone, shared by all
 * threads, kept over reloads. Each serves for an hour, and opens for one more what it has sealed (RFC
 * 9325 3.4).
 */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

typedef struct PosternTlsTickets PosternTlsTickets;

PosternTlsTickets *postern_tls_tickets_new(void);
PosternTlsTickets *postern_tls_tickets_ref(PosternTlsTickets *tickets);
/* NULL is allowed. */
void postern_tls_tickets_unref(PosternTlsTickets *tickets);

/* end, which must not outlive tickets, seals and opens by them. */
void postern_tls_tickets_serve(PosternTlsTickets *tickets, SSL_CTX *end);
