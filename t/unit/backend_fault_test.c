#include "proxy/servers/backend.h"

#include <string.h>

#include "backend_fixture.h"
#include "base/limits.h"

/* A dialogue up to a place; what comes next there is up to the case. */
typedef struct {
    const char *name;
    PosternBackendState state;
    const char *reply; /* what is due there */
} Place;

static const Place places[] = {
    {"greeting", POSTERN_BACKEND_GREETING, "220 mta\r\n"},
    {"ehlo", POSTERN_BACKEND_EHLO, "250 mta\r\n"},
    {"identifying", POSTERN_BACKEND_IDENTIFYING, "220 mta\r\n"},
    {"mail", POSTERN_BACKEND_ENVELOPE, "250 ok\r\n"},
    {"rcpt", POSTERN_BACKEND_ENVELOPE, "250 ok\r\n"},
    {"data", POSTERN_BACKEND_ENVELOPE, "354 go\r\n"},
    {"reset", POSTERN_BACKEND_ENVELOPE, "250 ok\r\n"},
    {"final", POSTERN_BACKEND_DATA_END, "250 ok\r\n"},
};

/* At the place named last, its command is on its way and not answered. */
static void go_to(Fixture *fixture, const char *place, gsize piece)
{
    g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.7");
    start(fixture, POSTERN_CLIENT_ADDRESS_XCLIENT, piece);
    postern_backend_connected(fixture->backend, fixture->now);
    if (g_str_equal(place, "greeting"))
        return;
    say(fixture, "220 mta ESMTP\r\n");
    if (g_str_equal(place, "ehlo"))
        return;
    say(fixture, ehlo_xclient);
    identify(fixture, envelope, FALSE);
    if (g_str_equal(place, "identifying"))
        return;
    say(fixture, "220 mta ESMTP\r\n");
    say(fixture, ehlo_xclient);
    expect_events(fixture, "ready identified");
    postern_backend_mail(fixture->backend, "", "", fixture->now);
    if (g_str_equal(place, "mail"))
        return;
    say(fixture, "250 ok\r\n");
    if (g_str_equal(place, "reset")) {
        postern_backend_reset(fixture->backend, fixture->now);
        return;
    }
    postern_backend_recipient(fixture->backend, "b@y.test", "", fixture->now);
    if (g_str_equal(place, "rcpt"))
        return;
    say(fixture, "250 ok\r\n");
    postern_backend_data(fixture->backend, fixture->now);
    if (g_str_equal(place, "data"))
        return;
    say(fixture, "354 go\r\n");
    if (g_str_equal(place, "sending"))
        return;
    postern_backend_message_sent(fixture->backend, fixture->now);
}

static void drop_events(Fixture *fixture)
{
    PosternBackendEvent *event;
    while ((event = postern_backend_next_event(fixture->backend)) != NULL)
        postern_backend_event_free(event);
}

/* The last of the events is a failure in that state, once, and nothing follows it whatever comes. */
static void expect_failure(Fixture *fixture, PosternBackendState during, const char *words)
{
    g_autofree char *pattern = g_strdup_printf("*%s*", words);
    guint failures = 0;
    PosternBackendEvent *event;
    while ((event = postern_backend_next_event(fixture->backend)) != NULL) {
        failures += event->kind == POSTERN_BACKEND_FAILED;
        postern_backend_event_free(fixture->last);
        fixture->last = event;
    }
    g_assert_cmpuint(failures, ==, 1);
    g_assert_cmpint(fixture->last->kind, ==, POSTERN_BACKEND_FAILED);
    g_assert_cmpstr(postern_backend_state_name(fixture->last->during), ==,
                    postern_backend_state_name(during));
    g_assert_true(g_pattern_match_simple(pattern, fixture->last->text));
    expect_state(fixture, POSTERN_BACKEND_CLOSED);
    expect_output(fixture, "");
    g_assert_cmpint(postern_backend_deadline(fixture->backend), ==, G_MAXINT64);
    say(fixture, "250 ok\r\n");
    postern_backend_closed(fixture->backend, NULL, fixture->now);
    postern_backend_timer(fixture->backend, G_MAXINT64);
    expect_events(fixture, "");
}

/* 421 may come anywhere: the connection is of no more use, and a transaction's reply still reaches its user.
 */
