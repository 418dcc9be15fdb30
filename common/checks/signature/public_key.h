/*
 * Public keys of DKIM and ARC signatures (RFC 6376 3.6.1), and what they verify, by OpenSSL.
 */
#pragma once

#include <openssl/evp.h>

#include <glib.h>

/* The key of a record as checks/dkim/key.h makes them, the caller's; or NULL: its p= is none. */
EVP_PKEY *postern_public_key_decode(const char *record);

/* TRUE if signature is key's over a SHA-256 digest of length octets, as rsa-sha256 (RFC 6376 3.3.1) and
 * ed25519-sha256 (RFC 8463 3) make it. */
gboolean postern_public_key_verify(EVP_PKEY *key, const guint8 *digest, gsize length, GBytes *signature);
