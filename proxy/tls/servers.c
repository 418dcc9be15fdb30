#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/limits.h"
#include "proxy/tls/context_private.h"

/* The usages of TLSA records that mail has (RFC 7672 3.1, RFC 7218 2.1). */
enum { DANE_TA = 2, DANE_EE = 3 };

static void free_place(void *ssl, void *place, CRYPTO_EX_DATA *data, int index, long number, void *pointer)
{
    g_free(place);
}

/* Where an SSL has the place of its session, a string that goes with it. */
static int place_index(void)
{
    static gsize number = 0;
    if (g_once_init_enter(&number))
        g_once_init_leave(&number, (gsize)SSL_get_ex_new_index(0, NULL, NULL, NULL, free_place) + 1);
    return (int)number - 1;
}

/* TLS 1.3 tickets come after the handshake, RFC 8446 4.6.1. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    PosternTlsContext *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *place = SSL_get_ex_data(ssl, place_index());
    pthread_mutex_lock(&context->lock);
    /* A name whose addresses change for ever leaves its sessions behind: all of them begin anew then. */
    if (g_hash_table_size(context->sessions) >= POSTERN_TLS_SESSIONS_MAX &&
        !g_hash_table_contains(context->sessions, place))
        g_hash_table_remove_all(context->sessions);
    g_hash_table_insert(context->sessions, g_strdup(place), session);
    pthread_mutex_unlock(&context->lock);
    return 1; /* it is ours */
}

guint postern_tls_context_sessions(PosternTlsContext *context)
{
    pthread_mutex_lock(&context->lock);
    guint sessions = g_hash_table_size(context->sessions);
    pthread_mutex_unlock(&context->lock);
    return sessions;
}

/* The key alone speaks for itself (RFC 7469 2.4): neither authority nor name nor time is asked. */
static int on_certificate(X509_STORE_CTX *store, void *data)
{
    const PosternTlsContext *context = data;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    guchar *octets = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &octets);
    if (length <= 0)
        return 0;
    g_autofree char *hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, octets, (gsize)length);
    OPENSSL_free(octets);
    if (g_strv_contains((const char *const *)context->pins, hash))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

static char **read_pins(char **texts)
{
    char **pins = g_strdupv(texts);
    for (char **pin = pins; *pin != NULL; pin++) {
        char *end = *pin;
        for (const char *at = *pin; *at != '\0'; at++)
            if (*at != ':')
                *end++ = g_ascii_tolower(*at);
        *end = '\0';
    }
    return pins;
}

static gboolean load_authorities(SSL_CTX *end, const char *path, GError **error)
{
    if (path[0] == '\0')
        return SSL_CTX_set_default_verify_paths(end) == 1 ||
               postern_tls_context_fail(error, "server_authorities", "the system's cannot be read");
    return SSL_CTX_load_verify_file(end, path) == 1 ||
           postern_tls_context_fail(error, path, "no certificate in PEM form can be read from it");
}

