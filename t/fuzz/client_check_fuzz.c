/*
 * What a client says in HELO, and what the DNS says of it: the first line is HELO, each other the octets of
 * an answer. Whatever they are, the check ends after few rounds, no list that fails its test or answers with
 * no 127.0.0.0/8 lists anybody, and what it finds survives its octets and makes a reply that is one line.
 */
#include "checks/client/client.h"

#include <stdint.h>
#include <string.h>

#include "verdict/check.h"

#define ANSWERS_MAX 16
#define ROUNDS_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

static const char configuration_text[] =
    "[list a]\nzone = a.example\n[list b]\nzone = b.example\nallow = yes\n[policy]\nchecks = spf\n"
    "client_listed = reject\nclient_no_name = reject\nclient_unconfirmed_name = reject\nhelo_ours = reject\n"
    "helo_literal = reject\nhelo_malformed = reject\n";

static gsize line_length(const uint8_t *data, gsize size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    return newline != NULL ? (gsize)(newline - data) : size;
}

static void answer(PosternAnswers *answers, const PosternQuestion *question, const uint8_t **data,
                   gsize *size)
{
    gsize length = line_length(*data, *size);
    PosternAnswer *said = postern_answer_new(length > 0 ? **data % 5U : POSTERN_ANSWER_NODATA);
    if (length > 1 && said->status == POSTERN_ANSWER_RECORDS)
        (void)postern_answer_add(said, *data + 1, length - 1);
    else if (said->status == POSTERN_ANSWER_RECORDS)
        said->status = POSTERN_ANSWER_NODATA;
    *data += MIN(length + 1, *size);
    *size -= MIN(length + 1, *size);
    g_autoptr(PosternQuestion) asked = postern_question_new(question->name, question->type);
    postern_answers_add(answers, asked, said);
}

static void judge(const PosternConfiguration *configuration, const PosternFindings *findings,
                  const PosternEnvelope *envelope)
{
    g_autoptr(PosternPolicy) policy = postern_policy_from_configuration(configuration, "mx.example");
    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, NULL);
    g_autoptr(PosternFindings) copy = postern_findings_copy(findings);
    g_auto(GStrv) words = postern_findings_words(findings);
    g_auto(GStrv) copied = postern_findings_words(copy);
    require(g_strv_equal((const char *const *)words, (const char *const *)copied));
    for (const char *octet = verdict->reply; octet != NULL && *octet != '\0'; octet++)
        require(*octet >= ' ' && *octet <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(configuration_text, strlen(configuration_text), "fuzz", NULL);
    g_autoptr(PosternClientRules) rules = postern_client_rules_new(configuration, NULL);
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings = postern_findings_new();
    const PosternClientHistory history = {.points = size & 0xff};
    gsize length = line_length(data, size);
    envelope->helo = g_strndup((const char *)data, length);
    require(postern_address_parse(&envelope->client, length % 2 == 0 ? "192.0.2.7" : "2001:db8::7"));
    data += MIN(length + 1, size);
    size -= MIN(length + 1, size);
    for (guint rounds = 1;
         postern_client_check(rules, envelope, "mx.example", history, 1000, answers, findings) == 0;
         rounds++) {
        GPtrArray *questions = postern_answers_questions(answers);
        require(rounds < ROUNDS_MAX && questions->len > 0 && questions->len <= ANSWERS_MAX);
        require(findings->client.lists->len == 0);
        while (questions->len > 0)
            answer(answers, g_ptr_array_index(questions, 0), &data, &size);
    }
    require(findings->client.name != POSTERN_CLIENT_NAME_NOT_CHECKED);
    judge(configuration, findings, envelope);
    return 0;
}
