#include "base/limits.h"
#include "proxy/session/auth.h"
#include "proxy/session/private.h"
#include "proxy/session/states.h"

typedef void (*Handler)(PosternSession *session, const PosternCommand *command, gint64 now);

/* Ends a session that was asked to leave, now that its transaction is over. */
static void let_go_if_leaving(PosternSession *session, gint64 now)
{
    if (session->leaving != NULL)
        postern_session_end(session, session->leaving, now);
    else
        postern_session_end_if_login_is_lost(session, now);
}

/* The client has said who it is; what of it may refuse it is asked for. */
static void hear_hello(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_end_transaction(session, now); /* RFC 5321 4.1.4: as if RSET had come */
    g_free(session->core.own.helo);
    session->core.own.helo = postern_helo_name_clean(command->argument);
    session->core.own.esmtp = command->verb == POSTERN_COMMAND_EHLO;
    session->greets = TRUE;
    postern_session_show_client(session);
    if (session->screen != NULL)
        postern_screen_helo(session->screen, session->core.own.helo, &session->core.own.server, now);
}

static void handle_hello(PosternSession *session, const PosternCommand *command, gint64 now)
{
    g_autofree char *refusal = postern_session_client_refusal(session, NULL);
    postern_session_forget_client(session);
    if (refusal != NULL) {
        g_clear_pointer(&session->core.own.helo, g_free);
        postern_session_refuse(session, refusal, FALSE, now);
        return;
    }
    if (!session->core.own.esmtp) {
        g_string_append_printf(session->output, "250 %s\r\n",
                               session->settings->configuration->proxy.hostname);
        let_go_if_leaving(session, now);
        return;
    }
    g_autofree char *reply = postern_session_ehlo_reply(session);
    g_string_append(session->output, reply);
    let_go_if_leaving(session, now);
}

static void handle_data(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (command->argument[0] != '\0')
        postern_session_error(session, now, 501, "5.5.4", "DATA takes no argument");
    else
        postern_session_data(session, now);
}

static void handle_rset(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_end_transaction(session, now);
    postern_session_reply(session, 250, "2.0.0", "Ok");
    let_go_if_leaving(session, now);
}

static void handle_noop(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_reply(session, 250, "2.0.0", "Ok");
}

static void handle_quit(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_reply(session, 221, "2.0.0", "Bye");
    postern_session_finish(session, "quit", now);
}

static void handle_not_offered(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_error(session, now, 502, "5.5.1", "Command not offered here");
}

/* The mail server behind us answers it, if it can be asked; if not, it is as if there were none. */
static void handle_query(PosternSession *session, const PosternCommand *command, gint64 now)
{
    static const PosternCapability capabilities[] = {
        [POSTERN_COMMAND_VRFY] = POSTERN_CAPABILITY_VRFY,
        [POSTERN_COMMAND_EXPN] = POSTERN_CAPABILITY_EXPN,
        [POSTERN_COMMAND_HELP] = POSTERN_CAPABILITY_HELP,
        [POSTERN_COMMAND_ETRN] = POSTERN_CAPABILITY_ETRN,
    };
    const guint manners = postern_session_manners(session)->manners;
    gboolean in_chunks = session->transaction != NULL && session->transaction->chunks;
    if (!in_chunks && !postern_session_may_guess_no_more(session, 0) &&
        postern_session_may_query(session, capabilities[command->verb]))
        postern_session_query(session, command, now);
    else if (command->verb == POSTERN_COMMAND_VRFY && (manners & POSTERN_MANNER_NO_VRFY) != 0)
        handle_not_offered(session, command, now);
    else if (command->verb == POSTERN_COMMAND_ETRN && (manners & POSTERN_MANNER_ETRN_LATER) != 0)
        postern_session_reply(session, 458, "4.7.1", "Command not offered here");
    else if (command->verb == POSTERN_COMMAND_VRFY)
        postern_session_reply(session, 252, "2.1.5", "Send mail and see"); /* RFC 5321 3.5.3 */
    else if (command->verb == POSTERN_COMMAND_HELP)
        postern_session_reply(session, 214, "2.0.0",
                              "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY; see RFC 5321");
    else
        postern_session_refuse(session, "502 5.5.1 Command not offered here", FALSE, now);
}

