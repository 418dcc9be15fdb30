/*
 * How many connections each client has, and its share of memory, over all threads. A client is an IPv4
 * address, or a /64 of IPv6, for there one customer has at least that much.
 */
#pragma once

#include <glib.h>

#include "base/budget.h"
#include "mail/envelope.h"

typedef enum {
    POSTERN_CLIENT_ADMITTED,
    POSTERN_CLIENT_TOO_MANY,       /* this client has too many */
    POSTERN_CLIENT_TOO_MANY_TOTAL, /* all clients together */
} PosternClientAdmission;

typedef struct PosternClientTable PosternClientTable;

PosternClientTable *postern_client_table_new(void);
void postern_client_table_free(PosternClientTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternClientTable, postern_client_table_free)

/* One connection more of client; only ADMITTED counts it, and then postern_client_table_leave() must follow.
 */
PosternClientAdmission postern_client_table_enter(PosternClientTable *table, const PosternAddress *client,
                                                  guint maximum, guint maximum_total);
void postern_client_table_leave(PosternClientTable *table, const PosternAddress *client);

/*
 * What an admitted client's messages, recipients and octets that wait are charged to, all its connections
 * together: a share of budget (base/budget.h), made at the first call. The caller's reference.
 */
PosternBudget *postern_client_table_share(PosternClientTable *table, const PosternAddress *client,
                                          PosternBudget *budget, guint64 maximum, guint64 assured);

/* Connections now, of all clients. */
guint postern_client_table_total(PosternClientTable *table);
/* How many client has now. Any thread. */
guint postern_client_table_connections(PosternClientTable *table, const PosternAddress *client);
