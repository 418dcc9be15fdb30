#include "proxy/session/session.h"

#include "base/limits.h"
#include "session_harness.h"

#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
#define STREAM "inspect = no\n"

/* What the client says after its greeting, and what comes of it. */
typedef struct {
    const char *options;
    const char *said;
    const char *codes;
    const char *message; /* the end of what the MTA got, or NULL: none */
} Row;

static const Row rows[] = {
    {"", ENVELOPE "BDAT 11 LAST\r\nA: b\r\n\r\nx\r\nNOOP\r\n", "250 250 250 250", "A: b\r\n\r\nx\r\n"},
    {"", ENVELOPE "BDAT 6\r\nA: b\r\nBDAT 2\r\n\r\nBDAT 3 LAST\r\nx\r\n", "250 250 250 250 250",
     "A: b\r\n\r\nx\r\n"},
    {"", ENVELOPE "bdat 9\r\nA: b\r\n\r\nxBDAT  0  last \r\n", "250 250 250 250", "A: b\r\n\r\nx\r\n"},
    /* No dot means anything, wherever a chunk begins or ends. */
    {"", ENVELOPE "BDAT 17 LAST\r\nA: b\r\n\r\n.\r\n..\r\n.x", "250 250 250",
     "A: b\r\n\r\n.\r\n..\r\n.x\r\n"},
    {"", ENVELOPE "BDAT 9\r\nA: b\r\n\r\n.BDAT 1\r\n\rBDAT 5 LAST\r\n\n.\r\nx", "250 250 250 250 250",
     "A: b\r\n\r\n.\r\n.\r\nx\r\n"},
    {STREAM, ENVELOPE "BDAT 17 LAST\r\nA: b\r\n\r\n.\r\n..\r\n.x", "250 250 250",
     "A: b\r\n\r\n.\r\n..\r\n.x\r\n"},
    {STREAM, ENVELOPE "BDAT 9\r\nA: b\r\n\r\n.BDAT 1\r\n\rBDAT 5 LAST\r\n\n.\r\nx", "250 250 250 250 250",
     "A: b\r\n\r\n.\r\n.\r\nx\r\n"},
    {"", ENVELOPE "BDAT 0 LAST\r\n", "250 250 250", ""},
    {"", ENVELOPE "BDAT 0\r\nBDAT 0\r\nBDAT 1 LAST\r\nx", "250 250 250 250 250", "x\r\n"},
    /* Only CRLF ends a line. */
    {"", ENVELOPE "BDAT 3 LAST\r\na\nbNOOP\r\n", "250 250 550 250", NULL},
    {"", ENVELOPE "BDAT 2 LAST\r\na\rNOOP\r\n", "250 250 550 250", NULL},
    {"", ENVELOPE "BDAT 2\r\na\rBDAT 1 LAST\r\nbNOOP\r\n", "250 250 250 550 250", NULL},
    {"", ENVELOPE "BDAT 3\r\na\nbBDAT 1\r\ncRSET\r\nNOOP\r\n", "250 250 550 550 250 250", NULL},
    {"", ENVELOPE "BDAT 3\r\na\nbBDAT 1 LAST\r\ncNOOP\r\n", "250 250 550 550 250", NULL},
    {"refuse_nul = yes\nbare_newline = repair", ENVELOPE "BDAT 2 LAST\r\na\nNOOP\r\n", "250 250 250 250",
     "a\r\n"},
    {"bare_newline = repair", ENVELOPE "BDAT 1\r\n\rBDAT 2 LAST\r\n\r.", "250 250 250 250", "\r\n\r\n.\r\n"},
    /* Octets that are refused are taken, and nothing is made of those after them. */
    {"", "BDAT 6\r\nQUIT\r\nNOOP\r\n", "503 250", NULL},
    {"", "MAIL FROM:<a@x.test>\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@x.test>\r\n", "250 503 250", NULL},
    {"", "MAIL FROM:<a@x.test>\r\nRCPT TO:<no@y.test>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
     "250 550 554 554 250", NULL},
    {"", ENVELOPE "BDAT 6 LOST\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250 250 501 501 250", NULL},
    {"message_size = 1K", ENVELOPE "BDAT 6\r\nQUIT\r\nBDAT 2000\r\n", "250 250 250", NULL},
    {"discard_ehlo_keywords = chunking", ENVELOPE "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
     "250 250 502 502 250", NULL},
    /* BDAT and DATA do not mix (RFC 3030 2). */
    {"", ENVELOPE "BDAT 6\r\nA: b\r\nDATA\r\nRCPT TO:<c@y.test>\r\nMAIL FROM:<>\r\nBDAT 2 LAST\r\n\r\n",
     "250 250 250 503 503 503 250", "A: b\r\n\r\n"},
    {"", ENVELOPE "BDAT 6\r\nA: b\r\nRSET\r\nDATA\r\n" ENVELOPE "DATA\r\nx\r\n.\r\n",
     "250 250 250 250 503 250 250 354 250", "x\r\n"},
    {"", ENVELOPE "BDAT 6\r\nA: b\r\nEHLO again\r\nBDAT 6 LAST\r\nA: b\r\n", "250 250 250 250 503", NULL},
    {"", ENVELOPE "BDAT 6\r\nA: b\r\nNOOP\r\nBDAT 0 LAST\r\n", "250 250 250 250 250", "A: b\r\n"},
    {"", ENVELOPE "BDAT 6\r\nA: b\r\nQUIT\r\n", "250 250 250 221", NULL},
    {"", ENVELOPE "BDAT x\r\nNOOP\r\n", "250 250 521", NULL},
    {"", ENVELOPE "BDAT 99999999999999999999\r\nNOOP\r\n", "250 250 521", NULL},
};

