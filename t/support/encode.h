/*
 * A message as it goes over the wire, whole.
 */
#pragma once

#include "wire/data.h"

static inline void encoded_append(GByteArray *out, const struct iovec *pieces, int count)
{
    for (int i = 0; i < count; i++)
        g_byte_array_append(out, pieces[i].iov_base, (guint)pieces[i].iov_len);
}

/* Appends data encoded, in few pieces at a time. 0, or -1. */
static inline int encode_append(PosternDataEncoder *encoder, const char *data, gsize length, GByteArray *out)
{
    struct iovec pieces[3];
    for (gsize at = 0, consumed = 0; at < length; at += consumed) {
        int count = postern_data_encoder_next(encoder, data + at, length - at, &consumed, pieces,
                                              G_N_ELEMENTS(pieces));
        if (count < 0)
            return -1;
        encoded_append(out, pieces, count);
    }
    return 0;
}

/* Appends the end of it. 0, or -1. */
static inline int encode_append_end(PosternDataEncoder *encoder, GByteArray *out)
{
    struct iovec piece;
    int count = postern_data_encoder_end(encoder, &piece);
    encoded_append(out, &piece, count);
    return count < 0 ? -1 : 0;
}
