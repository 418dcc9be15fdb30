#include "proxy/servers/backend.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/limits.h"
#include "proxy/servers/backend_private.h"
#include "wire/command.h"
#include "wire/proxy_header.h"
#include "wire/xclient.h"

/* Its user may hear of a failure only after an event before it, and act on that one first. */
static gboolean is_over(const PosternBackend *backend)
{
    return backend->state == POSTERN_BACKEND_CLOSED;
}

/* XCLIENT_README, XFORWARD_README: an IPv6 address is written with the RFC 5321 4.1.3 tag. NULL: not known.
 */
static const char *address_value(const PosternAddress *address,
                                 char (*buffer)[sizeof "IPV6:" + INET6_ADDRSTRLEN])
{
    if (address->family == AF_UNSPEC)
        return NULL;
    char *at = *buffer;
    if (address->family == AF_INET6)
        at = g_stpcpy(at, "IPV6:");
    postern_address_write(address, at);
    return *buffer;
}

static const char *port_value(const PosternAddress *address, char (*buffer)[sizeof "65535"])
{
    if (address->family == AF_UNSPEC || address->port == 0)
        return NULL;
    g_snprintf(*buffer, sizeof *buffer, "%u", address->port);
    return *buffer;
}

/* What is told of a name: itself, or that there is none, or none now. */
static const char *name_value(const char *name, gboolean temporary)
{
    return name != NULL || !temporary ? name : "[TEMPUNAVAIL]";
}

/* How much is told: names are the words of a client, and may be too long or not to the back-end's taste. */
typedef enum {
    TOLD_FULLY,
    TOLD_WITHOUT_HELO, /* EHLO tells it anyway */
    TOLD_WITHOUT_WORDS,
} Telling;

/* Lines of verb, of char *; empty if the back-end has announced nothing that there is to tell. */
static GPtrArray *format_attributes(const char *verb, guint supported, const PosternBackendClient *client,
                                    Telling telling)
{
    static const PosternAddress none = {.family = AF_UNSPEC};
    const PosternEnvelope *envelope = client->envelope;
    gboolean words = telling != TOLD_WITHOUT_WORDS;
    char addresses[2][sizeof "IPV6:" + INET6_ADDRSTRLEN];
    char ports[2][sizeof "65535"];
    const char *name = name_value(envelope->client_name, client->name_temporary);
    const char *reverse = name_value(client->reverse_name, client->reverse_temporary);
    const PosternAddress *server =
        (supported & (POSTERN_CLIENT_DESTADDR | POSTERN_CLIENT_DESTPORT)) != 0 ? &client->server : &none;
    const PosternClientAttributeValue values[] = {
        {POSTERN_CLIENT_ADDR, address_value(&envelope->client, &addresses[0])},
        {POSTERN_CLIENT_PORT, port_value(&envelope->client, &ports[0])},
        {POSTERN_CLIENT_PROTO, envelope->esmtp ? "ESMTP" : "SMTP"},
        {POSTERN_CLIENT_NAME, words ? name : NULL},
        {POSTERN_CLIENT_REVERSE_NAME, words ? reverse : NULL},
        {POSTERN_CLIENT_LOGIN, words ? envelope->login : NULL},
        {POSTERN_CLIENT_DESTADDR, address_value(server, &addresses[1])},
        {POSTERN_CLIENT_DESTPORT, port_value(server, &ports[1])},
        {POSTERN_CLIENT_IDENT, client->identifier != NULL ? client->identifier : envelope->session},
        /* Without it Postfix takes the mail for that of the machine that we run on, and mends its header. */
        {POSTERN_CLIENT_SOURCE, client->local ? "LOCAL" : "REMOTE"},
        {POSTERN_CLIENT_HELO, envelope->helo},
    };
    if (telling != TOLD_FULLY)
        supported &= ~(guint)POSTERN_CLIENT_HELO;
    return postern_client_attributes_format(verb, supported, values, G_N_ELEMENTS(values));
}

/* The one line of an XCLIENT (a second would come from the client's address, which may not say it), or NULL.
 */
static char *xclient_line(guint supported, const PosternBackendClient *client, Telling telling)
{
    g_autoptr(GPtrArray) lines = format_attributes("XCLIENT", supported, client, telling);
    return lines->len == 1 ? g_strdup(g_ptr_array_index(lines, 0)) : NULL;
}

