#include "dns/resolver.h"

#include <arpa/nameser.h>
#include <string.h>

#include "base/limits.h"

/* "\300\014" is a pointer to the name of the question, RFC 1035 4.1.4. */
#define TO_QUESTION "\300\014"
#define NAME(text) text "\0", sizeof text

typedef struct {
    GByteArray *octets;
    guint16 records;
} Packet;

static void put(Packet *packet, gconstpointer octets, gsize length)
{
    g_byte_array_append(packet->octets, octets, (guint)length);
}

static void put_number(Packet *packet, guint number)
{
    put(packet, (const guint8[]){(guint8)(number >> 8), (guint8)number}, 2);
}

/* An answer with rcode to the question for name (in wire form), which has no record yet. */
static Packet packet_new(int rcode, const char *name, gsize name_length, int type)
{
    Packet packet = {g_byte_array_new(), 0};
    put_number(&packet, 0x1234);
    put_number(&packet, 0x8180u | (guint)rcode);
    put_number(&packet, 1);
    put_number(&packet, 0);
    put_number(&packet, 0);
    put_number(&packet, 0);
    put(&packet, name, name_length);
    put_number(&packet, (guint)type);
    put_number(&packet, ns_c_in);
    return packet;
}

static void put_record(Packet *packet, const char *owner, gsize owner_length, int type, const char *octets,
                       gsize length)
{
    put(packet, owner, owner_length);
    put_number(packet, (guint)type);
    put_number(packet, ns_c_in);
    put(packet, "\0\0\1\0", 4);
    put_number(packet, (guint)length);
    put(packet, octets, length);
    packet->records++;
    packet->octets->data[6] = (guint8)(packet->records >> 8);
    packet->octets->data[7] = (guint8)packet->records;
}

/* Parses an exact copy, so that a sanitizer sees a read beyond it; frees packet. */
static PosternAnswer *parse(Packet *packet, const char *name, PosternDnsType type)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, type);
    gsize length = packet->octets->len;
    g_autofree guint8 *copy = g_memdup2(packet->octets->data, length);
    g_byte_array_unref(packet->octets);
    return postern_resolver_parse_packet(copy, length, question);
}

#define EXAMPLE NAME("\7example\3com")

/* What one record of type with these octets becomes. */
static PosternAnswer *parse_one(PosternDnsType type, const char *octets, gsize length)
{
    Packet packet = packet_new(ns_r_noerror, EXAMPLE, (int)type);
    put_record(&packet, TO_QUESTION, 2, (int)type, octets, length);
    return parse(&packet, "example.com", type);
}

static void test_records(void)
{
    static const struct {
        PosternDnsType type;
        const char *octets;
        gsize length;
        const char *record;
        gsize record_length;
    } cases[] = {
        {POSTERN_DNS_A, "\300\0\2\1", 4, "\300\0\2\1", 4},
        {POSTERN_DNS_AAAA, "0123456789abcdef", 16, "0123456789abcdef", 16},
        {POSTERN_DNS_MX, "\0\012\2MX" TO_QUESTION, 7, "\0\012mx.example.com", 16},
        {POSTERN_DNS_MX, "\0\0\0", 3, "\0\0", 2},
        {POSTERN_DNS_SRV, "\0\1\0\2\0\31\2MX" TO_QUESTION, 11, "\0\1\0\2\0\31mx.example.com", 20},
        {POSTERN_DNS_SRV, "\0\0\0\0\0\0\0", 7, "\0\0\0\0\0\0", 6},
        {POSTERN_DNS_PTR, "\4Host\1x\0", 8, "host.x", 6},
        {POSTERN_DNS_PTR, "\3a b\1x\0", 7, "a b.x", 5},
        {POSTERN_DNS_PTR, "\4a@\\\"\0", 6, "a@\\\"", 4},
        {POSTERN_DNS_CNAME, "\1b\0", 3, "b", 1},
        {POSTERN_DNS_TXT, "\3abc\0\4d\0e\377", 10, "abcd\0e\377", 7},
        {POSTERN_DNS_TXT, "\0", 1, "", 0},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternAnswer) answer = parse_one(cases[i].type, cases[i].octets, cases[i].length);
        g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_RECORDS);
        g_assert_cmpuint(answer->records->len, ==, 1);
        g_assert_cmpuint(answer->ttl, ==, 256);
        gsize length;
        gconstpointer octets = g_bytes_get_data(answer->records->pdata[0], &length);
        g_assert_cmpmem(octets, length, cases[i].record, cases[i].record_length);
    }
}

