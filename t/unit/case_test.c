#include "verdict/case.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/limits.h"

#define CLIENTS                                                                                              \
    "[clients]\nown_networks = 192.0.2.0/24\ntrusted_relays = 198.51.100.0/24\n"                             \
    "[policy]\nspf_fail = reject\n"

typedef struct {
    PosternPolicies *policies;
    gboolean local;
    gboolean submission;
    gboolean at_mail;
    gboolean takes_all;
} World;

static PosternPolicies *policies_of(const char *text, gboolean observe)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    PosternPolicies *policies = postern_policies_new(configuration, "mx.example", observe, &error);
    g_assert_no_error(error);
    postern_configuration_free(configuration);
    return policies;
}

static PosternCase *case_of(const World *world, PosternEnvelope *envelope)
{
    const PosternCaseOptions options = {.policies = world->policies,
                                        .local = world->local,
                                        .submission = world->submission,
                                        .refuse_at_mail = world->at_mail,
                                        .takes_all = world->takes_all};
    return postern_case_new(&options, envelope);
}

static PosternEnvelope *envelope_of(const char *client, const char *login)
{
    PosternEnvelope *envelope = postern_envelope_new();
    if (client != NULL)
        g_assert_true(postern_address_parse(&envelope->client, client));
    envelope->login = g_strdup(login);
    return envelope;
}

static PosternMessage *message_of(const char *text)
{
    PosternMessage *message = postern_message_new(4096, NULL, NULL);
    g_assert_true(postern_message_append(message, text, strlen(text), NULL));
    g_assert_true(postern_message_seal(message, NULL));
    return message;
}

static const struct {
    const char *client; /* NULL: unknown */
    const char *login;
    gboolean local;
    gboolean submission;
    PosternClientClass class;
    gboolean spf; /* is begun */
    gboolean at_mail;
} class_cases[] = {
    {"203.0.113.1", NULL, FALSE, FALSE, POSTERN_CLIENT_OTHER, TRUE, TRUE},
    {"2001:db8::1", NULL, FALSE, FALSE, POSTERN_CLIENT_OTHER, TRUE, TRUE},
    {"203.0.113.1", "ada", FALSE, FALSE, POSTERN_CLIENT_AUTHENTICATED, FALSE, FALSE},
    {"203.0.113.1", NULL, FALSE, TRUE, POSTERN_CLIENT_AUTHENTICATED, FALSE, FALSE},
    {"192.0.2.1", NULL, FALSE, FALSE, POSTERN_CLIENT_OWN_NETWORK, FALSE, FALSE},
    {"192.0.2.1", "ada", FALSE, FALSE, POSTERN_CLIENT_AUTHENTICATED, FALSE, FALSE},
    {"198.51.100.1", NULL, FALSE, FALSE, POSTERN_CLIENT_TRUSTED_RELAY, TRUE, FALSE},
    {"127.0.0.1", NULL, FALSE, FALSE, POSTERN_CLIENT_OTHER, FALSE, FALSE},
    {"127.8.8.8", NULL, FALSE, FALSE, POSTERN_CLIENT_OTHER, FALSE, FALSE},
    {"::1", NULL, FALSE, FALSE, POSTERN_CLIENT_OTHER, FALSE, FALSE},
    {NULL, NULL, FALSE, FALSE, POSTERN_CLIENT_OTHER, FALSE, FALSE},
    {NULL, NULL, TRUE, FALSE, POSTERN_CLIENT_OWN_NETWORK, FALSE, FALSE},
    {NULL, "ada", TRUE, FALSE, POSTERN_CLIENT_AUTHENTICATED, FALSE, FALSE},
};

