#include "verdict/record.h"

#include <string.h>

#include "base/log.h"

static PosternRecord sample(PosternEnvelope *client, PosternEnvelope *relay, char *const *words)
{
    return (PosternRecord){
        .who = {.session = "S", .message = "M", .envelope = client, .relay = relay, .tls = "TLSv1.3"},
        .judged = TRUE,
        .client_class = POSTERN_CLIENT_TRUSTED_RELAY,
        .policy = "strict",
        .queue = "Q",
        .sender = "a@x.test",
        .to = client->recipients,
        .recipients = 3,
        .recipients_accepted = 2,
        .message_id = "<1@x.test>",
        .header_from = "A\r\nforged=yes",
        .size = 1000,
        .long_lines = 4,
        .nul = TRUE,
        .findings = words,
        .decided = TRUE,
        .action = POSTERN_ACTION_REJECT,
        .check = "spf_fail",
        .would = POSTERN_ACTION_REJECT,
        .delivery = POSTERN_DELIVERY_NONE,
        .reply = "550 5.7.23 no",
        .milliseconds = 7,
    };
}

static PosternEnvelope *client_at(const char *address, const char *helo)
{
    PosternEnvelope *envelope = postern_envelope_new();
    g_assert_true(postern_address_parse(&envelope->client, address));
    envelope->helo = g_strdup(helo);
    g_ptr_array_add(envelope->recipients, g_strdup("b@y.test"));
    g_ptr_array_add(envelope->recipients, g_strdup("c@y.test"));
    return envelope;
}

static void assert_line(PosternLogLine *line, const char *expected)
{
    g_assert_cmpstr(postern_log_line_text(line), ==, expected);
    postern_log_line_free(line);
}

static void test_message(void)
{
    static char spf[] = "spf";
    static char fail[] = "fail";
    char *const words[] = {spf, fail, NULL};
    g_autoptr(PosternEnvelope) client = client_at("192.0.2.7", "c.test");
    g_autoptr(PosternEnvelope) relay = client_at("2001:db8::1", "r.test");
    PosternRecord record = sample(client, relay, words);
    assert_line(postern_record_close(&record, NULL),
                "message session=S message=M client=192.0.2.7 relay=2001:db8::1 action=reject check=spf_fail "
                "delivery=none spf=fail class=trusted_relay policy=strict queue=Q helo=c.test tls=TLSv1.3 "
                "from=<a@x.test> to=<b@y.test>,<c@y.test> recipients=3 recipients_accepted=2 "
                "message_id=<1@x.test> header_from=\"A\\x0d\\x0aforged=yes\" size=1000 long_lines=4 nul=yes "
                "reply=\"550 5.7.23 no\" milliseconds=7");
    record.who.names_origin = TRUE;
    record.delivery = POSTERN_DELIVERY_NOT_OURS;
    PosternLogLine *line = postern_record_close(&record, NULL);
    const char *text = postern_log_line_text(line);
    g_assert_nonnull(strstr(text, " client=2001:db8::1 "));
    g_assert_nonnull(strstr(text, " origin=192.0.2.7 "));
    g_assert_nonnull(strstr(text, " helo=r.test "));
    g_assert_null(strstr(text, "relay="));
    g_assert_null(strstr(text, "delivery="));
    postern_log_line_free(line);
}

static void assert_count(PosternCounters *counters, const char *name, const char *label, guint64 expected)
{
    g_test_message("%s %s", name, label != NULL ? label : "");
    g_assert_cmpuint(postern_counters_read(counters, name, label), ==, expected);
}

