#include "proxy/servers/backend.h"

#include <string.h>

#include "backend_fixture.h"
#include "base/identifier.h"
#include "base/limits.h"

#define LOST POSTERN_BACKEND_FAULT_LOST
#define SETUP POSTERN_BACKEND_FAULT_SETUP
#define DEMAND POSTERN_BACKEND_FAULT_DEMAND
#define CLIENT POSTERN_BACKEND_FAULT_CLIENT

static void test_message(gsize piece)
{
    Fixture fixture;
    start_transaction(&fixture, piece, ehlo_plain);
    open_envelope(&fixture, 2);
    postern_backend_data(fixture.backend, fixture.now);
    expect_output(&fixture, "DATA\r\n");
    say(&fixture, "354-go\r\n354 on\r\n");
    expect_events(&fixture, "data:354");
    expect_state(&fixture, POSTERN_BACKEND_SENDING);
    postern_backend_message_sent(fixture.backend, fixture.now);
    expect_state(&fixture, POSTERN_BACKEND_DATA_END);
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, fixture.now + DATA_END_TIMEOUT_MS);
    say(&fixture, "250-2.0.0 queued\r\n250 as 1\r\n");
    expect_events(&fixture, "final:250");
    g_assert_cmpuint(fixture.last->reply->lines, ==, 2);
    expect_state(&fixture, POSTERN_BACKEND_IDLE);
    g_assert_true(postern_backend_is_reusable(fixture.backend));
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, G_MAXINT64);
    postern_backend_quit(fixture.backend, fixture.now);
    expect_output(&fixture, "QUIT\r\n");
    g_assert_cmpint(postern_backend_deadline(fixture.backend), ==,
                    fixture.now + POSTERN_BACKEND_QUIT_TIMEOUT_MS);
    say(&fixture, "221 bye\r\n");
    expect_events(&fixture, "ended");
    expect_state(&fixture, POSTERN_BACKEND_CLOSED);
    postern_backend_closed(fixture.backend, NULL, fixture.now);
    expect_events(&fixture, "");
    finish(&fixture);
}

typedef struct {
    const char *greeting;
    const char *ehlo; /* NULL: EHLO is never sent */
    PosternBackendFault fault;
    const char *words;
} Opening;

static const Opening openings[] = {
    {"554 5.7.1 go away\r\n", NULL, SETUP, "refused the connection*554"},
    {"421 4.7.0 busy\r\n", NULL, LOST, "refused the connection*421"},
    {"450 later\r\n", NULL, LOST, "refused the connection*450"},
    {"354 what\r\n", NULL, LOST, "answered the connection with 354"},
    {"HTTP/1.1 400 Bad Request\r\n", NULL, LOST, "does not speak SMTP"},
    {"\r\n", NULL, LOST, "does not speak SMTP"},
    {"220-mta\r\n250 mta\r\n", NULL, LOST, "does not speak SMTP"},
    {"220 mta\r\n", "502 what\r\n", SETUP, "refused EHLO"},
    {"220 mta\r\n", "530 5.7.0 Must issue a STARTTLS command first\r\n", SETUP, "demands TLS"},
    {"220 mta\r\n", "421 4.3.2 closing\r\n", LOST, "refused EHLO"},
    {"220 mta\r\n", "250 mta\r\n", SETUP, "does not offer XCLIENT ADDR"},
    {"220 mta\r\n", "250-mta\r\n250 XCLIENT NAME PORT\r\n", SETUP, "does not offer XCLIENT ADDR"},
    {"220 mta\r\n", "250-mta\r\n250 XFORWARD NAME ADDR\r\n", SETUP, "does not offer XCLIENT ADDR"},
};

