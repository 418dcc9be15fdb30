/*
 * One request, answered: runs the checks that its stage has. Pure, inside the sandbox.
 */
#pragma once

#include "checks/check.h"
#include "inspector_client/packet.h"
#include "inspector_client/request.h"

typedef struct {
    PosternRole role; /* a request of the other role is refused */
    const PosternEngines *engines;
    const char *temporary_directory; /* for the virus engine */
    const PosternScanner *scanner;   /* likewise, or NULL */
} PosternStageResources;

/* message may be NULL in the envelope stage only. NULL and error if the request breaks a rule. */
PosternResponse *postern_stage_run(const PosternStageResources *resources, const PosternRequest *request,
                                   PosternMessage *message, GError **error) G_GNUC_WARN_UNUSED_RESULT;
