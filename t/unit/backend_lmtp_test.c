/* A back-end that speaks LMTP (RFC 2033): LHLO, and a reply for each recipient behind the dot. */
#include "backend_fixture.h"

#define RECIPIENTS 3

static void begin(Fixture *fixture, gsize piece, guint recipients)
{
    const PosternBackendOptions options = {.hostname = "mx.test",
                                           .client_address = POSTERN_CLIENT_ADDRESS_NONE,
                                           .lmtp_recipients = recipients,
                                           .connect_timeout_ms = 100,
                                           .timeout_ms = TIMEOUT_MS,
                                           .data_end_timeout_ms = DATA_END_TIMEOUT_MS};
    *fixture = (Fixture){.piece = piece, .now = 1000, .events = g_string_new(NULL)};
    fixture->backend = postern_backend_new(&options, fixture->now);
    postern_backend_connected(fixture->backend, fixture->now);
    say(fixture, "220 mailbox LMTP\r\n");
    expect_output(fixture, "LHLO mx.test\r\n");
    say(fixture, "250-mailbox\r\n250-8BITMIME\r\n250 PIPELINING\r\n");
    expect_events(fixture, "ready");
    g_assert_cmpuint(postern_backend_ehlo(fixture->backend)->rcpt_max, ==, recipients);
}

/* Of RECIPIENTS + 1 recipients the second is refused. */
static void send_message(Fixture *fixture)
{
    g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.1");
    identify(fixture, envelope, FALSE);
    expect_events(fixture, "identified");
    postern_backend_mail(fixture->backend, "a@b.test", "", fixture->now);
    for (guint i = 0; i <= RECIPIENTS; i++)
        postern_backend_recipient(fixture->backend, "c@d.test", "", fixture->now);
    g_string_truncate(postern_backend_output(fixture->backend), 0);
    say(fixture, "250 a\r\n250 1\r\n550 2\r\n250 3\r\n250 4\r\n");
    expect_events(fixture, "mail:250 rcpt:250 rcpt:550 rcpt:250 rcpt:250");
    postern_backend_data(fixture->backend, fixture->now);
    expect_output(fixture, "DATA\r\n");
    say(fixture, "354 go\r\n");
    expect_events(fixture, "data:354");
    postern_backend_message_sent(fixture->backend, fixture->now);
    expect_output(fixture, "");
}

static const struct {
    const char *replies;
    const char *event;
    gboolean partial;
    const char *text;
} outcomes[] = {
    {"250 2.0.0 one\r\n250 2.0.0 two\r\n250 2.0.0 three\r\n", "final:250", FALSE, "2.0.0 one"},
    {"550 5.1.1 one\r\n552 5.2.2 two\r\n550 5.1.1 three\r\n", "final:550", FALSE, "5.1.1 one"},
    {"452 4.2.2 one\r\n451 two\r\n451 three\r\n", "final:452", FALSE, "4.2.2 one"},
    {"550 5.1.1 one\r\n452-4.2.2 two\r\n452 4.2.2 b\r\n550 three\r\n", "final:452", FALSE, "4.2.2 two"},
    {"250 one\r\n452 4.2.2 <two> full\r\n550 three\r\n", "final:451", TRUE,
     "4.3.0 Only 1 of 3 recipients have the message: 4.2.2 <two> full"},
    {"550 5.2.2 <one> full\r\n250 two\r\n250 three\r\n", "final:554", TRUE,
     "5.3.0 Only 2 of 3 recipients have the message: 5.2.2 <one> full"},
};

static void test_outcomes(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        Fixture fixture;
        begin(&fixture, piece, 100);
        for (guint messages = 0; messages < 2; messages++) {
            send_message(&fixture);
            say(&fixture, outcomes[i].replies);
            expect_events(&fixture, outcomes[i].event);
            g_assert_cmpint(fixture.last->partial, ==, outcomes[i].partial);
            g_assert_cmpstr(fixture.last->reply->text, ==, outcomes[i].text);
            expect_state(&fixture, POSTERN_BACKEND_IDLE);
            g_assert_true(postern_backend_is_reusable(fixture.backend));
        }
        finish(&fixture);
    }
}

/* One reply alone tells nothing of the others; each has its own time. */
static void test_lost_between(gsize piece)
{
    Fixture fixture;
    begin(&fixture, piece, 100);
    send_message(&fixture);
    fixture.now += DATA_END_TIMEOUT_MS - 1;
    say(&fixture, "250 one\r\n");
    expect_events(&fixture, "");
    expect_state(&fixture, POSTERN_BACKEND_DATA_END);
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, fixture.now + DATA_END_TIMEOUT_MS);
    postern_backend_closed(fixture.backend, NULL, fixture.now);
    expect_events(&fixture, "failed");
    g_assert_cmpint(fixture.last->during, ==, POSTERN_BACKEND_DATA_END);
    finish(&fixture);
}

/* What says more than a reply for each recipient is not understood. */
static void test_one_too_many(gsize piece)
{
    Fixture fixture;
    begin(&fixture, piece, 1);
    send_message(&fixture);
    say(&fixture, "250 one\r\n250 two\r\n250 three\r\n250 four\r\n");
    expect_events(&fixture, "final:250 failed");
    finish(&fixture);
}

static const Case cases[] = {
    {"/backend-lmtp/outcomes", test_outcomes},
    {"/backend-lmtp/lost-between", test_lost_between},
    {"/backend-lmtp/one-too-many", test_one_too_many},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, G_N_ELEMENTS(cases));
}
