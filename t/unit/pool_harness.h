/* A pool under test: what it wants done comes out as text. */
#pragma once

#include "base/limits.h"
#include "proxy/servers/pool.h"

#define WAIT_MS 1000
#define IDLE_MS 5000

/* What the pool wants done, as text: "open 1, assign 1 to 5, refuse 7 (reason), quit 1". */
static inline void expect_actions(PosternPool *pool, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    PosternPoolAction action;
    while (postern_pool_next_action(pool, &action)) {
        const char *comma = text->len > 0 ? ", " : "";
        guint connection = (guint)action.connection;
        guint waiter = (guint)action.waiter;
        switch (action.kind) {
        case POSTERN_POOL_OPEN:
            g_string_append_printf(text, "%sopen %u", comma, connection);
            break;
        case POSTERN_POOL_ASSIGN:
            g_string_append_printf(text, "%sassign %u to %u", comma, connection, waiter);
            break;
        case POSTERN_POOL_REFUSE:
            g_string_append_printf(text, "%srefuse %u (%s)", comma, waiter, action.reason);
            break;
        case POSTERN_POOL_RECALL:
            g_string_append_printf(text, "%srecall %u of %u", comma, connection, waiter);
            break;
        case POSTERN_POOL_QUIT:
            g_string_append_printf(text, "%squit %u", comma, connection);
            break;
        }
    }
    g_assert_cmpstr(text->str, ==, expected);
}

static inline PosternPool *usable_pool(guint limit)
{
    PosternPool *pool = postern_pool_new(limit, WAIT_MS, IDLE_MS);
    postern_pool_set_health(pool, POSTERN_SERVER_UP, NULL, 0);
    expect_actions(pool, "");
    return pool;
}

/* Waiter 1 has connection 1, waiter 2 connection 2 … */
static inline PosternPool *busy_pool(guint limit)
{
    PosternPool *pool = usable_pool(limit);
    PosternPoolAction action;
    for (guint i = 1; i <= limit; i++) {
        postern_pool_request(pool, i, i, 0);
        postern_pool_opened(pool, i, 0);
    }
    while (postern_pool_next_action(pool, &action))
        ;
    g_assert_cmpuint(postern_pool_used(pool), ==, limit);
    return pool;
}
