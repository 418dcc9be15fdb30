#include "inspector_client/request.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static PosternRequest *sample_request(void)
{
    PosternRequest *request = postern_request_new(POSTERN_STAGE_WHOLE, POSTERN_CHECKS_ALL);
    g_autoptr(PosternQuestion) question = postern_question_new("example.com", POSTERN_DNS_TXT);
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_RECORDS);
    postern_answer_add(answer, "v=spf1 -all", 11);
    postern_answers_add(request->answers, question, answer);
    g_free(request->receiver);
    request->receiver = g_strdup("mx.example.org");
    request->envelope->sender = g_strdup("a\xff@example.com");
    request->envelope->helo = g_strdup("client.example");
    postern_address_parse(&request->envelope->client, "192.0.2.7");
    request->now = -5;
    request->scan_octets = 12345;
    return request;
}

static PosternResponse *sample_response(void)
{
    PosternResponse *response = postern_response_new();
    response->complete = POSTERN_CHECK_SPF | POSTERN_CHECK_VIRUS;
    response->findings->spf.result = POSTERN_SPF_SOFTFAIL;
    postern_virus_finding_infected(&response->findings->virus, "Eicar");
    g_ptr_array_add(response->questions, postern_question_new("s._domainkey.example.com", POSTERN_DNS_TXT));
    return response;
}

static void test_request_travels(void)
{
    g_autoptr(PosternRequest) request = sample_request();
    g_autoptr(GBytes) octets = postern_request_serialise(request);
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternRequest) back = postern_request_parse(octets, &error);
    g_assert_no_error(error);
    g_assert_cmpint(back->stage, ==, POSTERN_STAGE_WHOLE);
    g_assert_cmpint(back->checks, ==, POSTERN_CHECKS_ALL);
    g_assert_cmpint(back->now, ==, -5);
    g_assert_cmpuint(back->scan_octets, ==, 12345);
    g_assert_cmpstr(back->receiver, ==, "mx.example.org");
    g_assert_cmpstr(back->envelope->sender, ==, "a\xff@example.com");
    g_assert_cmpuint(postern_answers_count(back->answers), ==, 1);
    g_autoptr(GBytes) again = postern_request_serialise(back);
    g_assert_true(g_bytes_equal(octets, again));
}

static void test_response_travels(void)
{
    g_autoptr(PosternResponse) response = sample_response();
    g_autoptr(GBytes) octets = postern_response_serialise(response);
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternResponse) back = postern_response_parse(octets, &error);
    g_assert_no_error(error);
    g_assert_cmpint(back->complete, ==, POSTERN_CHECK_SPF | POSTERN_CHECK_VIRUS);
    g_assert_cmpint(back->findings->spf.result, ==, POSTERN_SPF_SOFTFAIL);
    g_assert_cmpstr(back->findings->virus.name, ==, "Eicar");
    g_assert_cmpuint(back->questions->len, ==, 1);
    const PosternQuestion *question = g_ptr_array_index(back->questions, 0);
    g_assert_cmpstr(question->name, ==, "s._domainkey.example.com");
}

typedef gpointer (*Parse)(GBytes *octets, GError **error);

/* Every prefix, and every single octet changed: an error or a value, never a read past the end. */
static void damage(GBytes *octets, Parse parse, GDestroyNotify destroy)
{
    gsize length = 0;
    const guint8 *start = g_bytes_get_data(octets, &length);
    for (gsize cut = 0; cut < length; cut++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) part = g_bytes_new(start, cut);
        gpointer value = parse(part, &error);
        g_assert_true((value == NULL) == (error != NULL));
        if (value != NULL)
            destroy(value);
    }
    for (gsize at = 0; at < length; at++) {
        g_autoptr(GError) error = NULL;
        g_autofree guint8 *copy = g_memdup2(start, length);
        copy[at] ^= 0x55;
        g_autoptr(GBytes) changed = g_bytes_new(copy, length);
        gpointer value = parse(changed, &error);
        g_assert_true((value == NULL) == (error != NULL));
        if (value != NULL)
            destroy(value);
    }
}

