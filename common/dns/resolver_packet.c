#include "dns/resolver.h"

#include <arpa/nameser.h>
#include <string.h>

#include "base/limits.h"

typedef enum {
    RECORD_TAKEN,
    RECORD_LEFT_OUT, /* a name that no question can carry */
    RECORD_MALFORMED,
} RecordOutcome;

/* The text that ns_parserr() gives for the name of question, so that the two compare. */
static gboolean question_to_text(char text[NS_MAXDNAME], const PosternQuestion *question)
{
    guchar wire[NS_MAXCDNAME];
    gsize length = strlen(question->name), at = 0, start = 0;
    if (length == 0 || length > POSTERN_DOMAIN_NAME_MAX_OCTETS)
        return FALSE;
    for (gsize i = 0; i <= length; i++) {
        if (i < length && question->name[i] != '.')
            continue;
        if (i == start || i - start > POSTERN_DOMAIN_LABEL_MAX_OCTETS)
            return FALSE;
        wire[at++] = (guchar)(i - start);
        memcpy(wire + at, question->name + start, i - start);
        at += i - start;
        start = i + 1;
    }
    wire[at] = 0;
    return ns_name_ntop(wire, text, NS_MAXDNAME) >= 0;
}

/* Appends the name at octets, which ends where limit is, to record as our own text. */
static RecordOutcome append_name(GByteArray *record, const ns_msg *message, const guchar *octets,
                                 const guchar *limit)
{
    guchar wire[NS_MAXCDNAME];
    int used = ns_name_unpack(ns_msg_base(*message), ns_msg_end(*message), octets, wire, sizeof wire);
    if (used < 0 || octets + used != limit)
        return RECORD_MALFORMED;

    g_autoptr(GString) text = g_string_sized_new(POSTERN_DOMAIN_NAME_MAX_OCTETS);
    for (gsize at = 0; wire[at] != 0; at += 1 + (gsize)wire[at]) {
        if (wire[at] > POSTERN_DOMAIN_LABEL_MAX_OCTETS)
            return RECORD_MALFORMED;
        if (memchr(wire + at + 1, '.', wire[at]) != NULL || memchr(wire + at + 1, '\0', wire[at]) != NULL)
            return RECORD_LEFT_OUT;
        g_string_append_len(text, (const char *)wire + at + 1, wire[at]);
        g_string_append_c(text, '.');
    }
    if (text->len == 0)
        return RECORD_TAKEN;
    g_autoptr(PosternQuestion) name = postern_question_new(text->str, POSTERN_DNS_A);
    if (name == NULL)
        return RECORD_LEFT_OUT;
    g_byte_array_append(record, (const guint8 *)name->name, (guint)strlen(name->name));
    return RECORD_TAKEN;
}

/* Joins the strings of a TXT record, RFC 1035 3.3.14: one at least, and none beyond the record. */
static RecordOutcome append_strings(GByteArray *record, const guchar *octets, const guchar *limit)
{
    if (octets == limit)
        return RECORD_MALFORMED;
    while (octets < limit) {
        gsize length = *octets++;
        if (length > (gsize)(limit - octets))
            return RECORD_MALFORMED;
        g_byte_array_append(record, octets, (guint)length);
        octets += length;
    }
    return RECORD_TAKEN;
}

static RecordOutcome append_address(GByteArray *record, const guchar *octets, gsize length, gsize expected)
{
    if (length != expected)
        return RECORD_MALFORMED;
    g_byte_array_append(record, octets, (guint)length);
    return RECORD_TAKEN;
}

static RecordOutcome append_record(GByteArray *record, const ns_msg *message, const ns_rr *rr,
                                   PosternDnsType type)
{
    const guchar *octets = ns_rr_rdata(*rr), *limit = octets + ns_rr_rdlen(*rr);
    switch (type) {
    case POSTERN_DNS_A:
        return append_address(record, octets, ns_rr_rdlen(*rr), NS_INADDRSZ);
    case POSTERN_DNS_AAAA:
        return append_address(record, octets, ns_rr_rdlen(*rr), NS_IN6ADDRSZ);
    case POSTERN_DNS_MX:
        if (ns_rr_rdlen(*rr) < NS_INT16SZ)
            return RECORD_MALFORMED;
        g_byte_array_append(record, octets, NS_INT16SZ);
        return append_name(record, message, octets + NS_INT16SZ, limit);
    case POSTERN_DNS_SRV:
        if (ns_rr_rdlen(*rr) < 3 * NS_INT16SZ)
            return RECORD_MALFORMED;
        g_byte_array_append(record, octets, 3 * NS_INT16SZ);
        return append_name(record, message, octets + 3 * NS_INT16SZ, limit);
    case POSTERN_DNS_TXT:
        return append_strings(record, octets, limit);
    case POSTERN_DNS_TLSA:
        if (ns_rr_rdlen(*rr) < 4)
            return RECORD_MALFORMED;
        g_byte_array_append(record, octets, ns_rr_rdlen(*rr));
        return RECORD_TAKEN;
    case POSTERN_DNS_PTR:
    case POSTERN_DNS_CNAME:
        return append_name(record, message, octets, limit);
    }
    return RECORD_MALFORMED;
}

