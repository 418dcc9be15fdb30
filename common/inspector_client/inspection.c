#include "inspector_client/inspection_private.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "inspector_client/header_prefetch.h"
#include "inspector_client/spf_prefetch.h"

static void round_begin(Track *track);
static void end_gathering(PosternInspection *inspection);

void postern_inspection_track_stop(Track *track)
{
    if (track->call != NULL)
        postern_inspector_client_cancel(g_steal_pointer(&track->call));
    if (track->ask != NULL)
        postern_resolver_cancel(g_steal_pointer(&track->ask));
    track->checks = 0;
}

static gboolean is_envelope_over(const PosternInspection *inspection)
{
    return inspection->tracks[TRACK_SPF].checks == 0 && inspection->tracks[TRACK_CLIENT].checks == 0;
}

static void on_early(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternInspection *inspection = data;
    PosternInspectionEnvelope done = inspection->envelope_done;
    if (done == NULL || !is_envelope_over(inspection))
        return;
    inspection->envelope_done = NULL;
    done(inspection->findings, inspection->envelope_data);
}

/* done runs as soon as no track has anything left to do. */
void postern_inspection_track_over(PosternInspection *inspection)
{
    end_gathering(inspection);
    if (inspection->envelope_done != NULL && is_envelope_over(inspection))
        event_active(inspection->early, EV_TIMEOUT, 1);
    if (!inspection->finished)
        return;
    for (guint i = 0; i < TRACKS; i++)
        if (inspection->tracks[i].checks != 0)
            return;
    event_active(inspection->timer, EV_TIMEOUT, 1);
}

/* What a track could not find out before the dot, the body's track tries again. */
static void track_fail(Track *track, const GError *error)
{
    PosternInspection *inspection = track->inspection;
    track->checks = 0;
    if (inspection->finished && !inspection->gathering && inspection->error == NULL)
        inspection->error = g_error_copy(error);
    postern_inspection_track_over(inspection);
}

static void wake_spf(PosternInspection *inspection)
{
    Track *track = &inspection->tracks[TRACK_SPF];
    if (!inspection->spf_rests)
        return;
    inspection->spf_rests = FALSE;
    track->checks = inspection->missing & POSTERN_CHECKS_SPF;
    if (track->checks != 0)
        round_begin(track);
}

static void ask(Track *track, const GPtrArray *questions, PosternResolverDone done)
{
    PosternInspection *inspection = track->inspection;
    guint64 client = postern_address_client_number(&inspection->envelope->client);
    track->ask = postern_resolver_ask_these(inspection->options.resolver, client, questions,
                                            inspection->answers, done, track);
}

/* Those of questions that are not known are noted in our table; without room there, none is. */
static GPtrArray *note_questions(PosternInspection *inspection, const GPtrArray *questions)
{
    GPtrArray *unknown = g_ptr_array_new();
    for (guint i = 0; i < questions->len; i++) {
        const PosternQuestion *question = questions->pdata[i];
        if (postern_answers_look_up(inspection->answers, question->name, question->type) == NULL)
            g_ptr_array_add(unknown, questions->pdata[i]);
    }
    return unknown;
}

static void on_spf_records(gpointer user_data)
{
    Track *track = user_data;
    PosternInspection *inspection = track->inspection;
    gboolean enough = FALSE;
    gboolean wanted = (inspection->finished && !inspection->gathering) || inspection->envelope_done != NULL;
    track->ask = NULL;
    g_autoptr(GPtrArray) questions =
        postern_spf_prefetch_follow(inspection->envelope, inspection->answers, &enough);
    g_autoptr(GPtrArray) unknown = note_questions(inspection, questions);
    if (unknown->len > 0) {
        ask(track, unknown, on_spf_records);
        return;
    }
    if (wanted || !enough) {
        round_begin(track);
    } else {
        track->checks = 0;
        inspection->spf_rests = TRUE;
    }
    end_gathering(inspection);
}

static gboolean is_small(const PosternInspection *inspection)
{
    return postern_message_size(inspection->message) <= POSTERN_MESSAGE_HEAP_MAX_OCTETS;
}

static void on_resolved(gpointer user_data)
{
    Track *track = user_data;
    PosternInspection *inspection = track->inspection;
    gboolean of_header = track == &inspection->tracks[TRACK_HEADER] && inspection->finished;
    track->ask = NULL;
    if (of_header && inspection->gathering) {
        track->checks = 0;
        end_gathering(inspection);
        return;
    }
    if (of_header && is_small(inspection))
        track->stage = POSTERN_STAGE_AUTHENTICATION;
    else if (of_header && (track->checks & ~postern_checks_of_header()) != 0)
        track->stage = POSTERN_STAGE_WHOLE;
    round_begin(track);
}

