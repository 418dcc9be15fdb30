/* Hostile answers and questions: a table that was taken gives the same table again. */
#include "dns/answers.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_answers(GBytes *bytes)
{
    PosternOctets in = postern_octets_of(bytes);
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    gboolean good = postern_answers_decode(answers, &in, &error);
    g_assert_true(good == (error == NULL));
    if (!good)
        return;
    g_autoptr(GByteArray) first = g_byte_array_new();
    g_autoptr(GByteArray) second = g_byte_array_new();
    postern_answers_encode(answers, first);
    g_autoptr(GBytes) octets = g_bytes_new(first->data, first->len);
    g_autoptr(PosternAnswers) again = postern_answers_new();
    in = postern_octets_of(octets);
    g_assert_true(postern_answers_decode(again, &in, &error));
    g_assert_true(postern_octets_end(&in, "answers", &error));
    postern_answers_encode(again, second);
    g_assert_cmpmem(first->data, first->len, second->data, second->len);
}

static void try_questions(GBytes *bytes)
{
    PosternOctets in = postern_octets_of(bytes);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    gboolean good = postern_questions_decode(questions, &in, &error);
    g_assert_true(good == (error == NULL));
    if (!good)
        return;
    g_autoptr(GByteArray) back = g_byte_array_new();
    postern_questions_encode(questions, back);
    g_assert_cmpmem(back->data, back->len, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes) - in.left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    try_answers(bytes);
    try_questions(bytes);
    return 0;
}
