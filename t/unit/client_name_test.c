#include "dns/client_name.h"

#include <arpa/inet.h>
#include <string.h>

#include "dns/answers_file.h"

/* What the DNS says of 192.0.2.7, and what its names are. */
static const struct {
    const char *records;
    const char *name;
    const char *reverse;
    gboolean temporary;
} rows[] = {
    {"7.2.0.192.in-addr.arpa PTR a.test\na.test A 192.0.2.7\n", "a.test", "a.test", FALSE},
    {"7.2.0.192.in-addr.arpa PTR a.test\na.test A 192.0.2.8\n", NULL, "a.test", FALSE},
    {"7.2.0.192.in-addr.arpa PTR a.test\na.test A !NXDOMAIN\n", NULL, "a.test", FALSE},
    {"7.2.0.192.in-addr.arpa PTR a.test\na.test A !SERVFAIL\n", NULL, "a.test", TRUE},
    {"7.2.0.192.in-addr.arpa PTR !NXDOMAIN\n", NULL, NULL, FALSE},
    {"7.2.0.192.in-addr.arpa PTR !TIMEOUT\n", NULL, NULL, TRUE},
    {"7.2.0.192.in-addr.arpa PTR a.test\n7.2.0.192.in-addr.arpa PTR b.test\n"
     "a.test A 192.0.2.8\nb.test A 192.0.2.7\n",
     "b.test", "b.test", FALSE},
    {"7.2.0.192.in-addr.arpa PTR a.test\n7.2.0.192.in-addr.arpa PTR b.test\n"
     "a.test A !SERVFAIL\nb.test A 192.0.2.7\n",
     "b.test", "b.test", FALSE},
};

static void answer_all(const PosternAnswersFile *file, PosternAnswers *answers)
{
    for (;;) {
        const GPtrArray *questions = postern_answers_questions(answers);
        if (questions->len == 0)
            return;
        const PosternQuestion *question = g_ptr_array_index(questions, 0);
        postern_answers_add(answers, question, postern_answers_file_answer(file, question));
    }
}

static void test_names(void)
{
    struct in_addr address;
    g_assert_cmpint(inet_pton(AF_INET, "192.0.2.7", &address), ==, 1);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternAnswersFile) file =
            postern_answers_file_parse(rows[i].records, strlen(rows[i].records), &error);
        g_assert_no_error(error);
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        g_autofree char *name = NULL;
        g_autofree char *reverse = NULL;
        gboolean temporary = FALSE;
        guint rounds = 0;
        while (postern_dns_client_name(AF_INET, &address, answers, &name, &reverse, &temporary) == 0) {
            g_assert_null(name);
            g_assert_null(reverse);
            g_assert_cmpuint(++rounds, <=, 2);
            answer_all(file, answers);
        }
        g_assert_cmpstr(name, ==, rows[i].name);
        g_assert_cmpstr(reverse, ==, rows[i].reverse);
        g_assert_cmpint(temporary, ==, rows[i].temporary);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dns/client-name", test_names);
    return g_test_run();
}
