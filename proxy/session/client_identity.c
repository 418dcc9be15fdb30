#include <string.h>

#include "base/limits.h"
#include "proxy/session/auth.h"
#include "proxy/session/private.h"
#include "wire/xclient.h"

/* XCLIENT_README, XFORWARD_README. */
#define XCLIENT_ATTRIBUTES                                                                                   \
    (POSTERN_CLIENT_NAME | POSTERN_CLIENT_REVERSE_NAME | POSTERN_CLIENT_ADDR | POSTERN_CLIENT_PORT |         \
     POSTERN_CLIENT_PROTO | POSTERN_CLIENT_HELO | POSTERN_CLIENT_LOGIN | POSTERN_CLIENT_DESTADDR |           \
     POSTERN_CLIENT_DESTPORT)
#define XFORWARD_ATTRIBUTES                                                                                  \
    (POSTERN_CLIENT_NAME | POSTERN_CLIENT_ADDR | POSTERN_CLIENT_PORT | POSTERN_CLIENT_PROTO |                \
     POSTERN_CLIENT_HELO | POSTERN_CLIENT_IDENT | POSTERN_CLIENT_SOURCE)

void postern_session_identity_clear(PosternClientIdentity *identity)
{
    g_free(identity->name);
    g_free(identity->reverse_name);
    g_free(identity->helo);
    g_free(identity->login);
    g_free(identity->queue);
    *identity = (PosternClientIdentity){.address.family = AF_UNSPEC, .server.family = AF_UNSPEC};
}

static void drop_forwarded(PosternSession *session)
{
    if (session->forwarded != NULL)
        postern_session_identity_clear(session->forwarded);
    g_clear_pointer(&session->forwarded, g_free);
}

static PosternClientIdentity identity_copy(const PosternClientIdentity *identity)
{
    PosternClientIdentity copy = *identity;
    copy.name = g_strdup(identity->name);
    copy.reverse_name = g_strdup(identity->reverse_name);
    copy.helo = g_strdup(identity->helo);
    copy.login = g_strdup(identity->login);
    copy.queue = g_strdup(identity->queue);
    return copy;
}

static void replace(char **text, const char *new_text)
{
    g_free(*text);
    *text = g_strdup(new_text);
}

static void forget_reverse_name(PosternClientIdentity *identity)
{
    g_clear_pointer(&identity->reverse_name, g_free);
    identity->reverse_known = identity->reverse_temporary = FALSE;
}

static void look_up_name(PosternSession *session)
{
    PosternClientIdentity *own = &session->core.own;
    g_clear_pointer(&own->name, g_free);
    forget_reverse_name(own);
    own->name_known = own->address.family == AF_UNSPEC;
    own->name_temporary = FALSE;
    postern_session_show_client(session);
    if (!own->name_known)
        postern_session_act(session, POSTERN_SESSION_LOOK_UP_NAME);
}

void postern_session_client_init(PosternSession *session, const PosternAddress *client, gboolean submission)
{
    session->core.peer = *client;
    session->core.trusted = postern_proxy_settings_trusts(session->settings, client);
    session->core.submission = submission;
    session->core.own.address = *client;
    session->core.own.server.family = AF_UNSPEC;
    postern_session_show_client(session);
    /* A server in front knows its clients' names; its own is of no interest. */
    session->core.own.name_known = postern_proxy_settings_is_filter(session->settings);
    if (!session->core.own.name_known)
        look_up_name(session);
}

void postern_session_set_balanced(PosternSession *session, gboolean tls, gboolean greeted)
{
    session->core.tls = tls;
    if (!greeted || session->state != POSTERN_SESSION_COMMAND)
        return;
    g_string_truncate(session->output, 0);
    session->checks_client = FALSE; /* its greeting is said */
    session->our_turn = POSTERN_TURN_NONE;
}

void postern_session_set_server(PosternSession *session, const PosternAddress *server)
{
    session->core.own.server = *server;
}

