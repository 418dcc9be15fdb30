#include "inspector_client/inspection.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/error.h"
#include "unit/inspector_fake.h"

static const char zone[] = "example.com TXT \"v=spf1 a -all\"\nexample.com A 192.0.2.1\n"
                           "s._domainkey.example.com TXT \"v=DKIM1; p=\"\n";

typedef struct {
    struct event_base *loop;
    FakeInspector *fake;
    PosternInspectorClient *client;
    PosternResolver *resolver;
    PosternInspection *inspection;
    PosternFindings *findings;
    GError *error;
    guint stages[POSTERN_STAGE_SIGN + 1];
    guint whole_with_virus;
    guint envelopes;
    gboolean finishing;
    gboolean large; /* the message is no small one */
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->large = data != NULL;
    g_autoptr(PosternAnswersFile) file = postern_answers_file_parse(zone, strlen(zone), NULL);
    fixture->loop = event_base_new();
    fixture->fake = fake_new(fixture->loop);
    fixture->fake->user_data = fixture;
    fixture->client = postern_inspector_client_new(fixture->loop, fixture->fake->path);
    fixture->resolver = postern_resolver_new_from_file(fixture->loop, file);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    postern_inspection_free(fixture->inspection);
    postern_inspector_client_free(fixture->client);
    postern_resolver_free(fixture->resolver);
    fake_free(fixture->fake);
    event_base_free(fixture->loop);
    postern_findings_free(fixture->findings);
    g_clear_error(&fixture->error);
}

static void on_done(PosternFindings *findings, const GError *error, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_assert_false(fixture->finishing);
    g_assert_null(fixture->findings);
    g_assert_nonnull(findings);
    fixture->findings = findings;
    fixture->error = error != NULL ? g_error_copy(error) : NULL;
    event_base_loopbreak(fixture->loop);
}

static PosternMessage *message(const char *text)
{
    PosternMessage *made = postern_message_new(100000, NULL, NULL);
    postern_message_append(made, text, strlen(text), NULL);
    postern_message_seal(made, NULL);
    return made;
}

static void begin(Fixture *fixture, PosternChecks checks, guint deadline_ms)
{
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    const PosternInspectionOptions options = {.client = fixture->client,
                                              .resolver = fixture->resolver,
                                              .receiver = "mx.example.org",
                                              .checks = checks,
                                              .scan_octets = 100000,
                                              .now = 1,
                                              .deadline_ms = deadline_ms};
    envelope->sender = g_strdup("a@example.com");
    fixture->inspection = postern_inspection_new(&options, envelope);
}

static void finish(Fixture *fixture)
{
    g_autofree char *body = g_strnfill(fixture->large ? POSTERN_MESSAGE_HEAP_MAX_OCTETS : 1, 'x');
    g_autofree char *text = g_strconcat("Subject: x\r\n\r\n", body, "\r\n", NULL);
    g_autoptr(PosternMessage) whole = message(text);
    fixture->finishing = TRUE;
    postern_inspection_finish(fixture->inspection, whole, on_done, fixture);
    fixture->finishing = FALSE;
    event_base_dispatch(fixture->loop);
    g_assert_nonnull(fixture->findings);
}

static gboolean known(PosternRequest *request, PosternResponse *response, const char *name,
                      PosternDnsType type)
{
    const PosternAnswer *answer = postern_answers_look_up(request->answers, name, type);
    if (answer == NULL)
        g_ptr_array_add(response->questions, postern_question_new(name, type));
    return answer != NULL;
}

/* Does as the checks do: SPF has two questions, one of them known beforehand, DKIM one, the others none. */
static void answer_honestly(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                            guint64 octets)
{
    Fixture *fixture = fake->user_data;
    g_autoptr(PosternResponse) response = postern_response_new();
    fixture->stages[request->stage]++;
    g_assert_true((octets > 0) == (request->stage != POSTERN_STAGE_ENVELOPE));
    if ((request->checks & POSTERN_CHECK_SPF) && known(request, response, "example.com", POSTERN_DNS_TXT) &&
        known(request, response, "example.com", POSTERN_DNS_A)) {
        response->complete |= request->checks & POSTERN_CHECKS_CLIENT;
        response->findings->spf.result = POSTERN_SPF_PASS;
    }
    if ((request->checks & POSTERN_CHECK_DKIM) &&
        known(request, response, "s._domainkey.example.com", POSTERN_DNS_TXT)) {
        response->complete |= POSTERN_CHECK_DKIM;
        response->findings->dkim.checked = request->stage >= POSTERN_STAGE_AUTHENTICATION;
    }
    if (request->checks & POSTERN_CHECK_VIRUS) {
        fixture->whole_with_virus++;
        response->complete |= POSTERN_CHECK_VIRUS;
        response->findings->virus.result = POSTERN_VIRUS_CLEAN;
    }
    response->complete |= request->checks & (POSTERN_CHECK_CONTENT | POSTERN_CHECK_DMARC | POSTERN_CHECK_ARC |
                                             POSTERN_CHECK_SIGN);
    fake_respond(fake, packet->id, response);
}

