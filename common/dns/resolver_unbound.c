#include "dns/resolver_unbound.h"

#include <arpa/nameser.h>
#include <pthread.h>

#include <unbound-event.h>
#include <unbound.h>

#include "base/error.h"
#include "base/limits.h"

/*
 * unbound.conf(5). A local zone of type transparent takes the place of a default one, so that the servers
 * have the say. libunbound 1.17 does not understand its own "nodefault" here.
 */
static const struct {
    const char *name, *value;
} fixed_options[] = {
    {"do-not-query-localhost:", "no"},
    {"unblock-lan-zones:", "yes"},
    {"insecure-lan-zones:", "yes"},
    {"local-zone:", "test. transparent"},
    {"local-zone:", "invalid. transparent"},
    {"local-zone:", "home.arpa. transparent"},
    {"local-zone:", "127.in-addr.arpa. transparent"},
    {"local-zone:", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa. transparent"},
    {"outgoing-range:", "1024"},
    {"outgoing-num-tcp:", "32"},
    {"num-queries-per-thread:", "4096"},
    {"infra-keep-probing:", "yes"},
    {"rrset-roundrobin:", "no"},
    {"msg-cache-slabs:", "1"},
    {"rrset-cache-slabs:", "1"},
    {"infra-cache-slabs:", "1"},
    {"key-cache-slabs:", "1"},
};

/* libunbound writes process-wide variables (log, hash seed) while a context is made or unmade. */
static pthread_mutex_t context_lock = PTHREAD_MUTEX_INITIALIZER;

static gboolean check(int outcome, const char *what, const char *value, GError **error)
{
    if (outcome == UB_NOERROR)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "resolver: %s \"%s\": %s", what, value,
                             ub_strerror(outcome));
}

static gboolean set_octets(struct ub_ctx *context, const char *name, guint64 octets, GError **error)
{
    char value[32];
    g_snprintf(value, sizeof value, "%" G_GUINT64_FORMAT, octets);
    return check(ub_ctx_set_option(context, name, value), name, value, error);
}

static gboolean set_options(struct ub_ctx *context, const PosternResolverOptions *options, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(fixed_options); i++) {
        const char *name = fixed_options[i].name, *value = fixed_options[i].value;
        if (!check(ub_ctx_set_option(context, name, value), name, value, error))
            return FALSE;
    }
    guint64 octets = MAX(options->cache_octets, POSTERN_RESOLVER_CACHE_MIN_OCTETS);
    if (!set_octets(context, "msg-cache-size:", octets, error) ||
        !set_octets(context, "rrset-cache-size:", 2 * octets, error))
        return FALSE;
    for (const char *const *server = options->servers; server != NULL && *server != NULL; server++)
        if (!check(ub_ctx_set_fwd(context, *server), "server (ADDRESS or ADDRESS@PORT)", *server, error))
            return FALSE;
    const char *anchors = options->trust_anchor_file;
    return anchors == NULL ||
           check(ub_ctx_add_ta_file(context, anchors), "trust anchor file", anchors, error);
}

static void ignore_answer(void *user_data, int rcode, void *packet, int length, int security, char *why_bogus,
                          int was_ratelimited)
{
}

/* libunbound looks at most options only when it is first asked. "localhost" never leaves the process. */
static gboolean finish(struct ub_ctx *context, GError **error)
{
    int outcome = ub_resolve_event(context, "localhost", POSTERN_DNS_A, ns_c_in, NULL, ignore_answer, NULL);
    if (outcome == UB_NOERROR)
        return TRUE;
    return postern_error_set(
        error, POSTERN_ERROR_CONFIGURATION,
        "resolver: libunbound cannot start with its servers, trust anchors or cache size: %s",
        ub_strerror(outcome));
}

struct ub_ctx *postern_resolver_context_new(struct event_base *loop, const PosternResolverOptions *options,
                                            GError **error)
{
    pthread_mutex_lock(&context_lock);
    struct ub_ctx *context = ub_ctx_create_event(loop);
    gboolean ready = FALSE;
    if (context == NULL)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM, "resolver: libunbound cannot make a context");
    else
        ready = check(ub_ctx_debugout(context, NULL), "log", "none", error) &&
                set_options(context, options, error) && finish(context, error);
    if (!ready)
        g_clear_pointer(&context, ub_ctx_delete);
    pthread_mutex_unlock(&context_lock);
    return context;
}

void postern_resolver_context_free(struct ub_ctx *context)
{
    pthread_mutex_lock(&context_lock);
    ub_ctx_delete(context);
    pthread_mutex_unlock(&context_lock);
}

gboolean postern_resolver_context_ask(struct ub_ctx *context, const PosternQuestion *question,
                                      PosternResolverContextDone callback, gpointer user_data)
{
    g_autoptr(GString) name = g_string_new(question->name);
    g_string_replace(name, "\\", "\\\\", 0);
    g_string_replace(name, " ", "\\032", 0);
    return ub_resolve_event(context, name->str, (int)question->type, ns_c_in, user_data, callback, NULL) ==
           UB_NOERROR;
}
