#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "dns/resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an answer of type promises of a record (dns/answers.h). */
static void check_record(PosternDnsType type, const char *octets, gsize length)
{
    gsize before_name = type == POSTERN_DNS_MX ? 2 : type == POSTERN_DNS_SRV ? 6 : 0;
    if (type == POSTERN_DNS_A)
        g_assert_true(length == 4);
    else if (type == POSTERN_DNS_AAAA)
        g_assert_true(length == 16);
    else if (type != POSTERN_DNS_TXT && length != before_name) {
        g_assert_true(length > before_name);
        g_autofree char *name = g_strndup(octets + before_name, length - before_name);
        g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_A);
        g_assert_nonnull(question);
        g_assert_cmpuint(strlen(question->name), ==, length - before_name);
        g_assert_cmpstr(question->name, ==, name);
    }
}

/* The first octet chooses the type; the rest is the packet, to a question for example.com. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const PosternDnsType types[] = {POSTERN_DNS_A,  POSTERN_DNS_CNAME, POSTERN_DNS_PTR,
                                           POSTERN_DNS_MX, POSTERN_DNS_TXT,   POSTERN_DNS_AAAA,
                                           POSTERN_DNS_SRV};
    if (size == 0)
        return 0;
    g_autoptr(PosternQuestion) question =
        postern_question_new("example.com", types[data[0] % G_N_ELEMENTS(types)]);
    g_autoptr(PosternAnswer) answer = postern_resolver_parse_packet(data + 1, size - 1, question);
    g_assert_true((answer->status == POSTERN_ANSWER_RECORDS) == (answer->records->len > 0));
    g_assert_cmpuint(answer->records->len, <=, POSTERN_RECORDS_PER_ANSWER_MAX);
    for (guint i = 0; i < answer->records->len; i++) {
        gsize length;
        const char *octets = g_bytes_get_data(g_ptr_array_index(answer->records, i), &length);
        check_record(question->type, octets, length);
    }
    return 0;
}