static void test_counters(void)
{
    g_autoptr(PosternCounters) counters = postern_counters_new();
    g_autoptr(PosternEnvelope) client = client_at("192.0.2.7", "c.test");
    PosternRecord record = sample(client, NULL, NULL);
    for (guint i = 0; i < 3; i++)
        postern_log_line_free(postern_record_close(&record, counters));
    record.action = POSTERN_ACTION_ACCEPT; /* observed */
    record.delivery = POSTERN_DELIVERY_ACCEPTED;
    record.size = -1;
    record.recipients_accepted = -1;
    postern_log_line_free(postern_record_close(&record, counters));
    record = (PosternRecord){.who = {.envelope = client}, .delivery = POSTERN_DELIVERY_NOT_OURS};
    postern_log_line_free(postern_record_close(&record, counters));
    guint64 none = postern_counters_read(counters, "client_tls", "none");
    assert_count(counters, "messages", NULL, 5);
    assert_count(counters, "octets", NULL, 3000);
    assert_count(counters, "recipients", NULL, 12);
    assert_count(counters, "recipients_accepted", NULL, 6);
    assert_count(counters, "actions", "reject", 3);
    assert_count(counters, "actions", "accept", 1);
    assert_count(counters, "observed", "reject", 1);
    assert_count(counters, "checks", "spf_fail", 4);
    assert_count(counters, "classes", "trusted_relay", 4);
    assert_count(counters, "deliveries", "none", 3);
    assert_count(counters, "deliveries", "accepted", 1);
    record.who.tls = "TLSv1.2 X";
    record.server = "192.0.2.9:25";
    record.server_tls = "TLSv1.3 Y";
    postern_log_line_free(postern_record_close(&record, counters));
    record.server_tls = NULL;
    record.who.tls = "hostile\"";
    postern_log_line_free(postern_record_close(&record, counters));
    assert_count(counters, "client_tls", "none", none);
    assert_count(counters, "client_tls", "TLSv1.2", 1);
    assert_count(counters, "client_tls", "other", 1);
    assert_count(counters, "server_tls", "TLSv1.3", 1);
    assert_count(counters, "server_tls", "none", 1);
}

/* Where the log takes none, no line is made; what is counted is counted all the same. */
static void test_no_line(void)
{
    g_autoptr(PosternCounters) counters = postern_counters_new();
    const PosternEnvelope envelope = {0};
    const PosternRecord message = {.who = {.envelope = &envelope}};
    const PosternSessionRecord session = {.who = {.envelope = &envelope}, .ended = "quit"};
    postern_log_set_level(POSTERN_LOG_NOTICE);
    g_assert_null(postern_record_close(&message, counters));
    g_assert_null(postern_session_record_close(&session, counters));
    g_assert_null(postern_recipient_line(&message.who, NULL, "a@x.test", "<b@y.test>", "proxy", "550 no"));
    assert_count(counters, "messages", NULL, 1);
    assert_count(counters, "sessions", "quit", 1);
    postern_log_set_level(POSTERN_LOG_INFO);
}

static void test_session(void)
{
    g_autoptr(PosternCounters) counters = postern_counters_new();
    g_autoptr(PosternEnvelope) client = client_at("192.0.2.7", NULL);
    const PosternAddress peer = {.family = AF_INET};
    const PosternSessionRecord record = {
        .who = {.session = "S", .envelope = client, .peer = &peer},
        .ended = "quit",
        .would_reply = "521 5.5.2 bare",
        .messages = 2,
        .messages_accepted = 1,
        .messages_refused = -1,
        .commands = 9,
        .errors = 3,
        .early_greeting = -1,
        .early_data = 1,
        .octets = 100,
        .milliseconds = 5,
    };
    assert_line(postern_session_record_close(&record, counters),
                "session session=S client=192.0.2.7 peer=0.0.0.0 would=reject ended=quit "
                "would_reply=\"521 5.5.2 bare\" messages=2 messages_accepted=1 commands=9 errors=3 "
                "early_data=1 octets=100 milliseconds=5");
    assert_count(counters, "sessions", "quit", 1);
    assert_count(counters, "commands", NULL, 9);
    assert_count(counters, "errors", NULL, 3);
    assert_count(counters, "early_greeting", NULL, 0);
    assert_count(counters, "early_data", NULL, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    postern_log_set_level(POSTERN_LOG_INFO);
    g_test_add_func("/record/message", test_message);
    g_test_add_func("/record/counters", test_counters);
    g_test_add_func("/record/session", test_session);
    g_test_add_func("/record/no-line", test_no_line);
    return g_test_run();
}
