/*
 * The far end of a back-end connection in tests: takes apart what the proxy sends, as an MTA would. Written
 * apart from the proxy's own decoders, so that it judges them. What no proxy may ever send fails the test:
 * a command line with a bare CR, LF or NUL, or one that is too long.
 */
#pragma once

#include <string.h>

#include <glib.h>

#define SMTP_PEER_LINE_MAX 12288 /* RFC 4954 4 */

typedef enum {
    SMTP_PEER_MORE,    /* nothing whole yet */
    SMTP_PEER_COMMAND, /* line holds it, without CRLF */
    SMTP_PEER_MESSAGE, /* the dot came; raw holds all since 354, the dot's line included */
} SmtpPeerEvent;

typedef struct {
    GString *line;
    gboolean line_given;
    gboolean in_data; /* set by who answers 354 */
    GString *raw;
} SmtpPeer;

static inline void smtp_peer_init(SmtpPeer *peer)
{
    *peer = (SmtpPeer){.line = g_string_new(NULL), .raw = g_string_new(NULL)};
}

static inline void smtp_peer_clear(SmtpPeer *peer)
{
    g_string_free(peer->line, TRUE);
    g_string_free(peer->raw, TRUE);
}

/* Answers DATA with 354: what comes now is a message. */
static inline void smtp_peer_expect_message(SmtpPeer *peer)
{
    peer->in_data = TRUE;
    g_string_truncate(peer->raw, 0);
}

static inline gboolean smtp_peer_at_dot(const GString *raw)
{
    return g_str_equal(raw->str, ".\r\n") ||
           (raw->len >= 5 && memcmp(raw->str + raw->len - 5, "\r\n.\r\n", 5) == 0);
}

static inline SmtpPeerEvent smtp_peer_take_octet(SmtpPeer *peer, char octet)
{
    if (peer->in_data) {
        g_string_append_c(peer->raw, octet);
        if (octet != '\n' || !smtp_peer_at_dot(peer->raw))
            return SMTP_PEER_MORE;
        peer->in_data = FALSE;
        return SMTP_PEER_MESSAGE;
    }
    if (peer->line_given)
        g_string_truncate(peer->line, 0);
    peer->line_given = FALSE;
    g_assert_cmpint(octet, !=, '\0');
    g_assert_cmpuint(peer->line->len, <, SMTP_PEER_LINE_MAX);
    gboolean after_carriage = peer->line->len > 0 && peer->line->str[peer->line->len - 1] == '\r';
    g_assert_true(after_carriage == (octet == '\n'));
    g_string_append_c(peer->line, octet);
    if (octet != '\n')
        return SMTP_PEER_MORE;
    g_string_truncate(peer->line, peer->line->len - 2);
    peer->line_given = TRUE;
    return SMTP_PEER_COMMAND;
}

/* Takes octets up to the next event; *ret_consumed of them. */
static inline SmtpPeerEvent smtp_peer_take(SmtpPeer *peer, const char *octets, gsize length,
                                           gsize *ret_consumed)
{
    SmtpPeerEvent event = SMTP_PEER_MORE;
    gsize taken = 0;
    while (taken < length && event == SMTP_PEER_MORE)
        event = smtp_peer_take_octet(peer, octets[taken++]);
    *ret_consumed = taken;
    return event;
}

/* The message that raw holds, dots unstuffed (RFC 5321 4.5.2), the last line ended; a new string. */
static inline GString *smtp_peer_message(const SmtpPeer *peer)
{
    GString *message = g_string_new(NULL);
    gsize length = peer->raw->len - strlen(".\r\n");
    gboolean line_start = TRUE;
    for (gsize i = 0; i < length; i++) {
        char octet = peer->raw->str[i];
        if (!line_start || octet != '.')
            g_string_append_c(message, octet);
        else
            g_assert_cmpint(peer->raw->str[i + 1], !=, '\r');
        line_start = octet == '\n';
    }
    return message;
}
