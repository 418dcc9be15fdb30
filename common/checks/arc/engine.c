#include "checks/arc/engine.h"

#include "base/limits.h"
#include "checks/dkim/key.h"
#include "checks/signature/public_key.h"

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

/* Good until the next call. */
static EVP_PKEY *look_up(PosternArcEngine *engine, const char *record)
{
    EVP_PKEY *key = g_hash_table_lookup(engine->keys, record);

    if (key != NULL)
        return key;
    key = postern_public_key_decode(record);
    if (key == NULL)
        return NULL;
    if (g_hash_table_size(engine->keys) >= POSTERN_ARC_KEYS_MAX)
        g_hash_table_remove_all(engine->keys);
    g_hash_table_insert(engine->keys, g_strdup(record), key);
    return key;
}

gboolean postern_arc_engine_verify(PosternArcEngine *engine, const PosternAnswer *answer,
                                   const char *algorithm, const guint8 *digest, gsize length,
                                   GBytes *signature, gboolean *ret_temporary, char **ret_reason)
{
    g_autoptr(GPtrArray) keys = postern_dkim_keys_load(answer, algorithm);
    const PosternDkimKey *first = g_ptr_array_index(keys, 0);
    const char *reason = first->record == NULL ? first->reason : "the key record's p= is no key";

    for (guint i = 0; i < keys->len; i++) {
        const PosternDkimKey *record = g_ptr_array_index(keys, i);
        EVP_PKEY *key = record->record != NULL ? look_up(engine, record->record) : NULL;

        if (key != NULL && postern_public_key_verify(key, digest, length, signature))
            return TRUE;
        if (key != NULL)
            reason = "does not verify";
    }
    *ret_temporary = first->result == POSTERN_DKIM_TEMPERROR;
    *ret_reason = g_strdup(reason);
    return FALSE;
}