static void test_openings(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(openings); i++) {
        const Opening *opening = &openings[i];
        g_autofree char *pattern = g_strdup_printf("*%s*", opening->words);
        Fixture fixture;
        start(&fixture, POSTERN_CLIENT_ADDRESS_XCLIENT, piece);
        postern_backend_connected(fixture.backend, fixture.now);
        say(&fixture, opening->greeting);
        if (opening->ehlo != NULL) {
            expect_output(&fixture, "EHLO mx.test\r\n");
            say(&fixture, opening->ehlo);
        }
        expect_events(&fixture, "failed");
        g_assert_true(g_pattern_match_simple(pattern, fixture.last->text));
        g_assert_cmpint(fixture.last->fault, ==, opening->fault);
        g_assert_cmpint(fixture.last->during, ==,
                        opening->ehlo != NULL ? POSTERN_BACKEND_EHLO : POSTERN_BACKEND_GREETING);
        expect_output(&fixture, "");
        expect_state(&fixture, POSTERN_BACKEND_CLOSED);
        g_assert_cmpint(postern_backend_deadline(fixture.backend), ==, G_MAXINT64);
        finish(&fixture);
    }
}

static void test_loop(gsize piece)
{
    PosternIdentifier identifier = postern_identifier_new();
    g_autofree char *greeting = g_strdup_printf("220 mx.test ESMTP %s\r\n", identifier.text);
    Fixture fixture;
    start(&fixture, POSTERN_CLIENT_ADDRESS_NONE, piece);
    postern_backend_connected(fixture.backend, fixture.now);
    say(&fixture, greeting);
    expect_events(&fixture, "failed");
    g_assert_cmpint(fixture.last->fault, ==, SETUP);
    g_assert_nonnull(strstr(fixture.last->text, "this proxy itself"));
    finish(&fixture);
}

#define ALL " NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT"

static const char ehlo_postfix[] = "250-mta\r\n250-PIPELINING\r\n250-XCLIENT" ALL "\r\n250 8BITMIME\r\n";

/* What is known of a client, and what a Postfix and an old one are told. */
static const struct {
    const char *address;
    const char *name;
    const char *reverse;
    const char *login;
    const char *server;
    gboolean temporary;
    gboolean helo; /* it said HELO */
    gboolean extensions;
    const char *line;
    const char *hello;
} identities[] = {
    {"192.0.2.7", NULL, NULL, NULL, NULL, FALSE, FALSE, FALSE,
     "ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE] "
     "LOGIN=[UNAVAILABLE] DESTADDR=[UNAVAILABLE] DESTPORT=[UNAVAILABLE] HELO=client.test",
     "EHLO client.test"},
    {"192.0.2.7", NULL, NULL, NULL, "192.0.2.25", TRUE, TRUE, FALSE,
     "ADDR=192.0.2.7 PORT=4711 PROTO=SMTP NAME=[TEMPUNAVAIL] REVERSE_NAME=[TEMPUNAVAIL] "
     "LOGIN=[UNAVAILABLE] DESTADDR=192.0.2.25 DESTPORT=25 HELO=client.test",
     "HELO client.test"},
    {"192.0.2.7", NULL, "r.test", NULL, "192.0.2.25", TRUE, TRUE, TRUE,
     "ADDR=192.0.2.7 PORT=4711 PROTO=SMTP NAME=[TEMPUNAVAIL] REVERSE_NAME=r.test "
     "LOGIN=[UNAVAILABLE] DESTADDR=192.0.2.25 DESTPORT=25 HELO=client.test",
     "EHLO client.test"},
    {"2001:db8::1", "c.test", "c.test", "a=b c", "2001:db8::25", FALSE, FALSE, FALSE,
     "ADDR=IPV6:2001:db8::1 PORT=4711 PROTO=ESMTP NAME=c.test REVERSE_NAME=c.test LOGIN=a+3Db+20c "
     "DESTADDR=IPV6:2001:db8::25 DESTPORT=25 HELO=client.test",
     "EHLO client.test"},
};

