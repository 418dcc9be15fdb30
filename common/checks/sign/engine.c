#include "checks/sign/engine.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#include "base/error.h"
#include "base/limits.h"
#include "checks/sign/file.h"
#include "checks/sign/table.h"

#define TXT_STRING_MAX_OCTETS 255 /* RFC 1035 3.3 */

struct PosternSignEngine {
    DKIM_LIB *library;
    GPtrArray *keys;     /* of PosternSignKey *, owned, in the order of the table */
    GHashTable *domains; /* domain -> GPtrArray * of its keys */
};

/* The library keeps a copy of the private key for each message. */
static void *take_memory(void *closure, size_t octets)
{
    (void)closure;
    return malloc(octets);
}

static void wipe_memory(void *closure, void *octets)
{
    (void)closure;
    if (octets != NULL)
        explicit_bzero(octets, malloc_usable_size(octets));
    free(octets);
}

static DKIM_LIB *library_new(GError **error)
{
    static const u_char *oversigned[] = {(const u_char *)"from", (const u_char *)"subject", NULL};
    unsigned int bits = POSTERN_DKIM_RSA_MIN_BITS;
    DKIM_LIB *library = dkim_init(take_memory, wipe_memory);
    if (library != NULL && dkim_libfeature(library, DKIM_FEATURE_SHA256) &&
        dkim_libfeature(library, DKIM_FEATURE_ED25519) &&
        dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_OVERSIGNHDRS, oversigned, sizeof(u_char **)) ==
            DKIM_STAT_OK &&
        dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits) == DKIM_STAT_OK)
        return library;
    if (library != NULL)
        dkim_close(library);
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                        "libopendkim cannot be set up for signing");
    return NULL;
}

/* Takes key. */
static void add_key(PosternSignEngine *engine, PosternSignKey *key)
{
    GPtrArray *keys = g_hash_table_lookup(engine->domains, key->domain);
    if (keys == NULL) {
        keys = g_ptr_array_new();
        g_hash_table_insert(engine->domains, g_strdup(key->domain), keys);
    }
    g_ptr_array_add(keys, key);
    g_ptr_array_add(engine->keys, key);
}

static gboolean load_keys(PosternSignEngine *engine, const char *table, GPtrArray *warnings, GError **error)
{
    gsize length = 0;
    g_autofree char *text =
        postern_sign_file_read(table, POSTERN_SIGN_TABLE_MAX_OCTETS, FALSE, &length, warnings, error);
    g_autoptr(GPtrArray) rows = text != NULL ? postern_sign_table_parse(text, length, table, error) : NULL;
    for (guint i = 0; rows != NULL && i < rows->len; i++) {
        const PosternSignRow *row = g_ptr_array_index(rows, i);
        PosternSignKey *key = postern_sign_key_load(row->domain, row->selector, row->file, warnings, error);
        if (key == NULL) {
            g_prefix_error(error, "%s:%u: ", table, row->line);
            return FALSE;
        }
        add_key(engine, key);
    }
    return rows != NULL;
}

PosternSignEngine *postern_sign_engine_new(const char *table, GPtrArray *warnings, GError **error)
{
    g_autoptr(PosternSignEngine) engine = g_new0(PosternSignEngine, 1);
    engine->keys = g_ptr_array_new_with_free_func((GDestroyNotify)postern_sign_key_free);
    engine->domains =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    if (!load_keys(engine, table, warnings, error))
        return NULL;
    engine->library = library_new(error);
    return engine->library != NULL ? g_steal_pointer(&engine) : NULL;
}

void postern_sign_engine_free(PosternSignEngine *engine)
{
    if (engine == NULL)
        return;
    if (engine->library != NULL)
        dkim_close(engine->library);
    g_hash_table_unref(engine->domains);
    g_ptr_array_unref(engine->keys);
    g_free(engine);
}

guint postern_sign_engine_count(const PosternSignEngine *engine)
{
    return engine->keys->len;
}

