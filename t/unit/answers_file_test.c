#include "dns/answers_file.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static const char file_text[] = "# a comment\n"
                                "; another one\r\n"
                                "\n"
                                "  \t\n"
                                "Example.COM. A 192.0.2.1\n"
                                "example.com\tA\t192.0.2.2\r\n"
                                "example.com aaaa 2001:db8::1\n"
                                "example.com MX 10 MX.example.com.\n"
                                "example.com MX 0 .\n"
                                "example.com TXT \"v=spf1 \" \"a -all; \\\"q\\\" \\\\ \\009\\255\"\n"
                                "example.com TXT \"\"\n"
                                "1.2.0.192.in-addr.arpa PTR host.example.com\n"
                                "alias.example CNAME b.example\n"
                                "b.example CNAME c.example\n"
                                "c.example TXT \"end\"\n"
                                "lost.example CNAME nowhere.example\n"
                                "loop.example CNAME pool.example\n"
                                "pool.example CNAME loop.example\n"
                                "root.example CNAME .\n"
                                "slow.example * !TIMEOUT\n"
                                "slow.example TXT \"quick\"\n"
                                "bad.example TXT !servfail\n"
                                "a\\032b\\\\c.example A 127.0.0.1\n"
                                "gone.example A !NXDOMAIN\n"
                                "void.example A !NODATA";

static PosternAnswersFile *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    PosternAnswersFile *file = postern_answers_file_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    return file;
}

static PosternAnswer *ask(PosternAnswersFile *file, const char *name, PosternDnsType type)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, type);
    return postern_answers_file_answer(file, question);
}

static void test_status(void)
{
    static const struct {
        const char *name;
        PosternDnsType type;
        PosternAnswerStatus status;
        guint records;
    } cases[] = {
        {"example.com", POSTERN_DNS_A, POSTERN_ANSWER_RECORDS, 2},
        {"example.com", POSTERN_DNS_AAAA, POSTERN_ANSWER_RECORDS, 1},
        {"example.com", POSTERN_DNS_MX, POSTERN_ANSWER_RECORDS, 2},
        {"example.com", POSTERN_DNS_TXT, POSTERN_ANSWER_RECORDS, 2},
        {"example.com", POSTERN_DNS_PTR, POSTERN_ANSWER_NODATA, 0},
        {"nowhere.example.com", POSTERN_DNS_A, POSTERN_ANSWER_NXDOMAIN, 0},
        {"alias.example", POSTERN_DNS_TXT, POSTERN_ANSWER_RECORDS, 1},
        {"alias.example", POSTERN_DNS_CNAME, POSTERN_ANSWER_RECORDS, 1},
        {"alias.example", POSTERN_DNS_A, POSTERN_ANSWER_NODATA, 0},
        {"lost.example", POSTERN_DNS_A, POSTERN_ANSWER_NXDOMAIN, 0},
        {"root.example", POSTERN_DNS_A, POSTERN_ANSWER_NXDOMAIN, 0},
        {"loop.example", POSTERN_DNS_A, POSTERN_ANSWER_SERVFAIL, 0},
        {"slow.example", POSTERN_DNS_A, POSTERN_ANSWER_TIMEOUT, 0},
        {"slow.example", POSTERN_DNS_CNAME, POSTERN_ANSWER_TIMEOUT, 0},
        {"slow.example", POSTERN_DNS_TXT, POSTERN_ANSWER_RECORDS, 1},
        {"bad.example", POSTERN_DNS_TXT, POSTERN_ANSWER_SERVFAIL, 0},
        {"bad.example", POSTERN_DNS_A, POSTERN_ANSWER_NODATA, 0},
        {"gone.example", POSTERN_DNS_A, POSTERN_ANSWER_NXDOMAIN, 0},
        {"a b\\c.example", POSTERN_DNS_A, POSTERN_ANSWER_RECORDS, 1},
        {"void.example", POSTERN_DNS_A, POSTERN_ANSWER_NODATA, 0},
    };
    g_autoptr(PosternAnswersFile) file = parse(file_text);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s %s", cases[i].name, postern_dns_type_name(cases[i].type));
        g_autoptr(PosternAnswer) answer = ask(file, cases[i].name, cases[i].type);
        g_assert_cmpint(answer->status, ==, cases[i].status);
        g_assert_cmpuint(answer->records->len, ==, cases[i].records);
    }
}

static void assert_record(PosternAnswer *answer, guint index, const char *octets, gsize length)
{
    gsize got_length;
    gconstpointer got = g_bytes_get_data(answer->records->pdata[index], &got_length);
    g_assert_cmpmem(got, got_length, octets, length);
}

