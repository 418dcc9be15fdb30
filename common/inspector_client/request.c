#include "inspector_client/request.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

#define POSTERN_REQUEST_USUAL_OCTETS 1024

PosternRole postern_stage_role(PosternStage stage)
{
    static const PosternRole roles[] = {
        [POSTERN_STAGE_ENVELOPE] = POSTERN_ROLE_LIGHT,
        [POSTERN_STAGE_HEADER] = POSTERN_ROLE_LIGHT,
        [POSTERN_STAGE_AUTHENTICATION] = POSTERN_ROLE_LIGHT,
        [POSTERN_STAGE_WHOLE] = POSTERN_ROLE_SCAN,
        [POSTERN_STAGE_SIGN] = POSTERN_ROLE_SIGN,
    };
    return roles[stage];
}

PosternRequest *postern_request_new(PosternStage stage, PosternChecks checks)
{
    PosternRequest *request = g_new0(PosternRequest, 1);
    request->stage = stage;
    request->checks = checks;
    request->envelope = postern_envelope_new();
    request->answers = postern_answers_new();
    request->receiver = g_strdup("");
    request->scan_octets = POSTERN_MESSAGE_DEFAULT_OCTETS;
    return request;
}

void postern_request_free(PosternRequest *request)
{
    if (request == NULL)
        return;
    g_clear_pointer(&request->envelope, postern_envelope_free);
    g_clear_pointer(&request->answers, postern_answers_unref);
    g_free(request->receiver);
    g_free(request);
}

gboolean postern_request_fingerprint(const PosternRequest *request, PosternMessage *message,
                                     guint8 ret_fingerprint[POSTERN_FINGERPRINT_OCTETS])
{
    guint kept = (guint)request->checks & POSTERN_CHECKS_KEPT;
    /* Rules find out what else they need: a message that kills does so with and without them. */
    guint scanned = kept & ~(guint)POSTERN_CHECK_RULES;
    guint64 question = request->scan_octets << POSTERN_CHECKS_COUNT | scanned;
    return request->stage == POSTERN_STAGE_WHOLE && kept != 0 && !request->explain &&
           postern_fingerprint(message, question, ret_fingerprint);
}

PosternResponse *postern_response_new(void)
{
    PosternResponse *response = g_new0(PosternResponse, 1);
    response->findings = postern_findings_new();
    response->questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    return response;
}

void postern_response_free(PosternResponse *response)
{
    if (response == NULL)
        return;
    g_clear_pointer(&response->findings, postern_findings_free);
    g_clear_pointer(&response->questions, g_ptr_array_unref);
    g_free(response);
}

static gboolean fits(GBytes *octets, const char *what, gsize maximum, GError **error)
{
    if (g_bytes_get_size(octets) <= maximum)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_LIMIT,
                             "%s of %" G_GSIZE_FORMAT " octets is over %" G_GSIZE_FORMAT, what,
                             g_bytes_get_size(octets), maximum);
}

GBytes *postern_request_serialise(const PosternRequest *request)
{
    GByteArray *out = g_byte_array_sized_new(POSTERN_REQUEST_USUAL_OCTETS);
    postern_octets_add_number(out, request->stage, 1);
    postern_octets_add_number(out, (guint32)request->checks, 4);
    postern_octets_add_number(out, (guint64)request->now, 8);
    postern_octets_add_number(out, request->scan_octets, 8);
    postern_octets_add_number(out, request->explain != 0, 1);
    postern_octets_add_text(out, request->receiver, strlen(request->receiver));
    postern_envelope_encode(request->envelope, out);
    postern_answers_encode(request->answers, out);
    return g_byte_array_free_to_bytes(out);
}

static gboolean request_bounds(const PosternRequest *request, GError **error)
{
    if (request->stage > POSTERN_STAGE_SIGN)
        return postern_error_set(error, POSTERN_ERROR_PROTOCOL, "request has no stage %u", request->stage);
    if ((request->checks & ~(guint)POSTERN_CHECKS_ALL) != 0)
        return postern_error_set(error, POSTERN_ERROR_PROTOCOL, "request names unknown checks %#x",
                                 (guint)request->checks);
    if (request->receiver == NULL || request->scan_octets > POSTERN_MESSAGE_MAX_OCTETS)
        return postern_error_set(error, POSTERN_ERROR_LIMIT,
                                 "request has a scan limit or a receiver's name that is too large");
    return TRUE;
}

PosternRequest *postern_request_parse(GBytes *octets, GError **error)
{
    PosternOctets in = postern_octets_of(octets);
    if (!fits(octets, "request", POSTERN_INSPECTOR_REQUEST_MAX_OCTETS, error))
        return NULL;
    g_autoptr(PosternRequest) request = g_new0(PosternRequest, 1);
    request->stage = (PosternStage)postern_octets_number(&in, 1);
    request->checks = (PosternChecks)postern_octets_number(&in, 4);
    request->now = (gint64)postern_octets_number(&in, 8);
    request->scan_octets = postern_octets_number(&in, 8);
    request->explain = postern_octets_number(&in, 1) != 0;
    request->receiver = postern_octets_string(&in, POSTERN_HELO_NAME_MAX_OCTETS);
    request->answers = postern_answers_new();
    if (!request_bounds(request, error))
        return NULL;
    request->envelope = postern_envelope_decode(&in, error);
    if (request->envelope == NULL || !postern_answers_decode(request->answers, &in, error) ||
        !postern_octets_end(&in, "request", error))
        return NULL;
    return g_steal_pointer(&request);
}

GBytes *postern_response_serialise(const PosternResponse *response)
{
    GByteArray *out = g_byte_array_sized_new(POSTERN_REQUEST_USUAL_OCTETS);
    postern_octets_add_number(out, (guint32)response->complete, 4);
    postern_questions_encode(response->questions, out);
    postern_findings_encode(response->findings, out);
    return g_byte_array_free_to_bytes(out);
}

PosternResponse *postern_response_parse(GBytes *octets, GError **error)
{
    PosternOctets in = postern_octets_of(octets);
    if (!fits(octets, "response", POSTERN_INSPECTOR_RESPONSE_MAX_OCTETS, error))
        return NULL;
    g_autoptr(PosternResponse) response = g_new0(PosternResponse, 1);
    guint64 complete = postern_octets_number(&in, 4);
    response->complete = (PosternChecks)complete;
    response->questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    if ((complete & ~(guint64)POSTERN_CHECKS_ALL) != 0) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "response names unknown checks %#x",
                    (guint)complete);
        return NULL;
    }
    if (!postern_questions_decode(response->questions, &in, error))
        return NULL;
    response->findings = postern_findings_decode(in.at, in.left, error);
    return response->findings != NULL ? g_steal_pointer(&response) : NULL;
}
