/*
 * A group of servers, any of which can take the same mail, shared by all threads. Each thread borrows its
 * connections through a pool of its own (pool.h); the group sees that each server's limit holds for all pools
 * together, and that what one has unused goes to another that waits.
 */
#pragma once

#include "base/configuration/servers.h"
#include "proxy/servers/refusals.h"
#include "proxy/servers/server.h"

typedef struct {
    GPtrArray *servers; /* of PosternServerSettings *, at least one; some may have a host (names.h) */
    PosternBalance balance;
    guint slow_start_ms; /* so long a server that comes back gets less than its part */
    guint check_ms;      /* how often one that failed is tried while others serve */
    guint refusals;      /* of recipients, that are kept (refusals.h); 0: none */
    guint refusals_ms;   /* how long */
    guint number;        /* of the group: no two that one thread has may have the same */
    guint wait_ms;       /* how long who wants a connection waits */
    guint idle_ms;       /* how long an unused connection is kept */
    guint serial;        /* grows with each reload */
    guint generation; /* grows with each reload after which what was found out of the servers holds no more */
} PosternGroupSettings;

typedef struct PosternServerGroup PosternServerGroup;

/* settings is copied. */
PosternServerGroup *postern_server_group_new(const PosternGroupSettings *settings);
PosternServerGroup *postern_server_group_ref(PosternServerGroup *group);
void postern_server_group_unref(PosternServerGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternServerGroup, postern_server_group_unref)

/* Appends a line for each server, for people: where it stands, and why. Any thread. */
void postern_server_group_describe(PosternServerGroup *group, const char *name, GString *out);
/* A server of the group: limit and used: connections; reason: why it is DOWN, or NULL. All only for the call.
 */
typedef void (*PosternServerTold)(const PosternServerSettings *settings, PosternServerHealth health,
                                  const char *reason, guint used, gpointer user_data);
/* Tells of each, with the group locked: told calls nothing of it. Any thread. */
void postern_server_group_each(PosternServerGroup *group, PosternServerTold told, gpointer user_data);
/* Servers of these names (a set; those of a name in the DNS are meant by it too) get nobody new, beside those
 * that the settings drain, until the next call. names is copied. Any thread. */
void postern_server_group_drain(PosternServerGroup *group, GHashTable *names, gint64 now);
/* TRUE if it has a server, or servers, of that name. Any thread. */
gboolean postern_server_group_has(PosternServerGroup *group, const char *name);
/* Sessions that wait for a connection now, of all pools. Any thread. */
guint postern_server_group_waiting(PosternServerGroup *group);

/* The key of who has that name, such as a domain, where a group balances by a hash. */
guint64 postern_balance_key(const char *name);

/* What its servers have said of recipients, as long as the group; it is begun anew by a reload, and if the
 * DNS has other servers. Any thread. */
PosternRefusals *postern_server_group_refusals(PosternServerGroup *group);

/* Connections that take a slot now, of all pools. Any thread. */
guint postern_server_group_used(PosternServerGroup *group);
