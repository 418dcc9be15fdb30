/*
 * The ARC check with a hostile message and a hostile key record. The first octet chooses: what follows is a
 * whole message, or a header to put over a fixed one. Two octets then say how long the key record is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "checks/arc/results.h"
#include "checks/check.h"

#define MESSAGE "From: a@author.example\r\nTo: b@example.org\r\n\r\nHi.\r\n"

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

    while (questions->len > 0) {
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(questions, 0));
        PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_RECORDS);

        postern_answer_add(answer, record, length);
        postern_answers_add(answers, question, answer);
    }
}

/* Only a chain that passes has sets, and only one that does not a reason. */
static void check_finding(const PosternArcFinding *arc)
{
    gboolean bad = arc->result == POSTERN_ARC_FAIL || arc->result == POSTERN_ARC_TEMPERROR;

    if (arc->result == POSTERN_ARC_NOT_CHECKED || bad != (arc->reason != NULL) ||
        (arc->sets->len > 0) != (arc->result == POSTERN_ARC_PASS))
        abort();
}

static void validate(const char *message, gsize length, const char *record, gsize record_length)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternHeader) header = postern_header_parse(message, length);
    g_autoptr(PosternFindings) findings = postern_findings_new();

    findings->explain = TRUE;
    postern_check_arc_questions(header, answers);
    answer_all(answers, record, record_length);
    if (postern_check_arc(engine(), message, length, header, answers, findings) != 1)
        abort();
    check_finding(&findings->arc);
}

static void read_results(const char *value, gsize length)
{
    g_autofree char *dmarc = NULL;
    g_autofree char *domain = NULL;

    if (postern_arc_results_instance(value, length) > POSTERN_ARC_SETS_MAX)
        abort();
    postern_arc_results_dmarc(value, length, &dmarc, &domain);
    if (domain != NULL && dmarc == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    if (size < 3)
        return 0;
    gsize record_length = MIN((gsize)data[1] * 256 + data[2], size - 3);
    const char *record = (const char *)data + 3;
    GString *message = g_string_new_len(record + record_length, (gssize)(size - 3 - record_length));

    if ((data[0] & 1) != 0)
        g_string_append(message, "\r\n" MESSAGE);
    gsize length = message->len;
    g_autofree char *copy = g_memdup2(message->str, MAX(length, 1));
    g_string_free(message, TRUE);
    validate(copy, length, record, record_length);
    read_results(copy, length);
    return 0;
}
