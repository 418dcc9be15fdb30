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

static GBytes *octets_of(const PosternAnswers *answers)
{
    GByteArray *out = g_byte_array_new();
    postern_answers_encode(answers, out);
    return g_byte_array_free_to_bytes(out);
}

static PosternAnswers *answers_of(GBytes *octets, GError **error)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    PosternOctets in = postern_octets_of(octets);
    gboolean good = postern_answers_decode(answers, &in, error) && postern_octets_end(&in, "answers", error);
    return good ? g_steal_pointer(&answers) : NULL;
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

    g_autoptr(GBytes) encoded = octets_of(answers);
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternAnswers) back = answers_of(encoded, &error);
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

static void test_octets(void)
{
    g_autoptr(PosternAnswers) one = postern_answers_new();
    g_autoptr(PosternAnswers) other = postern_answers_new();
    fill(one, (const int[]){0, 1, 2, 3, 4});
    fill(other, (const int[]){4, 2, 0, 3, 1});
    postern_answers_look_up(other, "noted.example", POSTERN_DNS_A);
    g_autoptr(GBytes) first = octets_of(one);
    g_autoptr(GBytes) second = octets_of(other);
    g_assert_true(g_bytes_equal(first, second));

    g_autoptr(GError) error = NULL;
    g_autoptr(PosternAnswers) back = answers_of(first, &error);
    g_assert_no_error(error);
    g_autoptr(GBytes) third = octets_of(back);
    g_assert_true(g_bytes_equal(first, third));
    const PosternAnswer *text = postern_answers_look_up(back, "b.example", POSTERN_DNS_TXT);
    gsize length;
    gconstpointer octets = g_bytes_get_data(text->records->pdata[0], &length);
    g_assert_cmpmem(octets, length, "nul\0in", 6);
    g_assert_cmpuint(postern_answers_questions(back)->len, ==, 0);
}

/* A row of a table. */
typedef struct {
    guint type;
    const char *name;
    gsize name_length;
    guint status;
    guint count;
    const char *record; /* of all */
    gsize record_length;
} Row;

static void add_row(GByteArray *out, const Row *row)
{
    postern_octets_add_number(out, row->type, 2);
    postern_octets_add_text(out, row->name, row->name_length);
    postern_octets_add_number(out, row->status, 1);
    postern_octets_add_number(out, row->count, 2);
    for (guint i = 0; i < row->count; i++)
        postern_octets_add_text(out, row->record, row->record_length);
}

static void refused(const Row *rows, guint count)
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    postern_octets_add_number(out, count, 2);
    for (guint i = 0; i < count; i++)
        add_row(out, &rows[i]);
    g_autoptr(GBytes) octets = g_byte_array_free_to_bytes(out);
    g_assert_null(answers_of(octets, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
}

static void test_hostile_octets(void)
{
    static const Row rows[] = {
        {1, NULL, 0, 1, 0},  /* no name */
        {1, "", 0, 1, 0},    /* an empty name */
        {1, "A", 1, 1, 0},   /* upper case */
        {1, "a.", 2, 1, 0},  /* a final dot */
        {1, "a\0", 2, 1, 0}, /* NUL behind a good name */
        {2, "a", 1, 1, 0},   /* a type that is not ours */
        {255, "a", 1, 1, 0},
        {1, "a", 1, 5, 0},                 /* a status that is not one */
        {1, "a", 1, 0, 0},                 /* RECORDS without any */
        {1, "a", 1, 1, 1, "\1\2\3\4", 4},  /* NXDOMAIN with some */
        {1, "a", 1, 0, 1, "\1\2\3", 3},    /* a short A */
        {1, "a", 1, 0, 1, NULL, 0},        /* a record that is none */
        {28, "a", 1, 0, 1, "\1\2\3\4", 4}, /* a short AAAA */
        {15, "a", 1, 0, 1, "\1", 1},       /* a short MX */
        {15, "a", 1, 0, 1, "\0\1A", 3},    /* MX to an upper case name */
        {12, "a", 1, 0, 1, "a\x1f", 2},    /* PTR to what is no name */
        {16, "a", 1, 0, POSTERN_RECORDS_PER_ANSWER_MAX + 1, "a", 1},
    };
    static const Row twice[] = {{1, "a", 1, 1, 0}, {1, "a", 1, 1, 0}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        refused(&rows[i], 1);
    refused(twice, 2);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    fill(answers, (const int[]){0, 1, 2, 3, 4});
    g_autoptr(GBytes) whole = octets_of(answers);
    for (gsize length = 0; length < g_bytes_get_size(whole); length++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(whole, 0, length);
        g_assert_null(answers_of(part, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    }
}

static void test_octets_limits(void)
{
    g_autoptr(GPtrArray) questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    for (int i = 0; i <= POSTERN_QUESTIONS_PER_MESSAGE_MAX; i++) {
        g_autofree char *name = g_strdup_printf("n%d.example", i);
        g_ptr_array_add(questions, postern_question_new(name, POSTERN_DNS_A));
    }
    for (guint over = 0; over < 2; over++) {
        GByteArray *out = g_byte_array_new();
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) back = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
        g_ptr_array_set_size(questions, POSTERN_QUESTIONS_PER_MESSAGE_MAX + 1 - (gint)over);
        postern_questions_encode(questions, out);
        g_autoptr(GBytes) octets = g_byte_array_free_to_bytes(out);
        PosternOctets in = postern_octets_of(octets);
        g_assert_cmpint(postern_questions_decode(back, &in, &error), ==, over != 0);
        if (over == 0)
            g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
        for (guint i = 0; i < back->len; i++)
            g_assert_true(postern_question_equal(back->pdata[i], questions->pdata[i]));
        g_assert_cmpuint(back->len, ==, over != 0 ? POSTERN_QUESTIONS_PER_MESSAGE_MAX : 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/answers/answer", test_answer);
    g_test_add_func("/answers/look-up", test_look_up);
    g_test_add_func("/answers/question-limit", test_question_limit);
    g_test_add_func("/answers/octet-limit", test_octet_limit);
    g_test_add_func("/answers/octets", test_octets);
    g_test_add_func("/answers/hostile-octets", test_hostile_octets);
    g_test_add_func("/answers/octets-limits", test_octets_limits);
    return g_test_run();
}
