#include "checks/check.h"

#include <netdb.h>
#include <netinet/in.h>
#include <spf2/spf.h>
#include <string.h>

#include "base/limits.h"
#include "checks/spf/identity.h"
#include "checks/spf/libspf2_dns.h"

struct PosternLibspf2Engine {
    SPF_server_t *server;
};

/* No explanation is compiled, for it is untrusted: a record of 497 octets makes the library overrun its
 * stack. */
static SPF_errcode_t keep_explanation_empty(SPF_server_t *server, const char *domain, char **buffer,
                                            size_t *length)
{
    (*buffer)[0] = '\0';
    return SPF_E_SUCCESS;
}

PosternLibspf2Engine *postern_libspf2_engine_new(void)
{
    PosternLibspf2Engine *engine = g_new0(PosternLibspf2Engine, 1);
    SPF_response_t *response = NULL;

    /* It would say what it thinks on standard output. */
    SPF_info_handler = NULL;
    SPF_warning_handler = NULL;
    SPF_debug_handler = NULL;
    engine->server = SPF_server_new_dns(NULL, 0);
    if (engine->server == NULL)
        g_error("out of memory in libspf2");
    /* Nobody reads its own, which would be expanded for each result but pass. */
    SPF_server_set_explanation(engine->server, "", &response);
    if (response != NULL)
        SPF_response_free(response);
    return engine;
}

void postern_libspf2_engine_free(PosternLibspf2Engine *engine)
{
    if (engine == NULL)
        return;
    engine->server->resolver = NULL;
    SPF_server_free(engine->server);
    g_free(engine);
}

static void set_client(SPF_request_t *request, const PosternAddress *client)
{
    if (client->family == AF_INET)
        SPF_request_set_ipv4(request, client->ipv4);
    else
        SPF_request_set_ipv6(request, client->ipv6);
}

static PosternSpfResult result_of(SPF_result_t result, SPF_errcode_t code)
{
    switch (result) {
    case SPF_RESULT_NEUTRAL:
        return POSTERN_SPF_NEUTRAL;
    case SPF_RESULT_PASS:
        return POSTERN_SPF_PASS;
    case SPF_RESULT_FAIL:
        return POSTERN_SPF_FAIL;
    case SPF_RESULT_SOFTFAIL:
        return POSTERN_SPF_SOFTFAIL;
    case SPF_RESULT_NONE:
        return POSTERN_SPF_NONE;
    case SPF_RESULT_TEMPERROR:
        return POSTERN_SPF_TEMPERROR;
    case SPF_RESULT_PERMERROR:
        return POSTERN_SPF_PERMERROR;
    default:
        return code == SPF_E_DNS_ERROR ? POSTERN_SPF_TEMPERROR : POSTERN_SPF_PERMERROR;
    }
}

static void read_response(SPF_response_t *response, SPF_errcode_t code, const PosternSpfLibspf2Dns *dns,
                          PosternFindings *findings)
{
    PosternSpfFinding *finding = &findings->spf;

    finding->result = result_of(SPF_response_result(response), code);
    if (dns->exhausted)
        finding->result = POSTERN_SPF_PERMERROR;
    for (int i = 0; i < SPF_response_messages(response); i++)
        postern_findings_step(findings, POSTERN_CHECK_SPF, "libspf2: %s",
                              SPF_error_message(SPF_response_message(response, i)));
    if (SPF_response_reason(response) == SPF_REASON_LOCALHOST)
        postern_findings_step(findings, POSTERN_CHECK_SPF, "libspf2 lets every loopback address pass");
    if (dns->exhausted)
        finding->problem =
            g_strdup_printf("libspf2 asked the DNS over %d times", POSTERN_SPF_LIBSPF2_LOOKUPS_MAX);
    else if (finding->result == POSTERN_SPF_TEMPERROR || finding->result == POSTERN_SPF_PERMERROR)
        finding->problem = g_strdup(code != SPF_E_SUCCESS ? SPF_strerror(code) : "libspf2 does not say why");
    postern_findings_step(findings, POSTERN_CHECK_SPF, "libspf2 says %s%s%s",
                          postern_spf_result_name(finding->result), finding->problem != NULL ? ": " : "",
                          finding->problem != NULL ? finding->problem : "");
}

/* 1, or 0: waiting. */
static int query(SPF_server_t *server, const PosternEnvelope *envelope, const PosternSpfIdentity *identity,
                 PosternSpfLibspf2Dns *dns, PosternFindings *findings)
{
    g_autofree char *sender = g_strdup_printf("%s@%s", identity->local_part, identity->ascii);
    SPF_request_t *request = SPF_request_new(server);
    SPF_response_t *response = NULL;
    SPF_errcode_t code;

    if (request == NULL)
        g_error("out of memory in libspf2");
    set_client(request, &envelope->client);
    SPF_request_set_helo_dom(request, envelope->helo != NULL ? envelope->helo : "unknown");
    SPF_request_set_env_from(request, sender);
    code = SPF_request_query_mailfrom(request, &response);
    if (!dns->waiting)
        read_response(response, code, dns, findings);
    SPF_response_free(response);
    SPF_request_free(request);
    return dns->waiting ? 0 : 1;
}

int postern_check_spf_libspf2(PosternLibspf2Engine *engine, const PosternEnvelope *envelope,
                              const char *receiver, gint64 now, PosternAnswers *answers,
                              PosternFindings *findings)
{
    g_auto(PosternSpfIdentity) identity = {0};
    PosternSpfLibspf2Dns dns;
    guint steps = findings->steps->len;
    int done = 1;

    if (!postern_spf_identity_find(envelope, findings, &identity))
        return 1;
    if (identity.ascii == NULL) {
        findings->spf.result = POSTERN_SPF_NONE;
    } else {
        postern_spf_libspf2_dns_init(&dns, answers, findings);
        dns.server.get_exp = keep_explanation_empty;
        engine->server->resolver = &dns.server;
        SPF_server_set_rec_dom(engine->server, receiver != NULL ? receiver : "unknown");
        done = query(engine->server, envelope, &identity, &dns, findings);
        engine->server->resolver = NULL;
    }
    if (done) {
        findings->spf.helo = identity.helo;
        findings->spf.domain = g_strdup(identity.ascii != NULL ? identity.ascii : identity.domain);
    } else {
        g_ptr_array_set_size(findings->steps, (gint)steps);
    }
    return done;
}
