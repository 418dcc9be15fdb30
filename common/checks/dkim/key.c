#include "checks/dkim/key.h"

#include <openssl/asn1.h>
#include <string.h>

#include "base/limits.h"
#include "checks/dkim/tags.h"
#include "wire/tag_list.h"

/* AlgorithmIdentifier of rsaEncryption, RFC 8017 A.1: the object identifier and NULL. */
static const guint8 rsa_algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                       0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

/* Steps into or over one DER element at *place. FALSE: not of that tag, or longer than what is left. */
static gboolean open_element(const guint8 **place, gsize *left, int tag, gsize *ret_length)
{
    const guint8 *start = *place;
    long length = 0;
    int found = 0, class = 0;
    int form = ASN1_get_object(place, &length, &found, &class, (long)*left);
    if ((form & 0x80) != 0 || (form & 0x01) != 0 || found != tag || class != V_ASN1_UNIVERSAL || length < 0)
        return FALSE;
    gsize head = (gsize)(*place - start);
    if (head > *left || (gsize)length > *left - head)
        return FALSE;
    *left -= head;
    *ret_length = (gsize)length;
    return TRUE;
}

/* RSAPublicKey, RFC 8017 A.1.1. 0: it is none. */
static guint rsa_public_key_bits(const guint8 *der, gsize length)
{
    gsize sequence, modulus;
    if (!open_element(&der, &length, V_ASN1_SEQUENCE, &sequence))
        return 0;
    length = sequence;
    if (!open_element(&der, &length, V_ASN1_INTEGER, &modulus))
        return 0;
    while (modulus > 0 && *der == 0) {
        der++;
        modulus--;
    }
    if (modulus == 0 || modulus > POSTERN_DKIM_FIELD_MAX_OCTETS)
        return 0;
    guint bits = (guint)modulus * 8;
    for (guint8 first = *der; (first & 0x80) == 0; first = (guint8)(first << 1))
        bits--;
    return bits;
}

/* SubjectPublicKeyInfo, RFC 5280 4.1. 0: it is none of RSA. */
static guint subject_public_key_bits(const guint8 *der, gsize length)
{
    gsize sequence, string;
    if (!open_element(&der, &length, V_ASN1_SEQUENCE, &sequence))
        return 0;
    length = sequence;
    if (length < sizeof rsa_algorithm || memcmp(der, rsa_algorithm, sizeof rsa_algorithm) != 0)
        return 0;
    der += sizeof rsa_algorithm;
    length -= sizeof rsa_algorithm;
    if (!open_element(&der, &length, V_ASN1_BIT_STRING, &string) || string < 2 || *der != 0)
        return 0;
    return rsa_public_key_bits(der + 1, string - 1);
}

