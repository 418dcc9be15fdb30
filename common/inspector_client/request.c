#include "inspector_client/request.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

#define REQUEST_VARIANT "(yuxtbaya{sv}a(qyayaay))"
#define RESPONSE_VARIANT "(uaya(qay))"

G_STATIC_ASSERT(sizeof(POSTERN_ENVELOPE_VARIANT) == sizeof("a{sv}"));
G_STATIC_ASSERT(sizeof(POSTERN_ANSWERS_VARIANT) == sizeof("a(qyayaay)"));
G_STATIC_ASSERT(sizeof(POSTERN_QUESTIONS_VARIANT) == sizeof("a(qay)"));

PosternRole postern_stage_role(PosternStage stage)
{
    static const PosternRole roles[] = {
        [POSTERN_STAGE_ENVELOPE] = POSTERN_ROLE_LIGHT,
        [POSTERN_STAGE_HEADER] = POSTERN_ROLE_LIGHT,
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

static GBytes *variant_octets(GVariant *floating)
{
    g_autoptr(GVariant) variant = g_variant_ref_sink(floating);
    g_autoptr(GVariant) normal = g_variant_get_normal_form(variant);
    return g_variant_get_data_as_bytes(normal);
}

/* The variant of that type in octets, or NULL and error where octets are not exactly its normal form. */
static GVariant *variant_parse(const char *what, const char *type, GBytes *octets, gsize maximum,
                               GError **error)
{
    if (g_bytes_get_size(octets) > maximum) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT,
                    "%s of %" G_GSIZE_FORMAT " octets is over %" G_GSIZE_FORMAT, what,
                    g_bytes_get_size(octets), maximum);
        return NULL;
    }
    g_autoptr(GVariant) variant =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), octets, FALSE));
    if (!g_variant_is_normal_form(variant)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "%s is not in normal form", what);
        return NULL;
    }
    return g_steal_pointer(&variant);
}

GBytes *postern_request_serialise(const PosternRequest *request)
{
    GVariant *receiver =
        g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, request->receiver, strlen(request->receiver), 1);
    GVariant *children[] = {
        g_variant_new_byte((guint8)request->stage),
        g_variant_new_uint32((guint32)request->checks),
        g_variant_new_int64(request->now),
        g_variant_new_uint64(request->scan_octets),
        g_variant_new_boolean(request->explain),
        receiver,
        postern_envelope_to_variant(request->envelope),
        postern_answers_to_variant(request->answers),
    };
    return variant_octets(g_variant_new_tuple(children, G_N_ELEMENTS(children)));
}

static gboolean request_bounds(const PosternRequest *request, gsize receiver_length, GError **error)
{
    if (request->stage > POSTERN_STAGE_SIGN) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "request has no stage %u", request->stage);
        return FALSE;
    }
    if ((request->checks & ~(guint)POSTERN_CHECKS_ALL) != 0) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "request names unknown checks %#x",
                    (guint)request->checks);
        return FALSE;
    }
    if (request->scan_octets > POSTERN_MESSAGE_MAX_OCTETS || receiver_length > POSTERN_HELO_NAME_MAX_OCTETS) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT,
                            "request has a scan limit or a receiver's name that is too large");
        return FALSE;
    }
    return TRUE;
}

PosternRequest *postern_request_parse(GBytes *octets, GError **error)
{
    g_autoptr(GVariant) variant =
        variant_parse("request", REQUEST_VARIANT, octets, POSTERN_INSPECTOR_REQUEST_MAX_OCTETS, error);
    if (variant == NULL)
        return NULL;
    guint8 stage = 0;
    guint32 checks = 0;
    g_autoptr(GVariant) receiver = NULL;
    g_autoptr(GVariant) envelope = NULL;
    g_autoptr(GVariant) answers = NULL;
    g_autoptr(PosternRequest) request = g_new0(PosternRequest, 1);
    g_variant_get(variant, "(yuxtb@ay@a{sv}@a(qyayaay))", &stage, &checks, &request->now,
                  &request->scan_octets, &request->explain, &receiver, &envelope, &answers);
    request->stage = (PosternStage)stage;
    request->checks = (PosternChecks)checks;
    gsize length = 0;
    const char *name = g_variant_get_fixed_array(receiver, &length, 1);
    if (!request_bounds(request, length, error))
        return NULL;
    if (length > 0 && memchr(name, '\0', length) != NULL) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "the receiver's name holds a NUL");
        return NULL;
    }
    request->receiver = length > 0 ? g_strndup(name, length) : g_strdup("");
    request->envelope = postern_envelope_from_variant(envelope, error);
    if (request->envelope == NULL)
        return NULL;
    request->answers = postern_answers_from_variant(answers, error);
    return request->answers != NULL ? g_steal_pointer(&request) : NULL;
}

GBytes *postern_response_serialise(const PosternResponse *response)
{
    g_autoptr(GByteArray) findings = g_byte_array_new();
    postern_findings_encode(response->findings, findings);
    GVariant *children[] = {
        g_variant_new_uint32((guint32)response->complete),
        g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, findings->data, findings->len, 1),
        postern_questions_to_variant(response->questions),
    };
    return variant_octets(g_variant_new_tuple(children, G_N_ELEMENTS(children)));
}

PosternResponse *postern_response_parse(GBytes *octets, GError **error)
{
    g_autoptr(GVariant) variant =
        variant_parse("response", RESPONSE_VARIANT, octets, POSTERN_INSPECTOR_RESPONSE_MAX_OCTETS, error);
    if (variant == NULL)
        return NULL;
    guint32 complete = 0;
    g_autoptr(GVariant) findings = NULL;
    g_autoptr(GVariant) questions = NULL;
    g_autoptr(PosternResponse) response = g_new0(PosternResponse, 1);
    g_variant_get(variant, "(u@ay@a(qay))", &complete, &findings, &questions);
    if ((complete & ~(guint32)POSTERN_CHECKS_ALL) != 0) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "response names unknown checks %#x",
                    complete);
        return NULL;
    }
    response->complete = (PosternChecks)complete;
    if (g_variant_n_children(questions) > POSTERN_QUESTIONS_PER_MESSAGE_MAX) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT, "response has too many questions");
        return NULL;
    }
    gsize length = 0;
    const guint8 *octets_of_findings = g_variant_get_fixed_array(findings, &length, 1);
    response->findings = postern_findings_decode(octets_of_findings, length, error);
    if (response->findings == NULL)
        return NULL;
    response->questions = postern_questions_from_variant(questions, error);
    return response->questions != NULL ? g_steal_pointer(&response) : NULL;
}