/* The header and the question are those of a whole answer to question, RFC 1035 4.1. */
static gboolean answers_question(ns_msg *message, const char *name, PosternDnsType type)
{
    ns_rr asked;
    return ns_msg_getflag(*message, ns_f_qr) != 0 && ns_msg_getflag(*message, ns_f_opcode) == ns_o_query &&
           ns_msg_getflag(*message, ns_f_tc) == 0 && ns_msg_count(*message, ns_s_qd) == 1 &&
           ns_parserr(message, ns_s_qd, 0, &asked) == 0 && ns_rr_class(asked) == ns_c_in &&
           ns_rr_type(asked) == (ns_type)type && g_ascii_strcasecmp(ns_rr_name(asked), name) == 0;
}

/* Adds the records of name and type, and sets *ret_found. FALSE: one is malformed, or there are too many. */
static gboolean take_records(PosternAnswer *answer, gboolean *ret_found, ns_msg *message, const char *name,
                             PosternDnsType type)
{
    for (int i = 0; i < ns_msg_count(*message, ns_s_an); i++) {
        ns_rr rr;
        if (ns_parserr(message, ns_s_an, i, &rr) != 0)
            return FALSE;
        if (ns_rr_class(rr) != ns_c_in || ns_rr_type(rr) != (ns_type)type ||
            g_ascii_strcasecmp(ns_rr_name(rr), name) != 0)
            continue;
        *ret_found = TRUE;
        answer->ttl = MIN(answer->ttl, ns_rr_ttl(rr));
        g_autoptr(GByteArray) record = g_byte_array_new();
        RecordOutcome outcome = append_record(record, message, &rr, type);
        if (outcome == RECORD_MALFORMED ||
            (outcome == RECORD_TAKEN && !postern_answer_add(answer, record->data, record->len)))
            return FALSE;
    }
    return TRUE;
}

/* Replaces name by what it is an alias of, if the packet says so. FALSE: the record is malformed. */
static gboolean follow_alias(PosternAnswer *answer, char name[NS_MAXDNAME], gboolean *ret_followed,
                             ns_msg *message)
{
    *ret_followed = FALSE;
    for (int i = 0; i < ns_msg_count(*message, ns_s_an); i++) {
        ns_rr rr;
        if (ns_parserr(message, ns_s_an, i, &rr) != 0)
            return FALSE;
        if (ns_rr_class(rr) != ns_c_in || ns_rr_type(rr) != ns_t_cname ||
            g_ascii_strcasecmp(ns_rr_name(rr), name) != 0)
            continue;
        *ret_followed = TRUE;
        answer->ttl = MIN(answer->ttl, ns_rr_ttl(rr));
        return ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), ns_rr_rdata(rr), name,
                                  NS_MAXDNAME) == ns_rr_rdlen(rr);
    }
    return TRUE;
}

PosternAnswer *postern_resolver_parse_packet(const guint8 *packet, gsize length,
                                             const PosternQuestion *question)
{
    g_return_val_if_fail(packet != NULL && question != NULL, NULL);

    ns_msg message;
    char name[NS_MAXDNAME];
    if (length > NS_MAXMSG || ns_initparse(packet, (int)length, &message) != 0 ||
        !question_to_text(name, question) || !answers_question(&message, name, question->type))
        return postern_answer_new(POSTERN_ANSWER_SERVFAIL);
    int rcode = ns_msg_getflag(message, ns_f_rcode);
    if (rcode == ns_r_nxdomain)
        return postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
    if (rcode != ns_r_noerror)
        return postern_answer_new(POSTERN_ANSWER_SERVFAIL);

    g_autoptr(PosternAnswer) answer = postern_answer_new(POSTERN_ANSWER_NODATA);
    answer->ttl = G_MAXUINT;
    for (guint links = 0; links <= POSTERN_CNAME_CHAIN_MAX; links++) {
        gboolean found = FALSE, followed = FALSE;
        if (!take_records(answer, &found, &message, name, question->type))
            break;
        if (found)
            return g_steal_pointer(&answer);
        if (!follow_alias(answer, name, &followed, &message))
            break;
        if (!followed)
            return g_steal_pointer(&answer);
    }
    return postern_answer_new(POSTERN_ANSWER_SERVFAIL);
}
