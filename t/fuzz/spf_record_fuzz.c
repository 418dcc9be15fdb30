/*
 * Hostile SPF records and macros: whatever is taken as valid must expand within its bounds.
 */
#include "checks/spf/record.h"

#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "checks/spf/macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

static void require_printable(const char *text)
{
    for (; *text != '\0'; text++)
        require(*text >= 0x20 && *text <= 0x7e);
}

static PosternSpfMacroValues example_values(void)
{
    PosternSpfMacroValues values = {
        .local_part = "some=one+tag\xc3\xa4",
        .sender_domain = "a.very.long.sender.domain.example.com",
        .domain = "example.com",
        .validated_name = "host.example.com",
        .helo = "[192.0.2.1]",
        .receiver = "mx.example.org",
        .client = {.family = AF_INET6},
        .now = 1700000000,
    };

    memcpy(values.client.ipv6.s6_addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    return values;
}

static void expand_domain(PosternSpfSlice slice, const PosternSpfMacroValues *values)
{
    g_autofree char *name = NULL;

    if (slice.text == NULL)
        return;
    require(postern_spf_macro_is_valid(slice.text, slice.length, POSTERN_SPF_MACRO_DOMAIN));
    name = postern_spf_macro_expand_domain(slice.text, slice.length, values);
    require(strlen(name) <= POSTERN_DOMAIN_NAME_MAX_OCTETS ||
            memchr(name + strlen(name) - POSTERN_DOMAIN_NAME_MAX_OCTETS, '.',
                   POSTERN_DOMAIN_NAME_MAX_OCTETS - 1) == NULL);
    (void)postern_spf_macro_uses(slice.text, slice.length, "psl");
}

static void check_record(const char *octets, gsize length, const PosternSpfMacroValues *values)
{
    g_autofree char *problem = NULL;
    g_autoptr(PosternSpfRecord) record = NULL;

    if (!postern_spf_record_is(octets, length))
        return;
    record = postern_spf_record_parse(octets, length, &problem);
    require((record == NULL) == (problem != NULL));
    if (record == NULL) {
        require_printable(problem);
        return;
    }
    for (guint i = 0; i < record->directives->len; i++) {
        const PosternSpfDirective *directive = &g_array_index(record->directives, PosternSpfDirective, i);

        require(directive->ipv4_bits <= 32 && directive->ipv6_bits <= 128);
        expand_domain(directive->domain, values);
    }
    expand_domain(record->redirect, values);
    expand_domain(record->explanation, values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PosternSpfMacroValues values = example_values();
    const char *text = (const char *)data;
    g_autoptr(GString) record = g_string_new("v=spf1 ");

    g_string_append_len(record, text, (gssize)size);
    check_record(text, size, &values);
    check_record(record->str, record->len, &values);
    if (postern_spf_macro_is_valid(text, size, POSTERN_SPF_MACRO_EXPLANATION)) {
        g_autofree char *explanation = postern_spf_macro_expand_explanation(text, size, &values);

        require(strlen(explanation) <= POSTERN_SPF_EXPLANATION_MAX_OCTETS);
        require_printable(explanation);
    }
    return 0;
}