static void test_xclient(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(identities); i++) {
        g_autoptr(PosternEnvelope) envelope = client_envelope(identities[i].address);
        PosternBackendClient client = {.envelope = envelope,
                                       .name_temporary = identities[i].temporary,
                                       .reverse_name = identities[i].reverse,
                                       .reverse_temporary = identities[i].temporary,
                                       .extensions = identities[i].extensions};
        g_autofree char *line = g_strdup_printf("XCLIENT %s\r\n", identities[i].line);
        g_autofree char *hello = g_strdup_printf("%s\r\n", identities[i].hello);
        gboolean is_helo = g_str_has_prefix(hello, "HELO");
        Fixture fixture;
        envelope->client_name = g_strdup(identities[i].name);
        envelope->login = g_strdup(identities[i].login);
        envelope->esmtp = !identities[i].helo;
        if (identities[i].server != NULL && postern_address_parse(&client.server, identities[i].server))
            client.server.port = 25;
        start(&fixture, POSTERN_CLIENT_ADDRESS_XCLIENT, piece);
        greet_ready(&fixture, ehlo_postfix);
        postern_backend_identify(fixture.backend, &client, fixture.now);
        expect_state(&fixture, POSTERN_BACKEND_IDENTIFYING);
        expect_output(&fixture, line);
        say(&fixture, "220 mta ESMTP\r\n");
        expect_output(&fixture, hello);
        say(&fixture, is_helo ? "250 mta\r\n" : ehlo_postfix);
        expect_events(&fixture, "identified");
        g_assert_cmpint(postern_backend_is_reusable(fixture.backend), ==,
                        !is_helo && identities[i].login == NULL);
        finish(&fixture);
    }
}

/* A back-end is told what it has asked for, and no more. */
static void test_xclient_of_an_old_back_end(gsize piece)
{
    g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.7");
    Fixture fixture;
    start(&fixture, POSTERN_CLIENT_ADDRESS_XCLIENT, piece);
    greet_ready(&fixture, "250-mta\r\n250 XCLIENT ADDR NAME FUTURE IDENT SOURCE\r\n");
    identify(&fixture, envelope, FALSE);
    expect_output(&fixture, "XCLIENT ADDR=192.0.2.7 NAME=[UNAVAILABLE]\r\n");
    finish(&fixture);
}

/* A HELO has no pipelining: each command waits for the answer to the one before. */
static void test_helo_is_not_pipelined(gsize piece)
{
    g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.7");
    Fixture fixture;
    envelope->esmtp = FALSE;
    start(&fixture, POSTERN_CLIENT_ADDRESS_XCLIENT, piece);
    greet_ready(&fixture, ehlo_xclient);
    identify(&fixture, envelope, FALSE);
    say(&fixture, "220 mta\r\n");
    g_string_truncate(postern_backend_output(fixture.backend), 0);
    say(&fixture, "250 mta\r\n");
    expect_events(&fixture, "identified");
    g_assert_cmpuint(postern_backend_ehlo(fixture.backend)->capabilities, ==, 0);
    postern_backend_mail(fixture.backend, "", "", fixture.now);
    postern_backend_recipient(fixture.backend, "b@y.test", "", fixture.now);
    expect_output(&fixture, "MAIL FROM:<>\r\n");
    say(&fixture, "250 ok\r\n");
    expect_output(&fixture, "RCPT TO:<b@y.test>\r\n");
    finish(&fixture);
}

