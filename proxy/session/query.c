#include <string.h>

#include "proxy/session/private.h"

/* What is asked between messages the mail server behind us answers, if it knows who asks: one that takes all
 * clients for us would tell each what it tells its friends. */
gboolean postern_session_may_query(const PosternSession *session, PosternCapability capability)
{
    const PosternProxySettings *settings = session->settings;
    const guint manners = postern_session_manners(session)->manners;
    gboolean told = postern_session_group(session)->client_address == POSTERN_CLIENT_ADDRESS_XCLIENT;
    gboolean announced = (session->core.announced.capabilities & capability) != 0;
    gboolean for_all =
        (capability == POSTERN_CAPABILITY_HELP && announced) ||
        (capability == POSTERN_CAPABILITY_VRFY && (manners & POSTERN_MANNER_VRFY_FOR_ALL) != 0) ||
        (capability == POSTERN_CAPABILITY_EXPN && announced && (manners & POSTERN_MANNER_EXPN_FOR_ALL) != 0);
    return (told || for_all) && (settings->discarded_capabilities & capability) == 0 &&
           !postern_proxy_settings_is_filter(settings) && !session->core.authenticated;
}

void postern_session_query(PosternSession *session, const PosternCommand *command, gint64 now)
{
    const char *space = command->argument[0] != '\0' ? " " : "";
    session->query = g_strconcat(postern_command_name(command->verb), space, command->argument, "\r\n", NULL);
    postern_session_set_state(session, POSTERN_SESSION_ASKING, now);
    if (session->link == POSTERN_LINK_OPEN) {
        postern_session_watch_hold(session, now);
        postern_backend_query(session->backend, session->query, now);
    } else {
        postern_session_borrow(session, now);
    }
}

void postern_session_query_identified(PosternSession *session, gint64 now)
{
    postern_session_set_link(session, POSTERN_LINK_OPEN);
    postern_backend_query(session->backend, session->query, now);
}

void postern_session_query_answered(PosternSession *session, const PosternReply *reply, gint64 now)
{
    g_autofree char *text = postern_session_reply_for_client(reply);
    gboolean tells_of_address =
        g_str_has_prefix(session->query, "VRFY") || g_str_has_prefix(session->query, "EXPN");
    gboolean within =
        session->backend != NULL && postern_backend_state(session->backend) == POSTERN_BACKEND_ENVELOPE;
    g_string_append(session->output, text);
    g_clear_pointer(&session->query, g_free);
    if (!within)
        postern_session_release_backend(session, now);
    postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
    postern_session_watch_hold(session, now);
    if (postern_reply_class(reply) == 5) {
        if (tells_of_address)
            postern_session_count_refused_address(session, now);
        postern_session_count_error(session, FALSE, now);
    }
    if (session->leaving != NULL && session->transaction == NULL)
        postern_session_end(session, session->leaving, now);
}

void postern_session_query_failed(PosternSession *session, gint64 now)
{
    g_autoptr(PosternReply) reply = postern_session_own_reply(session, postern_session_no_server_reply);
    postern_session_query_answered(session, reply, now);
}
