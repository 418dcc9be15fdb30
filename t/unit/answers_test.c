#include "dns/answers.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static void add(PosternAnswers *answers, const char *name, PosternDnsType type, PosternAnswer *answer)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, type);
    g_assert_nonnull(question);
    postern_answers_add(answers, question, answer);
}

static PosternAnswer *one_record(gconstpointer octets, gsize length)
{
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_NODATA);
    g_assert_true(postern_answer_add(answer, octets, length));
    return answer;
}

static void test_answer(void)
{
    g_autoptr(PosternAnswer) answer = postern_answer_new(POSTERN_ANSWER_NODATA);
    g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_NODATA);
    g_assert_cmpuint(answer->records->len, ==, 0);
    for (guint i = 0; i < POSTERN_RECORDS_PER_ANSWER_MAX; i++)
        g_assert_true(postern_answer_add(answer, &i, sizeof i));
    g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_RECORDS);
    g_assert_false(postern_answer_add(answer, "x", 1));
    g_assert_cmpuint(answer->records->len, ==, POSTERN_RECORDS_PER_ANSWER_MAX);

    g_autofree char *large = g_malloc0(POSTERN_RECORD_MAX_OCTETS + 1);
    g_autoptr(PosternAnswer) other = postern_answer_new(POSTERN_ANSWER_NODATA);
    g_assert_false(postern_answer_add(other, large, POSTERN_RECORD_MAX_OCTETS + 1));
    g_assert_cmpint(other->status, ==, POSTERN_ANSWER_NODATA);
    g_assert_true(postern_answer_add(other, large, POSTERN_RECORD_MAX_OCTETS));
    g_assert_true(postern_answer_add(other, NULL, 0));
    g_assert_cmpstr(postern_answer_status_name(POSTERN_ANSWER_SERVFAIL), ==, "servfail");
}

static void test_look_up(void)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_assert_null(postern_answers_look_up(answers, "b.example", POSTERN_DNS_TXT));
    g_assert_null(postern_answers_look_up(answers, "a.example", POSTERN_DNS_A));
    g_assert_null(postern_answers_look_up(answers, "B.Example.", POSTERN_DNS_TXT));
    GPtrArray *noted = postern_answers_questions(answers);
    g_assert_cmpuint(noted->len, ==, 2);
    g_assert_cmpstr(((PosternQuestion *)noted->pdata[0])->name, ==, "b.example");
    g_assert_cmpstr(((PosternQuestion *)noted->pdata[1])->name, ==, "a.example");
    g_assert_cmpuint(postern_answers_count(answers), ==, 0);

    add(answers, "b.example", POSTERN_DNS_TXT, one_record("v=spf1", 6));
    g_assert_cmpuint(noted->len, ==, 1);
    g_assert_cmpuint(postern_answers_count(answers), ==, 1);
    const PosternAnswer *answer = postern_answers_look_up(answers, "b.EXAMPLE", POSTERN_DNS_TXT);
    g_assert_nonnull(answer);
    g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_RECORDS);

    add(answers, "b.example", POSTERN_DNS_TXT, postern_answer_new(POSTERN_ANSWER_TIMEOUT));
    answer = postern_answers_look_up(answers, "b.example", POSTERN_DNS_TXT);
    g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_TIMEOUT);
    g_assert_cmpuint(postern_answers_count(answers), ==, 1);
    g_assert_cmpuint(noted->len, ==, 1);

    answer = postern_answers_look_up(answers, "not..name", POSTERN_DNS_A);
    g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_NXDOMAIN);
    g_assert_cmpuint(noted->len, ==, 1);
}

static void test_question_limit(void)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    for (int i = 0; i < POSTERN_QUESTIONS_PER_MESSAGE_MAX; i++) {
        g_autofree char *name = g_strdup_printf("n%d.example", i);
        g_assert_null(postern_answers_look_up(answers, name, POSTERN_DNS_A));
    }
    const PosternAnswer *over = postern_answers_look_up(answers, "over.example", POSTERN_DNS_A);
    g_assert_nonnull(over);
    g_assert_cmpint(over->status, ==, POSTERN_ANSWER_SERVFAIL);
    g_assert_null(postern_answers_look_up(answers, "n0.example", POSTERN_DNS_A));
    add(answers, "over.example", POSTERN_DNS_A, one_record("\x7f\0\0\1", 4));
    over = postern_answers_look_up(answers, "over.example", POSTERN_DNS_A);
    g_assert_cmpint(over->status, ==, POSTERN_ANSWER_SERVFAIL);
    g_assert_cmpuint(postern_answers_questions(answers)->len, ==, POSTERN_QUESTIONS_PER_MESSAGE_MAX);
    add(answers, "n0.example", POSTERN_DNS_A, one_record("\x7f\0\0\1", 4));
    g_assert_cmpint(postern_answers_look_up(answers, "n0.example", POSTERN_DNS_A)->status, ==,
                    POSTERN_ANSWER_RECORDS);
}

