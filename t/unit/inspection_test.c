#include "unit/inspection_fixture.h"

static void test_some_checks(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECK_VIRUS, 5000);
    finish(fixture);
    g_assert_no_error(fixture->error);
    g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_NOT_CHECKED);
    g_assert_false(fixture->findings->dkim.checked);
    g_assert_cmpuint(fixture->fake->requests, ==, 1);
}

static void test_no_checks(Fixture *fixture, gconstpointer data)
{
    begin(fixture, 0, 5000);
    finish(fixture);
    g_assert_no_error(fixture->error);
    g_assert_cmpint(fixture->findings->virus.result, ==, POSTERN_VIRUS_NOT_CHECKED);
}

static void answer_nothing(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                           guint64 octets)
{
}

static void assert_nothing_found(const Fixture *fixture)
{
    g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_TEMPERROR);
    g_assert_nonnull(fixture->findings->spf.problem);
    g_assert_true(fixture->findings->dkim.checked);
    g_assert_cmpuint(fixture->findings->dkim.signatures->len, ==, 1);
    const PosternDkimFinding *dkim = g_ptr_array_index(fixture->findings->dkim.signatures, 0);
    g_assert_cmpint(dkim->result, ==, POSTERN_DKIM_TEMPERROR);
    g_assert_cmpint(fixture->findings->virus.result, ==, POSTERN_VIRUS_ERROR);
    g_assert_nonnull(fixture->findings->virus.reason);
    g_assert_nonnull(fixture->findings->content.problem);
    g_assert_cmpuint(fixture->findings->not_run, ==, POSTERN_CHECKS_INSPECTED);
}

static void test_deadline(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_nothing;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 50);
    finish(fixture);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_TIMEOUT);
    assert_nothing_found(fixture);
}

static void answer_failure(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                           guint64 octets)
{
    fake_fail(fake, packet->id, POSTERN_FAILURE_CRASHED, "two workers died");
}

static void test_failure(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_failure;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
    finish(fixture);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE);
    assert_nothing_found(fixture);
}

/* Always one more question: bounded by rounds. The others' findings stay. */
static void answer_endlessly(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                             guint64 octets)
{
    g_autoptr(PosternResponse) response = postern_response_new();
    g_autofree char *name = g_strdup_printf("n%u.example.com", fake->requests);
    g_ptr_array_add(response->questions, postern_question_new(name, POSTERN_DNS_A));
    response->complete =
        request->checks & (POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT | POSTERN_CHECK_RULES);
    response->findings->virus.result = POSTERN_VIRUS_CLEAN;
    fake_respond(fake, packet->id, response);
}

static void test_endless_questions(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_endlessly;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 60000);
    finish(fixture);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
    g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_TEMPERROR);
    g_assert_cmpint(fixture->findings->virus.result, ==, POSTERN_VIRUS_CLEAN);
    g_assert_cmpuint(fixture->fake->requests, <=, 3 * POSTERN_QUESTION_ROUNDS_MAX + 1);
}

/* Neither complete nor a question: an inspector that lies is no reason to wait for the deadline. */
static void answer_emptily(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                           guint64 octets)
{
    g_autoptr(PosternResponse) response = postern_response_new();
    fake_respond(fake, packet->id, response);
}

static void test_empty_response(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_emptily;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 60000);
    finish(fixture);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    assert_nothing_found(fixture);
}

static void answer_lie(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                       guint64 octets)
{
    g_autoptr(PosternResponse) response = postern_response_new();
    response->complete = POSTERN_CHECKS_INSPECTED;
    response->findings->virus.result = POSTERN_VIRUS_CLEAN;
    response->findings->spf.result = POSTERN_SPF_PASS;
    fake_respond(fake, packet->id, response);
}

/* The envelope stage can say nothing of viruses, whatever its response claims. */
static void test_claims_too_much(Fixture *fixture, gconstpointer data)
{
    static const struct timeval pause = {.tv_usec = 50000};
    fixture->fake->answer = answer_lie;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 100);
    event_base_once(fixture->loop, -1, EV_TIMEOUT, on_pause_over, fixture->loop, &pause);
    event_base_dispatch(fixture->loop);
    fixture->fake->answer = answer_nothing;
    finish(fixture);
    g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_PASS);
    g_assert_cmpint(fixture->findings->virus.result, ==, POSTERN_VIRUS_ERROR);
}

