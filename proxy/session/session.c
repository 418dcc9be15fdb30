#include "proxy/session/session.h"

#include <string.h>

#include "base/limits.h"
#include "proxy/session/auth.h"
#include "proxy/session/private.h"
#include "proxy/session/states.h"
#include "wire/foreign.h"

static void count_state(const PosternSession *session, int change)
{
    postern_session_count_state(session->settings, session->state, change);
}

void postern_session_greet(PosternSession *session, gint64 now)
{
    if (postern_session_awaits_client(session, POSTERN_REFUSE_AT_CONNECT))
        return;
    g_autofree char *refusal = postern_session_client_refusal(session, NULL);
    postern_session_forget_client(session);
    if (refusal != NULL) { /* RFC 5321 3.1: 554, not 550; a 4yz is 421 */
        postern_session_reply(session, refusal[0] == '5' ? 554 : 421, refusal[0] == '5' ? "5.7.1" : "4.7.1",
                              "%s", refusal + strcspn(refusal + 4, " ") + 5);
        postern_session_finish(session, "client", now);
        return;
    }
    g_string_append_printf(session->output, "220 %s ESMTP %s\r\n",
                           session->settings->configuration->proxy.hostname, session->core.identifier.text);
    session->our_turn = POSTERN_TURN_GREETING;
}

PosternSession *postern_session_alloc(PosternProxySettings *settings)
{
    PosternSession *session = g_new0(PosternSession, 1);
    session->settings = postern_proxy_settings_ref(settings);
    session->envelope = postern_envelope_new();
    session->answer_deadline = G_MAXINT64;
    session->core.announced.capabilities = POSTERN_CAPABILITY_8BITMIME;
    session->budget = postern_budget_ref(settings->budget);
    session->output = g_string_new(NULL);
    session->actions = g_array_new(FALSE, FALSE, sizeof(PosternSessionAction));
    postern_session_hold_init(&session->hold);
    postern_line_reader_init(&session->line, POSTERN_COMMAND_LINE_MAX_OCTETS);
    count_state(session, 1);
    return session;
}

PosternSession *postern_session_new(PosternProxySettings *settings, const PosternAddress *client,
                                    gboolean submission, gint64 now)
{
    PosternSession *session = postern_session_alloc(settings);
    session->core.identifier = postern_identifier_new();
    session->core.started = now;
    session->envelope->session = g_strdup(session->core.identifier.text);
    postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
    postern_session_client_init(session, client, submission);
    if (postern_proxy_settings_is_filter(settings) && !session->core.trusted) {
        postern_session_reply(session, 554, "5.7.1", "Only [proxy] trusted_clients may connect here");
        postern_session_finish(session, "not-trusted", now);
        return session;
    }
    postern_session_greet(session, now);
    return session;
}

void postern_session_free(PosternSession *session)
{
    if (session == NULL)
        return;
    PosternSessionAction action;
    count_state(session, -1);
    while (postern_session_next_action(session, &action))
        postern_session_action_clear(&action);
    g_array_unref(session->actions);
    postern_session_drop_transaction(session);
    postern_session_login_free(session->login);
    g_clear_pointer(&session->pending_command, postern_command_free);
    postern_line_reader_clear(&session->line);
    postern_session_forget_forwarded(session);
    postern_session_forget_client(session);
    postern_session_core_clear(&session->core);
    postern_budget_unref(session->budget);
    postern_envelope_free(session->envelope);
    g_string_free(session->output, TRUE);
    g_free(session->tls);
    g_free(session->chunk.refusal);
    g_free(session->query);
    g_free(session->tls_name);
    g_free(session->tls_client);
    postern_proxy_settings_unref(session->settings);
    g_free(session);
}

static gint64 client_wait_ms(const PosternSession *session)
{
    const PosternConfiguration *configuration = session->settings->configuration;
    if (session->state == POSTERN_SESSION_AUTHENTICATING && session->login->asks_client)
        return MIN(configuration->proxy.client_timeout_ms, POSTERN_LOGIN_ANSWER_MS);
    if (!postern_session_is(session, POSTERN_SESSION_WAITS_FOR_CLIENT))
        return -1;
    return postern_session_is(session, POSTERN_SESSION_HAS_MESSAGE)
               ? configuration->proxy.client_data_timeout_ms
               : configuration->proxy.client_timeout_ms;
}

static void restart_client_deadline(PosternSession *session, gint64 now)
{
    gint64 wait = client_wait_ms(session);
    session->core.client_deadline = wait < 0 ? G_MAXINT64 : now + wait;
}

