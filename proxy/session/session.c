#include "proxy/session/session.h"

#include <string.h>

#include "base/limits.h"
#include "proxy/session/private.h"
#include "wire/foreign.h"

static const char *state_name(PosternSessionState state)
{
    static const char *const names[] = {
        [POSTERN_SESSION_COMMAND] = "command",
        [POSTERN_SESSION_STARTING_TLS] = "starting TLS",
        [POSTERN_SESSION_DATA] = "data",
        [POSTERN_SESSION_INSPECTING] = "inspecting",
        [POSTERN_SESSION_DELIVERING] = "delivering",
        [POSTERN_SESSION_CLOSING] = "closing",
    };
    return names[state];
}

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
        g_array_set_size(session->actions, 0);
        session->acted = 0;
        return FALSE;
    }
    *ret_action = g_array_index(session->actions, PosternSessionAction, session->acted++);
    return TRUE;
}

void postern_session_greet(PosternSession *session)
{
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
    session->budget = postern_budget_ref(settings->budget);
    session->output = g_string_new(NULL);
    session->actions = g_array_new(FALSE, FALSE, sizeof(PosternSessionAction));
    postern_line_reader_init(&session->line, POSTERN_COMMAND_LINE_MAX_OCTETS);
    return session;
}

PosternSession *postern_session_new(PosternProxySettings *settings, const PosternAddress *client,
                                    gboolean submission, gint64 now)
{
    PosternSession *session = postern_session_alloc(settings);
    session->core.identifier = postern_identifier_new();
    session->core.started = now;
    session->core.announced.capabilities = POSTERN_CAPABILITY_8BITMIME;
    session->envelope->session = g_strdup(session->core.identifier.text);
    postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
    postern_session_client_init(session, client, submission);
    if (postern_proxy_settings_is_filter(settings) && !session->core.trusted) {
        postern_session_reply(session, 554, "5.7.1", "Only [proxy] trusted_clients may connect here");
        postern_session_finish(session, "not-trusted", now);
        return session;
    }
    postern_session_greet(session);
    return session;
}

void postern_session_free(PosternSession *session)
{
    if (session == NULL)
        return;
    PosternSessionAction action;
    while (postern_session_next_action(session, &action))
        postern_session_action_clear(&action);
    g_array_unref(session->actions);
    postern_session_drop_transaction(session);
    g_clear_pointer(&session->pending_command, postern_command_free);
    postern_line_reader_clear(&session->line);
    postern_session_forget_forwarded(session);
    postern_session_core_clear(&session->core);
    postern_budget_unref(session->budget);
    postern_envelope_free(session->envelope);
    g_string_free(session->output, TRUE);
    g_free(session->tls);
    postern_proxy_settings_unref(session->settings);
    g_free(session);
}

static gint64 client_wait_ms(const PosternSession *session)
{
    const PosternConfiguration *configuration = session->settings->configuration;
    switch (session->state) {
    case POSTERN_SESSION_COMMAND:
    case POSTERN_SESSION_STARTING_TLS:
        return configuration->proxy.client_timeout_ms;
    case POSTERN_SESSION_DATA:
        return configuration->proxy.client_data_timeout_ms;
    default:
        return -1;
    }
}

static void restart_client_deadline(PosternSession *session, gint64 now)
{
    gint64 wait = client_wait_ms(session);
    session->core.client_deadline = wait < 0 ? G_MAXINT64 : now + wait;
}

void postern_session_set_state(PosternSession *session, PosternSessionState state, gint64 now)
{
    postern_log_state("session", session->core.identifier.text, state_name(session->state),
                      state_name(state));
    session->state = state;
    restart_client_deadline(session, now);
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
}

void postern_session_finish(PosternSession *session, const char *why, gint64 now)
{
    if (session->state == POSTERN_SESSION_CLOSING)
        return;
    if (session->ended == NULL)
        session->ended = why;
    g_clear_pointer(&session->pending_command, postern_command_free);
    postern_session_end_transaction(session, now);
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
                                         "521 5.5.2 Lines must end in CRLF, and hold no other CR, LF or NUL");
        return FALSE;
    }
    /* Not answered here: it must not overtake the answers to those before it. */
    PosternCommand *command = postern_command_parse("", 0, FALSE);
    command->bare = !too_long;
    command->problem = "Command line too long";
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

