#include "proxy/session/session.h"

#include <stdlib.h>

#include "base/limits.h"
#include "session_harness.h"

#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
#define DATA ENVELOPE "DATA\r\n"

/* What passes where policy only observes; what would have been is in the log. */
static const struct {
    const char *options, *said;
    const char *enforced, *observed; /* codes */
    const char *would;
} rows[] = {
    {"", DATA "A: b\r\n\r\nx\ny\r\n.\r\n", "250 250 354 550", "250 250 354 250",
     "would_reply=\"550 5.5.2 The message holds a CR or LF that is not part of CRLF\""},
    {"", DATA "A: b\r\n\r\nx\r\n.\nMAIL FROM:<evil@x.test>\r\n.\r\n", "250 250 354 550", "250 250 354 250",
     "would_reply=\"550 5.5.2 "},
    {"refuse_nul = yes", NULL, "250 250 354 550", "250 250 354 250", "would_reply=\"550 5.6.0 "},
    {"", "MAIL FROM:<a@x.test>\nRCPT TO:<b@y.test>\r\n", "521", "250 250", "would_reply=\"521 5.5.2 "},
    {"", "MAIL FROM:<a(c)@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n", "501 503 250", "250 250 250",
     "would_reply=\"501 5.1.7 Bad address\""},
    {"", "MAIL FROM:<a@x.test>\r\nRCPT TO:< b@y.test>\r\nRSET\r\n", "250 501 250", "250 250 250",
     "would_reply=\"501 5.1.3 "},
    /* What could end a line for the back-end, or cut an address, is never handed on. */
    {"", "MAIL FROM:<\"a\rRCPT TO:<evil@x.test>\r\"@x.test>\r\nRCPT TO:<b@y.test>\r\nRSET\r\n", "521",
     "500 503 250", "would_reply=\"521 5.5.2 "},
    {"", "MAIL FROM:<a@x.test>\r\nRCPT TO:<\"evil\rRSET\r\"@y.test>\r\nRSET\r\n", "250 521", "250 500 250",
     "would_reply=\"521 5.5.2 "},
    {"strict_envelopes = yes", "MAIL FROM:a@x.test\r\nRCPT TO:<b@y.test>\r\nRSET\r\n", "501 503 250",
     "250 250 250", "would_reply=\"501 5.1.7 "},
    /* An address that is clear to us is clear to the back-end: no relay is opened. */
    {"recipient_domains = y.test", "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test(@else.where)>\r\nRSET\r\n",
     "250 501 250", "250 250 250", "would_reply=\"501 5.1.3 "},
    {"recipient_domains = y.test", "MAIL FROM:<a@x.test>\r\nRCPT TO:<b(@y.test)@else.where>\r\nRSET\r\n",
     "250 501 250", "250 554 250", NULL},
};

static const char with_nul[] = DATA "A: b\r\n\r\nx\0y\r\n.\r\n";

static void try_row(gsize row, gboolean observe, gsize piece)
{
    Harness harness;
    g_autofree char *options = g_strdup_printf("%s\n%s", rows[row].options, observe ? "mode = observe" : "");
    harness_start(&harness, options, piece);
    harness_greet(&harness);
    if (rows[row].said != NULL)
        harness_say(&harness, rows[row].said);
    else
        harness_say_octets(&harness, with_nul, sizeof with_nul - 1);
    harness_expect(&harness, observe ? rows[row].observed : rows[row].enforced);
    g_assert_null(strstr(harness.commands->str, "evil"));
    harness_say(&harness, "QUIT\r\n");
    if (observe && rows[row].would != NULL)
        harness_expect_log(&harness, rows[row].would);
    else
        g_assert_cmpuint(harness_count_log(&harness, "would"), ==, 0);
    harness_finish(&harness);
}

static void test_rows(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize piece = 1; piece <= 1000; piece += 999) {
            g_test_message("%" G_GSIZE_FORMAT, i);
            try_row(i, FALSE, piece);
            try_row(i, TRUE, piece);
        }
}

/* The verdict has a row for it, the same at every door. */
static void test_large_header(void)
{
    for (guint observe = 0; observe <= 1; observe++) {
        Harness harness;
        harness_start(&harness, observe ? "mode = observe" : "", 1000);
        harness_greet(&harness);
        harness_say(&harness, DATA);
        for (guint i = 0; i < POSTERN_HEADER_FIELDS_MAX + 1; i++)
            harness_say(&harness, "A: b\r\n");
        harness_say(&harness, "\r\nx\r\n.\r\n");
        harness_expect(&harness, observe ? "250 250 354 250" : "250 250 354 552");
        harness_expect_log(&harness, observe ? "would_reply=\"552 5.3.4 " : "reply=\"552 5.3.4 ");
        harness_finish(&harness);
    }
}

