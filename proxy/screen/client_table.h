/*
 * What is known of each client, over all threads: its connections, how often it did what is limited, its
 * share of memory, and whether it was good or bad. A client is an address, or what begins with the same bits
 * ([screen] ipv4_prefix, ipv6_prefix); its network is counted beside it.
 *
 * What is known outlives the connection, and is bounded: of those that are not connected [screen] max_clients
 * are remembered. A flood of addresses pushes out what was seen once; a quarter of the room is for that, a
 * quarter for those with points, and half for those whose mail was accepted, with points or without. What an
 * administrator has ordered stands apart from that: it is bounded (POSTERN_ORDERS_MAX), and nothing but time
 * or another order ends it.
 */
#pragma once

#include <glib.h>

#include "base/budget.h"
#include "base/configuration.h"
#include "base/suspicion.h"
#include "mail/envelope.h"
#include "proxy/screen/bucket.h"
#include "proxy/screen/orders.h"

typedef enum {
    POSTERN_LIMIT_NONE,
    POSTERN_LIMIT_CONNECTIONS,         /* this client has too many */
    POSTERN_LIMIT_CONNECTIONS_NETWORK, /* all clients of its network */
    POSTERN_LIMIT_CONNECTIONS_TOTAL,   /* all clients together */
    POSTERN_LIMIT_RATE,                /* this client has done that too often */
    POSTERN_LIMIT_RATE_NETWORK,
    POSTERN_LIMIT_RATE_TOTAL, /* all clients of its class: see [class] total_factor */
} PosternClientLimit;

typedef struct {
    guint connections;
    guint points;       /* of suspicion, those that are forgotten subtracted */
    guint reasons;      /* for them: mask of PosternReason */
    gboolean good;      /* its mail was accepted, and it gave no reason since to doubt it */
    PosternOrder order; /* an administrator's, that holds */
    guint counts[POSTERN_COUNTS];
} PosternClientStanding;

/* What a client may have; a number of connections is one that may be reached. */
typedef struct {
    const PosternClassOptions *class; /* its rates; NULL: any */
    gboolean rate_refuses;            /* it cannot connect while it is over connection_rate */
    guint connections;
    guint connections_total; /* 0: it is counted there already, for this is whom a client speaks for */
} PosternClientAllowance;

typedef struct PosternClientTable PosternClientTable;

/* As [screen] of configuration says, which is not needed later. */
PosternClientTable *postern_client_table_new(const PosternConfiguration *configuration);
void postern_client_table_free(PosternClientTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternClientTable, postern_client_table_free)

/*
 * One connection more of client, if it may have it; only NONE counts it, and then
 * postern_client_table_leave() must follow. now: monotonic milliseconds, here and below.
 */
PosternClientLimit postern_client_table_enter(PosternClientTable *table, const PosternAddress *client,
                                              const PosternClientAllowance *allowance, gint64 now);
/* in_total: as it has entered. */
void postern_client_table_leave(PosternClientTable *table, const PosternAddress *client, gboolean in_total,
                                gint64 now);

/*
 * An entered client has done, or wants to do, what number times. MESSAGES and RECIPIENTS are asked for: what
 * is over the limit of class is not counted. The others have happened, and are counted in any case.
 */
PosternClientLimit postern_client_table_count(PosternClientTable *table, const PosternAddress *client,
                                              const PosternClassOptions *class, PosternClientCount what,
                                              guint number, gint64 now);
/* Whether class allows an entered client no what more; nothing is counted. */
gboolean postern_client_table_is_over(PosternClientTable *table, const PosternAddress *client,
                                      const PosternClassOptions *class, PosternClientCount what, gint64 now);

/* Points more for a client, for reason, if it is known; half of them are forgotten in [screen] forget. */
void postern_client_table_blame(PosternClientTable *table, const PosternAddress *client, PosternReason reason,
                                guint points, gint64 now);
/* good: its mail was accepted, so its points are forgotten, and it is good for [screen] good_days; else it
 * has done what no wanted client does, and is good no more until mail of it is accepted again. */
void postern_client_table_set_good(PosternClientTable *table, const PosternAddress *client, gboolean good,
                                   gint64 now);
/* The administrator's order for client, in place of an earlier one, until then; NONE: there is none any more.
 * Its points are forgotten; it need not be known. FALSE: POSTERN_ORDERS_MAX others hold. */
gboolean postern_client_table_order(PosternClientTable *table, const PosternAddress *client,
                                    PosternOrderKind kind, gint64 until, gint64 now);
/* All orders that hold, of PosternOrder; and what changes with each. Any thread. */
GArray *postern_client_table_orders(PosternClientTable *table, gint64 now);
guint postern_client_table_order_serial(PosternClientTable *table);
/* What is known of client; FALSE and zeros: nothing. */
gboolean postern_client_table_standing(PosternClientTable *table, const PosternAddress *client, gint64 now,
                                       PosternClientStanding *ret_standing);

/* client: its number (postern_address_client_number()); standing: only for the call. */
typedef void (*PosternClientTold)(guint64 client, const PosternClientStanding *standing, gpointer user_data);
/* Tells of each client that is known (networks are none), one stripe of the table locked at a time. */
void postern_client_table_each(PosternClientTable *table, gint64 now, PosternClientTold told,
                               gpointer user_data);

/*
 * What an entered client's messages, recipients and octets that wait are charged to, all its connections
 * together: a share of budget (base/budget.h), made at the first call. The caller's reference.
 */
PosternBudget *postern_client_table_share(PosternClientTable *table, const PosternAddress *client,
                                          PosternBudget *budget, guint64 maximum, guint64 assured);

/* Octets of messages of client, all its connections together, or (NULL) of all clients: see bucket.h. */
gint64 postern_client_table_take(PosternClientTable *table, const PosternAddress *client, guint64 octets,
                                 guint64 rate, gint64 now);

/* Connections now, of all clients. */
guint postern_client_table_total(PosternClientTable *table);
/* Suspects that are slowed now; number more (or less). Any thread. */
guint postern_client_table_slowed(PosternClientTable *table, gint number);
/* How many client has now. Any thread. */
guint postern_client_table_connections(PosternClientTable *table, const PosternAddress *client);
/* Clients and networks that are known, connected or not. */
guint postern_client_table_size(PosternClientTable *table);
