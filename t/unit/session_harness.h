/*
 * A session under test: what the client says goes in, replies come out as text; a real PosternBackend speaks
 * with a scripted MTA. No sockets, no sleeping: the clock is a number.
 */
#pragma once

#include <string.h>

#include "base/log.h"
#include "proxy/session/session.h"
#include "session_replies.h"
#include "support/smtp_peer.h"
#include "wire/data.h"

typedef struct {
    PosternProxySettings *settings;
    PosternSession *session;
    gint64 now;
    gsize piece; /* octets at a time, of client and MTA */
    GArray *rules;
    PosternBackend *backend; /* borrowed, or idle in the pool, or NULL */
    SmtpPeer peer;
    gboolean lent;
    gboolean returning;
    gboolean hold_borrow; /* BORROW waits for harness_give() */
    gboolean borrow_wanted;
    gboolean hold_inspection; /* INSPECT_MESSAGE waits for harness_inspected() */
    gboolean inspection_wanted;
    PosternFindings *findings;
    GString *replies;      /* what the client got */
    GString *commands;     /* what the MTA got, one a line */
    GString *message;      /* the last one that the MTA got whole, unstuffed; "" for none */
    GString *log;          /* closing lines */
    GString *pending;      /* octets of the client that were not taken yet */
    PosternChecks begun;   /* checks of the last INSPECT_ENVELOPE */
    PosternChecks checks;  /* of the last INSPECT_MESSAGE */
    GString *origins;      /* addresses of INSPECT_ORIGIN, one a line */
    gboolean others_wait;  /* what is offered is recalled at once */
    gboolean stays;        /* the session is never parked */
    PosternBudget *budget; /* of the client, or NULL: that of the settings */
    guint messages, borrows, offers, returns, abandons, cancels, closes, look_ups, parked;
} Harness;

static inline void harness_rule(Harness *harness, const char *prefix, const char *reply, guint times)
{
    HarnessRule rule = {prefix, reply, times};
    g_array_append_val(harness->rules, rule);
}

/* The MTA says text, in pieces. */
static inline void harness_mta_says(Harness *harness, const char *text)
{
    gsize length = strlen(text);
    for (gsize at = 0; at < length; at += harness->piece == G_MAXSSIZE ? length : harness->piece)
        postern_backend_receive(harness->backend, text + at, MIN(harness->piece, length - at), harness->now);
}

static inline void harness_mta_answers(Harness *harness, const char *command)
{
    const char *reply = harness_reply(harness->rules, command);
    if (g_str_equal(reply, HARNESS_SILENCE))
        return;
    if (g_str_equal(reply, HARNESS_CLOSE)) {
        postern_backend_closed(harness->backend, NULL, harness->now);
        return;
    }
    if (g_str_has_prefix(reply, "354"))
        smtp_peer_expect_message(&harness->peer);
    harness_mta_says(harness, reply);
}

static inline void harness_mta_gets(Harness *harness, const char *octets, gsize length)
{
    for (gsize at = 0; at < length;) {
        gsize taken = 0;
        SmtpPeerEvent event = smtp_peer_take(&harness->peer, octets + at, length - at, &taken);
        at += taken;
        if (event == SMTP_PEER_COMMAND) {
            g_string_append_printf(harness->commands, "%s\n", harness->peer.line->str);
            harness_mta_answers(harness, harness->peer.line->str);
        } else if (event == SMTP_PEER_MESSAGE) {
            g_autofree char *message = g_string_free(smtp_peer_message(&harness->peer), FALSE);
            g_string_assign(harness->message, message);
            harness->messages++;
            g_string_append(harness->commands, ".\n");
        }
    }
}

/* TRUE where something was sent to the MTA. */
static inline gboolean harness_flush_backend(Harness *harness)
{
    if (harness->backend == NULL || postern_backend_output(harness->backend)->len == 0)
        return FALSE;
    GString *output = postern_backend_output(harness->backend);
    g_autofree char *octets = g_strndup(output->str, output->len);
    gsize length = output->len;
    g_string_truncate(output, 0);
    harness_mta_gets(harness, octets, length);
    return TRUE;
}

static inline void harness_drop_backend(Harness *harness)
{
    g_clear_pointer(&harness->backend, postern_backend_free);
    harness->lent = harness->returning = FALSE;
}

