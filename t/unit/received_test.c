#include "mail/received.h"

#include <string.h>

#include "base/limits.h"

#include "trickle.h"

/* TRUE where the field is understood. client, helo and name as "-" where there is none; flags: e esmtp, a
 * authenticated, h handed on. */
typedef struct {
    const char *value;
    const char *said; /* "CLIENT HELO NAME FLAGS", or NULL: not understood */
} Case;

static const Case cases[] = {
    /* Postfix */
    {"from mx.sender.example (mail.sender.example [192.0.2.7])\r\n\tby mx.example.org (Postfix) with ESMTP "
     "id "
     "4XyZ\r\n\tfor <b@example.org>; Tue, 10 Nov 2026 10:00:00 +0000 (UTC)",
     "192.0.2.7 mx.sender.example mail.sender.example e"},
    {" from localhost (unknown [192.0.2.7])\n\tby mx.example.org (Postfix) with SMTP id 1; x",
     "192.0.2.7 localhost - "},
    {"from [10.0.0.1] (unknown [192.0.2.7]) by mx.example.org (Postfix) with SMTP id 1; x",
     "192.0.2.7 [10.0.0.1] - "},
    {"from a.example (a.example [IPv6:2001:db8::7])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 "
     "(256/256 "
     "bits)\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\n\t(No client "
     "certificate requested)\n\tby mx.example.org (Postfix) with ESMTPS id 1\n\tfor <b@example.org>; x",
     "2001:db8::7 a.example a.example e"},
    {"from a.example (a.example [192.0.2.7])\n\t(using TLSv1.2 with cipher X (256/256 bits))\n\t(Client CN "
     "\"m "
     "[10.0.0.1]\", Issuer \"c [10.0.0.2]\" (not verified))\n\tby mx.example.org (Postfix) with ESMTPS id 1; "
     "x",
     "192.0.2.7 a.example a.example e"},
    {"from phone (unknown [192.0.2.7])\n\t(Authenticated sender: u@[10.0.0.1])\n\tby mx.example.org "
     "(Postfix) "
     "with ESMTPSA id 1; x",
     "192.0.2.7 phone - ea"},
    {"from phone (unknown [192.0.2.7]) (Authenticated sender: u) by mx.example.org (Postfix) with ESMTP id 1",
     "192.0.2.7 phone - ea"},
    {"from m.example (m.example [192.0.2.7]) by mx.example.org (Postfix) with UTF8SMTPS id 1",
     "192.0.2.7 m.example m.example e"},
    {"by mx.example.org (Postfix, from userid 1000)\n\tid 1; x", "- - - "},
    {"from mx.example.org ([unix socket]) by mx.example.org with LMTP; x", "- - - eh"},
    /* Sendmail */
    {"from helo.example (mail.sender.example [192.0.2.7])\n\tby mx.example.org (8.17.1/8.17.1) with ESMTP id "
     "3AA\n\tfor <b@example.org>; x",
     "192.0.2.7 helo.example mail.sender.example e"},
    {"from helo.example (mail.sender.example [192.0.2.7] (may be forged))\n\tby mx (8.17.1/8.17.1) with "
     "ESMTPS "
     "id 3AA (version=TLSv1.3 cipher=X bits=256 verify=NO); x",
     "192.0.2.7 helo.example - e"},
    {"from helo.example ([192.0.2.7]) by mx (8.11.6/8.11.6) with SMTP id 1; x", "192.0.2.7 helo.example - "},
    {"from helo.example (IDENT:Qpq4/2TE3JD70VQFZ7eZ5JUVHIE5ZEvc@jump.sender.example\n    [192.0.2.7]) by mx "
     "(8.11.6/8.11.6) with SMTP id 1; x",
     "192.0.2.7 helo.example jump.sender.example "},
    {"from helo (IDENT:[10.0.0.1]@jump.example [192.0.2.7]) by mx with SMTP id 1; x",
     "192.0.2.7 helo jump.example "},
    {"from helo (x.example [192.0.2.7]) (authenticated bits=0) by mx (8.17/8.17) with ESMTP id 1",
     "192.0.2.7 helo x.example ea"},
    {"from helo.example (h.example [IPv6:2001:db8:0:0:0:0:0:7]) by mx (8.17/8.17) with ESMTP id 1",
     "2001:db8::7 helo.example h.example e"},
    {"(from mail@localhost) by mx (8.11.6/8.11.6) id 1 for b@example.org; x", "- - - "},
    {"(from mail.example [192.0.2.7]) by mx (8.11.6/8.11.6) with SMTP id 1; x", "192.0.2.7 - mail.example "},
    /* Exim */
    {"from [192.0.2.7] (helo=sender.example)\n\tby mx.example.org with smtp (Exim 3.35 #1 (Debian))\n\tid "
     "17owlg-0001Mr-01; x",
     "192.0.2.7 sender.example - "},
    {"from [192.0.2.7] (port=2525 helo=[10.0.0.1]) by mx with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 "
     "(Exim "
     "4.96) (envelope-from <a@[10.0.0.2]>) id 1; x",
     "192.0.2.7 [10.0.0.1] - e"},
    {"from mail.sender.example ([192.0.2.7] helo=[10.0.0.1]) by mx with esmtp (Exim 4.96) id 1; x",
     "192.0.2.7 [10.0.0.1] mail.sender.example e"},
    {"from mail.sender.example ([192.0.2.7]:40000 helo=x ident=[10.0.0.1]) by mx with esmtp (Exim 4.96) id 1",
     "192.0.2.7 x mail.sender.example e"},
    {"from mail.sender.example ([192.0.2.7]) by mx with esmtpsa (TLS1.3) (Exim 4.96) id 1",
     "192.0.2.7 mail.sender.example mail.sender.example ea"},
    {"from mail.sender.example ([2001:db8::7]) by mx with esmtps (Exim 4.96) id 1",
     "2001:db8::7 mail.sender.example mail.sender.example e"},
    {"from [192.0.2.7] by mx with smtp (Exim 4.96) id 1", "192.0.2.7 - - "},
    {"from [192.0.2.7]:25 (helo=a) by mx with esmtp (Exim 4.96) id 1", "192.0.2.7 a - e"},
    {"from user by mx with local (Exim 4.96) (envelope-from <u@example.org>) id 1; x", "- - - "},
    /* qmail and its kin */
    {"(qmail 14267 invoked from network); 29 Aug 2026 14:00:10 -0000", "- - - h"},
    {"(qmail 24745 invoked by uid 104); 29 Aug 2026 14:00:13 -0000", "- - - "},
    {"from unknown (HELO sender.example) (192.0.2.7)\n  by mx.example.org with SMTP; x",
     "192.0.2.7 sender.example - "},
    {"from mail.sender.example (HELO ?10.0.0.1?) (10.0.0.2@192.0.2.7)\n  by mx with ESMTPS; x",
     "192.0.2.7 ?10.0.0.1? - e"},
    {"from sender.example (192.0.2.7)\n  by mx with (AES256-SHA encrypted) ESMTPS; x",
     "192.0.2.7 sender.example - e"},
    {"from localhost (HELO sender.example) ([192.0.2.7])\n    (envelope-sender <a@[10.0.0.1]>) by mx "
     "(qmail-ldap-1.03) with SMTP for <b@example.org>; x",
     "192.0.2.7 sender.example - "},
    {"from mx.example (HELO x) (192.0.2.7) by mx (qpsmtpd/0.94) with ESMTP; x", "192.0.2.7 x - e"},
    {"from unknown (HELO x) (user@192.0.2.7 with login) by mx with SMTP; x", "192.0.2.7 x - a"},
    {"from 192.0.2.7 (EHLO sender.example) by 10.1.1.1 with SMTPs; x", "192.0.2.7 sender.example - "},
    {"from [192.0.2.7] (HELO x) by mx (CommuniGate Pro SMTP 6.2) with ESMTP id 1", "192.0.2.7 x - e"},
    {"from [192.0.2.7] (account u@example.org HELO x) by mx (CommuniGate Pro SMTP 6.2) with ESMTPSA id 1",
     "192.0.2.7 x - ea"},
    /* Exchange and other products */
    {"from mail.sender.example (192.0.2.7) by EX1.example.org (10.0.0.5) with Microsoft SMTP Server\n "
     "(version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.6; x",
     "192.0.2.7 mail.sender.example - "},
    {"from A.prod.example (2001:db8:20b:4d::12) by B.prod.example (2001:db8:20b:5e::9) with Microsoft SMTP "
     "Server "
     "(version=TLS1_2) id 15.20.1; x",
     "2001:db8:20b:4d::12 A.prod.example - "},
    {"from A.prod.example ([fe80::1%3]) by A.prod.example ([fe80::1%3]) with mapi id 15.20.1; x", "- - - "},
    {"from helo ([192.0.2.7]) by mx with Microsoft SMTPSVC(6.0.3790.4675); x", "192.0.2.7 helo - "},
    {"from [10.0.0.1] (192.0.2.7) by mx (PowerMTA(TM) v3.5r10) id 1; x", "192.0.2.7 [10.0.0.1] - "},
    {"from sender ([192.0.2.7])\n by mx (Lotus Domino Release 8.5.3) with ESMTP id 1; x",
     "192.0.2.7 sender - e"},
    {"from sender (<unknown> [192.0.2.7])\n by mx (OpenSMTPD) with ESMTPS id 1 (TLSv1.3:X:256:NO); x",
     "192.0.2.7 sender - e"},
    {"from helo (host.example [::ffff:192.0.2.7])\n  (AUTH: LOGIN u@example.org)\n  by mx with ESMTPSA; x",
     "192.0.2.7 helo host.example ea"},
    {"from mail-a.google.example (mail-a.google.example. [192.0.2.7])\n        by mx.google.example with "
     "SMTPS id "
     "a1sor1\n        for <b@example.org>\n        (Google Transport Security); x",
     "192.0.2.7 mail-a.google.example mail-a.google.example "},
    {"by 2002:a05:6520:4211:b0:1aa with SMTP id x12csp1; x", "- - - h"},
    {"by 2002:a17:90b:1234 with HTTP; x", "- - - "},
    {"from web.example ([192.0.2.7]) by web.example via HTTP with HTTP; x", "- - - "},
    {"from mx.example (mx.example [192.0.2.7]) by store (Cyrus v2.4) with LMTPA; x",
     "192.0.2.7 mx.example mx.example eh"},
    {"from mx.example.org\n\tby mx.example.org with LMTP\n\tid abc\n\t(envelope-from <a@b.example>); x",
     "- - - eh"},
    {"from pop.example [192.0.2.7]\n\tby localhost with POP3 (fetchmail-6.4)\n\tfor u@localhost; x",
     "192.0.2.7 pop.example - h"},
    /* odd and hostile */
    {"from by (x.example [192.0.2.7]) by mx with SMTP", "192.0.2.7 by x.example "},
    {"FROM a (x.example [192.0.2.7]) BY mx WITH esmtp", "192.0.2.7 a x.example e"},
    {"from a(x.example[192.0.2.7])by mx with ESMTP", "192.0.2.7 a x.example e"},
    {"from a (x (deep (deeper \\) ) [10.0.0.1] [192.0.2.7]) by mx", NULL},
    {"from a (x (deep (deeper \\) ) [10.0.0.1]) [192.0.2.7]) by mx", "192.0.2.7 a x "},
    {"from a (x(deep (deeper \\) ) [10.0.0.1]) [192.0.2.7]) by mx", "192.0.2.7 a x "},
    {"from \"a b (10.0.0.1)\" (x.example [192.0.2.7]) by mx", "192.0.2.7 \"a b (10.0.0.1)\" x.example "},
    {"from a (x [10.0.0.1]) (x [192.0.2.7]) by mx", NULL},
    {"from a [10.0.0.1] (x [192.0.2.7]) by mx", NULL},
    {"from a (10.0.0.1) (x [192.0.2.7]) by mx", NULL},
    {"from a (x [192.0.2.7]) (y [192.0.2.7]) by mx", "192.0.2.7 a x "},
    {"from [192.0.2.7] by mx with ESMTP id 1", "- - - e"},
    {"from 192.0.2.7 by mx with ESMTP id 1", "- - - e"},
    {"from a (10.0.0.1 says who) by mx with SMTP", "- - - "},
    {"from a (x [192.0.2.7] or so) by mx with SMTP", "- - - "},
    {"from a (x [192.0.2.777]) by mx with SMTP", "- - - "},
    {"from a (x [192.0.2.7) by mx with SMTP", "- - - "},
    {"from a (x []) by mx with SMTP", "- - - "},
    {"from a (x [192.0.2.7]) by mx id 1 for <\"a with ESMTPSA b\"@x>", "192.0.2.7 a x "},
    {"from a (x [192.0.2.7]) by mx for <with> with ESMTPSA", "192.0.2.7 a x "},
    {"from a (x [192.0.2.7]) by mx (open", "192.0.2.7 a x "},
    {"from a (x\\[10.0.0.1\\] [192.0.2.7]) by mx", "192.0.2.7 a - "},
    {"from a (x [192.0.2.7]); by mx", NULL},
    {"from a (x [192.0.2.7])", NULL},
    {"from a (x [192.0.2.7] by mx with SMTP", NULL},
    {"from \"a (x [192.0.2.7]) by mx with SMTP", NULL},
    {"from", NULL},
    {"", NULL},
    {"(", NULL},
    {"\\", NULL},
    {"; x", NULL},
    {"something else", NULL},
    {"from a\001 (x [192.0.2.7]) by mx", NULL},
};

