/*
 * What an administrator has ordered for clients, each for a time: a list that is bounded, and of which
 * nothing but time or another order takes anything away. Any thread; the lock is of few clients, and none is
 * taken while there are no orders.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_ORDER_NONE,
    POSTERN_ORDER_BLOCK,   /* it is turned away */
    POSTERN_ORDER_RELEASE, /* it is no suspect */
} PosternOrderKind;

typedef struct {
    guint64 client; /* its number */
    gint64 until;   /* monotonic milliseconds */
    PosternOrderKind kind;
} PosternOrder;

typedef struct PosternOrders PosternOrders;

PosternOrders *postern_orders_new(void);
void postern_orders_free(PosternOrders *orders);

/* In place of an earlier one for that client; NONE: there is none any more. FALSE: POSTERN_ORDERS_MAX others
 * hold at now. */
gboolean postern_orders_set(PosternOrders *orders, const PosternOrder *order, gint64 now);
/* The order that holds for client; its kind is NONE if there is none. */
PosternOrder postern_orders_find(PosternOrders *orders, guint64 client, gint64 now);
/* All that hold, of PosternOrder. */
GArray *postern_orders_list(PosternOrders *orders, gint64 now);
/* Changes with every order. */
guint postern_orders_serial(PosternOrders *orders);
