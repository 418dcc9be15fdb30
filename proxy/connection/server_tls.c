#include "proxy/connection/server_tls.h"

#include "base/error.h"
#include "base/fair_queue.h"
#include "proxy/connection/tls_transport.h"

struct PosternServerTls {
    PosternWorld *world;
    const PosternProxyGroup *group;
    PosternServer *server;
    PosternWorldCallback done;
    gpointer user_data;
    PosternTls level;
    PosternAnswers *answers;  /* the records; NULL: none are asked for */
    gpointer ask;             /* while they are */
    const GPtrArray *records; /* of answers, if they vouch for the server; else NULL */
    char *problem;
};

/* An answer that is not validated may be an attacker's; one that is missing may be one too (RFC 7672 2.1). */
static void judge(PosternServerTls *tls, const PosternAnswer *answer)
{
    gboolean failed = answer->status == POSTERN_ANSWER_SERVFAIL || answer->status == POSTERN_ANSWER_TIMEOUT;
    gboolean there = answer->status == POSTERN_ANSWER_RECORDS && answer->secure;
    if (there && postern_tls_context_takes_dane(tls->group->tls, answer->records)) {
        tls->level = POSTERN_TLS_VERIFY;
        tls->records = answer->records;
    } else if (failed) {
        tls->problem = g_strdup_printf("the DNS does not say whether it has TLSA records (%s)",
                                       postern_answer_status_name(answer->status));
    } else if (tls->level == POSTERN_TLS_DANE_ONLY) {
        tls->problem = g_strdup_printf(
            "TLS with it is dane-only, and it has no TLSA record %s",
            there ? "that can be used (RFC 7672 3.1)"
                  : (answer->status == POSTERN_ANSWER_RECORDS ? "that DNSSEC vouches for" : "in the DNS"));
    } else {
        tls->level = there ? POSTERN_TLS_ENCRYPT : POSTERN_TLS_MAY; /* RFC 7672 2.2 */
    }
}

static void on_answers(gpointer user_data)
{
    PosternServerTls *tls = user_data;
    GPtrArray *answered = postern_answers_answered(tls->answers);
    tls->ask = NULL;
    judge(tls, postern_answers_get(tls->answers, g_ptr_array_index(answered, 0)));
    g_ptr_array_unref(answered);
    tls->done(tls->user_data);
}

PosternServerTls *postern_server_tls_new(PosternWorld *world, const PosternProxyGroup *group,
                                         PosternServer *server, PosternWorldCallback done, gpointer user_data)
{
    PosternServerTls *tls = g_new0(PosternServerTls, 1);
    tls->world = world;
    tls->group = group;
    tls->server = postern_server_ref(server);
    tls->done = done;
    tls->user_data = user_data;
    /* A Unix socket does not leave the machine. */
    tls->level =
        postern_server_address(server)->family == AF_UNIX ? POSTERN_TLS_OFF : group->tls_servers.level;
    if (tls->level < POSTERN_TLS_DANE)
        return tls;
    /* RFC 7672 2.2.3 */
    g_autofree char *name =
        g_strdup_printf("_%u._tcp.%s", postern_server_address(server)->port, group->tls_servers.name);
    tls->answers = postern_answers_new();
    const PosternAnswer *answer = postern_answers_look_up(tls->answers, name, POSTERN_DNS_TLSA);
    if (answer == NULL)
        tls->ask = world->functions->ask(world, POSTERN_FAIR_QUEUE_NOBODY, tls->answers, on_answers, tls);
    else /* it is too long to be asked for */
        judge(tls, answer);
    return tls;
}

void postern_server_tls_free(PosternServerTls *tls)
{
    if (tls == NULL)
        return;
    if (tls->ask != NULL)
        tls->world->functions->ask_cancel(tls->ask);
    g_clear_pointer(&tls->answers, postern_answers_unref);
    postern_server_unref(tls->server);
    g_free(tls->problem);
    g_free(tls);
}

gboolean postern_server_tls_is_known(const PosternServerTls *tls)
{
    return tls->ask == NULL;
}

PosternTls postern_server_tls_level(const PosternServerTls *tls, gint64 now)
{
    gboolean without = tls->level == POSTERN_TLS_MAY && postern_server_does_without_tls(tls->server, now);
    return without ? POSTERN_TLS_OFF : tls->level;
}

PosternTransport *postern_server_tls_make(const PosternServerTls *tls, GError **error)
{
    if (tls->problem == NULL)
        return tls->world->functions->connect(tls->world, postern_server_address(tls->server), error);
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, tls->problem);
    return NULL;
}

/* Who has spoken behind the 220 is found out before TLS could take it for its own. */
void postern_server_tls_begin(const PosternServerTls *tls, PosternStream *stream, PosternBackend *backend,
                              gint64 now)
{
    if (postern_backend_state(backend) == POSTERN_BACKEND_CLOSED)
        return;
    gboolean early = postern_stream_has_more(stream);
    g_autofree char *name = postern_server_certificate_name(tls->server);
    PosternTransport *transport =
        early ? NULL
              : postern_tls_transport_connect(tls->group->tls, postern_server_address(tls->server), name,
                                              tls->records, postern_stream_transport(stream));
    if (transport != NULL)
        postern_stream_replace_transport(stream, transport);
    else if (!early)
        postern_backend_closed(backend, "no memory for TLS", now);
    postern_backend_tls_begins(backend, early, now);
}

gboolean postern_server_tls_has_failed(PosternStream *stream, PosternBackend *backend)
{
    PosternTransport *transport = postern_stream_transport(stream);
    const char *problem = postern_tls_transport_problem(transport);
    if (problem == NULL)
        return FALSE;
    postern_backend_tls_failed(backend, problem);
    postern_stream_replace_transport(stream, postern_tls_transport_unwrap(transport));
    return TRUE;
}
