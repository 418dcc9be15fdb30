#include "dns/answers.h"

#include <string.h>

#include "base/limits.h"

struct PosternAnswers {
    gatomicrefcount references;
    GHashTable *entries;      /* PosternQuestion * -> PosternAnswer *, NULL if only noted */
    GPtrArray *noted;         /* of PosternQuestion *, keys of entries */
    PosternAnswer *unaskable; /* what a name that cannot be asked has */
    PosternAnswer *refused;   /* what a question over a limit has */
    gsize octets;             /* of the records of answers that are not small */
};

PosternAnswer *postern_answer_new(PosternAnswerStatus status)
{
    PosternAnswer *answer = g_new0(PosternAnswer, 1);
    answer->status = status;
    answer->records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return answer;
}

void postern_answer_free(PosternAnswer *answer)
{
    if (answer == NULL)
        return;
    g_ptr_array_unref(answer->records);
    g_free(answer);
}

gboolean postern_answer_add(PosternAnswer *answer, gconstpointer octets, gsize length)
{
    g_return_val_if_fail(answer != NULL, FALSE);

    if (answer->records->len >= POSTERN_RECORDS_PER_ANSWER_MAX || length > POSTERN_RECORD_MAX_OCTETS)
        return FALSE;
    g_ptr_array_add(answer->records, length > 0 ? g_bytes_new(octets, length) : g_bytes_new_static("", 0));
    answer->status = POSTERN_ANSWER_RECORDS;
    return TRUE;
}

const char *postern_answer_status_name(PosternAnswerStatus status)
{
    static const char *const names[] = {
        [POSTERN_ANSWER_RECORDS] = "records", [POSTERN_ANSWER_NXDOMAIN] = "nxdomain",
        [POSTERN_ANSWER_NODATA] = "nodata",   [POSTERN_ANSWER_SERVFAIL] = "servfail",
        [POSTERN_ANSWER_TIMEOUT] = "timeout",
    };
    g_return_val_if_fail((gsize)status < G_N_ELEMENTS(names), NULL);
    return names[status];
}

PosternAnswers *postern_answers_new(void)
{
    PosternAnswers *answers = g_new0(PosternAnswers, 1);
    g_atomic_ref_count_init(&answers->references);
    answers->entries =
        g_hash_table_new_full(postern_question_hash, postern_question_equal,
                              (GDestroyNotify)postern_question_free, (GDestroyNotify)postern_answer_free);
    answers->noted = g_ptr_array_new();
    answers->unaskable = postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
    answers->refused = postern_answer_new(POSTERN_ANSWER_SERVFAIL);
    return answers;
}

PosternAnswers *postern_answers_ref(PosternAnswers *answers)
{
    g_atomic_ref_count_inc(&answers->references);
    return answers;
}

void postern_answers_unref(PosternAnswers *answers)
{
    if (answers == NULL || !g_atomic_ref_count_dec(&answers->references))
        return;
    g_ptr_array_unref(answers->noted);
    g_hash_table_unref(answers->entries);
    postern_answer_free(answers->unaskable);
    postern_answer_free(answers->refused);
    g_free(answers);
}

/* What answer takes of the room that large answers share. Who sends a message can raise many of these; they
 * must not use up what the policies of others need. */
static gsize shared_octets(const PosternAnswer *answer)
{
    gsize octets = 0;
    for (guint i = 0; i < answer->records->len; i++)
        octets += g_bytes_get_size(g_ptr_array_index(answer->records, i));
    return octets > POSTERN_ANSWER_SMALL_OCTETS ? octets : 0;
}

const PosternAnswer *postern_answers_look_up(PosternAnswers *answers, const char *name, PosternDnsType type)
{
    g_return_val_if_fail(answers != NULL && name != NULL, NULL);

    g_autoptr(PosternQuestion) question = postern_question_new(name, type);
    if (question == NULL)
        return answers->unaskable;

    gpointer answer = NULL;
    if (g_hash_table_lookup_extended(answers->entries, question, NULL, &answer))
        return answer;
    if (g_hash_table_size(answers->entries) >= POSTERN_QUESTIONS_PER_MESSAGE_MAX)
        return answers->refused;
    g_ptr_array_add(answers->noted, question);
    g_hash_table_insert(answers->entries, g_steal_pointer(&question), NULL);
    return NULL;
}

/* What answer becomes if its records would take the table over its limit: answer is taken over. */
static PosternAnswer *bounded_answer(PosternAnswers *answers, const PosternAnswer *replaced,
                                     PosternAnswer *answer)
{
    if (replaced != NULL)
        answers->octets -= shared_octets(replaced);
    if (shared_octets(answer) > POSTERN_ANSWERS_MAX_OCTETS - answers->octets) {
        postern_answer_free(answer);
        return postern_answer_new(POSTERN_ANSWER_SERVFAIL);
    }
    answers->octets += shared_octets(answer);
    return answer;
}

void postern_answers_add(PosternAnswers *answers, const PosternQuestion *question, PosternAnswer *answer)
{
    g_return_if_fail(answers != NULL && question != NULL && answer != NULL);

    gpointer key = NULL, replaced = NULL;
    if (g_hash_table_lookup_extended(answers->entries, question, &key, &replaced)) {
        if (replaced == NULL)
            g_ptr_array_remove(answers->noted, key);
    } else if (g_hash_table_size(answers->entries) >= POSTERN_QUESTIONS_PER_MESSAGE_MAX) {
        postern_answer_free(answer);
        return;
    }
    answer = bounded_answer(answers, replaced, answer);
    g_hash_table_insert(answers->entries, postern_question_copy(question), answer);
}

const PosternAnswer *postern_answers_get(const PosternAnswers *answers, const PosternQuestion *question)
{
    g_return_val_if_fail(answers != NULL && question != NULL, NULL);
    return g_hash_table_lookup(answers->entries, question);
}

static int compare_questions(gconstpointer a, gconstpointer b)
{
    const PosternQuestion *first = *(PosternQuestion *const *)a, *second = *(PosternQuestion *const *)b;
    int names = strcmp(first->name, second->name);
    return names != 0 ? names : (int)first->type - (int)second->type;
}

GPtrArray *postern_answers_answered(const PosternAnswers *answers)
{
    g_return_val_if_fail(answers != NULL, NULL);

    GPtrArray *questions = g_ptr_array_new();
    GHashTableIter iter;
    gpointer question, answer;
    g_hash_table_iter_init(&iter, answers->entries);
    while (g_hash_table_iter_next(&iter, &question, &answer))
        if (answer != NULL)
            g_ptr_array_add(questions, question);
    g_ptr_array_sort(questions, compare_questions);
    return questions;
}

GPtrArray *postern_answers_questions(PosternAnswers *answers)
{
    g_return_val_if_fail(answers != NULL, NULL);
    return answers->noted;
}

void postern_answers_set_source(PosternAnswers *answers, PosternAnswerSource source)
{
    g_return_if_fail(answers != NULL);

    GHashTableIter iter;
    gpointer answer;
    g_hash_table_iter_init(&iter, answers->entries);
    while (g_hash_table_iter_next(&iter, NULL, &answer))
        if (answer != NULL)
            ((PosternAnswer *)answer)->source = source;
}

guint postern_answers_count(const PosternAnswers *answers)
{
    g_return_val_if_fail(answers != NULL, 0);
    return g_hash_table_size(answers->entries) - answers->noted->len;
}
