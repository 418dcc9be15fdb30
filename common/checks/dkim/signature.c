#include "checks/dkim/signature.h"

#include <string.h>

#include "base/limits.h"
#include "checks/dkim/tags.h"
#include "checks/spf/domain.h"
#include "dns/question.h"

void postern_dkim_signature_decide(PosternDkimSignature *signature, PosternDkimResult result,
                                   const char *reason)
{
    signature->decided = TRUE;
    signature->finding->result = result;
    g_free(signature->finding->reason);
    signature->finding->reason = g_strdup(reason);
}

static void refuse_syntax(PosternDkimSignature *signature, const char *reason)
{
    if (!signature->decided)
        postern_dkim_signature_decide(signature, POSTERN_DKIM_PERMERROR, reason);
}

/* A tag without white space, cut to maximum octets; NULL if it is absent or empty. */
static char *take(const PosternTagList *tags, const char *name, gsize maximum)
{
    g_autofree char *value = postern_dkim_collapse(postern_tag_list_get(tags, name));
    return *value != '\0' ? g_strndup(value, maximum) : NULL;
}

static gboolean is_name(const char *text)
{
    for (; *text != '\0'; text++)
        if (!g_ascii_isalnum(*text) && *text != '-' && *text != '_' && *text != '.')
            return FALSE;
    return TRUE;
}

/* A tag that is a domain name: U-labels as A-labels (RFC 8616 4). */
static char *take_name(const PosternTagList *tags, const char *name)
{
    g_autofree char *value = take(tags, name, POSTERN_PATH_MAX_OCTETS);
    char *ascii = value != NULL && !g_str_is_ascii(value) ? postern_spf_domain_to_ascii(value) : NULL;
    return ascii != NULL || value == NULL ? ascii : g_strndup(value, POSTERN_DOMAIN_NAME_MAX_OCTETS + 1);
}

/* i= with the A-labels of its domain. */
static char *take_identity(const PosternTagList *tags)
{
    g_autofree char *value = take(tags, "i", POSTERN_DKIM_IDENTITY_MAX_OCTETS + 1);
    char *at = value != NULL ? strrchr(value, '@') : NULL;
    g_autofree char *ascii = at != NULL && !g_str_is_ascii(at) ? postern_spf_domain_to_ascii(at + 1) : NULL;
    if (ascii == NULL)
        return g_steal_pointer(&value);
    at[1] = '\0';
    return g_strconcat(value, ascii, NULL);
}

static void read_names(PosternDkimSignature *signature, const PosternTagList *tags)
{
    PosternDkimFinding *finding = signature->finding;
    finding->domain = take_name(tags, "d");
    finding->selector = take_name(tags, "s");
    finding->identity = take_identity(tags);
    finding->signature_start = take(tags, "b", 8);
    if (finding->domain == NULL || finding->selector == NULL || !is_name(finding->domain) ||
        !is_name(finding->selector)) {
        refuse_syntax(signature, "d= or s= is missing or no domain name");
        return;
    }
    g_autofree char *name = g_strdup_printf("%s._domainkey.%s", finding->selector, finding->domain);
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    if (question == NULL || strchr(finding->domain, '.') == NULL)
        refuse_syntax(signature, "d= and s= make no name that can be asked for");
    else
        signature->question = g_strdup(question->name);
    if (finding->identity != NULL && strlen(finding->identity) > POSTERN_DKIM_IDENTITY_MAX_OCTETS)
        refuse_syntax(signature, "i= is too long");
}

static void read_algorithm(PosternDkimSignature *signature, const PosternTagList *tags)
{
    const char *algorithm = signature->finding->algorithm = take(tags, "a", 64);
    if (algorithm == NULL)
        refuse_syntax(signature, "a= is missing");
    else if (g_ascii_strcasecmp(algorithm, "rsa-sha1") == 0 && !signature->decided)
        postern_dkim_signature_decide(signature, POSTERN_DKIM_POLICY,
                                      "rsa-sha1 is not accepted (RFC 8301 3.1)");
    else if (strcmp(algorithm, "rsa-sha256") != 0 && strcmp(algorithm, "ed25519-sha256") != 0)
        refuse_syntax(signature, "the algorithm is not known");
}

static void read_query(PosternDkimSignature *signature, const PosternTagList *tags)
{
    g_autofree char *query = postern_dkim_collapse(postern_tag_list_get(tags, "q"));
    if (*query != '\0' && !postern_dkim_list_has(query, "dns/txt") && !postern_dkim_list_has(query, "dns"))
        refuse_syntax(signature, "the key cannot be had by DNS (q=)");
}