static void ask_questions(Track *track, const PosternResponse *response)
{
    PosternInspection *inspection = track->inspection;
    if (response->questions->len == 0) {
        g_autoptr(GError) error =
            g_error_new_literal(POSTERN_ERROR, POSTERN_ERROR_PROTOCOL,
                                "the inspector neither completed a check nor has a question");
        track_fail(track, error);
        return;
    }
    g_autoptr(GPtrArray) unknown = note_questions(inspection, response->questions);
    ask(track, unknown, on_resolved);
}

static void on_response(PosternResponse *received, const GError *error, gpointer user_data)
{
    g_autoptr(PosternResponse) response = received;
    Track *track = user_data;
    PosternInspection *inspection = track->inspection;
    track->call = NULL;
    if (response == NULL) {
        track_fail(track, error);
        return;
    }
    PosternChecks complete = response->complete & track->checks;
    PosternChecks found = complete & inspection->missing;
    if (track->stage == POSTERN_STAGE_HEADER)
        found &= postern_checks_of_header();
    postern_findings_take(inspection->findings, response->findings, found);
    inspection->missing &= ~found;
    track->checks &= ~complete;
    if (track->checks == 0)
        postern_inspection_track_over(inspection);
    else if (complete != 0 && response->questions->len == 0)
        round_begin(track);
    else
        ask_questions(track, response);
}

static void round_begin(Track *track)
{
    PosternInspection *inspection = track->inspection;
    if (track->rounds++ >= POSTERN_QUESTION_ROUNDS_MAX) {
        g_autoptr(GError) error = g_error_new(POSTERN_ERROR, POSTERN_ERROR_LIMIT,
                                              "the inspector still has questions after %d rounds of answers",
                                              POSTERN_QUESTION_ROUNDS_MAX);
        track_fail(track, error);
        return;
    }
    PosternMessage *message = NULL;
    if (track->stage == POSTERN_STAGE_HEADER)
        message = inspection->header;
    else if (track->stage != POSTERN_STAGE_ENVELOPE)
        message = inspection->message;
    PosternRequest request = {.stage = track->stage,
                              .checks = track->checks,
                              .envelope = inspection->envelope,
                              .answers = inspection->answers,
                              .now = inspection->options.now,
                              .receiver = inspection->receiver,
                              .scan_octets = inspection->options.scan_octets,
                              .explain = inspection->options.explain};
    guint8 fingerprint[POSTERN_FINGERPRINT_OCTETS];
    if (inspection->options.remember && postern_request_fingerprint(&request, message, fingerprint))
        request.fingerprint = fingerprint;
    track->call = postern_inspector_client_send(inspection->options.client, &request, message,
                                                inspection->options.deadline_ms, on_response, track);
}

static void track_set(Track *track, PosternStage stage, PosternChecks checks)
{
    track->checks = checks;
    track->stage = stage;
    track->rounds = 0;
}

static void track_start(PosternInspection *inspection, TrackKind kind, PosternStage stage,
                        PosternChecks checks)
{
    track_set(&inspection->tracks[kind], stage, checks);
    if (checks != 0)
        round_begin(&inspection->tracks[kind]);
}

/* All that is missing and no other track finds out. */
static void start_body(PosternInspection *inspection)
{
    PosternChecks elsewhere = 0;
    for (guint i = 0; i < TRACKS; i++)
        elsewhere |= inspection->tracks[i].checks;
    track_start(inspection, TRACK_BODY, POSTERN_STAGE_WHOLE, inspection->missing & ~elsewhere);
}

/* Once the answers are there that are known to be needed, one request finds out all that is missing. */
static void end_gathering(PosternInspection *inspection)
{
    if (!inspection->gathering || inspection->tracks[TRACK_SPF].ask != NULL ||
        inspection->tracks[TRACK_HEADER].checks != 0)
        return;
    inspection->gathering = inspection->spf_rests = FALSE;
    start_body(inspection);
}

static void start_spf(PosternInspection *inspection)
{
    Track *track = &inspection->tracks[TRACK_SPF];
    track_set(track, POSTERN_STAGE_ENVELOPE, inspection->missing & POSTERN_CHECKS_SPF);
    if (track->checks == 0)
        return;
    gboolean helo_too = (track->checks & POSTERN_CHECK_SPF_HELO) != 0;
    g_autoptr(GPtrArray) questions =
        postern_spf_prefetch_questions(inspection->envelope, helo_too, inspection->answers);
    if (questions->len > 0)
        ask(track, questions, on_spf_records);
    else
        on_spf_records(track);
}