static gboolean is_request(const PosternCommand *command, guint manners)
{
    static const char *const few[] = {"GET", "POST", "CONNECT", NULL};
    return command->request &&
           ((manners & POSTERN_MANNER_ENDS_FEW) == 0 || g_strv_contains(few, command->word));
}

static void handle_unknown(PosternSession *session, const PosternCommand *command, gint64 now)
{
    const guint manners = postern_session_manners(session)->manners;
    gboolean farewell = (manners & POSTERN_MANNER_FAREWELL) != 0;
    if (is_request(command, manners) ||
        (command->foreign && !command->request && (manners & POSTERN_MANNER_ENDS_FOREIGN) != 0)) {
        if (farewell)
            postern_session_reply(session, 221, "2.7.0", "This is SMTP, and what you say is not");
        else
            postern_session_reply(session, 521, "5.5.1", "This is SMTP, and what you say is not");
        postern_session_finish(session, "not-smtp", now);
        return;
    }
    if (command->bare) {
        postern_session_reply(session, 521, "5.5.2", "Lines must end in CRLF, and hold no other CR or LF");
        postern_session_finish(session, "bare-newline", now);
        return;
    }
    const char *text = command->problem != NULL ? command->problem : "Command not recognised";
    if (command->too_long && (manners & POSTERN_MANNER_LONG_LINE_421) != 0)
        postern_session_reply(session, 421, "4.7.0", "Command line too long");
    else
        postern_session_error(session, now, 500, "5.5.2", text);
    if (command->too_long && (manners & POSTERN_MANNER_ENDS_AT_LONG_LINE) != 0)
        postern_session_finish(session, "too-long", now);
}

static void handle_starttls(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (session->core.tls) {
        postern_session_error(session, now, 503, "5.5.1", "TLS has begun already");
    } else if (!postern_session_offers(session, POSTERN_CAPABILITY_STARTTLS)) {
        handle_not_offered(session, command, now);
    } else if (command->argument[0] != '\0') {
        postern_session_error(session, now, 501, "5.5.4", "STARTTLS takes no argument");
    } else {
        postern_session_end_transaction(session, now);
        postern_session_forget_login(session, now);
        postern_session_set_state(session, POSTERN_SESSION_STARTING_TLS, now);
        postern_session_act(session, POSTERN_SESSION_START_TLS);
    }
}

void postern_session_answer_starttls(PosternSession *session, gboolean early, gint64 now)
{
    if (session->state != POSTERN_SESSION_STARTING_TLS)
        return;
    if (!early) {
        postern_session_reply(session, 220, "2.0.0", "Ready to start TLS");
        return;
    }
    postern_session_reply(session, 554, "5.5.1", "Nothing may follow STARTTLS before its reply");
    postern_session_finish(session, "early-tls", now);
}

void postern_session_tls_begins(PosternSession *session, gint64 now)
{
    session->core.tls = TRUE;
    g_clear_pointer(&session->core.own.helo, g_free);
    session->core.own.esmtp = FALSE;
    postern_session_show_client(session);
    if (session->state == POSTERN_SESSION_STARTING_TLS)
        postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
}

void postern_session_set_tls(PosternSession *session, const PosternTlsFacts *facts)
{
    g_free(session->tls);
    g_free(session->tls_name);
    g_free(session->tls_client);
    session->tls = g_strconcat(facts->version, " ", facts->cipher, NULL);
    session->tls_name = g_strdup(facts->server_name);
    session->tls_client = facts->peer[0] != '\0' ? g_strdup(facts->peer) : NULL;
    session->tls_resumed = facts->resumed;
}

/* What has come of a message. */
typedef enum {
    STAGE_CONNECTED, /* no EHLO or HELO */
    STAGE_GREETED,
    STAGE_SENDER,
    STAGE_REFUSED, /* recipients, none of them accepted */
    STAGE_RECIPIENTS,
    STAGE_CHUNKS,
    STAGES,
} Stage;

