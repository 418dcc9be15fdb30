#include "verdict/received_spf.h"

#include <string.h>

#include "base/escape.h"
#include "wire/authentication_results.h"

#define VALUE_MAX_OCTETS 255

/* RFC 5322 3.2.3 */
static gboolean is_dot_atom(const char *text)
{
    for (const char *at = text; *at; at++) {
        gboolean dot_may_be = at > text && at[-1] != '.' && at[1] != '\0';

        if (*at == '.' ? !dot_may_be : !g_ascii_isalnum(*at) && !strchr("!#$%&'*+-/=?^_`{|}~", *at))
            return FALSE;
    }
    return *text != '\0';
}

static void add_pair(GString *out, const char *key, const char *value)
{
    if (!value)
        return;

    g_autofree char *clean = postern_escape_for_header(g_strndup(value, VALUE_MAX_OCTETS));
    gboolean quoted = !is_dot_atom(clean);

    g_string_append_printf(out, "%s\r\n\t%s=%s", strchr(out->str, '\r') ? ";" : "", key, quoted ? "\"" : "");
    for (const char *at = clean; *at; at++) {
        if (*at == '"' || *at == '\\')
            g_string_append_c(out, '\\');
        g_string_append_c(out, *at);
    }
    g_string_append(out, quoted ? "\"" : "");
}

char *postern_received_spf_value(const PosternSpfFinding *spf, const PosternEnvelope *envelope,
                                 const char *receiver)
{
    gboolean client_known = envelope->client.family != AF_UNSPEC;
    g_autofree char *client = postern_address_to_string(&envelope->client);

    if (spf->result == POSTERN_SPF_NOT_CHECKED)
        return NULL;

    const char *domain = spf->helo ? NULL : spf->domain;
    g_autofree char *sender = postern_identity_to_ascii(envelope->sender, domain);
    GString *out = g_string_new(postern_spf_result_name(spf->result));

    add_pair(out, "client-ip", client_known ? client : NULL);
    add_pair(out, "envelope-from", sender);
    add_pair(out, "helo", envelope->helo);
    add_pair(out, "identity", spf->helo ? "helo" : "mailfrom");
    add_pair(out, "problem", spf->problem);
    add_pair(out, "receiver", receiver);
    return g_string_free(out, FALSE);
}

gboolean postern_received_spf_names_receiver(const char *value, gsize length)
{
    const gsize key = strlen("receiver");

    if (memchr(value, '(', length))
        return TRUE;
    for (gsize at = 0; at + key <= length; at++)
        if (g_ascii_strncasecmp(value + at, "receiver", key) == 0)
            return TRUE;
    return FALSE;
}
