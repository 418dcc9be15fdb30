/* A pool under test: what it wants done comes out as text. */
#pragma once

#include "base/limits.h"
#include "proxy/servers/pool.h"

#define WAIT_MS 1000
#define IDLE_MS 5000
#define PROBE_AGAIN_MS 1000000000 /* later than anything in a test */

static inline void append_borrower(GString *text, const PosternPoolAction *action)
{
    if (action->borrower == POSTERN_BORROWER_PROBE)
        g_string_append(text, "the probe");
    else
        g_string_append_printf(text, "%u", (guint)action->waiter);
}

static inline void append_action(GString *text, const PosternPoolAction *action)
{
    guint connection = (guint)action->connection;
    if (action->kind == POSTERN_POOL_ANNOUNCE)
        return;
    if (text->len > 0)
        g_string_append(text, ", ");
    switch (action->kind) {
    case POSTERN_POOL_OPEN:
        g_string_append_printf(text, "open %u", connection);
        break;
    case POSTERN_POOL_ASSIGN:
        g_string_append_printf(text, "assign %u to ", connection);
        append_borrower(text, action);
        break;
    case POSTERN_POOL_REFUSE:
        g_string_append(text, "refuse ");
        append_borrower(text, action);
        g_string_append_printf(text, " (%s)", action->reason != NULL ? action->reason : "gone");
        break;
    case POSTERN_POOL_RECALL:
        g_string_append_printf(text, "recall %u of %u", connection, (guint)action->waiter);
        break;
    case POSTERN_POOL_QUIT:
        g_string_append_printf(text, "quit %u", connection);
        break;
    case POSTERN_POOL_PROBE:
        g_string_append(text, "probe");
        break;
    case POSTERN_POOL_LOOK_UP:
        g_string_append_printf(text, "look up %s", action->named->host);
        break;
    case POSTERN_POOL_ANNOUNCE:
        break;
    }
}

/* What the pool wants done, as text: "open 1, assign 1 to 5, refuse 7 (reason), quit 1". */
static inline void expect_actions(PosternPool *pool, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    PosternPoolAction action;
    while (postern_pool_next_action(pool, &action))
        append_action(text, &action);
    g_assert_cmpstr(text->str, ==, expected);
}

static inline void free_server_settings(gpointer settings)
{
    postern_server_settings_free(settings);
}

/* Of the servers 192.0.2.1:25, 192.0.2.2:25 …, each with limit. */
static inline GPtrArray *server_settings_of(guint servers, guint limit)
{
    GPtrArray *settings = g_ptr_array_new_with_free_func(free_server_settings);
    for (guint i = 1; i <= servers; i++) {
        g_autofree char *name = g_strdup_printf("192.0.2.%u:25", i);
        g_ptr_array_add(settings, postern_server_settings_new(name, limit, NULL));
    }
    return settings;
}

static inline PosternServerGroup *new_group(GPtrArray *servers)
{
    const PosternGroupSettings settings = {.servers = servers};
    return postern_server_group_new(&settings);
}

/* To what is said after serial reloads, of which so many asked others things of the servers. */
static inline void reload_pool(PosternPool *pool, GPtrArray *servers, guint serial, guint generation,
                               gint64 now)
{
    const PosternGroupSettings settings = {.servers = servers,
                                           .wait_ms = WAIT_MS,
                                           .idle_ms = IDLE_MS,
                                           .serial = serial,
                                           .generation = generation};
    postern_pool_reload(pool, &settings, now);
}

/* One that begins to probe its server, *ret_server (the caller's, or NULL). */
static inline PosternPool *new_pool(guint limit, PosternServer **ret_server)
{
    g_autoptr(GPtrArray) settings = server_settings_of(1, limit);
    g_autoptr(PosternServerGroup) group = new_group(settings);
    PosternPool *pool = postern_pool_new(group, WAIT_MS, IDLE_MS, NULL, NULL);
    PosternPoolAction action;
    postern_pool_timer(pool, 0);
    g_assert_true(postern_pool_next_action(pool, &action));
    g_assert_cmpint(action.kind, ==, POSTERN_POOL_PROBE);
    *ret_server = postern_server_ref(action.server);
    return pool;
}

static inline PosternPool *usable_pool(guint limit)
{
    g_autoptr(PosternServer) server = NULL;
    PosternPool *pool = new_pool(limit, &server);
    postern_pool_mark_up(pool, server, PROBE_AGAIN_MS, 0);
    expect_actions(pool, "");
    return pool;
}

static inline void want(PosternPool *pool, guint64 waiter, guint64 client, gint64 now)
{
    postern_pool_request(pool, waiter, client, client, POSTERN_FAIR_TURN_LAST, now);
}

static inline void opened(PosternPool *pool, guint64 connection, gint64 now)
{
    const PosternEhlo ehlo = {.capabilities = POSTERN_CAPABILITY_PIPELINING};
    postern_pool_opened(pool, connection, &ehlo, now);
}

/* Waiter 1 has connection 1, waiter 2 connection 2 … */
static inline void fill(PosternPool *pool, guint limit)
{
    PosternPoolAction action;
    for (guint i = 1; i <= limit; i++) {
        want(pool, i, i, 0);
        opened(pool, i, 0);
    }
    while (postern_pool_next_action(pool, &action))
        ;
    g_assert_cmpuint(postern_pool_used(pool), ==, limit);
}

static inline PosternPool *busy_pool(guint limit)
{
    PosternPool *pool = usable_pool(limit);
    fill(pool, limit);
    return pool;
}