/* Why a refusal of ours stays one where policy only observes. */
typedef enum {
    PASSES,   /* it does not: see above, and the verdict's own rows */
    ABSENT,   /* what is needed to take the mail is not there; it passes later */
    BOUND,    /* memory and time are bounded whatever policy says */
    PROTOCOL, /* there is no message in it, or no way to hand it on */
    RELAY,    /* it would open a relay, or let external clients speak for others */
} Stays;

/* Every refusal that stands in the proxy's sources. */
static const struct {
    const char *text;
    Stays stays;
} replies[] = {
    {"421 4.3.2 %s", BOUND}, /* let go: too many clients, a stop */
    {"421 4.4.2 The message comes too slowly", BOUND},
    {"421 4.3.1 The message comes too slowly while others need the room, try again later", BOUND},
    {"421 4.4.2 Timeout while waiting for %s", BOUND},
    {"421 4.7.0 %s Too many connections, try again later\\r\\n", BOUND},
    {"421 4.7.0 Too many commands that were refused", BOUND},
    {"421 4.7.0 Too many commands without a message", BOUND},
    {"554 5.7.0 Too many commands without a message", BOUND},
    {"421 4.7.0 Too many errors", BOUND},
    {"421 4.7.0 Command line too long", BOUND},
    {"421 4.7.1 %s", PASSES}, /* the screen's */
    {"421 4.7.1 %s %s\\r\\n", BOUND},
    {"451 4.3.0 The mail server behind us cannot be used now, try again later", ABSENT},
    {"451 4.3.0 The mail server behind us lacks ", ABSENT},
    {"451 4.3.0 The message could not be kept in memory, try again later", ABSENT},
    {"451 4.3.2 No answer in time, try again later", BOUND},
    {"451 4.3.5 The proxy is set up to discard, which it cannot", PASSES},
    {"451 4.4.2 The message comes too slowly while others wait, try again later", BOUND},
    {"451 4.4.2 The mail server behind us was lost before it answered, try again later", ABSENT},
    {"452 4.3.1 No room for a message now, try again later", BOUND},
    {"452 4.3.1 No room for a recipient now, try again later", BOUND},
    {"452 4.3.1 No room for this message now, try again later", BOUND},
    {"452 4.5.3 Another policy holds for this recipient: send to it separately", PASSES},
    {"452 4.5.3 Other servers take mail for this recipient: send to it separately", BOUND},
    {"452 4.5.3 Too many recipients", BOUND},
    {"452 4.5.3 Too many recipients for one that is slow: send to it separately", BOUND},
    {"452 4.5.3 Too many recipients were refused: send to the others separately", BOUND},
    {"454 4.7.0 Logging in is not possible now, try again later", ABSENT},
    {"501 5.5.2 Initial response is not base64", PROTOCOL},
    {"501 5.5.2 The response is not base64", PROTOCOL},
    {"501 5.5.4 Syntax: AUTH mechanism", PROTOCOL},
    {"500 5.5.6 Line of the authentication too long", BOUND},
    {"503 5.5.1 Send EHLO first", PROTOCOL},
    {"503 5.5.1 You have logged in already", PROTOCOL},
    {"504 5.5.4 Mechanism not offered", PROTOCOL},
    {"530 5.7.0 Authentication required", RELAY},
    {"504 5.5.4 Authentication needs TLS: send STARTTLS first", RELAY},
    {"503 5.5.1 Authentication is not offered here", RELAY},
    {"421 4.7.0 Too many failed logins", BOUND},
    {"501 5.5.4 BODY is 7BIT or 8BITMIME", PROTOCOL},
    {"501 5.5.4 DATA takes no argument", PROTOCOL},
    {"501 5.5.4 EHLO and HELO need the client's name", PROTOCOL},
    {"501 5.5.4 SIZE needs a number", PROTOCOL},
    {"501 5.5.4 SMTPUTF8 and REQUIRETLS take no value", PROTOCOL},
    {"501 5.5.4 STARTTLS takes no argument", PROTOCOL},
    {"502 5.5.1 Command not offered here", PROTOCOL},
    {"458 4.7.1 Command not offered here", PROTOCOL},
    {"501 5.5.4 Parameters need EHLO", PROTOCOL},
    {"501 5.5.4 The command takes no argument", PROTOCOL},
    {"503 5.5.1 A mail transaction is in progress", PROTOCOL},
    {"503 5.5.1 EHLO or HELO was given already", PROTOCOL},
    {"503 5.5.1 MAIL and RCPT must come first", PROTOCOL},
    {"503 5.5.1 MAIL must come first", PROTOCOL},
    {"503 5.5.1 MAIL was given already", PROTOCOL},
    {"503 5.5.1 Send EHLO or HELO first", PROTOCOL},
    {"503 5.5.1 TLS has begun already", PROTOCOL},
    {"530 5.7.0 Send STARTTLS first", PASSES}, /* see flow/starttls */
    {"521 5.3.4 The message is too big, and does not end", BOUND},
    {"502 5.5.1 CHUNKING is not offered here", PROTOCOL},
    {"501 5.5.4 Syntax: BDAT octets [LAST]", PROTOCOL},
    {"503 5.5.1 BDAT has begun: only BDAT or RSET may follow", PROTOCOL},
    {"550 5.5.0 Something has followed EHLO or HELO before its reply", PROTOCOL},
    {"554 5.5.0 Nothing may follow before the reply to this", PROTOCOL},
    {"521 5.3.4 The chunk is too big", BOUND},
    {"521 5.5.4 BDAT needs the number of octets that follow", PROTOCOL},
    {"550 5.7.1 Relaying refused: no route leads there", RELAY},
    {"553 5.6.7 The address is not ASCII, and MAIL has no SMTPUTF8", PROTOCOL},
    {"521 5.5.1 This is SMTP, and what you say is not", PROTOCOL},
    {"521 5.5.2 Lines must end in CRLF, and hold no other CR or LF", PASSES},
    {"421 4.5.0 The message holds a CR or LF that is not part of CRLF", PASSES},
    {"550 5.5.2 The message holds a CR or LF that is not part of CRLF", PASSES},
    {"550 5.6.0 The message has lines of more than 998 octets", PASSES},
    {"550 5.6.0 The message holds a NUL octet", PASSES},
    {"550 5.7.0 Insufficient authorization", RELAY},
    {"552 5.3.4 Message of that size is not accepted", BOUND},
    {"552 5.3.4 The message is too big", BOUND},
    {"554 5.5.1 No recipient was accepted", PROTOCOL},
    {"554 5.5.1 Nothing may follow STARTTLS before its reply", PROTOCOL},
    {"554 5.7.1 Only [proxy] trusted_clients may connect here", RELAY},
    {"554 5.7.1 Relay access denied", RELAY},
    {"555 5.5.4 Parameter of MAIL not recognised", PROTOCOL},
    {"555 5.5.4 Parameter of RCPT not recognised", PROTOCOL},
};

