#include <string.h>

#include "base/log.h"
#include "proxy/stream.h"
#include "proxy/thread_private.h"

/* RFC 5737 and RFC 2606: an address that no client has, and a domain that no mail server is responsible for.
 */
#define PROBE_CLIENT "192.0.2.1"
#define PROBE_RECIPIENT "relay-probe@example.com"

#define RETRY_MS 1000           /* while it has not been proved */
#define UNUSABLE_RETRY_MS 15000 /* after it proved unusable: the administrator mends it */
#define REPEAT_MS 600000        /* what was true once may change */

static gboolean probes_relay(const PosternProxyThread *thread)
{
    const PosternConfiguration *configuration = thread->settings->configuration;
    /* Otherwise the back-end sees our own address, and recipient_domains stands in for its judgement (promise
     * 7); or, between two smtpd, the first of them has judged. */
    return configuration->proxy.relay_probe && configuration->proxy.role == POSTERN_ROLE_BORDER &&
           configuration->proxy.client_address == POSTERN_CLIENT_ADDRESS_XCLIENT;
}

void postern_relay_probe_schedule(PosternProxyThread *thread, guint wait_ms)
{
    struct timeval time = {.tv_sec = wait_ms / 1000, .tv_usec = (wait_ms % 1000) * 1000};
    evtimer_add(thread->probe_timer, &time);
}

void postern_relay_probe_start(PosternProxyThread *thread)
{
    if (!thread->draining)
        postern_pool_request(thread->pool, POSTERN_POOL_PROBE, POSTERN_FAIR_QUEUE_NOBODY,
                             postern_stream_now());
}

static void prove(PosternProxyThread *thread)
{
    postern_thread_note_problem(thread, NULL);
    postern_pool_set_standing(thread->pool, POSTERN_POOL_USABLE, NULL, postern_stream_now());
    postern_relay_probe_schedule(thread, REPEAT_MS);
}

static void condemn(PosternProxyThread *thread, const char *reason)
{
    postern_thread_note_problem(thread, reason);
    postern_pool_set_standing(thread->pool, POSTERN_POOL_UNUSABLE, reason, postern_stream_now());
    postern_relay_probe_schedule(thread, UNUSABLE_RETRY_MS);
}

/* It could not be asked: what was known before stays. */
static void postpone(PosternProxyThread *thread, const char *reason)
{
    postern_thread_note_problem(thread, reason);
    postern_relay_probe_schedule(thread, RETRY_MS);
}

void postern_relay_probe_refused(PosternProxyThread *thread, const char *reason)
{
    postpone(thread, reason);
}

void postern_relay_probe_given(PosternProxyThread *thread, PosternBackendConnection *connection)
{
    if (!postern_backend_connection_is_current(connection)) {
        postern_pool_returned(thread->pool, postern_backend_connection_number(connection), FALSE,
                              postern_stream_now());
        return;
    }
    postern_backend_connection_set_user(connection, POSTERN_POOL_PROBE);
    if (!probes_relay(thread)) {
        prove(thread);
        postern_backend_connection_return(connection);
        return;
    }
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    postern_address_parse(&envelope->client, PROBE_CLIENT);
    envelope->helo = g_strdup(thread->settings->configuration->proxy.hostname);
    envelope->esmtp = TRUE;
    const PosternBackendClient client = {.envelope = envelope};
    postern_backend_identify(postern_backend_connection_backend(connection), &client, postern_stream_now());
}

/* Postfix's defer_unauth_destination refuses relaying with 454 4.7.1; other 4xx say nothing of relaying. */
static gboolean is_relay_refusal(const char *text)
{
    return g_str_has_prefix(text, "454 4.7.1") || g_str_has_prefix(text, "450 4.7.1");
}

static void judge_recipient_reply(PosternProxyThread *thread, const PosternReply *reply)
{
    g_autofree char *text = postern_reply_to_text(reply);
    if (postern_reply_class(reply) == 2)
        condemn(thread, "it would relay for strangers: it accepts " PROBE_RECIPIENT " from " PROBE_CLIENT
                        "; mend its relay restrictions (in Postfix smtpd_relay_restrictions), or set [proxy] "
                        "relay_probe = no");
    else if (postern_reply_class(reply) == 5 || is_relay_refusal(text))
        prove(thread);
    else
        postpone(thread, text);
}

void postern_relay_probe_event(PosternProxyThread *thread, PosternBackendConnection *connection,
                               const PosternBackendEvent *event)
{
    PosternBackend *backend = postern_backend_connection_backend(connection);
    gint64 now = postern_stream_now();
    if (!postern_backend_connection_is_current(connection)) {
        /* A reload has scheduled another, of the back-end that there is now. */
        if (event->kind != POSTERN_BACKEND_FAILED)
            postern_backend_connection_abandon(connection);
        return;
    }
    switch (event->kind) {
    case POSTERN_BACKEND_IDENTIFIED:
        postern_backend_mail(backend, "", "", now);
        postern_backend_recipient(backend, PROBE_RECIPIENT, "", now);
        break;
    case POSTERN_BACKEND_RCPT_REPLY:
        judge_recipient_reply(thread, event->reply);
        postern_backend_reset(backend, now);
        postern_backend_connection_return(connection);
        break;
    case POSTERN_BACKEND_FAILED:
        if (event->fault == POSTERN_BACKEND_FAULT_SETUP || event->fault == POSTERN_BACKEND_FAULT_DEMAND)
            condemn(thread, event->text);
        else
            postpone(thread, event->text);
        break;
    default:
        break;
    }
}