/* TRUE where there was an event. */
static inline gboolean harness_backend_event(Harness *harness)
{
    if (harness->backend == NULL)
        return FALSE;
    g_autoptr(PosternBackendEvent) event = postern_backend_next_event(harness->backend);
    if (event == NULL)
        return FALSE;
    if (harness->lent)
        postern_session_backend_event(harness->session, event, harness->now);
    if (event->kind == POSTERN_BACKEND_FAILED) {
        if (!harness->lent && event->during < POSTERN_BACKEND_IDLE && harness->borrow_wanted) {
            harness->borrow_wanted = FALSE;
            postern_session_borrow_failed(harness->session, event->text, harness->now);
        }
        harness_drop_backend(harness);
    }
    return TRUE;
}

static inline void harness_send_message(Harness *harness, const PosternSessionAction *action)
{
    if (!harness->lent)
        return;
    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(action->message, action->edits, NULL);
    g_autoptr(GByteArray) wire = g_byte_array_new();
    PosternDataEncoder encoder;
    const char *octets = NULL;
    gsize length = 0;
    postern_data_encoder_init(&encoder);
    while (postern_message_reader_next(reader, 100, &octets, &length) > 0)
        g_assert_cmpint(postern_data_encoder_next(&encoder, octets, length, wire), ==, 0);
    g_assert_cmpint(postern_data_encoder_end(&encoder, wire), ==, 0);
    g_assert_true(harness->peer.in_data); /* not an octet before its 354 */
    guint before = harness->messages;
    harness_mta_gets(harness, (const char *)wire->data, wire->len);
    g_assert_cmpuint(harness->messages, ==, before + 1);
    postern_backend_message_sent(harness->backend, harness->now);
    if (postern_backend_state(harness->backend) == POSTERN_BACKEND_DATA_END)
        harness_mta_answers(harness, ".");
}

static inline void harness_open_backend(Harness *harness)
{
    const PosternConfiguration *configuration = harness->settings->configuration;
    PosternBackendOptions options = {
        .hostname = configuration->proxy.hostname,
        .client_address = configuration->proxy.client_address,
        .connect_timeout_ms = 1000,
        .timeout_ms = 10000,
        .data_end_timeout_ms = 20000,
    };
    harness->backend = postern_backend_new(&options, harness->now);
    smtp_peer_clear(&harness->peer);
    smtp_peer_init(&harness->peer);
    postern_backend_connected(harness->backend, harness->now);
    harness_mta_answers(harness, "connect");
}

/* The waiting BORROW is served, once the back-end is ready. */
static inline gboolean harness_serve_borrow(Harness *harness)
{
    if (!harness->borrow_wanted || harness->hold_borrow || harness->lent || harness->returning)
        return FALSE;
    if (harness->backend == NULL) {
        harness_open_backend(harness);
        return TRUE;
    }
    if (postern_backend_state(harness->backend) != POSTERN_BACKEND_IDLE)
        return FALSE;
    harness->borrow_wanted = FALSE;
    harness->lent = TRUE;
    harness->borrows++;
    postern_session_borrowed(harness->session, harness->backend, harness->now);
    return TRUE;
}

static inline void harness_act(Harness *harness, const PosternSessionAction *action)
{
    switch (action->kind) {
    case POSTERN_SESSION_BORROW:
        g_assert_false(harness->borrow_wanted || harness->lent);
        harness->borrow_wanted = TRUE;
        break;
    case POSTERN_SESSION_BORROW_CANCEL:
        harness->borrow_wanted = FALSE;
        harness->cancels++;
        break;
    case POSTERN_SESSION_OFFER:
        g_assert_true(harness->lent);
        harness->offers++;
        if (harness->others_wait)
            postern_session_recalled(harness->session, harness->now);
        break;
    case POSTERN_SESSION_RETURN:
        harness->returns++;
        harness->returning = harness->lent;
        harness->lent = FALSE;
        break;
    case POSTERN_SESSION_ABANDON:
        harness->abandons++;
        harness_drop_backend(harness);
        break;
    case POSTERN_SESSION_SEND_MESSAGE:
        harness_send_message(harness, action);
        break;
    case POSTERN_SESSION_INSPECT_MESSAGE:
        harness->checks = action->checks;
        harness->inspection_wanted = TRUE;
        break;
    case POSTERN_SESSION_INSPECT_CANCEL:
        harness->inspection_wanted = FALSE;
        break;
    case POSTERN_SESSION_INSPECT_ENVELOPE:
        harness->begun = action->checks;
        break;
    case POSTERN_SESSION_INSPECT_ORIGIN: {
        g_autofree char *address = postern_address_to_string(&action->envelope->client);
        g_string_append_printf(harness->origins, "%s %s\n", address, action->envelope->helo);
        break;
    }
    case POSTERN_SESSION_INSPECT_HEADER:
        break;
    case POSTERN_SESSION_LOOK_UP_NAME:
        harness->look_ups++;
        break;
    case POSTERN_SESSION_KEEP:
        break;
    case POSTERN_SESSION_LOG:
        g_string_append_printf(harness->log, "%s\n", postern_log_line_text(action->line));
        break;
    case POSTERN_SESSION_CLOSE:
        harness->closes++;
        break;
    }
}