static void test_421(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        Fixture fixture;
        go_to(&fixture, places[i].name, piece);
        drop_events(&fixture);
        g_string_truncate(postern_backend_output(fixture.backend), 0);
        say(&fixture, "421-4.3.2 closing\r\n421 4.3.2 now\r\n");
        gboolean has_reply = g_str_equal(places[i].name, "mail") || g_str_equal(places[i].name, "rcpt") ||
                             g_str_equal(places[i].name, "data") || g_str_equal(places[i].name, "final");
        if (has_reply) {
            g_autoptr(PosternBackendEvent) event = postern_backend_next_event(fixture.backend);
            g_assert_nonnull(event->reply);
            g_assert_cmpuint(event->reply->code, ==, 421);
        }
        PosternBackendState during =
            places[i].state == POSTERN_BACKEND_DATA_END ? POSTERN_BACKEND_IDLE : places[i].state;
        expect_failure(&fixture, during, "421");
        /* Once it knows of the client, it may be this one that it has too much of. */
        gboolean knows_client = places[i].state == POSTERN_BACKEND_IDENTIFYING;
        g_assert_cmpint(fixture.last->fault, ==,
                        knows_client ? POSTERN_BACKEND_FAULT_CLIENT : POSTERN_BACKEND_FAULT_LOST);
        finish(&fixture);
    }
}

static void test_closed(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        for (guint with_reason = 0; with_reason < 2; with_reason++) {
            Fixture fixture;
            go_to(&fixture, places[i].name, piece);
            drop_events(&fixture);
            postern_backend_closed(fixture.backend, with_reason ? "Connection reset by peer" : NULL,
                                   fixture.now);
            expect_failure(&fixture, places[i].state,
                           with_reason ? "reset by peer" : "closed the connection");
            finish(&fixture);
        }
    }
}

/* Its user hears of what came before the failure first, and acts on that. */
static void test_commands_after_failure(gsize piece)
{
    g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.7");
    Fixture fixture;
    start_transaction(&fixture, piece, ehlo_plain);
    postern_backend_mail(fixture.backend, "", "", fixture.now);
    expect_output(&fixture, "MAIL FROM:<>\r\n");
    say(&fixture, "250 ok\r\n421 closing\r\n");
    postern_backend_recipient(fixture.backend, "b@y.test", "", fixture.now);
    postern_backend_data(fixture.backend, fixture.now);
    postern_backend_reset(fixture.backend, fixture.now);
    const PosternBackendClient client = {.envelope = envelope};
    postern_backend_identify(fixture.backend, &client, fixture.now);
    postern_backend_mail(fixture.backend, "", "", fixture.now);
    postern_backend_message_sent(fixture.backend, fixture.now);
    postern_backend_quit(fixture.backend, fixture.now);
    expect_failure(&fixture, POSTERN_BACKEND_ENVELOPE, "421 closing");
    finish(&fixture);
}

static void test_garbage(gsize piece)
{
    static const char *const garbage[] = {
        "\r\n",         "2\r\n",     "abc\r\n", "250\tok\r\n", "99 \r\n", "600 x\r\n", "250-a\r\n251 b\r\n",
        "\xff\xfe\r\n", "100 x\r\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        for (gsize k = 0; k < G_N_ELEMENTS(garbage); k++) {
            Fixture fixture;
            go_to(&fixture, places[i].name, piece);
            drop_events(&fixture);
            say(&fixture, garbage[k]);
            expect_failure(&fixture, places[i].state, "does not speak SMTP");
            finish(&fixture);
        }
    }
}

/* What is only long has its code; what has no end is none. */
static void test_endless_reply(gsize piece)
{
    g_autofree char *word = g_strnfill(POSTERN_REPLY_LINE_MAX_OCTETS + 10, 'x');
    g_autofree char *line = g_strdup_printf("550 %s\r\n", word);
    Fixture fixture;
    go_to(&fixture, "final", piece);
    drop_events(&fixture);
    say(&fixture, line);
    expect_events(&fixture, "final:550");
    finish(&fixture);

    go_to(&fixture, "mail", piece);
    drop_events(&fixture);
    for (guint octets = 0; octets <= POSTERN_REPLY_SKIPPED_MAX_OCTETS; octets += strlen("250-more\r\n"))
        say(&fixture, "250-more\r\n");
    expect_failure(&fixture, POSTERN_BACKEND_ENVELOPE, "does not speak SMTP");
    finish(&fixture);
}

