#include "proxy/tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#define SERVES_SECONDS 3600
#define SERVES (SERVES_SECONDS * (gint64)G_USEC_PER_SEC)

typedef struct {
    guchar name[16]; /* which the ticket bears */
    guchar cipher[32];
    guchar digest[32];
    gint64 since; /* monotonic microseconds; 0: there is none */
} Key;

struct PosternTlsTickets {
    gint references; /* atomic */
    pthread_mutex_t lock;
    Key keys[2]; /* the one that seals, and the one before it */
};

PosternTlsTickets *postern_tls_tickets_new(void)
{
    PosternTlsTickets *tickets = g_new0(PosternTlsTickets, 1);
    tickets->references = 1;
    pthread_mutex_init(&tickets->lock, NULL);
    return tickets;
}

PosternTlsTickets *postern_tls_tickets_ref(PosternTlsTickets *tickets)
{
    g_atomic_int_inc(&tickets->references);
    return tickets;
}

void postern_tls_tickets_unref(PosternTlsTickets *tickets)
{
    if (tickets == NULL || !g_atomic_int_dec_and_test(&tickets->references))
        return;
    pthread_mutex_destroy(&tickets->lock);
    OPENSSL_cleanse(tickets->keys, sizeof tickets->keys);
    g_free(tickets);
}

static gboolean make_key(Key *key, gint64 now)
{
    key->since = now;
    return RAND_bytes(key->name, sizeof key->name) == 1 &&
           RAND_priv_bytes(key->cipher, sizeof key->cipher) == 1 &&
           RAND_priv_bytes(key->digest, sizeof key->digest) == 1;
}

/* The key to seal with. FALSE: there is none. */
static gboolean take_newest(PosternTlsTickets *tickets, Key *ret_key)
{
    gint64 now = g_get_monotonic_time();
    gboolean ok = TRUE;
    pthread_mutex_lock(&tickets->lock);
    if (tickets->keys[0].since == 0 || now - tickets->keys[0].since >= SERVES) {
        tickets->keys[1] = tickets->keys[0];
        ok = make_key(&tickets->keys[0], now);
        if (!ok)
            tickets->keys[0].since = 0;
    }
    *ret_key = tickets->keys[0];
    pthread_mutex_unlock(&tickets->lock);
    return ok;
}

/* The key of that name. FALSE: there is none, or it is too old. *ret_renew: it seals no more. */
static gboolean find(PosternTlsTickets *tickets, const guchar *name, Key *ret_key, gboolean *ret_renew)
{
    gint64 now = g_get_monotonic_time();
    gboolean found = FALSE;
    pthread_mutex_lock(&tickets->lock);
    for (guint i = 0; i < G_N_ELEMENTS(tickets->keys) && !found; i++) {
        const Key *key = &tickets->keys[i];
        found = key->since != 0 && now - key->since < 2 * SERVES &&
                CRYPTO_memcmp(key->name, name, sizeof key->name) == 0;
        *ret_renew = now - key->since >= SERVES;
        *ret_key = *key;
    }
    pthread_mutex_unlock(&tickets->lock);
    return found;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1: done; 2: done, and a new ticket is due; 0: not ours; -1. */
static int on_ticket(SSL *ssl, guchar *name, guchar *vector, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *digest,
                     int seals)
{
    PosternTlsTickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    Key key;
    gboolean renew = FALSE;
    if (seals ? !take_newest(tickets, &key) : !find(tickets, name, &key, &renew))
        return seals ? -1 : 0;
    if (seals) {
        memcpy(name, key.name, sizeof key.name);
        if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
            return -1;
    }
    char sha256[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.digest, sizeof key.digest),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    gboolean ok = EVP_CipherInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher, vector, seals, NULL) == 1 &&
                  EVP_MAC_CTX_set_params(digest, parameters) == 1;
    OPENSSL_cleanse(&key, sizeof key);
    return !ok ? -1 : renew ? 2 : 1;
}

void postern_tls_tickets_serve(PosternTlsTickets *tickets, SSL_CTX *end)
{
    SSL_CTX_set_app_data(end, tickets);
    SSL_CTX_set_timeout(end, SERVES_SECONDS);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(end, on_ticket);
}
