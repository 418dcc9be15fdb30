/*
 * What clients often say, and what an MTA answers that is well: for session_fuzz.c.
 */
#pragma once

#include <glib.h>

static const char *const usual_sayings[] = {
    "EHLO c.test\r\n",
    "MAIL FROM:<a@x.test>\r\n",
    "MAIL FROM:<> SIZE=100 BODY=8BITMIME RET=HDRS\r\n",
    "RCPT TO:<b@y.test>\r\n",
    "RCPT TO:<b@z.test> NOTIFY=NEVER\r\n",
    "DATA\r\n",
    "A: b\r\n\r\nx\r\n",
    ".\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "x\n.\r\n",
    "RCPT TO:<b%q@y.test>\r\n",
    "BDAT 3\r\n",
    "BDAT 4\r\nA: b",
    "BDAT 7\r\n\r\n\r\nx\r\n",
    "BDAT 5 LAST\r\n.\r\ny\r",
    "BDAT 2 LAST\r\nx\n",
    "BDAT 0 LAST\r\n",
    "BDAT 4 LOST\r\nQUIT",
    "BDAT 3000 LAST\r\n",
    "VRFY b\r\n",
    "ETRN y.test\r\n",
    "HELO c\r\n",
    "BOGUS\r\n",
    "XFORWARD NAME=c.test ADDR=192.0.2.9 HELO=a+20b IDENT=4B\r\n",
    "XFORWARD ADDR=IPV6:2001:db8::1 NAME=[UNAVAILABLE] SOURCE=LOCAL\r\n",
    "XCLIENT ADDR=192.0.2.9\r\n",
    "XCLIENT NAME=[TEMPUNAVAIL] ADDR=198.51.100.9 LOGIN=me HELO=o.test\r\n",
    "MAIL FROM:<\303\244@x.test> SMTPUTF8 AUTH=<> ENVID=e\r\n",
    "POST / HTTP/1.1\r\n",
    "Received: from h (c [192.0.2.5]) by r with ESMTP id 1\r\n",
    "AUTH PLAIN AGEAYg==\r\n",
    "AUTH LOGIN\r\n",
    "AUTH LOGIN YQ==\r\n",
    "AUTH PLAIN =\r\n",
    "AUTH CRAM-MD5\r\n",
    "YQ==\r\n",
    "Yg==\r\n",
    "*\r\n",
};

static inline const char *well_answered(const char *command)
{
    static const struct {
        const char *prefix, *text;
    } texts[] = {
        {"EHLO", "250-mta\r\n250-8BITMIME\r\n250-DSN\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250-VRFY\r\n"
                 "250-AUTH PLAIN LOGIN\r\n250-LIMITS RCPTMAX=3 MAILMAX=2\r\n250 XCLIENT ADDR NAME\r\n"},
        {"XCLIENT", "220 mta\r\n"},
        {"DATA", "354 go\r\n"},
        {"AUTH LOGIN YQ==", "334 UGFzc3dvcmQ6\r\n"},
        {"AUTH LOGIN", "334 VXNlcm5hbWU6\r\n"},
        {"AUTH ", "235 2.7.0 ok\r\n"},
        {"YQ==", "334 UGFzc3dvcmQ6\r\n"}, /* the name, then the password */
        {"Yg==", "235 2.7.0 ok\r\n"},
        {"*", "501 5.7.0 cancelled\r\n"},
        {"RCPT TO:<relay-probe", "554 5.7.1 Relay access denied\r\n"},
        {"QUIT", "221 bye\r\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        if (g_str_has_prefix(command, texts[i].prefix))
            return texts[i].text;
    return "250 ok\r\n";
}