static void test_class(void)
{
    g_autoptr(PosternPolicies) policies = policies_of(CLIENTS, FALSE);
    for (gsize i = 0; i < G_N_ELEMENTS(class_cases); i++) {
        g_autoptr(PosternEnvelope) envelope = envelope_of(class_cases[i].client, class_cases[i].login);
        World world = {policies, class_cases[i].local, class_cases[i].submission, TRUE, FALSE};
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_autoptr(PosternCase) mail_case = case_of(&world, envelope);
        g_assert_cmpint(mail_case->client_class, ==, class_cases[i].class);
        guint begun = postern_case_checks_begun(mail_case);
        g_assert_cmpint((begun & POSTERN_CHECK_SPF) != 0, ==, class_cases[i].spf);
        guint wanted = postern_policies_checks(policies, class_cases[i].class);
        g_assert_cmphex(begun & POSTERN_CHECK_DMARC, ==, wanted & POSTERN_CHECK_DMARC);
        g_assert_cmphex(begun & POSTERN_CHECK_VIRUS, ==, POSTERN_CHECK_VIRUS);
        g_assert_cmpint(postern_case_may_refuse_at_mail(mail_case), ==, class_cases[i].at_mail);
        world.at_mail = FALSE;
        g_autoptr(PosternCase) late = case_of(&world, envelope);
        g_assert_false(postern_case_may_refuse_at_mail(late));
    }
}

static gboolean see(PosternCase *mail_case, const char *header)
{
    return postern_case_header(mail_case, header, strlen(header));
}

#define BY_RELAY                                                                                             \
    "\tby relay.example (Postfix) with ESMTP id 1\r\n\tfor <b@example.org>; Fri, 05 Jun 2026 10:05:00 "      \
    "+0000\r\n"
#define FROM_CLIENT "Received: from mail.example (mail.example [203.0.113.9])\r\n" BY_RELAY
#define FROM_FILTER "Received: from localhost (localhost [127.0.0.1])\r\n" BY_RELAY

static void test_relay(void)
{
    static const char *const told[] = {FROM_CLIENT "\r\n", FROM_FILTER FROM_CLIENT "\r\n"};
    g_autoptr(PosternPolicies) policies = policies_of(CLIENTS, FALSE);
    const World world = {policies};
    for (gsize i = 0; i < G_N_ELEMENTS(told); i++) {
        g_autoptr(PosternEnvelope) envelope = envelope_of("198.51.100.1", NULL);
        g_autoptr(PosternCase) mail_case = case_of(&world, envelope);
        g_assert_true(see(mail_case, told[i]));
        g_assert_false(see(mail_case, told[i]));
        g_assert_true(postern_case_add_recipient(mail_case, g_strdup("b@example.org")));
        const PosternEnvelope *judged = postern_case_envelope(mail_case);
        g_autofree char *client = postern_address_to_string(&judged->client);
        g_assert_cmpstr(client, ==, "203.0.113.9");
        g_assert_cmpuint(judged->recipients->len, ==, 1);
        g_assert_cmphex(postern_case_checks(mail_case) & POSTERN_CHECK_SPF, ==, POSTERN_CHECK_SPF);
        PosternRecord record = {0};
        postern_case_record(mail_case, &record);
        g_assert_true(record.who.envelope == judged);
        g_assert_true(record.who.relay == envelope);
    }
    /* SPF of the relay's own address would tell nothing. */
    g_autoptr(PosternEnvelope) envelope = envelope_of("198.51.100.1", NULL);
    g_autoptr(PosternCase) silent = case_of(&world, envelope);
    g_assert_false(see(silent, "Subject: x\r\n\r\n"));
    g_assert_cmphex(postern_case_checks(silent) & POSTERN_CHECK_SPF, ==, 0);
    g_assert_true(postern_case_envelope(silent) == envelope);

    /* Anybody can write such a field: of a client that is no relay of ours nothing is believed. */
    g_autoptr(PosternEnvelope) external = envelope_of("203.0.113.77", NULL);
    g_autoptr(PosternCase) anybody = case_of(&world, external);
    g_assert_false(see(anybody, told[0]));
    g_assert_true(postern_case_envelope(anybody) == external);
}

static gboolean add(PosternCase *mail_case, const char *recipient)
{
    return postern_case_add_recipient(mail_case, g_strdup(recipient));
}