/* What a server in front has taken is taken; it may have announced SMTPUTF8 (RFC 6531) whatever we say. */
static guint path_syntax(const PosternSession *session)
{
    if (postern_proxy_settings_is_filter(session->settings))
        return POSTERN_PATH_UTF8 | POSTERN_PATH_LIBERAL | POSTERN_PATH_TAKEN;
    return session->settings->configuration->proxy.strict_envelopes ? 0 : POSTERN_PATH_LIBERAL;
}

/* If policy only observes, an address passes that any mail server takes, written so that it is clear. */
static PosternCommand *parse_line(const PosternSession *session, const char *line, gsize length)
{
    PosternCommand *command = postern_command_parse(line, length, path_syntax(session));
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

static gsize receive_line(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    gsize consumed = 0;
    const char *line = NULL;
    gsize line_length = 0;
    PosternLineStatus status;
    if (postern_line_reader_next(&session->line, octets, length, &consumed, &line, &line_length, &status) ==
        0)
        return consumed;
    note_progress(session, now);
    session->core.commands++;
    if (refuse_line(session, status, now))
        return consumed;
    PosternCommand *command = parse_line(session, line, line_length);
    command->foreign = command->verb == POSTERN_COMMAND_UNKNOWN && postern_line_is_foreign(line, line_length);
    postern_session_run(session, command, now);
    return consumed;
}

gboolean postern_session_wants_input(const PosternSession *session)
{
    return (session->state == POSTERN_SESSION_COMMAND && session->pending_command == NULL) ||
           (session->state == POSTERN_SESSION_DATA && !postern_session_is_held_up(session));
}

gboolean postern_session_is_in_message(const PosternSession *session)
{
    return session->state == POSTERN_SESSION_DATA;
}

/* Octets that trickle in keep the client's time running on, but not a back-end that others wait for. */
static gsize receive_data(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    gsize consumed = postern_session_receive_data(session, octets, length, now);
    session->pace_octets += consumed;
    if (session->pace_octets >= POSTERN_BORROW_PACE_OCTETS)
        note_progress(session, now);
    else
        restart_client_deadline(session, now);
    return consumed;
}

gboolean postern_session_has_our_turn(const PosternSession *session)
{
    return session->our_turn != POSTERN_TURN_NONE;
}

void postern_session_our_turn_ends(PosternSession *session, gboolean early)
{
    session->core.early_greeting += early && session->our_turn == POSTERN_TURN_GREETING;
    session->core.early_data += early && session->our_turn == POSTERN_TURN_DATA;
    session->our_turn = POSTERN_TURN_NONE;
}

gsize postern_session_receive(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    gsize taken = 0;
    while (taken < length && postern_session_wants_input(session)) {
        postern_session_our_turn_ends(session, TRUE);
        if (session->state == POSTERN_SESSION_DATA)
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
    g_string_truncate(session->output, 0);
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
    if (postern_session_awaits_answers(session) || postern_session_is_held_up(session)) {
        restart_client_deadline(session, now);
        return;
    }
    postern_session_reply(session, 421, "4.4.2", "Timeout while waiting for %s",
                          session->state == POSTERN_SESSION_DATA ? "data" : "a command");
    postern_session_finish(session, "timeout", now);
}

gint64 postern_session_deadline(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    gint64 client = MIN(session->core.client_deadline, session->answer_deadline);
    if (transaction == NULL)
        return client;
    return MIN(client, MIN(transaction->rate.deadline, postern_session_hold_deadline(&transaction->hold)));
}

PosternSessionWait postern_session_wait(const PosternSession *session)
{
    gboolean receives = session->state == POSTERN_SESSION_COMMAND || session->state == POSTERN_SESSION_DATA;
    if (!receives || session->core.trusted)
        return POSTERN_SESSION_WAITS_NOT;
    if (postern_session_awaits_answers(session))
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
