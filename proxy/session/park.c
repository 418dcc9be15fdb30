#include "base/log.h"
#include "proxy/session/private.h"

void postern_session_core_clear(PosternSessionCore *core)
{
    postern_session_identity_clear(&core->own);
    g_clear_pointer(&core->would_reply, g_free);
}

/* All that core does not hold is as in a new session. */
static gboolean is_at_rest(const PosternSession *session)
{
    return session->state == POSTERN_SESSION_COMMAND && session->transaction == NULL &&
           session->forwarded == NULL && session->held == NULL && session->backend == NULL &&
           session->link == POSTERN_LINK_NONE && session->our_turn == POSTERN_TURN_NONE &&
           session->leaving == NULL && session->ended == NULL && session->answer_deadline == POSTERN_NEVER &&
           session->output->len == 0 && session->actions.head == NULL &&
           postern_line_reader_is_between_lines(&session->line);
}

gboolean postern_session_park(PosternSession *session, PosternSessionCore *ret_core)
{
    if (!is_at_rest(session))
        return FALSE;
    postern_log_state("session", session->core.identifier.text, "command", "parked");
    *ret_core = session->core;
    session->core = (PosternSessionCore){0};
    postern_session_free(session);
    return TRUE;
}

PosternSession *postern_session_resume(PosternProxySettings *settings, PosternSessionCore *core)
{
    PosternSession *session = postern_session_alloc(settings);
    session->core = *core;
    *core = (PosternSessionCore){0};
    session->envelope->session = g_strdup(session->core.identifier.text);
    postern_session_show_client(session);
    postern_log_state("session", session->core.identifier.text, "parked", "command");
    return session;
}
