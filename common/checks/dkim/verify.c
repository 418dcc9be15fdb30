#include "checks/dkim/verify.h"

#include <string.h>

#include "checks/dkim/tags.h"
#include "checks/spf/domain.h"

/* The octets of a tag in base64, or NULL. */
static GBytes *decode(const PosternTagList *tags, const char *name)
{
    g_autofree char *text = postern_dkim_collapse(postern_tag_list_get(tags, name));
    gsize digits = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    gsize length = 0;
    if (digits == 0 || digits + strspn(text + digits, "=") != strlen(text))
        return NULL;
    guint8 *octets = g_base64_decode(text, &length);
    return g_bytes_new_take(octets, length);
}

static gboolean refuse(PosternDkimSignature *signature, const char *reason)
{
    postern_dkim_signature_decide(signature, POSTERN_DKIM_PERMERROR, reason);
    return FALSE;
}

/* i= has the domain of d=, or one below it if the key does not say otherwise (3.5, 3.6.1 t=s). */
static gboolean identity_is_of(const PosternDkimFinding *finding, gboolean strict)
{
    const char *at = finding->identity != NULL ? strrchr(finding->identity, '@') : NULL;
    if (finding->identity == NULL)
        return TRUE;
    g_autofree char *domain = at != NULL ? postern_spf_domain_to_ascii(at + 1) : NULL;
    gsize length = domain != NULL ? strlen(domain) : 0;
    gsize parent = strlen(finding->domain);
    if (length < parent || g_ascii_strcasecmp(domain + length - parent, finding->domain) != 0)
        return FALSE;
    return length == parent || (!strict && domain[length - parent - 1] == '.');
}

/* Hashes the body. FALSE: decided. */
static gboolean judge_body(PosternDkimSignature *signature, PosternDigestBody *body)
{
    gint64 covered = signature->finding->body_covered;
    guint8 digest[POSTERN_DIGEST_OCTETS];
    gsize said_length = 0;
    g_autoptr(GBytes) said = decode(signature->tags, "bh");
    if (said == NULL)
        return refuse(signature, "bh= is not base64");
    gsize canonical = postern_digest_body(body, signature->form.relaxed_body, covered, digest);
    if (covered >= 0 && (guint64)covered > canonical)
        return refuse(signature, "l= is more than the body has");
    const guint8 *octets = g_bytes_get_data(said, &said_length);
    signature->body_hash = said_length == sizeof digest && memcmp(octets, digest, sizeof digest) == 0
                               ? POSTERN_DKIM_HASH_MATCHES
                               : POSTERN_DKIM_HASH_DIFFERS;
    return TRUE;
}

static void judge_header(PosternDkimSignature *signature, const PosternHeader *header, GBytes *value)
{
    guint8 digest[POSTERN_DIGEST_OCTETS];
    postern_digest_header(header, postern_tag_list_get(signature->tags, "h"), signature->field,
                          signature->form.relaxed_header, digest);
    const PosternDkimKey *key = postern_dkim_keys_find(signature->keys, digest, sizeof digest, value);
    signature->header_hash = key != NULL ? POSTERN_DKIM_HASH_MATCHES : POSTERN_DKIM_HASH_DIFFERS;
    if (key == NULL) {
        postern_dkim_signature_decide(signature, POSTERN_DKIM_FAIL, "signature verification failed");
        return;
    }
    postern_dkim_signature_use_key(signature, key);
    if (!identity_is_of(signature->finding, key->strict))
        refuse(signature, "i= is not of the domain of d=");
    else if (signature->body_hash == POSTERN_DKIM_HASH_DIFFERS)
        postern_dkim_signature_decide(signature, POSTERN_DKIM_FAIL,
                                      "the body is not the one that was signed");
    else
        postern_dkim_signature_decide(signature, POSTERN_DKIM_PASS, NULL);
}

void postern_dkim_verify(PosternDkimSignature *signature, const PosternHeader *header,
                         PosternDigestBody *body)
{
    g_autoptr(GBytes) value = decode(signature->tags, "b");
    if (value == NULL)
        refuse(signature, "b= is not base64");
    else if (!identity_is_of(signature->finding, FALSE))
        refuse(signature, "i= is not of the domain of d=");
    else if (judge_body(signature, body))
        judge_header(signature, header, value);
}