void postern_session_set_state(PosternSession *session, PosternSessionState state, gint64 now)
{
    postern_log_state("session", session->core.identifier.text, postern_session_state_name(session->state),
                      postern_session_state_name(state));
    gboolean goes_on = postern_session_is_in_message(session);
    count_state(session, -1);
    session->state = state;
    count_state(session, 1);
    restart_client_deadline(session, now);
    if (!goes_on || !postern_session_is_in_message(session))
        postern_session_measure_rate(session, now);
}

void postern_session_set_link(PosternSession *session, PosternLink link)
{
    static const char *const names[] = {
        [POSTERN_LINK_NONE] = "no back-end",
        [POSTERN_LINK_BORROWING] = "waiting for a back-end",
        [POSTERN_LINK_WAITING_FOR_PTR] = "waiting for the client's name",
        [POSTERN_LINK_IDENTIFYING] = "telling the back-end of the client",
        [POSTERN_LINK_OPEN] = "with a back-end",
        [POSTERN_LINK_OWN] = "with a back-end of its own",
    };
    postern_log_state("session", session->core.identifier.text, names[session->link], names[link]);
    session->link = link;
}

void postern_session_expect_answer(PosternSession *session, gint64 now)
{
    if (postern_proxy_settings_is_filter(session->settings) && session->ended == NULL)
        session->answer_deadline = now + session->settings->configuration->proxy.filter_timeout_ms;
}

static gboolean final_dot_sent(const PosternSession *session)
{
    return session->backend != NULL && postern_backend_state(session->backend) == POSTERN_BACKEND_DATA_END;
}

void postern_session_end_transaction(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    session->answer_deadline = G_MAXINT64;
    postern_session_forget_client(session);
    if (transaction == NULL) {
        postern_session_forget_forwarded(session);
        return;
    }
    if (final_dot_sent(session) && transaction->delivery == POSTERN_DELIVERY_NONE)
        transaction->delivery = POSTERN_DELIVERY_UNKNOWN;
    if (postern_session_is_streaming(session) && transaction->delivery == POSTERN_DELIVERY_NONE)
        transaction->delivery = POSTERN_DELIVERY_FAILED;
    if (!transaction->logged && (transaction->recipients->len > 0 || transaction->announced))
        postern_session_log_message(session, transaction->last_refusal, now);
    if (transaction->inspecting)
        postern_session_act(session, POSTERN_SESSION_INSPECT_CANCEL);
    postern_session_release_backend(session, now);
    postern_session_drop_transaction(session);
    postern_envelope_reset(session->envelope);
    g_free(session->envelope->session);
    session->envelope->session = g_strdup(session->core.identifier.text);
    postern_session_forget_forwarded(session);
    if (session->state == POSTERN_SESSION_BETWEEN_CHUNKS)
        postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
}

void postern_session_finish(PosternSession *session, const char *why, gint64 now)
{
    if (session->state == POSTERN_SESSION_CLOSING)
        return;
    if (session->ended == NULL)
        session->ended = why;
    g_clear_pointer(&session->pending_command, postern_command_free);
    postern_session_end_transaction(session, now);
    postern_session_end_login(session, now);
    postern_session_set_state(session, POSTERN_SESSION_CLOSING, now);
    postern_session_log_end(session, now);
    postern_session_act(session, POSTERN_SESSION_CLOSE);
}

/* A line that is no line: RFC 5321 2.3.8 knows CRLF only, and a peer that differs may differ on where mail
 * ends. */
static gboolean refuse_line(PosternSession *session, PosternLineStatus status, gint64 now)
{
    gboolean reject = session->settings->configuration->proxy.bare_newline == POSTERN_BARE_NEWLINE_REJECT;
    gboolean repair = !reject || postern_session_observes(session);
    gboolean too_long = status == POSTERN_LINE_TOO_LONG || (repair && session->line.too_long);
    if (!too_long && (status == POSTERN_LINE_OK || (status == POSTERN_LINE_BARE && repair))) {
        if (status == POSTERN_LINE_BARE && reject)
            postern_session_would_refuse(session,
                                         "521 5.5.2 Lines must end in CRLF, and hold no other CR or LF");
        return FALSE;
    }
    /* Not answered here: it must not overtake the answers to those before it. */
    PosternCommand *command = postern_command_parse("", 0, FALSE);
    command->bare = !too_long && session->line.newline;
    command->too_long = too_long;
    command->problem = too_long ? "Command line too long" : "NUL is not allowed in a command";
    command->problem_code = "5.5.2";
    postern_session_run(session, command, now);
    return TRUE;
}

