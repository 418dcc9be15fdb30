#include "proxy/tls/context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/error.h"
#include "proxy/tls/context_private.h"

char *postern_tls_problem(void)
{
    unsigned long code = ERR_peek_error(); /* the first: those behind it say who passed it on */
    const char *reason =
        ERR_SYSTEM_ERROR(code) ? g_strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    ERR_clear_error();
    return g_strdup(reason != NULL ? reason : "no reason is known");
}

gboolean postern_tls_context_fail(GError **error, const char *path, const char *what)
{
    g_autofree char *problem = postern_tls_problem();
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "[tls] %s: %s: %s", path, what, problem);
}

static GPtrArray *take_ends(PosternTlsContext *context)
{
    pthread_mutex_lock(&context->lock);
    GPtrArray *ends = g_ptr_array_ref(context->ends);
    pthread_mutex_unlock(&context->lock);
    return ends;
}

/* The name is the client's; OpenSSL has checked that it is no longer than a host name, and holds no NUL. */
static int on_server_name(SSL *ssl, int *alert, void *data)
{
    g_autoptr(GPtrArray) ends = take_ends(data);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    for (guint i = 0; name != NULL && i < ends->len; i++) {
        SSL_CTX *end = g_ptr_array_index(ends, i);
        X509 *certificate = SSL_CTX_get0_certificate(end);
        if (certificate != NULL && X509_check_host(certificate, name, 0, 0, NULL) == 1) {
            SSL_set_SSL_CTX(ssl, end);
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

SSL_CTX *postern_tls_context_new_end(const SSL_METHOD *method, const PosternConfiguration *configuration,
                                     GError **error)
{
    SSL_CTX *end = SSL_CTX_new(method);
    if (end == NULL) {
        postern_tls_context_fail(error, "TLS", "cannot be set up");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(end, configuration->tls.min_version == POSTERN_TLS_1_3 ? TLS1_3_VERSION
                                                                                         : TLS1_2_VERSION);
    SSL_CTX_set_options(end, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(end, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_default_passwd_cb(end, no_passphrase);
    if (SSL_CTX_set_cipher_list(end, configuration->tls.ciphers) == 1)
        return end;
    postern_tls_context_fail(error, configuration->tls.ciphers,
                             "not a list of ciphers as openssl-ciphers(1) has it");
    SSL_CTX_free(end);
    return NULL;
}

/* Whoever has none, or one that nobody vouches for, is a client like any other. */
static int on_client_certificate(int verified, X509_STORE_CTX *store)
{
    return 1;
}

static gboolean ask_for_certificates(SSL_CTX *end, const char *path, GError **error)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (names == NULL || SSL_CTX_load_verify_file(end, path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return postern_tls_context_fail(error, path, "no certificate in PEM form can be read from it");
    }
    SSL_CTX_set_client_CA_list(end, names);
    SSL_CTX_set_verify(end, SSL_VERIFY_PEER, on_client_certificate);
    return TRUE;
}

static SSL_CTX *new_client_end(PosternTlsContext *context, const PosternConfiguration *configuration,
                               GError **error)
{
    static const guchar session_context[] = "postern";
    const char *authorities = configuration->tls.client_authorities;
    SSL_CTX *end = postern_tls_context_new_end(TLS_server_method(), configuration, error);
    if (end == NULL)
        return NULL;
    /* Sessions are resumed by tickets, which cost no memory here. */
    SSL_CTX_set_session_cache_mode(end, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(end, session_context, sizeof session_context - 1);
    SSL_CTX_set_num_tickets(end, 1);
    SSL_CTX_set_tlsext_servername_callback(end, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(end, context);
    postern_tls_tickets_serve(context->tickets, end);
    if (authorities[0] == '\0' || ask_for_certificates(end, authorities, error))
        return end;
    SSL_CTX_free(end);
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
static SSL_CTX *find_other_kind(const GPtrArray *ends, SSL_CTX *loaded)
{
    X509 *certificate = SSL_CTX_get0_certificate(loaded);
    int kind = EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(loaded));
    for (guint i = 0; i < ends->len; i++) {
        SSL_CTX *end = g_ptr_array_index(ends, i);
        if (is_same_name(SSL_CTX_get0_certificate(end), certificate) &&
            EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(end)) != kind)
            return end;
    }
    return NULL;
}

gboolean postern_tls_context_load(SSL_CTX *end, const char *path, const char *key, GError **error)
{
    if (SSL_CTX_use_certificate_chain_file(end, path) != 1)
        return postern_tls_context_fail(error, path, "no certificate in PEM form can be read from it");
    if (SSL_CTX_use_PrivateKey_file(end, key, SSL_FILETYPE_PEM) != 1)
        return postern_tls_context_fail(
            error, key, "no private key of the certificate, without a passphrase, can be read from it");
    return TRUE;
}

static gboolean add(PosternTlsContext *context, GPtrArray *ends, const PosternConfiguration *configuration,
                    const char *path, const char *key, GError **error)
{
    SSL_CTX *end = new_client_end(context, configuration, error);
    if (end == NULL || !postern_tls_context_load(end, path, key, error)) {
        SSL_CTX_free(end);
        return FALSE;
    }
    SSL_CTX *other = find_other_kind(ends, end);
    if (other == NULL) {
        g_ptr_array_add(ends, end);
        return TRUE;
    }
    SSL_CTX_free(end);
    return postern_tls_context_load(other, path, key, error);
}

static gboolean add_all(PosternTlsContext *context, GPtrArray *ends,
                        const PosternConfiguration *configuration, GError **error)
{
    char **certificates = configuration->tls.certificates, **keys = configuration->tls.keys;
    if (*keys != NULL && g_strv_length(keys) != g_strv_length(certificates))
        return postern_error_set(
            error, POSTERN_ERROR_CONFIGURATION,
            "[tls] keys: as many files are needed as [tls] certificates has, in the same order");
    for (guint i = 0; certificates[i] != NULL; i++)
        if (!add(context, ends, configuration, certificates[i], *keys != NULL ? keys[i] : certificates[i],
                 error))
            return FALSE;
    if (ends->len > 0)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                             "[proxy] tls: a certificate is needed: set [tls] certificates, and [tls] keys");
}

gboolean postern_tls_context_reload(PosternTlsContext *context, const PosternConfiguration *configuration,
                                    GError **error)
{
    g_autoptr(GPtrArray) ends = g_ptr_array_new_with_free_func((GDestroyNotify)SSL_CTX_free);
    if (context->of_servers) {
        SSL_CTX *end = postern_tls_context_new_server_end(context, configuration, error);
        if (end == NULL)
            return FALSE;
        g_ptr_array_add(ends, end);
    } else if (!add_all(context, ends, configuration, error)) {
        return FALSE;
    }
    pthread_mutex_lock(&context->lock);
    GPtrArray *before = context->ends;
    context->ends = g_steal_pointer(&ends);
    ends = before;
    if (context->sessions != NULL)
        g_hash_table_remove_all(context->sessions);
    pthread_mutex_unlock(&context->lock);
    return TRUE;
}

PosternTlsContext *postern_tls_context_alloc(void)
{
    PosternTlsContext *context = g_new0(PosternTlsContext, 1);
    context->references = 1;
    context->ends = g_ptr_array_new();
    pthread_mutex_init(&context->lock, NULL);
    return context;
}

PosternTlsContext *postern_tls_context_new(const PosternConfiguration *configuration,
                                           const PosternTlsContext *before, GError **error)
{
    g_autoptr(PosternTlsContext) context = postern_tls_context_alloc();
    context->tickets = before != NULL ? postern_tls_tickets_ref(before->tickets) : postern_tls_tickets_new();
    return postern_tls_context_reload(context, configuration, error) ? g_steal_pointer(&context) : NULL;
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
    g_ptr_array_unref(context->ends);
    g_clear_pointer(&context->sessions, g_hash_table_unref);
    postern_tls_tickets_unref(context->tickets);
    g_strfreev(context->pins);
    g_free(context->name);
    g_free(context->authorities);
    g_free(context->certificate);
    g_free(context->key);
    pthread_mutex_destroy(&context->lock);
    g_free(context);
}

SSL *postern_tls_context_new_connection(PosternTlsContext *context)
{
    g_autoptr(GPtrArray) ends = take_ends(context);
    return SSL_new(g_ptr_array_index(ends, 0));
}

SSL *postern_tls_context_accept(PosternTlsContext *context)
{
    SSL *ssl = postern_tls_context_new_connection(context);
    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    return ssl;
}