/* An RSAPublicKey wrapped into the SubjectPublicKeyInfo that libopendkim wants; base64. */
static char *wrap_rsa_public_key(const guint8 *der, gsize length)
{
    int bit_string = ASN1_object_size(0, (int)length + 1, V_ASN1_BIT_STRING);
    int inner = (int)sizeof rsa_algorithm + bit_string;
    int whole = ASN1_object_size(1, inner, V_ASN1_SEQUENCE);
    g_autofree guint8 *out = g_malloc((gsize)whole);
    guint8 *place = out;
    ASN1_put_object(&place, 1, inner, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(place, rsa_algorithm, sizeof rsa_algorithm);
    place += sizeof rsa_algorithm;
    ASN1_put_object(&place, 0, (int)length + 1, V_ASN1_BIT_STRING, V_ASN1_UNIVERSAL);
    *place++ = 0;
    memcpy(place, der, length);
    return g_base64_encode(out, (gsize)whole);
}

static void refuse(PosternDkimKey *key, PosternDkimResult result, const char *reason)
{
    key->result = result;
    key->reason = g_strdup(reason);
}

/* The p= of an RSA key in the form for libopendkim, or NULL and the key refused. */
static char *load_rsa(PosternDkimKey *key, const guint8 *der, gsize length, const char *text)
{
    gboolean bare = FALSE;
    key->bits = subject_public_key_bits(der, length);
    if (key->bits == 0) {
        key->bits = rsa_public_key_bits(der, length);
        bare = key->bits != 0;
    }
    if (key->bits == 0)
        refuse(key, POSTERN_DKIM_PERMERROR, "the key record's p= is no RSA key");
    else if (key->bits < POSTERN_DKIM_RSA_MIN_BITS)
        refuse(key, POSTERN_DKIM_POLICY, "the RSA key is shorter than 1024 bits (RFC 8301 3.2)");
    else if (key->bits > POSTERN_DKIM_RSA_MAX_BITS)
        refuse(key, POSTERN_DKIM_PERMERROR, "the RSA key is longer than 4096 bits");
    else
        return bare ? wrap_rsa_public_key(der, length) : g_strdup(text);
    return NULL;
}

static char *load_ed25519(PosternDkimKey *key, gsize length, const char *text)
{
    if (length != 32) {
        refuse(key, POSTERN_DKIM_PERMERROR, "the key record's p= is no Ed25519 key (RFC 8463 4.2)");
        return NULL;
    }
    key->bits = 256;
    return g_strdup(text);
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
    if (*text == '\0') {
        refuse(key, POSTERN_DKIM_PERMERROR, "the key has been revoked");
        return;
    }
    gsize length = 0;
    g_autofree guint8 *octets = g_base64_decode(text, &length);
    g_autofree char *value = rsa ? load_rsa(key, octets, length, text) : load_ed25519(key, length, text);
    if (value == NULL)
        return;
    key->record =
        g_strdup_printf("v=DKIM1; k=%s; %sp=%s", rsa ? "rsa" : "ed25519", key->strict ? "t=s; " : "", value);
    if (strlen(key->record) >= POSTERN_DKIM_KEY_RECORD_MAX_OCTETS) {
        g_clear_pointer(&key->record, g_free);
        refuse(key, POSTERN_DKIM_PERMERROR, "the key record is too long");
    }
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

static void key_free(gpointer data)
{
    PosternDkimKey *key = data;
    g_free(key->reason);
    g_free(key->record);
    g_free(key);
}

static PosternDkimKey *add_key(GPtrArray *keys)
{
    PosternDkimKey *key = g_new0(PosternDkimKey, 1);
    g_ptr_array_add(keys, key);
    return key;
}

static void load_records(GPtrArray *keys, GPtrArray *records, gboolean rsa)
{
    g_autoptr(GPtrArray) refused = g_ptr_array_new();
    const char *problem = "no record";
    for (guint i = 0; i < records->len && keys->len + refused->len < POSTERN_DKIM_KEYS_TRIED_MAX; i++) {
        g_autoptr(PosternTagList) tags = parse_record(g_ptr_array_index(records, i), &problem);
        if (tags == NULL)
            continue;
        PosternDkimKey *key = add_key(keys);
        load_record(key, tags, rsa);
        if (key->record == NULL)
            g_ptr_array_add(refused, g_ptr_array_steal_index(keys, keys->len - 1));
    }
    g_ptr_array_extend_and_steal(keys, g_steal_pointer(&refused));
    if (keys->len > 0)
        return;
    PosternDkimKey *none = add_key(keys);
    none->result = POSTERN_DKIM_PERMERROR;
    none->reason = g_strdup_printf("the key record is malformed: %s", problem);
}

GPtrArray *postern_dkim_keys_load(const PosternAnswer *answer, const char *algorithm)
{
    GPtrArray *keys = g_ptr_array_new_with_free_func(key_free);
    switch (answer->status) {
    case POSTERN_ANSWER_RECORDS:
        load_records(keys, answer->records, g_str_has_prefix(algorithm, "rsa-"));
        break;
    case POSTERN_ANSWER_NXDOMAIN:
    case POSTERN_ANSWER_NODATA:
        refuse(add_key(keys), POSTERN_DKIM_PERMERROR, "no key");
        break;
    case POSTERN_ANSWER_SERVFAIL:
        refuse(add_key(keys), POSTERN_DKIM_TEMPERROR, "the DNS failed to give the key");
        break;
    case POSTERN_ANSWER_TIMEOUT:
        refuse(add_key(keys), POSTERN_DKIM_TEMPERROR, "the DNS gave no answer about the key in time");
        break;
    }
    return keys;
}
