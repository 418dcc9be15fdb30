#include "mail/envelope.h"

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