static char *describe(const char *value, gsize length)
{
    PosternReceived received;
    g_autofree char *copy = trickle_copy(value, length);
    g_autofree char *client = NULL;
    char *text;

    if (!postern_received_parse(copy, length, &received)) {
        g_assert_null(received.helo);
        g_assert_null(received.client_name);
        return NULL;
    }
    client = postern_address_to_string(&received.client);
    text = g_strdup_printf("%s %s %s %s%s%s", received.client.family == AF_UNSPEC ? "-" : client,
                           received.helo ? received.helo : "-",
                           received.client_name ? received.client_name : "-", received.esmtp ? "e" : "",
                           received.authenticated ? "a" : "", received.handed_on ? "h" : "");
    postern_received_clear(&received);
    return text;
}

static void test_parse(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *said = describe(cases[i].value, strlen(cases[i].value));

        g_test_message("%s", cases[i].value);
        g_assert_cmpstr(said, ==, cases[i].said);
    }
}

/* Cut anywhere: no read beyond, and never another address than that of the whole. */
static void test_parse_cut(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        for (gsize length = 0; length <= strlen(cases[i].value); length++) {
            g_autofree char *said = describe(cases[i].value, length);

            if (said && said[0] != '-' && cases[i].said && cases[i].said[0] != '-')
                g_assert_cmpint(strncmp(said, cases[i].said, strcspn(cases[i].said, " ")), ==, 0);
        }
}

