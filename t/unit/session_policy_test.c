#include "proxy/session/session.h"

#include <glib/gstdio.h>

#include "session_harness.h"

/*
 * Policy by class of client and by recipient. The table: strict@ and s.test have [policy strict], lax@ has
 * [policy lax], all others [policy].
 */
#define TABLE "strict@y.test strict\ns.test strict\nlax@y.test lax\n"
#define POLICIES                                                                                             \
    "[policy]\nchecks = spf; virus\nauthentication_results = no\n"                                           \
    "[policy strict]\nchecks = spf; dkim; virus\nspf_fail = reject\n"                                        \
    "[policy lax]\nchecks = virus\n"                                                                         \
    "[policy friends]\nchecks = dkim\n"                                                                      \
    "[clients]\nown_networks = 192.0.2.0/28\ntrusted_relays = 198.51.100.0/24\n"                             \
    "own_networks_policy = friends\n"
#define MESSAGE "A: b\r\n\r\nx\r\n.\r\n"

static char *table_path(void)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(g_get_tmp_dir(), "postern-recipients-XXXXXX", NULL);
    int descriptor = g_mkstemp(path);
    g_assert_cmpint(descriptor, >=, 0);
    g_close(descriptor, NULL);
    g_assert_true(g_file_set_contents(path, TABLE, -1, &error));
    return path;
}

static void start(Harness *harness, const char *proxy, const char *address, gsize piece)
{
    g_autofree char *path = table_path();
    g_autofree char *text = g_strconcat(proxy, POLICIES, "recipients = ", path, "\n", NULL);
    harness_start_from(harness, text, address, FALSE, piece);
    g_unlink(path);
    harness_say(harness, "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\n");
    harness_expect(harness, "220 250 250");
}

static const struct {
    const char *recipients; /* in a pipeline, apart by spaces; '!' in front: the MTA refuses it */
    const char *codes;
    const char *asked; /* that the MTA was asked about */
    const char *policy;
} mixtures[] = {
    {"any@y.test other@y.test", "250 250", "any@y.test other@y.test ", NULL},
    {"strict@y.test any@s.test", "250 250", "strict@y.test any@s.test ", "policy=strict"},
    {"strict@y.test any@y.test lax@y.test strict@s.test", "250 452 452 250", "strict@y.test strict@s.test ",
     "policy=strict"},
    {"any@y.test strict@y.test other@y.test", "250 452 250", "any@y.test other@y.test ", NULL},
    {"!strict@y.test lax@y.test any@y.test", "550 250 452", "strict@y.test lax@y.test ", "policy=lax"},
    {"!strict@y.test !lax@y.test any@y.test lax@y.test", "550 550 250 452",
     "strict@y.test lax@y.test any@y.test ", NULL},
};

static void refuse_marked(Harness *harness, char **recipients)
{
    for (; *recipients != NULL; recipients++)
        if (**recipients == '!') {
            char *command = g_strdup_printf("RCPT TO:<%s>", *recipients + 1);
            harness_rule(harness, g_intern_string(command), "550 5.1.1 no\r\n", 1);
            g_free(command);
        }
}

static char *asked_recipients(const Harness *harness)
{
    g_autoptr(GString) asked = g_string_new(NULL);
    g_auto(GStrv) commands = g_strsplit(harness->commands->str, "\n", -1);
    for (guint i = 0; commands[i] != NULL; i++)
        if (g_str_has_prefix(commands[i], "RCPT TO:<"))
            g_string_append_printf(asked, "%.*s ", (int)strcspn(commands[i] + 9, ">"), commands[i] + 9);
    return g_string_free(g_steal_pointer(&asked), FALSE);
}

/* All recipients of a message have one policy; who has another is asked to come again, and the back-end never
 * hears of it. */
