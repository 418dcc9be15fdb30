#include "report/authorization.h"

#include <string.h>

#include "checks/dmarc/walk.h"
#include "dns/resolver.h"

#define ROUNDS_MAX 4
#define SPF "v=spf1"

struct PosternReportDns {
    struct event_base *loop;
    PosternAnswersFile *file;
    PosternResolver *resolver;
};

PosternReportDns *postern_report_dns_new(const PosternConfiguration *configuration, GError **error)
{
    g_autoptr(PosternReportDns) dns = g_new0(PosternReportDns, 1);
    if (configuration->dns.answers[0] != '\0') {
        dns->file = postern_answers_file_load(configuration->dns.answers, error);
        if (dns->file == NULL)
            return NULL;
    }
    dns->loop = event_base_new();
    dns->resolver = postern_resolver_from_configuration(dns->loop, configuration, dns->file, 1, error);
    return dns->resolver != NULL ? g_steal_pointer(&dns) : NULL;
}

void postern_report_dns_free(PosternReportDns *dns)
{
    if (dns == NULL)
        return;
    g_clear_pointer(&dns->resolver, postern_resolver_free);
    g_clear_pointer(&dns->loop, event_base_free);
    g_clear_pointer(&dns->file, postern_answers_file_unref);
    g_free(dns);
}

static void on_answers(gpointer user_data)
{
    event_base_loopbreak(user_data);
}

/* Each question has its deadline. */
static void ask(PosternReportDns *dns, PosternAnswers *answers)
{
    (void)postern_resolver_ask(dns->resolver, POSTERN_FAIR_QUEUE_NOBODY, answers, on_answers, dns->loop);
    event_base_loop(dns->loop, EVLOOP_NO_EXIT_ON_EMPTY);
}

/* The TXT records of name, owned by answers. NULL: the DNS failed. */
static const PosternAnswer *look_up_text(PosternReportDns *dns, PosternAnswers *answers, const char *name)
{
    const PosternAnswer *answer = postern_answers_look_up(answers, name, POSTERN_DNS_TXT);
    if (answer == NULL)
        ask(dns, answers);
    return answer != NULL ? answer : postern_answers_look_up(answers, name, POSTERN_DNS_TXT);
}

/* NULL: the DNS failed. */
static char *organizational(PosternReportDns *dns, const char *domain)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings = postern_findings_new();
    for (guint round = 0; round < ROUNDS_MAX; round++) {
        PosternDmarcWalk walk;
        if (postern_dmarc_walk(domain, answers, findings, &walk) == 1)
            return g_strdup(walk.organizational);
        ask(dns, answers);
    }
    return NULL;
}

/* One that its destination puts in the place of address; FALSE: it is of another domain. */
static gboolean replace(PosternReportAddress *address, const char *tag, const char *record)
{
    g_autofree char *list = postern_dmarc_record_value(record, tag);
    if (list == NULL)
        return TRUE;
    g_autoptr(GPtrArray) others = postern_rua_parse(list, strlen(list));
    for (guint i = 0; i < others->len; i++)
        if (!g_str_equal(postern_report_address_domain(others->pdata[i]),
                         postern_report_address_domain(address)))
            return FALSE;
    if (others->len == 0)
        return TRUE;
    PosternReportAddress *other = others->pdata[0];
    char *former = address->address;
    address->address = other->address;
    address->octets_max = other->octets_max;
    other->address = former;
    return TRUE;
}

static int read_answer(const PosternAnswer *answer, const char *tag, PosternReportAddress *address)
{
    int found = -1;
    if (answer->status == POSTERN_ANSWER_SERVFAIL || answer->status == POSTERN_ANSWER_TIMEOUT)
        return 0;
    for (guint i = 0; i < answer->records->len && found < 0; i++) {
        gsize length;
        const char *octets = g_bytes_get_data(answer->records->pdata[i], &length);
        PosternDmarcRecord record;
        if (!postern_dmarc_record_parse(octets, length, &record))
            continue;
        g_autofree char *text = g_strndup(octets, length);
        if (!replace(address, tag, text))
            return -1;
        found = 1;
    }
    return found;
}

int postern_report_authorize(PosternReportDns *dns, const char *domain, const char *tag,
                             PosternReportAddress *address)
{
    const char *host = postern_report_address_domain(address);
    if (g_str_equal(host, domain))
        return 1;
    g_autofree char *ours = organizational(dns, domain);
    g_autofree char *theirs = organizational(dns, host);
    if (ours == NULL || theirs == NULL)
        return 0;
    if (g_str_equal(ours, theirs))
        return 1;
    g_autofree char *name = g_strdup_printf("%s._report._dmarc.%s", domain, host);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    const PosternAnswer *answer = look_up_text(dns, answers, name);
    return answer != NULL ? read_answer(answer, tag, address) : 0;
}

char *postern_report_spf_record(PosternReportDns *dns, const char *domain)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    const PosternAnswer *answer = look_up_text(dns, answers, domain);
    for (guint i = 0; answer != NULL && i < answer->records->len; i++) {
        gsize length;
        const char *octets = g_bytes_get_data(answer->records->pdata[i], &length);
        if (length >= strlen(SPF) && g_ascii_strncasecmp(octets, SPF, strlen(SPF)) == 0 &&
            (length == strlen(SPF) || octets[strlen(SPF)] == ' '))
            return g_strndup(octets, length);
    }
    return NULL;
}
