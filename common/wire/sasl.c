#include "wire/sasl.h"

#include <string.h>

#define USER_MAX_OCTETS 255

/* The user in what the first response holds, which ends in a NUL behind length; *ret_length is its own. */
typedef const char *(*FindUser)(const char *text, gsize length, gsize *ret_length);

/* RFC 4616 2: [authzid] NUL authcid NUL passwd. */
static const char *plain_user(const char *text, gsize length, gsize *ret_length)
{
    const char *first = memchr(text, '\0', length);
    if (first == NULL)
        return NULL;
    const char *second = memchr(first + 1, '\0', length - (gsize)(first + 1 - text));
    *ret_length = second != NULL ? (gsize)(second - (first + 1)) : 0;
    return second != NULL ? first + 1 : NULL;
}

static const char *login_user(const char *text, gsize length, gsize *ret_length)
{
    *ret_length = length;
    return text;
}

/* RFC 2195 2: user SP digest. */
static const char *cram_user(const char *text, gsize length, gsize *ret_length)
{
    const char *space = g_strrstr_len(text, (gssize)length, " ");
    *ret_length = space != NULL ? (gsize)(space - text) : 0;
    return space != NULL ? text : NULL;
}

/* In the order of their bits. */
static const struct {
    const char *name;
    FindUser user; /* NULL: it cannot be read */
} rows[] = {
    {"PLAIN", plain_user}, {"LOGIN", login_user},   {"CRAM-MD5", cram_user}, {"DIGEST-MD5", NULL},
    {"SCRAM-SHA-1", NULL}, {"SCRAM-SHA-256", NULL}, {"SCRAM-SHA-512", NULL}, {"XOAUTH2", NULL},
    {"OAUTHBEARER", NULL}, {"GSSAPI", NULL},        {"GSS-SPNEGO", NULL},    {"NTLM", NULL},
    {"ANONYMOUS", NULL},   {"KERBEROS_V4", NULL},   {"OTP", NULL},           {"SRP", NULL},
    {"GS2-KRB5", NULL},
};

guint postern_sasl_mechanisms_parse(const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
    guint mask = 0;

    for (gsize i = 0; words[i] != NULL; i++)
        for (gsize j = 0; j < G_N_ELEMENTS(rows); j++)
            if (g_ascii_strcasecmp(words[i], rows[j].name) == 0)
                mask |= 1U << j;
    return mask;
}

char *postern_sasl_mechanisms_names(guint mask)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if ((mask >> i & 1) != 0)
            g_string_append_printf(names, " %s", rows[i].name);
    return g_string_free(g_steal_pointer(&names), FALSE);
}

gboolean postern_sasl_is_base64(const char *text)
{
    gsize length = strlen(text);
    gsize padding = 0;

    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    for (gsize i = 0; i < length - padding; i++)
        if (!g_ascii_isalnum(text[i]) && text[i] != '+' && text[i] != '/')
            return FALSE;
    return length % 4 == 0;
}

char *postern_sasl_user(guint mechanism, const char *response)
{
    char *user = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (mechanism != 1U << i || rows[i].user == NULL || !postern_sasl_is_base64(response))
            continue;
        gsize length = 0;
        gsize user_length = 0;
        guchar *text = g_base64_decode(response, &length);
        const char *found = rows[i].user((const char *)text, length, &user_length);
        if (found != NULL && user_length > 0 && user_length <= USER_MAX_OCTETS &&
            g_utf8_validate(found, (gssize)user_length, NULL))
            user = g_strndup(found, user_length);
        explicit_bzero(text, length);
        g_free(text);
    }
    for (const char *at = user; at != NULL && *at != '\0'; at++)
        if ((guchar)*at < 0x20 || *at == 0x7f) {
            g_free(user);
            return NULL;
        }
    return user;
}