/* All that the header is likely to ask has been answered. */
static void on_header_records(gpointer user_data)
{
    Track *track = user_data;
    PosternInspection *inspection = track->inspection;
    if (inspection->finished) {
        on_resolved(track);
        return;
    }
    track->ask = NULL;
    track->checks = 0;
    inspection->header_due = TRUE;
}

/* The first questions of the header's track need no inspector; if these are likely to be all, and the message
 * is not there, it rests then. */
static void look_at_header(PosternInspection *inspection, PosternStage stage, PosternChecks checks)
{
    Track *track = &inspection->tracks[TRACK_HEADER];
    PosternMessage *header = stage == POSTERN_STAGE_HEADER ? inspection->header : inspection->message;
    gboolean all = FALSE;
    inspection->header_due = FALSE;
    track_set(track, stage, checks);
    if (checks == 0)
        return;
    g_autoptr(GPtrArray) questions =
        postern_header_prefetch_questions(header, checks, inspection->answers, &all);
    if (questions->len > 0)
        ask(track, questions, on_header_records);
    else if (all)
        on_header_records(track);
    else
        round_begin(track);
}

static void on_header_turn(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternInspection *inspection = data;
    if (!inspection->finished)
        look_at_header(inspection, POSTERN_STAGE_HEADER,
                       inspection->missing & postern_checks_of_stage(POSTERN_STAGE_HEADER));
}

PosternInspection *postern_inspection_new(const PosternInspectionOptions *options,
                                          const PosternEnvelope *envelope)
{
    PosternInspection *inspection = g_new0(PosternInspection, 1);
    inspection->options = *options;
    inspection->receiver = g_strdup(options->receiver != NULL ? options->receiver : "");
    inspection->options.scan_octets = MIN(options->scan_octets, POSTERN_MESSAGE_MAX_OCTETS);
    if (options->now == 0)
        inspection->options.now = g_get_real_time() / G_USEC_PER_SEC;
    inspection->envelope = postern_envelope_copy(envelope);
    inspection->options.receiver = inspection->receiver;
    inspection->answers =
        options->answers != NULL ? postern_answers_ref(options->answers) : postern_answers_new();
    inspection->options.answers = inspection->answers;
    inspection->findings = postern_findings_new();
    inspection->findings->explain = options->explain;
    if (options->client_rules == NULL)
        inspection->options.checks &= ~POSTERN_CHECK_CLIENT;
    if (options->greylist == NULL)
        inspection->options.checks &= ~POSTERN_CHECK_GREYLIST;
    inspection->missing = inspection->options.checks & (POSTERN_CHECKS_INSPECTED | POSTERN_CHECK_CLIENT);
    inspection->timer =
        evtimer_new(postern_inspector_client_loop(options->client), postern_inspection_on_timer, inspection);
    inspection->early = evtimer_new(postern_inspector_client_loop(options->client), on_early, inspection);
    inspection->header_turn =
        evtimer_new(postern_inspector_client_loop(options->client), on_header_turn, inspection);
    for (guint i = 0; i < TRACKS; i++)
        inspection->tracks[i].inspection = inspection;
    start_spf(inspection);
    postern_inspection_look_at_client(inspection);
    return inspection;
}

void postern_inspection_free(PosternInspection *inspection)
{
    if (inspection == NULL)
        return;
    for (guint i = 0; i < TRACKS; i++)
        postern_inspection_track_stop(&inspection->tracks[i]);
    postern_greylist_cancel(inspection->greylist_ask);
    g_clear_pointer(&inspection->timer, event_free);
    g_clear_pointer(&inspection->early, event_free);
    g_clear_pointer(&inspection->header_turn, event_free);
    g_clear_pointer(&inspection->envelope, postern_envelope_free);
    g_clear_pointer(&inspection->answers, postern_answers_unref);
    g_clear_pointer(&inspection->header, postern_message_unref);
    g_clear_pointer(&inspection->message, postern_message_unref);
    g_clear_pointer(&inspection->findings, postern_findings_free);
    g_clear_error(&inspection->error);
    g_free(inspection->receiver);
    g_free(inspection);
}

void postern_inspection_await_envelope(PosternInspection *inspection, PosternInspectionEnvelope done,
                                       gpointer user_data)
{
    inspection->envelope_done = done;
    inspection->envelope_data = user_data;
    wake_spf(inspection);
    postern_inspection_track_over(inspection);
}