static void tell_xclient(PosternBackend *backend, const PosternBackendClient *client)
{
    /* XFORWARD's alone. */
    guint supported =
        backend->ehlo.xclient_attributes & ~(guint)(POSTERN_CLIENT_IDENT | POSTERN_CLIENT_SOURCE);
    char *line = NULL;
    for (Telling telling = TOLD_FULLY; line == NULL && telling <= TOLD_WITHOUT_WORDS; telling++)
        line = xclient_line(supported, client, telling);
    if (line == NULL) {
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, NULL,
                             "the client cannot be told to the back-end in one XCLIENT");
        return;
    }
    g_free(backend->plain_xclient);
    backend->plain_xclient = xclient_line(supported, client, TOLD_WITHOUT_WORDS);
    postern_backend_enqueue(backend, POSTERN_EXPECT_XCLIENT, line, NULL);
    g_free(line);
}

static void set_identified(PosternBackend *backend)
{
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_IDENTIFIED, NULL);
}

/* The envelope may stand in one group with XFORWARD: if that is refused the connection ends before any DATA.
 */
static void tell_xforward(PosternBackend *backend, const PosternBackendClient *client)
{
    g_autoptr(GPtrArray) lines =
        format_attributes("XFORWARD", backend->ehlo.xforward_attributes, client, TOLD_FULLY);
    for (guint i = 0; i < lines->len; i++)
        postern_backend_enqueue(backend, POSTERN_EXPECT_XFORWARD, (const char *)g_ptr_array_index(lines, i),
                                NULL);
    if ((backend->ehlo.capabilities & POSTERN_CAPABILITY_PIPELINING) != 0)
        set_identified(backend);
}

/* The client's own name, or NULL if it has not greeted; a server in front may tell of one that no EHLO can
 * hold. */
static void set_client_hello(PosternBackend *backend, const PosternBackendClient *client)
{
    const char *helo = client->envelope->helo;
    gboolean usable = helo != NULL && postern_helo_name_is_acceptable(helo);
    g_clear_pointer(&backend->client_hello, g_free);
    if (helo == NULL && !client->greeted && !client->extensions &&
        backend->options.client_address == POSTERN_CLIENT_ADDRESS_XCLIENT)
        return;
    gboolean esmtp = backend->client_esmtp || backend->options.lmtp_recipients > 0 ||
                     (backend->options.tls != POSTERN_TLS_OFF &&
                      backend->options.client_address >= POSTERN_CLIENT_ADDRESS_PROXY_V1);
    backend->client_hello = g_strconcat(esmtp ? postern_backend_hello(backend) : "HELO ",
                                        usable ? helo : backend->options.hostname, "\r\n", NULL);
}

static void tell_proxy(PosternBackend *backend, const PosternBackendClient *client)
{
    const guint version = backend->options.client_address == POSTERN_CLIENT_ADDRESS_PROXY_V2 ? 2 : 1;
    g_auto(GStrv) tls = client->tls_version != NULL ? g_strsplit(client->tls_version, " ", 2) : NULL;
    PosternProxyHeader header = {
        .proxied = client->envelope->client.family != AF_UNSPEC,
        .source = client->envelope->client,
        .destination = client->server,
        .tls = client->tls,
        .tls_version = tls != NULL ? g_strdup(tls[0]) : NULL,
        .tls_cipher = tls != NULL ? g_strdup(tls[1]) : NULL,
        .unique_id = g_strdup(client->session),
    };
    postern_proxy_header_write(backend->output, version, &header);
    postern_proxy_header_clear(&header);
    backend->presents = TRUE;
    backend->reusable = FALSE;
    postern_backend_await_greeting(backend);
}

void postern_backend_identify(PosternBackend *backend, const PosternBackendClient *client, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_IDLE);
    postern_backend_set_state(backend, POSTERN_BACKEND_IDENTIFYING);
    backend->client_esmtp =
        client->envelope->esmtp || client->extensions || backend->options.lmtp_recipients > 0;
    backend->logged_in = client->envelope->login != NULL;
    if (backend->authenticated && backend->options.client_address != POSTERN_CLIENT_ADDRESS_XFORWARD) {
        set_identified(backend);
        return;
    }
    switch (backend->options.client_address) {
    case POSTERN_CLIENT_ADDRESS_XCLIENT:
        set_client_hello(backend, client);
        tell_xclient(backend, client);
        break;
    case POSTERN_CLIENT_ADDRESS_XFORWARD:
        tell_xforward(backend, client);
        break;
    case POSTERN_CLIENT_ADDRESS_NONE:
        set_identified(backend);
        break;
    case POSTERN_CLIENT_ADDRESS_PROXY_V1:
    case POSTERN_CLIENT_ADDRESS_PROXY_V2:
        set_client_hello(backend, client);
        tell_proxy(backend, client);
        break;
    }
    postern_backend_flush(backend, now);
}

