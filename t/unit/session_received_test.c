#include "mail/received.h"
#include "session_harness.h"

#define MESSAGE "Subject: trace\r\n\r\nHello.\r\n.\r\n"
#define DOMAINS "recipient_domains = y.test\n"

/* Who the back-end takes for the client, and what the message then says of it. */
static const struct {
    const char *configuration;
    const char *hello;
    const char *trace; /* NULL: none of ours */
} rows[] = {
    {"", "EHLO client.test", NULL},
    {"client_address = none\n" DOMAINS, "EHLO client.test",
     "from client.test (client.test [192.0.2.7])\r\n\tby mx.test (Postern) with ESMTP id "},
    {"client_address = xforward\n" DOMAINS, "HELO client.test",
     "from client.test (client.test [192.0.2.7])\r\n\tby mx.test (Postern) with SMTP id "},
    {"client_address = none\n" DOMAINS, "EHLO [192.0.2.9]",
     "from [192.0.2.9] (client.test [192.0.2.7])\r\n\tby mx.test (Postern) with ESMTP id "},
    {"client_address = none\n" DOMAINS, "EHLO a_(b);c",
     "from a_?b??c (client.test [192.0.2.7])\r\n\tby mx.test (Postern) with ESMTP id "},
};

static void check_received(const char *message, const char *trace)
{
    PosternReceived received;
    g_assert_true(g_str_has_prefix(message, "Received: "));
    const char *value = message + strlen("Received: ");
    const char *end = strstr(value, "\r\nSubject: trace\r\n");
    g_assert_nonnull(end);
    g_assert_true(g_str_has_prefix(value, trace));
    g_assert_true(postern_received_parse(value, (gsize)(end - value), &received));
    g_autofree char *address = postern_address_to_string(&received.client);
    g_assert_cmpstr(address, ==, "192.0.2.7");
    postern_received_clear(&received);
}

static void test_received(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        g_autofree char *hello = g_strconcat(rows[i].hello, "\r\n", NULL);
        g_autofree char *configuration = g_strconcat("inspect = no\n", rows[i].configuration, NULL);
        harness_start(&harness, configuration, G_MAXSSIZE);
        harness_say(&harness, hello);
        harness_expect(&harness, "220 250");
        harness_say(&harness, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" MESSAGE);
        harness_expect(&harness, "250 250 354 250");
        if (rows[i].trace == NULL)
            g_assert_true(g_str_has_prefix(harness.message->str, "Subject: trace\r\n"));
        else
            check_received(harness.message->str, rows[i].trace);
        harness_finish(&harness);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/session-received/received", test_received);
    return g_test_run();
}