/* What does not fit into one line is left out: a second XCLIENT would come from the client's address. */
static void test_xclient_is_one_line(gsize piece)
{
    static const struct {
        guint name;
        guint helo;
        const char *words; /* of the line */
    } rows[] = {
        {200, 250, "LOGIN=[UNAVAILABLE]\r\n"}, /* no HELO */
        {250, 10, "NAME=[UNAVAILABLE] LOGIN=[UNAVAILABLE]\r\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PosternEnvelope) envelope = client_envelope("2001:db8::1");
        Fixture fixture;
        envelope->client_name = g_strnfill(rows[i].name, i == 0 ? 'a' : '+');
        g_free(envelope->helo);
        envelope->helo = g_strnfill(rows[i].helo, 'h');
        start(&fixture, POSTERN_CLIENT_ADDRESS_XCLIENT, piece);
        greet_ready(&fixture, ehlo_xclient);
        identify(&fixture, envelope, FALSE);
        const char *line = postern_backend_output(fixture.backend)->str;
        g_assert_cmpuint(strlen(line), <=, 512);
        g_assert_cmpuint(strcspn(line, "\n"), ==, strlen(line) - 1);
        g_assert_true(g_str_has_suffix(line, rows[i].words));
        finish(&fixture);
    }
}

/* A name that the back-end does not like is one client's: it is told again, of numbers alone. Numbers that it
 * does not like would be no client's. */
static void test_xclient_not_understood(gsize piece)
{
    static const char *const then[] = {"220 mta\r\n", "501 5.5.4 Bad ADDR syntax\r\n",
                                       "554 5.7.1 Client host rejected\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(then); i++) {
        g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.7");
        Fixture fixture;
        envelope->client_name = g_strdup("-bad.test");
        start(&fixture, POSTERN_CLIENT_ADDRESS_XCLIENT, piece);
        greet_ready(&fixture, ehlo_postfix);
        identify(&fixture, envelope, FALSE);
        g_string_truncate(postern_backend_output(fixture.backend), 0);
        say(&fixture, "501 5.5.4 Bad NAME syntax: -bad.test\r\n");
        expect_output(&fixture, "XCLIENT ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP NAME=[UNAVAILABLE] "
                                "REVERSE_NAME=[UNAVAILABLE] LOGIN=[UNAVAILABLE] DESTADDR=[UNAVAILABLE] "
                                "DESTPORT=[UNAVAILABLE]\r\n");
        say(&fixture, then[i]);
        if (i == 0) {
            expect_output(&fixture, "EHLO client.test\r\n");
        } else {
            expect_events(&fixture, "failed");
            g_assert_cmpint(fixture.last->fault, ==, i == 1 ? SETUP : CLIENT);
        }
        finish(&fixture);
    }
}

/* Whatever it answers with 530, it demands something of us that no client can mend. */
static void test_demands(gsize piece)
{
    for (guint i = 0; i < 3; i++) {
        Fixture fixture;
        start_transaction(&fixture, piece, ehlo_slow);
        if (i > 0)
            open_envelope(&fixture, i > 1 ? 1 : 0);
        if (i == 0)
            postern_backend_mail(fixture.backend, "", "", fixture.now);
        else if (i == 1)
            postern_backend_recipient(fixture.backend, "b@y.test", "", fixture.now);
        else
            postern_backend_data(fixture.backend, fixture.now);
        say(&fixture, "530 5.7.0 Must issue a STARTTLS command first\r\n");
        expect_events(&fixture, "failed");
        g_assert_cmpint(fixture.last->fault, ==, DEMAND);
        g_assert_nonnull(strstr(fixture.last->text, "smtpd_tls_security_level=may"));
        finish(&fixture);
    }
}

typedef struct {
    const char *xclient;
    const char *ehlo;
    PosternBackendFault fault;
} XclientRefusal;

/* What may be about this client alone (its name, its EHLO, its address) says nothing about the back-end. */
static const XclientRefusal xclient_refusals[] = {
    {"550 5.7.0 Error: insufficient authorization\r\n", NULL, SETUP},
    {"550 5.7.0 Insufficient authorization [0a1b]\r\n", NULL, SETUP},
    {"550 insufficient authorization\r\n", NULL, SETUP},
    {"500 what\r\n", NULL, SETUP},
    {"502 what\r\n", NULL, SETUP},
    {"550 5.7.1 Client host rejected: Access denied\r\n", NULL, CLIENT},
    {"550 5.7.1 <x[192.0.2.7]>: Client host rejected: insufficient authorization\r\n", NULL, CLIENT},
    {"554 5.7.0 Error: insufficient authorization\r\n", NULL, CLIENT},
    {"554-5.7.1 Client host rejected\r\n554 5.7.1 see the list\r\n", NULL, CLIENT},
    {"521 5.7.1 Client host rejected\r\n", NULL, CLIENT},
    {"450 4.7.1 later\r\n", NULL, CLIENT},
    {"421 4.7.1 later\r\n", NULL, CLIENT},
    {"530 5.7.0 Must issue a STARTTLS command first\r\n", NULL, DEMAND},
    {"250 ok\r\n", NULL, LOST},
    {"354 ok\r\n", NULL, LOST},
    {"220 ok\r\n", "501 5.5.2 bad name\r\n", CLIENT},
    {"220 ok\r\n", "550 5.7.1 Helo command rejected\r\n", CLIENT},
    {"220 ok\r\n", "421 closing\r\n", CLIENT},
    {"220 ok\r\n", "530 5.7.0 Authentication required\r\n", DEMAND},
    {"220 ok\r\n", "354 what\r\n", LOST},
};

static void test_xclient_refused(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(xclient_refusals); i++) {
        const XclientRefusal *refusal = &xclient_refusals[i];
        g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.7");
        Fixture fixture;
        start(&fixture, POSTERN_CLIENT_ADDRESS_XCLIENT, piece);
        greet_ready(&fixture, ehlo_xclient);
        identify(&fixture, envelope, FALSE);
        say(&fixture, refusal->xclient);
        if (refusal->ehlo != NULL)
            say(&fixture, refusal->ehlo);
        expect_events(&fixture, "failed");
        g_assert_cmpint(fixture.last->during, ==, POSTERN_BACKEND_IDENTIFYING);
        g_assert_cmpint(fixture.last->fault, ==, refusal->fault);
        finish(&fixture);
    }
}

