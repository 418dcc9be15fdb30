#include "proxy/session/session.h"

#include "session_harness.h"

#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"

/* The rows of the tables, each of so many fields, that begin behind a line. */
static GPtrArray *rows_behind(const char *heading, guint fields)
{
    g_autofree char *text = postern_session_describe();
    const char *start = strstr(text, heading);
    g_assert_nonnull(start);
    g_auto(GStrv) lines = g_strsplit(strchr(start, '\n') + 1, "\n", -1);
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    for (guint i = 0; lines[i] != NULL && lines[i][0] != '#' && lines[i][0] != '\0'; i++) {
        char **row = g_strsplit(lines[i], "\t", -1);
        g_assert_cmpuint(g_strv_length(row), ==, fields);
        g_ptr_array_add(rows, row);
    }
    return rows;
}

static const char *look_up(const char *const (*pairs)[2], const char *key)
{
    while ((*pairs)[0] != NULL && !g_str_equal((*pairs)[0], key))
        pairs++;
    if ((*pairs)[0] == NULL)
        g_error("the test does not know '%s'", key);
    return (*pairs)[1];
}

/* What leads to a stage, and what is said there. */
static const char *const stages[][2] = {
    {"connected", ""},
    {"greeted", "EHLO c\r\n"},
    {"sender", "EHLO c\r\nMAIL FROM:<a@x.test>\r\n"},
    {"refused", "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<no@y.test>\r\n"},
    {"recipients", "EHLO c\r\n" ENVELOPE},
    {"chunks", "EHLO c\r\n" ENVELOPE "BDAT 1\r\nx"},
    {NULL, NULL},
};

static const char *const sayings[][2] = {
    {"?", "BOGUS\r\n"},
    {"HELO", "HELO c\r\n"},
    {"EHLO", "EHLO c\r\n"},
    {"MAIL", "MAIL FROM:<a@x.test>\r\n"},
    {"RCPT", "RCPT TO:<b@y.test>\r\n"},
    {"DATA", "DATA\r\n"},
    {"BDAT", "BDAT 1 LAST\r\nx"},
    {"RSET", "RSET\r\n"},
    {"NOOP", "NOOP\r\n"},
    {"QUIT", "QUIT\r\n"},
    {"VRFY", "VRFY b\r\n"},
    {"EXPN", "EXPN b\r\n"},
    {"HELP", "HELP\r\n"},
    {"ETRN", "ETRN y.test\r\n"},
    {"STARTTLS", "STARTTLS\r\n"},
    {"AUTH", "AUTH PLAIN\r\n"},
    {"XCLIENT", "XCLIENT ADDR=192.0.2.9\r\n"},
    {"XFORWARD", "XFORWARD ADDR=192.0.2.9\r\n"},
    {NULL, NULL},
};

/* Who is told so in the table is told so, and the dialogue goes on in step; all others are not. */
static void check_command(const GPtrArray *rows, char *const *row, gsize piece)
{
    Harness harness;
    /* MAIL and ETRN without EHLO are for a back-end to judge that is told of the client. */
    gboolean judged =
        (g_str_equal(row[0], "MAIL") || g_str_equal(row[0], "ETRN")) && g_str_equal(row[1], "connected");
    harness_start(&harness, judged ? "client_address = none\nrecipient_domains = y.test" : "", piece);
    harness_rule(&harness, "RCPT TO:<no@", "550 5.1.1 no\r\n", 0);
    harness_say(&harness, look_up(stages, row[1]));
    g_string_truncate(harness.replies, 0);
    harness_say(&harness, look_up(sayings, row[0]));
    if (!g_str_equal(row[2], "taken"))
        g_assert_true(g_str_has_prefix(harness.replies->str, row[2]));
    else
        for (guint i = 0; i < rows->len; i++) {
            char *const *other = g_ptr_array_index(rows, i);
            g_assert_true(g_str_equal(other[2], "taken") ||
                          !g_str_has_prefix(harness.replies->str, other[2]));
        }
    gboolean data = g_str_has_prefix(harness.replies->str, "354");
    g_string_truncate(harness.replies, 0);
    harness_say(&harness, data ? "x\r\n.\r\nNOOP\r\n" : "NOOP\r\n");
    harness_expect(&harness, g_str_equal(row[0], "QUIT") ? "" : data ? "250 250" : "250");
    harness_finish(&harness);
}

static void test_commands(gsize piece)
{
    g_autoptr(GPtrArray) rows = rows_behind("# command, stage", 3);
    g_assert_cmpuint(rows->len, ==, (G_N_ELEMENTS(stages) - 1) * (G_N_ELEMENTS(sayings) - 1));
    for (guint i = 0; i < rows->len; i++)
        check_command(rows, g_ptr_array_index(rows, i), piece);
}

