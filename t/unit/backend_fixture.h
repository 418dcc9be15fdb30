/*
 * A back-end under test: what the MTA says goes in whole or in pieces, events and output come out as text.
 */
#pragma once

#include <string.h>

#include "proxy/servers/backend.h"
#include "trickle.h"

#define TIMEOUT_MS 1000
#define DATA_END_TIMEOUT_MS 5000

G_GNUC_UNUSED static const char ehlo_xclient[] =
    "250-mta\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n"
    "250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n";
G_GNUC_UNUSED static const char ehlo_xforward[] =
    "250-mta\r\n250-PIPELINING\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n";
G_GNUC_UNUSED static const char ehlo_plain[] = "250-mta\r\n250 PIPELINING\r\n";
G_GNUC_UNUSED static const char ehlo_slow[] = "250 mta\r\n"; /* no PIPELINING */

typedef struct {
    PosternBackend *backend;
    gsize piece;
    gint64 now;
    GString *events; /* "ready ", "rcpt:550 " … */
    PosternBackendEvent *last;
} Fixture;

static inline void start_with_tls(Fixture *fixture, PosternClientAddress way, PosternTls tls, gsize piece)
{
    PosternBackendOptions options = {.hostname = "mx.test",
                                     .client_address = way,
                                     .tls = tls,
                                     .connect_timeout_ms = 100,
                                     .timeout_ms = TIMEOUT_MS,
                                     .data_end_timeout_ms = DATA_END_TIMEOUT_MS};
    *fixture = (Fixture){.piece = piece, .now = 1000, .events = g_string_new(NULL)};
    fixture->backend = postern_backend_new(&options, fixture->now);
}

static inline void start(Fixture *fixture, PosternClientAddress way, gsize piece)
{
    start_with_tls(fixture, way, POSTERN_TLS_OFF, piece);
}

static inline void finish(Fixture *fixture)
{
    postern_backend_event_free(fixture->last);
    postern_backend_free(fixture->backend);
    g_string_free(fixture->events, TRUE);
}

static const char *const event_names[] = {
    [POSTERN_BACKEND_START_TLS] = "start-tls",   [POSTERN_BACKEND_READY] = "ready",
    [POSTERN_BACKEND_IDENTIFIED] = "identified", [POSTERN_BACKEND_MAIL_REPLY] = "mail",
    [POSTERN_BACKEND_RCPT_REPLY] = "rcpt",       [POSTERN_BACKEND_DATA_REPLY] = "data",
    [POSTERN_BACKEND_FINAL_REPLY] = "final",     [POSTERN_BACKEND_RESET_DONE] = "reset",
    [POSTERN_BACKEND_FAILED] = "failed",         [POSTERN_BACKEND_ENDED] = "ended",
};

/* What happened since the last look. */
static inline void expect_events(Fixture *fixture, const char *expected)
{
    PosternBackendEvent *event;
    g_string_truncate(fixture->events, 0);
    while ((event = postern_backend_next_event(fixture->backend)) != NULL) {
        g_string_append_printf(fixture->events, "%s%s", fixture->events->len > 0 ? " " : "",
                               event_names[event->kind]);
        if (event->kind >= POSTERN_BACKEND_MAIL_REPLY && event->kind <= POSTERN_BACKEND_FINAL_REPLY)
            g_string_append_printf(fixture->events, ":%u", event->reply->code);
        postern_backend_event_free(fixture->last);
        fixture->last = event;
    }
    g_assert_cmpstr(fixture->events->str, ==, expected);
}

/* What it wants sent since the last look. */
static inline void expect_output(Fixture *fixture, const char *expected)
{
    GString *output = postern_backend_output(fixture->backend);
    g_assert_cmpstr(output->str, ==, expected);
    g_string_truncate(output, 0);
}

static inline gboolean receive_piece(const char *piece, gsize length, gpointer user)
{
    Fixture *fixture = user;
    postern_backend_receive(fixture->backend, piece, length, fixture->now);
    return TRUE;
}

static inline void say(Fixture *fixture, const char *text)
{
    trickle(text, strlen(text), fixture->piece, receive_piece, fixture);
}

static inline void expect_state(const Fixture *fixture, PosternBackendState state)
{
    g_assert_cmpstr(postern_backend_state_name(postern_backend_state(fixture->backend)), ==,
                    postern_backend_state_name(state));
}

static inline void greet(Fixture *fixture, const char *ehlo)
{
    postern_backend_connected(fixture->backend, fixture->now);
    expect_state(fixture, POSTERN_BACKEND_GREETING);
    expect_output(fixture, "");
    say(fixture, "220 mta ESMTP\r\n");
    expect_output(fixture, "EHLO mx.test\r\n");
    expect_state(fixture, POSTERN_BACKEND_EHLO);
    say(fixture, ehlo);
    expect_output(fixture, "");
}

static inline void greet_ready(Fixture *fixture, const char *ehlo)
{
    greet(fixture, ehlo);
    expect_events(fixture, "ready");
    expect_state(fixture, POSTERN_BACKEND_IDLE);
    g_assert_cmpint(postern_backend_deadline(fixture->backend), ==, G_MAXINT64);
}

static inline PosternEnvelope *client_envelope(const char *address)
{
    PosternEnvelope *envelope = postern_envelope_new();
    g_assert_true(postern_address_parse(&envelope->client, address));
    envelope->client.port = 4711;
    envelope->helo = g_strdup("client.test");
    envelope->esmtp = TRUE;
    envelope->session = g_strdup("SESSION");
    return envelope;
}

static inline void identify(Fixture *fixture, const PosternEnvelope *envelope, gboolean temporary)
{
    const PosternBackendClient client = {.envelope = envelope, .name_temporary = temporary};
    postern_backend_identify(fixture->backend, &client, fixture->now);
}

static inline void identify_none(Fixture *fixture)
{
    g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.7");
    identify(fixture, envelope, FALSE);
    expect_events(fixture, "identified");
    expect_output(fixture, "");
}

/* Greeted, told of its client, in a transaction with that many recipients accepted. */
static inline void open_envelope(Fixture *fixture, guint recipients)
{
    postern_backend_mail(fixture->backend, "a@x.test", " SIZE=5", fixture->now);
    expect_output(fixture, "MAIL FROM:<a@x.test> SIZE=5\r\n");
    say(fixture, "250 ok\r\n");
    expect_events(fixture, "mail:250");
    for (guint i = 0; i < recipients; i++) {
        postern_backend_recipient(fixture->backend, "b@y.test", "", fixture->now);
        expect_output(fixture, "RCPT TO:<b@y.test>\r\n");
        say(fixture, "250 ok\r\n");
        expect_events(fixture, "rcpt:250");
    }
}

static inline void start_transaction(Fixture *fixture, gsize piece, const char *ehlo)
{
    start(fixture, POSTERN_CLIENT_ADDRESS_NONE, piece);
    greet_ready(fixture, ehlo);
    identify_none(fixture);
}

typedef struct {
    const char *name;
    void (*test)(gsize piece);
} Case;

/* With the back-end's words whole, then one octet at a time, then in threes. */
static inline void run_case(gconstpointer data)
{
    const Case *each = data;
    each->test(G_MAXSSIZE);
    each->test(1);
    each->test(3);
}

/* What main() comes to. */
static inline int run_cases(int argc, char **argv, const Case *cases, gsize count)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < count; i++)
        g_test_add_data_func(cases[i].name, &cases[i], run_case);
    return g_test_run();
}