/* Each dialogue, then one reply more than was asked for. */
static void test_unasked(gsize piece)
{
    Fixture fixture;
    start_transaction(&fixture, piece, ehlo_plain);
    say(&fixture, "250 ok\r\n");
    expect_failure(&fixture, POSTERN_BACKEND_IDLE, "spoke unasked");
    finish(&fixture);

    start_transaction(&fixture, piece, ehlo_plain);
    say(&fixture, "421 4.4.2 idle too long\r\n");
    expect_failure(&fixture, POSTERN_BACKEND_IDLE, "idle too long");
    finish(&fixture);

    start_transaction(&fixture, piece, ehlo_plain);
    open_envelope(&fixture, 1);
    say(&fixture, "250 ok\r\n");
    expect_failure(&fixture, POSTERN_BACKEND_ENVELOPE, "spoke unasked");
    finish(&fixture);

    go_to(&fixture, "sending", piece);
    drop_events(&fixture);
    say(&fixture, "552 too big\r\n");
    expect_failure(&fixture, POSTERN_BACKEND_SENDING, "spoke unasked*552");
    postern_backend_message_sent(fixture.backend, fixture.now);
    expect_state(&fixture, POSTERN_BACKEND_CLOSED);
    finish(&fixture);
}

/* Two replies to the dot: the first counts, and the connection is of no more use. */
static void test_double_final(gsize piece)
{
    Fixture fixture;
    go_to(&fixture, "final", piece);
    drop_events(&fixture);
    say(&fixture, "250 ok\r\n550 no\r\n");
    g_autoptr(PosternBackendEvent) event = postern_backend_next_event(fixture.backend);
    g_assert_cmpint(event->kind, ==, POSTERN_BACKEND_FINAL_REPLY);
    g_assert_cmpuint(event->reply->code, ==, 250);
    expect_failure(&fixture, POSTERN_BACKEND_IDLE, "spoke unasked");
    g_assert_false(postern_backend_is_reusable(fixture.backend));
    finish(&fixture);
}

/* What answers DATA with anything but 354, 4xx or 5xx may take commands for mail. */
static void test_odd_data_replies(gsize piece)
{
    static const char *const odd[] = {"250 ok\r\n", "334 go\r\n", "300 go\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(odd); i++) {
        Fixture fixture;
        go_to(&fixture, "data", piece);
        drop_events(&fixture);
        say(&fixture, odd[i]);
        expect_failure(&fixture, POSTERN_BACKEND_ENVELOPE, "answered DATA");
        finish(&fixture);
    }
}

static void test_reset_in_flight(gsize piece)
{
    Fixture fixture;
    start_transaction(&fixture, piece, ehlo_plain);
    postern_backend_mail(fixture.backend, "", "", fixture.now);
    postern_backend_recipient(fixture.backend, "b@y.test", "", fixture.now);
    postern_backend_reset(fixture.backend, fixture.now);
    expect_output(&fixture, "MAIL FROM:<>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n");
    say(&fixture, "550 no\r\n503 no\r\n");
    expect_events(&fixture, "");
    expect_state(&fixture, POSTERN_BACKEND_ENVELOPE);
    g_assert_false(postern_backend_is_reusable(fixture.backend));
    say(&fixture, "250 ok\r\n");
    expect_events(&fixture, "reset");
    expect_state(&fixture, POSTERN_BACKEND_IDLE);
    g_assert_true(postern_backend_is_reusable(fixture.backend));
    finish(&fixture);

    start_transaction(&fixture, piece, ehlo_slow); /* what was not sent yet is not sent any more */
    postern_backend_mail(fixture.backend, "", "", fixture.now);
    postern_backend_recipient(fixture.backend, "b@y.test", "", fixture.now);
    postern_backend_reset(fixture.backend, fixture.now);
    expect_output(&fixture, "MAIL FROM:<>\r\n");
    say(&fixture, "250 ok\r\n");
    expect_output(&fixture, "RSET\r\n");
    say(&fixture, "250 ok\r\n");
    expect_events(&fixture, "reset");
    finish(&fixture);
}

static void test_reset_refused(gsize piece)
{
    static const char *const replies[] = {"503 no\r\n", "451 no\r\n", "421 bye\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(replies); i++) {
        Fixture fixture;
        go_to(&fixture, "reset", piece);
        drop_events(&fixture);
        g_string_truncate(postern_backend_output(fixture.backend), 0);
        say(&fixture, replies[i]);
        expect_failure(&fixture, POSTERN_BACKEND_ENVELOPE, "refused RSET");
        g_assert_cmpint(fixture.last->fault, ==, POSTERN_BACKEND_FAULT_LOST);
        finish(&fixture);
    }
}

/* Only its 221 says that it has closed; TRUE: whoever counts its connections may count this one no more. */
static void expect_ended(Fixture *fixture, gboolean answered)
{
    expect_events(fixture, "ended");
    g_assert_true((fixture->last->reply != NULL) == answered);
    expect_state(fixture, POSTERN_BACKEND_CLOSED);
}