static inline gboolean harness_run_actions(Harness *harness)
{
    PosternSessionAction action;
    gboolean any = FALSE;
    while (postern_session_next_action(harness->session, &action)) {
        harness_act(harness, &action);
        postern_session_action_clear(&action);
        any = TRUE;
    }
    return any;
}

static inline gboolean harness_feed(Harness *harness)
{
    gsize length = MIN(harness->pending->len, harness->piece);
    if (length == 0)
        return FALSE;
    gsize taken = postern_session_receive(harness->session, harness->pending->str, length, harness->now);
    g_string_erase(harness->pending, 0, (gssize)taken);
    return taken > 0;
}

static inline void harness_inspected(Harness *harness, const char *problem)
{
    g_assert_true(harness->inspection_wanted);
    harness->inspection_wanted = FALSE;
    postern_session_inspected(harness->session, harness->findings, problem, harness->now);
}

/* Wherever a session may be parked it is, and nothing that follows may tell. */
static inline void harness_park(Harness *harness)
{
    PosternParkedSession *parked = harness->stays ? NULL : postern_session_park(harness->session);
    if (parked == NULL)
        return;
    harness->parked++;
    harness->session = postern_session_resume(harness->settings, parked);
    if (harness->budget != NULL)
        postern_session_set_budget(harness->session, harness->budget);
}

/* Lets all happen that can happen now. */
static inline void harness_run(Harness *harness)
{
    gboolean any = TRUE;
    while (any) {
        any = harness_run_actions(harness) || harness_flush_backend(harness) ||
              harness_backend_event(harness) || harness_serve_borrow(harness);
        if (!any && harness->inspection_wanted && !harness->hold_inspection) {
            harness_inspected(harness, NULL);
            any = TRUE;
        }
        if (!any && harness->returning && postern_backend_state(harness->backend) == POSTERN_BACKEND_IDLE) {
            harness->returning = FALSE;
            if (!postern_backend_is_reusable(harness->backend))
                harness_drop_backend(harness);
            any = TRUE;
        }
        if (!any)
            any = harness_feed(harness);
        GString *output = postern_session_output(harness->session);
        if (output->len > 0 && postern_session_has_our_turn(harness->session))
            postern_session_our_turn_ends(harness->session, harness->pending->len > 0);
        g_string_append_len(harness->replies, output->str, (gssize)output->len);
        g_string_truncate(output, 0);
        harness_park(harness);
    }
}

/* A configuration of group and key lines, above which [proxy] with a host name stands; a client from address.
 */
static inline void harness_start_from(Harness *harness, const char *text, const char *address,
                                      gboolean submission, gsize piece)
{
    g_autofree char *file = g_strdup_printf("[proxy]\nhostname = mx.test\nclient_timeout = 60s\n%s\n", text);
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(file, strlen(file), "test", &error);
    g_assert_no_error(error);
    *harness = (Harness){.now = 100000, .piece = piece};
    harness->settings = postern_proxy_settings_new(configuration, NULL, &error);
    g_assert_no_error(error);
    harness->rules = g_array_new(FALSE, FALSE, sizeof(HarnessRule));
    GString **strings[] = {&harness->replies, &harness->commands, &harness->message,
                           &harness->log,     &harness->pending,  &harness->origins};
    for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
        *strings[i] = g_string_new(NULL);
    smtp_peer_init(&harness->peer);
    harness->findings = postern_findings_new();
    postern_virus_finding_clean(&harness->findings->virus);
    PosternAddress client;
    g_assert_true(postern_address_parse(&client, address));
    harness->session = postern_session_new(harness->settings, &client, submission, harness->now);
    const PosternEhlo ehlo = {.capabilities = POSTERN_CAPABILITY_8BITMIME | POSTERN_CAPABILITY_DSN |
                                              POSTERN_CAPABILITY_ENHANCEDSTATUSCODES};
    postern_session_set_capabilities(harness->session, &ehlo);
    postern_session_client_name(harness->session, "client.test", FALSE, harness->now);
}

