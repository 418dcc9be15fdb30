#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dns/answers_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const PosternDnsType types[] = {POSTERN_DNS_A,  POSTERN_DNS_CNAME, POSTERN_DNS_PTR,
                                           POSTERN_DNS_MX, POSTERN_DNS_TXT,   POSTERN_DNS_AAAA};
    static const char *const names[] = {"a", "b.c", "example.com"};
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternAnswersFile) file = postern_answers_file_parse((const char *)data, size, &error);
    g_assert_true((file == NULL) == (error != NULL));
    if (file == NULL) {
        g_assert_true(g_str_has_prefix(error->message, "line "));
        for (const char *c = error->message; *c != '\0'; c++)
            g_assert_true(g_ascii_isprint(*c));
        return 0;
    }

    /* What it answers is a table of answers that others take. */
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(types); j++) {
            g_autoptr(PosternQuestion) question = postern_question_new(names[i], types[j]);
            postern_answers_add(answers, question, postern_answers_file_answer(file, question));
        }
    }
    GByteArray *out = g_byte_array_new();
    postern_answers_encode(answers, out);
    g_autoptr(GBytes) octets = g_byte_array_free_to_bytes(out);
    g_autoptr(PosternAnswers) back = postern_answers_new();
    PosternOctets in = postern_octets_of(octets);
    g_assert_true(postern_answers_decode(back, &in, &error));
    g_assert_true(postern_octets_end(&in, "answers", &error));
    return 0;
}
