/*
 * What an inspection consists of.
 */
#pragma once

#include <event2/event.h>

#include "inspector_client/inspection.h"

/*
 * Several things go on side by side, so that none waits for the other's DNS: SPF; what the header alone
 * raises questions for; the body, scanned once; and our own signature. At the dot the body takes over what
 * needs it: what the header is enough for (DMARC) does not, nor anything but the scan of a small message, and
 * what does not never stands behind scans.
 */
typedef enum {
    TRACK_SPF,
    TRACK_HEADER,
    TRACK_EARLY, /* what the header is enough for; after the dot, while TRACK_HEADER waits for keys */
    TRACK_BODY,
    TRACK_SIGN,
    TRACK_CLIENT, /* what is known of the client without an inspector */
    TRACKS,
} TrackKind;

typedef struct {
    PosternInspection *inspection;
    PosternStage stage;
    PosternChecks checks; /* still to be found out here; 0: at rest */
    guint rounds;
    PosternInspectorCall *call;
    PosternResolverAsk *ask;
} Track;

struct PosternInspection {
    PosternInspectionOptions options;
    char *receiver;
    PosternEnvelope *envelope;
    PosternAnswers *answers;
    PosternMessage *header;
    PosternMessage *message;
    PosternFindings *findings;
    PosternChecks missing; /* of options.checks, not in findings yet */
    PosternChecks failed;  /* of them, those that never came */
    Track tracks[TRACKS];
    PosternGreylistAsk *greylist_ask;
    gboolean greylist_asked;
    struct event *timer;       /* after finish: the deadline, then done */
    struct event *early;       /* the envelope stage has ended */
    gboolean spf_rests;        /* it has no more questions: it is evaluated when its result is wanted */
    struct event *header_turn; /* the header is looked at, if the message does not come in the same turn */
    gboolean header_due; /* it has not been looked at, or has no more questions: it waits for the rest */
    gboolean gathering;  /* few_requests, after the dot: the answers that the header and SPF need first */
    PosternInspectionEnvelope envelope_done;
    gpointer envelope_data;
    gboolean finished;
    GError *error;
    PosternInspectionDone done;
    gpointer user_data;
};

/* inspection.c: a track has come to its end; one has to, wherever it stands. */
void postern_inspection_track_over(PosternInspection *inspection);
void postern_inspection_track_stop(Track *track);

/* inspection_end.c: for timer: all is found out, or the deadline has come. */
void postern_inspection_on_timer(evutil_socket_t descriptor, short what, void *inspection);

/* inspection_client.c: finds out about the client, if that is missing. */
void postern_inspection_look_at_client(PosternInspection *inspection);