void postern_backend_authenticate(PosternBackend *backend, const char *line, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_IDLE ||
                     backend->state == POSTERN_BACKEND_AUTHENTICATING);
    if (backend->state == POSTERN_BACKEND_IDLE)
        postern_backend_set_state(backend, POSTERN_BACKEND_AUTHENTICATING);
    backend->reusable = FALSE;
    backend->parser.line.maximum = POSTERN_AUTH_LINE_MAX_OCTETS;
    postern_backend_enqueue(backend, POSTERN_EXPECT_AUTH, line, "\r\n", NULL);
    postern_backend_flush(backend, now);
}

void postern_backend_query(PosternBackend *backend, const char *line, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_IDLE || backend->state == POSTERN_BACKEND_ENVELOPE);
    backend->asked_within = backend->state == POSTERN_BACKEND_ENVELOPE;
    backend->reusable = FALSE; /* mail servers count what one connection has asked them */
    postern_backend_set_state(backend, POSTERN_BACKEND_ENVELOPE);
    postern_backend_enqueue(backend, POSTERN_EXPECT_QUERY, line, NULL);
    postern_backend_flush(backend, now);
}

void postern_backend_mail(PosternBackend *backend, const char *sender, const char *parameters, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_IDLE);
    postern_backend_set_state(backend, POSTERN_BACKEND_ENVELOPE);
    backend->mails++;
    backend->recipients = 0;
    postern_backend_enqueue(backend, POSTERN_EXPECT_MAIL, "MAIL FROM:<", sender, ">", parameters, "\r\n",
                            NULL);
    postern_backend_flush(backend, now);
}

void postern_backend_recipient(PosternBackend *backend, const char *recipient, const char *parameters,
                               gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_ENVELOPE);
    postern_backend_enqueue(backend, POSTERN_EXPECT_RCPT, "RCPT TO:<", recipient, ">", parameters, "\r\n",
                            NULL);
    postern_backend_flush(backend, now);
}

void postern_backend_data(PosternBackend *backend, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_ENVELOPE);
    postern_backend_enqueue(backend, POSTERN_EXPECT_DATA, "DATA\r\n", NULL);
    postern_backend_flush(backend, now);
}

void postern_backend_progress(PosternBackend *backend, gboolean waits, gint64 now)
{
    if (backend->state != POSTERN_BACKEND_SENDING)
        return;
    backend->deadline = G_MAXINT64;
    if (!waits)
        postern_backend_flush(backend, now);
}

void postern_backend_message_sent(PosternBackend *backend, gint64 now)
{
    if (backend->state != POSTERN_BACKEND_SENDING)
        return;
    postern_backend_set_state(backend, POSTERN_BACKEND_DATA_END);
    backend->deadline = G_MAXINT64;
    guint replies = backend->options.lmtp_recipients > 0 ? MAX(1, backend->recipients) : 1;
    for (guint i = 0; i < replies; i++)
        postern_backend_enqueue(backend, POSTERN_EXPECT_FINAL, "", NULL);
    postern_backend_flush(backend, now);
}

void postern_backend_reset(PosternBackend *backend, gint64 now)
{
    if (is_over(backend))
        return;
    g_return_if_fail(backend->state == POSTERN_BACKEND_IDLE || backend->state == POSTERN_BACKEND_ENVELOPE);
    postern_backend_forget_commands(backend);
    postern_backend_set_state(backend, POSTERN_BACKEND_ENVELOPE);
    postern_backend_enqueue(backend, POSTERN_EXPECT_RSET, "RSET\r\n", NULL);
    postern_backend_flush(backend, now);
}

void postern_backend_quit(PosternBackend *backend, gint64 now)
{
    if (backend->state == POSTERN_BACKEND_CLOSED || backend->state == POSTERN_BACKEND_QUITTING)
        return;
    postern_backend_forget_commands(backend);
    postern_backend_set_state(backend, POSTERN_BACKEND_QUITTING);
    backend->deadline = G_MAXINT64;
    postern_backend_enqueue(backend, POSTERN_EXPECT_QUIT, "QUIT\r\n", NULL);
    postern_backend_flush(backend, now);
}