static void test_xclient_only_once(gsize piece)
{
    static const char *const again[] = {"250-mta\r\n250 PIPELINING\r\n", "250-mta\r\n250 XCLIENT NAME\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(again); i++) {
        g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.7");
        Fixture fixture;
        start(&fixture, POSTERN_CLIENT_ADDRESS_XCLIENT, piece);
        greet_ready(&fixture, ehlo_xclient);
        g_assert_true(postern_backend_is_reusable(fixture.backend));
        identify(&fixture, envelope, FALSE);
        say(&fixture, "220 mta ESMTP\r\n");
        say(&fixture, again[i]);
        expect_events(&fixture, "identified");
        expect_state(&fixture, POSTERN_BACKEND_IDLE);
        g_assert_false(postern_backend_is_reusable(fixture.backend));
        finish(&fixture);
    }
}

static void test_xforward(gsize piece)
{
    g_autoptr(PosternEnvelope) envelope = client_envelope("2001:db8::1");
    g_autofree char *helo = g_strnfill(200, '=');
    g_free(envelope->helo);
    envelope->helo = g_strdup(helo); /* three octets each: it needs a line of its own */
    Fixture fixture;
    start(&fixture, POSTERN_CLIENT_ADDRESS_XFORWARD, piece);
    greet_ready(&fixture, "250-mta\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n");
    for (guint round = 0; round < 2; round++) {
        identify(&fixture, envelope, FALSE);
        expect_output(&fixture, "XFORWARD ADDR=IPV6:2001:db8::1 PORT=4711 PROTO=ESMTP NAME=[UNAVAILABLE] "
                                "IDENT=SESSION SOURCE=REMOTE\r\n");
        say(&fixture, "250 ok\r\n");
        expect_events(&fixture, "");
        GString *output = postern_backend_output(fixture.backend);
        g_assert_true(g_str_has_prefix(output->str, "XFORWARD HELO=+3D+3D"));
        g_string_truncate(output, 0);
        say(&fixture, "250 ok\r\n");
        expect_events(&fixture, "identified");
        g_assert_true(postern_backend_is_reusable(fixture.backend));
    }
    identify(&fixture, envelope, FALSE);
    say(&fixture, "250 ok\r\n");
    say(&fixture, "501 5.5.4 Bad HELO syntax\r\n");
    expect_events(&fixture, "failed");
    g_assert_cmpint(fixture.last->fault, ==, LOST);
    finish(&fixture);
}

static void test_xforward_in_a_group(gsize piece)
{
    static const char group[] =
        "XFORWARD ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP NAME=[UNAVAILABLE] IDENT=SESSION "
        "SOURCE=REMOTE HELO=client.test\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n";
    g_autoptr(PosternEnvelope) envelope = client_envelope("192.0.2.1");
    Fixture fixture;
    start(&fixture, POSTERN_CLIENT_ADDRESS_XFORWARD, piece);
    greet_ready(&fixture, ehlo_xforward);
    for (guint round = 0; round < 2; round++) {
        identify(&fixture, envelope, FALSE);
        expect_events(&fixture, "identified");
        postern_backend_mail(fixture.backend, "a@x", "", fixture.now);
        postern_backend_recipient(fixture.backend, "b@y", "", fixture.now);
        expect_output(&fixture, group);
        if (round == 1)
            break;
        say(&fixture, "250 ok\r\n250 ok\r\n250 ok\r\n");
        expect_events(&fixture, "mail:250 rcpt:250");
        postern_backend_reset(fixture.backend, fixture.now);
        expect_output(&fixture, "RSET\r\n");
        say(&fixture, "250 ok\r\n");
        expect_events(&fixture, "reset");
    }
    say(&fixture, "501 5.5.4 Bad HELO syntax\r\n250 ok\r\n250 ok\r\n");
    expect_events(&fixture, "failed");
    finish(&fixture);
}