static void test_records(void)
{
    g_autoptr(PosternAnswersFile) file = parse(file_text);
    g_autoptr(PosternAnswer) a = ask(file, "example.com", POSTERN_DNS_A);
    assert_record(a, 0, "\300\0\2\1", 4);
    assert_record(a, 1, "\300\0\2\2", 4);
    g_autoptr(PosternAnswer) aaaa = ask(file, "example.com", POSTERN_DNS_AAAA);
    assert_record(aaaa, 0, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    g_autoptr(PosternAnswer) mx = ask(file, "example.com", POSTERN_DNS_MX);
    assert_record(mx, 0, "\0\012mx.example.com", 16);
    assert_record(mx, 1, "\0\0", 2);
    g_autoptr(PosternAnswer) txt = ask(file, "example.com", POSTERN_DNS_TXT);
    assert_record(txt, 0, "v=spf1 a -all; \"q\" \\ \t\377", 23);
    assert_record(txt, 1, "", 0);
    g_autoptr(PosternAnswer) ptr = ask(file, "1.2.0.192.in-addr.arpa", POSTERN_DNS_PTR);
    assert_record(ptr, 0, "host.example.com", 16);
    g_autoptr(PosternAnswer) alias = ask(file, "alias.example", POSTERN_DNS_TXT);
    assert_record(alias, 0, "end", 3);
}

static void test_mistakes(void)
{
    static const char *const lines[] = {
        "a.example",
        "a.example A",
        "a.example A 1.2.3",
        "a\\.example A 1.2.3.4",
        "a\\000.example A 1.2.3.4",
        "a.example PTR a\\",
        "a.example A 1.2.3.4 5",
        "a.example A 2001:db8::1",
        "a.example AAAA 1.2.3.4",
        "a.example SPF \"x\"",
        "a.example MX mx.example",
        "a.example MX 65536 mx.example",
        "a.example MX -1 mx.example",
        "a.example MX 10",
        "a.example MX 10 a..b",
        "a..example A 1.2.3.4",
        ". A 1.2.3.4",
        "a.example TXT v=spf1",
        "a.example TXT \"v=spf1",
        "a.example TXT \"v=spf1\\\"",
        "a.example TXT \"x\\256\"",
        "a.example TXT \"x\\12\"",
        "a.example TXT \"x\\",
        "a.example TXT \"x\x01\"",
        "a.example TXT \"x\" y",
        "a.example TXT",
        "a.example * \"x\"",
        "a.example *",
        "a.example A !",
        "a.example A !RECORDS",
        "a.example A !TIMEOUT again",
        "a.example CNAME b.example\na.example CNAME c.example",
        "a.example A 1.2.3.4\na.example A !TIMEOUT",
        "a.example A !TIMEOUT\na.example A 1.2.3.4",
        "a.example * !TIMEOUT\na.example * !SERVFAIL",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *text = g_strdup_printf("# first\nok.example A 127.0.0.1\n%s\n", lines[i]);
        g_autoptr(GError) error = NULL;
        g_assert_null(postern_answers_file_parse(text, strlen(text), &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT);
        g_assert_true(
            g_str_has_prefix(error->message, strchr(lines[i], '\n') != NULL ? "line 4: " : "line 3: "));
        for (const char *c = error->message; *c != '\0'; c++)
            g_assert_true(g_ascii_isprint(*c));
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(postern_answers_file_parse("a.example A 1.2.3.4\0", 20, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT);
}

static void test_prefixes(void)
{
    for (gsize length = 0; length < sizeof file_text; length++) {
        g_autofree char *exact = g_memdup2(file_text, MAX(length, 1));
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternAnswersFile) file = postern_answers_file_parse(exact, length, &error);
        g_assert_true((file == NULL) == (error != NULL));
    }
}

static void test_chain_limit(void)
{
    g_autoptr(GString) text = g_string_new("n0.example A 127.0.0.1\n");
    for (int i = 1; i <= POSTERN_CNAME_CHAIN_MAX + 1; i++)
        g_string_append_printf(text, "n%d.example CNAME n%d.example\n", i, i - 1);
    g_autoptr(PosternAnswersFile) file = parse(text->str);
    g_autofree char *longest = g_strdup_printf("n%d.example", POSTERN_CNAME_CHAIN_MAX);
    g_autofree char *over = g_strdup_printf("n%d.example", POSTERN_CNAME_CHAIN_MAX + 1);
    g_autoptr(PosternAnswer) good = ask(file, longest, POSTERN_DNS_A);
    g_assert_cmpint(good->status, ==, POSTERN_ANSWER_RECORDS);
    g_autoptr(PosternAnswer) bad = ask(file, over, POSTERN_DNS_A);
    g_assert_cmpint(bad->status, ==, POSTERN_ANSWER_SERVFAIL);
}

static void test_record_limit(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (int i = 0; i < POSTERN_RECORDS_PER_ANSWER_MAX; i++)
        g_string_append_printf(text, "a.example A 10.0.%d.%d\n", i / 256, i % 256);
    g_autoptr(PosternAnswersFile) file = parse(text->str);
    g_string_append(text, "a.example A 10.1.0.0\n");
    g_autoptr(GError) error = NULL;
    g_assert_null(postern_answers_file_parse(text->str, text->len, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT);
}

static void test_load(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("answers-XXXXXX", &path, &error);
    g_assert_no_error(error);
    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, file_text, -1, &error));
    g_autoptr(PosternAnswersFile) file = postern_answers_file_load(path, &error);
    g_assert_no_error(error);
    g_autoptr(PosternAnswer) answer = ask(file, "void.example", POSTERN_DNS_A);
    g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_NODATA);

    g_assert_true(g_file_set_contents(path, "x", -1, &error));
    g_assert_null(postern_answers_file_load(path, &error));
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, "line 1: "));
    g_clear_error(&error);

    g_autofree char *large = g_malloc(POSTERN_ANSWERS_FILE_MAX_OCTETS + 1);
    memset(large, '\n', POSTERN_ANSWERS_FILE_MAX_OCTETS + 1);
    g_assert_true(g_file_set_contents(path, large, POSTERN_ANSWERS_FILE_MAX_OCTETS + 1, &error));
    g_assert_null(postern_answers_file_load(path, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
    g_clear_error(&error);
    g_unlink(path);
    g_assert_null(postern_answers_file_load(path, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, path));
    g_clear_error(&error);
    g_assert_null(postern_answers_file_load("/", &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/answers-file/status", test_status);
    g_test_add_func("/answers-file/records", test_records);
    g_test_add_func("/answers-file/mistakes", test_mistakes);
    g_test_add_func("/answers-file/prefixes", test_prefixes);
    g_test_add_func("/answers-file/chain-limit", test_chain_limit);
    g_test_add_func("/answers-file/record-limit", test_record_limit);
    g_test_add_func("/answers-file/load", test_load);
    return g_test_run();
}