static const char *const stage_names[STAGES] = {
    [STAGE_CONNECTED] = "connected", [STAGE_GREETED] = "greeted",       [STAGE_SENDER] = "sender",
    [STAGE_REFUSED] = "refused",     [STAGE_RECIPIENTS] = "recipients", [STAGE_CHUNKS] = "chunks",
};

/* IDLE_TALK: brings no message nearer, and a client may say only so much of it. */
#define IDLE_TALK (1U << 0)
#define NEEDS_TLS (1U << 1) /* if [proxy] tls = encrypt: all that mail is made of (RFC 3207 4) */

#define NO_HELLO "503 5.5.1 Send EHLO or HELO first"
#define NO_MAIL "503 5.5.1 MAIL must come first"
#define NO_RECIPIENT "503 5.5.1 MAIL and RCPT must come first"
#define NONE_ACCEPTED "554 5.5.1 No recipient was accepted" /* RFC 5321 3.3 */
#define MAIL_TWICE "503 5.5.1 MAIL was given already"
#define IN_CHUNKS "503 5.5.1 BDAT has begun: only BDAT or RSET may follow" /* RFC 3030 2 */
#define IN_MAIL "503 5.5.1 A mail transaction is in progress"
#define FOLLOWED "554 5.5.0 Nothing may follow before the reply to this"

static const char *const begins_mail[STAGES] = {[STAGE_CONNECTED] = NO_HELLO,
                                                [STAGE_SENDER] = MAIL_TWICE,
                                                [STAGE_REFUSED] = MAIL_TWICE,
                                                [STAGE_RECIPIENTS] = MAIL_TWICE,
                                                [STAGE_CHUNKS] = IN_CHUNKS};
static const char *const needs_mail[STAGES] = {
    [STAGE_CONNECTED] = NO_HELLO, [STAGE_GREETED] = NO_MAIL, [STAGE_CHUNKS] = IN_CHUNKS};
static const char *const needs_recipient[STAGES] = {[STAGE_CONNECTED] = NO_HELLO,
                                                    [STAGE_GREETED] = NO_RECIPIENT,
                                                    [STAGE_SENDER] = NO_RECIPIENT,
                                                    [STAGE_REFUSED] = NONE_ACCEPTED,
                                                    [STAGE_CHUNKS] = IN_CHUNKS};
static const char *const takes_chunk[STAGES] = {[STAGE_CONNECTED] = NO_HELLO,
                                                [STAGE_GREETED] = NO_RECIPIENT,
                                                [STAGE_SENDER] = NO_RECIPIENT,
                                                [STAGE_REFUSED] = NONE_ACCEPTED};
static const char *const between_mails[STAGES] = {[STAGE_SENDER] = IN_MAIL,
                                                  [STAGE_REFUSED] = IN_MAIL,
                                                  [STAGE_RECIPIENTS] = IN_MAIL,
                                                  [STAGE_CHUNKS] = IN_MAIL};
static const char *const alone[STAGES] = {[STAGE_CONNECTED] = NO_HELLO,
                                          [STAGE_SENDER] = IN_MAIL,
                                          [STAGE_REFUSED] = IN_MAIL,
                                          [STAGE_RECIPIENTS] = IN_MAIL,
                                          [STAGE_CHUNKS] = IN_MAIL};
static const char *const any_time[STAGES] = {NULL};

