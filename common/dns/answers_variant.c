#include "dns/answers.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static GVariant *octets_to_variant(gconstpointer octets, gsize length)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, octets, length, 1);
}

/* The octets of an "ay", owned by variant, never NULL. */
static const char *octets_of_variant(GVariant *variant, gsize *ret_length)
{
    const char *octets = g_variant_get_fixed_array(variant, ret_length, 1);
    return octets != NULL ? octets : "";
}

static GVariant *records_to_variant(const PosternAnswer *answer)
{
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aay"));
    for (guint i = 0; i < answer->records->len; i++) {
        gsize length;
        gconstpointer octets = g_bytes_get_data(g_ptr_array_index(answer->records, i), &length);
        g_variant_builder_add_value(&builder, octets_to_variant(octets, length));
    }
    return g_variant_builder_end(&builder);
}

GVariant *postern_answers_to_variant(const PosternAnswers *answers)
{
    g_return_val_if_fail(answers != NULL, NULL);

    g_autoptr(GPtrArray) questions = postern_answers_answered(answers);
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE(POSTERN_ANSWERS_VARIANT));
    for (guint i = 0; i < questions->len; i++) {
        const PosternQuestion *question = g_ptr_array_index(questions, i);
        const PosternAnswer *answer = postern_answers_get(answers, question);
        g_variant_builder_add(&builder, "(qy@ay@aay)", (guint16)question->type, (guint8)answer->status,
                              octets_to_variant(question->name, strlen(question->name)),
                              records_to_variant(answer));
    }
    return g_variant_builder_end(&builder);
}

/* A normalised question, or NULL. */
static PosternQuestion *question_from_octets(guint16 type, const char *name, gsize length)
{
    if (postern_dns_type_name((PosternDnsType)type) == NULL || memchr(name, '\0', length) != NULL)
        return NULL;
    g_autofree char *text = g_strndup(name, length);
    g_autoptr(PosternQuestion) question = postern_question_new(text, (PosternDnsType)type);
    if (question == NULL || strcmp(question->name, text) != 0)
        return NULL;
    return g_steal_pointer(&question);
}

static PosternQuestion *question_from_variant(guint16 type, GVariant *name)
{
    gsize length;
    const char *octets = octets_of_variant(name, &length);
    return question_from_octets(type, octets, length);
}

static gboolean is_name_of_record(const char *octets, gsize length)
{
    g_autoptr(PosternQuestion) question = question_from_octets(POSTERN_DNS_A, octets, length);
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
    }
    return FALSE;
}

/* An answer, or NULL where status and records are not one. */
static PosternAnswer *answer_from_variant(PosternDnsType type, guint8 status, GVariant *records)
{
    if (status > POSTERN_ANSWER_TIMEOUT)
        return NULL;
    gsize count = g_variant_n_children(records);
    if ((count > 0) != (status == POSTERN_ANSWER_RECORDS) || count > POSTERN_RECORDS_PER_ANSWER_MAX)
        return NULL;

    g_autoptr(PosternAnswer) answer = postern_answer_new((PosternAnswerStatus)status);
    for (gsize i = 0; i < count; i++) {
        g_autoptr(GVariant) record = g_variant_get_child_value(records, i);
        gsize length;
        const char *octets = octets_of_variant(record, &length);
        if (!is_record_of_type(type, octets, length) || !postern_answer_add(answer, octets, length))
            return NULL;
    }
    return g_steal_pointer(&answer);
}

/* What both tables have in common before their rows are looked at. */
static gboolean check_table(GVariant *variant, const char *form, const char *what, GError **error)
{
    if (!g_variant_is_of_type(variant, G_VARIANT_TYPE(form))) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "a table of %s is %s, not %s", what,
                    g_variant_get_type_string(variant), form);
        return FALSE;
    }
    if (g_variant_get_size(variant) > 2 * POSTERN_ANSWERS_MAX_OCTETS || !g_variant_is_normal_form(variant)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "a table of %s is too large or malformed",
                    what);
        return FALSE;
    }
    if (g_variant_n_children(variant) > POSTERN_QUESTIONS_PER_MESSAGE_MAX) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT,
                    "a table of %s has %" G_GSIZE_FORMAT " rows, over %d", what,
                    g_variant_n_children(variant), POSTERN_QUESTIONS_PER_MESSAGE_MAX);
        return FALSE;
    }
    return TRUE;
}

PosternAnswers *postern_answers_from_variant(GVariant *variant, GError **error)
{
    g_return_val_if_fail(variant != NULL, NULL);

    if (!check_table(variant, POSTERN_ANSWERS_VARIANT, "answers", error))
        return NULL;
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    for (gsize i = 0; i < g_variant_n_children(variant); i++) {
        guint16 type;
        guint8 status;
        g_autoptr(GVariant) name = NULL;
        g_autoptr(GVariant) records = NULL;
        g_variant_get_child(variant, i, "(qy@ay@aay)", &type, &status, &name, &records);
        g_autoptr(PosternQuestion) question = question_from_variant(type, name);
        PosternAnswer *answer = answer_from_variant((PosternDnsType)type, status, records);
        if (question == NULL || answer == NULL || postern_answers_get(answers, question) != NULL) {
            postern_answer_free(answer);
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL,
                        "row %" G_GSIZE_FORMAT " of a table of answers is malformed or repeated", i);
            return NULL;
        }
        postern_answers_add(answers, question, answer);
        if (postern_answers_get(answers, question) != answer) {
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT, "a table of answers holds over %d octets",
                        POSTERN_ANSWERS_MAX_OCTETS);
            return NULL;
        }
    }
    return g_steal_pointer(&answers);
}

GVariant *postern_questions_to_variant(GPtrArray *questions)
{
    g_return_val_if_fail(questions != NULL, NULL);

    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE(POSTERN_QUESTIONS_VARIANT));
    for (guint i = 0; i < questions->len; i++) {
        const PosternQuestion *question = g_ptr_array_index(questions, i);
        g_variant_builder_add(&builder, "(q@ay)", (guint16)question->type,
                              octets_to_variant(question->name, strlen(question->name)));
    }
    return g_variant_builder_end(&builder);
}

GPtrArray *postern_questions_from_variant(GVariant *variant, GError **error)
{
    g_return_val_if_fail(variant != NULL, NULL);

    if (!check_table(variant, POSTERN_QUESTIONS_VARIANT, "questions", error))
        return NULL;
    g_autoptr(GPtrArray) questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    for (gsize i = 0; i < g_variant_n_children(variant); i++) {
        guint16 type;
        g_autoptr(GVariant) name = NULL;
        g_variant_get_child(variant, i, "(q@ay)", &type, &name);
        PosternQuestion *question = question_from_variant(type, name);
        if (question == NULL) {
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL,
                        "row %" G_GSIZE_FORMAT " of a table of questions is malformed", i);
            return NULL;
        }
        g_ptr_array_add(questions, question);
    }
    return g_steal_pointer(&questions);
}
