/*
 * What the MTA of a session under test answers: as its rules say, the first whose prefix fits; without one,
 * as an MTA that is content.
 */
#pragma once

#include <glib.h>

#define HARNESS_SILENCE "silence" /* a reply that never comes */
#define HARNESS_CLOSE "close"     /* the connection ends instead */

typedef struct {
    const char *prefix; /* of a command; "." is the dot, "connect" the greeting */
    const char *reply;
    guint times; /* 0: always */
} HarnessRule;

static inline const char *harness_default_reply(const char *command)
{
    static const struct {
        const char *prefix;
        const char *reply;
    } replies[] = {
        {"connect", "220 mta ESMTP\r\n"},
        {"EHLO", "250-mta\r\n250-PIPELINING\r\n250-SIZE 52436992\r\n250-8BITMIME\r\n250-DSN\r\n"
                 "250-ENHANCEDSTATUSCODES\r\n"
                 "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n"
                 "250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n"},
        {"XCLIENT", "220 mta ESMTP\r\n"},
        {"XFORWARD", "250 2.0.0 known\r\n"},
        {"MAIL", "250 2.1.0 sender ok\r\n"},
        {"RCPT", "250 2.1.5 recipient ok\r\n"},
        {"DATA", "354 go on\r\n"},
        {".", "250 2.0.0 queued as 1\r\n"},
        {"RSET", "250 2.0.0 reset\r\n"},
        {"VRFY", "252 2.1.5 maybe\r\n"},
        {"EXPN", "502 5.5.1 no lists\r\n"},
        {"HELP", "214 2.0.0 help\r\n"},
        {"ETRN", "502 5.5.1 no queue\r\n"},
        {"QUIT", "221 2.0.0 bye\r\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(replies); i++)
        if (g_str_has_prefix(command, replies[i].prefix))
            return replies[i].reply;
    g_error("the MTA got '%s'", command);
}

static inline const char *harness_reply(GArray *rules, const char *command)
{
    for (guint i = 0; i < rules->len; i++) {
        HarnessRule *rule = &g_array_index(rules, HarnessRule, i);
        const char *reply = rule->reply;
        if (!g_str_has_prefix(command, rule->prefix))
            continue;
        if (rule->times > 0 && --rule->times == 0)
            g_array_remove_index(rules, i);
        return reply;
    }
    return harness_default_reply(command);
}
