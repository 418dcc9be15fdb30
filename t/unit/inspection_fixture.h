/*
 * An inspection against an inspector of the test, with a zone in place of the DNS; each test for a small
 * message and for a large one.
 */
#pragma once

#include "inspector_client/inspection.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/error.h"
#include "unit/inspector_fake.h"

/* Nobody guesses what "exists" asks for. */
static const char zone[] = "example.com TXT \"v=spf1 exists:example.com -all\"\nexample.com A 192.0.2.1\n"
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
    gboolean few_requests;
} Fixture;

static inline void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->large = data != NULL;
    g_autoptr(PosternAnswersFile) file = postern_answers_file_parse(zone, strlen(zone), NULL);
    fixture->loop = event_base_new();
    fixture->fake = fake_new(fixture->loop);
    fixture->fake->user_data = fixture;
    fixture->client = postern_inspector_client_new(fixture->loop, fixture->fake->path);
    fixture->resolver = postern_resolver_new_from_file(fixture->loop, file);
}

static inline void tear_down(Fixture *fixture, gconstpointer data)
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

static inline void on_done(PosternFindings *findings, const GError *error, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_assert_false(fixture->finishing);
    g_assert_null(fixture->findings);
    g_assert_nonnull(findings);
    fixture->findings = findings;
    fixture->error = error != NULL ? g_error_copy(error) : NULL;
    event_base_loopbreak(fixture->loop);
}

static inline PosternMessage *message(const char *text)
{
    PosternMessage *made = postern_message_new(100000, NULL, NULL);
    g_assert_true(postern_message_append(made, text, strlen(text), NULL));
    g_assert_true(postern_message_seal(made, NULL));
    return made;
}

static inline void begin(Fixture *fixture, PosternChecks checks, guint deadline_ms)
{
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    const PosternInspectionOptions options = {.client = fixture->client,
                                              .resolver = fixture->resolver,
                                              .receiver = "mx.example.org",
                                              .checks = checks,
                                              .scan_octets = 100000,
                                              .now = 1,
                                              .deadline_ms = deadline_ms,
                                              .few_requests = fixture->few_requests};
    envelope->sender = g_strdup("a@example.com");
    fixture->inspection = postern_inspection_new(&options, envelope);
}

static inline void finish(Fixture *fixture)
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

static inline gboolean known(PosternRequest *request, PosternResponse *response, const char *name,
                             PosternDnsType type)
{
    const PosternAnswer *answer = postern_answers_look_up(request->answers, name, type);
    if (answer == NULL)
        g_ptr_array_add(response->questions, postern_question_new(name, type));
    return answer != NULL;
}

/* Does as the checks do: SPF has two questions, one of them known beforehand, DKIM one, the others none. */
static inline void answer_honestly(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                                   guint64 octets)
{
    Fixture *fixture = fake->user_data;
    g_autoptr(PosternResponse) response = postern_response_new();
    fixture->stages[request->stage]++;
    g_assert_true((octets > 0) == (request->stage != POSTERN_STAGE_ENVELOPE));
    if ((request->checks & POSTERN_CHECK_SPF) && known(request, response, "example.com", POSTERN_DNS_TXT) &&
        known(request, response, "example.com", POSTERN_DNS_A)) {
        response->complete |= request->checks & POSTERN_CHECKS_SPF;
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
    response->complete |= request->checks & POSTERN_CHECKS_ALL &
                          ~(POSTERN_CHECKS_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS);
    fake_respond(fake, packet->id, response);
}

static inline void assert_all_found(const Fixture *fixture)
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

static inline void on_pause_over(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    event_base_loopbreak(data);
}

static inline void on_envelope(const PosternFindings *findings, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_assert_false(fixture->finishing);
    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_PASS);
    fixture->envelopes++;
}

static inline void wait_for_envelope(Fixture *fixture)
{
    fixture->finishing = TRUE;
    postern_inspection_await_envelope(fixture->inspection, on_envelope, fixture);
    fixture->finishing = FALSE;
}

static inline void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
    g_autofree char *large = g_strconcat(path, "/large", NULL);
    g_test_add(path, Fixture, NULL, set_up, test, tear_down);
    g_test_add(large, Fixture, "large", set_up, test, tear_down);
}