void postern_session_client_reverse_name(PosternSession *session, const char *name)
{
    PosternClientIdentity *own = &session->core.own;
    if (own->name_known)
        return; /* another name was given in the meantime */
    replace(&own->reverse_name, name);
    own->reverse_known = name != NULL;
    own->reverse_temporary = FALSE;
}

PosternClientIdentity *postern_session_identity(PosternSession *session)
{
    return session->forwarded != NULL ? session->forwarded : &session->core.own;
}

void postern_session_show_client(PosternSession *session)
{
    const PosternClientIdentity *identity = postern_session_identity(session);
    PosternEnvelope *envelope = session->envelope;
    envelope->client = identity->address;
    envelope->esmtp = identity->esmtp;
    replace(&envelope->client_name, identity->name);
    replace(&envelope->helo, identity->helo);
    replace(&envelope->login, identity->login);
}

void postern_session_forget_forwarded(PosternSession *session)
{
    if (session->forwarded == NULL)
        return;
    drop_forwarded(session);
    postern_session_show_client(session);
}

void postern_session_offer_client_commands(const PosternSession *session, PosternEhlo *announced)
{
    if (!session->core.trusted)
        return;
    announced->capabilities |= POSTERN_CAPABILITY_XCLIENT;
    announced->xclient_attributes = XCLIENT_ATTRIBUTES;
    if (!postern_proxy_settings_is_filter(session->settings))
        return;
    announced->capabilities |= POSTERN_CAPABILITY_XFORWARD;
    announced->xforward_attributes = XFORWARD_ATTRIBUTES;
}

static const char *take_address(PosternAddress *address, const char *text)
{
    guint16 port = address->port;
    if (!postern_address_parse(address, text) && text != NULL)
        return "Bad address";
    address->port = port;
    return NULL;
}

/* The problem, static text, or NULL. */
static const char *take_attribute(PosternClientIdentity *identity, const PosternClientAttributeGiven *given)
{
    switch (given->attribute) {
    case POSTERN_CLIENT_NAME:
        replace(&identity->name, given->value);
        identity->name_known = TRUE;
        identity->name_temporary = given->temporary;
        return NULL;
    case POSTERN_CLIENT_REVERSE_NAME:
        replace(&identity->reverse_name, given->value);
        identity->reverse_known = TRUE;
        identity->reverse_temporary = given->temporary;
        return NULL;
    case POSTERN_CLIENT_ADDR:
        return take_address(&identity->address, given->value);
    case POSTERN_CLIENT_DESTADDR:
        return take_address(&identity->server, given->value);
    case POSTERN_CLIENT_PORT:
        identity->address.port = given->value != NULL ? (guint16)g_ascii_strtoull(given->value, NULL, 10) : 0;
        return NULL;
    case POSTERN_CLIENT_PROTO:
        identity->esmtp = given->value != NULL && g_ascii_strcasecmp(given->value, "SMTP") != 0;
        return NULL;
    case POSTERN_CLIENT_HELO:
        replace(&identity->helo, given->value);
        return NULL;
    case POSTERN_CLIENT_LOGIN:
        replace(&identity->login, given->value);
        return NULL;
    case POSTERN_CLIENT_IDENT:
        replace(&identity->queue, given->value);
        return NULL;
    case POSTERN_CLIENT_SOURCE:
        identity->local = given->value != NULL && g_ascii_strcasecmp(given->value, "LOCAL") == 0;
        return NULL;
    case POSTERN_CLIENT_DESTPORT:
        identity->server.port = given->value != NULL ? (guint16)g_ascii_strtoull(given->value, NULL, 10) : 0;
        return NULL;
    }
    return NULL;
}

static const char *take_attributes(PosternClientIdentity *identity, const GPtrArray *attributes)
{
    const char *problem = NULL;
    for (guint i = 0; problem == NULL && i < attributes->len; i++)
        problem = take_attribute(identity, g_ptr_array_index(attributes, i));
    return problem;
}