static void test_parse_nul_and_long(void)
{
    static const char with_nul[] = "from a\0 (x [192.0.2.7]) by mx with SMTP";
    g_autofree char *name = g_strnfill(POSTERN_HELO_NAME_MAX_OCTETS + 1, 'a');
    g_autofree char *longest = g_strdup_printf("from %s (x [192.0.2.7]) by mx with SMTP", name + 1);
    g_autofree char *too_long = g_strdup_printf("from %s (x [192.0.2.7]) by mx with SMTP", name);
    g_autofree char *open = g_strnfill(1024 * 1024, '(');
    g_autofree char *said = describe(longest, strlen(longest));

    g_assert_null(describe(with_nul, sizeof with_nul - 1));
    g_assert_nonnull(said);
    g_assert_null(describe(too_long, strlen(too_long)));
    g_assert_null(describe(open, strlen(open)));
}

/* Networks 10.0.0.0/8 and 127.0.0.0/8. */
static gboolean is_trusted(const PosternAddress *address, gconstpointer data)
{
    PosternAddress inner;

    g_assert_cmpstr(data, ==, "data");
    g_assert_true(postern_address_parse(&inner, "10.0.0.0"));
    return postern_address_in_network(address, &inner, 8) || postern_address_is_loopback(address);
}

#define FROM(address, with) "Received: from h" address " (n" address " [" address "]) by m with " with "\r\n"