static void test_freed_at_any_time(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_honestly;
    for (guint events = 0; events < 30; events++) {
        g_autoptr(PosternMessage) whole = message("Subject: x\r\n\r\nbody\r\n");
        begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
        postern_inspection_header(fixture->inspection, whole);
        for (guint i = 0; i < events; i++)
            event_base_loop(fixture->loop, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        if (events % 2 == 0)
            postern_inspection_finish(fixture->inspection, whole, on_done, fixture);
        event_base_loop(fixture->loop, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        g_clear_pointer(&fixture->inspection, postern_inspection_free);
        g_clear_pointer(&fixture->findings, postern_findings_free);
    }
    event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
    g_assert_null(fixture->findings);
}

/* A name server that knows no keys, and is silent about all else. */
static void answer_keys_alone(evutil_socket_t socket, short what, void *data)
{
    guint8 packet[512];
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    ssize_t length = recvfrom(socket, packet, sizeof packet, 0, (struct sockaddr *)&peer, &size);
    g_assert_cmpint(length, >, 12);
    if (memmem(packet, (gsize)length, "_domainkey", strlen("_domainkey")) == NULL)
        return;
    packet[2] |= 0x80;
    packet[3] = 0x83;
    g_assert_cmpint(sendto(socket, packet, (gsize)length, 0, (struct sockaddr *)&peer, size), ==, length);
}

/* Whose SPF the DNS is slow about, his signature's key is asked for all the same. */
static void test_tracks_apart(Fixture *fixture, gconstpointer data)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(bind(server, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint(getsockname(server, (struct sockaddr *)&address, &size), ==, 0);
    struct event *readable =
        event_new(fixture->loop, server, EV_READ | EV_PERSIST, answer_keys_alone, fixture);
    event_add(readable, NULL);
    g_autofree char *place = g_strdup_printf("127.0.0.1@%u", ntohs(address.sin_port));
    const char *const servers[] = {place, NULL};
    const PosternResolverOptions options = {.servers = servers, .timeout_ms = 60000, .cache_octets = 65536};
    g_autoptr(PosternMessage) header = message("DKIM-Signature: odd\r\n\r\n");
    postern_resolver_free(fixture->resolver);
    fixture->resolver = postern_resolver_new(fixture->loop, &options, NULL);
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM, 60000);
    postern_inspection_header(fixture->inspection, header);
    while (fixture->stages[POSTERN_STAGE_HEADER] < 2)
        g_assert_cmpint(event_base_loop(fixture->loop, EVLOOP_ONCE), ==, 0);
    g_autoptr(PosternQuestion) waiting = postern_question_new("example.com", POSTERN_DNS_TXT);
    g_assert_null(postern_answers_get(postern_inspection_answers(fixture->inspection), waiting));
    g_clear_pointer(&fixture->inspection, postern_inspection_free);
    event_free(readable);
    close(server);
}

/* The envelope stage tells its end once, whether it has ended already or not, and never of an envelope that
 * holds no more. */
static void test_envelope(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PosternEnvelope) other = postern_envelope_new();
    other->sender = g_strdup("b@example.com");
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_INSPECTED, 5000);
    wait_for_envelope(fixture);
    while (fixture->envelopes == 0)
        event_base_loop(fixture->loop, EVLOOP_ONCE);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_ENVELOPE], ==, 2);
    wait_for_envelope(fixture);
    postern_inspection_set_envelope(fixture->inspection, other);
    while (fixture->envelopes == 1)
        event_base_loop(fixture->loop, EVLOOP_ONCE);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_ENVELOPE], ==, 3);
    finish(fixture);
    assert_all_found(fixture);
    g_assert_cmpuint(fixture->envelopes, ==, 2);
}

/* What is not wanted any more is neither found nor waited for. */
static void test_limit(Fixture *fixture, gconstpointer data)
{
    for (guint events = 0; events < 20; events++) {
        g_autoptr(PosternMessage) whole = message("Subject: x\r\n\r\nbody\r\n");
        begin(fixture, POSTERN_CHECKS_INSPECTED, 60000);
        fixture->fake->answer = answer_honestly;
        postern_inspection_header(fixture->inspection, whole);
        for (guint i = 0; i < events; i++)
            event_base_loop(fixture->loop, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        postern_inspection_limit(fixture->inspection, POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS);
        finish(fixture);
        g_assert_no_error(fixture->error);
        g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_NOT_CHECKED);
        g_assert_cmpint(fixture->findings->dmarc.result, ==, POSTERN_DMARC_NOT_CHECKED);
        g_assert_true(fixture->findings->dkim.checked);
        g_assert_cmpint(fixture->findings->virus.result, ==, POSTERN_VIRUS_CLEAN);
        g_clear_pointer(&fixture->inspection, postern_inspection_free);
        g_clear_pointer(&fixture->findings, postern_findings_free);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/inspection/some-checks", test_some_checks);
    add("/inspection/no-checks", test_no_checks);
    add("/inspection/deadline", test_deadline);
    add("/inspection/failure", test_failure);
    add("/inspection/endless-questions", test_endless_questions);
    add("/inspection/empty-response", test_empty_response);
    add("/inspection/claims-too-much", test_claims_too_much);
    add("/inspection/freed-at-any-time", test_freed_at_any_time);
    add("/inspection/tracks-apart", test_tracks_apart);
    add("/inspection/envelope", test_envelope);
    add("/inspection/limit", test_limit);
    return g_test_run();
}
