#include "inspector_client/spf_prefetch.h"

#include <string.h>

static void add(GPtrArray *questions, const PosternAnswers *answers, const char *name)
{
    if (name == NULL || strchr(name, '.') == NULL || name[0] == '[')
        return;
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    if (question != NULL && postern_answers_get(answers, question) == NULL)
        g_ptr_array_add(questions, g_steal_pointer(&question));
}

GPtrArray *postern_spf_prefetch_questions(const PosternEnvelope *envelope, gboolean helo_too,
                                          const PosternAnswers *answers)
{
    GPtrArray *questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    g_autofree char *domain = envelope->sender != NULL ? postern_path_domain(envelope->sender) : NULL;
    add(questions, answers, domain);
    if (domain == NULL || helo_too)
        add(questions, answers, envelope->helo);
    return questions;
}

/* No SPF record, or one whose terms all speak of addresses. */
static gboolean has_no_questions(GBytes *record)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(record, &length);
    g_autofree char *text = g_ascii_strdown(octets, (gssize)length);
    if (!g_str_has_prefix(text, "v=spf1"))
        return TRUE;
    char *rest = text;
    (void)strsep(&rest, " "); /* the version */
    for (const char *term; (term = strsep(&rest, " ")) != NULL;) {
        const char *mechanism = term + strspn(term, "+-~?");
        if (*mechanism != '\0' && strcmp(mechanism, "all") != 0 && !g_str_has_prefix(mechanism, "ip4:") &&
            !g_str_has_prefix(mechanism, "ip6:"))
            return FALSE;
    }
    return TRUE;
}

gboolean postern_spf_prefetch_is_enough(const PosternAnswers *answers)
{
    g_autoptr(GPtrArray) questions = postern_answers_answered(answers);
    for (guint i = 0; i < questions->len; i++) {
        const PosternQuestion *question = questions->pdata[i];
        const PosternAnswer *answer = postern_answers_get(answers, question);
        for (guint j = 0; j < answer->records->len; j++)
            if (question->type == POSTERN_DNS_TXT && !has_no_questions(answer->records->pdata[j]))
                return FALSE;
    }
    return TRUE;
}
