/*
 * One request, answered: runs the checks that its stage has. Pure, inside the sandbox.
 */
#pragma once

#include "checks/check.h"
#include "inspector_client/packet.h"
#include "inspector_client/request.h"

/* Loaded once, in the template; each worker inherits them. */
typedef struct {
    PosternLibspf2Engine *libspf2; /* NULL: SPF is evaluated by our own code */
    PosternDkimEngine *dkim;
    PosternArcEngine *arc;
    PosternContentEngine *content;
    PosternVirusEngine *virus; /* NULL: this inspector does not scan; the finding is then ERROR */
    char *virus_problem;       /* why there is none although it should, or NULL */
    PosternSignEngine *sign;   /* role SIGN alone; it has no other engine but dkim, for its own proof */
} PosternEngines;

typedef struct {
    PosternRole role; /* a request of the other role is refused */
    const PosternEngines *engines;
    const char *temporary_directory; /* for the virus engine */
} PosternStageResources;

/* message may be NULL in the envelope stage only. NULL and error where the request breaks a rule. */
PosternResponse *postern_stage_run(const PosternStageResources *resources, const PosternRequest *request,
                                   PosternMessage *message, GError **error);
