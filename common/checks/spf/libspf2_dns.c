#include "checks/spf/libspf2_dns.h"

#include <netdb.h>
#include <string.h>

#include "base/limits.h"

#define MX_PREFERENCE_OCTETS 2
#define SECONDS_TO_LIVE 300
#define HARMLESS_RECORD "v=spf1 ?all"

/* The types that we ask for, and the octets of a record before what the library wants of it. */
static const struct {
    ns_type type;
    PosternDnsType question;
    gsize skip;
    gsize length; /* exactly; 0: any, ended by NUL */
} types[] = {
    {ns_t_a, POSTERN_DNS_A, 0, 4},
    {ns_t_aaaa, POSTERN_DNS_AAAA, 0, 16},
    {ns_t_mx, POSTERN_DNS_MX, MX_PREFERENCE_OCTETS, 0},
    {ns_t_ptr, POSTERN_DNS_PTR, 0, 0},
    {ns_t_txt, POSTERN_DNS_TXT, 0, 0},
};

static int type_index(ns_type type)
{
    for (guint i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i].type == type)
            return (int)i;
    return -1;
}

static SPF_dns_rr_t *answer_without_records(PosternSpfLibspf2Dns *dns, const char *name, ns_type type,
                                            int status)
{
    SPF_dns_rr_t *records = SPF_dns_rr_new_init(&dns->server, name, type, SECONDS_TO_LIVE, status);

    /* The library would end the process. So do we, and say why. */
    if (records == NULL)
        g_error("out of memory in libspf2");
    return records;
}

static void add_record(SPF_dns_rr_t *records, const char *octets, gsize length)
{
    int index = records->num_rr;

    if (SPF_dns_rr_buf_realloc(records, index, length + 1) != SPF_E_SUCCESS)
        g_error("out of memory in libspf2");
    memcpy(records->rr[index], octets, length);
    ((char *)records->rr[index])[length] = '\0';
    records->num_rr++;
}

static void add_records(SPF_dns_rr_t *records, const PosternAnswer *answer, int index)
{
    for (guint i = 0; i < answer->records->len; i++) {
        gsize length;
        const char *octets = g_bytes_get_data(g_ptr_array_index(answer->records, i), &length);

        if (length < types[index].skip || (types[index].length != 0 && length != types[index].length))
            continue;
        add_record(records, octets + types[index].skip, length - types[index].skip);
    }
    if (records->num_rr == 0)
        records->herrno = NO_DATA;
}

static SPF_dns_rr_t *answer_of(PosternSpfLibspf2Dns *dns, const char *name, const PosternAnswer *answer,
                               int index)
{
    SPF_dns_rr_t *records;

    switch (answer->status) {
    case POSTERN_ANSWER_RECORDS:
        records = answer_without_records(dns, name, types[index].type, NETDB_SUCCESS);
        add_records(records, answer, index);
        return records;
    case POSTERN_ANSWER_NXDOMAIN:
        return answer_without_records(dns, name, types[index].type, HOST_NOT_FOUND);
    case POSTERN_ANSWER_NODATA:
        return answer_without_records(dns, name, types[index].type, NO_DATA);
    default:
        return answer_without_records(dns, name, types[index].type, TRY_AGAIN);
    }
}

static SPF_dns_rr_t *answer_for_now(PosternSpfLibspf2Dns *dns, const char *name, ns_type type)
{
    SPF_dns_rr_t *records =
        answer_without_records(dns, name, type, type == ns_t_txt ? NETDB_SUCCESS : NO_DATA);

    dns->waiting = TRUE;
    dns->missing++;
    if (type == ns_t_txt)
        add_record(records, HARMLESS_RECORD, sizeof HARMLESS_RECORD - 1);
    return records;
}

static void tell(const PosternSpfLibspf2Dns *dns, const char *name, const PosternAnswer *answer,
                 const SPF_dns_rr_t *records)
{
    const char *type = postern_dns_type_name((PosternDnsType)records->rr_type);

    if (records->num_rr == 0 || records->rr_type != ns_t_txt)
        postern_findings_step(dns->findings, POSTERN_CHECK_SPF, "libspf2 asks for %s %s: %s, %d of them",
                              name, type, postern_answer_status_name(answer->status), records->num_rr);
    else
        for (int i = 0; i < records->num_rr; i++)
            postern_findings_step(dns->findings, POSTERN_CHECK_SPF, "libspf2 asks for %s %s: \"%s\"", name,
                                  type, records->rr[i]->txt);
}

static SPF_dns_rr_t *look_up(SPF_dns_server_t *server, const char *name, ns_type type, int should_cache)
{
    PosternSpfLibspf2Dns *dns = server->hook;
    int index = type_index(type);
    const PosternAnswer *answer;
    SPF_dns_rr_t *records;

    /* Such as type SPF, which RFC 7208 3.1 retired. */
    if (index < 0)
        return answer_without_records(dns, name, type, NO_DATA);
    /* The library counts its look-ups for each include alone: a few records that include each other would
     * keep it busy for years. */
    dns->exhausted = dns->exhausted || dns->lookups >= POSTERN_SPF_LIBSPF2_LOOKUPS_MAX;
    if (dns->exhausted || dns->missing >= POSTERN_SPF_PREFETCH_QUESTIONS_MAX)
        return answer_without_records(dns, name, type, TRY_AGAIN);
    dns->lookups++;
    answer = postern_answers_look_up(dns->answers, name, types[index].question);
    if (answer == NULL)
        return answer_for_now(dns, name, type);
    records = answer_of(dns, name, answer, index);
    if (dns->findings->explain)
        tell(dns, name, answer, records);
    return records;
}

void postern_spf_libspf2_dns_init(PosternSpfLibspf2Dns *dns, PosternAnswers *answers,
                                  PosternFindings *findings)
{
    *dns = (PosternSpfLibspf2Dns){.answers = answers, .findings = findings};
    dns->server.lookup = look_up;
    dns->server.name = "answers";
    dns->server.hook = dns;
}
