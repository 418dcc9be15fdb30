#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dns/answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A table that was taken gives the same table again. */
static void try_answers(GBytes *bytes)
{
    g_autoptr(GVariant) variant =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(POSTERN_ANSWERS_VARIANT), bytes, FALSE));
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternAnswers) answers = postern_answers_from_variant(variant, &error);
    g_assert_true((answers == NULL) == (error != NULL));
    if (answers == NULL)
        return;
    g_assert_cmpuint(postern_answers_count(answers), ==, g_variant_n_children(variant));
    g_autoptr(GVariant) first = g_variant_ref_sink(postern_answers_to_variant(answers));
    g_autoptr(PosternAnswers) again = postern_answers_from_variant(first, &error);
    g_assert_no_error(error);
    g_autoptr(GVariant) second = g_variant_ref_sink(postern_answers_to_variant(again));
    g_assert_true(g_variant_equal(first, second));
}

static void try_questions(GBytes *bytes)
{
    g_autoptr(GVariant) variant =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(POSTERN_QUESTIONS_VARIANT), bytes, FALSE));
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) questions = postern_questions_from_variant(variant, &error);
    g_assert_true((questions == NULL) == (error != NULL));
    if (questions == NULL)
        return;
    g_autoptr(GVariant) back = g_variant_ref_sink(postern_questions_to_variant(questions));
    g_assert_true(g_variant_equal(variant, back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    try_answers(bytes);
    try_questions(bytes);
    return 0;
}
