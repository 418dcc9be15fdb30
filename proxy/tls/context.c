#include "proxy/tls/context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/error.h"

struct PosternTlsContext {
    gint references;    /* atomic */
    GPtrArray *servers; /* of SSL_CTX *, one for each set of names; clients that name none get the first */
};

char *postern_tls_problem(void)
{
    unsigned long code = ERR_peek_error(); /* the first: those behind it say who passed it on */
    const char *reason =
        ERR_SYSTEM_ERROR(code) ? g_strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    ERR_clear_error();
    return g_strdup(reason != NULL ? reason : "no reason is known");
}

static gboolean fail(GError **error, const char *path, const char *what)
{
    g_autofree char *problem = postern_tls_problem();
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "[tls] %s: %s: %s", path, what, problem);
    return FALSE;
}

static void free_server(gpointer server)
{
    SSL_CTX_free(server);
}

/* The name is the client's; OpenSSL has checked that it is no longer than a host name, and holds no NUL. */
static int on_server_name(SSL *ssl, int *alert, void *data)
{
    const PosternTlsContext *context = data;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    for (guint i = 0; name != NULL && i < context->servers->len; i++) {
        SSL_CTX *server = g_ptr_array_index(context->servers, i);
        X509 *certificate = SSL_CTX_get0_certificate(server);
        if (certificate != NULL && X509_check_host(certificate, name, 0, 0, NULL) == 1) {
            SSL_set_SSL_CTX(ssl, server);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* OpenSSL would ask the terminal for the passphrase of a key, and wait. */
static int no_passphrase(char *buffer, int size, int writing, void *data)
{
    (void)buffer, (void)size, (void)writing, (void)data;
    return 0;
}

static SSL_CTX *new_server(PosternTlsContext *context, const PosternConfiguration *configuration,
                           GError **error)
{
    static const guchar session_context[] = "postern";
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    if (server == NULL) {
        fail(error, "TLS", "cannot be set up");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(server, configuration->tls.min_version == POSTERN_TLS_1_3 ? TLS1_3_VERSION
                                                                                            : TLS1_2_VERSION);
    SSL_CTX_set_options(server, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(server, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Sessions are resumed by tickets, which cost no memory here. */
    SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(server, session_context, sizeof session_context - 1);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_default_passwd_cb(server, no_passphrase);
    SSL_CTX_set_tlsext_servername_callback(server, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(server, context);
    if (SSL_CTX_set_cipher_list(server, configuration->tls.ciphers) == 1)
        return server;
    fail(error, configuration->tls.ciphers, "not a list of ciphers as openssl-ciphers(1) has it");
    SSL_CTX_free(server);
    return NULL;
}

static gboolean is_same_name(X509 *one, X509 *other)
{
    int at_one = X509_get_ext_by_NID(one, NID_subject_alt_name, -1);
    int at_other = X509_get_ext_by_NID(other, NID_subject_alt_name, -1);
    if (at_one < 0 || at_other < 0)
        return at_one < 0 && at_other < 0 &&
               X509_NAME_cmp(X509_get_subject_name(one), X509_get_subject_name(other)) == 0;
    return ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(X509_get_ext(one, at_one)),
                                 X509_EXTENSION_get_data(X509_get_ext(other, at_other))) == 0;
}

/* What is there already for the names of loaded, with a key of another kind; or NULL. */
static SSL_CTX *find_other_kind(const PosternTlsContext *context, SSL_CTX *loaded)
{
    X509 *certificate = SSL_CTX_get0_certificate(loaded);
    int kind = EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(loaded));
    for (guint i = 0; i < context->servers->len; i++) {
        SSL_CTX *server = g_ptr_array_index(context->servers, i);
        if (is_same_name(SSL_CTX_get0_certificate(server), certificate) &&
            EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(server)) != kind)
            return server;
    }
    return NULL;
}

static gboolean load(SSL_CTX *server, const char *path, const char *key, GError **error)
{
    if (SSL_CTX_use_certificate_chain_file(server, path) != 1)
        return fail(error, path, "no certificate in PEM form can be read from it");
    if (SSL_CTX_use_PrivateKey_file(server, key, SSL_FILETYPE_PEM) != 1)
        return fail(error, key,
                    "it holds no private key without a passphrase, or not that of the certificate");
    return TRUE;
}

static gboolean add(PosternTlsContext *context, const PosternConfiguration *configuration, const char *path,
                    const char *key, GError **error)
{
    SSL_CTX *server = new_server(context, configuration, error);
    if (server == NULL || !load(server, path, key, error)) {
        SSL_CTX_free(server);
        return FALSE;
    }
    SSL_CTX *other = find_other_kind(context, server);
    if (other == NULL) {
        g_ptr_array_add(context->servers, server);
        return TRUE;
    }
    SSL_CTX_free(server);
    return load(other, path, key, error);
}

PosternTlsContext *postern_tls_context_new(const PosternConfiguration *configuration, GError **error)
{
    char **certificates = configuration->tls.certificates, **keys = configuration->tls.keys;
    g_autoptr(PosternTlsContext) context = g_new0(PosternTlsContext, 1);
    context->references = 1;
    context->servers = g_ptr_array_new_with_free_func(free_server);
    if (*keys != NULL && g_strv_length(keys) != g_strv_length(certificates)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "[tls] keys: as many files are needed as [tls] certificates has, in the same order");
        return NULL;
    }
    for (guint i = 0; certificates[i] != NULL; i++)
        if (!add(context, configuration, certificates[i], *keys != NULL ? keys[i] : certificates[i], error))
            return NULL;
    if (context->servers->len > 0)
        return g_steal_pointer(&context);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                "[proxy] tls: a certificate is needed: set [tls] certificates, and [tls] keys");
    return NULL;
}

PosternTlsContext *postern_tls_context_ref(PosternTlsContext *context)
{
    g_atomic_int_inc(&context->references);
    return context;
}

void postern_tls_context_unref(PosternTlsContext *context)
{
    if (context == NULL || !g_atomic_int_dec_and_test(&context->references))
        return;
    g_ptr_array_unref(context->servers);
    g_free(context);
}

SSL *postern_tls_context_accept(PosternTlsContext *context)
{
    SSL *ssl = SSL_new(g_ptr_array_index(context->servers, 0));
    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    return ssl;
}
