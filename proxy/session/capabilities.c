#include "proxy/session/auth.h"
#include "proxy/session/private.h"

/* Room that our own header fields may take in a message that the client declared. */
#define ROOM_FOR_OUR_HEADERS 8192

const PosternManners *postern_session_manners(const PosternSession *session)
{
    gboolean is_filter = postern_proxy_settings_is_filter(session->settings);
    return postern_manners_of(is_filter ? POSTERN_MAIL_SERVER_OTHER : session->core.announced.server);
}

guint64 postern_session_size_limit(const PosternSession *session)
{
    guint64 limit = session->settings->configuration->proxy.message_size;
    guint64 backend = session->core.announced.size;
    if (backend > 2 * ROOM_FOR_OUR_HEADERS)
        limit = MIN(limit, backend - ROOM_FOR_OUR_HEADERS);
    return limit;
}

guint postern_session_recipient_limit(const PosternSession *session)
{
    guint limit = session->settings->configuration->proxy.max_recipients;
    guint backend = session->core.announced.rcpt_max;
    return backend > 0 ? MIN(limit, backend) : limit;
}

/* The capabilities of wanted that are offered. What we do ourselves is offered always; what the back-end must
 * do, if all of them do. Their replies are handed on word for word: they have codes only if they say so (RFC
 * 2034 4). */
static guint offered(const PosternSession *session, guint wanted)
{
    guint of_backend = POSTERN_CAPABILITY_8BITMIME | POSTERN_CAPABILITY_SMTPUTF8 | POSTERN_CAPABILITY_DSN |
                       POSTERN_CAPABILITY_ENHANCEDSTATUSCODES;
    guint ours = POSTERN_CAPABILITY_PIPELINING | POSTERN_CAPABILITY_SIZE | POSTERN_CAPABILITY_CHUNKING |
                 POSTERN_CAPABILITY_LIMITS;
    static const PosternCapability queries[] = {POSTERN_CAPABILITY_VRFY, POSTERN_CAPABILITY_EXPN,
                                                POSTERN_CAPABILITY_HELP, POSTERN_CAPABILITY_ETRN};
    for (gsize i = 0; i < G_N_ELEMENTS(queries); i++)
        if ((wanted & queries[i]) != 0 && postern_session_may_query(session, queries[i]))
            of_backend |= queries[i];
    if (session->core.tls) /* RFC 8689 2: within TLS alone */
        of_backend |= POSTERN_CAPABILITY_REQUIRETLS;
    else if ((wanted & POSTERN_CAPABILITY_STARTTLS) != 0 &&
             postern_session_tls_level(session) != POSTERN_TLS_OFF)
        ours |= POSTERN_CAPABILITY_STARTTLS;
    return (ours | (session->core.announced.capabilities & of_backend)) &
           ~session->settings->discarded_capabilities & wanted;
}

gboolean postern_session_offers(const PosternSession *session, PosternCapability capability)
{
    return offered(session, capability) != 0;
}

/* Recipients of one domain may go elsewhere than those of another. */
static gboolean splits(const PosternProxySettings *settings)
{
    guint reached = 0;
    for (guint i = 0; i < settings->groups->len; i++)
        reached += ((const PosternProxyGroup *)g_ptr_array_index(settings->groups, i))->is_reached;
    return reached > 1;
}

char *postern_session_ehlo_reply(const PosternSession *session)
{
    PosternEhlo ehlo = {
        .capabilities = offered(session, G_MAXUINT),
        .size = postern_session_size_limit(session),
        .rcpt_max = postern_session_recipient_limit(session),
        .rcpt_domain_max = splits(session->settings) ? 1 : session->core.announced.rcpt_domain_max,
    };
    if (postern_session_offers_auth(session)) {
        ehlo.capabilities |= POSTERN_CAPABILITY_AUTH;
        ehlo.auth_mechanisms = session->core.announced.auth_mechanisms;
    }
    postern_session_offer_client_commands(session, &ehlo);
    return postern_ehlo_format(session->settings->configuration->proxy.hostname, &ehlo);
}

/* What a server in front has taken is taken; it may have announced SMTPUTF8 (RFC 6531) whatever we say. */
guint postern_session_path_syntax(const PosternSession *session)
{
    if (postern_proxy_settings_is_filter(session->settings))
        return POSTERN_PATH_UTF8 | POSTERN_PATH_LIBERAL | POSTERN_PATH_TAKEN;
    const PosternConfiguration *configuration = session->settings->configuration;
    guint utf8 = postern_session_offers(session, POSTERN_CAPABILITY_SMTPUTF8) ? POSTERN_PATH_UTF8 : 0;
    if (configuration->proxy.strict_envelopes)
        return utf8;
    return utf8 | POSTERN_PATH_LIBERAL | postern_session_manners(session)->syntax;
}