static inline void harness_start(Harness *harness, const char *text, gsize piece)
{
    harness_start_from(harness, text, "192.0.2.7", FALSE, piece);
}

/* All that was taken for messages is given back. */
static inline void harness_finish(Harness *harness)
{
    g_autoptr(PosternBudget) budget = postern_budget_ref(harness->settings->budget);
    harness_drop_backend(harness);
    postern_session_free(harness->session);
    postern_findings_free(harness->findings);
    smtp_peer_clear(&harness->peer);
    GString *strings[] = {harness->replies, harness->commands, harness->message,
                          harness->log,     harness->pending,  harness->origins};
    for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
        g_string_free(strings[i], TRUE);
    g_array_unref(harness->rules);
    postern_proxy_settings_unref(harness->settings);
    g_assert_cmpuint(postern_budget_used(budget), ==, 0);
}

static inline void harness_say(Harness *harness, const char *text)
{
    g_string_append(harness->pending, text);
    harness_run(harness);
}

/* The codes of the replies since the last look: "250 550". */
static inline void harness_expect(Harness *harness, const char *codes)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(harness->replies->str, "\r\n", -1);
    for (guint i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++) {
        g_assert_cmpuint(strlen(lines[i]), >=, 4);
        if (lines[i][3] == ' ')
            g_string_append_printf(seen, "%s%.3s", seen->len > 0 ? " " : "", lines[i]);
    }
    g_assert_cmpstr(seen->str, ==, codes);
    g_string_truncate(harness->replies, 0);
}

/* The id that stands in brackets at the end of reply, a new string. */
static inline char *harness_id_of(const char *reply)
{
    const char *bracket = strrchr(reply, '[');
    g_assert_nonnull(bracket);
    g_assert_cmpuint(strcspn(bracket + 1, "]"), ==, POSTERN_IDENTIFIER_LENGTH);
    return g_strndup(bracket + 1, POSTERN_IDENTIFIER_LENGTH);
}

/* The replies since the last look, whole; every id of a session or message in brackets as "[id]". */
static inline void harness_expect_text(Harness *harness, const char *text)
{
    g_autoptr(GRegex) identifier = g_regex_new("\\[[0-9A-Za-z]{16}\\]", 0, 0, NULL);
    g_string_replace(harness->replies, postern_session_identifier(harness->session)->text, "id", 0);
    g_autofree char *replies =
        g_regex_replace_literal(identifier, harness->replies->str, -1, 0, "[id]", 0, NULL);
    g_assert_cmpstr(replies, ==, text);
    g_string_truncate(harness->replies, 0);
}

/* What the MTA got since the last look. */
static inline void harness_expect_commands(Harness *harness, const char *commands)
{
    g_assert_cmpstr(harness->commands->str, ==, commands);
    g_string_truncate(harness->commands, 0);
}

/* Somewhere in the closing lines; they stay. */
static inline void harness_expect_log(const Harness *harness, const char *words)
{
    if (strstr(harness->log->str, words) == NULL)
        g_error("'%s' is not in the log: %s", words, harness->log->str);
}

static inline guint harness_count_log(const Harness *harness, const char *words)
{
    guint count = 0;
    for (const char *at = harness->log->str; (at = strstr(at, words)) != NULL; at += strlen(words))
        count++;
    return count;
}

/* Time passes; deadlines that are met on the way are told in their order. */
static inline void harness_wait(Harness *harness, gint64 milliseconds)
{
    gint64 end = harness->now + milliseconds;
    for (;;) {
        gint64 session = postern_session_deadline(harness->session);
        gint64 backend = harness->backend != NULL ? postern_backend_deadline(harness->backend) : G_MAXINT64;
        gint64 next = MIN(session, backend);
        if (next > end)
            break;
        g_assert_cmpint(next, >=, harness->now);
        harness->now = next;
        if (backend == next)
            postern_backend_timer(harness->backend, next);
        if (session == next)
            postern_session_timer(harness->session, next);
        harness_run(harness);
    }
    harness->now = end;
}

static inline void harness_greet(Harness *harness)
{
    harness_say(harness, "EHLO client.test\r\n");
    harness_expect(harness, "220 250");
}

/* Greeted, MAIL and one RCPT accepted; what the MTA got is forgotten. */
static inline void harness_open_envelope(Harness *harness)
{
    harness_greet(harness);
    harness_say(harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
    harness_expect(harness, "250 250");
    g_string_truncate(harness->commands, 0);
}