static void test_malformed_records(void)
{
    static const struct {
        PosternDnsType type;
        const char *octets;
        gsize length;
        PosternAnswerStatus status;
    } cases[] = {
        {POSTERN_DNS_A, "\1\2\3", 3, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_A, "\1\2\3\4\5", 5, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_A, "", 0, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_AAAA, "\1\2\3\4", 4, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_MX, "\1", 1, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_MX, "\0\012", 2, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_MX, "\0\012\2mx\0z", 7, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_MX, "\0\012\300\377", 4, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_MX, "\0\012\300\053", 4, POSTERN_ANSWER_SERVFAIL}, /* a pointer to itself */
        {POSTERN_DNS_SRV, "\0\1\0\2\0", 5, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_SRV, "\0\1\0\2\0\31\2mx\0z", 11, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_PTR, "\100abc", 4, POSTERN_ANSWER_SERVFAIL}, /* a label type that is not in use */
        {POSTERN_DNS_PTR, "\5abc", 4, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_TXT, "", 0, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_TXT, "\4abc", 4, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_TXT, "\3abc\1", 5, POSTERN_ANSWER_SERVFAIL},
        {POSTERN_DNS_PTR, "\3a.b\0", 5, POSTERN_ANSWER_NODATA},
        {POSTERN_DNS_PTR, "\3a\0b\0", 5, POSTERN_ANSWER_NODATA},
        {POSTERN_DNS_PTR, "\3a\377b\0", 5, POSTERN_ANSWER_NODATA},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternAnswer) answer = parse_one(cases[i].type, cases[i].octets, cases[i].length);
        g_assert_cmpint(answer->status, ==, cases[i].status);
        g_assert_cmpuint(answer->records->len, ==, 0);
    }
}

