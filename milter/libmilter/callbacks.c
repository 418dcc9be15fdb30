#include "milter/libmilter/callbacks.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "milter/libmilter/answer.h"
#include "milter/macros.h"
#include "milter/runtime.h"
#include "verdict/refusal.h"

/* A mail server gives up on a silent filter: sooner than its shortest time-out it hears that we are at work.
 */
#define PROGRESS_MS 5000
/* The inspection has its deadline; a loop that does not keep it is waited for so much longer. */
#define GRACE_MS 15000
/* At MAIL no progress can be told: what takes longer is decided at the end of the message. */
#define MAIL_WAIT_MS 20000

#define TOO_MANY "451 4.3.2 Too many messages at the same time, try again later"
#define OTHER_POLICY "452 4.5.3 A message to this recipient has to be sent separately, try again later"

#define WANTED_CONNECT "j {daemon_name} {client_addr} {client_port} {client_resolve}"
#define WANTED_HELO "{tls_version} {cipher}"
#define WANTED_MAIL "i {auth_authen} {mail_addr}"
#define WANTED_RCPT "i {rcpt_addr}"
#define WANTED_END "i"

static const char *macro(gpointer source, const char *name)
{
    /* smfi_getsymval() only reads the name; its prototype is older than const. */
    return smfi_getsymval(source, (char *)(gsize)name);
}

static void name_macros(SMFICTX *context)
{
    (void)smfi_setsymlist(context, SMFIM_CONNECT, (char *)(gsize)WANTED_CONNECT);
    (void)smfi_setsymlist(context, SMFIM_HELO, (char *)(gsize)WANTED_HELO);
    (void)smfi_setsymlist(context, SMFIM_ENVFROM, (char *)(gsize)WANTED_MAIL);
    (void)smfi_setsymlist(context, SMFIM_ENVRCPT, (char *)(gsize)WANTED_RCPT);
    (void)smfi_setsymlist(context, SMFIM_EOM, (char *)(gsize)WANTED_END);
}

/* Where something may be refused, so that a reply has to be awaited. */
static unsigned long speaks_at(const PosternMilterSettings *settings)
{
    static const unsigned long stages[] = {[POSTERN_REFUSE_AT_CONNECT] = SMFIP_NR_CONN,
                                           [POSTERN_REFUSE_AT_HELO] = SMFIP_NR_HELO,
                                           [POSTERN_REFUSE_AT_MAIL] = SMFIP_NR_MAIL,
                                           [POSTERN_REFUSE_AT_RCPT] = SMFIP_NR_RCPT,
                                           [POSTERN_REFUSE_AT_END] = 0};
    return (settings->by_recipient ? SMFIP_NR_RCPT : 0) |
           (postern_refusal_has_client_rules(settings->policies)
                ? stages[settings->configuration->clients.refuse_at]
                : 0);
}

static sfsistat on_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps, unsigned long more,
                             unsigned long most, unsigned long *ret_actions, unsigned long *ret_steps,
                             unsigned long *ret_more, unsigned long *ret_most)
{
    PosternMilterNegotiation negotiation;
    PosternMilterRuntime *filter = postern_milter_runtime();
    g_autoptr(PosternMilterSettings) settings = postern_milter_runtime_settings(filter);
    if (!postern_milter_negotiation_answer(&negotiation, actions, steps, *ret_steps, speaks_at(settings))) {
        postern_log(POSTERN_LOG_ERROR,
                    "a mail server that cannot add and change header fields was turned away");
        return SMFIS_REJECT;
    }
    if (negotiation.macros)
        name_macros(context);
    *ret_actions = negotiation.actions;
    *ret_steps = negotiation.steps;
    *ret_more = *ret_most = 0;
    postern_milter_session_free(smfi_getpriv(context));
    postern_milter_negotiation_remember(context, &negotiation);
    smfi_setpriv(context, postern_milter_session_new(&negotiation));
    return SMFIS_CONTINUE;
}

