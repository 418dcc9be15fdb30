#include "proxy/session/auth.h"

#include <string.h>

#include "base/limits.h"
#include "proxy/session/private.h"
#include "wire/sasl.h"

#define CANCEL "*"         /* RFC 4954 4 */
#define EMPTY_RESPONSE "=" /* an initial response of no octets */

static void wipe(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    g_clear_pointer(text, g_free);
}

void postern_session_login_free(PosternLogin *login)
{
    if (login == NULL)
        return;
    wipe(&login->line);
    g_free(login->user);
    g_free(login);
}

/* Nobody can read along, or it is the administrator's own network. */
static gboolean is_protected(const PosternSession *session)
{
    const PosternSessionCore *core = &session->core;
    return core->tls || core->submission || core->trusted ||
           postern_policies_client_class(session->settings->policies, session->envelope) ==
               POSTERN_CLIENT_OWN_NETWORK;
}

static gboolean may_log_in(const PosternSession *session)
{
    const PosternProxySettings *settings = session->settings;
    return settings->configuration->proxy.auth != POSTERN_AUTH_OFF &&
           (settings->discarded_capabilities & POSTERN_CAPABILITY_AUTH) == 0 &&
           !postern_proxy_settings_is_filter(settings) && session->core.announced.auth_mechanisms != 0;
}

gboolean postern_session_offers_auth(const PosternSession *session)
{
    gboolean greeted = session->core.own.esmtp ||
                       (postern_session_manners(session)->without_hello & 1U << POSTERN_COMMAND_AUTH) != 0;
    return greeted && !session->core.authenticated && may_log_in(session) &&
           (session->settings->configuration->proxy.auth == POSTERN_AUTH_ALWAYS || is_protected(session));
}

/* RFC 4954 4: 504 also for what needs a layer of encryption; the 538 of before is of the past. */
static void refuse_auth(PosternSession *session, gint64 now)
{
    if (session->core.authenticated)
        postern_session_error(session, now, 503, "5.5.1", "You have logged in already");
    else if (may_log_in(session) && !session->core.own.esmtp)
        postern_session_error(session, now, 503, "5.5.1", "Send EHLO first");
    else if (may_log_in(session) && postern_session_tls_level(session) != POSTERN_TLS_OFF &&
             !session->core.tls)
        postern_session_error(session, now, 504, "5.5.4", "Authentication needs TLS: send STARTTLS first");
    else
        postern_session_error(session, now, 503, "5.5.1", "Authentication is not offered here");
}

/* Of AUTH mechanism [initial-response]. NULL: the client has its answer. */
static PosternLogin *read_auth(PosternSession *session, const char *argument, gint64 now)
{
    gsize length = strcspn(argument, " ");
    const char *initial = argument + length + strspn(argument + length, " ");
    g_autofree char *name = g_strndup(argument, length);
    guint mechanism = postern_sasl_mechanisms_parse(name) & session->core.announced.auth_mechanisms;
    if (length == 0) {
        postern_session_error(session, now, 501, "5.5.4", "Syntax: AUTH mechanism");
        return NULL;
    }
    if (mechanism == 0) {
        postern_session_error(session, now, 504, "5.5.4", "Mechanism not offered");
        return NULL;
    }
    if (!g_str_equal(initial, EMPTY_RESPONSE) && !postern_sasl_is_base64(initial)) {
        postern_session_error(session, now, 501, "5.5.2", "Initial response is not base64");
        return NULL;
    }
    PosternLogin *login = g_new0(PosternLogin, 1);
    g_autofree char *canonical = postern_sasl_mechanisms_names(mechanism);
    login->mechanism = mechanism;
    login->line = g_strconcat("AUTH", canonical, initial[0] != '\0' ? " " : NULL, initial, NULL);
    if (initial[0] != '\0') {
        login->user = postern_sasl_user(mechanism, initial);
        login->responses = 1;
    }
    return login;
}

void postern_session_auth(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (!postern_session_offers_auth(session)) {
        refuse_auth(session, now);
        return;
    }
    PosternLogin *login = read_auth(session, command->argument, now);
    explicit_bzero(command->argument, strlen(command->argument));
    if (login == NULL)
        return;
    session->login = login;
    postern_session_set_state(session, POSTERN_SESSION_AUTHENTICATING, now);
    postern_session_borrow(session, now);
}

/* The dialogue is over: the client has its answer, and is to speak. */
static void conclude(PosternSession *session, gint64 now)
{
    g_clear_pointer(&session->login, postern_session_login_free);
    if (session->state != POSTERN_SESSION_AUTHENTICATING)
        return;
    if (!session->core.authenticated)
        postern_session_release_backend(session, now);
    postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
    if (session->leaving != NULL)
        postern_session_end(session, session->leaving, now);
}

