#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "inspector_client/request.h"
#include "overlay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static GBytes *sample(void)
{
    g_autoptr(PosternRequest) request = postern_request_new(POSTERN_STAGE_WHOLE, POSTERN_CHECKS_ALL);
    g_autoptr(PosternQuestion) question = postern_question_new("example.com", POSTERN_DNS_TXT);
    g_autoptr(PosternQuestion) other = postern_question_new("mx.example.com", POSTERN_DNS_A);
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_RECORDS);
    postern_answer_add(answer, "v=spf1 -all", 11);
    postern_answer_add(answer, "other", 5);
    postern_answers_add(request->answers, question, answer);
    postern_answers_add(request->answers, other, postern_answer_new(POSTERN_ANSWER_NXDOMAIN));
    postern_address_parse(&request->envelope->client, "2001:db8::7");
    request->envelope->sender = g_strdup("a@example.com");
    request->envelope->helo = g_strdup("client.example");
    request->envelope->login = g_strdup("login");
    g_ptr_array_add(request->envelope->recipients, g_strdup("b@example.org"));
    g_free(request->receiver);
    request->receiver = g_strdup("mx.example.org");
    return postern_request_serialise(request);
}

/* A request that was taken is inside its bounds, and gives octets that give the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static GBytes *good;
    if (good == NULL)
        good = sample();
    g_autoptr(GBytes) octets = overlay_read(good, data, size);
    g_autoptr(GError) error = NULL;
    if (octets == NULL)
        return 0;
    g_autoptr(PosternRequest) request = postern_request_parse(octets, &error);
    g_assert_true((request == NULL) == (error != NULL));
    if (request == NULL)
        return 0;
    g_assert_cmpint(request->stage, <=, POSTERN_STAGE_SIGN);
    g_assert_cmpuint(request->checks & ~(guint)POSTERN_CHECKS_ALL, ==, 0);
    g_assert_cmpuint(strlen(request->receiver), <=, POSTERN_HELO_NAME_MAX_OCTETS);
    g_autoptr(GBytes) first = postern_request_serialise(request);
    g_autoptr(PosternRequest) again = postern_request_parse(first, &error);
    g_assert_no_error(error);
    g_autoptr(GBytes) second = postern_request_serialise(again);
    g_assert_true(g_bytes_equal(first, second));
    return 0;
}