typedef struct {
    const char *header;
    const char *client; /* NULL: none is found */
} Walk;

static const Walk walks[] = {
    {"", NULL},
    {"Subject: x\r\n", NULL},
    {FROM("192.0.2.1", "ESMTP"), "192.0.2.1"},
    {"Subject: x\r\n" FROM("192.0.2.1", "ESMTP") FROM("192.0.2.2", "ESMTP"), "192.0.2.1"},
    {FROM("10.0.0.1", "ESMTP") FROM("192.0.2.2", "ESMTP") FROM("192.0.2.3", "ESMTP"), "192.0.2.2"},
    {FROM("10.0.0.1", "ESMTP") FROM("127.0.0.1", "SMTP") FROM("192.0.2.3", "ESMTP"), "192.0.2.3"},
    {FROM("10.0.0.1", "ESMTPSA") FROM("192.0.2.2", "ESMTP"), "192.0.2.2"},
    {FROM("10.0.0.1", "ESMTP"), NULL},
    {FROM("10.0.0.1", "ESMTP") "Received: nonsense\r\n" FROM("192.0.2.2", "ESMTP"), NULL},
    {FROM("10.0.0.1", "ESMTP") "Received: by m (Postfix, from userid 1) id 1\r\n" FROM("192.0.2.2", "ESMTP"),
     NULL},
    {"Received: (qmail 1 invoked by uid 1); x\r\n" FROM("192.0.2.2", "ESMTP"), NULL},
    {"Received: (qmail 1 invoked from network); x\r\n" FROM("192.0.2.2", "ESMTP"), "192.0.2.2"},
    {"Received: from m by m with LMTP\r\n" FROM("192.0.2.2", "ESMTP"), "192.0.2.2"},
    {"Received: from p [192.0.2.9] by m with IMAP\r\n" FROM("192.0.2.2", "ESMTP"), "192.0.2.2"},
    /* Somebody may see another Received above it. */
    {"no colon\r\n" FROM("192.0.2.1", "ESMTP"), NULL},
    {"Received\t: from x by y\r\n" FROM("192.0.2.1", "ESMTP"), NULL},
    {FROM("10.0.0.1", "ESMTP") "X : y\r\n" FROM("192.0.2.1", "ESMTP"), NULL},
    {FROM("10.0.0.1", "ESMTP") FROM("192.0.2.1", "ESMTP") "X : y\r\n", "192.0.2.1"},
    {FROM("192.0.2.1", "ESMTPSA"), NULL},
    {FROM("10.0.0.1", "ESMTP") FROM("192.0.2.1", "ESMTPA") FROM("192.0.2.2", "ESMTP"), NULL},
};

