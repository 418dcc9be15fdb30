#include "checks/dkim/key.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/limits.h"
#include "checks/dkim/tags.h"
#include "wire/tag_list.h"

#define ED25519_OCTETS 32

struct PosternDkimKeyRing {
    GHashTable *keys; /* SHA-256 of a record (GBytes *) to PosternDkimKey *, all of them with a key */
};

static void key_clear(gpointer data)
{
    PosternDkimKey *key = data;
    g_free(key->reason);
    EVP_PKEY_free(key->key);
}

static void key_unref(gpointer key)
{
    g_rc_box_release_full(key, key_clear);
}

PosternDkimKeyRing *postern_dkim_key_ring_new(void)
{
    PosternDkimKeyRing *ring = g_new0(PosternDkimKeyRing, 1);
    ring->keys = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, key_unref);
    return ring;
}

void postern_dkim_key_ring_free(PosternDkimKeyRing *ring)
{
    if (ring == NULL)
        return;
    g_hash_table_unref(ring->keys);
    g_free(ring);
}

static void refuse(PosternDkimKey *key, PosternDkimResult result, const char *reason)
{
    key->result = result;
    key->reason = g_strdup(reason);
    g_clear_pointer(&key->key, EVP_PKEY_free);
}

/* In either form that RFC 6376 speaks of (3.6.1, and the example of appendix C); nothing may follow it. */
static EVP_PKEY *decode_rsa(const guint8 *octets, gsize length)
{
    const guint8 *place = octets;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &place, (long)length);
    if (key == NULL) {
        place = octets;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &place, (long)length);
    }
    if (key != NULL && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || place != octets + length))
        g_clear_pointer(&key, EVP_PKEY_free);
    return key;
}

static void load_rsa(PosternDkimKey *key, const guint8 *octets, gsize length)
{
    key->key = decode_rsa(octets, length);
    key->bits = key->key != NULL ? (guint)EVP_PKEY_get_bits(key->key) : 0;
    if (key->key == NULL)
        refuse(key, POSTERN_DKIM_PERMERROR, "the key record's p= is no RSA key");
    else if (key->bits < POSTERN_DKIM_RSA_MIN_BITS)
        refuse(key, POSTERN_DKIM_POLICY, "the RSA key is shorter than 1024 bits (RFC 8301 3.2)");
    else if (key->bits > POSTERN_DKIM_RSA_MAX_BITS)
        refuse(key, POSTERN_DKIM_PERMERROR, "the RSA key is longer than 4096 bits");
}

static void load_ed25519(PosternDkimKey *key, const guint8 *octets, gsize length)
{
    if (length == ED25519_OCTETS)
        key->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, octets, length);
    if (key->key == NULL)
        refuse(key, POSTERN_DKIM_PERMERROR, "the key record's p= is no Ed25519 key (RFC 8463 4.2)");
    else
        key->bits = ED25519_OCTETS * 8;
}

/* Judges the tags beside p=. FALSE: refused. */
static gboolean tags_allow(PosternDkimKey *key, const PosternTagList *tags, gboolean rsa)
{
    const char *version = postern_tag_list_get(tags, "v");
    const char *type = postern_tag_list_get(tags, "k");
    const char *hashes = postern_tag_list_get(tags, "h");
    const char *services = postern_tag_list_get(tags, "s");
    if (version != NULL &&
        (strcmp(version, "DKIM1") != 0 || strcmp(g_ptr_array_index(tags->names, 0), "v") != 0))
        refuse(key, POSTERN_DKIM_PERMERROR, "the key record is of an unknown version");
    else if (strcmp(type != NULL ? type : "rsa", rsa ? "rsa" : "ed25519") != 0)
        refuse(key, POSTERN_DKIM_PERMERROR, "the key record's k= is not for this algorithm");
    else if (hashes != NULL && !postern_dkim_list_has(hashes, "sha256"))
        refuse(key, POSTERN_DKIM_PERMERROR, "the key record's h= does not allow sha256");
    else if (services != NULL && !postern_dkim_list_has(services, "*") &&
             !postern_dkim_list_has(services, "email"))
        refuse(key, POSTERN_DKIM_PERMERROR, "the key is not for e-mail");
    else
        return TRUE;
    return FALSE;
}

static void load_record(PosternDkimKey *key, const PosternTagList *tags, gboolean rsa)
{
    if (!tags_allow(key, tags, rsa))
        return;
    const char *flags = postern_tag_list_get(tags, "t");
    key->testing = flags != NULL && postern_dkim_list_has(flags, "y");
    key->strict = flags != NULL && postern_dkim_list_has(flags, "s");
    g_autofree char *text = postern_dkim_collapse(postern_tag_list_get(tags, "p"));
    gsize length = 0;
    g_autofree guint8 *octets = g_base64_decode(text, &length);
    if (*text == '\0')
        refuse(key, POSTERN_DKIM_PERMERROR, "the key has been revoked");
    else if (rsa)
        load_rsa(key, octets, length);
    else
        load_ed25519(key, octets, length);
    ERR_clear_error();
}

