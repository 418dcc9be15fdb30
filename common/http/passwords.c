#include "http/passwords.h"

#include <crypt.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

struct PosternPasswords {
    GHashTable *hashes; /* user -> hash */
    char *nobodys;      /* what a user that there is not is compared with: as dear as any */
    GHashTable *right;  /* set of credentials, hashed */
    gint64 second;      /* in which were looked at */
    guint looked_at;
};

static gboolean take_line(PosternPasswords *passwords, char *line)
{
    char *colon = strchr(g_strstrip(line), ':');
    if (line[0] == '\0' || line[0] == '#')
        return TRUE;
    if (colon == NULL || colon == line || colon[1] != '$')
        return FALSE;
    *colon = '\0';
    g_hash_table_replace(passwords->hashes, g_strdup(line), g_strdup(colon + 1));
    if (passwords->nobodys == NULL)
        passwords->nobodys = g_strdup(colon + 1);
    return TRUE;
}

PosternPasswords *postern_passwords_load(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, error))
        return NULL;
    PosternPasswords *passwords = g_new0(PosternPasswords, 1);
    passwords->hashes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    passwords->right = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        if (take_line(passwords, lines[i]))
            continue;
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "%s:%u: is not USER:HASH, as crypt(5) has it", path, i + 1);
        postern_passwords_free(passwords);
        return NULL;
    }
    if (passwords->nobodys != NULL)
        return passwords;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "%s: names nobody", path);
    postern_passwords_free(passwords);
    return NULL;
}

void postern_passwords_free(PosternPasswords *passwords)
{
    if (passwords == NULL)
        return;
    g_hash_table_unref(passwords->hashes);
    g_hash_table_unref(passwords->right);
    g_free(passwords->nobodys);
    g_free(passwords);
}

/* In constant time for hashes of one length. */
static gboolean are_equal(const char *a, const char *b)
{
    guint difference = strlen(a) != strlen(b);
    for (; *a != '\0' && *b != '\0'; a++, b++)
        difference |= (guint)(guchar)(*a ^ *b);
    return difference == 0;
}

static gboolean is_right(const PosternPasswords *passwords, char *user)
{
    struct crypt_data data = {.initialized = 0};
    char *colon = strchr(user, ':');
    if (colon == NULL)
        return FALSE;
    *colon = '\0';
    const char *known = g_hash_table_lookup(passwords->hashes, user);
    const char *hash = crypt_r(colon + 1, known != NULL ? known : passwords->nobodys, &data);
    gboolean right = hash != NULL && hash[0] == '$' && known != NULL && are_equal(hash, known);
    explicit_bzero(&data, sizeof data);
    return right;
}

PosternPasswordAnswer postern_passwords_check(PosternPasswords *passwords, const char *credentials,
                                              gint64 now)
{
    gsize length = 0;
    if (credentials == NULL || g_ascii_strncasecmp(credentials, "Basic ", strlen("Basic ")) != 0)
        return POSTERN_PASSWORD_WRONG;
    g_autofree guchar *octets = g_base64_decode(credentials + strlen("Basic "), &length);
    g_autofree char *user = g_strndup((const char *)octets, length);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, user, -1);
    if (g_hash_table_contains(passwords->right, digest))
        return POSTERN_PASSWORD_RIGHT;
    if (now / G_USEC_PER_SEC != passwords->second) {
        passwords->second = now / G_USEC_PER_SEC;
        passwords->looked_at = 0;
    }
    if (passwords->looked_at++ >= POSTERN_HTTP_PASSWORDS_PER_SECOND_MAX)
        return POSTERN_PASSWORD_LATER;
    if (!is_right(passwords, user))
        return POSTERN_PASSWORD_WRONG;
    g_hash_table_add(passwords->right, g_steal_pointer(&digest)); /* no more than there are users */
    return POSTERN_PASSWORD_RIGHT;
}