/* The client has said something whole: its time, and that of its back-end, starts again. */
static void note_progress(PosternSession *session, gint64 now)
{
    restart_client_deadline(session, now);
    postern_session_watch_hold(session, now);
    session->pace_octets = 0;
}

/* To a mail server that wants UTF-8 what is none is no command. */
static gboolean is_readable(const PosternSession *session, const char *line, gsize length)
{
    return (postern_session_manners(session)->manners & POSTERN_MANNER_WANTS_UTF8) == 0 ||
           !postern_session_offers(session, POSTERN_CAPABILITY_SMTPUTF8) ||
           g_utf8_validate_len(line, length, NULL);
}

/* If policy only observes, an address passes that any mail server takes, written so that it is clear. */
static PosternCommand *parse_line(const PosternSession *session, const char *line, gsize length)
{
    PosternCommand *command = postern_command_parse(line, length, postern_session_path_syntax(session));
    if (command->problem == NULL || !postern_session_observes(session))
        return command;
    PosternCommand *taken =
        postern_command_parse(line, length, POSTERN_PATH_UTF8 | POSTERN_PATH_LIBERAL | POSTERN_PATH_TAKEN);
    if (taken->problem != NULL) {
        postern_command_free(taken);
        return command;
    }
    taken->excused = command->problem;
    taken->excused_code = command->problem_code;
    postern_command_free(command);
    return taken;
}

static gboolean may_be_of_auth(const PosternSession *session)
{
    return session->state == POSTERN_SESSION_AUTHENTICATING || postern_session_offers_auth(session);
}

/* Only AUTH may be longer than other commands. */
static gboolean is_too_long(const char *line, gsize length)
{
    return length > POSTERN_COMMAND_LINE_MAX_OCTETS - strlen("\r\n") &&
           g_ascii_strncasecmp(line, "AUTH ", strlen("AUTH ")) != 0;
}

static gsize receive_line(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    gsize consumed = 0;
    const char *line = NULL;
    gsize line_length = 0;
    PosternLineStatus status;
    if (postern_line_reader_is_between_lines(&session->line))
        session->line.maximum =
            may_be_of_auth(session) ? POSTERN_AUTH_LINE_MAX_OCTETS : POSTERN_COMMAND_LINE_MAX_OCTETS;
    if (postern_line_reader_next(&session->line, octets, length, &consumed, &line, &line_length, &status) ==
        0)
        return consumed;
    note_progress(session, now);
    if (session->state == POSTERN_SESSION_AUTHENTICATING) {
        postern_session_auth_line(session, line, status, now);
        return consumed;
    }
    postern_session_note_command(session, now);
    if (status == POSTERN_LINE_OK && is_too_long(line, line_length))
        status = POSTERN_LINE_TOO_LONG;
    if (refuse_line(session, status, now))
        return consumed;
    gboolean skips = (postern_session_manners(session)->manners & POSTERN_MANNER_LEADING_BLANKS) != 0;
    for (; skips && line_length > 0 && (line[0] == ' ' || line[0] == '\t'); line++)
        line_length--;
    gboolean readable = is_readable(session, line, line_length);
    PosternCommand *command = parse_line(session, line, readable ? line_length : 0);
    if (!readable)
        command->problem = "The command is not UTF-8";
    command->foreign =
        readable && command->verb == POSTERN_COMMAND_UNKNOWN && postern_line_is_foreign(line, line_length);
    command->request = command->foreign && postern_line_is_request(line, line_length);
    command->followed = consumed < length;
    postern_session_run(session, command, now);
    return consumed;
}

gboolean postern_session_wants_input(const PosternSession *session)
{
    if (session->state == POSTERN_SESSION_AUTHENTICATING)
        return session->login->asks_client;
    if (session->checks_client)
        return FALSE;
    return postern_session_is(session, POSTERN_SESSION_READS_OCTETS)
               ? !postern_session_is_held_up(session)
               : postern_session_is(session, POSTERN_SESSION_READS_LINES) && session->pending_command == NULL;
}

gboolean postern_session_is_in_message(const PosternSession *session)
{
    return postern_session_is(session, POSTERN_SESSION_HAS_MESSAGE);
}

/* Octets that trickle in keep the client's time running on, but not a back-end that others wait for. */
static gsize receive_data(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    gsize consumed = session->state == POSTERN_SESSION_CHUNK
                         ? postern_session_receive_chunk(session, octets, length, now)
                         : postern_session_receive_data(session, octets, length, now);
    session->pace_octets += consumed;
    if (session->pace_octets >= POSTERN_BORROW_PACE_OCTETS)
        note_progress(session, now);
    else
        restart_client_deadline(session, now);
    return consumed;
}