static void test_mixed_recipients(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(mixtures); i++) {
        g_auto(GStrv) recipients = g_strsplit(mixtures[i].recipients, " ", -1);
        g_autoptr(GString) lines = g_string_new(NULL);
        Harness harness;
        start(&harness, "", "203.0.113.1", piece);
        refuse_marked(&harness, recipients);
        for (guint j = 0; recipients[j] != NULL; j++)
            g_string_append_printf(lines, "RCPT TO:<%s>\r\n", recipients[j] + (recipients[j][0] == '!'));
        harness_say(&harness, lines->str);
        harness_expect(&harness, mixtures[i].codes);
        g_autofree char *asked = asked_recipients(&harness);
        g_assert_cmpstr(asked, ==, mixtures[i].asked);
        harness_say(&harness, "DATA\r\n" MESSAGE);
        harness_expect(&harness, "354 250");
        if (mixtures[i].policy != NULL)
            harness_expect_log(&harness, mixtures[i].policy);
        else
            g_assert_cmpuint(harness_count_log(&harness, " policy="), ==, 0);
        harness_finish(&harness);
    }
}

/* Where nothing is refused by policy, no message is split. */
static void test_no_split(gsize piece)
{
    static const char *const configurations[] = {"mode = observe\n", "inspect = no\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(configurations); i++) {
        Harness harness;
        start(&harness, configurations[i], "203.0.113.1", piece);
        harness_say(&harness, "RCPT TO:<any@y.test>\r\nRCPT TO:<strict@y.test>\r\nDATA\r\n" MESSAGE);
        harness_expect(&harness, "250 250 354 250");
        harness_finish(&harness);
    }
}

static const struct {
    const char *client;
    const char *recipient;
    guint begun, checks; /* without CONTENT */
    const char *log;
} classes[] = {
    {"203.0.113.1", "any@y.test", POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS,
     POSTERN_CHECK_SPF | POSTERN_CHECK_VIRUS, "class=other"},
    {"203.0.113.1", "strict@y.test", POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS,
     POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS, "class=other policy=strict"},
    {"192.0.2.7", "strict@y.test", POSTERN_CHECK_DKIM, POSTERN_CHECK_DKIM,
     "class=own_network policy=friends"},
    {"198.51.100.9", "lax@y.test", POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS,
     POSTERN_CHECK_VIRUS, "class=trusted_relay policy=lax"},
};

/* What is begun at MAIL is what any recipient could want; what is asked for at the dot is what they do. */
static void test_classes(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(classes); i++) {
        g_autofree char *lines = g_strdup_printf("RCPT TO:<%s>\r\nDATA\r\n" MESSAGE, classes[i].recipient);
        Harness harness;
        start(&harness, "", classes[i].client, piece);
        harness_say(&harness, lines);
        harness_expect(&harness, "250 354 250");
        g_assert_cmphex(harness.begun & ~(guint)POSTERN_CHECK_CONTENT, ==, classes[i].begun);
        g_assert_cmphex(harness.checks & ~(guint)POSTERN_CHECK_CONTENT, ==, classes[i].checks);
        harness_expect_log(&harness, classes[i].log);
        harness_finish(&harness);
    }
}

static void test_policy_decides(gsize piece)
{
    static const struct {
        const char *recipient, *codes;
    } rows[] = {
        {"any@y.test", "250 354 250"}, {"strict@y.test", "250 354 550"}, {"lax@y.test", "250 354 250"}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *lines = g_strdup_printf("RCPT TO:<%s>\r\nDATA\r\n" MESSAGE, rows[i].recipient);
        Harness harness;
        start(&harness, "", "203.0.113.1", piece);
        harness.findings->spf.result = POSTERN_SPF_FAIL;
        harness_say(&harness, lines);
        harness_expect(&harness, rows[i].codes);
        harness_finish(&harness);
    }
}

