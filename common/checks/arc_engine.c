#include "checks/arc_engine.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/limits.h"
#include "checks/dkim_key.h"

struct PosternArcEngine {
    GHashTable *keys; /* record (char *) to EVP_PKEY * */
};

static void key_free(gpointer key)
{
    EVP_PKEY_free(key);
}

PosternArcEngine *postern_arc_engine_new(void)
{
    PosternArcEngine *engine = g_new0(PosternArcEngine, 1);

    engine->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, key_free);
    return engine;
}

void postern_arc_engine_free(PosternArcEngine *engine)
{
    if (engine == NULL)
        return;
    g_hash_table_unref(engine->keys);
    g_free(engine);
}

static EVP_PKEY *decode(const char *record)
{
    const char *start = strstr(record, "p=");
    gsize length = 0;
    g_autofree guint8 *octets = g_base64_decode(start != NULL ? start + 2 : "", &length);
    const guint8 *place = octets;

    if (strstr(record, "k=ed25519;") != NULL)
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, octets, length);
    EVP_PKEY *key = d2i_PUBKEY(NULL, &place, (long)length);
    if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
        g_clear_pointer(&key, EVP_PKEY_free);
    return key;
}

static EVP_PKEY *look_up(PosternArcEngine *engine, const char *record)
{
    EVP_PKEY *key = g_hash_table_lookup(engine->keys, record);

    if (key != NULL)
        return key;
    key = decode(record);
    ERR_clear_error();
    if (key == NULL)
        return NULL;
    if (g_hash_table_size(engine->keys) >= POSTERN_ARC_KEYS_MAX)
        g_hash_table_remove_all(engine->keys);
    g_hash_table_insert(engine->keys, g_strdup(record), key);
    return key;
}

EVP_PKEY *postern_arc_engine_key(PosternArcEngine *engine, const PosternAnswer *answer, const char *algorithm,
                                 gboolean *ret_temporary, char **ret_reason)
{
    PosternDkimKey record = {0};
    EVP_PKEY *key = NULL;

    postern_dkim_key_load(&record, answer, algorithm);
    *ret_temporary = record.result == POSTERN_DKIM_TEMPERROR;
    *ret_reason = g_steal_pointer(&record.reason);
    if (record.result == POSTERN_DKIM_NONE && record.record != NULL) {
        key = look_up(engine, record.record);
        if (key == NULL)
            *ret_reason = g_strdup("the key record's p= is no key");
    }
    postern_dkim_key_clear(&record);
    return key;
}

static gboolean verify_rsa(EVP_PKEY *key, const guint8 *digest, gsize length, const guint8 *signature,
                           gsize signature_length)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    gboolean right = context != NULL && EVP_PKEY_verify_init(context) == 1 &&
                     EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
                     EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
                     EVP_PKEY_verify(context, signature, signature_length, digest, length) == 1;

    EVP_PKEY_CTX_free(context);
    return right;
}

static gboolean verify_ed25519(EVP_PKEY *key, const guint8 *digest, gsize length, const guint8 *signature,
                               gsize signature_length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    gboolean right = context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                     EVP_DigestVerify(context, signature, signature_length, digest, length) == 1;

    EVP_MD_CTX_free(context);
    return right;
}

gboolean postern_arc_engine_verify(EVP_PKEY *key, const guint8 *digest, gsize length, GBytes *signature)
{
    gsize signature_length = 0;
    const guint8 *octets = g_bytes_get_data(signature, &signature_length);
    gboolean right = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA
                         ? verify_rsa(key, digest, length, octets, signature_length)
                         : verify_ed25519(key, digest, length, octets, signature_length);

    ERR_clear_error();
    return right;
}
