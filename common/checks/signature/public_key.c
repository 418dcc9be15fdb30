#include "checks/signature/public_key.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

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

EVP_PKEY *postern_public_key_decode(const char *record)
{
    EVP_PKEY *key = decode(record);

    ERR_clear_error();
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

gboolean postern_public_key_verify(EVP_PKEY *key, const guint8 *digest, gsize length, GBytes *signature)
{
    gsize signature_length = 0;
    const guint8 *octets = g_bytes_get_data(signature, &signature_length);
    gboolean right = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA
                         ? verify_rsa(key, digest, length, octets, signature_length)
                         : verify_ed25519(key, digest, length, octets, signature_length);

    ERR_clear_error();
    return right;
}