static const struct {
    Handler handler;
    guint flags;
    const char *const *refusals; /* by stage */
} commands[] = {
    [POSTERN_COMMAND_UNKNOWN] = {handle_unknown, IDLE_TALK, any_time},
    [POSTERN_COMMAND_HELO] = {handle_hello, IDLE_TALK, any_time},
    [POSTERN_COMMAND_EHLO] = {handle_hello, IDLE_TALK, any_time},
    [POSTERN_COMMAND_MAIL] = {postern_session_mail, NEEDS_TLS, begins_mail},
    [POSTERN_COMMAND_RCPT] = {NULL, NEEDS_TLS, needs_mail},
    [POSTERN_COMMAND_DATA] = {handle_data, NEEDS_TLS, needs_recipient},
    [POSTERN_COMMAND_BDAT] = {NULL, NEEDS_TLS, takes_chunk},
    [POSTERN_COMMAND_RSET] = {handle_rset, IDLE_TALK, any_time},
    [POSTERN_COMMAND_NOOP] = {handle_noop, IDLE_TALK, any_time},
    [POSTERN_COMMAND_QUIT] = {handle_quit, 0, any_time},
    [POSTERN_COMMAND_VRFY] = {handle_query, IDLE_TALK | NEEDS_TLS, any_time},
    [POSTERN_COMMAND_EXPN] = {handle_query, IDLE_TALK | NEEDS_TLS, any_time},
    [POSTERN_COMMAND_HELP] = {handle_query, IDLE_TALK, any_time},
    [POSTERN_COMMAND_ETRN] = {handle_query, IDLE_TALK | NEEDS_TLS, alone},
    [POSTERN_COMMAND_STARTTLS] = {handle_starttls, IDLE_TALK, any_time},
    [POSTERN_COMMAND_AUTH] = {postern_session_auth, IDLE_TALK | NEEDS_TLS, alone},
    [POSTERN_COMMAND_XCLIENT] = {postern_session_xclient, IDLE_TALK, between_mails},
    [POSTERN_COMMAND_XFORWARD] = {postern_session_xforward, IDLE_TALK, between_mails},
};

static Stage stage_of(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    if (transaction == NULL)
        return session->core.own.helo == NULL ? STAGE_CONNECTED : STAGE_GREETED;
    if (transaction->chunks)
        return STAGE_CHUNKS;
    if (transaction->recipients->len == 0)
        return STAGE_SENDER;
    /* Whether they are accepted nobody will know if the back-end has failed. */
    return transaction->accepted == 0 && transaction->failure == NULL ? STAGE_REFUSED : STAGE_RECIPIENTS;
}

/* EHLO or HELO was taken, and has waited for what is known of its client. */
static gboolean was_heard(const PosternSession *session, const PosternCommand *command)
{
    return (command->verb == POSTERN_COMMAND_EHLO || command->verb == POSTERN_COMMAND_HELO) &&
           session->settings->configuration->clients.refuse_at == POSTERN_REFUSE_AT_HELO &&
           session->client_findings != NULL && session->core.own.helo != NULL;
}

/* What is wrong with command now, or NULL. A back-end that is told of the client says itself whether it takes
 * mail without EHLO; for others RFC 5321 4.1.1.1 does. */
static const char *refusal_of(const PosternSession *session, const PosternCommand *command)
{
    const PosternManners *manners = postern_session_manners(session);
    const guint bit = 1U << command->verb;
    const guint hello = 1U << POSTERN_COMMAND_EHLO | 1U << POSTERN_COMMAND_HELO;
    const guint judged = 1U << POSTERN_COMMAND_MAIL | 1U << POSTERN_COMMAND_ETRN;
    const guint untimely = ~(hello | 1U << POSTERN_COMMAND_NOOP | 1U << POSTERN_COMMAND_RSET |
                             1U << POSTERN_COMMAND_QUIT | 1U << POSTERN_COMMAND_UNKNOWN);
    gboolean told = postern_session_group(session)->client_address == POSTERN_CLIENT_ADDRESS_XCLIENT;
    gboolean greeted = session->core.own.helo != NULL;
    gboolean argument = (manners->manners & POSTERN_MANNER_BLANKS_ARE_ARGUMENTS) != 0
                            ? command->has_argument
                            : command->argument[0] != '\0';
    const char *refusal = commands[command->verb].refusals[stage_of(session)];
    if (session->core.untimely && (untimely & bit) != 0)
        return "550 5.5.0 Something has followed EHLO or HELO before its reply";
    if (g_strcmp0(refusal, NO_HELLO) == 0 && ((manners->without_hello | (told ? judged : 0)) & bit) != 0)
        refusal = NULL;
    const struct {
        guint verbs;
        gboolean applies;
        const char *refusal;
    } rules[] = {
        {manners->after_hello, !greeted, NO_HELLO},
        {manners->after_ehlo, !session->core.own.esmtp, "503 5.5.1 Send EHLO first"},
        {manners->once, greeted, "503 5.5.1 EHLO or HELO was given already"},
        {manners->between_mails, session->transaction != NULL, IN_MAIL},
        {manners->last, command->followed, FOLLOWED},
        {manners->without_argument, argument, "501 5.5.4 The command takes no argument"},
        {hello, !manners->takes_name(command->argument), "501 5.5.4 EHLO and HELO need the client's name"},
    };
    for (gsize i = 0; refusal == NULL && i < G_N_ELEMENTS(rules); i++)
        if ((rules[i].verbs & bit) != 0 && rules[i].applies)
            refusal = rules[i].refusal;
    return refusal;
}

