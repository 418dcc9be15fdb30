#include "proxy/servers/pool_waiters.h"

#include "base/memory.h"
#include "proxy/servers/group_private.h"

void postern_pool_waiters_init(PosternPoolWaiters *waiters, PosternFairQueue *turns, guint section)
{
    waiters->numbers = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_queue_init(&waiters->order);
    g_queue_init(&waiters->admitted);
    waiters->turns = turns;
    waiters->section = section;
}

void postern_pool_waiters_clear(PosternPoolWaiters *waiters)
{
    PosternPoolWaiter *waiter;
    while ((waiter = postern_pool_waiters_first(waiters)) != NULL) {
        postern_pool_waiters_take(waiters, waiter);
        postern_pool_waiter_free(waiters, waiter);
    }
    g_hash_table_unref(waiters->numbers);
}

/* One that is put back has an early deadline, and its place is near the head. */
static void put_in_order(PosternPoolWaiters *waiters, PosternPoolWaiter *waiter, gboolean from_head)
{
    GList *behind = from_head ? waiters->order.head : NULL;
    while (behind != NULL && ((const PosternPoolWaiter *)behind->data)->deadline < waiter->deadline)
        behind = behind->next;
    if (behind == NULL)
        g_queue_push_tail_link(&waiters->order, &waiter->order_link);
    else
        g_queue_insert_before_link(&waiters->order, behind, &waiter->order_link);
    g_hash_table_insert(waiters->numbers, &waiter->number, waiter);
}

void postern_pool_waiter_set_server(PosternPoolWaiter *waiter, PosternServer *server)
{
    if (server == waiter->server)
        return;
    if (waiter->server != NULL)
        waiter->server->claimed--;
    if (server != NULL)
        postern_server_ref(server)->claimed++;
    postern_server_unref(waiter->server);
    waiter->server = server;
}

void postern_pool_waiters_add(PosternPoolWaiters *waiters, guint64 number, guint64 client, guint64 key,
                              PosternFairTurn turn, gint64 deadline)
{
    PosternPoolWaiter *waiter = postern_new_zeroed(PosternPoolWaiter);
    waiter->number = number;
    waiter->deadline = deadline;
    waiter->key = key;
    waiter->order_link.data = waiter->admitted_link.data = waiter->place.data = waiter;
    put_in_order(waiters, waiter, FALSE);
    waiter->place.section = waiters->section;
    postern_fair_queue_wait(waiters->turns, &waiter->place, client, turn);
}

PosternPoolWaiter *postern_pool_waiters_find(const PosternPoolWaiters *waiters, guint64 number)
{
    return g_hash_table_lookup(waiters->numbers, &number);
}

/* FALSE: there is none. */
static gboolean push_admitted(PosternPoolWaiters *waiters, PosternFairPlace *place)
{
    PosternPoolWaiter *waiter = place != NULL ? place->data : NULL;
    if (waiter != NULL)
        g_queue_push_tail_link(&waiters->admitted, &waiter->admitted_link);
    return waiter != NULL;
}

gboolean postern_pool_waiters_admit(PosternPoolWaiters *waiters)
{
    guint before = waiters->admitted.length;
    while (push_admitted(waiters, postern_fair_queue_admit_in(waiters->turns, waiters->section)))
        ;
    return waiters->admitted.length > before;
}

gboolean postern_pool_waiters_admit_needy(PosternPoolWaiters *waiters)
{
    return push_admitted(waiters, postern_fair_queue_admit_needy(waiters->turns, waiters->section));
}

void postern_pool_waiters_take(PosternPoolWaiters *waiters, PosternPoolWaiter *waiter)
{
    postern_pool_waiter_set_server(waiter, NULL);
    g_queue_unlink(&waiters->order, &waiter->order_link);
    g_hash_table_remove(waiters->numbers, &waiter->number);
    if (waiter->place.state == POSTERN_FAIR_PLACE_ADMITTED)
        g_queue_unlink(&waiters->admitted, &waiter->admitted_link);
}

void postern_pool_waiters_put_back(PosternPoolWaiters *waiters, PosternPoolWaiter *waiter)
{
    put_in_order(waiters, waiter, TRUE);
    if (waiter->place.state == POSTERN_FAIR_PLACE_ADMITTED)
        g_queue_push_head_link(&waiters->admitted, &waiter->admitted_link);
}

void postern_pool_waiter_free(PosternPoolWaiters *waiters, PosternPoolWaiter *waiter)
{
    if (waiter == NULL)
        return;
    postern_fair_queue_leave(waiters->turns, &waiter->place);
    g_free(waiter);
}

PosternPoolWaiter *postern_pool_waiters_first(const PosternPoolWaiters *waiters)
{
    return waiters->order.head != NULL ? waiters->order.head->data : NULL;
}
