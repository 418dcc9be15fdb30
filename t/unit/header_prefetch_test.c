#include "inspector_client/header_prefetch.h"

#include <string.h>

#define ALL POSTERN_CHECKS_ALL
#define SIGNED "DKIM-Signature: v=1; d=a.example.com; s=s1; b=x\r\n"
#define FROM "From: A <a@a.example.com>\r\n"

static const struct {
    const char *header;
    PosternChecks checks;
    const char *names; /* asked for, separated by spaces; NULL: not all can be told */
} cases[] = {
    {SIGNED FROM, ALL, "s1._domainkey.a.example.com _dmarc.a.example.com _dmarc.example.com _dmarc.com"},
    {SIGNED FROM, POSTERN_CHECK_DKIM, "s1._domainkey.a.example.com"},
    {SIGNED FROM, POSTERN_CHECK_DMARC, "_dmarc.a.example.com _dmarc.example.com _dmarc.com"},
    {SIGNED FROM, POSTERN_CHECK_ARC | POSTERN_CHECK_HOPS, ""},
    {"From: a@known.example\r\n", ALL, "_dmarc.example"},
    {"From: \"x@y\"\r\n <a@known.example> (c)\r\n", ALL, "_dmarc.example"},
    {"Subject: x\r\n", ALL, NULL},
    {"Subject: x\r\n", POSTERN_CHECK_DKIM, ""},
    {FROM FROM, ALL, NULL},
    {"From: a@localhost\r\n", ALL, NULL},
    {"From: a@[192.0.2.1]\r\n", ALL, NULL},
    {"From: a@b\xc3\xbc.example\r\n", ALL, NULL},
    {"From: a@a..example\r\n", ALL, NULL},
    {"From: a@1.2.3.4.5.6.7.example\r\n", ALL, NULL},
    {"ARC-Seal: i=1\r\n" FROM, ALL, NULL},
    {"no colon\r\n" FROM, ALL, NULL},
    {"DKIM-Signature: odd\r\n" FROM, ALL, NULL},
    {"DKIM-Signature: d=example.com\r\n" FROM, ALL, NULL},
    {"DKIM-Signature: d=example.com; s=a b\r\n" FROM, ALL, NULL},
    {"DKIM-Signature: d=b\xc3\xbc.example; s=s\r\n" FROM, ALL, NULL},
    {SIGNED SIGNED SIGNED SIGNED SIGNED FROM, ALL, NULL},
};

static void test_questions(void)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternQuestion) known = postern_question_new("_dmarc.known.example", POSTERN_DNS_TXT);
    postern_answers_add(answers, known, postern_answer_new(POSTERN_ANSWER_NXDOMAIN));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternMessage) message = postern_message_new(10000, NULL, NULL);
        g_autoptr(GString) names = g_string_new(NULL);
        gboolean all = FALSE;
        g_assert_true(postern_message_append(message, cases[i].header, strlen(cases[i].header), NULL));
        g_assert_true(postern_message_append(message, "\r\n", 2, NULL));
        g_assert_true(postern_message_seal(message, NULL));
        g_autoptr(GPtrArray) questions =
            postern_header_prefetch_questions(message, cases[i].checks, answers, &all);
        for (guint j = 0; j < questions->len; j++)
            g_string_append_printf(names, "%s%s", j > 0 ? " " : "",
                                   ((const PosternQuestion *)questions->pdata[j])->name);
        g_test_message("%s", cases[i].header);
        g_assert_cmpint(all, ==, cases[i].names != NULL);
        g_assert_cmpstr(names->str, ==, cases[i].names != NULL ? cases[i].names : "");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/header-prefetch/questions", test_questions);
    return g_test_run();
}