static void test_recipients(void)
{
    g_autofree char *path = g_strdup_printf("%s/case-XXXXXX", g_get_tmp_dir());
    int descriptor = g_mkstemp(path);
    g_assert_true(g_file_set_contents(path, "example.net strict\nlax@example.org strict\n", -1, NULL));
    g_autofree char *text = g_strdup_printf(
        "[clients]\nown_networks = 192.0.2.0/24\nrecipients = %s\n[policy strict]\nspf_fail = reject\n",
        path);
    g_autoptr(PosternPolicies) policies = policies_of(text, FALSE);
    g_autoptr(PosternPolicies) observing = policies_of(text, TRUE);
    static const struct {
        const char *client;
        gboolean observe, takes_all, refuses;
    } cases[] = {{"203.0.113.1", FALSE, FALSE, TRUE},
                 {"203.0.113.1", TRUE, FALSE, FALSE},
                 {"203.0.113.1", FALSE, TRUE, FALSE},
                 {"192.0.2.1", FALSE, FALSE, FALSE}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        World world = {cases[i].observe ? observing : policies, .takes_all = cases[i].takes_all};
        g_autoptr(PosternEnvelope) envelope = envelope_of(cases[i].client, NULL);
        g_autoptr(PosternCase) mail_case = case_of(&world, envelope);
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_assert_cmpstr(postern_case_policy(mail_case).name, ==, i < 3 ? "" : "submission");
        g_assert_true(add(mail_case, "a@example.net"));
        g_assert_true(add(mail_case, "lax@example.org"));
        g_assert_cmpint(add(mail_case, "b@example.org"), ==, !cases[i].refuses);
        g_assert_true(add(mail_case, "c@example.net"));
        g_assert_cmpuint(envelope->recipients->len, ==, cases[i].refuses ? 3 : 4);
    }
    World world = {policies};
    g_autoptr(PosternEnvelope) envelope = envelope_of("203.0.113.1", NULL);
    g_autoptr(PosternCase) mail_case = case_of(&world, envelope);
    for (guint i = 0; i <= POSTERN_RECIPIENTS_MAX; i++)
        g_assert_true(add(mail_case, "a@example.net"));
    g_assert_cmpstr(postern_case_policy(mail_case).name, ==, "strict");
    g_assert_cmpuint(envelope->recipients->len, ==, POSTERN_RECIPIENTS_MAX);
    g_assert_cmpstr(g_ptr_array_index(envelope->recipients, POSTERN_RECIPIENTS_MAX - 1), ==, "");
    g_close(descriptor, NULL);
    g_unlink(path);
}

/* What refuses apart from what was found, with observe and without. */
static void test_refuse(void)
{
    for (guint observe = 0; observe <= 1; observe++) {
        g_autoptr(PosternPolicies) policies = policies_of("", observe != 0);
        const World world = {policies};
        g_autoptr(PosternEnvelope) envelope = envelope_of("203.0.113.1", NULL);
        g_autoptr(PosternCase) mail_case = case_of(&world, envelope);
        g_assert_cmpint(postern_case_refuse(mail_case, "550 5.6.0 The first"), ==, observe == 0);
        g_assert_cmpint(postern_case_defer(mail_case, "451 4.3.2 The second"), ==, observe == 0);
        PosternRecord record = {0};
        postern_case_record(mail_case, &record);
        g_assert_true(record.decided);
        g_assert_cmpint(record.action, ==, observe ? POSTERN_ACTION_ACCEPT : POSTERN_ACTION_REJECT);
        g_assert_cmpint(record.would, ==, POSTERN_ACTION_REJECT);
        g_assert_cmpstr(observe ? record.would_reply : record.reply, ==, "550 5.6.0 The first");
        g_assert_cmpstr(observe ? record.reply : record.would_reply, ==, NULL);
        g_assert_cmpstr(record.problem, ==, "451 4.3.2 The second");
    }
}

