/*
 * The way from libmilter's threads to the one event loop that inspects: jobs go there through a queue, and
 * who needs the result waits on a condition. Nothing here blocks the loop.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "inspector_client/inspection.h"
#include "milter/libmilter/wake_up.h"
#include "milter/settings.h"

typedef struct PosternMilterBridge PosternMilterBridge;

/*
 * On loop, of which client and resolver are too; all must outlive it. It never is freed:
 * it ends with the process. NULL and error if the system refuses.
 */
PosternMilterBridge *postern_milter_bridge_new(struct event_base *loop, PosternInspectorClient *client,
                                               PosternResolver *resolver, PosternMilterWakeUp *wake_up,
                                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* From its loop, which greylist is of too; it outlives the bridge. Before that nobody is greylisted. */
void postern_milter_bridge_set_greylist(PosternMilterBridge *bridge, PosternGreylistPort *greylist);

/* The inspection of one message, as a thread of libmilter holds it. One thread at a time. */
typedef struct PosternMilterTicket PosternMilterTicket;

/* Begins at MAIL: envelope and receiver, our name, are copied, a reference to settings is taken. */
PosternMilterTicket *postern_milter_ticket_new(PosternMilterBridge *bridge, PosternMilterSettings *settings,
                                               const PosternEnvelope *envelope, const char *receiver,
                                               PosternChecks checks);

/* The client is another than was said at first: envelope is copied. Before the header. */
void postern_milter_ticket_envelope(PosternMilterTicket *ticket, const PosternEnvelope *envelope);

/* What the envelope alone tells is to be waited for, with postern_milter_ticket_wait_envelope(). Once, and
 * before all that follows. */
void postern_milter_ticket_await_envelope(PosternMilterTicket *ticket);

/* Waits for it, at most milliseconds: the findings, the caller's, with what SPF found; NULL: not in time. */
PosternFindings *postern_milter_ticket_wait_envelope(PosternMilterTicket *ticket, guint milliseconds);

/* The header is there (sealed; a reference is taken). */
void postern_milter_ticket_header(PosternMilterTicket *ticket, PosternMessage *header);

/* The message is there (sealed; a reference is taken), and no more than checks are still wanted. Once. */
void postern_milter_ticket_finish(PosternMilterTicket *ticket, PosternMessage *message, PosternChecks checks);

/* Waits until the findings are there, at most milliseconds; TRUE: they are. */
gboolean postern_milter_ticket_wait(PosternMilterTicket *ticket, guint milliseconds);

/*
 * The findings, the caller's; NULL while they are not there. *ret_problem: what could not be checked and why,
 * a new string, or NULL.
 */
PosternFindings *postern_milter_ticket_take(PosternMilterTicket *ticket, char **ret_problem);

/* What the inspection went by, for a capsule that the caller completes and frees; NULL: none are kept, or it
 * is not over. */
PosternCapsule *postern_milter_ticket_take_capsule(PosternMilterTicket *ticket);

/* Ends the inspection, wherever it stands. */
void postern_milter_ticket_free(PosternMilterTicket *ticket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMilterTicket, postern_milter_ticket_free)
