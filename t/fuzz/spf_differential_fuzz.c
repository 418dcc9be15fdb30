/*
 * Both engines of SPF on the same made-up zones, and on a record that is the input itself: neither may crash,
 * wait for ever, or let libspf2 compile an explanation. What they say is compared by
 * t/unit/spf_differential_test.c.
 */
#include "checks/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define SENDER_DOMAIN "d0.example"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input, split at each LF: the records of d0.example, d1.example and so on; at most 9. */
static gboolean record_of(const PosternQuestion *question, const uint8_t *data, size_t size,
                          const char **ret_record, gsize *ret_length)
{
    guint wanted, number = 0;
    const uint8_t *end;

    if (question->name[0] != 'd' || !g_ascii_isdigit(question->name[1]) ||
        strcmp(question->name + 2, ".example") != 0)
        return FALSE;
    wanted = (guint)(question->name[1] - '0');
    while (number < wanted && (end = memchr(data, '\n', size)) != NULL) {
        size -= (size_t)(end + 1 - data);
        data = end + 1;
        number++;
    }
    if (number < wanted)
        return FALSE;
    end = memchr(data, '\n', size);
    *ret_record = (const char *)data;
    *ret_length = end != NULL ? (gsize)(end - data) : size;
    return TRUE;
}

static PosternAnswer *make_answer(const PosternQuestion *question, const uint8_t *data, size_t size)
{
    const guint8 choice = size > 0 ? data[strlen(question->name) % size] ^ (guint8)question->type : 0;
    g_autoptr(GString) octets = g_string_new(NULL);
    PosternAnswer *answer = postern_answer_new(choice % 16 == 3   ? POSTERN_ANSWER_SERVFAIL
                                               : choice % 16 == 4 ? POSTERN_ANSWER_NXDOMAIN
                                                                  : POSTERN_ANSWER_NODATA);
    const char *record = NULL;
    gsize length = 0;

    if (question->type == POSTERN_DNS_TXT) {
        if (record_of(question, data, size, &record, &length)) {
            g_string_append_len(octets, "v=spf1 ", choice % 8 != 0 ? 7 : 0);
            g_string_append_len(octets, record, (gssize)length);
            postern_answer_add(answer, octets->str, octets->len);
        }
        return answer;
    }
    for (guint i = 0; i < choice % 13u; i++) {
        g_string_truncate(octets, 0);
        if (question->type == POSTERN_DNS_A)
            g_string_append_len(octets, (const char[]){(char)192, 0, 2, (char)(choice + i)}, 4);
        else if (question->type == POSTERN_DNS_AAAA)
            g_string_append_len(octets, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
        else {
            g_string_append_len(octets, "\0\1", question->type == POSTERN_DNS_MX ? 2 : 0);
            g_string_append_printf(octets, "d%u.example", (choice + i) % 10);
        }
        postern_answer_add(answer, octets->str, octets->len);
    }
    return answer;
}

static void run(PosternLibspf2Engine *libspf2, const PosternEnvelope *envelope, const uint8_t *data,
                size_t size)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings = postern_findings_new();
    GPtrArray *noted = postern_answers_questions(answers);
    guint rounds = 0;

    findings->explain = size % 2 == 0;
    for (;;) {
        int done = libspf2 != NULL
                       ? postern_check_spf_libspf2(libspf2, envelope, "mx.example.org", 1700000000, answers,
                                                   findings)
                       : postern_check_spf(envelope, "mx.example.org", 1700000000, answers, findings);

        if (done)
            break;
        if (noted->len == 0 || ++rounds > POSTERN_QUESTION_ROUNDS_MAX)
            abort();
        while (noted->len > 0) {
            const PosternQuestion *question = g_ptr_array_index(noted, 0);

            postern_answers_add(answers, question, make_answer(question, data, size));
        }
    }
    if (findings->spf.result == POSTERN_SPF_NOT_CHECKED || findings->spf.domain == NULL)
        abort();
    if (libspf2 != NULL && findings->spf.explanation != NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(PosternLibspf2Engine) libspf2 = postern_libspf2_engine_new();
    char helo[] = "d1.example", sender[] = "u-ser@" SENDER_DOMAIN;
    PosternEnvelope envelope = {
        .client = {.family = size % 3 == 0 ? AF_INET6 : AF_INET}, .helo = helo, .sender = sender};

    if (envelope.client.family == AF_INET6)
        memcpy(&envelope.client.ipv6, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    else
        memcpy(&envelope.client.ipv4, "\xc0\0\2\1", 4);
    run(NULL, &envelope, data, size);
    run(libspf2, &envelope, data, size);
    return 0;
}
