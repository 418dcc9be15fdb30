/*
 * One message's inspection, from MAIL to the dot: asks the inspector, resolves the questions it has, asks
 * again, until all findings are there or the deadline is. Questions are asked while the client still sends.
 *
 *   begin (at MAIL: SPF rounds start)  ->  header (the empty line has come: DKIM questions start)
 *   ->  finish (at the dot)  ->  done
 *
 * header may be left out. free ends it at any time, without done.
 */
#pragma once

#include "dns/resolver.h"
#include "inspect/client.h"

typedef struct {
    PosternInspectorClient *client;
    PosternResolver *resolver;
    const char *receiver; /* copied */
    PosternChecks checks; /* those wanted */
    guint64 scan_octets;
    gint64 now;        /* seconds since 1970; 0: the clock */
    guint deadline_ms; /* from finish to done */
} PosternInspectionOptions;

typedef struct PosternInspection PosternInspection;

/* envelope is copied; recipients do not matter yet. Starts the envelope stage. */
PosternInspection *postern_inspection_new(const PosternInspectionOptions *options,
                                          const PosternEnvelope *envelope);
void postern_inspection_free(PosternInspection *inspection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternInspection, postern_inspection_free)

/* The header is complete: header is a sealed message of the header block alone (a reference is taken). */
void postern_inspection_header(PosternInspection *inspection, PosternMessage *header);

/*
 * From the loop, once, never from inside postern_inspection_finish. findings are the callee's; never NULL.
 * Where a check could not be done its finding says so (temperror, error) and error (owned by the caller) says
 * why; error is NULL where all went well.
 */
typedef void (*PosternInspectionDone)(PosternFindings *findings, const GError *error, gpointer user_data);

/* The message is whole and sealed (a reference is taken). */
void postern_inspection_finish(PosternInspection *inspection, PosternMessage *message,
                               PosternInspectionDone done, gpointer user_data);

/* All that was learned of the DNS; owned by inspection. */
PosternAnswers *postern_inspection_answers(PosternInspection *inspection);
