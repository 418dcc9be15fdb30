#include "inspector/recall.h"

#include <string.h>

#include "base/limits.h"

#define REMEMBER_US (POSTERN_INSPECTOR_REMEMBER_MS * 1000)

static const char no_trace[] = "Received: by localhost\r\n";

/* A scan that could not be done may be done the next time. */
static gboolean may_be_kept(const PosternResponse *response)
{
    const PosternVirusFinding *virus = &response->findings->virus;
    return virus->result != POSTERN_VIRUS_NOT_CHECKED && virus->kinds[POSTERN_VIRUS_SCAN_ERROR] == NULL &&
           (response->complete & POSTERN_CHECKS_KEPT) != 0;
}

/* What of it need not be found out again. Rules may read the trace, and those that ran out of time may not
 * the next time. */
static PosternChecks checks_known(const PosternStageResources *resources, const PosternResponse *before)
{
    const PosternRulesEngine *rules = resources->engines->rules;
    gboolean undecided = before->findings->rules.undecided != NULL;
    PosternChecks left_out =
        undecided || (rules != NULL && postern_rules_engine_reads_trace(rules)) ? POSTERN_CHECK_RULES : 0;
    return before->complete & POSTERN_CHECKS_KEPT & ~left_out;
}

/* What is found in a message of nothing but a header, as octets; NULL: that could not be found out. */
static GBytes *judge(const PosternStageResources *resources, const PosternRequest *request,
                     const char *header, gsize length)
{
    GByteArray *octets = g_byte_array_new();
    g_byte_array_append(octets, (const guint8 *)header, (guint)length);
    g_byte_array_append(octets, (const guint8 *)"\r\n", 2);
    g_autoptr(GBytes) content = g_byte_array_free_to_bytes(octets);
    g_autoptr(PosternMessage) message = postern_message_from_octets(content);
    PosternRequest alone = *request;
    alone.checks &= POSTERN_CHECKS_KEPT;
    g_autoptr(PosternResponse) response = postern_stage_run(resources, &alone, message, NULL);
    return response != NULL && may_be_kept(response) ? postern_response_serialise(response) : NULL;
}

static gboolean trace_is_nothing(const PosternStageResources *resources, const PosternRequest *request,
                                 PosternMessage *message)
{
    gsize length = 0;
    const char *octets = postern_message_octets(message, &length, NULL);
    gsize trace = octets != NULL ? postern_fingerprint_trace(octets, length) : 0;
    if (trace == 0)
        return octets != NULL;
    g_autoptr(GBytes) found = judge(resources, request, octets, trace);
    g_autoptr(GBytes) nothing = judge(resources, request, no_trace, strlen(no_trace));
    return found != NULL && nothing != NULL && g_bytes_equal(found, nothing);
}

/* TRUE if message is what the packet says that it is, and what is found in it hangs on nothing else. Which
 * signatures clamd has is not known here. */
static gboolean is_known(const PosternStageResources *resources, const PosternRequest *request,
                         PosternMessage *message, const PosternPacket *packet)
{
    guint8 fingerprint[POSTERN_FINGERPRINT_OCTETS];
    return resources->scanner == NULL && message != NULL &&
           postern_message_size(message) <= request->scan_octets &&
           postern_request_fingerprint(request, message, fingerprint) &&
           memcmp(fingerprint, packet->fingerprint, sizeof fingerprint) == 0 &&
           trace_is_nothing(resources, request, message);
}

PosternResponse *postern_recall_run(const PosternStageResources *resources, PosternRequest *request,
                                    PosternMessage *message, const PosternPacket *packet, GBytes *kept,
                                    gboolean *ret_keep, GError **error)
{
    gint64 began = g_get_monotonic_time();
    g_autoptr(PosternResponse) before = NULL;
    if (kept != NULL && is_known(resources, request, message, packet))
        before = postern_response_parse(kept, NULL);
    PosternChecks known = before != NULL ? request->checks & checks_known(resources, before) : 0;
    PosternChecks wanted = request->checks;
    request->checks &= ~known;
    g_autoptr(PosternResponse) response = postern_stage_run(resources, request, message, error);
    request->checks = wanted;
    if (response == NULL)
        return NULL;
    *ret_keep = known == 0 && postern_packet_has_fingerprint(packet) &&
                g_get_monotonic_time() - began >= REMEMBER_US && may_be_kept(response) &&
                is_known(resources, request, message, packet);
    if (before != NULL)
        postern_findings_take(response->findings, before->findings, known);
    response->complete |= known;
    return g_steal_pointer(&response);
}
