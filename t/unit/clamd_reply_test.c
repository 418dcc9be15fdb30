#include "checks/virus/clamd_reply.h"

#include <string.h>

#include "base/limits.h"

static const struct {
    const char *octets; /* NUL follows */
    guint64 id;
    PosternClamdResult result;
    const char *text;
} cases[] = {
    {"1: stream: OK", 1, POSTERN_CLAMD_OK, "stream"},
    {"12: fd[10]: OK", 12, POSTERN_CLAMD_OK, "fd[10]"},
    {"3: fd[10]: Eicar-Test-Signature FOUND", 3, POSTERN_CLAMD_FOUND, "Eicar-Test-Signature"},
    {"3: stream: Win.Test.EICAR_HDB-1(44d88612fea8a8f36de82e1278abb02f:68) FOUND", 3, POSTERN_CLAMD_FOUND,
     "Win.Test.EICAR_HDB-1(44d88612fea8a8f36de82e1278abb02f:68)"},
    {"stream: X FOUND", 0, POSTERN_CLAMD_FOUND, "X"},
    {"1: INSTREAM size limit exceeded. ERROR", 1, POSTERN_CLAMD_ERROR, "INSTREAM size limit exceeded."},
    {"COMMAND READ TIMED OUT ERROR", 0, POSTERN_CLAMD_ERROR, "COMMAND READ TIMED OUT"},
    {"2: ClamAV 1.0.7/27500/Mon Dec 23 09:45:04 2024", 2, POSTERN_CLAMD_OTHER,
     "ClamAV 1.0.7/27500/Mon Dec 23 09:45:04 2024"},
    {"UNKNOWN COMMAND", 0, POSTERN_CLAMD_OTHER, "UNKNOWN COMMAND"},
    {"OK", 0, POSTERN_CLAMD_OTHER, "OK"},
    {"1: OK", 1, POSTERN_CLAMD_OTHER, "OK"},
    {"99999999999: stream: OK", 0, POSTERN_CLAMD_OK, "99999999999: stream"},
    {"-1: stream: OK", 0, POSTERN_CLAMD_OK, "-1: stream"},
    {"1: stream: a\r\n\x80 FOUND", 1, POSTERN_CLAMD_FOUND, "a???"},
    {" FOUND", 0, POSTERN_CLAMD_FOUND, ""},
    {": OK", 0, POSTERN_CLAMD_OK, ""},
};

static void test_replies(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize length = strlen(cases[i].octets) + 1, taken = 0;

        /* Each beginning of it, in a block of its own, is not whole. */
        for (gsize part = 0; part < length; part++) {
            g_auto(PosternClamdReply) none = {0};
            g_autofree char *octets = g_memdup2(cases[i].octets, part + 1);
            g_assert_cmpint(postern_clamd_reply_parse(octets, part, &none, &taken), ==, 0);
            g_assert_null(none.text);
        }
        g_auto(PosternClamdReply) reply = {0};
        g_assert_cmpint(postern_clamd_reply_parse(cases[i].octets, length, &reply, &taken), ==, 1);
        g_assert_cmpuint(taken, ==, length);
        g_assert_cmpuint(reply.id, ==, cases[i].id);
        g_assert_cmpint(reply.result, ==, cases[i].result);
        g_assert_cmpstr(reply.text, ==, cases[i].text);
    }
}

static void test_no_reply(void)
{
    g_auto(PosternClamdReply) reply = {0};
    gsize taken = 0;
    g_autofree char *endless = g_strnfill(POSTERN_CLAMD_REPLY_MAX_OCTETS, 'x');
    g_assert_cmpint(postern_clamd_reply_parse("", 1, &reply, &taken), ==, -1);
    g_assert_cmpint(postern_clamd_reply_parse(endless, POSTERN_CLAMD_REPLY_MAX_OCTETS, &reply, &taken), ==,
                    -1);
    g_assert_cmpint(postern_clamd_reply_parse(endless, POSTERN_CLAMD_REPLY_MAX_OCTETS - 1, &reply, &taken),
                    ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clamd-reply/replies", test_replies);
    g_test_add_func("/clamd-reply/none", test_no_reply);
    return g_test_run();
}
