/*
 * SPF records and MX answers, each line one of them, of the domains d0.example, d1.example and so on:
 * whatever they say, the rounds of questions that they lead to are few, and never ask what is known.
 */
#include "inspector_client/spf_prefetch.h"

#include <stdint.h>
#include <string.h>

#include "base/limits.h"

#define LINES_MAX 24
#define ROUNDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

/* "m" NAME: a server of the MX answer; "a": addresses; else text of a TXT record. */
static PosternAnswer *answer_of(GBytes *const *lines, guint count, const PosternQuestion *question)
{
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_NODATA);
    guint64 number = question->name[0] == 'd' ? g_ascii_strtoull(question->name + 1, NULL, 10) : 0;
    for (guint64 i = number; i < count; i++) {
        gsize length = 0;
        const char *octets = g_bytes_get_data(lines[i], &length);
        char kind = length > 0 ? octets[0] : '\0';
        gboolean wanted = question->type == POSTERN_DNS_MX ? kind == 'm' : kind != 'm';
        if (question->type != POSTERN_DNS_MX && question->type != POSTERN_DNS_TXT)
            wanted = kind == 'a';
        if (wanted)
            (void)postern_answer_add(answer, octets, length);
        if (wanted && question->type == POSTERN_DNS_TXT)
            break;
    }
    return answer;
}

static void run(GBytes *const *lines, guint count, const char *client)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    g_autoptr(PosternQuestion) first = postern_question_new("d0.example", POSTERN_DNS_TXT);
    gboolean enough = FALSE;
    guint rounds = 0, questions_of_next = 1;
    require(postern_address_parse(&envelope->client, client));
    postern_answers_add(answers, first, answer_of(lines, count, first));
    for (; questions_of_next > 0; rounds++) {
        g_autoptr(GPtrArray) questions = postern_spf_prefetch_follow(envelope, answers, &enough);
        require(rounds < ROUNDS_MAX && questions->len <= POSTERN_SPF_PREFETCH_QUESTIONS_MAX);
        require(!enough || questions->len == 0);
        for (guint i = 0; i < questions->len; i++) {
            const PosternQuestion *question = questions->pdata[i];
            require(postern_answers_get(answers, question) == NULL);
            postern_answers_add(answers, question, answer_of(lines, count, question));
        }
        questions_of_next = questions->len;
    }
    require(postern_answers_count(answers) <= 1 + POSTERN_SPF_LOOKUPS_MAX * (1 + POSTERN_SPF_MX_NAMES_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GBytes *lines[LINES_MAX];
    guint count = 0;
    const uint8_t *end = data + size;
    while (data < end && count < LINES_MAX) {
        const uint8_t *newline = memchr(data, '\n', (gsize)(end - data));
        const uint8_t *stop = newline != NULL ? newline : end;
        lines[count++] = g_bytes_new(data, (gsize)(stop - data));
        data = newline != NULL ? newline + 1 : end;
    }
    run(lines, count, "192.0.2.1");
    run(lines, count, "2001:db8::1");
    for (guint i = 0; i < count; i++)
        g_bytes_unref(lines[i]);
    return 0;
}