static void test_rows(gsize piece)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Harness harness;
        harness_start(&harness, rows[i].options, piece);
        harness_rule(&harness, "RCPT TO:<no@", "550 5.1.1 no\r\n", 0);
        harness_greet(&harness);
        harness_say(&harness, rows[i].said);
        harness_expect(&harness, rows[i].codes);
        g_assert_cmpuint(harness.messages, ==, rows[i].message != NULL);
        if (rows[i].message != NULL && !g_str_has_suffix(harness.message->str, rows[i].message))
            g_error("row %zu: the MTA got '%s'", i, harness.message->str);
        harness_finish(&harness);
    }
}

/* One that is too big is told so at its end; one whose end nobody would wait for, at once. */
static void test_too_big(gsize piece)
{
    g_autofree char *filling = g_strnfill(600, 'x');
    g_autofree char *chunk = g_strdup_printf("BDAT 600\r\n%s", filling);
    Harness harness;
    harness_start(&harness, "message_size = 1K", piece);
    harness_open_envelope(&harness);
    harness_say(&harness, chunk);
    harness_say(&harness, chunk);
    harness_expect(&harness, "250 552");
    harness_say(&harness, "BDAT 1 LAST\r\nxNOOP\r\n");
    harness_expect(&harness, "552 250");
    harness_say(&harness, "BDAT 1048576\r\n");
    harness_say(&harness, filling);
    harness_say(&harness, filling);
    harness_expect(&harness, "521");
    g_assert_true(harness_is_closed(&harness));
    harness_expect_log(&harness, "ended=too-big");
    harness_finish(&harness);
}

/* A back-end that fails while chunks still come is told of at the next one's end, and of each after it. */
static void test_back_end_is_lost(gsize piece)
{
    Harness harness;
    harness_start(&harness, STREAM "burst_size = 1K", piece);
    harness_rule(&harness, "DATA", "554 5.6.0 not that\r\n", 1);
    harness_open_envelope(&harness);
    g_autofree char *filling = g_strnfill(2000, 'x');
    g_autofree char *chunk = g_strdup_printf("BDAT 2008\r\nA: b\r\n\r\n%s", filling);
    harness_say(&harness, chunk);
    harness_expect(&harness, piece == 1 ? "554" : "250"); /* heard before the chunk has ended, or after */
    harness_say(&harness, "BDAT 1\r\nx");
    harness_expect(&harness, "554");
    harness_say(&harness, "BDAT 1 LAST\r\nxNOOP\r\n");
    harness_expect(&harness, "554 250");
    g_assert_cmpuint(harness.messages, ==, 0);
    harness_finish(&harness);
}

/* A message of chunks is streamed as any other, and what its client says in between changes nothing. */
static void test_streamed(gsize piece)
{
    g_autofree char *filling = g_strnfill(2000, 'x');
    g_autofree char *first = g_strdup_printf("BDAT 2008\r\nA: b\r\n\r\n%sNOOP\r\n", filling);
    g_autofree char *whole = g_strdup_printf("A: b\r\n\r\n%s\r\n.\r\n.y\r\n", filling);
    Harness harness;
    harness_start(&harness, STREAM "burst_size = 1K", piece);
    harness_open_envelope(&harness);
    harness_say(&harness, first);
    harness_expect(&harness, "250 250");
    harness_expect_commands(&harness, "DATA\n");
    harness_say(&harness, "BDAT 3\r\n\r\n.BDAT 5 LAST\r\n\r\n.y\r");
    harness_expect(&harness, "250 550"); /* a CR that nothing follows */
    g_assert_cmpuint(harness.messages, ==, 0);
    harness_say(&harness, ENVELOPE);
    harness_say(&harness, first);
    harness_say(&harness, "BDAT 3\r\n\r\n.BDAT 6 LAST\r\n\r\n.y\r\n");
    harness_expect(&harness, "250 250 250 250 250 250");
    g_assert_true(g_str_has_suffix(harness.message->str, whole));
    g_assert_cmpuint(harness.messages, ==, 1);
    harness_finish(&harness);
}

