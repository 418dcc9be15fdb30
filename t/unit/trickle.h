/*
 * Feeds a parser in pieces. Each piece is a block of its own size in the heap, with nothing behind it, so
 * that a sanitizer sees any octet read past the length.
 */
#pragma once

#include <string.h>

#include <glib.h>

/* Takes one piece; FALSE: no more is wanted. */
typedef gboolean (*TrickleFeed)(const char *piece, gsize length, gpointer user);

/* A copy of length octets with nothing behind them; the caller frees it. */
static inline char *trickle_copy(const char *data, gsize length)
{
    char *copy = g_malloc(MAX(length, 1));

    if (length > 0)
        memcpy(copy, data, length);
    return copy;
}

/* Feeds length octets of data in pieces of at most piece octets. */
static inline void trickle(const char *data, gsize length, gsize piece, TrickleFeed feed, gpointer user)
{
    gboolean go_on = TRUE;

    for (gsize at = 0; at < length && go_on; at += piece) {
        gsize octets = MIN(piece, length - at);
        char *copy = trickle_copy(data + at, octets);

        go_on = feed(copy, octets, user);
        g_free(copy);
    }
}

/* Whole, then in pieces of one, two, three and seven octets. */
static const gsize trickle_pieces[] = {G_MAXSSIZE, 1, 2, 3, 7};