static const struct {
    const char *message;
    const char *origin; /* NULL: the field names none, and SPF is not to be checked by the relay's address */
} relayed[] = {
    {"Received: from he.lo (c.test [203.0.113.77]) by relay.test (Postfix) with ESMTP id 1\r\n\r\nx\r\n",
     "203.0.113.77 he.lo\n"},
    {"Received: from r2 (r2.test [198.51.100.8])\r\n\tby relay.test (Postfix) with ESMTP id 1\r\n"
     "Received: from he.lo (unknown [203.0.113.78]) by r2.test (Postfix) with SMTP id 2\r\n"
     "Received: from x (unknown [203.0.113.99]) by he.lo (Postfix) with SMTP id 3\r\n\r\nx\r\n",
     "203.0.113.78 he.lo\n"},
    {"Received: from he.lo (c.test [203.0.113.79]) by relay.test (Postfix) with ESMTP id 1\r\n",
     "203.0.113.79 he.lo\n"}, /* a header without an end */
    {"Subject: none\r\n\r\nReceived: from he.lo (c.test [203.0.113.80]) by relay.test with ESMTP id 1\r\n",
     NULL},
    {"", NULL},
};

/* Whom a trusted relay had the message from is judged and logged; the back-end hears of the relay. */
static void test_trusted_relay(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(relayed); i++) {
        g_autofree char *lines =
            g_strconcat("RCPT TO:<any@y.test>\r\nDATA\r\n", relayed[i].message, ".\r\n", NULL);
        Harness harness;
        start(&harness, "", "198.51.100.9", piece);
        harness_say(&harness, lines);
        harness_expect(&harness, "250 354 250");
        const char *origin = relayed[i].origin;
        g_assert_cmpstr(harness.origins->str, ==, origin != NULL ? origin : "");
        g_assert_cmpint((harness.checks & POSTERN_CHECK_SPF) != 0, ==, origin != NULL);
        g_autofree char *words = origin != NULL ? g_strdup_printf("client=%.*s relay=198.51.100.9 ",
                                                                  (int)strcspn(origin, " "), origin)
                                                : g_strdup("client=198.51.100.9 ");
        harness_expect_log(&harness, words);
        g_assert_nonnull(strstr(harness.commands->str, "XCLIENT ADDR=198.51.100.9"));
        g_assert_cmpstr(harness.message->str, ==, relayed[i].message);
        harness_finish(&harness);
    }
}

/* The client that a relay names is looked for where it is to be checked. */
static void test_relay_without_inspection(gsize piece)
{
    g_autofree char *lines =
        g_strconcat("RCPT TO:<any@y.test>\r\nDATA\r\n", relayed[0].message, ".\r\n", NULL);
    Harness harness;
    start(&harness, "inspect = no\n", "198.51.100.9", piece);
    harness_say(&harness, lines);
    harness_expect(&harness, "250 354 250");
    g_assert_cmpstr(harness.origins->str, ==, "");
    harness_expect_log(&harness, " client=198.51.100.9 ");
    harness_finish(&harness);
}

/* An external client's Received says nothing. */
static void test_external_client_is_not_believed(gsize piece)
{
    Harness harness;
    start(&harness, "", "203.0.113.1", piece);
    harness_say(&harness,
                "RCPT TO:<any@y.test>\r\nDATA\r\nReceived: from he.lo (c.test [192.0.2.1]) by relay.test "
                "(Postfix) with ESMTP id 1\r\n\r\n.\r\n");
    harness_expect(&harness, "250 354 250");
    g_assert_cmpstr(harness.origins->str, ==, "");
    harness_expect_log(&harness, "client=203.0.113.1 action");
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session-policy/mixed-recipients", test_mixed_recipients},
    {"/session-policy/no-split", test_no_split},
    {"/session-policy/classes", test_classes},
    {"/session-policy/policy-decides", test_policy_decides},
    {"/session-policy/trusted-relay", test_trusted_relay},
    {"/session-policy/relay-without-inspection", test_relay_without_inspection},
    {"/session-policy/external-client-is-not-believed", test_external_client_is_not_believed},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
