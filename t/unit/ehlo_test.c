#include "wire/ehlo.h"

#include <string.h>

#include <glib.h>

#include "trickle.h"
#include "wire/xclient.h"

typedef struct {
    PosternReplyParser parser;
    PosternReply *reply;
} Parsing;

static gboolean feed_parser(const char *piece, gsize length, gpointer user)
{
    Parsing *parsing = user;
    const char *problem;
    gsize consumed;

    postern_reply_parser_next(&parsing->parser, piece, length, &consumed, &parsing->reply, &problem);
    return parsing->reply == NULL;
}

static PosternEhlo parse(const char *input, gsize piece)
{
    Parsing parsing = {0};
    PosternEhlo ehlo;

    postern_reply_parser_init(&parsing.parser);
    trickle(input, strlen(input), piece, feed_parser, &parsing);
    g_assert_nonnull(parsing.reply);
    ehlo = postern_ehlo_parse(parsing.reply);
    postern_reply_free(parsing.reply);
    postern_reply_parser_clear(&parsing.parser);
    return ehlo;
}

static void assert_same(const PosternEhlo *left, const PosternEhlo *right)
{
    g_assert_cmpuint(left->capabilities, ==, right->capabilities);
    g_assert_cmpuint(left->size, ==, right->size);
    g_assert_cmpuint(left->mail_max, ==, right->mail_max);
    g_assert_cmpuint(left->rcpt_max, ==, right->rcpt_max);
    g_assert_cmpuint(left->rcpt_domain_max, ==, right->rcpt_domain_max);
    g_assert_true(postern_ehlo_is_same(left, right));
    g_assert_cmpuint(left->xclient_attributes, ==, right->xclient_attributes);
    g_assert_cmpuint(left->xforward_attributes, ==, right->xforward_attributes);
}

static void test_parse(void)
{
    static const struct {
        const char *input;
        PosternEhlo ehlo;
    } rows[] = {
        {"250 mx.example.org\r\n", {0}},
        {"250 PIPELINING\r\n", {0}},
        {"550 No\r\n", {0}},
        {"550-mx\r\n550 PIPELINING\r\n", {0}},
        {"250-mx\r\n250-pipelining\r\n250 8BitMime\r\n",
         {.capabilities = POSTERN_CAPABILITY_PIPELINING | POSTERN_CAPABILITY_8BITMIME}},
        {"250-mx\r\n250 SIZE 52428800\r\n", {.capabilities = POSTERN_CAPABILITY_SIZE, .size = 52428800}},
        {"250-mx\r\n250 SIZE\r\n", {.capabilities = POSTERN_CAPABILITY_SIZE}},
        {"250-mx\r\n250 SIZE 0\r\n", {.capabilities = POSTERN_CAPABILITY_SIZE}},
        {"250-mx\r\n250  SIZE   7 \r\n", {.capabilities = POSTERN_CAPABILITY_SIZE, .size = 7}},
        {"250-mx\r\n250 SIZE -1\r\n", {.capabilities = POSTERN_CAPABILITY_SIZE}},
        {"250-mx\r\n250 SIZE 99999999999999999999999\r\n", {.capabilities = POSTERN_CAPABILITY_SIZE}},
        {"250-mx\r\n250 SIZE 10x\r\n", {.capabilities = POSTERN_CAPABILITY_SIZE}},
        {"250-mx\r\n250-SIZES 7\r\n250-DSNX\r\n250-AUTH=LOGIN\r\n250-X\r\n250-\r\n250 BINARYMIME\r\n", {0}},
        {"250-mx\r\n250-LIMITS RCPTMAX=20 X=1 mailmax=3\tRCPTDOMAINMAX=1 RCPTMAXX=2\r\n250 CHUNKING\r\n",
         {.capabilities = POSTERN_CAPABILITY_LIMITS | POSTERN_CAPABILITY_CHUNKING,
          .mail_max = 3,
          .rcpt_max = 20,
          .rcpt_domain_max = 1}},
        {"250-mx\r\n250 LIMITS RCPTMAX=-1 MAILMAX=99999999999 RCPTDOMAINMAX=\r\n",
         {.capabilities = POSTERN_CAPABILITY_LIMITS}},
        {"250-mx\r\n250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250 DSN\r\n",
         {.capabilities =
              POSTERN_CAPABILITY_ENHANCEDSTATUSCODES | POSTERN_CAPABILITY_SMTPUTF8 | POSTERN_CAPABILITY_DSN}},
        {"250-mx\r\n250-XCLIENT NAME ADDR LOGIN\r\n250 XFORWARD ident source FUTURE\r\n",
         {.capabilities = POSTERN_CAPABILITY_XCLIENT | POSTERN_CAPABILITY_XFORWARD,
          .xclient_attributes = POSTERN_CLIENT_NAME | POSTERN_CLIENT_ADDR | POSTERN_CLIENT_LOGIN,
          .xforward_attributes = POSTERN_CLIENT_IDENT | POSTERN_CLIENT_SOURCE}},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
            PosternEhlo ehlo = parse(rows[i].input, trickle_pieces[j]);

            assert_same(&ehlo, &rows[i].ehlo);
        }
}

static void test_format(void)
{
    PosternEhlo none = {0};
    PosternEhlo some = {.capabilities = POSTERN_CAPABILITY_PIPELINING | POSTERN_CAPABILITY_SIZE |
                                        POSTERN_CAPABILITY_XFORWARD,
                        .size = 1000,
                        .xforward_attributes = POSTERN_CLIENT_NAME | POSTERN_CLIENT_IDENT};
    g_autofree char *alone = postern_ehlo_format("mx.example.org", &none);
    g_autofree char *full = postern_ehlo_format("mx.example.org", &some);

    g_assert_cmpstr(alone, ==, "250 mx.example.org\r\n");
    g_assert_cmpstr(full, ==,
                    "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 XFORWARD NAME IDENT\r\n");
}

/* Every mask of capabilities comes back as it was. */
static void test_round_trip(void)
{
    for (guint mask = 0; mask < POSTERN_CAPABILITY_XFORWARD << 1; mask++) {
        PosternEhlo ehlo = {.capabilities = mask};
        g_autofree char *wire = NULL;
        PosternEhlo back;

        if (mask & POSTERN_CAPABILITY_SIZE)
            ehlo.size = mask;
        if (mask & POSTERN_CAPABILITY_XCLIENT)
            ehlo.xclient_attributes = mask;
        if (mask & POSTERN_CAPABILITY_XFORWARD)
            ehlo.xforward_attributes = (POSTERN_CLIENT_DESTPORT << 1) - 1;
        wire = postern_ehlo_format("mx.example.org", &ehlo);
        back = parse(wire, 1);
        assert_same(&ehlo, &back);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/ehlo/parse", test_parse);
    g_test_add_func("/wire/ehlo/format", test_format);
    g_test_add_func("/wire/ehlo/round-trip", test_round_trip);
    return g_test_run();
}