static void test_quit(gsize piece)
{
    static const char *const replies[] = {"221 bye\r\n", "500 what\r\n", "250 unasked\r\n", "421 busy\r\n",
                                          "what?\r\n"};
    for (guint way = 0; way < G_N_ELEMENTS(replies) + 2; way++) {
        Fixture fixture;
        start_transaction(&fixture, piece, ehlo_plain);
        postern_backend_quit(fixture.backend, fixture.now);
        expect_output(&fixture, "QUIT\r\n");
        expect_state(&fixture, POSTERN_BACKEND_QUITTING);
        if (way < G_N_ELEMENTS(replies))
            say(&fixture, replies[way]);
        else if (way == G_N_ELEMENTS(replies))
            postern_backend_closed(fixture.backend, "Broken pipe", fixture.now);
        else
            postern_backend_timer(fixture.backend, fixture.now + POSTERN_BACKEND_QUIT_TIMEOUT_MS);
        expect_ended(&fixture, way == 0);
        finish(&fixture);
    }
}

/* Replies to what was said before QUIT come first; one too many among them, and QUIT is not answered yet. */
static void test_quit_behind_commands(gsize piece)
{
    for (guint unasked = 0; unasked < 2; unasked++) {
        Fixture fixture;
        start_transaction(&fixture, piece, ehlo_plain);
        open_envelope(&fixture, 0);
        postern_backend_recipient(fixture.backend, "b@y.test", "", fixture.now);
        postern_backend_quit(fixture.backend, fixture.now);
        expect_output(&fixture, "RCPT TO:<b@y.test>\r\nQUIT\r\n");
        say(&fixture, unasked ? "250 unasked\r\n250 ok\r\n221 bye\r\n" : "250 ok\r\n221 bye\r\n");
        expect_ended(&fixture, !unasked);
        finish(&fixture);
    }
}

static void test_deadlines(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        Fixture fixture;
        go_to(&fixture, places[i].name, piece);
        drop_events(&fixture);
        gint64 wait = places[i].state == POSTERN_BACKEND_DATA_END ? DATA_END_TIMEOUT_MS : TIMEOUT_MS;
        g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, fixture.now + wait);
        postern_backend_timer(fixture.backend, fixture.now + wait - 1);
        expect_events(&fixture, "");
        postern_backend_timer(fixture.backend, fixture.now + wait);
        expect_failure(&fixture, places[i].state, "did not answer in time");
        finish(&fixture);
    }
    Fixture fixture;
    start(&fixture, POSTERN_CLIENT_ADDRESS_NONE, piece);
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, fixture.now + 100);
    postern_backend_timer(fixture.backend, fixture.now + 100);
    expect_failure(&fixture, POSTERN_BACKEND_CONNECTING, "did not answer in time");
    finish(&fixture);
}

/* Octets that are no whole reply, and more commands, do not put the deadline off. */
static void test_deadline_is_for_each_reply(gsize piece)
{
    Fixture fixture;
    start_transaction(&fixture, piece, ehlo_plain);
    open_envelope(&fixture, 0);
    gint64 asked = fixture.now;
    postern_backend_recipient(fixture.backend, "b@y.test", "", fixture.now);
    fixture.now += 400;
    postern_backend_recipient(fixture.backend, "c@y.test", "", fixture.now);
    say(&fixture, "250-a");
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, asked + TIMEOUT_MS);
    fixture.now += 400;
    say(&fixture, "bc\r\n250 ok\r\n");
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, fixture.now + TIMEOUT_MS);
    say(&fixture, "250 ok\r\n");
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, G_MAXINT64);
    postern_backend_data(fixture.backend, fixture.now);
    say(&fixture, "354 go\r\n");
    fixture.now += 600;
    postern_backend_progress(fixture.backend, FALSE, fixture.now);
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, fixture.now + TIMEOUT_MS);
    finish(&fixture);
}

static const Case cases[] = {
    {"/backend-fault/421", test_421},
    {"/backend-fault/closed", test_closed},
    {"/backend-fault/commands-after-failure", test_commands_after_failure},
    {"/backend-fault/garbage", test_garbage},
    {"/backend-fault/endless-reply", test_endless_reply},
    {"/backend-fault/unasked", test_unasked},
    {"/backend-fault/double-final", test_double_final},
    {"/backend-fault/odd-data-replies", test_odd_data_replies},
    {"/backend-fault/reset-in-flight", test_reset_in_flight},
    {"/backend-fault/reset-refused", test_reset_refused},
    {"/backend-fault/quit", test_quit},
    {"/backend-fault/quit-behind-commands", test_quit_behind_commands},
    {"/backend-fault/deadlines", test_deadlines},
    {"/backend-fault/deadline-is-for-each-reply", test_deadline_is_for_each_reply},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, G_N_ELEMENTS(cases));
}
