/*
 * What an inspection is asked and what it answers, and how both travel between a program and
 * postern-inspector (inspector_client/packet.h).
 */
#pragma once

#include "dns/answers.h"
#include "inspector_client/packet.h"
#include "mail/envelope.h"
#include "mail/message.h"
#include "verdict/findings.h"

/* Whose request it is (inspector_client/packet.h). */
PosternRole postern_stage_role(PosternStage stage);

typedef struct {
    PosternStage stage;
    PosternChecks checks;      /* which to run; others are left NOT_CHECKED */
    PosternEnvelope *envelope; /* owned; never NULL */
    PosternAnswers *answers;   /* a reference; never NULL */
    gint64 now;                /* seconds since 1970 that signatures are judged by */
    char *receiver;            /* our name, for SPF's %{r} (RFC 7208 7.3); never NULL */
    guint64 scan_octets;       /* largest message that is scanned, at most POSTERN_MESSAGE_MAX_OCTETS; over it
                                * virus is UNSCANNABLE */
    gboolean explain;          /* findings->steps are wanted */
    /* Beside the content (inspector_client/packet.h), from postern_request_fingerprint(); or NULL. */
    const guint8 *fingerprint;
} PosternRequest;

/* The checks whose findings depend on octets and options alone, and may be kept for when they come again. */
#define POSTERN_CHECKS_KEPT (POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT | POSTERN_CHECK_RULES)

/* What message is known by, asked about in request. FALSE: nothing is to be remembered of it. */
gboolean postern_request_fingerprint(const PosternRequest *request, PosternMessage *message,
                                     guint8 ret_fingerprint[POSTERN_FINGERPRINT_OCTETS]);

PosternRequest *postern_request_new(PosternStage stage, PosternChecks checks);
void postern_request_free(PosternRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternRequest, postern_request_free)

typedef struct {
    PosternFindings *findings; /* owned; of the checks that are complete */
    PosternChecks complete; /* the others wait for questions; HEADER: DKIM and ARC when they have none left */
    GPtrArray *questions;   /* of PosternQuestion *; what is still to be answered */
} PosternResponse;

PosternResponse *postern_response_new(void);
void postern_response_free(PosternResponse *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternResponse, postern_response_free)

/* The content of a packet, and back: from an untrusted peer, form and all bounds are checked. */
GBytes *postern_request_serialise(const PosternRequest *request);
PosternRequest *postern_request_parse(GBytes *octets, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GBytes *postern_response_serialise(const PosternResponse *response);
PosternResponse *postern_response_parse(GBytes *octets, GError **error) G_GNUC_WARN_UNUSED_RESULT;
