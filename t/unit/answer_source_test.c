/* Where answers come from, and a resolver that has none. */
#include <string.h>

#include "dns/resolver.h"

static void count(gpointer user_data)
{
    guint *done = user_data;
    (*done)++;
}

static void note(const PosternQuestion *question, gpointer user_data)
{
    g_string_append_printf(user_data, "%s %s;", question->name, postern_dns_type_name(question->type));
}

static const PosternAnswer *get(PosternAnswers *answers, const char *name)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    return postern_answers_get(answers, question);
}

static void test_silent_resolver(void)
{
    struct event_base *loop = event_base_new();
    g_autoptr(GString) unknown = g_string_new(NULL);
    g_autoptr(PosternResolver) resolver = postern_resolver_new_silent(loop, note, unknown);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    guint done = 0;
    postern_answers_look_up(answers, "one.example", POSTERN_DNS_TXT);
    postern_answers_look_up(answers, "two.example", POSTERN_DNS_A);
    postern_resolver_ask(resolver, POSTERN_FAIR_QUEUE_NOBODY, answers, count, &done);
    g_assert_cmpuint(done, ==, 0);
    event_base_dispatch(loop);
    g_assert_cmpuint(done, ==, 1);
    g_assert_cmpstr(unknown->str, ==, "one.example TXT;two.example A;");
    g_assert_cmpint(get(answers, "one.example")->status, ==, POSTERN_ANSWER_TIMEOUT);
    g_clear_pointer(&resolver, postern_resolver_free);
    event_base_free(loop);
}

static void test_file(void)
{
    static const char text[] = "one.example TXT \"x\"\n";
    struct event_base *loop = event_base_new();
    g_autoptr(PosternAnswersFile) file = postern_answers_file_parse(text, strlen(text), NULL);
    g_autoptr(PosternResolver) resolver = postern_resolver_new_from_file(loop, file);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    guint done = 0;
    postern_answers_look_up(answers, "one.example", POSTERN_DNS_TXT);
    postern_resolver_ask(resolver, POSTERN_FAIR_QUEUE_NOBODY, answers, count, &done);
    event_base_dispatch(loop);
    g_assert_cmpint(get(answers, "one.example")->source, ==, POSTERN_ANSWER_SOURCE_FILE);
    postern_answers_set_source(answers, POSTERN_ANSWER_SOURCE_CAPSULE);
    g_assert_cmpint(get(answers, "one.example")->source, ==, POSTERN_ANSWER_SOURCE_CAPSULE);
    g_clear_pointer(&resolver, postern_resolver_free);
    event_base_free(loop);
}

/* It is for people alone: what goes to an inspector does not change with it. */
static void test_does_not_travel(void)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternQuestion) question = postern_question_new("one.example", POSTERN_DNS_TXT);
    postern_answers_add(answers, question, postern_answer_new(POSTERN_ANSWER_NODATA));
    g_autoptr(GByteArray) before = g_byte_array_new();
    postern_answers_encode(answers, before);
    postern_answers_set_source(answers, POSTERN_ANSWER_SOURCE_NETWORK);
    GByteArray *out = g_byte_array_new();
    postern_answers_encode(answers, out);
    g_autoptr(GBytes) after = g_byte_array_free_to_bytes(out);
    g_assert_cmpmem(before->data, before->len, g_bytes_get_data(after, NULL), g_bytes_get_size(after));
    g_autoptr(PosternAnswers) back = postern_answers_new();
    PosternOctets in = postern_octets_of(after);
    g_assert_true(postern_answers_decode(back, &in, NULL));
    g_assert_cmpint(get(back, "one.example")->source, ==, POSTERN_ANSWER_SOURCE_UNKNOWN);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/answer-source/silent-resolver", test_silent_resolver);
    g_test_add_func("/answer-source/file", test_file);
    g_test_add_func("/answer-source/does-not-travel", test_does_not_travel);
    return g_test_run();
}
