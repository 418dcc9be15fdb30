#include "unit/inspection_fixture.h"

#include "base/limits.h"

/* The same, for an SPF record that has no more questions. */
static const char plain_zone[] = "example.com TXT \"v=spf1 ip4:192.0.2.1 ~all\"\nexample.com A 192.0.2.1\n"
                                 "s._domainkey.example.com TXT \"v=DKIM1; p=\"\n";

static void test_at_once(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
    finish(fixture);
    assert_all_found(fixture);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_ENVELOPE], ==, 2);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_HEADER], ==, 0);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_AUTHENTICATION], ==, fixture->large ? 0 : 2);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_WHOLE], ==, fixture->large ? 2 : 1);
}

/* What the client needs to send its body, all questions are answered in. */
static void test_while_it_arrives(Fixture *fixture, gconstpointer data)
{
    static const struct timeval pause = {.tv_usec = 100000};
    g_autoptr(PosternMessage) header = message("Subject: x\r\n\r\n");
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
    postern_inspection_header(fixture->inspection, header);
    event_base_once(fixture->loop, -1, EV_TIMEOUT, on_pause_over, fixture->loop, &pause);
    event_base_dispatch(fixture->loop);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_ENVELOPE], ==, 2);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_HEADER], ==, 2);
    finish(fixture);
    assert_all_found(fixture);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_AUTHENTICATION], ==, fixture->large ? 0 : 1);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_WHOLE], ==, 1);
}

/* The dot comes before the header is looked at: DMARC needs no worker that scans, and of a small message only
 * the scan does. */
static void test_dot_comes_at_once(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PosternMessage) header = message("Subject: x\r\n\r\n");
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
    postern_inspection_header(fixture->inspection, header);
    finish(fixture);
    assert_all_found(fixture);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_HEADER], ==, fixture->large ? 1 : 0);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_AUTHENTICATION], ==, fixture->large ? 0 : 2);
    g_assert_cmpuint(fixture->findings->not_run, ==, 0);
}

static void answer_light_alone(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                               guint64 octets)
{
    g_assert_cmpuint(packet->role, ==, postern_stage_role(request->stage));
    if (packet->role == POSTERN_ROLE_LIGHT)
        answer_honestly(fake, packet, request, octets);
}

/* All workers that scan are busy for ever: what the others can find out is found out. */
static void test_no_worker_that_scans(Fixture *fixture, gconstpointer data)
{
    const guint light = POSTERN_CHECKS_SPF | postern_checks_of_header() |
                        (fixture->large ? 0 : POSTERN_CHECK_DKIM | POSTERN_CHECK_ARC);
    g_autoptr(PosternMessage) header = message("Subject: x\r\n\r\n");
    fixture->fake->answer = answer_light_alone;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 300);
    postern_inspection_header(fixture->inspection, header);
    finish(fixture);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_TIMEOUT);
    g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_PASS);
    g_assert_cmpuint(fixture->findings->not_run, ==, POSTERN_CHECKS_INSPECTED & ~light);
}

/* The same, for one whose questions can be guessed, one after the other. */
static const char guessed_zone[] =
    "example.com TXT \"v=spf1 a mx include:_spf.example.com -all\"\nexample.com A 192.0.2.1\n"
    "example.com MX 10 mx.example.com\nmx.example.com A 192.0.2.2\n"
    "_spf.example.com TXT \"v=spf1 redirect=_more.example.com\"\n_more.example.com TXT \"v=spf1 -all\"\n"
    "s._domainkey.example.com TXT \"v=DKIM1; p=\"\n";

static void use_zone(Fixture *fixture, const char *text)
{
    g_autoptr(PosternAnswersFile) file = postern_answers_file_parse(text, strlen(text), NULL);
    postern_resolver_free(fixture->resolver);
    fixture->resolver = postern_resolver_new_from_file(fixture->loop, file);
}

