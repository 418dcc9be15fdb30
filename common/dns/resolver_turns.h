/*
 * Which questions may be on their way at the same time. libunbound asks a bounded number of servers at once
 * and lets the rest stand in line, so that one domain whose servers are dead would make all others wait. Here
 * each domain has its own line: what is slow waits for itself alone. Pure.
 */
#pragma once

#include <glib.h>

typedef struct PosternResolverTurns PosternResolverTurns;

/* A question's place; a member of what it belongs to, zeroed at first, with data set. */
typedef struct {
    gpointer data;
    GList link; /* in the line, or among those under way, of its domain; data is the turn */
    gpointer domain;
    gint64 started;
    gboolean under_way;
} PosternResolverTurn;

PosternResolverTurns *postern_resolver_turns_new(void);
/* All turns must have ended. */
void postern_resolver_turns_free(PosternResolverTurns *turns);

/*
 * turn's question is about name (normalised). TRUE: it is under way; FALSE: it stands in line. now is
 * monotonic, in microseconds, here and below.
 */
gboolean postern_resolver_turns_begin(PosternResolverTurns *turns, PosternResolverTurn *turn,
                                      const char *name, gint64 now);

/* It was answered, or nobody waits for it any more: under way, in line or neither. */
void postern_resolver_turns_end(PosternResolverTurns *turns, PosternResolverTurn *turn);

/* One that stood in line and is under way now, domain by domain; or NULL: none may. */
PosternResolverTurn *postern_resolver_turns_next(PosternResolverTurns *turns, gint64 now);