SSL_CTX *postern_tls_context_new_server_end(PosternTlsContext *context,
                                            const PosternConfiguration *configuration, GError **error)
{
    SSL_CTX *end = postern_tls_context_new_end(TLS_client_method(), configuration, error);
    if (end == NULL)
        return NULL;
    SSL_CTX_set_app_data(end, context);
    SSL_CTX_set_session_cache_mode(end, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(end, on_session);
    if (SSL_CTX_dane_enable(end) != 1) {
        postern_tls_context_fail(error, "DANE", "cannot be set up");
        SSL_CTX_free(end);
        return NULL;
    }
    SSL_CTX_dane_set_flags(end, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 3.1.1 */
    const char *key = context->key[0] != '\0' ? context->key : context->certificate;
    gboolean ok =
        context->certificate[0] == '\0' || postern_tls_context_load(end, context->certificate, key, error);
    if (context->level == POSTERN_TLS_VERIFY) {
        SSL_CTX_set_verify(end, SSL_VERIFY_PEER, NULL);
        if (context->pins[0] != NULL)
            SSL_CTX_set_cert_verify_callback(end, on_certificate, context);
        else
            ok = ok && load_authorities(end, context->authorities, error);
    }
    if (ok)
        return end;
    SSL_CTX_free(end);
    return NULL;
}

PosternTlsServers postern_tls_servers_of(const PosternConfiguration *configuration,
                                         const PosternServersOptions *group)
{
    PosternTlsServers servers = {
        .level = configuration->tls.servers,
        .name = configuration->tls.server_name,
        .authorities = configuration->tls.server_authorities,
        .certificate = configuration->tls.server_certificate,
        .key = configuration->tls.server_key,
        .pins = configuration->tls.server_pins,
    };
    if (group == NULL)
        return servers;
    if (group->tls > 0)
        return (PosternTlsServers){.level = group->tls - 1,
                                   .name = group->tls_name,
                                   .authorities = group->tls_authorities,
                                   .certificate = group->tls_certificate,
                                   .key = group->tls_key,
                                   .pins = group->tls_pins};
    if (group->tls_name[0] != '\0')
        servers.name = group->tls_name;
    if (group->tls_authorities[0] != '\0')
        servers.authorities = group->tls_authorities;
    if (group->tls_certificate[0] != '\0') {
        servers.certificate = group->tls_certificate;
        servers.key = group->tls_key;
    }
    if (group->tls_pins[0] != NULL)
        servers.pins = group->tls_pins;
    return servers;
}

gboolean postern_tls_servers_equal(const PosternTlsServers *a, const PosternTlsServers *b)
{
    return a->level == b->level && g_str_equal(a->name, b->name) &&
           g_str_equal(a->authorities, b->authorities) && g_str_equal(a->certificate, b->certificate) &&
           g_str_equal(a->key, b->key) &&
           g_strv_equal((const char *const *)a->pins, (const char *const *)b->pins);
}

PosternTlsContext *postern_tls_context_new_for_servers(const PosternConfiguration *configuration,
                                                       const PosternTlsServers *servers, GError **error)
{
    g_autoptr(PosternTlsContext) context = postern_tls_context_alloc();
    context->of_servers = TRUE;
    context->level = servers->level;
    context->name = g_strdup(servers->name);
    context->authorities = g_strdup(servers->authorities);
    context->certificate = g_strdup(servers->certificate);
    context->key = g_strdup(servers->key);
    context->pins = read_pins(servers->pins);
    context->sessions =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)SSL_SESSION_free);
    return postern_tls_context_reload(context, configuration, error) ? g_steal_pointer(&context) : NULL;
}

/* RFC 7817: a name that the administrator has given, which no DNS answer can change. */
static gboolean set_name(SSL *ssl, const char *name, const char *address)
{
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (name == NULL)
        return X509_VERIFY_PARAM_set1_ip_asc(parameters, address) == 1;
    return X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, (char *)(gsize)name) == 1; /* it is copied */
}

static void resume(PosternTlsContext *context, SSL *ssl, const char *place)
{
    pthread_mutex_lock(&context->lock);
    SSL_SESSION *session = g_hash_table_lookup(context->sessions, place);
    if (session != NULL && SSL_SESSION_is_resumable(session))
        SSL_set_session(ssl, session);
    pthread_mutex_unlock(&context->lock);
}

/* The number of those that can be used; -1: no memory. */
static int add_records(const PosternTlsContext *context, SSL *ssl, const GPtrArray *records)
{
    int usable = 0;
    if (SSL_dane_enable(ssl, context->name) != 1)
        return -1;
    for (guint i = 0; i < records->len; i++) {
        gsize length;
        const guint8 *octets = g_bytes_get_data(g_ptr_array_index(records, i), &length);
        if (octets[0] == DANE_TA || octets[0] == DANE_EE)
            usable += SSL_dane_tlsa_add(ssl, octets[0], octets[1], octets[2], octets + 3, length - 3) == 1;
    }
    ERR_clear_error(); /* of those that make no sense */
    return usable;
}

gboolean postern_tls_context_takes_dane(PosternTlsContext *context, const GPtrArray *records)
{
    SSL *ssl = postern_tls_context_new_connection(context);
    gboolean takes = ssl != NULL && add_records(context, ssl, records) > 0;
    SSL_free(ssl);
    return takes;
}

/* place is taken over, in any case. */
static gboolean set_place(SSL *ssl, char *place)
{
    if (SSL_set_ex_data(ssl, place_index(), place) == 1)
        return TRUE;
    g_free(place);
    return FALSE;
}

SSL *postern_tls_context_connect(PosternTlsContext *context, const PosternAddress *address, const char *name,
                                 const GPtrArray *records)
{
    SSL *ssl = postern_tls_context_new_connection(context);
    g_autofree char *host = postern_address_to_string(address);
    if (context->name[0] != '\0')
        name = context->name;
    if (ssl == NULL || !set_name(ssl, name, host) ||
        !set_place(ssl, g_strdup_printf("%s %s %u", name != NULL ? name : "", host, address->port)) ||
        (records != NULL && add_records(context, ssl, records) <= 0)) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    /* Who has vouched for a session of before may not do so any more. */
    if (records != NULL)
        SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    else
        resume(context, ssl, SSL_get_ex_data(ssl, place_index()));
    return ssl;
}
