#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "dns/answers.h"

static void encode_question(const PosternQuestion *question, GByteArray *out)
{
    postern_octets_add_number(out, question->type, 2);
    postern_octets_add_text(out, question->name, strlen(question->name));
}

void postern_answers_encode(const PosternAnswers *answers, GByteArray *out)
{
    g_return_if_fail(answers != NULL);
    g_autoptr(GPtrArray) questions = postern_answers_answered(answers);
    postern_octets_add_number(out, questions->len, 2);
    for (guint i = 0; i < questions->len; i++) {
        const PosternAnswer *answer = postern_answers_get(answers, questions->pdata[i]);
        encode_question(questions->pdata[i], out);
        postern_octets_add_number(out, answer->status, 1);
        postern_octets_add_number(out, answer->records->len, 2);
        for (guint j = 0; j < answer->records->len; j++) {
            gsize length;
            gconstpointer octets = g_bytes_get_data(answer->records->pdata[j], &length);
            postern_octets_add_text(out, octets, length);
        }
    }
}

/* A normalised question, or NULL. */
static PosternQuestion *question_of(guint64 type, const char *name, gsize length)
{
    if (postern_dns_type_name((PosternDnsType)type) == NULL || name == NULL ||
        memchr(name, '\0', length) != NULL)
        return NULL;
    g_autofree char *text = g_strndup(name, length);
    g_autoptr(PosternQuestion) question = postern_question_new(text, (PosternDnsType)type);
    return question != NULL && strcmp(question->name, text) == 0 ? g_steal_pointer(&question) : NULL;
}

static PosternQuestion *decode_question(PosternOctets *in)
{
    gsize length;
    guint64 type = postern_octets_number(in, 2);
    const char *name = postern_octets_text(in, &length);
    return question_of(type, name, length);
}

static gboolean is_name_of_record(const char *octets, gsize length)
{
    g_autoptr(PosternQuestion) question = length > 0 ? question_of(POSTERN_DNS_A, octets, length) : NULL;
    return length == 0 || question != NULL;
}

static gboolean is_record_of_type(PosternDnsType type, const char *octets, gsize length)
{
    switch (type) {
    case POSTERN_DNS_A:
        return length == 4;
    case POSTERN_DNS_AAAA:
        return length == 16;
    case POSTERN_DNS_MX:
        return length >= 2 && is_name_of_record(octets + 2, length - 2);
    case POSTERN_DNS_PTR:
    case POSTERN_DNS_CNAME:
        return is_name_of_record(octets, length);
    case POSTERN_DNS_TXT:
        return TRUE;
    case POSTERN_DNS_SRV:
    case POSTERN_DNS_TLSA:
        break;
    }
    return FALSE;
}

/* An answer, or NULL if status and records are not one. */
static PosternAnswer *decode_answer(PosternDnsType type, PosternOctets *in)
{
    guint64 status = postern_octets_number(in, 1);
    guint64 count = postern_octets_number(in, 2);
    if (status > POSTERN_ANSWER_TIMEOUT || (count > 0) != (status == POSTERN_ANSWER_RECORDS) ||
        count > POSTERN_RECORDS_PER_ANSWER_MAX)
        return NULL;
    g_autoptr(PosternAnswer) answer = postern_answer_new((PosternAnswerStatus)status);
    for (guint64 i = 0; i < count; i++) {
        gsize length;
        const char *octets = postern_octets_text(in, &length);
        if (octets == NULL || !is_record_of_type(type, octets, length) ||
            !postern_answer_add(answer, octets, length))
            return NULL;
    }
    return g_steal_pointer(&answer);
}

/* The rows of a table, or error. */
static gboolean decode_count(PosternOctets *in, const char *what, guint64 *ret_count, GError **error)
{
    *ret_count = postern_octets_number(in, 2);
    if (in->bad)
        return postern_error_set(error, POSTERN_ERROR_PROTOCOL, "a table of %s is cut off", what);
    if (*ret_count <= POSTERN_QUESTIONS_PER_MESSAGE_MAX)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_LIMIT,
                             "a table of %s has %" G_GUINT64_FORMAT " rows, over %d", what, *ret_count,
                             POSTERN_QUESTIONS_PER_MESSAGE_MAX);
}

static gboolean refuse_row(guint64 row, const char *what, GError **error)
{
    return postern_error_set(error, POSTERN_ERROR_PROTOCOL,
                             "row %" G_GUINT64_FORMAT " of a table of %s is malformed or repeated", row,
                             what);
}

gboolean postern_answers_decode(PosternAnswers *answers, PosternOctets *in, GError **error)
{
    guint64 count;
    if (!decode_count(in, "answers", &count, error))
        return FALSE;
    for (guint64 i = 0; i < count; i++) {
        g_autoptr(PosternQuestion) question = decode_question(in);
        PosternAnswer *answer = question != NULL ? decode_answer(question->type, in) : NULL;
        if (answer == NULL || postern_answers_get(answers, question) != NULL) {
            postern_answer_free(answer);
            return refuse_row(i, "answers", error);
        }
        postern_answers_add(answers, question, answer);
        if (postern_answers_get(answers, question) != answer)
            return postern_error_set(error, POSTERN_ERROR_LIMIT, "a table of answers holds over %d octets",
                                     POSTERN_ANSWERS_MAX_OCTETS);
    }
    return TRUE;
}

void postern_questions_encode(const GPtrArray *questions, GByteArray *out)
{
    g_return_if_fail(questions != NULL);
    postern_octets_add_number(out, questions->len, 2);
    for (guint i = 0; i < questions->len; i++)
        encode_question(questions->pdata[i], out);
}

gboolean postern_questions_decode(GPtrArray *questions, PosternOctets *in, GError **error)
{
    guint64 count;
    if (!decode_count(in, "questions", &count, error))
        return FALSE;
    for (guint64 i = 0; i < count; i++) {
        PosternQuestion *question = decode_question(in);
        if (question == NULL)
            return refuse_row(i, "questions", error);
        g_ptr_array_add(questions, question);
    }
    return TRUE;
}