/* The session of a callback; a new client on an old connection (SMFIC_QUIT_NC) has none at first, and what
 * was negotiated before still holds. */
static PosternMilterSession *session_of(SMFICTX *context)
{
    PosternMilterSession *session = smfi_getpriv(context);
    if (session == NULL) {
        PosternMilterNegotiation negotiation;
        if (!postern_milter_negotiation_recall(context, &negotiation))
            postern_milter_negotiation_usual(&negotiation);
        session = postern_milter_session_new(&negotiation);
        smfi_setpriv(context, session);
    }
    return session;
}

/* Nothing is to be said: in words if the server waits for some. */
static sfsistat go_on(const PosternMilterSession *session, unsigned long step)
{
    return postern_milter_negotiation_is_silent(&session->negotiation, step) ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static void replace(char **text, const char *new_text)
{
    g_free(*text);
    *text = new_text != NULL ? g_strndup(new_text, POSTERN_DOMAIN_NAME_MAX_OCTETS) : NULL;
}

/* What is known of the client, waited for once in a session and HELO. */
static const PosternFindings *client_findings(PosternMilterSession *session, PosternMilterSettings *settings)
{
    PosternMilterRuntime *filter = postern_milter_runtime();
    guint timeout_ms = settings->configuration->milter.inspection_timeout_ms;
    if (session->client_findings != NULL ||
        !postern_milter_runtime_enter(filter, settings, POSTERN_MILTER_WAIT_AT_MAIL))
        return session->client_findings;
    g_autoptr(PosternMilterTicket) ticket = postern_milter_ticket_new(
        postern_milter_runtime_gateway(filter), settings, session->envelope,
        postern_milter_settings_receiver(settings, session->server), POSTERN_CHECK_CLIENT);
    postern_milter_ticket_await_envelope(ticket);
    session->client_findings = postern_milter_ticket_wait_envelope(ticket, MIN(timeout_ms, MAIL_WAIT_MS));
    postern_milter_runtime_leave(filter);
    return session->client_findings;
}

/* The reply that refuses the client at that stage, a new string, or NULL; with observe it is noted. What
 * cannot be told in time is decided on at the end of the message. */
static char *client_refusal(PosternMilterSession *session, PosternMilterSettings *settings,
                            PosternRefuseAt stage, const char *recipient)
{
    const char *check = NULL;
    PosternRefusalQuestion question = {
        .policies = settings->policies,
        .client_class = session->local ? POSTERN_CLIENT_OWN_NETWORK
                                       : postern_policies_client_class(settings->policies, session->envelope),
        .envelope = session->envelope,
        .checks = POSTERN_CHECK_CLIENT,
        .recipient = recipient,
    };
    if (settings->configuration->clients.refuse_at != stage ||
        !postern_refusal_may_be_of_client(settings->policies, question.client_class, session->envelope))
        return NULL;
    question.findings = client_findings(session, settings);
    g_autofree char *reply = question.findings != NULL ? postern_refusal_find(&question, &check) : NULL;
    if (reply == NULL || !settings->observe)
        return g_steal_pointer(&reply);
    if (session->mail_case != NULL)
        (void)postern_case_refuse(session->mail_case, reply);
    return NULL;
}

/* Before MAIL: the client is refused, or goes on. */
static sfsistat refuse_or_go_on(SMFICTX *context, PosternMilterSession *session, PosternRefuseAt stage,
                                unsigned long step)
{
    g_autoptr(PosternMilterSettings) settings = postern_milter_runtime_settings(postern_milter_runtime());
    g_autofree char *reply = postern_milter_negotiation_is_silent(&session->negotiation, step)
                                 ? NULL
                                 : client_refusal(session, settings, stage, NULL);
    if (reply == NULL)
        return go_on(session, step);
    session->refused = "client";
    return postern_milter_answer_reply(context, session, reply);
}

static sfsistat on_connect(SMFICTX *context, char *name, _SOCK_ADDR *address)
{
    PosternMilterSession *session = session_of(context);
    const struct sockaddr *client = (const struct sockaddr *)address;
    session->connected = TRUE;
    postern_milter_macros_client(session->envelope, name, client, macro, context);
    session->local =
        session->envelope->client.family == AF_UNSPEC && postern_milter_macros_is_local(name, client);
    replace(&session->server, macro(context, "j"));
    replace(&session->daemon, macro(context, "{daemon_name}"));
    return refuse_or_go_on(context, session, POSTERN_REFUSE_AT_CONNECT, SMFIP_NR_CONN);
}

static sfsistat on_helo(SMFICTX *context, char *name)
{
    PosternMilterSession *session = session_of(context);
    g_free(session->envelope->helo);
    session->envelope->helo = name != NULL ? g_strndup(name, POSTERN_HELO_NAME_MAX_OCTETS) : NULL;
    g_clear_pointer(&session->client_findings, postern_findings_free);
    return refuse_or_go_on(context, session, POSTERN_REFUSE_AT_HELO, SMFIP_NR_HELO);
}

static void forget(PosternMilterSession *session)
{
    if (session->transaction != NULL)
        postern_milter_runtime_count(postern_milter_runtime(), -1);
    postern_milter_session_reset(session);
}

/* MAIL is put off; with mode = observe the message passes, and nothing is made of it. */
static sfsistat defer(SMFICTX *context, PosternMilterSession *session, const PosternMilterSettings *settings,
                      const char *reply)
{
    gboolean refused = postern_case_defer(session->mail_case, reply);
    session->messages_refused += refused;
    postern_milter_message_log(session, settings, NULL);
    return refused ? postern_milter_answer_reply(context, session, reply) : SMFIS_ACCEPT;
}

static char *parameters_of(char **arguments)
{
    if (arguments == NULL || arguments[0] == NULL || arguments[1] == NULL)
        return NULL;
    char *text = g_strjoinv(" ", arguments + 1);
    if (strlen(text) > POSTERN_COMMAND_LINE_MAX_OCTETS)
        text[POSTERN_COMMAND_LINE_MAX_OCTETS] = '\0';
    return text;
}

/* What SPF refuses is refused before the message has come, if policy is so and the DNS is quick. */
static gboolean is_refused_at_mail(PosternMilterSession *session)
{
    PosternMilterRuntime *filter = postern_milter_runtime();
    const PosternMilterTransaction *transaction = session->transaction;
    guint timeout_ms = transaction->settings->configuration->milter.inspection_timeout_ms;
    if (!postern_case_may_refuse_at_mail(session->mail_case) ||
        !postern_milter_runtime_enter(filter, transaction->settings, POSTERN_MILTER_WAIT_AT_MAIL))
        return FALSE;
    postern_milter_ticket_await_envelope(session->ticket);
    g_autoptr(PosternFindings) findings =
        postern_milter_ticket_wait_envelope(session->ticket, MIN(timeout_ms, MAIL_WAIT_MS));
    postern_milter_runtime_leave(filter);
    return findings != NULL && postern_case_refuses_at_mail(session->mail_case, findings);
}

/* The refusal of the client that is due at MAIL: without a HELO that of HELO too, which never came. */
static char *refusal_at_mail(PosternMilterSession *session, PosternMilterSettings *settings)
{
    guint refuse_at = settings->configuration->clients.refuse_at;
    gboolean late = refuse_at == POSTERN_REFUSE_AT_HELO && session->envelope->helo == NULL;
    return client_refusal(session, settings, late ? POSTERN_REFUSE_AT_HELO : POSTERN_REFUSE_AT_MAIL, NULL);
}

static sfsistat on_mail(SMFICTX *context, char **arguments)
{
    PosternMilterRuntime *filter = postern_milter_runtime();
    PosternMilterSession *session = session_of(context);
    g_autoptr(PosternMilterSettings) settings = postern_milter_runtime_settings(filter);
    forget(session);
    g_free(session->tls);
    session->tls = postern_milter_macros_tls(macro, context);
    postern_milter_macros_login(session->envelope, macro, context);
    postern_milter_session_mail(
        session, settings,
        postern_milter_macros_path(arguments != NULL ? arguments[0] : NULL, "{mail_addr}", macro, context));
    if (postern_milter_runtime_is_draining(filter))
        return defer(context, session, settings, "451 4.3.2 The filter is being stopped, try again later");
    g_autofree char *refusal = refusal_at_mail(session, settings);
    if (refusal != NULL) {
        (void)postern_case_refuse(session->mail_case, refusal);
        session->messages_refused++;
        postern_milter_message_log(session, settings, NULL);
        return postern_milter_answer_reply(context, session, refusal);
    }
    PosternMilterWait wait = postern_milter_runtime_wait_of(session->mail_case->client_class);
    if (!settings->observe && postern_milter_runtime_is_full(filter, settings, wait))
        return defer(context, session, settings, TOO_MANY);
    postern_milter_session_begin(session, postern_milter_runtime_gateway(filter), settings,
                                 parameters_of(arguments));
    postern_milter_runtime_count(filter, 1);
    if (!is_refused_at_mail(session))
        return SMFIS_CONTINUE;
    sfsistat result = postern_milter_answer_reply(context, session, session->mail_case->reply);
    session->messages_refused++;
    postern_milter_message_log(session, settings, NULL);
    forget(session);
    return result;
}

static sfsistat on_recipient(SMFICTX *context, char **arguments)
{
    PosternMilterSession *session = session_of(context);
    g_autofree char *recipient =
        postern_milter_macros_path(arguments != NULL ? arguments[0] : NULL, "{rcpt_addr}", macro, context);
    if (session->transaction == NULL)
        return go_on(session, SMFIP_NR_RCPT);
    g_autofree char *refusal =
        session->negotiation.recipients
            ? client_refusal(session, session->transaction->settings, POSTERN_REFUSE_AT_RCPT, recipient)
            : NULL;
    if (refusal == NULL && postern_milter_session_add_recipient(session, g_strdup(recipient)))
        return go_on(session, SMFIP_NR_RCPT);
    const char *reply = refusal != NULL ? refusal : OTHER_POLICY;
    postern_milter_refusal_log(session, session->transaction->settings, recipient, reply);
    return postern_milter_answer_reply(context, session, reply);
}

static sfsistat on_field(SMFICTX *context, char *name, char *value)
{
    PosternMilterSession *session = session_of(context);
    if (session->transaction != NULL)
        postern_milter_transaction_add_field(session->transaction, name, value,
                                             session->negotiation.leading_space);
    return go_on(session, SMFIP_NR_HDR);
}

static sfsistat on_end_of_header(SMFICTX *context)
{
    PosternMilterSession *session = session_of(context);
    if (session->transaction != NULL)
        postern_milter_session_end_header(session);
    return go_on(session, SMFIP_NR_EOH);
}

static sfsistat on_body(SMFICTX *context, unsigned char *octets, size_t length)
{
    PosternMilterSession *session = session_of(context);
    if (session->transaction == NULL)
        return go_on(session, SMFIP_NR_BODY);
    postern_milter_session_end_header(session);
    gboolean more = postern_milter_transaction_add_body(session->transaction, octets, length);
    return more || !session->negotiation.skip ? go_on(session, SMFIP_NR_BODY) : SMFIS_SKIP;
}

/* TRUE: the findings are there, or too late. FALSE: the mail server is gone. */
static gboolean await(SMFICTX *context, PosternMilterSession *session)
{
    guint timeout_ms = session->transaction->settings->configuration->milter.inspection_timeout_ms;
    gint64 until = g_get_monotonic_time() + ((gint64)timeout_ms + GRACE_MS) * 1000;
    while (!postern_milter_ticket_wait(session->ticket, PROGRESS_MS)) {
        if (g_get_monotonic_time() >= until)
            return TRUE;
        if (smfi_progress(context) != MI_SUCCESS)
            return FALSE;
    }
    return TRUE;
}

static void judge(SMFICTX *context, PosternMilterSession *session)
{
    PosternMilterRuntime *filter = postern_milter_runtime();
    PosternMilterTransaction *transaction = session->transaction;
    PosternCase *mail_case = session->mail_case;
    const char *trouble = NULL;
    if (transaction->extent == POSTERN_MILTER_NO_ROOM)
        trouble = "452 4.3.1 No room for this message now, try again later";
    else if (mail_case->differs)
        trouble = OTHER_POLICY;
    else if (!postern_milter_runtime_enter(filter, transaction->settings,
                                           postern_milter_runtime_wait_of(mail_case->client_class)))
        trouble = TOO_MANY;
    if (trouble != NULL) {
        postern_case_defer(mail_case, trouble);
        return;
    }
    postern_milter_session_set_state(session, POSTERN_MILTER_INSPECTING);
    gint64 began = g_get_monotonic_time();
    postern_milter_ticket_finish(session->ticket, transaction->message, postern_case_checks(mail_case));
    gboolean there = await(context, session);
    postern_counters_time(transaction->settings->counters, POSTERN_LATENCY_VERDICT,
                          (g_get_monotonic_time() - began) / 1000);
    postern_milter_runtime_leave(filter);
    if (!there) {
        postern_case_defer(mail_case, "451 4.4.2 The mail server has gone away");
        return;
    }
    char *problem = NULL;
    PosternFindings *findings = postern_milter_ticket_take(session->ticket, &problem);
    postern_milter_session_decide(session, findings, problem);
}

static sfsistat on_end_of_message(SMFICTX *context)
{
    PosternMilterSession *session = session_of(context);
    if (session->transaction == NULL)
        return SMFIS_TEMPFAIL;
    const char *failure = NULL;
    session->queue = g_strdup(macro(context, "i"));
    postern_milter_session_end_message(session);
    judge(context, session);
    sfsistat result = postern_milter_answer(context, session, &failure);
    session->messages_refused += result != SMFIS_ACCEPT && result != SMFIS_DISCARD;
    postern_milter_message_log(session, session->transaction->settings, failure);
    forget(session);
    return result;
}

static sfsistat on_abort(SMFICTX *context)
{
    PosternMilterSession *session = smfi_getpriv(context);
    if (session != NULL)
        forget(session);
    return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *context)
{
    PosternMilterSession *session = smfi_getpriv(context);
    if (session == NULL)
        return SMFIS_CONTINUE;
    forget(session);
    if (session->connected) {
        g_autoptr(PosternMilterSettings) settings = postern_milter_runtime_settings(postern_milter_runtime());
        postern_milter_session_log(session, settings);
    }
    postern_milter_session_free(session);
    smfi_setpriv(context, NULL);
    return SMFIS_CONTINUE;
}

struct smfiDesc postern_milter_callbacks(void)
{
    return (struct smfiDesc){
        .xxfi_name = (char *)(gsize)POSTERN_MILTER_NAME,
        .xxfi_version = SMFI_VERSION,
        .xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_helo,
        .xxfi_envfrom = on_mail,
        .xxfi_envrcpt = on_recipient,
        .xxfi_header = on_field,
        .xxfi_eoh = on_end_of_header,
        .xxfi_body = on_body,
        .xxfi_eom = on_end_of_message,
        .xxfi_abort = on_abort,
        .xxfi_close = on_close,
        .xxfi_negotiate = on_negotiate,
    };
}
