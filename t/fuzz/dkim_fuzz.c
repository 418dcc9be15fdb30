/*
 * The DKIM check with a hostile message and a hostile key record. The first octet chooses: what follows is a
 * whole message, or the value of a signature field over a fixed one. Two octets then say how long the key
 * record is.
 */
#include "checks/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define NOW G_GINT64_CONSTANT(1528637909)
#define MESSAGE                                                                                              \
    "From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q "                                           \
    "<suzie@shopping.example.net>\r\n\r\nHi.\r\n"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static PosternDkimEngine *engine(void)
{
    static PosternDkimEngine *once;
    if (once == NULL)
        once = postern_dkim_engine_new(FALSE);
    return once;
}

static void answer_all(PosternAnswers *answers, const char *record, gsize length)
{
    GPtrArray *questions = postern_answers_questions(answers);
    if (questions->len > POSTERN_DKIM_SIGNATURES_MAX)
        abort();
    while (questions->len > 0) {
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(questions, 0));
        PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_RECORDS);
        postern_answer_add(answer, record, length);
        postern_answers_add(answers, question, answer);
    }
}

static void verify(const char *message, gsize length, const char *record, gsize record_length)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternHeader) header = postern_header_parse(message, length);
    g_autoptr(PosternFindings) findings = postern_findings_new();
    postern_check_dkim_questions(header, answers);
    answer_all(answers, record, record_length);
    if (postern_check_dkim(engine(), message, length, header, NOW, answers, findings) != 1)
        abort();
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim.signatures, i);
        if (finding->result == POSTERN_DKIM_NONE ||
            (finding->result == POSTERN_DKIM_PASS) != (finding->reason == NULL))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    if (size < 3)
        return 0;
    gsize record_length = MIN((gsize)data[1] * 256 + data[2], size - 3);
    const char *record = (const char *)data + 3;
    const char *rest = record + record_length;
    gsize rest_length = size - 3 - record_length;
    GString *message = g_string_new((data[0] & 1) != 0 ? "DKIM-Signature: " : NULL);
    g_string_append_len(message, rest, (gssize)rest_length);
    if ((data[0] & 1) != 0)
        g_string_append(message, "\r\n" MESSAGE);
    gsize length = message->len;
    g_autofree char *copy = g_memdup2(message->str, MAX(length, 1));
    g_string_free(message, TRUE);
    verify(copy, length, record, record_length);
    return 0;
}
