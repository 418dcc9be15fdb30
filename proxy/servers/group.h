/*
 * A group of servers, any of which can take the same mail, shared by all threads. Each thread borrows its
 * connections through a pool of its own (pool.h); the group sees that each server's limit holds for all pools
 * together, and that what one has unused goes to another that waits.
 */
#pragma once

#include <glib.h>

#include "proxy/servers/server.h"

typedef struct PosternServerGroup PosternServerGroup;

/* servers: of PosternServerSettings *, at least one; copied. */
PosternServerGroup *postern_server_group_new(const GPtrArray *servers);
void postern_server_group_unref(PosternServerGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternServerGroup, postern_server_group_unref)

/* Connections that take a slot now, of all pools. Any thread. */
guint postern_server_group_used(PosternServerGroup *group);
