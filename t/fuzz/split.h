/*
 * Cuts a fuzzer's input into pieces, as a network would: the same seed, the same pieces. Each piece is a
 * block of its own size in the heap, so that a sanitizer sees any octet read past its length.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include <glib.h>

typedef struct {
    const char *data;
    gsize length;
    guint32 state; /* 0: one piece, whole */
} Split;

static inline Split split_new(const void *data, gsize length, guint32 seed)
{
    return (Split){data, length, seed};
}

/* The octets of the next piece: 1 to 8, sometimes up to 256. */
static inline gsize split_octets(Split *split)
{
    gsize octets;

    if (split->state == 0)
        return split->length;
    split->state = split->state * 1664525u + 1013904223u;
    octets = 1 + (split->state >> 28) % 8 + ((split->state >> 16 & 15) == 0 ? split->state >> 20 & 255 : 0);
    split->state |= 1;
    return MIN(octets, split->length);
}

/* The next piece, which the caller frees; NULL: no more. */
static inline char *split_next(Split *split, gsize *ret_length)
{
    char *piece;

    if (split->length == 0)
        return NULL;
    *ret_length = split_octets(split);
    piece = g_malloc(*ret_length);
    memcpy(piece, split->data, *ret_length);
    split->data += *ret_length;
    split->length -= *ret_length;
    return piece;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
