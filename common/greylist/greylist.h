/*
 * Greylisting by identity: who is not known is asked to come back. An identity is a domain that SPF or DKIM
 * vouches for, so that a pool of senders is one; without one, the network that the client is in. The store
 * runs on a thread of its own: no event loop waits for a disk.
 */
#pragma once

#include <event2/event.h>

#include "base/configuration.h"
#include "greylist/store.h"
#include "mail/envelope.h"
#include "verdict/findings.h"

/* The store of a process, and its thread. */
typedef struct PosternGreylist PosternGreylist;

/* As [greylist] of configuration says. If the file cannot be used the log says so, nobody is greylisted, and
 * it is tried again with each ask: mail does not wait for a disk that is full. */
PosternGreylist *postern_greylist_new(const PosternConfiguration *configuration) G_GNUC_WARN_UNUSED_RESULT;
/* After its ports. NULL is allowed. */
void postern_greylist_free(PosternGreylist *greylist);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternGreylist, postern_greylist_free)

/* Where its answers come to an event loop. */
typedef struct PosternGreylistPort PosternGreylistPort;
/* NULL and error: the system refuses. greylist outlives it. */
PosternGreylistPort *postern_greylist_port_new(struct event_base *loop, PosternGreylist *greylist,
                                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Waits for what it asks now; no ask is left but cancelled ones. NULL is allowed. */
void postern_greylist_port_free(PosternGreylistPort *port);

/* From the loop, once, never from inside postern_greylist_ask(). The ask is gone then. */
typedef void (*PosternGreylistDone)(const PosternGreylistFinding *finding, gpointer user_data);
typedef struct PosternGreylistAsk PosternGreylistAsk;

/*
 * Looks for the sender of a message with envelope and findings, now in seconds since 1970, and notes that it
 * was here. If the store fails the finding is FAILED, and the log says so once.
 */
PosternGreylistAsk *postern_greylist_ask(PosternGreylistPort *port, const PosternEnvelope *envelope,
                                         const PosternFindings *findings, gint64 now,
                                         PosternGreylistDone done, gpointer user_data);
/* Ends it without its callback; NULL is allowed. */
void postern_greylist_cancel(PosternGreylistAsk *ask);

/* "domain:…" of all that SPF and DKIM vouch for; if there is none "network:…" of the client; of char *. Pure.
 */
GPtrArray *postern_greylist_identities(const PosternEnvelope *envelope, const PosternFindings *findings,
                                       guint ipv4_prefix, guint ipv6_prefix);