static void test_decide(void)
{
    static const char text[] = "From: a@example.com\r\nMessage-ID: <1@example.com>\r\n\r\nText\r\n";
    static const struct {
        PosternCaseExtent extent;
        PosternVirusResult found;
        PosternAction action;
        gboolean dkim;
    } cases[] = {
        {POSTERN_CASE_WHOLE, POSTERN_VIRUS_CLEAN, POSTERN_ACTION_ACCEPT, TRUE},
        {POSTERN_CASE_WHOLE, POSTERN_VIRUS_INFECTED, POSTERN_ACTION_REJECT, TRUE},
        {POSTERN_CASE_BEGINNING, POSTERN_VIRUS_INFECTED, POSTERN_ACTION_REJECT, FALSE},
        {POSTERN_CASE_BEGINNING, POSTERN_VIRUS_CLEAN, POSTERN_ACTION_REJECT, FALSE},
        {POSTERN_CASE_NOT_IN_TIME, POSTERN_VIRUS_NOT_CHECKED, POSTERN_ACTION_TEMPFAIL, TRUE},
    };
    g_autoptr(PosternPolicies) policies = policies_of("[policy]\ntoo_large = reject\n", FALSE);
    const World world = {policies};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternEnvelope) envelope = envelope_of("203.0.113.1", NULL);
        g_autoptr(PosternCase) mail_case = case_of(&world, envelope);
        g_autoptr(PosternMessage) message = message_of(text);
        g_autoptr(PosternFindings) findings = postern_findings_new();
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_assert_false(see(mail_case, text));
        findings->dkim.checked = TRUE;
        findings->virus.result = cases[i].found;
        postern_case_reduce(mail_case, findings, cases[i].extent);
        g_assert_true(postern_case_decide(mail_case, message, findings, NULL));
        g_assert_cmpint(mail_case->verdict->action, ==, cases[i].action);
        g_assert_cmpint(findings->dkim.checked, ==, cases[i].dkim);
        PosternRecord record = {0};
        postern_case_record(mail_case, &record);
        g_assert_cmpint(record.action, ==, cases[i].action);
        g_assert_cmpstr(record.message_id, ==, "<1@example.com>");
        g_assert_cmpstr(record.reply, ==, mail_case->verdict->reply);
        g_assert_cmpint(record.problem != NULL, ==, cases[i].extent != POSTERN_CASE_WHOLE);
    }
}

static void test_measure(void)
{
    g_autofree char *most = g_strnfill(998, 'x');
    g_autoptr(PosternPolicies) policies = policies_of("", FALSE);
    const World world = {policies};
    for (guint more = 0; more < 4; more++) {
        g_autofree char *text =
            g_strdup_printf("a: b\r\n\r\n%s%s\r\n%s%s", most, more & 1 ? "x" : "", most, more & 2 ? "x" : "");
        g_autoptr(PosternMessage) message = message_of(text);
        g_autoptr(PosternEnvelope) envelope = envelope_of(NULL, NULL);
        g_autoptr(PosternCase) mail_case = case_of(&world, envelope);
        postern_case_measure(mail_case, message);
        g_assert_cmpuint(mail_case->long_lines, ==, (more & 1) + (more >> 1));
        g_assert_false(mail_case->nul);
    }
}

/* RFC 5321 4.4 */
static void test_received(void)
{
    g_autoptr(PosternPolicies) policies = policies_of("", FALSE);
    const World world = {policies};
    g_autoptr(PosternEnvelope) envelope = envelope_of("2001:db8::1", NULL);
    envelope->helo = g_strdup("evil)\r\nX: y");
    envelope->esmtp = TRUE;
    envelope->session = g_strdup("id0123");
    g_autoptr(PosternCase) mail_case = case_of(&world, envelope);
    g_assert_null(postern_case_edits(mail_case));
    postern_case_add_received(mail_case, "mx.example");
    const PosternEdits *edits = postern_case_edits(mail_case);
    g_assert_cmpuint(edits->list->len, ==, 1);
    const PosternEdit *edit = g_ptr_array_index(edits->list, 0);
    g_assert_cmpstr(edit->name, ==, "Received");
    g_auto(GStrv) lines = g_strsplit(edit->value, ";", 2);
    g_assert_cmpstr(lines[0], ==,
                    "from evil???X:?y (unknown [IPv6:2001:db8::1])\r\n"
                    "\tby mx.example (Postern) with ESMTP id id0123");
    g_assert_true(g_str_has_prefix(lines[1], "\r\n\t"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/case/class", test_class);
    g_test_add_func("/case/relay", test_relay);
    g_test_add_func("/case/recipients", test_recipients);
    g_test_add_func("/case/refuse", test_refuse);
    g_test_add_func("/case/decide", test_decide);
    g_test_add_func("/case/measure", test_measure);
    g_test_add_func("/case/received", test_received);
    return g_test_run();
}
