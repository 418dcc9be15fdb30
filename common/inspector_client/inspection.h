/*
 * One message's inspection, from MAIL to the dot: asks the inspector, resolves the questions it has, asks
 * again, until all findings are there or the deadline is. Questions are asked while the client still sends.
 *
 *   begin (at MAIL: SPF rounds start)  ->  header (the empty line has come: DMARC, DKIM and ARC questions)
 *   ->  finish (at the dot)  ->  done
 *
 * header may be left out. free ends it at any time, without done.
 */
#pragma once

#include "checks/client/client.h"
#include "dns/resolver.h"
#include "greylist/greylist.h"
#include "inspector_client/client.h"

typedef struct {
    PosternInspectorClient *client;
    PosternResolver *resolver;
    const char *receiver; /* copied */
    PosternChecks checks; /* those wanted */
    guint64 scan_octets;
    gint64 now;            /* seconds since 1970; 0: the clock */
    guint deadline_ms;     /* from finish to done */
    gboolean explain;      /* findings->steps are wanted */
    gboolean few_requests; /* after the dot all is done by as few requests as can be, one after the other:
                              nobody waits for this message, and many are to be inspected */
    gboolean remember;     /* the inspector may know the message if it comes again */
    PosternClientRules *client_rules; /* outlive it; NULL: without check CLIENT */
    PosternClientHistory history;     /* of the client, for that */
    PosternGreylistPort *greylist;    /* likewise; NULL: without check GREYLIST */
    PosternAnswers *answers; /* what is known already, to be added to (a reference is taken); NULL: nothing */
} PosternInspectionOptions;

typedef struct PosternInspection PosternInspection;

/* envelope is copied; recipients do not matter yet. Starts the envelope stage. */
PosternInspection *postern_inspection_new(const PosternInspectionOptions *options,
                                          const PosternEnvelope *envelope);
void postern_inspection_free(PosternInspection *inspection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternInspection, postern_inspection_free)

/*
 * From the loop, once, never from inside postern_inspection_await_envelope. findings, only to be read during
 * the call: what the envelope stage found; spf is NOT_CHECKED if it could not be had.
 */
typedef void (*PosternInspectionEnvelope)(const PosternFindings *findings, gpointer user_data);

/* Asks to be told when the envelope stage has ended, well or not: for a verdict at MAIL. Before finish, once.
 * There is no deadline but the resolver's. */
void postern_inspection_await_envelope(PosternInspection *inspection, PosternInspectionEnvelope done,
                                       gpointer user_data);

/*
 * The client is another than was said at first: a trusted relay's Received names it (mail/received.h).
 * envelope is copied; what SPF found so far is forgotten, and the envelope stage begins anew. Before header
 * and finish.
 */
void postern_inspection_set_envelope(PosternInspection *inspection, const PosternEnvelope *envelope);

/* The checks that are still wanted; those not in checks are left NOT_CHECKED. Before finish: the policy of
 * the recipients is known. */
void postern_inspection_limit(PosternInspection *inspection, PosternChecks checks);

/* The header is complete: header is a sealed message of the header block alone (a reference is taken). */
void postern_inspection_header(PosternInspection *inspection, PosternMessage *header);

/*
 * From the loop, once, never from inside postern_inspection_finish. findings are the callee's; never NULL.
 * If a check could not be done its finding says so (temperror, error), findings->not_run names it if that
 * was for want of an inspector, and error (owned by the caller) says why; error is NULL if all went well.
 */
typedef void (*PosternInspectionDone)(PosternFindings *findings, const GError *error, gpointer user_data);

/* The message is whole and sealed (a reference is taken). */
void postern_inspection_finish(PosternInspection *inspection, PosternMessage *message,
                               PosternInspectionDone done, gpointer user_data);

/* What it goes by, owned by inspection: now and receiver as they are used, checks as they were limited. */
const PosternInspectionOptions *postern_inspection_options(const PosternInspection *inspection);

/* Once done: the checks whose findings say that they could not be done, for error and not for the DNS. */
PosternChecks postern_inspection_failed(const PosternInspection *inspection);

/* All that was learned of the DNS; owned by inspection. */
PosternAnswers *postern_inspection_answers(PosternInspection *inspection);