/* RFC 3207 4. */
static gboolean refuses_clear_text(PosternSession *session)
{
    static const char refusal[] = "530 5.7.0 Send STARTTLS first";
    if (session->core.tls || postern_session_tls_level(session) != POSTERN_TLS_ENCRYPT)
        return FALSE;
    if (postern_session_observes(session))
        postern_session_would_refuse(session, refusal);
    return !postern_session_observes(session);
}

/* TRUE: command waits for what is known of its client. */
static gboolean awaits_client(PosternSession *session, const PosternCommand *command, gint64 now)
{
    switch (command->verb) {
    case POSTERN_COMMAND_HELO:
    case POSTERN_COMMAND_EHLO:
        if (!was_heard(session, command))
            hear_hello(session, command, now);
        return postern_session_awaits_client(session, POSTERN_REFUSE_AT_HELO);
    case POSTERN_COMMAND_MAIL:
        return postern_session_awaits_client(session, POSTERN_REFUSE_AT_MAIL) ||
               (session->core.own.helo == NULL &&
                postern_session_awaits_client(session, POSTERN_REFUSE_AT_HELO));
    case POSTERN_COMMAND_RCPT:
        return postern_session_awaits_client(session, POSTERN_REFUSE_AT_RCPT);
    default:
        return FALSE;
    }
}

/* What a client says that goes on although it was refused before, as one that pipelines does. */
static gboolean is_forgiven(const PosternSession *session, const PosternCommand *command, const char *refusal)
{
    return (command->verb == POSTERN_COMMAND_MAIL && command->argument[0] != '\0' &&
            g_str_equal(refusal, NO_HELLO)) ||
           (session->core.own.esmtp && g_str_equal(refusal, NONE_ACCEPTED));
}

static void refuse(PosternSession *session, const PosternCommand *command, const char *refusal, gint64 now)
{
    postern_session_refuse(session, refusal, !is_forgiven(session, command, refusal), now);
    if (!g_str_equal(refusal, FOLLOWED))
        return;
    if (command->verb == POSTERN_COMMAND_DATA) {
        session->our_turn = POSTERN_TURN_DATA;
        postern_session_our_turn_ends(session, TRUE, now);
        postern_session_finish(session, "early-data", now);
    } else {
        postern_session_end_transaction(session, now);
        session->core.untimely = TRUE;
    }
}

/* FALSE: it must wait for answers to those before it. */
static gboolean dispatch(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (command->verb != POSTERN_COMMAND_RCPT && postern_session_awaits_answers(session))
        return FALSE;
    const char *refusal = was_heard(session, command) ? NULL : refusal_of(session, command);
    if (refusal == NULL && awaits_client(session, command, now))
        return FALSE;
    if ((commands[command->verb].flags & NEEDS_TLS) != 0 && refuses_clear_text(session))
        refusal = "530 5.7.0 Send STARTTLS first";
    if (command->verb == POSTERN_COMMAND_BDAT)
        postern_session_bdat(session, command, refusal, now);
    else if (refusal != NULL)
        refuse(session, command, refusal, now);
    else if (command->verb == POSTERN_COMMAND_RCPT)
        return postern_session_rcpt(session, command, now);
    else
        commands[command->verb].handler(session, command, now);
    return TRUE;
}

