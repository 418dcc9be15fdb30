#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "proxy/connection/thread_private.h"
#include "proxy/connection/tls_transport.h"

PosternFairTurn postern_client_turn(const PosternClient *client, const PosternSession *session)
{
    const gboolean good =
        postern_screen_is_good(&client->screen) && !postern_screen_is_slowed(&client->screen);
    const gboolean slow = postern_session_is_slow(session) || postern_screen_is_slowed(&client->screen);
    return good == slow ? POSTERN_FAIR_TURN_LAST : good ? POSTERN_FAIR_TURN_SOONER : POSTERN_FAIR_TURN_LATER;
}

void postern_client_set_pace(PosternClient *client, PosternPace *pace)
{
    if (client->pace_is_lent)
        postern_pace_clear(client->pace);
    else
        postern_pace_free(client->pace);
    client->pace_is_lent = FALSE;
    client->pace = pace;
}

/* Who is not listened to needs no event: what it is to hear is there in its place. */
void postern_client_keep_pace(PosternClient *client)
{
    PosternTransport *transport = client->transport;
    gsize size = postern_pace_size(client->pace);
    transport->functions->want(transport, 0);
    gpointer lent = transport->functions->lend != NULL ? transport->functions->lend(transport, size) : NULL;
    if (lent == NULL)
        return;
    client->pace = postern_pace_move(client->pace, lent, !client->pace_is_lent);
    client->pace_is_lent = TRUE;
}

void postern_client_fetch_pace(PosternClient *client)
{
    if (client->pace_is_lent)
        client->pace = postern_pace_move(client->pace, g_malloc(postern_pace_size(client->pace)), FALSE);
    client->pace_is_lent = FALSE;
}

gboolean postern_client_trickle(PosternClient *client, gint64 now)
{
    PosternPace *pace = client->pace;
    PosternTransport *transport = client->transport;
    if (pace == NULL || pace->is_greeting || pace->interval_ms == 0)
        return FALSE;
    const struct iovec piece =
        postern_transport_piece(postern_pace_octets(pace), postern_pace_due(pace, now));
    gssize length = transport->functions->write(transport, &piece, 1, FALSE);
    guint timeout_ms = client->settings->configuration->proxy.client_timeout_ms;
    gint64 deadline = now + timeout_ms;
    if (length < 0 && (errno != EAGAIN || now - pace->next >= timeout_ms))
        return FALSE;
    if (length < 0) { /* the same octets again, and those that are due then: TLS may have begun a record */
        deadline = now + pace->interval_ms;
    } else if (postern_pace_is_done_after(pace, (gsize)length, now)) {
        postern_client_set_pace(client, NULL);
        transport->functions->want(transport, POSTERN_TRANSPORT_READ);
    } else {
        deadline = postern_pace_deadline(pace);
    }
    postern_deadlines_set(client->thread->parked, &client->deadline, deadline);
    return TRUE;
}

gint64 postern_client_reads_at(PosternClient *client, PosternSession *session, gsize octets, gint64 now)
{
    gboolean shared;
    gint64 wait = postern_screen_read(&client->screen, octets, now, &shared);
    if (shared)
        postern_session_waits_for_others(session);
    return wait > 0 ? now + wait : 0;
}

static void narrow(PosternClient *client, PosternTransport *transport)
{
    guint64 window = postern_screen_window(&client->screen);
    if (client->is_narrowed == (window > 0) || transport->functions->narrow == NULL)
        return;
    client->is_narrowed = window > 0;
    transport->functions->narrow(transport, (guint)window);
}

/* The greeting begins, and goes on later: who speaks in between is known for it (postscreen(8)). */
static PosternPace *pause_greeting(const PosternClient *client, PosternStream *stream,
                                   const GString *greeting, guint pause_ms, gint64 now)
{
    g_autofree char *teaser =
        g_strdup_printf("220-%s ESMTP\r\n", client->settings->configuration->proxy.hostname);
    PosternPace *pace = postern_pace_new(greeting->str, greeting->len, now + pause_ms, (PosternTrickle){0},
                                         &client->thread->last_reply);
    if (pace == NULL)
        return NULL;
    postern_stream_send(stream, teaser, strlen(teaser));
    pace->is_greeting = TRUE;
    return pace;
}

void postern_client_has_heard(PosternClient *client, PosternSession *session, gint64 now)
{
    postern_client_set_pace(client, NULL);
    postern_session_has_heard(session, now);
}

PosternPace *postern_client_slow_down(PosternClient *client, PosternSession *session, PosternStream *stream,
                                      const GString *output, gint64 now)
{
    const PosternScreen *screen = &client->screen;
    PosternPace *pace = client->pace;
    if (pace != NULL) {
        postern_session_hears_slowly(session);
        if (!postern_pace_append(pace, output->str, output->len))
            return NULL;
        if (!pace->is_greeting)
            postern_pace_set(pace, postern_screen_trickle(screen, (gsize)pace->length - pace->sent));
        return pace;
    }
    guint pause_ms = postern_session_is_greeting(session) ? postern_screen_greeting_pause(screen) : 0;
    if (pause_ms > 0)
        return pause_greeting(client, stream, output, pause_ms, now);
    PosternTrickle trickle = postern_screen_trickle(screen, output->len);
    if (trickle.interval_ms == 0 || postern_tls_transport_shakes_hands(postern_stream_transport(stream)))
        return NULL;
    pace = postern_pace_new(output->str, output->len, now + trickle.interval_ms, trickle,
                            &client->thread->last_reply);
    if (pace != NULL)
        postern_session_hears_slowly(session);
    return pace;
}

void postern_client_heed_screen(PosternClient *client, const PosternSession *session,
                                PosternTransport *transport)
{
    PosternScreen *screen = &client->screen;
    PosternWorld *world = client->thread->world;
    narrow(client, transport);
    if (!postern_screen_is_news(screen))
        return;
    g_autofree char *address = postern_address_to_string(&screen->client);
    g_autofree char *reasons = postern_screen_reasons(screen);
    PosternLogLine *line = postern_log_line_new("suspect");
    postern_log_line_add(line, "client", address);
    postern_log_line_add(line, "session", postern_session_identifier(session)->text);
    postern_log_line_add_number(line, "suspicion", postern_screen_points(screen));
    postern_log_line_add(line, "reasons", reasons);
    if (client->settings->configuration->proxy.mode == POSTERN_MODE_OBSERVE)
        postern_log_line_add(line, "would", "slow");
    postern_log_line_repeats(line, address);
    postern_counters_add(client->settings->counters, "suspects", NULL, 1);
    world->functions->log(world, line);
}