static void find_replies(const char *path, GHashTable *found)
{
    /* CODE, "X.Y.Z", "text" or "CODE X.Y.Z text" */
    g_autoptr(GRegex) form = g_regex_new("(?|\\b([45]\\d\\d), \"([45]\\.\\d+\\.\\d+)\",\\s*\"([^\"]*)\""
                                         "|\"([45]\\d\\d) ([45]\\.\\d+\\.\\d+) ([^\"]*)\")",
                                         0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (g_regex_match(form, text, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL)) {
        g_auto(GStrv) parts = g_match_info_fetch_all(match);
        g_hash_table_add(found, g_strjoin(" ", parts[1], parts[2], parts[3], NULL));
    }
}

/* Who adds a refusal has to say here whether it passes where policy only observes. */
static void find_replies_below(const char *folder, GHashTable *found)
{
    g_autoptr(GDir) files = g_dir_open(folder, 0, NULL);
    g_assert_nonnull(files);
    for (const char *name; (name = g_dir_read_name(files)) != NULL;) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            find_replies_below(path, found);
        else if (g_str_has_suffix(name, ".c"))
            find_replies(path, found);
    }
}

static void test_every_refusal_is_known(void)
{
    const char *source = g_getenv("POSTERN_SOURCE");
    if (source == NULL) {
        g_test_skip("POSTERN_SOURCE does not name the sources");
        return;
    }
    g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *folder = g_build_filename(source, "proxy", NULL);
    find_replies_below(folder, found);
    for (gsize i = 0; i < G_N_ELEMENTS(replies); i++)
        if (!g_hash_table_remove(found, replies[i].text))
            g_error("'%s' is in no source any more", replies[i].text);
    g_autofree char **unknown = (char **)g_hash_table_get_keys_as_array(found, NULL);
    if (unknown[0] != NULL)
        g_error("'%s' is not in the table: does it pass where policy only observes?", unknown[0]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/session-observe/rows", test_rows);
    g_test_add_func("/session-observe/large-header", test_large_header);
    g_test_add_func("/session-observe/every-refusal", test_every_refusal_is_known);
    return g_test_run();
}
