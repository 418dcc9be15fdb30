/*
 * The client's end of TLS over a wire. Its octets are not of the seed: with the same seed the same things
 * happen, but a record may be an octet longer.
 */
#pragma once

#include <openssl/ssl.h>

#include "support/world.h"

/* What OpenSSL has to say goes over the wire. */
static inline void tls_carry(SSL *tls, Wire *wire)
{
    char octets[4096];
    int length;
    while ((length = BIO_read(SSL_get_wbio(tls), octets, sizeof octets)) > 0)
        wire_say(wire, octets, (gsize)length);
}

static inline SSL *tls_begin(SSL_CTX *context, Wire *wire)
{
    SSL *tls = SSL_new(context);
    SSL_set_bio(tls, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(tls);
    (void)SSL_do_handshake(tls);
    tls_carry(tls, wire);
    return tls;
}

static inline void tls_say(SSL *tls, Wire *wire, const char *octets, gsize length)
{
    if (length > 0)
        g_assert_cmpint(SSL_write(tls, octets, (int)length), ==, (int)length);
    tls_carry(tls, wire);
}

/* octets have come over the wire: what they hold is appended to heard. */
static inline void tls_received(SSL *tls, Wire *wire, const char *octets, gsize length, GString *heard)
{
    char text[4096];
    int read;
    g_assert_cmpint(BIO_write(SSL_get_rbio(tls), octets, (int)length), ==, (int)length);
    while ((read = SSL_read(tls, text, sizeof text)) > 0)
        g_string_append_len(heard, text, read);
    int error = SSL_get_error(tls, read);
    g_assert_true(error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN);
    tls_carry(tls, wire);
}

/* Nothing more is said; a handshake just stops. */
static inline void tls_end(SSL *tls, Wire *wire)
{
    if (SSL_is_init_finished(tls))
        (void)SSL_shutdown(tls);
    tls_carry(tls, wire);
}