/* Chunks do not put off what is asked of a message's rate, and their client has as long as one of DATA. */
static void test_slow(gsize piece)
{
    Harness harness;
    harness_start(&harness, "min_data_rate = 100\nclient_timeout = 10m\nclient_data_timeout = 30s\n", piece);
    harness_open_envelope(&harness);
    for (guint i = 0; i < 9 && !harness_is_closed(&harness); i++) {
        harness_say(&harness, "BDAT 1\r\nx");
        harness_wait(&harness, 10000);
    }
    harness_expect(&harness, "250 250 250 250 250 250 421");
    harness_expect_log(&harness, "ended=too-slow");
    harness_finish(&harness);
    harness_start(&harness, "client_timeout = 10m\nclient_data_timeout = 30s\n", piece);
    harness_open_envelope(&harness);
    harness_say(&harness, "BDAT 1\r\nx");
    harness_wait(&harness, 31000);
    harness_expect(&harness, "250 421");
    harness_finish(&harness);
}

/* A recipient more than LIMITS says is refused, whoever of us says so; what is not ASCII goes on if the MTA
 * takes it. */
static void test_ehlo_is_computed(gsize piece)
{
    Harness harness;
    harness_start(&harness, "max_recipients = 3\ndiscard_ehlo_keywords = dsn; ENHANCEDSTATUSCODES", piece);
    harness_rule(&harness, "EHLO",
                 "250-mta\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250-REQUIRETLS\r\n"
                 "250-LIMITS RCPTMAX=2 RCPTDOMAINMAX=1 MAILMAX=5\r\n250 XCLIENT ADDR NAME\r\n",
                 0);
    harness_say(&harness, "EHLO c\r\n");
    harness_expect_text(&harness, "220 mx.test ESMTP id\r\n250-mx.test\r\n250-PIPELINING\r\n"
                                  "250-SIZE 52428800\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
                                  "250 LIMITS RCPTMAX=2 RCPTDOMAINMAX=1\r\n");
    harness_say(&harness, "MAIL FROM:<\303\244@\303\266.test> SMTPUTF8\r\nRCPT TO:<\303\244@y.test>\r\n"
                          "RCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\n");
    harness_expect(&harness, "250 250 250 452");
    g_assert_nonnull(strstr(harness.commands->str, "MAIL FROM:<\303\244@\303\266.test> SMTPUTF8\n"
                                                   "RCPT TO:<\303\244@y.test>\n"));
    harness_finish(&harness);
}

/* RFC 9422 4.1: a connection that has had so many messages is left. */
static void test_mail_max(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_rule(&harness, "EHLO", "250-mta\r\n250-LIMITS MAILMAX=2\r\n250 XCLIENT ADDR NAME\r\n", 0);
    harness_greet(&harness);
    for (guint i = 0; i < 5; i++)
        harness_say(&harness, ENVELOPE "BDAT 3 LAST\r\nx\r\n");
    harness_expect(&harness, "250 250 250 250 250 250 250 250 250 250 250 250 250 250 250");
    g_auto(GStrv) parts =
        g_strsplit(harness.commands->str, "EHLO mx.test\n", -1); /* the first is forgotten */
    g_assert_cmpuint(g_strv_length(parts) - 1, ==, 2);
    harness_finish(&harness);
}

static void test_strict_addresses(gsize piece)
{
    Harness harness;
    harness_start(&harness, "strict_envelopes = yes", piece);
    harness_rule(&harness, "EHLO", "250-mta\r\n250-SMTPUTF8\r\n250 XCLIENT ADDR NAME\r\n", 0);
    harness_greet(&harness);
    harness_say(&harness,
                "MAIL FROM:<\303\244@x.test>\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<\303\244@y.test>\r\n");
    harness_expect(&harness, "553 250 553");
    harness_expect_log(&harness, "sender ");
    harness_expect_log(&harness, "refused_by=proxy reply=\"553 5.6.7 ");
    harness_finish(&harness);
}

/* The id of a refused MAIL is that of its own line. */
static void test_refused_mail_is_logged(gsize piece)
{
    Harness harness;
    harness_start(&harness, "", piece);
    harness_greet(&harness);
    harness_say(&harness, "MAIL FROM:<a@x.test> SIZE=99999999999\r\n");
    g_autofree char *id = harness_id_of(harness.replies->str);
    g_autofree char *field = g_strdup_printf("sender session=%s message=%s ", harness.identifier, id);
    harness_expect(&harness, "552");
    harness_expect_log(&harness, field);
    harness_finish(&harness);
}

static const HarnessCase cases[] = {
    {"/session-chunk/rows", test_rows},
    {"/session-chunk/too-big", test_too_big},
    {"/session-chunk/back-end-is-lost", test_back_end_is_lost},
    {"/session-chunk/streamed", test_streamed},
    {"/session-chunk/slow", test_slow},
    {"/session-chunk/ehlo-is-computed", test_ehlo_is_computed},
    {"/session-chunk/mail-max", test_mail_max},
    {"/session-chunk/strict-addresses", test_strict_addresses},
    {"/session-chunk/refused-mail-is-logged", test_refused_mail_is_logged},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
