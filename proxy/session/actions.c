#include "proxy/session/private.h"

void postern_session_action_clear(PosternSessionAction *action)
{
    g_clear_pointer(&action->message, postern_message_unref);
    g_clear_pointer(&action->transit, postern_transit_unref);
    g_clear_pointer(&action->envelope, postern_envelope_free);
    g_clear_pointer(&action->capsule, postern_capsule_free);
    g_clear_pointer(&action->line, postern_log_line_free);
    g_clear_pointer(&action->edits, postern_edits_free);
}

PosternSessionAction *postern_session_act(PosternSession *session, PosternSessionActionKind kind)
{
    const PosternSessionAction action = {.kind = kind};
    g_array_append_val(session->actions, action);
    return &g_array_index(session->actions, PosternSessionAction, session->actions->len - 1);
}

gboolean postern_session_next_action(PosternSession *session, PosternSessionAction *ret_action)
{
    if (session->acted == session->actions->len) {
        if (session->acted > 0)
            g_array_set_size(session->actions, 0);
        session->acted = 0;
        return FALSE;
    }
    *ret_action = g_array_index(session->actions, PosternSessionAction, session->acted++);
    return TRUE;
}
