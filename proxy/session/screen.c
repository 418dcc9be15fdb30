#include "proxy/screen/screen.h"

#include "base/limits.h"
#include "proxy/session/private.h"
#include "verdict/refusal.h"

void postern_session_set_screen(PosternSession *session, PosternScreen *screen)
{
    session->screen = screen;
}

void postern_session_note(PosternSession *session, PosternReason reason, gint64 now)
{
    if (session->screen != NULL)
        postern_screen_note(session->screen, reason, 1, now);
}

void postern_session_count(PosternSession *session, PosternClientCount what, guint number, gint64 now)
{
    if (session->screen != NULL)
        postern_screen_count(session->screen, what, number, now);
}

void postern_session_count_refused_address(PosternSession *session, gint64 now)
{
    postern_session_count(session, POSTERN_COUNT_REFUSED_RECIPIENTS, 1, now);
    if (++session->core.refused_recipients > POSTERN_REFUSED_RECIPIENTS_FREE)
        postern_session_note(session, POSTERN_REASON_REFUSED_RECIPIENT, now);
}

void postern_session_note_timeout(PosternSession *session, gint64 now)
{
    postern_session_count(session, POSTERN_COUNT_TIMEOUTS, 1, now);
    postern_session_note(session, POSTERN_REASON_TIMEOUT, now);
}

/* A server that has named no client yet, or none any more, is none of those whom rules are about. */
static gboolean is_server_itself(const PosternSession *session)
{
    return session->core.trusted && postern_address_client_number(&session->envelope->client) ==
                                        postern_address_client_number(&session->core.peer);
}

void postern_session_tell_screen(PosternSession *session, gint64 now)
{
    const PosternAddress nobody = {.family = AF_UNSPEC};
    if (session->screen != NULL)
        postern_screen_name(session->screen, is_server_itself(session) ? &nobody : &session->envelope->client,
                            now);
}

gboolean postern_session_is_over_limit(PosternSession *session, PosternClientCount what, gint64 now,
                                       PosternScreenRefusal *ret_refusal)
{
    if (session->screen == NULL)
        return FALSE;
    postern_session_tell_screen(session, now);
    if (!postern_screen_refuses(session->screen, what, now, ret_refusal))
        return FALSE;
    if (!postern_session_observes(session))
        return TRUE;
    g_autofree char *reply =
        g_strdup_printf("%u %s %s", ret_refusal->code, ret_refusal->enhanced, ret_refusal->text);
    postern_session_would_refuse(session, reply);
    return FALSE;
}

gboolean postern_session_lets_suspect_go(PosternSession *session, gint64 now)
{
    const char *why = session->screen != NULL ? postern_screen_must_go(session->screen) : NULL;
    if (why == NULL)
        return FALSE;
    if (postern_session_observes(session)) {
        g_autofree char *reply = g_strdup_printf("421 4.7.1 %s", why);
        postern_session_would_refuse(session, reply);
        return FALSE;
    }
    postern_session_reply(session, 421, "4.7.1", "%s", why);
    postern_session_finish(session, "screen", now);
    return TRUE;
}

void postern_session_waits_for_others(PosternSession *session)
{
    if (session->transaction == NULL)
        return;
    session->transaction->rate.minute_held_up = TRUE;
    if (session->transaction->transfer != NULL)
        postern_transfer_wait(session->transaction->transfer);
}

void postern_session_turn_away(PosternSession *session, gint64 now)
{
    const char *why = session->screen != NULL ? postern_screen_must_go(session->screen) : NULL;
    if (why == NULL || session->state == POSTERN_SESSION_CLOSING)
        return;
    if (postern_session_wait(session) == POSTERN_SESSION_WAITS_NOT && !postern_session_is_in_message(session))
        session->leaving = why; /* an answer is on its way to it */
    else
        postern_session_lets_suspect_go(session, now);
}

void postern_session_praise(PosternSession *session, gint64 now)
{
    const PosternCase *mail_case = session->transaction->mail_case;
    gboolean wanted = mail_case->verdict == NULL || mail_case->verdict->action == POSTERN_ACTION_ACCEPT;
    if (session->screen != NULL && wanted)
        postern_screen_praise(session->screen, now);
}

