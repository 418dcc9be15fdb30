/*
 * The libunbound context of a resolver, with our options. Private to resolver.c.
 */
#pragma once

#include "dns/resolver.h"

struct ub_ctx;

/* A context that is ready to be asked, or NULL and error. It belongs to the thread of loop. */
struct ub_ctx *postern_resolver_context_new(struct event_base *loop, const PosternResolverOptions *options,
                                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What is still asked gets its callback, as a failure, from inside this call. */
void postern_resolver_context_free(struct ub_ctx *context);

/* Asks; callback may come before this returns. FALSE: it never comes. */
typedef void (*PosternResolverContextDone)(void *user_data, int rcode, void *packet, int length, int security,
                                           char *why_bogus, int was_ratelimited);
gboolean postern_resolver_context_ask(struct ub_ctx *context, const PosternQuestion *question,
                                      PosternResolverContextDone callback, gpointer user_data);
