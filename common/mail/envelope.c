#include "mail/envelope.h"

#include <idn2.h>
#include <string.h>

PosternEnvelope *postern_envelope_new(void)
{
    PosternEnvelope *envelope = g_new0(PosternEnvelope, 1);

    envelope->client.family = AF_UNSPEC;
    envelope->recipients = g_ptr_array_new_with_free_func(g_free);
    return envelope;
}

PosternEnvelope *postern_envelope_copy(const PosternEnvelope *envelope)
{
    PosternEnvelope *copy = postern_envelope_new();

    copy->client = envelope->client;
    copy->client_name = g_strdup(envelope->client_name);
    copy->helo = g_strdup(envelope->helo);
    copy->esmtp = envelope->esmtp;
    copy->login = g_strdup(envelope->login);
    copy->sender = g_strdup(envelope->sender);
    copy->sender_parameters = g_strdup(envelope->sender_parameters);
    for (guint i = 0; i < envelope->recipients->len; i++)
        g_ptr_array_add(copy->recipients, g_strdup(g_ptr_array_index(envelope->recipients, i)));
    copy->session = g_strdup(envelope->session);
    return copy;
}

void postern_envelope_free(PosternEnvelope *envelope)
{
    if (!envelope)
        return;
    postern_envelope_reset(envelope);
    g_ptr_array_unref(envelope->recipients);
    g_free(envelope->client_name);
    g_free(envelope->helo);
    g_free(envelope->login);
    g_free(envelope->session);
    g_free(envelope);
}

void postern_envelope_reset(PosternEnvelope *envelope)
{
    g_clear_pointer(&envelope->sender, g_free);
    g_clear_pointer(&envelope->sender_parameters, g_free);
    g_ptr_array_set_size(envelope->recipients, 0);
}

char *postern_path_domain(const char *path)
{
    const char *at = path ? strrchr(path, '@') : NULL;

    if (!at || at[1] == '\0')
        return NULL;
    if (at[1] == '[')
        return g_strdup(at + 1);

    gsize length = strlen(at + 1);

    if (at[length] == '.')
        length--;
    return length > 0 ? g_ascii_strdown(at + 1, (gssize)length) : NULL;
}

static void unquote(char *local_part)
{
    gsize length = strlen(local_part);
    gsize kept = 0;
    if (length < 2 || local_part[0] != '"' || local_part[length - 1] != '"')
        return;
    for (gsize i = 1; i + 1 < length; i++) {
        if (local_part[i] == '\\' && i + 2 < length)
            i++;
        local_part[kept++] = local_part[i];
    }
    local_part[kept] = '\0';
}

/* By IDNA2008, as mail servers read it: by IDNA2003 another's domain could be taken for one of ours. */
static char *a_labels_of(const char *domain)
{
    char *converted = NULL;
    if (g_str_is_ascii(domain) ||
        idn2_to_ascii_8z(domain, &converted, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
        return g_strdup(domain);
    char *labels = g_ascii_strdown(converted, -1);
    idn2_free(converted);
    return labels;
}

void postern_path_mailbox(const char *path, char **ret_local_part, char **ret_domain)
{
    char *local_part = g_ascii_strdown(path, -1);
    char *at = strrchr(local_part, '@');
    const char *domain = at != NULL ? at + 1 : "";
    char *normal = a_labels_of(domain);
    if (g_str_has_suffix(normal, "."))
        normal[strlen(normal) - 1] = '\0';
    if (at != NULL)
        *at = '\0';
    unquote(local_part);
    *ret_local_part = local_part;
    *ret_domain = normal;
}