gboolean postern_session_has_our_turn(const PosternSession *session)
{
    return session->our_turn != POSTERN_TURN_NONE;
}

void postern_session_our_turn_ends(PosternSession *session, gboolean early, gint64 now)
{
    if (early && session->our_turn != POSTERN_TURN_NONE)
        postern_session_note(session,
                             session->our_turn == POSTERN_TURN_GREETING ? POSTERN_REASON_EARLY_TALKER
                                                                        : POSTERN_REASON_EARLY_DATA,
                             now);
    if (session->our_turn == POSTERN_TURN_GREETING)
        postern_counters_time(session->settings->counters, POSTERN_LATENCY_FIRST_REPLY,
                              now - session->core.started);
    session->core.early_greeting += early && session->our_turn == POSTERN_TURN_GREETING;
    session->core.early_data += early && session->our_turn == POSTERN_TURN_DATA;
    session->our_turn = POSTERN_TURN_NONE;
}

gboolean postern_session_is_greeting(const PosternSession *session)
{
    return session->our_turn == POSTERN_TURN_GREETING;
}

void postern_session_spoke_early(PosternSession *session, gint64 now)
{
    session->our_turn = POSTERN_TURN_GREETING;
    postern_session_our_turn_ends(session, TRUE, now);
}

void postern_session_note_command(PosternSession *session, gint64 now)
{
    session->core.commands++;
    if (session->output->len == 0) {
        session->greets = session->pipelines = FALSE;
    } else if (!session->pipelines && (session->greets || !session->core.own.esmtp ||
                                       !postern_session_offers(session, POSTERN_CAPABILITY_PIPELINING))) {
        session->pipelines = TRUE;
        postern_session_note(session, POSTERN_REASON_PIPELINING, now);
    }
}

static PosternClientClass class_of(const PosternSession *session)
{
    return session->core.submission || session->core.authenticated
               ? POSTERN_CLIENT_AUTHENTICATED
               : postern_policies_client_class(session->settings->policies, session->envelope);
}

static gboolean may_be_refused(const PosternSession *session)
{
    return !is_server_itself(session) &&
           postern_refusal_may_be_of_client(session->settings->policies, class_of(session),
                                            session->envelope);
}

gboolean postern_session_awaits_client(PosternSession *session, PosternRefuseAt stage)
{
    if (session->client_findings != NULL || session->settings->configuration->clients.refuse_at != stage ||
        !may_be_refused(session))
        return FALSE;
    if (!session->checks_client)
        postern_session_act(session, POSTERN_SESSION_CHECK_CLIENT);
    session->checks_client = TRUE;
    return TRUE;
}

char *postern_session_client_refusal(PosternSession *session, const char *recipient)
{
    const char *check = NULL;
    const PosternRefusalQuestion question = {
        .policies = session->settings->policies,
        .client_class = class_of(session),
        .envelope = session->envelope,
        .findings = session->client_findings,
        .checks = POSTERN_CHECK_CLIENT,
        .recipient = recipient,
    };
    if (session->client_findings == NULL)
        return NULL;
    g_autofree char *reply = postern_refusal_find(&question, &check);
    if (reply == NULL || !postern_session_observes(session))
        return g_steal_pointer(&reply);
    postern_session_would_refuse(session, reply);
    return NULL;
}

void postern_session_forget_client(PosternSession *session)
{
    g_clear_pointer(&session->client_findings, postern_findings_free);
}

void postern_session_client_checked(PosternSession *session, PosternFindings *findings, gint64 now)
{
    g_autoptr(PosternFindings) taken = findings;
    if (!session->checks_client || session->state == POSTERN_SESSION_CLOSING)
        return;
    session->checks_client = FALSE;
    session->client_findings = g_steal_pointer(&taken);
    if (session->pending_command != NULL)
        postern_session_run_pending(session, now);
    else if (session->settings->configuration->clients.refuse_at == POSTERN_REFUSE_AT_CONNECT)
        postern_session_greet(session, now);
}