/* What a client says for the MTA to be told a command, which begins so; NULL: not here. */
static const struct {
    const char *what, *prefix, *said;
} tellings[] = {
    {"the connection", "connect", "EHLO c.test\r\n" ENVELOPE},
    {"EHLO", "EHLO mx.test", "EHLO c.test\r\n" ENVELOPE},
    {"EHLO after XCLIENT", "EHLO c.test", "EHLO c.test\r\n" ENVELOPE},
    {"HELO of the client", "HELO c.test", "HELO c.test\r\n" ENVELOPE},
    {"XCLIENT", "XCLIENT", "EHLO c.test\r\n" ENVELOPE},
    {"XFORWARD", "XFORWARD", "EHLO c.test\r\n" ENVELOPE},
    {"VRFY", "VRFY", "EHLO c.test\r\nVRFY b\r\n"},
    {"MAIL", "MAIL", "EHLO c.test\r\n" ENVELOPE},
    {"RCPT", "RCPT", "EHLO c.test\r\n" ENVELOPE},
    {"DATA", "DATA", "EHLO c.test\r\n" ENVELOPE "BDAT 3 LAST\r\nx\r\n"},
    {"the message", ".", "EHLO c.test\r\n" ENVELOPE "BDAT 3 LAST\r\nx\r\n"},
    {"RSET", "RSET", "EHLO c.test\r\n" ENVELOPE "RSET\r\n"},
    {"STARTTLS", NULL, NULL}, /* flow/starttls */
    {"AUTH", NULL, NULL},     /* session_auth_test */
    {"QUIT", NULL, NULL},     /* no client waits for it */
};

/* The code that the client hears last. */
static guint expected(const char *what, guint code, const char *outcome)
{
    static const char *const ours[] = {"the connection", "EHLO after XCLIENT", "HELO of the client",
                                       "XCLIENT", "XFORWARD"};
    gboolean passes = g_str_has_prefix(outcome, "taken") || g_str_has_prefix(outcome, "refuses");
    if (g_str_equal(what, "RSET"))
        return 250;
    for (gsize i = 0; i < G_N_ELEMENTS(ours); i++)
        if (g_str_equal(what, ours[i]) && g_str_has_prefix(outcome, "taken"))
            return 250;
    if (g_str_equal(what, "MAIL") && code < 300)
        return 250;
    if (g_str_equal(what, "DATA") && code == 354)
        return 250;
    /* A 2yz to EHLO that is no list offers no XCLIENT. */
    return !passes || code == 421 || code / 100 == 3 || g_str_equal(what, "EHLO") ? 451 : code;
}

static void check_reply(char *const *row, gsize piece)
{
    gsize at = 0;
    guint code = (guint)g_ascii_strtoull(row[1], NULL, 10);
    g_autofree char *reply = g_strdup_printf("%u said\r\n", code);
    while (at < G_N_ELEMENTS(tellings) && !g_str_equal(tellings[at].what, row[0]))
        at++;
    g_assert_cmpuint(at, <, G_N_ELEMENTS(tellings));
    if (tellings[at].prefix == NULL)
        return;
    Harness harness;
    gboolean once = g_str_equal(row[0], "RSET");
    harness_start(&harness,
                  g_str_equal(row[0], "XFORWARD") ? "client_address = xforward\nrecipient_domains = y.test\n"
                                                  : "",
                  piece);
    harness_rule(&harness, tellings[at].prefix, reply, once ? 1 : 0);
    harness_say(&harness, tellings[at].said);
    harness_wait(&harness, 3700 * 1000); /* longer than any wait for a back-end */
    g_auto(GStrv) lines = g_strsplit(harness.replies->str, "\r\n", -1);
    const char *last = lines[g_strv_length(lines) - 2];
    if ((guint)g_ascii_strtoull(last, NULL, 10) == 421) /* the client has had its own time since */
        last = lines[g_strv_length(lines) - 3];
    if ((guint)g_ascii_strtoull(last, NULL, 10) != expected(row[0], code, row[2]))
        g_error("%s, %u, %s: the client hears '%s'", row[0], code, row[2], last);
    gboolean stored = g_str_has_prefix(row[0], "DATA") && code == 354;
    if (!g_str_equal(row[0], "the message"))
        g_assert_cmpuint(harness.messages, ==, stored);
    harness_finish(&harness);
}