static void test_rcodes(void)
{
    static const struct {
        int rcode;
        PosternAnswerStatus status;
    } cases[] = {
        {ns_r_noerror, POSTERN_ANSWER_NODATA},    {ns_r_nxdomain, POSTERN_ANSWER_NXDOMAIN},
        {ns_r_servfail, POSTERN_ANSWER_SERVFAIL}, {ns_r_refused, POSTERN_ANSWER_SERVFAIL},
        {ns_r_formerr, POSTERN_ANSWER_SERVFAIL},  {ns_r_notimpl, POSTERN_ANSWER_SERVFAIL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Packet packet = packet_new(cases[i].rcode, EXAMPLE, ns_t_a);
        g_autoptr(PosternAnswer) answer = parse(&packet, "example.com", POSTERN_DNS_A);
        g_assert_cmpint(answer->status, ==, cases[i].status);
    }
}

static void test_header(void)
{
    static const struct {
        guint octet;
        guint8 value;
        PosternAnswerStatus status;
    } cases[] = {
        {2, 0x81, POSTERN_ANSWER_RECORDS},  {2, 0x85, POSTERN_ANSWER_RECORDS}, /* authoritative */
        {2, 0x01, POSTERN_ANSWER_SERVFAIL},                                    /* a question */
        {2, 0x83, POSTERN_ANSWER_SERVFAIL},                                    /* truncated */
        {2, 0x91, POSTERN_ANSWER_SERVFAIL},                                    /* another opcode */
        {5, 0, POSTERN_ANSWER_SERVFAIL},                                       /* no question */
        {5, 2, POSTERN_ANSWER_SERVFAIL},                                       /* two questions */
        {7, 2, POSTERN_ANSWER_SERVFAIL},    /* fewer records than promised */
        {7, 0, POSTERN_ANSWER_SERVFAIL},    /* octets behind the last record */
        {13, 'f', POSTERN_ANSWER_SERVFAIL}, /* another name */
        {13, 'E', POSTERN_ANSWER_RECORDS},  {26, 2, POSTERN_ANSWER_SERVFAIL}, /* another type */
        {28, 3, POSTERN_ANSWER_SERVFAIL},                                     /* another class */
        {34, 3, POSTERN_ANSWER_NODATA},                                       /* a record of another class */
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Packet packet = packet_new(ns_r_noerror, EXAMPLE, ns_t_a);
        put_record(&packet, TO_QUESTION, 2, ns_t_a, "\1\2\3\4", 4);
        packet.octets->data[cases[i].octet] = cases[i].value;
        g_test_message("octet %u", cases[i].octet);
        g_autoptr(PosternAnswer) answer = parse(&packet, "example.com", POSTERN_DNS_A);
        g_assert_cmpint(answer->status, ==, cases[i].status);
    }
}

static void test_alias(void)
{
    Packet packet = packet_new(ns_r_noerror, EXAMPLE, ns_t_a);
    put_record(&packet, NAME("\1c"), ns_t_a, "\1\2\3\4", 4);
    put_record(&packet, NAME("\1B"), ns_t_cname, "\1C\0", 3);
    put_record(&packet, TO_QUESTION, 2, ns_t_cname, "\1b\0", 3);
    put_record(&packet, NAME("\1d"), ns_t_a, "\5\6\7\10", 4);
    g_autoptr(PosternAnswer) answer = parse(&packet, "example.com", POSTERN_DNS_A);
    g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_RECORDS);
    g_assert_cmpuint(answer->records->len, ==, 1);
    g_assert_cmpmem(g_bytes_get_data(answer->records->pdata[0], NULL), 4, "\1\2\3\4", 4);

    packet = packet_new(ns_r_noerror, EXAMPLE, ns_t_a);
    put_record(&packet, TO_QUESTION, 2, ns_t_cname, "\1b\0", 3);
    g_autoptr(PosternAnswer) empty = parse(&packet, "example.com", POSTERN_DNS_A);
    g_assert_cmpint(empty->status, ==, POSTERN_ANSWER_NODATA);

    packet = packet_new(ns_r_nxdomain, EXAMPLE, ns_t_a);
    put_record(&packet, TO_QUESTION, 2, ns_t_cname, "\1b\0", 3);
    g_autoptr(PosternAnswer) gone = parse(&packet, "example.com", POSTERN_DNS_A);
    g_assert_cmpint(gone->status, ==, POSTERN_ANSWER_NXDOMAIN);

    packet = packet_new(ns_r_noerror, EXAMPLE, ns_t_a);
    put_record(&packet, TO_QUESTION, 2, ns_t_cname, TO_QUESTION, 2);
    g_autoptr(PosternAnswer) loop = parse(&packet, "example.com", POSTERN_DNS_A);
    g_assert_cmpint(loop->status, ==, POSTERN_ANSWER_SERVFAIL);

    packet = packet_new(ns_r_noerror, EXAMPLE, ns_t_a);
    put_record(&packet, TO_QUESTION, 2, ns_t_cname, "\1b\0z", 4);
    g_autoptr(PosternAnswer) malformed = parse(&packet, "example.com", POSTERN_DNS_A);
    g_assert_cmpint(malformed->status, ==, POSTERN_ANSWER_SERVFAIL);
}

static void test_odd_question(void)
{
    Packet packet = packet_new(ns_r_noerror, NAME("\7a\\.;@ $\3com"), ns_t_a);
    put_record(&packet, TO_QUESTION, 2, ns_t_a, "\1\2\3\4", 4);
    packet.octets->data[15] = '"';
    g_autoptr(PosternAnswer) answer = parse(&packet, "a\\\";@ $.com", POSTERN_DNS_A);
    g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_RECORDS);

    packet = packet_new(ns_r_noerror, NAME("\3a.b\3com"), ns_t_a);
    put_record(&packet, TO_QUESTION, 2, ns_t_a, "\1\2\3\4", 4);
    g_autoptr(PosternAnswer) other = parse(&packet, "a.b.com", POSTERN_DNS_A);
    g_assert_cmpint(other->status, ==, POSTERN_ANSWER_SERVFAIL);
}

