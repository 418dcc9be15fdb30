/*
 * The words and comments of a structured field (RFC 5322 3.2.2, 3.2.4), one after the other.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_RECEIVED_END,
    POSTERN_RECEIVED_WORD,    /* up to white space, '(' or ';'; quoted strings belong to it, as they stand */
    POSTERN_RECEIVED_COMMENT, /* without its parentheses */
    POSTERN_RECEIVED_SEMICOLON, /* the date follows */
    POSTERN_RECEIVED_BROKEN,    /* an open comment or quoted string, or a control character */
} PosternReceivedTokenType;

typedef struct {
    const char *at;
    const char *end;
    GString *text;   /* of the last word or comment; a quoted pair in a comment stands there as '?' */
    GString *nested; /* what comments inside that comment say, all together */
} PosternReceivedTokens;

/* For the length octets at value, which must outlive tokens. */
void postern_received_tokens_init(PosternReceivedTokens *tokens, const char *value, gsize length);
void postern_received_tokens_clear(PosternReceivedTokens *tokens);

/* The next one. After END and BROKEN always the same again. */
PosternReceivedTokenType postern_received_tokens_next(PosternReceivedTokens *tokens);