static void assert_all_found(const Fixture *fixture)
{
    g_assert_no_error(fixture->error);
    g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_PASS);
    g_assert_cmpint(fixture->findings->virus.result, ==, POSTERN_VIRUS_CLEAN);
    g_assert_true(fixture->findings->dkim.checked);
    g_assert_cmpuint(fixture->findings->dkim.signatures->len, ==, 0);
    g_assert_null(fixture->findings->content.problem);
    g_assert_cmpuint(fixture->whole_with_virus, ==, 1);
    g_assert_cmpuint(postern_answers_count(postern_inspection_answers(fixture->inspection)), ==, 3);
}

static void test_at_once(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_ALL, 5000);
    finish(fixture);
    assert_all_found(fixture);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_ENVELOPE], ==, 2);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_HEADER], ==, 0);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_AUTHENTICATION], ==, fixture->large ? 0 : 2);
    g_assert_cmpuint(fixture->stages[POSTERN_STAGE_WHOLE], ==, fixture->large ? 2 : 1);
}

static void on_pause_over(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    event_base_loopbreak(data);
}

/* What the client needs to send its body, all questions are answered in. */
static void test_while_it_arrives(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct timeval pause = {.tv_usec = 100000};
    g_autoptr(PosternMessage) header = message("Subject: x\r\n\r\n");
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_ALL, 5000);
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
    (void)data;
    g_autoptr(PosternMessage) header = message("Subject: x\r\n\r\n");
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_ALL, 5000);
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
    (void)data;
    const guint light = POSTERN_CHECKS_CLIENT | POSTERN_CHECK_DMARC |
                        (fixture->large ? 0 : POSTERN_CHECK_DKIM | POSTERN_CHECK_ARC);
    g_autoptr(PosternMessage) header = message("Subject: x\r\n\r\n");
    fixture->fake->answer = answer_light_alone;
    begin(fixture, POSTERN_CHECKS_ALL, 300);
    postern_inspection_header(fixture->inspection, header);
    finish(fixture);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_TIMEOUT);
    g_assert_cmpint(fixture->findings->spf.result, ==, POSTERN_SPF_PASS);
    g_assert_cmpuint(fixture->findings->not_run, ==, POSTERN_CHECKS_ALL & ~light);
}

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
    g_assert_cmpuint(fixture->findings->not_run, ==, POSTERN_CHECKS_ALL);
}

static void test_deadline(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_nothing;
    begin(fixture, POSTERN_CHECKS_ALL, 50);
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
    begin(fixture, POSTERN_CHECKS_ALL, 5000);
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
    response->complete = request->checks & (POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT);
    response->findings->virus.result = POSTERN_VIRUS_CLEAN;
    fake_respond(fake, packet->id, response);
}

static void test_endless_questions(Fixture *fixture, gconstpointer data)
{
    fixture->fake->answer = answer_endlessly;
    begin(fixture, POSTERN_CHECKS_ALL, 60000);
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
    begin(fixture, POSTERN_CHECKS_ALL, 60000);
    finish(fixture);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    assert_nothing_found(fixture);
}

static void answer_lie(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                       guint64 octets)
{
    g_autoptr(PosternResponse) response = postern_response_new();
    response->complete = POSTERN_CHECKS_ALL;
    response->findings->virus.result = POSTERN_VIRUS_CLEAN;
    response->findings->spf.result = POSTERN_SPF_PASS;
    fake_respond(fake, packet->id, response);
}

/* The envelope stage can say nothing of viruses, whatever its response claims. */
static void test_claims_too_much(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct timeval pause = {.tv_usec = 50000};
    fixture->fake->answer = answer_lie;
    begin(fixture, POSTERN_CHECKS_ALL, 100);
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
        begin(fixture, POSTERN_CHECKS_ALL, 5000);
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
    g_autoptr(PosternMessage) header = message("Subject: x\r\n\r\n");
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

static void on_envelope(const PosternFindings *findings, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_assert_false(fixture->finishing);
    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_PASS);
    fixture->envelopes++;
}

static void wait_for_envelope(Fixture *fixture)
{
    fixture->finishing = TRUE;
    postern_inspection_await_envelope(fixture->inspection, on_envelope, fixture);
    fixture->finishing = FALSE;
}

/* The envelope stage tells its end once, whether it has ended already or not, and never of an envelope that
 * holds no more. */
static void test_envelope(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PosternEnvelope) other = postern_envelope_new();
    other->sender = g_strdup("b@example.com");
    fixture->fake->answer = answer_honestly;
    begin(fixture, POSTERN_CHECKS_ALL, 5000);
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
        begin(fixture, POSTERN_CHECKS_ALL, 60000);
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

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
    g_autofree char *large = g_strconcat(path, "/large", NULL);
    g_test_add(path, Fixture, NULL, set_up, test, tear_down);
    g_test_add(large, Fixture, "large", set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    alarm(100);
    add("/inspection/at-once", test_at_once);
    add("/inspection/while-it-arrives", test_while_it_arrives);
    add("/inspection/dot-comes-at-once", test_dot_comes_at_once);
    add("/inspection/no-worker-that-scans", test_no_worker_that_scans);
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
