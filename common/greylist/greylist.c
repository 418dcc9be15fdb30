#include "greylist/greylist.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"

#define BATCH_MAX 1000

struct PosternGreylist {
    PosternGreylistStore *store;
    PosternGreylistTimes times;
    guint ipv4_prefix, ipv6_prefix;
    GAsyncQueue *asks; /* of PosternGreylistAsk *; the greylist itself: it is to end */
    GThread *thread;
    gboolean told; /* the thread's: the log knows that the store fails */
};

struct PosternGreylistPort {
    gint references; /* atomic: the loop's, and the thread's while it answers */
    PosternGreylist *greylist;
    GAsyncQueue *answered; /* of PosternGreylistAsk * */
    int wake;
    struct event *event;
    guint asks; /* under way */
};

/* The thread's from ask to answer, but for cancelled and what only the loop reads. */
struct PosternGreylistAsk {
    PosternGreylistPort *port;
    GPtrArray *identities;
    gint64 now;
    PosternGreylistFinding finding;
    PosternGreylistDone done; /* NULL: cancelled; the loop's */
    gpointer user_data;
};

static void port_unref(PosternGreylistPort *port)
{
    if (!g_atomic_int_dec_and_test(&port->references))
        return;
    close(port->wake);
    g_async_queue_unref(port->answered);
    g_free(port);
}

static void add_domain(GPtrArray *identities, const char *domain)
{
    g_autofree char *lower = g_ascii_strdown(domain, -1);
    g_autofree char *identity = g_strconcat("domain:", lower, NULL);
    if (!g_ptr_array_find_with_equal_func(identities, identity, g_str_equal, NULL))
        g_ptr_array_add(identities, g_steal_pointer(&identity));
}

static char *network_of(const PosternAddress *client, guint ipv4_prefix, guint ipv6_prefix)
{
    gboolean ipv4 = client->family == AF_INET;
    guint bits = ipv4 ? ipv4_prefix : ipv6_prefix;
    PosternAddress network = *client;
    guint8 *octets = ipv4 ? (guint8 *)&network.ipv4 : (guint8 *)&network.ipv6;
    for (guint i = 0; i < (ipv4 ? 4U : 16U); i++)
        octets[i] &= (guint8)(0xff00U >> (bits > i * 8 ? MIN(bits - i * 8, 8) : 0));
    g_autofree char *text = postern_address_to_string(&network);
    return g_strdup_printf("network:%s/%u", text, bits);
}

GPtrArray *postern_greylist_identities(const PosternEnvelope *envelope, const PosternFindings *findings,
                                       guint ipv4_prefix, guint ipv6_prefix)
{
    GPtrArray *identities = g_ptr_array_new_with_free_func(g_free);
    const PosternSpfFinding *spf = &findings->spf;
    if (spf->result == POSTERN_SPF_PASS && !spf->helo && spf->domain != NULL)
        add_domain(identities, spf->domain);
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *dkim = g_ptr_array_index(findings->dkim.signatures, i);
        if (dkim->result == POSTERN_DKIM_PASS && dkim->domain != NULL)
            add_domain(identities, dkim->domain);
    }
    if (identities->len == 0 && envelope->client.family != AF_UNSPEC)
        g_ptr_array_add(identities, network_of(&envelope->client, ipv4_prefix, ipv6_prefix));
    return identities;
}

static void ask_free(PosternGreylistAsk *ask)
{
    g_ptr_array_unref(ask->identities);
    g_free(ask->finding.identity);
    g_free(ask);
}

/* Each identity of the sender is noted; one that is known is enough for it. */
static gboolean judge(PosternGreylist *greylist, PosternGreylistAsk *ask, GError **error)
{
    const PosternGreylistStoreFunctions *functions = greylist->store->functions;
    PosternGreylistFinding *finding = &ask->finding;
    for (guint i = 0; i < ask->identities->len; i++) {
        const char *identity = g_ptr_array_index(ask->identities, i);
        PosternGreylistEntry entry;
        gboolean is_new = FALSE;
        if (!functions->get(greylist->store, identity, &entry, error))
            return FALSE;
        guint seconds = postern_greylist_judge(&entry, &greylist->times, ask->now, &is_new);
        if (!functions->put(greylist->store, identity, &entry, error))
            return FALSE;
        if (finding->identity != NULL && seconds >= finding->seconds)
            continue;
        finding->seconds = seconds;
        finding->result = seconds == 0 ? POSTERN_GREYLIST_PASSED
                          : is_new     ? POSTERN_GREYLIST_NEW
                                       : POSTERN_GREYLIST_WAITING;
        g_free(finding->identity);
        finding->identity = g_strdup(identity);
    }
    return TRUE;
}

static gboolean judge_batch(PosternGreylist *greylist, GPtrArray *asks, GError **error)
{
    const PosternGreylistStoreFunctions *functions = greylist->store->functions;
    gboolean ok = TRUE;
    if (!functions->begin(greylist->store, error))
        return FALSE;
    for (guint i = 0; i < asks->len && ok; i++) {
        PosternGreylistAsk *ask = g_ptr_array_index(asks, i);
        g_clear_pointer(&ask->finding.identity, g_free); /* of a first try */
        ok = judge(greylist, ask, error);
    }
    return functions->end(greylist->store, ok ? error : NULL) && ok;
}