static void test_xforward_not_offered(gsize piece)
{
    Fixture fixture;
    start(&fixture, POSTERN_CLIENT_ADDRESS_XFORWARD, piece);
    greet(&fixture, ehlo_xclient);
    expect_events(&fixture, "failed");
    g_assert_cmpint(fixture.last->fault, ==, SETUP);
    g_assert_nonnull(strstr(fixture.last->text, "XFORWARD"));
    finish(&fixture);
}

static void test_pipelining(gsize piece)
{
    Fixture fixture;
    start_transaction(&fixture, piece, ehlo_plain);
    postern_backend_mail(fixture.backend, "", "", fixture.now);
    postern_backend_recipient(fixture.backend, "b@y.test", " NOTIFY=NEVER", fixture.now);
    postern_backend_recipient(fixture.backend, "c@y.test", "", fixture.now);
    postern_backend_data(fixture.backend, fixture.now);
    expect_output(&fixture,
                  "MAIL FROM:<>\r\nRCPT TO:<b@y.test> NOTIFY=NEVER\r\nRCPT TO:<c@y.test>\r\nDATA\r\n");
    say(&fixture, "250 ok\r\n550 5.1.1 no\r\n452 4.2.2 full\r\n554 5.5.1 none\r\n");
    expect_events(&fixture, "mail:250 rcpt:550 rcpt:452 data:554");
    expect_state(&fixture, POSTERN_BACKEND_ENVELOPE);
    postern_backend_reset(fixture.backend, fixture.now);
    expect_output(&fixture, "RSET\r\n");
    say(&fixture, "250 ok\r\n");
    expect_events(&fixture, "reset");
    expect_state(&fixture, POSTERN_BACKEND_IDLE);
    finish(&fixture);
}

static void test_no_pipelining(gsize piece)
{
    Fixture fixture;
    start_transaction(&fixture, piece, ehlo_slow);
    postern_backend_mail(fixture.backend, "", "", fixture.now);
    postern_backend_recipient(fixture.backend, "b@y.test", "", fixture.now);
    postern_backend_data(fixture.backend, fixture.now);
    expect_output(&fixture, "MAIL FROM:<>\r\n");
    say(&fixture, "250-wait\r\n");
    expect_output(&fixture, "");
    say(&fixture, "250 ok\r\n");
    expect_output(&fixture, "RCPT TO:<b@y.test>\r\n");
    say(&fixture, "250 ok\r\n");
    expect_output(&fixture, "DATA\r\n");
    expect_events(&fixture, "mail:250 rcpt:250");
    say(&fixture, "354 go\r\n");
    expect_events(&fixture, "data:354");
    finish(&fixture);
}

static const Case cases[] = {
    {"/backend/message", test_message},
    {"/backend/openings", test_openings},
    {"/backend/loop", test_loop},
    {"/backend/xclient", test_xclient},
    {"/backend/xclient-of-an-old-back-end", test_xclient_of_an_old_back_end},
    {"/backend/helo-is-not-pipelined", test_helo_is_not_pipelined},
    {"/backend/xclient-is-one-line", test_xclient_is_one_line},
    {"/backend/xclient-not-understood", test_xclient_not_understood},
    {"/backend/demands", test_demands},
    {"/backend/xclient-refused", test_xclient_refused},
    {"/backend/xclient-only-once", test_xclient_only_once},
    {"/backend/xforward", test_xforward},
    {"/backend/xforward-in-a-group", test_xforward_in_a_group},
    {"/backend/xforward-not-offered", test_xforward_not_offered},
    {"/backend/pipelining", test_pipelining},
    {"/backend/no-pipelining", test_no_pipelining},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, G_N_ELEMENTS(cases));
}
