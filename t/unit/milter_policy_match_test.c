#include "milter/policy_match.h"

#include <glib/gstdio.h>
#include <string.h>

#define CLIENTS                                                                                              \
    "[clients]\nown_networks = 192.0.2.0/24\ntrusted_relays = 198.51.100.0/24\n"                             \
    "[policy]\nspf_fail = reject\n"

static PosternMilterSettings *settings_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    PosternMilterSettings *settings = postern_milter_settings_new(configuration, NULL, &error);
    g_assert_no_error(error);
    return settings;
}

static PosternEnvelope *envelope_of(const char *client, const char *login)
{
    PosternEnvelope *envelope = postern_envelope_new();
    if (client != NULL)
        g_assert_true(postern_address_parse(&envelope->client, client));
    envelope->login = g_strdup(login);
    return envelope;
}

static PosternMessage *header_of(const char *text)
{
    PosternMessage *message = postern_message_new(4096, NULL, NULL);
    g_assert_true(postern_message_append(message, text, strlen(text), NULL));
    g_assert_true(postern_message_seal(message, NULL));
    return message;
}

typedef struct {
    const char *client; /* NULL: unknown */
    const char *login;
    gboolean local;
    PosternClientClass class;
    gboolean spf; /* is begun */
    gboolean at_mail;
} ClassCase;

static const ClassCase class_cases[] = {
    {"203.0.113.1", NULL, FALSE, POSTERN_CLIENT_OTHER, TRUE, TRUE},
    {"2001:db8::1", NULL, FALSE, POSTERN_CLIENT_OTHER, TRUE, TRUE},
    {"203.0.113.1", "ada", FALSE, POSTERN_CLIENT_AUTHENTICATED, FALSE, FALSE},
    {"192.0.2.1", NULL, FALSE, POSTERN_CLIENT_OWN_NETWORK, FALSE, FALSE},
    {"192.0.2.1", "ada", FALSE, POSTERN_CLIENT_AUTHENTICATED, FALSE, FALSE},
    {"198.51.100.1", NULL, FALSE, POSTERN_CLIENT_TRUSTED_RELAY, TRUE, FALSE},
    {"127.0.0.1", NULL, FALSE, POSTERN_CLIENT_OTHER, FALSE, FALSE},
    {NULL, NULL, FALSE, POSTERN_CLIENT_OTHER, FALSE, FALSE},
    {NULL, NULL, TRUE, POSTERN_CLIENT_OWN_NETWORK, FALSE, FALSE},
    {NULL, "ada", TRUE, POSTERN_CLIENT_AUTHENTICATED, FALSE, FALSE},
};

static void test_class(void)
{
    g_autoptr(PosternMilterSettings) settings = settings_of(CLIENTS "[milter]\nrefuse_at_mail = yes\n");
    g_autoptr(PosternMilterSettings) late = settings_of(CLIENTS);
    for (gsize i = 0; i < G_N_ELEMENTS(class_cases); i++) {
        const ClassCase *row = &class_cases[i];
        g_autoptr(PosternEnvelope) envelope = envelope_of(row->client, row->login);
        PosternMilterPolicyMatch choice = {0};
        g_test_message("case %" G_GSIZE_FORMAT, i);
        postern_milter_policy_match_begin(&choice, settings, envelope, row->local, NULL);
        g_assert_cmpint(choice.client_class, ==, row->class);
        guint begun = postern_milter_policy_match_checks_begun(&choice, envelope);
        g_assert_cmpint((begun & POSTERN_CHECK_SPF) != 0, ==, row->spf);
        guint wanted = postern_policies_checks(settings->policies, row->class);
        g_assert_cmphex(begun & POSTERN_CHECK_DMARC, ==, wanted & POSTERN_CHECK_DMARC);
        g_assert_cmphex(begun & POSTERN_CHECK_VIRUS, ==, POSTERN_CHECK_VIRUS);
        g_assert_cmpint(postern_milter_policy_match_may_refuse_at_mail(&choice, envelope), ==, row->at_mail);
        postern_milter_policy_match_begin(&choice, late, envelope, row->local, NULL);
        g_assert_false(postern_milter_policy_match_may_refuse_at_mail(&choice, envelope));
        postern_milter_policy_match_clear(&choice);
    }
}

