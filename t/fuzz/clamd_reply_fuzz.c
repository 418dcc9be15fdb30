#include "checks/virus/clamd_reply.h"

#include <string.h>

#include "base/limits.h"
#include "split.h"

/* All replies of a stream that comes in pieces, as a session reads them. */
static GString *read_replies(const uint8_t *data, gsize size, guint32 seed)
{
    GString *replies = g_string_new(NULL);
    g_autoptr(GByteArray) held = g_byte_array_new();
    Split split = split_new(data, size, seed);
    gsize octets, taken;
    char *piece;
    int parsed = 0;

    while (parsed >= 0 && (piece = split_next(&split, &octets)) != NULL) {
        g_byte_array_append(held, (const guint8 *)piece, (guint)octets);
        g_free(piece);
        while (held->len > 0) {
            g_auto(PosternClamdReply) reply = {0};
            g_autofree char *exact = g_memdup2(held->data, held->len);
            parsed = postern_clamd_reply_parse(exact, held->len, &reply, &taken);
            if (parsed <= 0)
                break;
            g_assert_true(taken > 0 && taken <= held->len && taken <= POSTERN_CLAMD_REPLY_MAX_OCTETS);
            g_assert_true(g_str_is_ascii(reply.text));
            g_string_append_printf(replies, "%" G_GUINT64_FORMAT " %d %s\n", reply.id, (int)reply.result,
                                   reply.text);
            g_byte_array_remove_range(held, 0, (guint)taken);
        }
    }
    g_string_append_printf(replies, "%d", parsed);
    return replies;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GString *whole, *cut;

    if (size < 1)
        return 0;
    whole = read_replies(data + 1, size - 1, 0);
    cut = read_replies(data + 1, size - 1, data[0] + 1u);
    g_assert_true(g_string_equal(whole, cut));
    g_string_free(whole, TRUE);
    g_string_free(cut, TRUE);
    return 0;
}