void postern_inspection_set_envelope(PosternInspection *inspection, const PosternEnvelope *envelope)
{
    g_return_if_fail(inspection->header == NULL && !inspection->finished);
    postern_inspection_track_stop(&inspection->tracks[TRACK_SPF]);
    postern_inspection_track_stop(&inspection->tracks[TRACK_CLIENT]);
    inspection->spf_rests = FALSE;
    g_clear_pointer(&inspection->envelope, postern_envelope_free);
    inspection->envelope = postern_envelope_copy(envelope);
    g_autoptr(PosternFindings) nothing = postern_findings_new();
    postern_findings_take(inspection->findings, nothing, POSTERN_CHECKS_CLIENT);
    inspection->missing |= inspection->options.checks & POSTERN_CHECKS_CLIENT & ~POSTERN_CHECK_GREYLIST;
    start_spf(inspection);
    postern_inspection_look_at_client(inspection);
}

void postern_inspection_limit(PosternInspection *inspection, PosternChecks checks)
{
    g_return_if_fail(!inspection->finished);
    g_autoptr(PosternFindings) nothing = postern_findings_new();
    PosternChecks unwanted = POSTERN_CHECKS_ALL & ~checks;
    inspection->options.checks &= checks;
    inspection->missing &= checks;
    postern_findings_take(inspection->findings, nothing, unwanted);
    for (guint i = 0; i < TRACKS; i++) {
        Track *track = &inspection->tracks[i];
        if (track->checks != 0 && (track->checks & checks) == 0)
            postern_inspection_track_stop(track);
        else
            track->checks &= checks;
    }
    postern_inspection_track_over(inspection);
}

void postern_inspection_header(PosternInspection *inspection, PosternMessage *header)
{
    if (inspection->header != NULL || inspection->finished)
        return;
    inspection->header = postern_message_ref(header);
    inspection->header_due = TRUE;
    event_active(inspection->header_turn, EV_TIMEOUT, 1);
}

/*
 * The message is there. If it is small the header's track does all but the scan. Else what waits for keys
 * goes on with it once it has them; what is being looked at goes on for what the header is enough for, and
 * the body's track does the rest.
 */
static void split_header(PosternInspection *inspection)
{
    Track *header = &inspection->tracks[TRACK_HEADER];
    if (is_small(inspection)) {
        inspection->spf_rests = FALSE;
        PosternChecks checks = inspection->missing & postern_checks_of_stage(POSTERN_STAGE_AUTHENTICATION) &
                               ~inspection->tracks[TRACK_SPF].checks;
        if (header->ask != NULL) {
            header->checks = checks;
        } else {
            postern_inspection_track_stop(header);
            look_at_header(inspection, POSTERN_STAGE_AUTHENTICATION, checks);
        }
        return;
    }
    wake_spf(inspection);
    if (inspection->header_due)
        track_start(inspection, TRACK_HEADER, POSTERN_STAGE_HEADER,
                    inspection->missing & postern_checks_of_header());
    PosternChecks early = header->checks & inspection->missing & postern_checks_of_header();
    if (header->ask != NULL && header->checks != early) {
        header->checks &= ~early;
        track_start(inspection, TRACK_EARLY, POSTERN_STAGE_HEADER, early);
    } else if (early != 0) {
        header->checks = early;
    } else {
        postern_inspection_track_stop(header);
    }
}

void postern_inspection_finish(PosternInspection *inspection, PosternMessage *message,
                               PosternInspectionDone done, gpointer user_data)
{
    g_return_if_fail(!inspection->finished);
    guint deadline_ms = inspection->options.deadline_ms;
    struct timeval deadline = {.tv_sec = deadline_ms / 1000, .tv_usec = (deadline_ms % 1000) * 1000};
    inspection->finished = TRUE;
    inspection->message = postern_message_ref(message);
    inspection->done = done;
    inspection->user_data = user_data;
    evtimer_add(inspection->timer, &deadline);
    track_start(inspection, TRACK_SIGN, POSTERN_STAGE_SIGN, inspection->missing & POSTERN_CHECK_SIGN);
    inspection->gathering = inspection->options.few_requests;
    if (!inspection->options.few_requests) {
        split_header(inspection);
        start_body(inspection);
    } else {
        if (inspection->header != NULL)
            look_at_header(inspection, POSTERN_STAGE_HEADER,
                           inspection->missing & postern_checks_of_stage(POSTERN_STAGE_HEADER));
        end_gathering(inspection);
    }
    postern_inspection_track_over(inspection);
}

const PosternInspectionOptions *postern_inspection_options(const PosternInspection *inspection)
{
    return &inspection->options;
}

PosternChecks postern_inspection_failed(const PosternInspection *inspection)
{
    return inspection->failed;
}

PosternAnswers *postern_inspection_answers(PosternInspection *inspection)
{
    return inspection->answers;
}