static void test_find_client(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(walks); i++) {
        g_autoptr(PosternHeader) header = postern_header_parse(walks[i].header, strlen(walks[i].header));
        g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
        g_autofree char *text = NULL, *helo = NULL, *name = NULL;

        g_assert_true(postern_address_parse(&envelope->client, "198.51.100.1"));
        envelope->helo = g_strdup("before");
        g_test_message("%s", walks[i].header);
        g_assert_cmpint(postern_received_find_client(header, is_trusted, "data", envelope), ==,
                        walks[i].client != NULL);
        text = postern_address_to_string(&envelope->client);
        g_assert_cmpstr(text, ==, walks[i].client ? walks[i].client : "198.51.100.1");
        helo = g_strdup_printf("h%s", text);
        name = g_strdup_printf("n%s", text);
        g_assert_cmpstr(envelope->helo, ==, walks[i].client ? helo : "before");
        g_assert_cmpstr(envelope->client_name, ==, walks[i].client ? name : NULL);
        g_assert_cmpint(envelope->esmtp, ==, walks[i].client != NULL);
    }
}

static void test_find_entry(void)
{
    static const struct {
        const char *header;
        const char *entry; /* what the field there begins with, or NULL: there is none */
    } entries[] = {
        {"", NULL},
        {"Subject: x\r\nReturn-Path: <a@b>\r\n", NULL},
        {"Subject: x\r\n" FROM("192.0.2.2", "ESMTP") FROM("10.0.0.1", "ESMTP"), FROM("192.0.2.2", "ESMTP")},
        {FROM("10.0.0.1", "ESMTP") FROM("192.0.2.2", "ESMTP"), FROM("192.0.2.2", "ESMTP")},
        {"Received: from p [192.0.2.9] by m with IMAP\r\n" FROM("192.0.2.2", "ESMTP"),
         FROM("192.0.2.2", "ESMTP")},
        {"Received: nonsense\r\n" FROM("192.0.2.2", "ESMTP"), "Received: nonsense"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        g_autoptr(PosternHeader) header = postern_header_parse(entries[i].header, strlen(entries[i].header));
        gsize entry = postern_received_find_entry(header, is_trusted, "data");

        g_assert_cmpint(entry == G_MAXSIZE, ==, entries[i].entry == NULL);
        if (entries[i].entry)
            g_assert_true(g_str_has_prefix(entries[i].header + entry, entries[i].entry));
    }
}

/* RFC 5321 6.3: so many fields are a loop, nothing to walk down. */
static void test_find_client_loop(void)
{
    for (guint over = 0; over < 2; over++) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(PosternHeader) header = NULL;
        g_autoptr(PosternEnvelope) envelope = postern_envelope_new();

        for (guint i = 1; i < POSTERN_RECEIVED_FIELDS_MAX + over; i++)
            g_string_append(text, FROM("10.0.0.1", "ESMTP"));
        g_string_append(text, FROM("192.0.2.1", "ESMTP"));
        header = postern_header_parse(text->str, text->len);
        g_assert_cmpint(postern_received_find_client(header, is_trusted, "data", envelope), ==, over == 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/received/parse", test_parse);
    g_test_add_func("/received/parse_cut", test_parse_cut);
    g_test_add_func("/received/parse_nul_and_long", test_parse_nul_and_long);
    g_test_add_func("/received/find_client", test_find_client);
    g_test_add_func("/received/find_entry", test_find_entry);
    g_test_add_func("/received/find_client_loop", test_find_client_loop);
    return g_test_run();
}
