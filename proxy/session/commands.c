#include "base/limits.h"
#include "proxy/session/private.h"

typedef void (*Handler)(PosternSession *session, const PosternCommand *command, gint64 now);

/* What has given up its transaction is idle. */
static void let_go_if_leaving(PosternSession *session, gint64 now)
{
    if (session->leaving != NULL)
        postern_session_end(session, session->leaving, now);
}

static void handle_hello(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (!postern_helo_name_is_acceptable(command->argument)) {
        postern_session_error(session, now, 501, "5.5.4", "EHLO and HELO need the client's name");
        return;
    }
    postern_session_end_transaction(session, now); /* RFC 5321 4.1.4: as if RSET had come */
    g_free(session->core.own.helo);
    session->core.own.helo = g_strdup(command->argument);
    session->core.own.esmtp = command->verb == POSTERN_COMMAND_EHLO;
    postern_session_show_client(session);
    const PosternConfiguration *configuration = session->settings->configuration;
    if (!session->core.own.esmtp) {
        g_string_append_printf(session->output, "250 %s\r\n", configuration->proxy.hostname);
        let_go_if_leaving(session, now);
        return;
    }
    /* What we do ourselves is announced always; what the back-end must do, if it does. Its replies are handed
     * on word for word: they have codes only if it says so (RFC 2034 4). */
    guint of_backend =
        POSTERN_CAPABILITY_8BITMIME | POSTERN_CAPABILITY_DSN | POSTERN_CAPABILITY_ENHANCEDSTATUSCODES;
    if (postern_proxy_settings_is_filter(session->settings))
        of_backend |= POSTERN_CAPABILITY_SMTPUTF8;
    PosternEhlo ours = {
        .capabilities = POSTERN_CAPABILITY_PIPELINING | POSTERN_CAPABILITY_SIZE |
                        (session->core.announced.capabilities & of_backend),
        .size = postern_session_size_limit(session),
    };
    if (session->settings->tls != NULL && !session->core.tls)
        ours.capabilities |= POSTERN_CAPABILITY_STARTTLS;
    postern_session_offer_client_commands(session, &ours);
    g_autofree char *reply = postern_ehlo_format(configuration->proxy.hostname, &ours);
    g_string_append(session->output, reply);
    let_go_if_leaving(session, now);
}