static void test_limits(void)
{
    for (guint extra = 0; extra < 2; extra++) {
        Packet packet = packet_new(ns_r_noerror, EXAMPLE, ns_t_a);
        for (guint i = 0; i < POSTERN_RECORDS_PER_ANSWER_MAX + extra; i++)
            put_record(&packet, TO_QUESTION, 2, ns_t_a, "\1\2\3\4", 4);
        g_autoptr(PosternAnswer) answer = parse(&packet, "example.com", POSTERN_DNS_A);
        g_assert_cmpint(answer->status, ==, extra ? POSTERN_ANSWER_SERVFAIL : POSTERN_ANSWER_RECORDS);
        g_assert_cmpuint(answer->records->len, ==, extra ? 0 : POSTERN_RECORDS_PER_ANSWER_MAX);
    }
    for (guint links = POSTERN_CNAME_CHAIN_MAX; links <= POSTERN_CNAME_CHAIN_MAX + 1; links++) {
        Packet packet = packet_new(ns_r_noerror, NAME("\1a"), ns_t_a);
        for (guint i = 0; i < links; i++) {
            const char owner[] = {1, (char)('a' + i), 0}, target[] = {1, (char)('b' + i), 0};
            put_record(&packet, owner, 3, ns_t_cname, target, 3);
        }
        put_record(&packet, (const char[]){1, (char)('a' + links), 0}, 3, ns_t_a, "\1\2\3\4", 4);
        g_autoptr(PosternAnswer) answer = parse(&packet, "a", POSTERN_DNS_A);
        g_assert_cmpint(answer->status, ==,
                        links > POSTERN_CNAME_CHAIN_MAX ? POSTERN_ANSWER_SERVFAIL : POSTERN_ANSWER_RECORDS);
    }
    g_autofree guint8 *large = g_malloc0(NS_MAXMSG + 1);
    g_autoptr(PosternQuestion) question = postern_question_new("a", POSTERN_DNS_A);
    g_autoptr(PosternAnswer) answer = postern_resolver_parse_packet(large, NS_MAXMSG + 1, question);
    g_assert_cmpint(answer->status, ==, POSTERN_ANSWER_SERVFAIL);
}

/* No prefix of a good packet is one. */
static void test_prefixes(void)
{
    Packet packet = packet_new(ns_r_noerror, EXAMPLE, ns_t_mx);
    put_record(&packet, TO_QUESTION, 2, ns_t_mx, "\0\012\2MX" TO_QUESTION, 7);
    put_record(&packet, EXAMPLE, ns_t_mx, "\0\012\3two\0", 7);
    g_autoptr(PosternQuestion) question = postern_question_new("example.com", POSTERN_DNS_MX);
    for (gsize length = 0; length <= packet.octets->len; length++) {
        g_autofree guint8 *exact = g_memdup2(packet.octets->data, MAX(length, 1));
        g_autoptr(PosternAnswer) answer = postern_resolver_parse_packet(exact, length, question);
        g_assert_cmpint(answer->status, ==,
                        length < packet.octets->len ? POSTERN_ANSWER_SERVFAIL : POSTERN_ANSWER_RECORDS);
    }
    g_byte_array_unref(packet.octets);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dns-packet/records", test_records);
    g_test_add_func("/dns-packet/malformed-records", test_malformed_records);
    g_test_add_func("/dns-packet/rcodes", test_rcodes);
    g_test_add_func("/dns-packet/header", test_header);
    g_test_add_func("/dns-packet/alias", test_alias);
    g_test_add_func("/dns-packet/odd-question", test_odd_question);
    g_test_add_func("/dns-packet/limits", test_limits);
    g_test_add_func("/dns-packet/prefixes", test_prefixes);
    return g_test_run();
}