/* A record that raises no more questions is evaluated with the rest, or when its result is asked for. */
static void spf_rests(Fixture *fixture, const char *text)
{
    use_zone(fixture, text);
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
    for (guint i = 0; i < 20; i++)
        event_base_loop(fixture->loop, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_ENVELOPE], ==, 0);
    if (fixture->large)
        wait_for_envelope(fixture);
    while (fixture->large && fixture->envelopes == 0)
        event_base_loop(fixture->loop, EVLOOP_ONCE);
    finish(fixture);
    g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_PASS);
    g_assert_cmpint(fixture->stages[POSTERN_STAGE_ENVELOPE] > 0, ==, fixture->large);
}

static void test_spf_rests(Fixture *fixture, gconstpointer data)
{
    spf_rests(fixture, plain_zone);
}

static void test_spf_guessed(Fixture *fixture, gconstpointer data)
{
    spf_rests(fixture, guessed_zone);
    g_assert_cmpuint(postern_answers_count(postern_inspection_answers(fixture->inspection)), ==, 7);
}

/* A table that has no room for an answer is not asked for it again and again. */
static void test_spf_no_room(Fixture *fixture, gconstpointer data)
{
    use_zone(fixture, guessed_zone);
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
    PosternAnswers *answers = postern_inspection_answers(fixture->inspection);
    g_assert_cmpuint(postern_answers_count(answers), ==, 1);
    for (guint i = 1; i < POSTERN_QUESTIONS_PER_MESSAGE_MAX; i++) {
        g_autofree char *name = g_strdup_printf("%u.example", i);
        g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_A);
        postern_answers_add(answers, question, postern_answer_new(POSTERN_ANSWER_NXDOMAIN));
    }
    finish(fixture);
    g_assert_no_error(fixture->error);
    g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_PASS);
}

/* What is known to be needed is asked for first; then one request does all that there is. */
static void test_few_requests(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PosternMessage) header = message("Subject: x\r\n\r\n");
    use_zone(fixture, plain_zone);
    fixture->fake->answer = answer_honestly;
    fixture->few_requests = TRUE;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
    postern_inspection_header(fixture->inspection, header);
    finish(fixture);
    g_assert_no_error(fixture->error);
    g_assert_cmpuint(fixture->findings->not_run, ==, 0);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_HEADER], ==, 1);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_AUTHENTICATION], ==, 0);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_ENVELOPE], ==, 0);
    g_assert_cmpuint(fixture->whole_with_virus, ==, 1);
}

/* A record of more than addresses is evaluated meanwhile; without a header its questions come with the scan.
 */
static void test_few_requests_more_questions(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_honestly;
    fixture->few_requests = TRUE;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
    finish(fixture);
    assert_all_found(fixture);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_ENVELOPE], ==, 2);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_WHOLE], ==, 2);
}

/* Nobody answers: all of it is told of, once. */
static void test_few_requests_no_worker(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PosternMessage) header = message("Subject: x\r\n\r\n");
    fixture->fake->answer = answer_light_alone;
    fixture->few_requests = TRUE;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 300);
    postern_inspection_header(fixture->inspection, header);
    finish(fixture);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_TIMEOUT);
    g_assert_cmpint(fixture->findings->virus.result, ==, POSTERN_VIRUS_ERROR);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/inspection/spf-rests", test_spf_rests);
    add("/inspection/spf-guessed", test_spf_guessed);
    add("/inspection/spf-no-room", test_spf_no_room);
    add("/inspection/at-once", test_at_once);
    add("/inspection/while-it-arrives", test_while_it_arrives);
    add("/inspection/dot-comes-at-once", test_dot_comes_at_once);
    add("/inspection/no-worker-that-scans", test_no_worker_that_scans);
    add("/inspection/few-requests", test_few_requests);
    add("/inspection/few-requests/more-questions", test_few_requests_more_questions);
    add("/inspection/few-requests/no-worker", test_few_requests_no_worker);
    return g_test_run();
}