/* A list with dead addresses may still send to those that were accepted. */
static gboolean is_refused_too_often(const PosternSession *session, PosternCommandVerb verb)
{
    const PosternTransaction *transaction = session->transaction;
    gboolean goes_on =
        transaction != NULL && transaction->accepted > 0 &&
        (verb == POSTERN_COMMAND_RCPT || verb == POSTERN_COMMAND_DATA || verb == POSTERN_COMMAND_BDAT);
    return session->core.refusals > POSTERN_REFUSALS_MAX ||
           (postern_session_may_guess_no_more(session, 0) && !goes_on);
}

/* Takes command over. */
static void run(PosternSession *session, PosternCommand *command, gint64 now)
{
    g_autoptr(PosternCommand) taken = command;
    if (!postern_session_awaits_answers(session) && command->verb != POSTERN_COMMAND_QUIT &&
        postern_session_lets_suspect_go(session, now))
        return;
    if (is_refused_too_often(session, command->verb) && !postern_session_awaits_answers(session)) {
        postern_session_reply(session, 421, "4.7.0", "Too many commands that were refused");
        postern_session_finish(session, "too-many-errors", now);
    } else if (!dispatch(session, command, now)) {
        session->pending_command = g_steal_pointer(&taken);
    }
}

/* TRUE if the command brings no message nearer, and the mail server would count it. */
static gboolean is_idle_talk(PosternSession *session, PosternCommandVerb verb)
{
    const guint hello = 1U << POSTERN_COMMAND_EHLO | 1U << POSTERN_COMMAND_HELO;
    const guint bits = ((1U << verb) & hello) != 0 ? hello : 1U << verb;
    if ((commands[verb].flags & IDLE_TALK) == 0)
        return FALSE;
    const guint spared = postern_session_manners(session)->spared & bits & ~session->core.spared;
    session->core.spared |= spared;
    return spared == 0;
}

static gboolean has_had_its_turns(PosternSession *session, PosternCommandVerb verb)
{
    const PosternManners *manners = postern_session_manners(session);
    for (guint i = 0; i < POSTERN_MANNER_TURNS; i++) {
        guint had = session->core.turns >> i * 4 & 15;
        if ((manners->turns[i].verbs & 1U << verb) == 0)
            continue;
        session->core.turns += (had < 15 ? 1U : 0U) << i * 4;
        return had >= manners->turns[i].most;
    }
    return FALSE;
}

void postern_session_run(PosternSession *session, PosternCommand *command, gint64 now)
{
    g_autoptr(PosternCommand) taken = command;
    const PosternManners *manners = postern_session_manners(session);
    gboolean idles = is_idle_talk(session, command->verb) &&
                     ++session->core.commands_without_mail > manners->idle_talk_max;
    if ((has_had_its_turns(session, command->verb) || idles) && !postern_session_awaits_answers(session)) {
        if ((manners->manners & POSTERN_MANNER_ENDS_AT_MISTAKE) != 0)
            postern_session_reply(session, 554, "5.7.0", "Too many commands without a message");
        else
            postern_session_reply(session, 421, "4.7.0", "Too many commands without a message");
        postern_session_finish(session, "too-many-commands", now);
        return;
    }
    run(session, g_steal_pointer(&taken), now);
}

void postern_session_run_pending(PosternSession *session, gint64 now)
{
    if (session->pending_command != NULL && !postern_session_awaits_answers(session) &&
        !session->checks_client)
        run(session, g_steal_pointer(&session->pending_command), now);
}

char *postern_session_describe(void)
{
    g_autoptr(GString) out = g_string_new("# state, what is read, what comes in, whose turn it is\n");
    postern_session_describe_states(out);
    g_string_append(out, "# command, stage, what is answered at once\n");
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        for (gsize stage = 0; stage < STAGES; stage++) {
            const char *refusal = commands[i].refusals[stage];
            g_string_append_printf(out, "%s\t%s\t%s\n", postern_command_name((PosternCommandVerb)i),
                                   stage_names[stage], refusal != NULL ? refusal : "taken");
        }
    g_string_append(out, "# command to a back-end, reply, what comes of it\n");
    postern_backend_describe(out);
    return g_string_free(g_steal_pointer(&out), FALSE);
}
