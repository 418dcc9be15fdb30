/*
 * A worker's use of what was kept of a message (inspector/memory.h). Whoever asks and whoever answered may
 * err or lie about which message it is: the fingerprint is made anew of the octets that are here. The trace
 * that it leaves out is judged by itself: only if nothing is found there are findings kept, or used.
 */
#pragma once

#include "inspector/stages.h"
#include "inspector_client/request.h"

/*
 * As postern_stage_run(), but what kept (a response, NULL: none) holds of message is not found out again.
 * packet is that of request. *ret_keep: the response took long, and may be kept for packet's fingerprint.
 */
PosternResponse *postern_recall_run(const PosternStageResources *resources, PosternRequest *request,
                                    PosternMessage *message, const PosternPacket *packet, GBytes *kept,
                                    gboolean *ret_keep, GError **error) G_GNUC_WARN_UNUSED_RESULT;