static void test_octet_limit(void)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autofree char *octets = g_malloc0(POSTERN_RECORD_MAX_OCTETS);
    for (int i = 0; i < 20; i++) {
        g_autofree char *name = g_strdup_printf("n%d.example", i);
        add(answers, name, POSTERN_DNS_TXT, one_record(octets, POSTERN_RECORD_MAX_OCTETS));
        gboolean fits = (i + 1) * POSTERN_RECORD_MAX_OCTETS <= POSTERN_ANSWERS_MAX_OCTETS;
        g_assert_cmpint(postern_answers_look_up(answers, name, POSTERN_DNS_TXT)->status, ==,
                        fits ? POSTERN_ANSWER_RECORDS : POSTERN_ANSWER_SERVFAIL);
    }
    for (int i = 20; i < POSTERN_QUESTIONS_PER_MESSAGE_MAX; i++) {
        g_autofree char *name = g_strdup_printf("n%d.example", i);
        add(answers, name, POSTERN_DNS_TXT, one_record(octets, POSTERN_ANSWER_SMALL_OCTETS));
        g_assert_cmpint(postern_answers_look_up(answers, name, POSTERN_DNS_TXT)->status, ==,
                        POSTERN_ANSWER_RECORDS);
    }
    add(answers, "n0.example", POSTERN_DNS_TXT, one_record(octets, 1));
    add(answers, "n19.example", POSTERN_DNS_TXT, one_record(octets, POSTERN_RECORD_MAX_OCTETS));
    g_assert_cmpint(postern_answers_look_up(answers, "n19.example", POSTERN_DNS_TXT)->status, ==,
                    POSTERN_ANSWER_RECORDS);

    g_autoptr(GVariant) variant = g_variant_ref_sink(postern_answers_to_variant(answers));
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternAnswers) back = postern_answers_from_variant(variant, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(postern_answers_count(back), ==, POSTERN_QUESTIONS_PER_MESSAGE_MAX);
}

static void fill(PosternAnswers *answers, const int *order)
{
    for (int i = 0; i < 5; i++) {
        switch (order[i]) {
        case 0:
            add(answers, "a.example", POSTERN_DNS_A, one_record("\x7f\0\0\2", 4));
            break;
        case 1:
            add(answers, "a.example", POSTERN_DNS_MX, one_record("\0\012mx.example", 12));
            break;
        case 2:
            add(answers, "b.example", POSTERN_DNS_TXT, one_record("nul\0in", 6));
            break;
        case 3:
            add(answers, "b.example", POSTERN_DNS_PTR, postern_answer_new(POSTERN_ANSWER_NXDOMAIN));
            break;
        default:
            add(answers, "c.example", POSTERN_DNS_MX, one_record("\0\0", 2));
        }
    }
}

static void test_variant(void)
{
    g_autoptr(PosternAnswers) one = postern_answers_new();
    g_autoptr(PosternAnswers) other = postern_answers_new();
    fill(one, (const int[]){0, 1, 2, 3, 4});
    fill(other, (const int[]){4, 2, 0, 3, 1});
    postern_answers_look_up(other, "noted.example", POSTERN_DNS_A);
    g_autoptr(GVariant) first = g_variant_ref_sink(postern_answers_to_variant(one));
    g_autoptr(GVariant) second = g_variant_ref_sink(postern_answers_to_variant(other));
    g_assert_cmpstr(g_variant_get_type_string(first), ==, POSTERN_ANSWERS_VARIANT);
    g_assert_cmpmem(g_variant_get_data(first), g_variant_get_size(first), g_variant_get_data(second),
                    g_variant_get_size(second));

    g_autoptr(GError) error = NULL;
    g_autoptr(PosternAnswers) back = postern_answers_from_variant(first, &error);
    g_assert_no_error(error);
    g_autoptr(GVariant) third = g_variant_ref_sink(postern_answers_to_variant(back));
    g_assert_true(g_variant_equal(first, third));
    const PosternAnswer *text = postern_answers_look_up(back, "b.example", POSTERN_DNS_TXT);
    gsize length;
    gconstpointer octets = g_bytes_get_data(text->records->pdata[0], &length);
    g_assert_cmpmem(octets, length, "nul\0in", 6);
    g_assert_cmpuint(postern_answers_questions(back)->len, ==, 0);
}