static void test_damaged(void)
{
    g_autoptr(PosternRequest) request = sample_request();
    g_autoptr(PosternResponse) response = sample_response();
    g_autoptr(GBytes) request_octets = postern_request_serialise(request);
    g_autoptr(GBytes) response_octets = postern_response_serialise(response);
    damage(request_octets, (Parse)postern_request_parse, (GDestroyNotify)postern_request_free);
    damage(response_octets, (Parse)postern_response_parse, (GDestroyNotify)postern_response_free);
}

static void refused(const PosternRequest *request, PosternError code)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) octets = postern_request_serialise(request);
    g_assert_null(postern_request_parse(octets, &error));
    g_assert_error(error, POSTERN_ERROR, (gint)code);
}

static void test_bounds(void)
{
    g_autoptr(PosternRequest) request = sample_request();
    request->stage = (PosternStage)(POSTERN_STAGE_SIGN + 1);
    refused(request, POSTERN_ERROR_PROTOCOL);
    request->stage = POSTERN_STAGE_ENVELOPE;
    request->checks = (PosternChecks)(POSTERN_CHECKS_ALL + 1);
    refused(request, POSTERN_ERROR_PROTOCOL);
    request->checks = POSTERN_CHECK_SPF;
    request->scan_octets = (guint64)POSTERN_MESSAGE_MAX_OCTETS + 1;
    refused(request, POSTERN_ERROR_LIMIT);
    request->scan_octets = 1;
    g_free(request->receiver);
    request->receiver = g_strnfill(POSTERN_HELO_NAME_MAX_OCTETS + 1, 'a');
    refused(request, POSTERN_ERROR_LIMIT);
    g_autofree char *room = g_malloc0(POSTERN_INSPECTOR_REQUEST_MAX_OCTETS + 1);
    g_autoptr(GBytes) huge = g_bytes_new_static(room, POSTERN_INSPECTOR_REQUEST_MAX_OCTETS + 1);
    g_autoptr(GError) error = NULL;
    g_assert_null(postern_request_parse(huge, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
}

/* A name of a finding with a NUL octet inside is another name, and read no further than it goes. */
static void test_name_with_nul(void)
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    postern_octets_add_number(out, 0, 4 + 2); /* nothing is complete, no questions */
    postern_octets_add_number(out, 200, 1);
    for (guint i = 0; i < 200; i++)
        postern_octets_add_number(out, i < 3 ? (guint8) "spf"[i] : 0, 1);
    postern_octets_add_number(out, 0, 4);
    g_autoptr(GBytes) octets = g_byte_array_free_to_bytes(out);
    g_autoptr(PosternResponse) response = postern_response_parse(octets, &error);
    g_assert_no_error(error);
    g_assert_cmpint(response->findings->spf.result, ==, POSTERN_SPF_NOT_CHECKED);
}

static void test_too_many_questions(void)
{
    g_autoptr(PosternResponse) response = sample_response();
    for (guint i = 0; i < POSTERN_QUESTIONS_PER_MESSAGE_MAX; i++) {
        g_autofree char *name = g_strdup_printf("%u.example.com", i);
        g_ptr_array_add(response->questions, postern_question_new(name, POSTERN_DNS_A));
    }
    g_autoptr(GBytes) octets = postern_response_serialise(response);
    g_autoptr(GError) error = NULL;
    g_assert_null(postern_response_parse(octets, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/travels", test_request_travels);
    g_test_add_func("/response/travels", test_response_travels);
    g_test_add_func("/request/damaged", test_damaged);
    g_test_add_func("/request/bounds", test_bounds);
    g_test_add_func("/response/too-many-questions", test_too_many_questions);
    g_test_add_func("/request/name-with-nul", test_name_with_nul);
    return g_test_run();
}
