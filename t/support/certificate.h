/*
 * A certificate of a test's own, and what the proxy makes of it.
 */
#pragma once

#include <glib.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "proxy/tls/context.h"

/* A file with a certificate of mx.example.org, signed by itself, and its key; to be removed, a new string. */
static inline char *make_certificate(void)
{
    g_autofree char *path = NULL;
    int descriptor = g_file_open_tmp("postern-tls-XXXXXX", &path, NULL);
    g_assert_cmpint(descriptor, >=, 0);
    /* Whose signatures are of one length, so that a run is the same again from its seed. */
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *certificate = X509_new();
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const guchar *)"mx.example.org", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    g_assert_cmpint(X509_sign(certificate, key, NULL), >, 0);
    FILE *file = fdopen(descriptor, "w");
    PEM_write_X509(file, certificate);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return g_steal_pointer(&path);
}

/* The proxy's context with that file. */
static inline PosternTlsContext *context_of(const char *path)
{
    g_autofree char *text =
        g_strdup_printf("[proxy]\nhostname = mx.example.org\nrecipient_domains = example.org\ntls = may\n"
                        "[tls]\ncertificates = %s\n",
                        path);
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    PosternTlsContext *context = postern_tls_context_new(configuration, NULL, &error);
    g_assert_no_error(error);
    return context;
}
