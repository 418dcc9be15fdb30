#include "checks/sign/key.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "base/limits.h"
#include "checks/sign/file.h"

#define SAFE_RSA_BITS 2048 /* RFC 8301 3.2: signers SHOULD use at least so many */
#define ED25519_OCTETS 32

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)

void postern_sign_key_free(PosternSignKey *key)
{
    if (key == NULL)
        return;
    if (key->secret != NULL)
        postern_sign_wipe(key->secret, strlen(key->secret));
    g_free(key->domain);
    g_free(key->selector);
    g_free(key->published);
    g_free(key);
}

/* Nobody is there to be asked for a pass phrase. */
static int refuse_pass_phrase(char *buffer, int size, int writing, void *user_data)
{
    (void)buffer, (void)size, (void)writing;
    *(gboolean *)user_data = TRUE;
    return -1;
}

static EVP_PKEY *decode(const char *octets, gsize length, const char *path, GError **error)
{
    gboolean encrypted = FALSE;
    g_autoptr(BIO) in = BIO_new_mem_buf(octets, (int)length);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, refuse_pass_phrase, &encrypted);
    ERR_clear_error();
    if (key != NULL)
        return key;
    if (encrypted) {
        g_set_error(
            error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
            "%s has a pass phrase, and nobody is there to type it: write it without one (openssl pkey "
            "-in %s -out NEW)",
            path, path);
    } else {
        g_set_error(
            error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
            "%s holds no private key in PEM form (-----BEGIN PRIVATE KEY-----): make one with openssl "
            "genpkey",
            path);
    }
    return NULL;
}

static gboolean judge(PosternSignKey *key, EVP_PKEY *decoded, const char *path, GPtrArray *warnings,
                      GError **error)
{
    int type = EVP_PKEY_get_base_id(decoded);
    const char *name = EVP_PKEY_get0_type_name(decoded);
    key->ed25519 = type == EVP_PKEY_ED25519;
    if (key->ed25519)
        return TRUE;
    if (type != EVP_PKEY_RSA)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "%s is a key of type %s; DKIM signs with RSA or Ed25519", path,
                                 name != NULL ? name : "unknown");
    key->bits = (guint)EVP_PKEY_get_bits(decoded);
    if (key->bits < POSTERN_DKIM_RSA_MIN_BITS)
        return postern_error_set(
            error, POSTERN_ERROR_CONFIGURATION,
            "%s is an RSA key of %u bits; nobody accepts fewer than %d (RFC 8301): make one of %d", path,
            key->bits, POSTERN_DKIM_RSA_MIN_BITS, SAFE_RSA_BITS);
    if (warnings != NULL && (key->bits < SAFE_RSA_BITS || key->bits > POSTERN_DKIM_RSA_MAX_BITS)) {
        g_ptr_array_add(warnings,
                        g_strdup_printf("%s is an RSA key of %u bits: at least %d are advised, and verifiers "
                                        "need not take more than %d (RFC 8301)",
                                        path, key->bits, SAFE_RSA_BITS, POSTERN_DKIM_RSA_MAX_BITS));
    }
    return TRUE;
}

/* Always in one form, whatever the file had: what libopendkim gets is what was tried. */
static char *encode_secret(EVP_PKEY *decoded)
{
    g_autoptr(BIO) out = BIO_new(BIO_s_secmem());
    char *start = NULL;
    if (out == NULL || PEM_write_bio_PKCS8PrivateKey(out, decoded, NULL, NULL, 0, NULL, NULL) != 1)
        return NULL;
    long length = BIO_get_mem_data(out, &start);
    return g_strndup(start, (gsize)length);
}

/* p= (RFC 6376 3.6.1): SubjectPublicKeyInfo of RSA, the bare octets of Ed25519 (RFC 8463 4.2). */
static char *encode_published(EVP_PKEY *decoded, gboolean ed25519)
{
    guint8 raw[ED25519_OCTETS];
    size_t length = sizeof raw;
    if (ed25519)
        return EVP_PKEY_get_raw_public_key(decoded, raw, &length) == 1 ? g_base64_encode(raw, length) : NULL;
    guint8 *encoded = NULL;
    int octets = i2d_PUBKEY(decoded, &encoded);
    char *text = octets > 0 ? g_base64_encode(encoded, (gsize)octets) : NULL;
    OPENSSL_free(encoded);
    return text;
}

PosternSignKey *postern_sign_key_load(const char *domain, const char *selector, const char *path,
                                      GPtrArray *warnings, GError **error)
{
    gsize length = 0;
    char *octets =
        postern_sign_file_read(path, POSTERN_SIGN_KEY_FILE_MAX_OCTETS, TRUE, &length, warnings, error);
    if (octets == NULL)
        return NULL;
    g_autoptr(EVP_PKEY) decoded = decode(octets, length, path, error);
    postern_sign_wipe(octets, length);
    g_autoptr(PosternSignKey) key = g_new0(PosternSignKey, 1);
    if (decoded == NULL || !judge(key, decoded, path, warnings, error))
        return NULL;
    key->domain = g_ascii_strdown(domain, -1);
    key->selector = g_strdup(selector);
    key->secret = encode_secret(decoded);
    key->published = encode_published(decoded, key->ed25519);
    if (key->secret == NULL || key->published == NULL) {
        ERR_clear_error();
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "OpenSSL cannot use the key in %s",
                    path);
        return NULL;
    }
    return g_steal_pointer(&key);
}

char *postern_sign_key_name(const PosternSignKey *key)
{
    return g_strdup_printf("%s._domainkey.%s", key->selector, key->domain);
}

char *postern_sign_key_record(const PosternSignKey *key)
{
    return g_strdup_printf("v=DKIM1; k=%s; p=%s", key->ed25519 ? "ed25519" : "rsa", key->published);
}