static void refuse_lost_login(PosternSession *session, gint64 now)
{
    postern_session_reply(session, 454, "4.7.0", "Logging in is not possible now, try again later");
    conclude(session, now);
}

void postern_session_auth_failed(PosternSession *session, const char *reason, gint64 now)
{
    PosternLogin *login = session->login;
    postern_session_log_login(session, login->user, reason);
    login->lost = TRUE;
    if (!login->asks_client) /* else its line is awaited, which must not be read as a command */
        refuse_lost_login(session, now);
}

void postern_session_auth_identified(PosternSession *session, gint64 now)
{
    PosternLogin *login = session->login;
    postern_session_set_link(session, POSTERN_LINK_OWN);
    if ((postern_backend_ehlo(session->backend)->auth_mechanisms & login->mechanism) == 0) {
        postern_session_auth_failed(session, "the back-end does not offer the mechanism to this client", now);
        return;
    }
    postern_backend_authenticate(session->backend, login->line, now);
    wipe(&login->line);
}

/* Nothing that a client could have meant: the back-end does not hear of it. */
static void refuse_auth_line(PosternSession *session, guint code, const char *enhanced, const char *text,
                             gint64 now)
{
    postern_session_error(session, now, code, enhanced, text);
    conclude(session, now);
}

void postern_session_auth_line(PosternSession *session, const char *line, PosternLineStatus status,
                               gint64 now)
{
    PosternLogin *login = session->login;
    login->cancelled = g_str_equal(line, CANCEL);
    login->asks_client = FALSE;
    if (login->lost) {
        refuse_lost_login(session, now);
        return;
    }
    if (status == POSTERN_LINE_TOO_LONG) {
        refuse_auth_line(session, 500, "5.5.6", "Line of the authentication too long", now);
        return;
    }
    if (status != POSTERN_LINE_OK || (!login->cancelled && !postern_sasl_is_base64(line))) {
        refuse_auth_line(session, 501, "5.5.2", "The response is not base64", now);
        return;
    }
    if (login->responses++ == 0 && !login->cancelled)
        login->user = postern_sasl_user(login->mechanism, line);
    postern_session_set_state(session, POSTERN_SESSION_AUTHENTICATING, now);
    postern_backend_authenticate(session->backend, line, now);
}

static void welcome(PosternSession *session, gint64 now)
{
    PosternClientIdentity *own = &session->core.own;
    session->core.authenticated = TRUE;
    session->core.commands_without_mail = 0;
    if (session->screen != NULL)
        postern_screen_allow(session->screen);
    g_free(own->login);
    own->login = g_steal_pointer(&session->login->user);
    postern_session_show_client(session);
    conclude(session, now);
    postern_session_watch_hold(session, now);
}

void postern_session_auth_reply(PosternSession *session, const PosternReply *reply, gint64 now)
{
    PosternLogin *login = session->login;
    const guint maximum = session->settings->configuration->proxy.max_failed_logins;
    g_autofree char *text = postern_reply_to_wire(reply);
    g_string_append(session->output, text);
    if (postern_reply_class(reply) == 3) {
        login->asks_client = TRUE;
        postern_session_set_state(session, POSTERN_SESSION_AUTHENTICATING, now);
        return;
    }
    if (postern_reply_class(reply) == 2) {
        welcome(session, now);
        return;
    }
    const gboolean failed = !login->cancelled && postern_reply_class(reply) == 5;
    if (!login->cancelled)
        postern_session_log_login(session, login->user, text);
    if (failed) {
        postern_session_count(session, POSTERN_COUNT_AUTH_FAILURES, 1, now);
        postern_session_note(session, POSTERN_REASON_AUTH_FAILURE, now);
    }
    session->core.failed_logins += failed;
    if (reply->code == 421) {
        postern_session_finish(session, "login-refused", now);
    } else if (failed && maximum > 0 && session->core.failed_logins >= maximum) {
        postern_session_reply(session, 421, "4.7.0", "Too many failed logins");
        postern_session_finish(session, "too-many-logins", now);
    } else {
        conclude(session, now);
    }
}

void postern_session_end_if_login_is_lost(PosternSession *session, gint64 now)
{
    if (session->core.authenticated && session->backend == NULL && session->state == POSTERN_SESSION_COMMAND)
        postern_session_end(session, "The mail server behind us was lost, log in again", now);
}

void postern_session_end_login(PosternSession *session, gint64 now)
{
    session->core.authenticated = FALSE;
    g_clear_pointer(&session->login, postern_session_login_free);
    if (session->link != POSTERN_LINK_NONE)
        postern_session_release_backend(session, now);
}

void postern_session_forget_login(PosternSession *session, gint64 now)
{
    if (session->core.authenticated)
        g_clear_pointer(&session->core.own.login, g_free);
    postern_session_end_login(session, now);
    postern_session_show_client(session);
}