static void test_replies(gsize piece)
{
    g_autoptr(GPtrArray) rows = rows_behind("# command to a back-end", 3);
    g_assert_cmpuint(rows->len % G_N_ELEMENTS(tellings), ==, 0);
    for (guint i = 0; i < rows->len; i++)
        check_reply(g_ptr_array_index(rows, i), piece);
}

/* Every state has a row; one that reads is told apart. */
static void test_states(gsize piece)
{
    g_autoptr(GPtrArray) rows = rows_behind("# state", 5);
    g_assert_cmpuint(rows->len, ==, POSTERN_SESSION_CLOSING + 1);
    for (guint i = 0; i < rows->len; i++) {
        char *const *row = g_ptr_array_index(rows, i);
        g_assert_false(g_str_equal(row[1], "lines") && g_str_equal(row[2], "octets"));
        if (g_str_equal(row[2], "octets"))
            g_assert_cmpstr(row[3], ==, "message");
    }
}

/* What is asked beside messages, and what the client hears. */
static void test_queries(gsize piece)
{
    static const struct {
        const char *options, *said, *rule, *reply, *codes, *told;
    } rows[] = {
        {"", "VRFY b@y.test\r\n", "VRFY", "250-b\r\n250 or not\r\n", "250", "VRFY b@y.test\n"},
        {"", "vrfy b\r\nNOOP\r\nEXPN all\r\n", "VRFY", "550 no\r\n", "550 250 502", "VRFY b\nEXPN all\n"},
        {"", "HELP\r\n", "HELP", "214 me\r\n", "214", "HELP\n"},
        {"", "ETRN y.test\r\n", "ETRN", "253 9 messages\r\n", "253", "ETRN y.test\n"},
        {"", "ETRN y.test\r\nNOOP\r\n", "ETRN", "421 bye\r\n", "451 250", "ETRN y.test\n"},
        {"", "VRFY b\r\nNOOP\r\n", "VRFY", HARNESS_CLOSE, "451 250", "VRFY b\n"},
        {"", "VRFY b\r\nNOOP\r\n", "XCLIENT", "554 go away\r\n", "554 250", ""},
        {"", "VRFY b\r\nNOOP\r\n", "connect", "554 go away\r\n", "451 250", ""},
        {"", "MAIL FROM:<a@x.test>\r\nVRFY b\r\nETRN y\r\n", "VRFY", "550 no\r\n", "250 550 503", "VRFY b\n"},
        {"discard_ehlo_keywords = VRFY; help", "VRFY b\r\nHELP\r\n", "none", "", "252 214", ""},
        {"client_address = none\nrecipient_domains = y.test", "VRFY b\r\nEXPN b\r\nETRN y\r\n", "none", "",
         "252 502 502", ""},
        {"max_refused_recipients = 1", "VRFY b\r\nNOOP\r\n", "VRFY", "550 no\r\n", "550 421", "VRFY b\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        harness_start(&harness, rows[i].options, piece);
        harness_rule(&harness, rows[i].rule, rows[i].reply, 0);
        harness_greet(&harness);
        harness_say(&harness, rows[i].said);
        harness_wait(&harness, 1000);
        harness_expect(&harness, rows[i].codes);
        g_autoptr(GRegex) others = g_regex_new("^(EHLO|XCLIENT|RSET|QUIT).*\n", G_REGEX_MULTILINE, 0, NULL);
        g_autofree char *told = g_regex_replace_literal(others, harness.commands->str, -1, 0, "", 0, NULL);
        g_assert_cmpstr(told, ==, rows[i].told);
        harness_finish(&harness);
    }
}

/* EHLO names what is asked of the back-end, if that does. */
static void test_queries_are_announced(gsize piece)
{
    Harness harness;
    harness_start(&harness, "discard_ehlo_keywords = EXPN", piece);
    harness_rule(&harness, "EHLO", "250-mta\r\n250-VRFY\r\n250-EXPN\r\n250-ETRN\r\n250 XCLIENT ADDR NAME\r\n",
                 0);
    harness_say(&harness, "EHLO c\r\n");
    g_assert_nonnull(strstr(harness.replies->str, "VRFY\r\n"));
    g_assert_nonnull(strstr(harness.replies->str, "ETRN\r\n"));
    g_assert_null(strstr(harness.replies->str, "EXPN"));
    g_assert_null(strstr(harness.replies->str, "HELP"));
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session-table/states", test_states},
    {"/session-table/commands", test_commands},
    {"/session-table/replies", test_replies},
    {"/session-table/queries", test_queries},
    {"/session-table/queries-are-announced", test_queries_are_announced},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