static PosternTagList *parse_record(GBytes *record, const char **problem)
{
    gsize length;
    const char *text = g_bytes_get_data(record, &length);
    g_autoptr(PosternTagList) tags = postern_tag_list_parse(text, length, problem);
    if (tags != NULL && postern_tag_list_get(tags, "p") == NULL) {
        *problem = "no p=";
        return NULL;
    }
    return g_steal_pointer(&tags);
}

static GBytes *digest_of(GBytes *record)
{
    guint8 digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    gsize length = 0;
    const void *octets = g_bytes_get_data(record, &length);
    EVP_Digest(octets, length, digest, &size, EVP_sha256(), NULL);
    return g_bytes_new(digest, size);
}

/* The key of record, which the caller gets a reference to; NULL and *problem: it is no key record. */
static PosternDkimKey *load_key(PosternDkimKeyRing *ring, GBytes *record, gboolean rsa, const char **problem)
{
    g_autoptr(GBytes) digest = digest_of(record);
    PosternDkimKey *key = g_hash_table_lookup(ring->keys, digest);
    if (key != NULL && (EVP_PKEY_get_base_id(key->key) == EVP_PKEY_RSA) == rsa)
        return g_rc_box_acquire(key);
    g_autoptr(PosternTagList) tags = parse_record(record, problem);
    if (tags == NULL)
        return NULL;
    key = g_rc_box_new0(PosternDkimKey);
    load_record(key, tags, rsa);
    if (key->key == NULL)
        return key;
    if (g_hash_table_size(ring->keys) >= POSTERN_DKIM_KEYS_KEPT_MAX)
        g_hash_table_remove_all(ring->keys);
    g_hash_table_insert(ring->keys, g_steal_pointer(&digest), g_rc_box_acquire(key));
    return key;
}

static PosternDkimKey *add_refused(GPtrArray *keys, PosternDkimResult result, const char *reason)
{
    PosternDkimKey *key = g_rc_box_new0(PosternDkimKey);
    g_ptr_array_add(keys, key);
    refuse(key, result, reason);
    return key;
}

static void load_records(PosternDkimKeyRing *ring, GPtrArray *keys, GPtrArray *records, gboolean rsa)
{
    g_autoptr(GPtrArray) refused = g_ptr_array_new();
    const char *problem = "no record";
    for (guint i = 0; i < records->len && keys->len + refused->len < POSTERN_DKIM_KEYS_TRIED_MAX; i++) {
        PosternDkimKey *key = load_key(ring, g_ptr_array_index(records, i), rsa, &problem);
        if (key != NULL)
            g_ptr_array_add(key->key != NULL ? keys : refused, key);
    }
    g_ptr_array_extend_and_steal(keys, g_steal_pointer(&refused));
    if (keys->len > 0)
        return;
    g_autofree char *reason = g_strconcat("the key record is malformed: ", problem, NULL);
    add_refused(keys, POSTERN_DKIM_PERMERROR, reason);
}

GPtrArray *postern_dkim_keys_load(PosternDkimKeyRing *ring, const PosternAnswer *answer,
                                  const char *algorithm)
{
    GPtrArray *keys = g_ptr_array_new_with_free_func(key_unref);
    switch (answer->status) {
    case POSTERN_ANSWER_RECORDS:
        load_records(ring, keys, answer->records, g_str_has_prefix(algorithm, "rsa-"));
        break;
    case POSTERN_ANSWER_NXDOMAIN:
    case POSTERN_ANSWER_NODATA:
        add_refused(keys, POSTERN_DKIM_PERMERROR, "no key");
        break;
    case POSTERN_ANSWER_SERVFAIL:
        add_refused(keys, POSTERN_DKIM_TEMPERROR, "the DNS failed to give the key");
        break;
    case POSTERN_ANSWER_TIMEOUT:
        add_refused(keys, POSTERN_DKIM_TEMPERROR, "the DNS gave no answer about the key in time");
        break;
    }
    return keys;
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

const PosternDkimKey *postern_dkim_keys_find(const GPtrArray *keys, const guint8 *digest, gsize length,
                                             GBytes *signature)
{
    gsize signature_length = 0;
    const guint8 *octets = g_bytes_get_data(signature, &signature_length);
    const PosternDkimKey *found = NULL;
    for (guint i = 0; i < keys->len && found == NULL; i++) {
        const PosternDkimKey *key = g_ptr_array_index(keys, i);
        if (key->key == NULL)
            continue;
        gboolean rsa = EVP_PKEY_get_base_id(key->key) == EVP_PKEY_RSA;
        if (rsa ? verify_rsa(key->key, digest, length, octets, signature_length)
                : verify_ed25519(key->key, digest, length, octets, signature_length))
            found = key;
    }
    ERR_clear_error();
    return found;
}