static void read_canonicalization(PosternDkimSignature *signature, const PosternTagList *tags)
{
    g_autofree char *value = postern_dkim_collapse(postern_tag_list_get(tags, "c"));
    g_autofree char *form = g_ascii_strdown(value, -1);
    if (!postern_canonical_parse(*form != '\0' ? form : NULL, &signature->form))
        refuse_syntax(signature, "the canonicalization is not known (c=)");
}

static gint64 read_number(PosternDkimSignature *signature, const PosternTagList *tags, const char *name,
                          const char *reason)
{
    const char *value = postern_tag_list_get(tags, name);
    gint64 number = -1;
    if (value != NULL && !postern_dkim_number(value, &number)) {
        refuse_syntax(signature, reason);
        return -1;
    }
    return number;
}

static void read_tags(PosternDkimSignature *signature, const PosternTagList *tags)
{
    const char *version = postern_tag_list_get(tags, "v");
    if (version == NULL || strcmp(version, "1") != 0)
        refuse_syntax(signature, "v= is missing or not 1");
    read_names(signature, tags);
    read_algorithm(signature, tags);
    read_query(signature, tags);
    read_canonicalization(signature, tags);
    if (postern_tag_list_get(tags, "b") == NULL || postern_tag_list_get(tags, "bh") == NULL)
        refuse_syntax(signature, "b= or bh= is missing");
    signature->from_fields = postern_dkim_list_count(postern_tag_list_get(tags, "h"), "from");
    if (signature->from_fields == 0)
        refuse_syntax(signature, "h= is missing or does not name From");
    signature->finding->body_covered = read_number(signature, tags, "l", "l= is no number");
    signature->signed_at = read_number(signature, tags, "t", "t= is no number");
    signature->expires_at = read_number(signature, tags, "x", "x= is no number");
}

PosternDkimSignature *postern_dkim_signature_new(const PosternHeaderField *field)
{
    PosternDkimSignature *signature = g_new0(PosternDkimSignature, 1);
    signature->field = field;
    signature->finding = postern_dkim_finding_new();
    signature->signed_at = signature->expires_at = -1;
    if (field->value_length > POSTERN_DKIM_FIELD_MAX_OCTETS) {
        refuse_syntax(signature, "the field is too long");
        return signature;
    }
    const char *problem = NULL;
    signature->tags = postern_tag_list_parse(field->value, field->value_length, &problem);
    if (signature->tags != NULL) {
        read_tags(signature, signature->tags);
    } else {
        g_autofree char *reason = g_strdup_printf("the field is malformed: %s", problem);
        refuse_syntax(signature, reason);
    }
    return signature;
}

void postern_dkim_signature_free(PosternDkimSignature *signature)
{
    if (signature == NULL)
        return;
    g_clear_pointer(&signature->finding, postern_dkim_finding_free);
    g_clear_pointer(&signature->keys, g_ptr_array_unref);
    g_clear_pointer(&signature->tags, postern_tag_list_free);
    g_free(signature->question);
    g_free(signature);
}

void postern_dkim_signature_use_key(PosternDkimSignature *signature, const PosternDkimKey *key)
{
    signature->key = key;
    signature->finding->key_bits = key->bits;
    signature->finding->testing = key->testing;
}

gboolean postern_dkim_signature_load_keys(PosternDkimSignature *signature, PosternDkimKeyRing *ring,
                                          const PosternAnswer *answer)
{
    g_clear_pointer(&signature->keys, g_ptr_array_unref);
    signature->keys = postern_dkim_keys_load(ring, answer, signature->finding->algorithm);
    postern_dkim_signature_use_key(signature, g_ptr_array_index(signature->keys, 0));
    if (signature->key->key == NULL)
        postern_dkim_signature_decide(signature, signature->key->result, signature->key->reason);
    return !signature->decided;
}

void postern_dkim_signature_judge_time(PosternDkimSignature *signature, gint64 now)
{
    gint64 drift = POSTERN_DKIM_CLOCK_DRIFT_SECONDS;
    if (signature->decided)
        return;
    if (signature->signed_at >= 0 && signature->expires_at >= 0 &&
        signature->expires_at < signature->signed_at)
        refuse_syntax(signature, "x= is before t=");
    else if (signature->expires_at >= 0 && now > signature->expires_at + drift)
        postern_dkim_signature_decide(signature, POSTERN_DKIM_FAIL, "the signature has expired (x=)");
    else if (signature->signed_at >= 0 && signature->signed_at > now + drift)
        postern_dkim_signature_decide(signature, POSTERN_DKIM_FAIL, "the signature is of the future (t=)");
}
