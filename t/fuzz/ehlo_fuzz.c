#include "wire/ehlo.h"

#include <string.h>

#include <glib.h>

#include "split.h"

static PosternReply *reply_of(const char *wire, gsize length)
{
    g_autofree char *copy = g_memdup2(wire, length);
    PosternReplyParser parser;
    PosternReply *reply = NULL;
    const char *problem;
    gsize consumed;

    postern_reply_parser_init(&parser);
    postern_reply_parser_next(&parser, copy, length, &consumed, &reply, &problem);
    postern_reply_parser_clear(&parser);
    return reply;
}

/* What is announced of what was parsed is parsed as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(PosternReply) reply = reply_of((const char *)data, size);
    g_autoptr(PosternReply) announced = NULL;
    g_autofree char *wire = NULL;
    PosternEhlo ehlo, back;

    if (reply == NULL)
        return 0;
    ehlo = postern_ehlo_parse(reply);
    if (reply->code != 250)
        g_assert_cmpuint(ehlo.capabilities, ==, 0);
    wire = postern_ehlo_format("mx.example.org", &ehlo);
    announced = reply_of(wire, strlen(wire));
    g_assert_nonnull(announced);
    back = postern_ehlo_parse(announced);
    g_assert_cmpuint(back.capabilities, ==, ehlo.capabilities);
    g_assert_cmpuint(back.size, ==, ehlo.size);
    g_assert_cmpuint(back.xclient_attributes, ==, ehlo.xclient_attributes);
    g_assert_cmpuint(back.xforward_attributes, ==, ehlo.xforward_attributes);
    return 0;
}
