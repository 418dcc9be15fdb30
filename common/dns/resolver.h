/*
 * Asks questions, all at once and without waiting, on one event loop. Either libunbound through its event
 * context (a context belongs to one thread), or an answers file in place of the network.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "base/configuration.h"
#include "base/fair_queue.h"
#include "dns/answers.h"
#include "dns/answers_file.h"
#include "dns/resolver_health.h"

typedef struct {
    /* NULL-terminated, of "ADDRESS" or "ADDRESS@PORT"; empty or NULL: full recursion. */
    const char *const *servers;
    guint timeout_ms;              /* until a question without an answer is a TIMEOUT */
    guint cache_octets;            /* for messages, and twice that for record sets */
    const char *trust_anchor_file; /* DS or DNSKEY records; NULL: no DNSSEC validation of our own */
} PosternResolverOptions;

typedef struct PosternResolver PosternResolver;

/*
 * A resolver on loop, which must outlive it; one thread calls everything of one resolver. Names under test.
 * and invalid. and reverse names of private addresses are asked like any others. Errors name the option that
 * libunbound refused.
 */
PosternResolver *postern_resolver_new(struct event_base *loop, const PosternResolverOptions *options,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A resolver that answers from file (a reference is taken). */
PosternResolver *postern_resolver_new_from_file(struct event_base *loop, PosternAnswersFile *file);

/*
 * The resolver that [dns] of configuration describes, one of shares that have its cache together; or one that
 * answers from file, if that is not NULL.
 */
PosternResolver *postern_resolver_from_configuration(struct event_base *loop,
                                                     const PosternConfiguration *configuration,
                                                     PosternAnswersFile *file, guint shares,
                                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * For --check-config: FALSE and error (POSTERN_ERROR_CONFIGURATION, or that of the file) if no resolver can
 * be made of [dns]. Files that this process may not read are not looked at. Asks nobody.
 */
gboolean postern_resolver_check_configuration(const PosternConfiguration *configuration,
                                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * A resolver that knows nothing and asks nobody: each question is told to unknown, and its answer is TIMEOUT.
 * unknown runs inside postern_resolver_ask().
 */
typedef void (*PosternResolverUnknown)(const PosternQuestion *question, gpointer user_data);
PosternResolver *postern_resolver_new_silent(struct event_base *loop, PosternResolverUnknown unknown,
                                             gpointer user_data);

/* Tells health (NULL: nobody) of each question that went out; it outlives the resolver. */
void postern_resolver_set_health(PosternResolver *resolver, PosternResolverHealth *health);

/* Outstanding asks end without their callback. */
void postern_resolver_free(PosternResolver *resolver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternResolver, postern_resolver_free)

/*
 * Called once for an ask, from the loop, never from inside postern_resolver_ask. Every question of the ask is
 * then in answers, and the ask is gone. The resolver may be freed here.
 */
typedef void (*PosternResolverDone)(gpointer user_data);

typedef struct PosternResolverAsk PosternResolverAsk;

/*
 * Asks all noted questions of answers (a reference is taken until done) at once; what has no answer after
 * timeout_ms is a TIMEOUT. client: whose mail they are for, so that nobody's questions hold up those of
 * others (base/fair_queue.h); what would be more than its share of POSTERN_RESOLVER_QUESTIONS_MAX is
 * SERVFAIL. The ask ends with its callback or with postern_resolver_cancel().
 */
PosternResolverAsk *postern_resolver_ask(PosternResolver *resolver, guint64 client, PosternAnswers *answers,
                                         PosternResolverDone done, gpointer user_data);

/* The same, of these questions (of PosternQuestion *, copied) alone: others that are noted in answers may be
 * on their way for another ask, which this one does not wait for. */
PosternResolverAsk *postern_resolver_ask_these(PosternResolver *resolver, guint64 client,
                                               const GPtrArray *questions, PosternAnswers *answers,
                                               PosternResolverDone done, gpointer user_data);

/* Ends an ask without its callback; NULL is allowed. A late answer touches nothing of the caller's. */
void postern_resolver_cancel(PosternResolverAsk *ask);

/*
 * A packet of libunbound (RFC 1035 4.1) as an answer to question; CNAME chains inside it are followed.
 * Anything malformed, truncated or over a limit is SERVFAIL. Never NULL. Public for its tests and fuzz
 * harness.
 */
PosternAnswer *postern_resolver_parse_packet(const guint8 *packet, gsize length,
                                             const PosternQuestion *question);