static void test_hostile_variant(void)
{
    static const char *const rows[] = {
        "[(uint16 1, byte 0, b'a.example\\000', [])]", /* the octet NUL */
        "[(uint16 1, byte 1, @ay [], [])]",            /* an empty name */
        "[(uint16 1, byte 1, [0x41], [])]",            /* upper case */
        "[(uint16 1, byte 1, [0x61, 0x2e], [])]",      /* a final dot */
        "[(uint16 1, byte 1, [0x61, 0x00], [])]",      /* NUL behind a good name */
        "[(uint16 2, byte 1, [0x61], [])]",            /* a type that is not ours */
        "[(uint16 255, byte 1, [0x61], [])]",
        "[(uint16 1, byte 5, [0x61], [])]",                                 /* a status that is not one */
        "[(uint16 1, byte 0, [0x61], [])]",                                 /* RECORDS without any */
        "[(uint16 1, byte 1, [0x61], [[1, 2, 3, 4]])]",                     /* NXDOMAIN with some */
        "[(uint16 1, byte 0, [0x61], [[1, 2, 3]])]",                        /* a short A */
        "[(uint16 28, byte 0, [0x61], [[1, 2, 3, 4]])]",                    /* a short AAAA */
        "[(uint16 15, byte 0, [0x61], [[1]])]",                             /* a short MX */
        "[(uint16 15, byte 0, [0x61], [[0, 1, 0x41]])]",                    /* MX to an upper case name */
        "[(uint16 12, byte 0, [0x61], [[0x61, 0x1f]])]",                    /* PTR to what is no name */
        "[(uint16 1, byte 1, [0x61], []), (uint16 1, byte 1, [0x61], [])]", /* twice */
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) variant =
            g_variant_parse(G_VARIANT_TYPE(POSTERN_ANSWERS_VARIANT), rows[i], NULL, NULL, &error);
        g_assert_no_error(error);
        g_assert_null(postern_answers_from_variant(variant, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    }

    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) other = g_variant_ref_sink(g_variant_new_string("x"));
    g_assert_null(postern_answers_from_variant(other, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    g_clear_error(&error);
    g_autoptr(GVariant) broken = g_variant_ref_sink(g_variant_new_from_data(
        G_VARIANT_TYPE(POSTERN_ANSWERS_VARIANT), "\1\2\3\4\5\6\7", 7, FALSE, NULL, NULL));
    g_assert_null(postern_answers_from_variant(broken, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
}

static void test_variant_limits(void)
{
    g_autoptr(GPtrArray) questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    for (int i = 0; i <= POSTERN_QUESTIONS_PER_MESSAGE_MAX; i++) {
        g_autofree char *name = g_strdup_printf("n%d.example", i);
        g_ptr_array_add(questions, postern_question_new(name, POSTERN_DNS_A));
    }
    g_autoptr(GVariant) over = g_variant_ref_sink(postern_questions_to_variant(questions));
    g_autoptr(GError) error = NULL;
    g_assert_null(postern_questions_from_variant(over, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
    g_clear_error(&error);

    g_ptr_array_set_size(questions, POSTERN_QUESTIONS_PER_MESSAGE_MAX);
    g_autoptr(GVariant) full = g_variant_ref_sink(postern_questions_to_variant(questions));
    g_autoptr(GPtrArray) back = postern_questions_from_variant(full, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(back->len, ==, POSTERN_QUESTIONS_PER_MESSAGE_MAX);
    for (guint i = 0; i < back->len; i++)
        g_assert_true(postern_question_equal(back->pdata[i], questions->pdata[i]));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/answers/answer", test_answer);
    g_test_add_func("/answers/look-up", test_look_up);
    g_test_add_func("/answers/question-limit", test_question_limit);
    g_test_add_func("/answers/octet-limit", test_octet_limit);
    g_test_add_func("/answers/variant", test_variant);
    g_test_add_func("/answers/hostile-variant", test_hostile_variant);
    g_test_add_func("/answers/variant-limits", test_variant_limits);
    return g_test_run();
}