/* Without asks: it is seen whether the store can be used. */
static void judge_all(PosternGreylist *greylist, GPtrArray *asks)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = judge_batch(greylist, asks, &error);
    if (!ok && greylist->store->functions->mend(greylist->store)) {
        g_clear_error(&error);
        ok = judge_batch(greylist, asks, &error);
    }
    for (guint i = 0; i < asks->len && !ok; i++)
        ((PosternGreylistAsk *)g_ptr_array_index(asks, i))->finding.result = POSTERN_GREYLIST_FAILED;
    if (!ok && !greylist->told)
        postern_log(POSTERN_LOG_ERROR, "%s; nobody is greylisted meanwhile", error->message);
    else if (ok && greylist->told)
        postern_log(POSTERN_LOG_NOTICE, "greylisting works again");
    greylist->told = !ok;
}

static gpointer run(gpointer data)
{
    PosternGreylist *greylist = data;
    g_autoptr(GPtrArray) asks = g_ptr_array_new();
    gboolean ends = FALSE;
    judge_all(greylist, asks);
    while (!ends) {
        gpointer next = g_async_queue_pop(greylist->asks);
        g_ptr_array_set_size(asks, 0);
        for (; next != NULL; next = asks->len < BATCH_MAX ? g_async_queue_try_pop(greylist->asks) : NULL)
            if (next == greylist)
                ends = TRUE;
            else
                g_ptr_array_add(asks, next);
        if (asks->len > 0)
            judge_all(greylist, asks);
        for (guint i = 0; i < asks->len; i++) {
            PosternGreylistAsk *ask = g_ptr_array_index(asks, i);
            PosternGreylistPort *port = ask->port;
            g_atomic_int_inc(&port->references);
            g_async_queue_push(port->answered, ask);
            (void)eventfd_write(port->wake, 1);
            port_unref(port);
        }
    }
    return NULL;
}

PosternGreylist *postern_greylist_new(const PosternConfiguration *configuration)
{
    const PosternGreylistTimes times = {.delay_s = configuration->greylist.delay_ms / 1000,
                                        .window_s = configuration->greylist.retry_hours * 3600,
                                        .lifetime_s = configuration->greylist.lifetime_days * 24 * 3600};
    const PosternGreylistStoreOptions options = {.path = configuration->greylist.file,
                                                 .entries_max = configuration->greylist.entries,
                                                 .octets_max = configuration->greylist.octets,
                                                 .times = times};
    PosternGreylist *greylist = g_new0(PosternGreylist, 1);
    greylist->store = postern_greylist_sqlite_new(&options);
    greylist->times = times;
    greylist->ipv4_prefix = configuration->greylist.ipv4_prefix;
    greylist->ipv6_prefix = configuration->greylist.ipv6_prefix;
    greylist->asks = g_async_queue_new();
    greylist->thread = postern_thread_new("greylist", run, greylist);
    return greylist;
}

void postern_greylist_free(PosternGreylist *greylist)
{
    if (greylist == NULL)
        return;
    g_async_queue_push(greylist->asks, greylist);
    g_thread_join(greylist->thread);
    g_async_queue_unref(greylist->asks);
    greylist->store->functions->free(greylist->store);
    g_free(greylist);
}

static void on_wake(evutil_socket_t descriptor, short what, void *data)
{
    PosternGreylistPort *port = data;
    PosternGreylistAsk *ask;
    eventfd_t count;
    (void)eventfd_read(port->wake, &count);
    while ((ask = g_async_queue_try_pop(port->answered)) != NULL) {
        port->asks--;
        if (ask->done != NULL)
            ask->done(&ask->finding, ask->user_data);
        ask_free(ask);
    }
}

PosternGreylistPort *postern_greylist_port_new(struct event_base *loop, PosternGreylist *greylist,
                                               GError **error)
{
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0) {
        postern_error_set_system(error, errno, "cannot make an eventfd");
        return NULL;
    }
    PosternGreylistPort *port = g_new0(PosternGreylistPort, 1);
    port->references = 1;
    port->greylist = greylist;
    port->answered = g_async_queue_new();
    port->wake = wake;
    port->event = event_new(loop, wake, EV_READ | EV_PERSIST, on_wake, port);
    event_add(port->event, NULL);
    return port;
}

void postern_greylist_port_free(PosternGreylistPort *port)
{
    if (port == NULL)
        return;
    for (; port->asks > 0; port->asks--) /* cancelled ones that the thread still has */
        ask_free(g_async_queue_pop(port->answered));
    event_free(port->event);
    port_unref(port);
}

PosternGreylistAsk *postern_greylist_ask(PosternGreylistPort *port, const PosternEnvelope *envelope,
                                         const PosternFindings *findings, gint64 now,
                                         PosternGreylistDone done, gpointer user_data)
{
    PosternGreylistAsk *ask = g_new0(PosternGreylistAsk, 1);
    ask->port = port;
    ask->identities = postern_greylist_identities(envelope, findings, port->greylist->ipv4_prefix,
                                                  port->greylist->ipv6_prefix);
    ask->now = now;
    ask->done = done;
    ask->user_data = user_data;
    port->asks++;
    g_async_queue_push(port->greylist->asks, ask);
    return ask;
}

void postern_greylist_cancel(PosternGreylistAsk *ask)
{
    if (ask != NULL)
        ask->done = NULL;
}