/* A TXT record is strings of 255 octets at most, which a verifier joins (RFC 6376 3.6.2.2). */
char *postern_sign_engine_records(const PosternSignEngine *engine)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < engine->keys->len; i++) {
        const PosternSignKey *key = g_ptr_array_index(engine->keys, i);
        g_autofree char *name = postern_sign_key_name(key);
        g_autofree char *record = postern_sign_key_record(key);
        g_string_append_printf(out, "%s. IN TXT", name);
        for (gsize j = 0; j < strlen(record); j += TXT_STRING_MAX_OCTETS)
            g_string_append_printf(out, " \"%.*s\"", TXT_STRING_MAX_OCTETS, record + j);
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

GPtrArray *postern_sign_engine_all(const PosternSignEngine *engine)
{
    return engine->keys;
}

GPtrArray *postern_sign_engine_keys_of(const PosternSignEngine *engine, const char *domain)
{
    return g_hash_table_lookup(engine->domains, domain);
}

/* The library takes what it only reads as u_char *. */
static u_char *readable(const char *octets)
{
    return (u_char *)(guintptr)octets;
}

/* A last line without an end gets one, as an MTA would give it (RFC 6376 3.4.3). */
static DKIM_STAT feed_body(DKIM *dkim, const char *body, gsize length)
{
    const char *end = "\r\n";
    DKIM_STAT status = length > 0 ? dkim_body(dkim, readable(body), length) : DKIM_STAT_OK;
    if (length == 0 || status != DKIM_STAT_OK || body[length - 1] == '\n')
        return status;
    if (body[length - 1] == '\r')
        end++;
    return dkim_body(dkim, readable(end), strlen(end));
}

/* The value of the field, or NULL and *ret_status. */
static char *make_field(DKIM *dkim, GPtrArray *fields, const char *body, gsize length, DKIM_STAT *ret_status)
{
    DKIM_STAT status = DKIM_STAT_OK;
    u_char *value = NULL;
    size_t octets = 0;
    for (guint i = 0; i < fields->len && status == DKIM_STAT_OK; i++) {
        const PosternHeaderField *field = g_ptr_array_index(fields, i);
        status = dkim_header(dkim, readable(field->name),
                             (gsize)(field->value - field->name) + field->value_length);
    }
    if (status == DKIM_STAT_OK)
        status = dkim_eoh(dkim);
    if (status == DKIM_STAT_OK)
        status = feed_body(dkim, body, length);
    if (status == DKIM_STAT_OK)
        status = dkim_eom(dkim, NULL);
    if (status == DKIM_STAT_OK)
        status = dkim_getsighdr_d(dkim, strlen(DKIM_SIGNHEADER ": "), &value, &octets);
    *ret_status = status;
    return status == DKIM_STAT_OK ? g_strndup((const char *)value, octets) : NULL;
}

char *postern_sign_engine_field(PosternSignEngine *engine, const PosternSignKey *key, GPtrArray *fields,
                                const char *body, gsize length, gint64 now, GError **error)
{
    DKIM_STAT status = DKIM_STAT_OK;
    char *value = NULL;
    uint64_t signed_at = (uint64_t)MAX(now, 0);
    dkim_alg_t algorithm = key->ed25519 ? DKIM_SIGN_ED25519SHA256 : DKIM_SIGN_RSASHA256;
    dkim_options(engine->library, DKIM_OP_SETOPT, DKIM_OPTS_FIXEDTIME, &signed_at, sizeof signed_at);
    DKIM *dkim = dkim_sign(engine->library, (const u_char *)"postern", NULL, (u_char *)key->secret,
                           (const u_char *)key->selector, (const u_char *)key->domain, DKIM_CANON_RELAXED,
                           DKIM_CANON_RELAXED, algorithm, -1, &status);
    if (dkim != NULL) {
        value = make_field(dkim, fields, body, length, &status);
        const char *reason = dkim_geterror(dkim);
        if (value == NULL) {
            g_set_error(error, POSTERN_ERROR,
                        status == DKIM_STAT_SYNTAX ? POSTERN_ERROR_INPUT : POSTERN_ERROR_UNAVAILABLE,
                        "libopendkim could not sign with %s of %s: %s", key->selector, key->domain,
                        reason != NULL ? reason : dkim_getresultstr(status));
        }
        dkim_free(dkim);
    } else {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                    "libopendkim could not begin to sign with %s of %s: %s", key->selector, key->domain,
                    dkim_getresultstr(status));
    }
    return value;
}
