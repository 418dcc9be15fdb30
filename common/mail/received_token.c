#include "mail/received_token.h"

#include <string.h>

void postern_received_tokens_init(PosternReceivedTokens *tokens, const char *value, gsize length)
{
    tokens->at = value;
    tokens->end = value + length;
    tokens->text = g_string_new(NULL);
    tokens->nested = g_string_new(NULL);
}

void postern_received_tokens_clear(PosternReceivedTokens *tokens)
{
    g_string_free(tokens->text, TRUE);
    g_string_free(tokens->nested, TRUE);
}

static gboolean is_space(char octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

static gboolean is_control(char octet)
{
    return ((guchar)octet < ' ' && !is_space(octet)) || octet == 0x7f;
}

static PosternReceivedTokenType broken(PosternReceivedTokens *tokens)
{
    tokens->end = NULL;
    return POSTERN_RECEIVED_BROKEN;
}

static PosternReceivedTokenType read_comment(PosternReceivedTokens *tokens)
{
    guint depth = 1;

    for (tokens->at++; tokens->at < tokens->end; tokens->at++) {
        char octet = *tokens->at;
        GString *text = depth == 1 ? tokens->text : tokens->nested;

        if (is_control(octet))
            return broken(tokens);
        if (octet == '\\') {
            if (++tokens->at == tokens->end)
                break;
            g_string_append_c(text, '?');
        } else if (octet == '(') {
            g_string_append_c(text, ' ');
            depth++;
        } else if (octet != ')') {
            g_string_append_c(text, is_space(octet) ? ' ' : octet);
        } else if (--depth == 0) {
            tokens->at++;
            return POSTERN_RECEIVED_COMMENT;
        }
    }
    return broken(tokens);
}

/* Past a quoted string that begins here; FALSE: it does not end. */
static gboolean read_quoted(PosternReceivedTokens *tokens)
{
    const char *start = tokens->at;

    for (tokens->at++; tokens->at < tokens->end && !is_control(*tokens->at); tokens->at++) {
        if (*tokens->at == '"') {
            tokens->at++;
            g_string_append_len(tokens->text, start, tokens->at - start);
            return TRUE;
        }
        if (*tokens->at == '\\' && ++tokens->at == tokens->end)
            return FALSE;
    }
    return FALSE;
}

static PosternReceivedTokenType read_word(PosternReceivedTokens *tokens)
{
    while (tokens->at < tokens->end) {
        char octet = *tokens->at;

        if (is_space(octet) || octet == '(' || octet == ';')
            break;
        if (is_control(octet))
            return broken(tokens);
        if (octet == '"') {
            if (!read_quoted(tokens))
                return broken(tokens);
            continue;
        }
        g_string_append_c(tokens->text, octet);
        tokens->at++;
    }
    return POSTERN_RECEIVED_WORD;
}

PosternReceivedTokenType postern_received_tokens_next(PosternReceivedTokens *tokens)
{
    g_string_truncate(tokens->text, 0);
    g_string_truncate(tokens->nested, 0);
    if (!tokens->end)
        return POSTERN_RECEIVED_BROKEN;
    while (tokens->at < tokens->end && is_space(*tokens->at))
        tokens->at++;
    if (tokens->at == tokens->end)
        return POSTERN_RECEIVED_END;
    if (*tokens->at == '(')
        return read_comment(tokens);
    if (*tokens->at == ';') {
        tokens->at++;
        return POSTERN_RECEIVED_SEMICOLON;
    }
    return read_word(tokens);
}
