/*
 * Which questions may be on their way at the same time. libunbound asks a bounded number of servers at once
 * and lets the rest stand in line, so that one domain whose servers are dead would make all others wait, and
 * so would one client that asks for many such domains. Here each client has its line and its share
 * (base/fair_queue.h); and what is asked of a domain that has its share under way stands aside, in that
 * domain's own line. What is slow waits for itself alone. Pure.
 */
#pragma once

#include <glib.h>

#include "base/fair_queue.h"

typedef struct PosternDomainLimit PosternDomainLimit;

/* A question's place; a member of what it belongs to, zeroed at first, with data set. */
typedef struct {
    gpointer data;
    const char *name;
    guint64 client;
    gpointer domain;        /* while it is under way or stands aside, else NULL */
    PosternFairPlace place; /* in the client's line, or the domain's; data is the turn */
    GList link;             /* under way: among those of its domain; data is the turn */
    GList departing_link;   /* under way, and not returned yet; its data is NULL else */
    gint64 started;
    gboolean under_way;
} PosternResolverTurn;

PosternDomainLimit *postern_domain_limit_new(void);
/* All turns must have ended. */
void postern_domain_limit_free(PosternDomainLimit *turns);

/*
 * turn's question is about name (normalised, and outlives the turn), and client's: as for a fair queue. TRUE:
 * it is under way; FALSE: it stands in line. now is monotonic, in microseconds, here and below.
 */
gboolean postern_domain_limit_begin(PosternDomainLimit *turns, PosternResolverTurn *turn, const char *name,
                                    guint64 client, gint64 now);

/* It was answered, or nobody waits for it any more: under way, in line or neither. */
void postern_domain_limit_end(PosternDomainLimit *turns, PosternResolverTurn *turn);

/* One that stood in line and is under way now, or NULL: none may. */
PosternResolverTurn *postern_domain_limit_next(PosternDomainLimit *turns, gint64 now);