static void handle_mail(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_mail(session, command, now);
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

static void handle_vrfy(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_reply(session, 252, "2.1.5", "Send mail and see"); /* RFC 5321 3.5.3 */
}

static void handle_help(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_reply(session, 214, "2.0.0",
                          "EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY; see RFC 5321");
}

/* What follows BDAT is as long as it says, whether it is taken or not: octets of a message must never be read
 * as commands, and a client that sends what was not announced is not worth the care. */
static void handle_bdat(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_reply(session, 521, "5.5.1", "CHUNKING was not announced");
    postern_session_finish(session, "bdat", now);
}

static void handle_not_offered(PosternSession *session, const PosternCommand *command, gint64 now)
{
    postern_session_error(session, now, 502, "5.5.1", "Command not offered here");
}

static void handle_unknown(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (command->foreign) {
        postern_session_reply(session, 521, "5.5.1", "This is SMTP, and what you say is not");
        postern_session_finish(session, "not-smtp", now);
        return;
    }
    if (command->bare) {
        postern_session_reply(session, 521, "5.5.2",
                              "Lines must end in CRLF, and hold no other CR, LF or NUL");
        postern_session_finish(session, "bare-newline", now);
        return;
    }
    const char *text = command->problem != NULL ? command->problem : "Command not recognised";
    postern_session_error(session, now, 500, "5.5.2", text);
}

static void handle_starttls(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (session->settings->tls == NULL) {
        handle_not_offered(session, command, now);
    } else if (session->core.tls) {
        postern_session_error(session, now, 503, "5.5.1", "TLS has begun already");
    } else if (command->argument[0] != '\0') {
        postern_session_error(session, now, 501, "5.5.4", "STARTTLS takes no argument");
    } else {
        postern_session_end_transaction(session, now);
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

void postern_session_set_tls(PosternSession *session, const char *version, const char *cipher)
{
    g_free(session->tls);
    session->tls = g_strconcat(version, " ", cipher, NULL);
}

/* IDLE_TALK: brings no message nearer, and a client may say only so much of it. */
#define NEEDS_HELLO (1U << 0)
#define IDLE_TALK (1U << 1)
#define NEEDS_TLS (1U << 2) /* if [proxy] tls = encrypt: all that mail is made of (RFC 3207 4) */

static const struct {
    Handler handler;
    guint flags;
} commands[] = {
    [POSTERN_COMMAND_UNKNOWN] = {handle_unknown, IDLE_TALK},
    [POSTERN_COMMAND_HELO] = {handle_hello, IDLE_TALK},
    [POSTERN_COMMAND_EHLO] = {handle_hello, IDLE_TALK},
    [POSTERN_COMMAND_MAIL] = {handle_mail, NEEDS_HELLO | NEEDS_TLS},
    [POSTERN_COMMAND_RCPT] = {NULL, NEEDS_HELLO | NEEDS_TLS},
    [POSTERN_COMMAND_DATA] = {handle_data, NEEDS_HELLO | NEEDS_TLS},
    [POSTERN_COMMAND_BDAT] = {handle_bdat, 0},
    [POSTERN_COMMAND_RSET] = {handle_rset, IDLE_TALK},
    [POSTERN_COMMAND_NOOP] = {handle_noop, IDLE_TALK},
    [POSTERN_COMMAND_QUIT] = {handle_quit, 0},
    [POSTERN_COMMAND_VRFY] = {handle_vrfy, IDLE_TALK | NEEDS_TLS},
    [POSTERN_COMMAND_EXPN] = {handle_not_offered, IDLE_TALK},
    [POSTERN_COMMAND_HELP] = {handle_help, IDLE_TALK},
    [POSTERN_COMMAND_STARTTLS] = {handle_starttls, IDLE_TALK},
    [POSTERN_COMMAND_AUTH] = {handle_not_offered, IDLE_TALK},
    [POSTERN_COMMAND_XCLIENT] = {postern_session_xclient, IDLE_TALK},
    [POSTERN_COMMAND_XFORWARD] = {postern_session_xforward, IDLE_TALK},
};

/* RFC 3207 4. TRUE: refused. */
static gboolean refuse_clear_text(PosternSession *session, gint64 now)
{
    if (session->core.tls || session->settings->configuration->proxy.tls != POSTERN_TLS_ENCRYPT)
        return FALSE;
    if (postern_session_observes(session)) {
        postern_session_would_refuse(session, "530 5.7.0 Send STARTTLS first");
        return FALSE;
    }
    postern_session_error(session, now, 530, "5.7.0", "Send STARTTLS first");
    return TRUE;
}

/* FALSE: it must wait for answers to those before it. */
static gboolean dispatch(PosternSession *session, const PosternCommand *command, gint64 now)
{
    if (command->verb != POSTERN_COMMAND_RCPT && postern_session_awaits_answers(session))
        return FALSE;
    if ((commands[command->verb].flags & NEEDS_TLS) != 0 && refuse_clear_text(session, now))
        return TRUE;
    if ((commands[command->verb].flags & NEEDS_HELLO) != 0 && session->core.own.helo == NULL) {
        postern_session_error(session, now, 503, "5.5.1", "Send EHLO or HELO first");
        return TRUE;
    }
    if (command->verb == POSTERN_COMMAND_RCPT)
        return postern_session_rcpt(session, command, now);
    commands[command->verb].handler(session, command, now);
    return TRUE;
}

/* A list with dead addresses may still send to those that were accepted. */
static gboolean is_refused_too_often(const PosternSession *session, PosternCommandVerb verb)
{
    const PosternTransaction *transaction = session->transaction;
    gboolean goes_on = transaction != NULL && transaction->accepted > 0 &&
                       (verb == POSTERN_COMMAND_RCPT || verb == POSTERN_COMMAND_DATA);
    return session->core.refusals > POSTERN_REFUSALS_MAX ||
           (postern_session_may_guess_no_more(session, 0) && !goes_on);
}

/* Takes command over. */
static void run(PosternSession *session, PosternCommand *command, gint64 now)
{
    g_autoptr(PosternCommand) taken = command;
    if (is_refused_too_often(session, command->verb) && !postern_session_awaits_answers(session)) {
        postern_session_reply(session, 421, "4.7.0", "Too many commands that were refused");
        postern_session_finish(session, "too-many-errors", now);
    } else if (!dispatch(session, command, now)) {
        session->pending_command = g_steal_pointer(&taken);
    }
}

void postern_session_run(PosternSession *session, PosternCommand *command, gint64 now)
{
    g_autoptr(PosternCommand) taken = command;
    if ((commands[command->verb].flags & IDLE_TALK) != 0 &&
        ++session->core.commands_without_mail > POSTERN_COMMANDS_WITHOUT_MAIL_MAX &&
        !postern_session_awaits_answers(session)) {
        postern_session_reply(session, 421, "4.7.0", "Too many commands without a message");
        postern_session_finish(session, "too-many-commands", now);
        return;
    }
    run(session, g_steal_pointer(&taken), now);
}

void postern_session_run_pending(PosternSession *session, gint64 now)
{
    if (session->pending_command != NULL && !postern_session_awaits_answers(session))
        run(session, g_steal_pointer(&session->pending_command), now);
}
