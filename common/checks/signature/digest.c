#include "checks/signature/digest.h"

#include <string.h>

#include <openssl/evp.h>

typedef struct {
    EVP_MD_CTX *context;
    guint64 left;
} BodyDigest;

static EVP_MD_CTX *begin(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    return context;
}

static void end(EVP_MD_CTX *context, guint8 *ret_digest)
{
    EVP_DigestFinal_ex(context, ret_digest, NULL);
    EVP_MD_CTX_free(context);
}

static void take_body(const char *octets, gsize length, gpointer user_data)
{
    BodyDigest *digest = user_data;
    gsize taken = (gsize)MIN(digest->left, length);

    EVP_DigestUpdate(digest->context, octets, taken);
    digest->left -= taken;
}

static gsize hash_body(const PosternDigestBody *body, gboolean relaxed, guint64 limit, guint8 *ret_digest)
{
    BodyDigest digest = {begin(), limit};
    gsize canonical = postern_canonical_body(body->octets, body->length, relaxed, take_body, &digest);

    end(digest.context, ret_digest);
    return canonical;
}

gsize postern_digest_body(PosternDigestBody *body, gboolean relaxed, gint64 limit,
                          guint8 ret_digest[POSTERN_DIGEST_OCTETS])
{
    guint form = relaxed ? 1 : 0;

    if (limit >= 0)
        return hash_body(body, relaxed, (guint64)limit, ret_digest);
    if (!body->forms[form].known)
        body->forms[form].length = hash_body(body, relaxed, G_MAXUINT64, body->forms[form].digest);
    body->forms[form].known = TRUE;
    memcpy(ret_digest, body->forms[form].digest, POSTERN_DIGEST_OCTETS);
    return body->forms[form].length;
}

static void fields_free(gpointer fields)
{
    g_ptr_array_unref(fields);
}

static GHashTable *new_index(char **names)
{
    GHashTable *index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, fields_free);

    for (char **name = names; *name != NULL; name++)
        g_hash_table_replace(index, g_ascii_strdown(g_strstrip(*name), -1), g_ptr_array_new());
    return index;
}

/* The fields of each name, in the order of the header. */
static GHashTable *index_fields(const PosternHeader *header, char **names,
                                const PosternHeaderField *signature)
{
    GHashTable *index = new_index(names);

    for (guint i = 0; i < header->fields->len; i++) {
        PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        g_autofree char *name = g_ascii_strdown(field->name, (gssize)field->name_length);
        GPtrArray *fields = g_hash_table_lookup(index, name);

        if (fields != NULL && field != signature)
            g_ptr_array_add(fields, field);
    }
    return index;
}

static void add(EVP_MD_CTX *context, GString *text)
{
    EVP_DigestUpdate(context, text->str, text->len);
    g_string_truncate(text, 0);
}

void postern_digest_header(const PosternHeader *header, const char *names,
                           const PosternHeaderField *signature, gboolean relaxed,
                           guint8 ret_digest[POSTERN_DIGEST_OCTETS])
{
    g_auto(GStrv) list = g_strsplit(names, ":", -1);
    g_autoptr(GHashTable) index = index_fields(header, list, signature);
    g_autoptr(GString) text = g_string_new(NULL);
    EVP_MD_CTX *context = begin();

    for (char **item = list; *item != NULL; item++) {
        g_autofree char *name = g_ascii_strdown(*item, -1);
        GPtrArray *fields = g_hash_table_lookup(index, name);

        if (fields->len == 0)
            continue;
        postern_canonical_append_field(text, g_ptr_array_steal_index(fields, fields->len - 1), relaxed);
        add(context, text);
    }
    postern_canonical_append_unsigned(text, signature, relaxed);
    add(context, text);
    end(context, ret_digest);
}