void postern_session_hears_slowly(PosternSession *session)
{
    if (session->transaction != NULL)
        session->transaction->rate.deadline = POSTERN_NEVER;
}

void postern_session_has_heard(PosternSession *session, gint64 now)
{
    restart_client_deadline(session, now);
    postern_session_measure_rate(session, now);
}

gsize postern_session_receive(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    gsize taken = 0;
    while (taken < length && postern_session_wants_input(session)) {
        postern_session_our_turn_ends(session, TRUE, now);
        if (postern_session_is(session, POSTERN_SESSION_READS_OCTETS))
            taken += receive_data(session, octets + taken, length - taken, now);
        else
            taken += receive_line(session, octets + taken, length - taken, now);
    }
    session->core.octets += taken;
    return taken;
}

void postern_session_client_closed(PosternSession *session, gint64 now)
{
    if (final_dot_sent(session)) {
        /* The back-end may take the message: its answer is awaited and logged, though nobody hears it. */
        session->answer_deadline = G_MAXINT64;
        session->ended = "client-closed";
        return;
    }
    postern_session_finish(session, "client-closed", now);
}

void postern_session_set_budget(PosternSession *session, PosternBudget *budget)
{
    postern_budget_unref(session->budget);
    session->budget = postern_budget_ref(budget);
}

PosternBudget *postern_session_budget(const PosternSession *session)
{
    return session->budget;
}

void postern_session_set_capabilities(PosternSession *session, const PosternEhlo *ehlo)
{
    session->core.announced = *ehlo;
}

void postern_session_let_go(PosternSession *session, const char *text, gint64 now)
{
    session->leaving = text;
    if (session->state == POSTERN_SESSION_COMMAND && session->transaction == NULL)
        postern_session_end(session, text, now);
}

void postern_session_end(PosternSession *session, const char *text, gint64 now)
{
    if (session->state == POSTERN_SESSION_CLOSING)
        return;
    postern_session_reply(session, 421, "4.3.2", "%s", text);
    postern_session_finish(session, "let-go", now);
}

void postern_session_timer(PosternSession *session, gint64 now)
{
    postern_session_judge_hold(session, now);
    if (now >= session->answer_deadline) {
        session->answer_deadline = G_MAXINT64;
        postern_session_give_up_answer(session, now);
    }
    if (session->transaction != NULL && now >= session->transaction->rate.deadline)
        postern_session_judge_rate(session, now);
    if (now < session->core.client_deadline)
        return;
    if (postern_session_awaits_answers(session) || postern_session_is_held_up(session) ||
        session->checks_client) {
        restart_client_deadline(session, now);
        return;
    }
    if (session->transaction != NULL)
        postern_session_note_timeout(session, now);
    postern_session_reply(session, 421, "4.4.2", "Timeout while waiting for %s",
                          postern_session_is_in_message(session) ? "data" : "a command");
    postern_session_finish(session, "timeout", now);
}

gint64 postern_session_deadline(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    gint64 client = MIN(session->core.client_deadline, session->answer_deadline);
    gint64 hold = postern_session_hold_deadline(&session->hold);
    return MIN(client, transaction != NULL ? MIN(transaction->rate.deadline, hold) : hold);
}

PosternSessionWait postern_session_wait(const PosternSession *session)
{
    const PosternLogin *login = session->login;
    gboolean asks = session->query != NULL || (login != NULL && !login->asks_client);
    if (session->core.trusted ||
        !(asks || login != NULL ||
          postern_session_is(session, POSTERN_SESSION_READS_LINES | POSTERN_SESSION_READS_OCTETS)))
        return POSTERN_SESSION_WAITS_NOT;
    if (asks || postern_session_awaits_answers(session))
        return session->link == POSTERN_LINK_BORROWING ? POSTERN_SESSION_WAITS_FOR_BACKEND
                                                       : POSTERN_SESSION_WAITS_NOT;
    return session->transaction != NULL ? POSTERN_SESSION_WAITS_IN_MESSAGE : POSTERN_SESSION_WAITS_IDLE;
}

const PosternIdentifier *postern_session_identifier(const PosternSession *session)
{
    return &session->core.identifier;
}

const PosternEnvelope *postern_session_envelope(const PosternSession *session)
{
    return session->envelope;
}

GString *postern_session_output(PosternSession *session)
{
    return session->output;
}