static void test_relay(void)
{
    static const char told[] = "Received: from mail.example (mail.example [203.0.113.9])\r\n"
                               "\tby relay.example (Postfix) with ESMTP id 1\r\n"
                               "\tfor <b@example.org>; Fri, 05 Jun 2026 10:05:00 +0000\r\n\r\n";
    g_autoptr(PosternMilterSettings) settings = settings_of(CLIENTS);
    g_autoptr(PosternEnvelope) envelope = envelope_of("198.51.100.1", NULL);
    g_autoptr(PosternMessage) header = header_of(told);
    g_autoptr(PosternMessage) silent = header_of("Subject: x\r\n\r\n");
    PosternMilterPolicyMatch choice = {0};
    postern_milter_policy_match_begin(&choice, settings, envelope, FALSE, NULL);
    /* SPF of the relay's own address would tell nothing. */
    g_assert_false(postern_milter_policy_match_find_origin(&choice, envelope, silent));
    g_assert_cmphex(postern_milter_policy_match_checks(&choice, envelope) & POSTERN_CHECK_SPF, ==, 0);
    g_assert_true(postern_milter_policy_match_envelope(&choice, envelope) == envelope);

    g_assert_true(postern_milter_policy_match_find_origin(&choice, envelope, header));
    g_ptr_array_add(envelope->recipients, g_strdup("b@example.org"));
    const PosternEnvelope *judged = postern_milter_policy_match_envelope(&choice, envelope);
    g_autofree char *client = postern_address_to_string(&judged->client);
    g_assert_cmpstr(client, ==, "203.0.113.9");
    g_assert_cmpuint(judged->recipients->len, ==, 1);
    g_assert_cmphex(postern_milter_policy_match_checks(&choice, envelope) & POSTERN_CHECK_SPF, ==,
                    POSTERN_CHECK_SPF);
    postern_milter_policy_match_clear(&choice);

    /* Anybody can write such a field: of a client that is no relay of ours nothing is believed. */
    g_autoptr(PosternEnvelope) stranger = envelope_of("203.0.113.77", NULL);
    postern_milter_policy_match_begin(&choice, settings, stranger, FALSE, NULL);
    g_assert_false(postern_milter_policy_match_find_origin(&choice, stranger, header));
    g_assert_true(postern_milter_policy_match_envelope(&choice, stranger) == stranger);
    postern_milter_policy_match_clear(&choice);
}

static void test_recipients(void)
{
    g_autofree char *path = g_strdup_printf("%s/milter-choice-XXXXXX", g_get_tmp_dir());
    int descriptor = g_mkstemp(path);
    g_assert_true(g_file_set_contents(path, "example.net strict\nlax@example.org strict\n", -1, NULL));
    g_autofree char *text = g_strdup_printf(
        "[clients]\nown_networks = 192.0.2.0/24\nrecipients = %s\n[policy strict]\nspf_fail = reject\n",
        path);
    g_autoptr(PosternMilterSettings) settings = settings_of(text);
    g_autoptr(PosternEnvelope) stranger = envelope_of("203.0.113.1", NULL);
    g_autoptr(PosternEnvelope) own = envelope_of("192.0.2.1", NULL);
    PosternMilterPolicyMatch choice = {0};

    g_assert_true(settings->by_recipient);
    postern_milter_policy_match_begin(&choice, settings, stranger, FALSE, NULL);
    g_assert_cmpstr(postern_milter_policy_match_policy(&choice).name, ==, "");
    g_assert_true(postern_milter_policy_match_add_recipient(&choice, "a@example.net"));
    g_assert_true(postern_milter_policy_match_add_recipient(&choice, "lax@example.org"));
    g_assert_false(postern_milter_policy_match_add_recipient(&choice, "b@example.org"));
    g_assert_true(postern_milter_policy_match_add_recipient(&choice, "c@example.net"));
    g_assert_cmpstr(postern_milter_policy_match_policy(&choice).name, ==, "strict");

    postern_milter_policy_match_begin(&choice, settings, own, FALSE, NULL);
    g_assert_true(postern_milter_policy_match_add_recipient(&choice, "a@example.net"));
    g_assert_true(postern_milter_policy_match_add_recipient(&choice, "b@example.org"));
    postern_milter_policy_match_clear(&choice);
    g_close(descriptor, NULL);
    g_unlink(path);
}

/* One name for the server and its filter: what a reader of the mail knows it by (RFC 8601 5). */
static void test_receiver(void)
{
    static const struct {
        const char *configuration;
        const char *server;
        const char *receiver; /* NULL: that of the machine, or what stands for it */
    } rows[] = {
        {"", "mx.example.org", "mx.example.org"},
        {"", "MX", "MX"},
        {"", NULL, NULL},
        {"", "", NULL},
        {"", "mx.example.org; dkim=pass", NULL},
        {"", "mx example.org", NULL},
        {"", "\xff", NULL},
        {"[milter]\nhostname = filter.example\n", "mx.example.org", "filter.example"},
        {"[proxy]\nhostname = proxy.example\n", "mx.example.org", "proxy.example"},
    };
    g_autoptr(PosternEnvelope) envelope = envelope_of("203.0.113.1", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PosternMilterSettings) settings = settings_of(rows[i].configuration);
        const char *expected = rows[i].receiver != NULL ? rows[i].receiver : settings->receiver;
        PosternMilterPolicyMatch choice = {0};
        g_test_message("case %" G_GSIZE_FORMAT, i);
        postern_milter_policy_match_begin(&choice, settings, envelope, FALSE, rows[i].server);
        g_assert_cmpstr(choice.receiver, ==, expected);
        g_assert_cmpstr(postern_milter_policy_match_policy(&choice).authserv_id, ==, expected);
        postern_milter_policy_match_clear(&choice);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/milter-choice/class", test_class);
    g_test_add_func("/milter-choice/relay", test_relay);
    g_test_add_func("/milter-choice/recipients", test_recipients);
    g_test_add_func("/milter-choice/receiver", test_receiver);
    return g_test_run();
}