/* What XCLIENT and XFORWARD have in common; NULL: the client has its answer. */
static GPtrArray *read_attributes(PosternSession *session, const PosternCommand *command, guint supported,
                                  gint64 now)
{
    const char *problem = NULL;
    if (supported == 0) {
        postern_session_error(session, now, 550, "5.7.0", "Insufficient authorization");
        return NULL;
    }
    GPtrArray *attributes = postern_client_attributes_read(command->argument, supported, &problem);
    if (attributes == NULL)
        postern_session_error(session, now, 501, "5.5.4", problem);
    return attributes;
}

void postern_session_xforward(PosternSession *session, const PosternCommand *command, gint64 now)
{
    gboolean allowed = session->core.trusted && postern_proxy_settings_is_filter(session->settings);
    g_autoptr(GPtrArray) attributes =
        read_attributes(session, command, allowed ? XFORWARD_ATTRIBUTES : 0, now);
    if (attributes == NULL)
        return;
    /* The first sets all others to not available: what is of the connection is never mixed in. */
    PosternClientIdentity nobody = {.address.family = AF_UNSPEC, .server.family = AF_UNSPEC};
    PosternClientIdentity identity = identity_copy(session->forwarded != NULL ? session->forwarded : &nobody);
    identity.name_known = TRUE;
    const char *problem = take_attributes(&identity, attributes);
    if (problem != NULL) {
        postern_session_identity_clear(&identity);
        postern_session_error(session, now, 501, "5.5.4", problem);
        return;
    }
    drop_forwarded(session);
    session->forwarded = g_memdup2(&identity, sizeof identity);
    postern_session_show_client(session);
    postern_session_tell_screen(session, now); /* what it does wrong before MAIL is its own, too */
    postern_session_reply(session, 250, "2.0.0", "Ok");
}

static gboolean is_given(const GPtrArray *attributes, PosternClientAttribute attribute)
{
    for (guint i = 0; i < attributes->len; i++)
        if (((const PosternClientAttributeGiven *)g_ptr_array_index(attributes, i))->attribute == attribute)
            return TRUE;
    return FALSE;
}

void postern_session_xclient(PosternSession *session, const PosternCommand *command, gint64 now)
{
    g_autoptr(GPtrArray) attributes =
        read_attributes(session, command, session->core.trusted ? XCLIENT_ATTRIBUTES : 0, now);
    if (attributes == NULL)
        return;
    /* HELO, PROTO, LOGIN and PORT hold for what the same command tells of: it begins a session anew. */
    PosternClientIdentity identity = identity_copy(&session->core.own);
    g_clear_pointer(&identity.helo, g_free);
    g_clear_pointer(&identity.login, g_free);
    identity.esmtp = FALSE;
    if (is_given(attributes, POSTERN_CLIENT_ADDR))
        identity.address.port = 0;
    if (is_given(attributes, POSTERN_CLIENT_ADDR) || is_given(attributes, POSTERN_CLIENT_NAME))
        forget_reverse_name(&identity);
    const char *problem = take_attributes(&identity, attributes);
    if (problem != NULL) {
        postern_session_identity_clear(&identity);
        postern_session_error(session, now, 501, "5.5.4", problem);
        return;
    }
    postern_session_forget_login(session, now);
    postern_session_identity_clear(&session->core.own);
    session->core.own = identity;
    session->core.errors = session->core.mistakes = session->core.refusals = 0;
    session->core.commands_without_mail = session->core.spared = 0;
    session->core.refused_recipients = 0;
    postern_session_forget_forwarded(session);
    postern_session_show_client(session);
    if (is_given(attributes, POSTERN_CLIENT_ADDR) && !is_given(attributes, POSTERN_CLIENT_NAME))
        look_up_name(session);
    postern_session_tell_screen(session, now);
    postern_session_forget_client(session);
    postern_session_greet(session, now);
}
