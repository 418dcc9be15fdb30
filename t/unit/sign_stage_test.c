/*
 * Who has keys answers requests to sign, and no other; who inspects answers all but those.
 */
#include "inspector/stages.h"

#include "base/error.h"
#include "sign_fixture.h"
#include "verdict/check.h"

#define MESSAGE "From: a@example.org\r\nSubject: x\r\n\r\nHello.\r\n"

static SignFixture fixture;
static PosternEngines engines;

static PosternResponse *run(PosternRole role, PosternStage stage, PosternChecks checks, GError **error)
{
    const PosternStageResources resources = {.role = role, .engines = &engines};
    g_autoptr(PosternRequest) request = postern_request_new(stage, checks);
    g_autoptr(PosternMessage) message = NULL;
    if (stage != POSTERN_STAGE_ENVELOPE) {
        message = postern_message_new(4096, NULL, NULL);
        g_assert_true(postern_message_append(message, MESSAGE, strlen(MESSAGE), NULL));
        g_assert_true(postern_message_seal(message, NULL));
    }
    request->now = NOW;
    __lsan_disable();
    PosternResponse *response = postern_stage_run(&resources, request, message, error);
    __lsan_enable();
    return response;
}

static void test_each_to_its_own(void)
{
    static const struct {
        PosternStage stage;
        PosternChecks checks;
        PosternRole role;
    } cases[] = {
        {POSTERN_STAGE_ENVELOPE, POSTERN_CHECK_SPF, POSTERN_ROLE_LIGHT},
        {POSTERN_STAGE_HEADER, POSTERN_CHECK_DKIM, POSTERN_ROLE_LIGHT},
        {POSTERN_STAGE_AUTHENTICATION, POSTERN_CHECK_DKIM, POSTERN_ROLE_LIGHT},
        {POSTERN_STAGE_WHOLE, POSTERN_CHECK_DKIM, POSTERN_ROLE_SCAN},
        {POSTERN_STAGE_SIGN, POSTERN_CHECK_SIGN, POSTERN_ROLE_SIGN},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (PosternRole role = 0; role < POSTERN_ROLES; role++) {
            g_autoptr(GError) error = NULL;
            g_autoptr(PosternResponse) response = run(role, cases[i].stage, cases[i].checks, &error);
            if (role == cases[i].role) {
                g_assert_no_error(error);
                g_assert_nonnull(response);
            } else {
                g_assert_null(response);
                g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
                g_assert_nonnull(strstr(error->message, "is not for a worker that"));
            }
        }
    }
}

static void test_signatures_come_back(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternResponse) response =
        run(POSTERN_ROLE_SIGN, POSTERN_STAGE_SIGN, POSTERN_CHECK_SIGN, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(response->complete, ==, POSTERN_CHECK_SIGN);
    g_autoptr(GBytes) octets = postern_response_serialise(response);
    g_autoptr(PosternResponse) back = postern_response_parse(octets, &error);
    g_assert_no_error(error);
    GPtrArray *sent = response->findings->sign.fields, *received = back->findings->sign.fields;
    g_assert_cmpuint(received->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(received, 0), ==, g_ptr_array_index(sent, 0));
    g_assert_cmpstr(back->findings->sign.domain, ==, "example.org");
}

/* A check's description and its evaluation name the same stages. */
static void test_checks_run_when_they_say(void)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++) {
        guint stages = 0;
        for (guint stage = 0; stage < POSTERN_STAGES; stage++)
            stages |= postern_evaluations[i]->run[stage] != NULL ? 1U << stage : 0;
        stages |= postern_evaluations[i]->item.begin != NULL ? 1U << POSTERN_STAGE_WHOLE : 0;
        g_assert_cmpuint(stages, ==, postern_checks[i].of->stages);
        g_assert_true((stages != 0) == ((postern_checks[i].check & POSTERN_CHECKS_INSPECTED) != 0));
        g_assert_true(!postern_checks[i].of->of_header || (stages & (1U << POSTERN_STAGE_HEADER)) != 0);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_test_init(&argc, &argv, NULL);
    sign_set_up(&fixture);
    sign_add_key(&fixture, "example.org", "s", dkim_signer_ed25519());
    engines.sign = sign_load(&fixture, &error);
    g_assert_no_error(error);
    engines.dkim = postern_dkim_engine_new(FALSE);
    g_test_add_func("/sign_stage/each_to_its_own", test_each_to_its_own);
    g_test_add_func("/sign_stage/checks_run_when_they_say", test_checks_run_when_they_say);
    g_test_add_func("/sign_stage/signatures_come_back", test_signatures_come_back);
    int status = g_test_run();
    postern_dkim_engine_free(engines.dkim);
    postern_sign_engine_free(engines.sign);
    sign_tear_down(&fixture);
    return status;
}
