#include "proxy/backend.h"

#include "proxy/backend_private.h"
#include "wire/command.h"
#include "wire/xclient.h"

#define NAME_PLACE 3

/* Its user may hear of a failure only after an event before it, and act on that one first. */
static gboolean is_over(const PosternBackend *backend)
{
    return backend->state == POSTERN_BACKEND_CLOSED;
}

static void enqueue_attributes(PosternBackend *backend, const char *verb, PosternExpect expect,
                               guint supported, const PosternBackendClient *client)
{
    const PosternEnvelope *envelope = client->envelope;
    g_autofree char *address = NULL;
    g_autofree char *port = NULL;
    if (envelope->client.family != AF_UNSPEC) {
        g_autofree char *plain = postern_address_to_string(&envelope->client);
        /* XCLIENT_README, XFORWARD_README: an IPv6 address is written with the RFC 5321 4.1.3 tag. */
        address = g_strconcat(envelope->client.family == AF_INET6 ? "IPV6:" : "", plain, NULL);
        if (envelope->client.port != 0)
            port = g_strdup_printf("%u", envelope->client.port);
    }
    const char *no_name = client->name_temporary ? "[TEMPUNAVAIL]" : NULL;
    PosternClientAttributeValue values[] = {
        {POSTERN_CLIENT_ADDR, address},
        {POSTERN_CLIENT_PORT, port},
        {POSTERN_CLIENT_PROTO, envelope->esmtp ? "ESMTP" : "SMTP"},
        [NAME_PLACE] = {POSTERN_CLIENT_NAME, envelope->client_name != NULL ? envelope->client_name : no_name},
        {POSTERN_CLIENT_LOGIN, envelope->login},
        {POSTERN_CLIENT_IDENT, client->identifier != NULL ? client->identifier : envelope->session},
        /* Without it Postfix takes the mail for that of the machine that we run on, and mends its header. */
        {POSTERN_CLIENT_SOURCE, client->local ? "LOCAL" : "REMOTE"},
        {POSTERN_CLIENT_HELO, envelope->helo},
    };
    gsize count = G_N_ELEMENTS(values);
    /* XCLIENT must be one line: the second would come from the client's address. EHLO tells HELO anyway. */
    if (expect == POSTERN_EXPECT_XCLIENT)
        supported &= ~(guint)(POSTERN_CLIENT_HELO | POSTERN_CLIENT_IDENT | POSTERN_CLIENT_SOURCE);
    g_autoptr(GPtrArray) lines = postern_client_attributes_format(verb, supported, values, count);
    if (expect == POSTERN_EXPECT_XCLIENT && lines->len > 1) {
        values[NAME_PLACE].value = NULL; /* no host has such a name: xtext has made it three times as long */
        g_ptr_array_unref(lines);
        lines = postern_client_attributes_format(verb, supported, values, count);
    }
    if (lines->len == 0 || (expect == POSTERN_EXPECT_XCLIENT && lines->len > 1)) {
        postern_backend_fail(backend, FALSE, NULL, "the client cannot be told to the back-end in one %s",
                             verb);
        return;
    }
    for (guint i = 0; i < lines->len; i++)
        postern_backend_enqueue(backend, expect, g_strdup(g_ptr_array_index(lines, i)), i + 1 == lines->len);
}

/* The client's own name for EHLO; a server in front may tell of one that no EHLO can hold. */
static const char *client_helo(const PosternBackend *backend, const PosternEnvelope *envelope)
{
    gboolean usable = envelope->helo != NULL && postern_helo_name_is_acceptable(envelope->helo);
    return usable ? envelope->helo : backend->options.hostname;
}

