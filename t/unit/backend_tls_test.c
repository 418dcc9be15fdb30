#include "backend_fixture.h"
#include "proxy/servers/backend.h"

static const char offer[] = "250-mta\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 XCLIENT ADDR\r\n";

/* What an attacker has put into the first EHLO is forgotten (RFC 3207 4.2). */
static void test_tls(gsize piece)
{
    Fixture fixture;
    start_with_tls(&fixture, POSTERN_CLIENT_ADDRESS_NONE, POSTERN_TLS_ENCRYPT, piece);
    postern_backend_connected(fixture.backend, fixture.now);
    say(&fixture, "220 mta\r\n");
    expect_output(&fixture, "EHLO mx.test\r\n");
    say(&fixture, offer);
    expect_output(&fixture, "STARTTLS\r\n");
    expect_events(&fixture, "");
    say(&fixture, "220 go\r\n");
    expect_events(&fixture, "start-tls");
    expect_output(&fixture, "");
    postern_backend_tls_begins(fixture.backend, FALSE, fixture.now);
    expect_state(&fixture, POSTERN_BACKEND_STARTING_TLS);
    expect_output(&fixture, "EHLO mx.test\r\n");
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, fixture.now + TIMEOUT_MS);
    say(&fixture, "250-mta\r\n250-STARTTLS\r\n250 SIZE 7\r\n");
    expect_events(&fixture, "ready");
    expect_output(&fixture, "");
    g_assert_cmpuint(postern_backend_ehlo(fixture.backend)->xclient_attributes, ==, 0);
    g_assert_cmpuint(postern_backend_ehlo(fixture.backend)->size, ==, 7);
    finish(&fixture);
}

/* Somebody has spoken behind the 220, in the same packet or as the caller sees. */
static void test_early(gsize piece)
{
    for (guint i = 0; i < 2; i++) {
        Fixture fixture;
        start_with_tls(&fixture, POSTERN_CLIENT_ADDRESS_NONE, POSTERN_TLS_MAY, piece);
        greet(&fixture, "");
        postern_backend_receive(fixture.backend, offer, strlen(offer), fixture.now);
        expect_output(&fixture, "STARTTLS\r\n");
        const char *reply = i == 0 ? "220 go\r\n2" : "220 go\r\n";
        postern_backend_receive(fixture.backend, reply, strlen(reply), fixture.now);
        if (i == 1)
            postern_backend_tls_begins(fixture.backend, TRUE, fixture.now);
        expect_events(&fixture, "start-tls failed");
        g_assert_cmpint(fixture.last->fault, ==, POSTERN_BACKEND_FAULT_LOST);
        g_assert_nonnull(strstr(fixture.last->text, "spoken behind"));
        postern_backend_tls_begins(fixture.backend, FALSE, fixture.now);
        expect_output(&fixture, "");
        finish(&fixture);
    }
}

/* NULL in place of a reply: TLS itself, the connection, or the deadline fails. */
static const struct {
    const char *ehlo;
    const char *reply;
    PosternTls tls;
    PosternBackendFault fault; /* of a failure */
    const char *events;
} cases[] = {
    {"250 mta\r\n", NULL, POSTERN_TLS_MAY, 0, "ready"},
    {"250 mta\r\n", NULL, POSTERN_TLS_ENCRYPT, POSTERN_BACKEND_FAULT_SETUP, "failed"},
    {"250 mta\r\n", NULL, POSTERN_TLS_VERIFY, POSTERN_BACKEND_FAULT_SETUP, "failed"},
    {offer, "454 later\r\n", POSTERN_TLS_MAY, 0, "ready"},
    {offer, "502 what\r\n", POSTERN_TLS_MAY, 0, "ready"},
    {offer, "454 later\r\n", POSTERN_TLS_ENCRYPT, POSTERN_BACKEND_FAULT_LOST, "failed"},
    {offer, "502 what\r\n", POSTERN_TLS_VERIFY, POSTERN_BACKEND_FAULT_SETUP, "failed"},
    {offer, "250 what\r\n", POSTERN_TLS_MAY, POSTERN_BACKEND_FAULT_LOST, "failed"},
    {offer, "421 bye\r\n", POSTERN_TLS_ENCRYPT, POSTERN_BACKEND_FAULT_LOST, "failed"},
};

static void test_refusals(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Fixture fixture;
        start_with_tls(&fixture, POSTERN_CLIENT_ADDRESS_NONE, cases[i].tls, piece);
        greet(&fixture, "");
        say(&fixture, cases[i].ehlo);
        if (cases[i].reply != NULL) {
            expect_output(&fixture, "STARTTLS\r\n");
            say(&fixture, cases[i].reply);
        }
        expect_output(&fixture, "");
        expect_events(&fixture, cases[i].events);
        if (g_str_equal(cases[i].events, "failed"))
            g_assert_cmpint(fixture.last->fault, ==, cases[i].fault);
        finish(&fixture);
    }
}

static void fail(Fixture *fixture, guint way)
{
    if (way == 0)
        postern_backend_tls_failed(fixture->backend, "no shared cipher");
    else if (way == 1)
        postern_backend_closed(fixture->backend, NULL, fixture->now);
    else
        postern_backend_timer(fixture->backend, fixture->now + TIMEOUT_MS);
}

/* However it fails, may is told that another connection does without; else all clients are refused if it is
 * TLS that fails. */
static void test_failures(gsize piece)
{
    for (guint i = 0; i < 6; i++) {
        Fixture fixture;
        gboolean may = i % 2 == 0;
        start_with_tls(&fixture, POSTERN_CLIENT_ADDRESS_NONE, may ? POSTERN_TLS_MAY : POSTERN_TLS_VERIFY,
                       piece);
        greet(&fixture, "");
        say(&fixture, offer);
        expect_output(&fixture, "STARTTLS\r\n");
        say(&fixture, "220 go\r\n");
        postern_backend_tls_begins(fixture.backend, FALSE, fixture.now);
        fail(&fixture, i / 2);
        expect_events(&fixture, "start-tls failed");
        expect_output(&fixture, "");
        g_assert_cmpint(fixture.last->fault, ==,
                        may          ? POSTERN_BACKEND_FAULT_TLS
                        : i / 2 == 0 ? POSTERN_BACKEND_FAULT_SETUP
                                     : POSTERN_BACKEND_FAULT_LOST);
        finish(&fixture);
    }
}

/* Later it is a connection that is lost. */
static void test_late_failure(gsize piece)
{
    Fixture fixture;
    start_with_tls(&fixture, POSTERN_CLIENT_ADDRESS_NONE, POSTERN_TLS_MAY, piece);
    greet(&fixture, "");
    say(&fixture, offer);
    expect_output(&fixture, "STARTTLS\r\n");
    say(&fixture, "220 go\r\n");
    postern_backend_tls_begins(fixture.backend, FALSE, fixture.now);
    say(&fixture, "250 mta\r\n");
    expect_events(&fixture, "start-tls ready");
    postern_backend_tls_failed(fixture.backend, "bad record mac");
    expect_events(&fixture, "failed");
    g_assert_cmpint(fixture.last->fault, ==, POSTERN_BACKEND_FAULT_LOST);
    finish(&fixture);
}

static const Case tests[] = {
    {"/backend/tls", test_tls},
    {"/backend/tls/early", test_early},
    {"/backend/tls/refusals", test_refusals},
    {"/backend/tls/failures", test_failures},
    {"/backend/tls/late-failure", test_late_failure},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, tests, G_N_ELEMENTS(tests));
}
