#include "wire/reply.h"

#include <string.h>

#include <glib.h>

#include "base/limits.h"
#include "split.h"

static void check_reply(const PosternReply *reply)
{
    g_autofree char *wire = postern_reply_to_wire(reply);
    g_autofree char *text = postern_reply_to_text(reply);
    g_autofree char *again = NULL;
    PosternReplyParser parser;
    PosternReply *back = NULL;
    const char *problem = NULL;
    gsize consumed;

    g_assert_true(reply->code >= 200 && reply->code <= 599);
    g_assert_cmpuint(postern_reply_class(reply), ==, reply->code / 100);
    g_assert_true(reply->lines >= 1 && reply->lines <= POSTERN_REPLY_LINES_MAX);
    g_assert_null(strpbrk(text, "\r\n"));

    postern_reply_parser_init(&parser);
    if (strlen(wire) <= POSTERN_REPLY_MAX_OCTETS &&
        postern_reply_parser_next(&parser, wire, strlen(wire), &consumed, &back, &problem) == 1) {
        g_assert_cmpuint(consumed, ==, strlen(wire));
        again = postern_reply_to_wire(back);
        g_assert_cmpstr(again, ==, wire);
        postern_reply_free(back);
    }
    postern_reply_parser_clear(&parser);
}

/* All replies on the wire, and at the end whether the parser gave up. */
static GString *parse(const uint8_t *data, gsize size, guint32 seed)
{
    GString *replies = g_string_new(NULL);
    Split split = split_new(data, size, seed);
    PosternReplyParser parser;
    gsize octets;
    char *piece;
    int result = 0;

    postern_reply_parser_init(&parser);
    while (result >= 0 && (piece = split_next(&split, &octets)) != NULL) {
        for (gsize at = 0; at < octets && result >= 0;) {
            g_autoptr(PosternReply) reply = NULL;
            const char *problem = NULL;
            gsize consumed;

            result = postern_reply_parser_next(&parser, piece + at, octets - at, &consumed, &reply, &problem);
            g_assert_true(consumed > 0 && consumed <= octets - at);
            g_assert_true((result < 0) == (problem != NULL) && (result == 1) == (reply != NULL));
            at += consumed;
            if (result == 1) {
                g_autofree char *wire = postern_reply_to_wire(reply);

                check_reply(reply);
                g_string_append(replies, wire);
            }
        }
        g_free(piece);
    }
    g_string_append(replies, result < 0 ? "bad" : "good");
    postern_reply_parser_clear(&parser);
    return replies;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GString *whole, *cut;

    if (size < 1)
        return 0;
    whole = parse(data + 1, size - 1, 0);
    cut = parse(data + 1, size - 1, data[0] + 1u);
    g_assert_cmpstr(whole->str, ==, cut->str);
    g_string_free(whole, TRUE);
    g_string_free(cut, TRUE);
    return 0;
}