void postern_backend_identify(PosternBackend *backend, const PosternBackendClient *client, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_IDLE);
    postern_backend_set_state(backend, POSTERN_BACKEND_IDENTIFYING);
    g_free(backend->client_helo);
    backend->client_helo = g_strdup(client_helo(backend, client->envelope));
    backend->logged_in = client->envelope->login != NULL;
    switch (backend->options.client_address) {
    case POSTERN_CLIENT_ADDRESS_XCLIENT:
        enqueue_attributes(backend, "XCLIENT", POSTERN_EXPECT_XCLIENT, backend->ehlo.xclient_attributes,
                           client);
        break;
    case POSTERN_CLIENT_ADDRESS_XFORWARD:
        enqueue_attributes(backend, "XFORWARD", POSTERN_EXPECT_XFORWARD, backend->ehlo.xforward_attributes,
                           client);
        break;
    case POSTERN_CLIENT_ADDRESS_NONE:
        postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
        postern_backend_emit(backend, POSTERN_BACKEND_IDENTIFIED, NULL);
        break;
    }
    postern_backend_flush(backend, now);
}

void postern_backend_mail(PosternBackend *backend, const char *sender, const char *parameters, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_IDLE);
    postern_backend_set_state(backend, POSTERN_BACKEND_ENVELOPE);
    postern_backend_enqueue(backend, POSTERN_EXPECT_MAIL,
                            g_strdup_printf("MAIL FROM:<%s>%s\r\n", sender, parameters), TRUE);
    postern_backend_flush(backend, now);
}

void postern_backend_recipient(PosternBackend *backend, const char *recipient, const char *parameters,
                               gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_ENVELOPE);
    postern_backend_enqueue(backend, POSTERN_EXPECT_RCPT,
                            g_strdup_printf("RCPT TO:<%s>%s\r\n", recipient, parameters), TRUE);
    postern_backend_flush(backend, now);
}

void postern_backend_data(PosternBackend *backend, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_ENVELOPE);
    postern_backend_enqueue(backend, POSTERN_EXPECT_DATA, g_strdup("DATA\r\n"), TRUE);
    postern_backend_flush(backend, now);
}

void postern_backend_progress(PosternBackend *backend, gint64 now)
{
    if (backend->state != POSTERN_BACKEND_SENDING)
        return;
    backend->deadline = G_MAXINT64;
    postern_backend_flush(backend, now);
}

void postern_backend_message_sent(PosternBackend *backend, gint64 now)
{
    if (backend->state != POSTERN_BACKEND_SENDING)
        return;
    postern_backend_set_state(backend, POSTERN_BACKEND_DATA_END);
    backend->deadline = G_MAXINT64;
    postern_backend_enqueue(backend, POSTERN_EXPECT_FINAL, g_strdup(""), TRUE);
    postern_backend_flush(backend, now);
}

static void mark_unwanted(gpointer command, gpointer user_data)
{
    ((PosternBackendCommand *)command)->unwanted = TRUE;
}

void postern_backend_reset(PosternBackend *backend, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_IDLE || backend->state == POSTERN_BACKEND_ENVELOPE);
    g_queue_clear_full(&backend->unsent, (GDestroyNotify)postern_backend_command_free);
    g_queue_foreach(&backend->in_flight, mark_unwanted, NULL);
    postern_backend_set_state(backend, POSTERN_BACKEND_ENVELOPE);
    postern_backend_enqueue(backend, POSTERN_EXPECT_RSET, g_strdup("RSET\r\n"), TRUE);
    postern_backend_flush(backend, now);
}

void postern_backend_quit(PosternBackend *backend, gint64 now)
{
    if (backend->state == POSTERN_BACKEND_CLOSED || backend->state == POSTERN_BACKEND_QUITTING)
        return;
    g_queue_clear_full(&backend->unsent, (GDestroyNotify)postern_backend_command_free);
    g_queue_foreach(&backend->in_flight, mark_unwanted, NULL);
    postern_backend_set_state(backend, POSTERN_BACKEND_QUITTING);
    backend->deadline = G_MAXINT64;
    postern_backend_enqueue(backend, POSTERN_EXPECT_QUIT, g_strdup("QUIT\r\n"), TRUE);
    postern_backend_flush(backend, now);
}
