/*
 * Runs an engine of SPF over a zone in the form of an answers file, round by round.
 */
#pragma once

#include <string.h>

#include "base/limits.h"
#include "checks/check.h"
#include "dns/answers_file.h"

#define SPF_FIXTURE_NOW 1700000000
#define SPF_FIXTURE_RECEIVER "mx.example.org"

typedef struct {
    const char *client;
    const char *helo;
    const char *sender;
} SpfQuestion;

static inline void spf_fixture_answer(const PosternAnswersFile *zone, PosternAnswers *answers)
{
    GPtrArray *noted = postern_answers_questions(answers);

    while (noted->len > 0) {
        const PosternQuestion *question = g_ptr_array_index(noted, 0);

        postern_answers_add(answers, question, postern_answers_file_answer(zone, question));
    }
}

/* libspf2 NULL: our own evaluation. *ret_rounds may be NULL. Findings with all steps. */
static inline PosternFindings *spf_fixture_run(PosternLibspf2Engine *libspf2, const PosternAnswersFile *zone,
                                               const SpfQuestion *question, PosternAnswers *answers,
                                               gboolean explain, guint *ret_rounds)
{
    PosternFindings *findings = postern_findings_new();
    PosternEnvelope envelope = {0};
    g_autofree char *helo = g_strdup(question->helo);
    g_autofree char *sender = g_strdup(question->sender);
    guint rounds = 1;
    int done;

    findings->explain = explain;
    g_assert_true(postern_address_parse(&envelope.client, question->client));
    envelope.helo = helo;
    envelope.sender = sender;
    for (;; rounds++) {
        done = libspf2 != NULL
                   ? postern_check_spf_libspf2(libspf2, &envelope, SPF_FIXTURE_RECEIVER, SPF_FIXTURE_NOW,
                                               answers, findings)
                   : postern_check_spf(&envelope, SPF_FIXTURE_RECEIVER, SPF_FIXTURE_NOW, answers, findings);
        if (done)
            break;
        g_assert_cmpuint(postern_answers_questions(answers)->len, >, 0);
        g_assert_cmpuint(rounds, <, POSTERN_QUESTION_ROUNDS_MAX);
        spf_fixture_answer(zone, answers);
    }
    if (ret_rounds != NULL)
        *ret_rounds = rounds;
    return findings;
}

static inline PosternAnswersFile *spf_fixture_zone(const char *text)
{
    g_autoptr(GError) error = NULL;
    PosternAnswersFile *zone = postern_answers_file_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return zone;
}

/* The same from the text of a zone, with a table of answers of its own. */
static inline PosternFindings *spf_fixture_ask(PosternLibspf2Engine *libspf2, const char *zone,
                                               const SpfQuestion *question, guint *ret_rounds)
{
    g_autoptr(PosternAnswersFile) parsed = spf_fixture_zone(zone);
    g_autoptr(PosternAnswers) answers = postern_answers_new();

    return spf_fixture_run(libspf2, parsed, question, answers, TRUE, ret_rounds);
}

/* All steps, a line each; a new string. */
static inline char *spf_fixture_steps(const PosternFindings *findings)
{
    GString *lines = g_string_new(NULL);

    for (guint i = 0; i < findings->steps->len; i++) {
        const PosternStep *step = g_ptr_array_index(findings->steps, i);

        g_assert_cmpuint(step->check, ==, POSTERN_CHECK_SPF);
        g_string_append_printf(lines, "%s\n", step->text);
    }
    return g_string_free(lines, FALSE);
}
