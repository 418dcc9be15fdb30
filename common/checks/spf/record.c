#include "checks/spf/record.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "checks/spf/macro.h"

#define VERSION "v=spf1"
#define VERSION_LENGTH (sizeof VERSION - 1)
#define PROBLEM_TERM_MAX_OCTETS 80

/* What may follow the name of a mechanism (RFC 7208 5.1 to 5.7). */
typedef enum {
    ARGUMENT_NONE,
    ARGUMENT_DOMAIN,          /* ":" domain-spec */
    ARGUMENT_OPTIONAL_DOMAIN, /* [ ":" domain-spec ] */
    ARGUMENT_DOMAIN_AND_CIDR, /* [ ":" domain-spec ] [ dual-cidr-length ] */
    ARGUMENT_IPV4,            /* ":" ip4-network [ ip4-cidr-length ] */
    ARGUMENT_IPV6,            /* ":" ip6-network [ ip6-cidr-length ] */
} Argument;

static const struct {
    const char *name;
    PosternSpfMechanism mechanism;
    Argument argument;
} mechanisms[] = {
    {"all", POSTERN_SPF_ALL, ARGUMENT_NONE},
    {"include", POSTERN_SPF_INCLUDE, ARGUMENT_DOMAIN},
    {"a", POSTERN_SPF_A, ARGUMENT_DOMAIN_AND_CIDR},
    {"mx", POSTERN_SPF_MX, ARGUMENT_DOMAIN_AND_CIDR},
    {"ptr", POSTERN_SPF_PTR, ARGUMENT_OPTIONAL_DOMAIN},
    {"ip4", POSTERN_SPF_IP4, ARGUMENT_IPV4},
    {"ip6", POSTERN_SPF_IP6, ARGUMENT_IPV6},
    {"exists", POSTERN_SPF_EXISTS, ARGUMENT_DOMAIN},
};

static const struct {
    char qualifier;
    PosternSpfResult result;
} qualifiers[] = {
    {'+', POSTERN_SPF_PASS},
    {'-', POSTERN_SPF_FAIL},
    {'~', POSTERN_SPF_SOFTFAIL},
    {'?', POSTERN_SPF_NEUTRAL},
};

static const struct {
    const char *name;
    gsize offset; /* of its PosternSpfSlice in PosternSpfRecord */
} modifiers[] = {
    {"redirect", G_STRUCT_OFFSET(PosternSpfRecord, redirect)},
    {"exp", G_STRUCT_OFFSET(PosternSpfRecord, explanation)},
};

static gboolean slice_is(PosternSpfSlice slice, const char *name)
{
    return slice.length == strlen(name) && g_ascii_strncasecmp(slice.text, name, slice.length) == 0;
}

static PosternSpfSlice slice_from(PosternSpfSlice slice, gsize start)
{
    return (PosternSpfSlice){slice.text + start, slice.length - start};
}

/*
 * Takes digits and the slashes before them off the end of slice into *bits. FALSE: a length that is none.
 * If the slice does not end that way nothing is taken.
 */
static gboolean take_cidr(PosternSpfSlice *slice, const char *slashes, guint maximum, guint *bits)
{
    gsize slash_count = strlen(slashes);
    gsize start = slice->length;
    guint value = 0;

    while (start > 0 && g_ascii_isdigit(slice->text[start - 1]))
        start--;
    if (start == slice->length || start < slash_count ||
        memcmp(slice->text + start - slash_count, slashes, slash_count) != 0)
        return TRUE;
    if (slice->length - start > 3 || (slice->text[start] == '0' && slice->length - start > 1))
        return FALSE;
    for (gsize i = start; i < slice->length; i++)
        value = value * 10 + (guint)(slice->text[i] - '0');
    slice->length = start - slash_count;
    *bits = value;
    return value <= maximum;
}

static gboolean is_ipv4(PosternSpfSlice text)
{
    char address[INET_ADDRSTRLEN] = "";
    struct in_addr octets;

    if (text.length >= sizeof address)
        return FALSE;
    memcpy(address, text.text, text.length);
    return inet_pton(AF_INET, address, &octets) == 1;
}

static const char *parse_domain(PosternSpfSlice text, PosternSpfSlice *domain)
{
    if (!postern_spf_macro_is_valid(text.text, text.length, POSTERN_SPF_MACRO_DOMAIN))
        return is_ipv4(text) ? "an address where a domain belongs (ip4: takes addresses)"
                             : "not a domain-spec";
    *domain = text;
    return NULL;
}

static const char *parse_network(PosternSpfSlice text, int family, PosternSpfDirective *directive)
{
    char address[INET6_ADDRSTRLEN];
    guint *bits = family == AF_INET ? &directive->ipv4_bits : &directive->ipv6_bits;
    void *octets = family == AF_INET ? (void *)&directive->network.ipv4 : (void *)&directive->network.ipv6;

    if (!take_cidr(&text, "/", family == AF_INET ? 32 : 128, bits))
        return "not a prefix length";
    if (text.length == 0 || text.length >= sizeof address)
        return "not an address";
    memcpy(address, text.text, text.length);
    address[text.length] = '\0';
    if (strlen(address) != text.length || inet_pton(family, address, octets) != 1)
        return "not an address";
    directive->network.family = (sa_family_t)family;
    return NULL;
}

/* text is what follows the mechanism's name, ':' included. NULL, or what is wrong. */
static const char *parse_argument(Argument argument, PosternSpfSlice text, PosternSpfDirective *directive)
{
    if (argument == ARGUMENT_DOMAIN_AND_CIDR && (!take_cidr(&text, "//", 128, &directive->ipv6_bits) ||
                                                 !take_cidr(&text, "/", 32, &directive->ipv4_bits)))
        return "not a prefix length";
    if (text.length == 0) {
        gboolean required =
            argument == ARGUMENT_DOMAIN || argument == ARGUMENT_IPV4 || argument == ARGUMENT_IPV6;

        return required ? "an argument is missing" : NULL;
    }
    if (text.text[0] != ':' || argument == ARGUMENT_NONE)
        return "an argument that it does not take";
    text = slice_from(text, 1);
    switch (argument) {
    case ARGUMENT_IPV4:
        return parse_network(text, AF_INET, directive);
    case ARGUMENT_IPV6:
        return parse_network(text, AF_INET6, directive);
    default:
        return parse_domain(text, &directive->domain);
    }
}

static const char *parse_directive(PosternSpfSlice term, PosternSpfRecord *record)
{
    PosternSpfDirective directive = {
        .result = POSTERN_SPF_PASS, .term = term, .ipv4_bits = 32, .ipv6_bits = 128};
    PosternSpfSlice name;

    for (guint i = 0; i < G_N_ELEMENTS(qualifiers); i++) {
        if (term.text[0] == qualifiers[i].qualifier) {
            directive.result = qualifiers[i].result;
            term = slice_from(term, 1);
            break;
        }
    }
    name = (PosternSpfSlice){term.text, 0};
    while (name.length < term.length && term.text[name.length] != ':' && term.text[name.length] != '/')
        name.length++;
    for (guint i = 0; i < G_N_ELEMENTS(mechanisms); i++) {
        const char *problem;

        if (!slice_is(name, mechanisms[i].name))
            continue;
        directive.mechanism = mechanisms[i].mechanism;
        problem = parse_argument(mechanisms[i].argument, slice_from(term, name.length), &directive);
        if (problem == NULL)
            g_array_append_val(record->directives, directive);
        return problem;
    }
    return "unknown mechanism";
}

/* The length of the name of a modifier at the start of term, 0: it is no modifier (RFC 7208 4.6.1). */
static gsize modifier_name_length(PosternSpfSlice term)
{
    gsize length = 0;

    if (!g_ascii_isalpha(term.text[0]))
        return 0;
    while (length < term.length && (g_ascii_isalnum(term.text[length]) || term.text[length] == '-' ||
                                    term.text[length] == '_' || term.text[length] == '.'))
        length++;
    return length < term.length && term.text[length] == '=' ? length : 0;
}

static const char *parse_modifier(PosternSpfSlice name, PosternSpfSlice value, PosternSpfRecord *record)
{
    for (guint i = 0; i < G_N_ELEMENTS(modifiers); i++) {
        PosternSpfSlice *slice = G_STRUCT_MEMBER_P(record, modifiers[i].offset);

        if (!slice_is(name, modifiers[i].name))
            continue;
        return slice->text != NULL ? "given twice" : parse_domain(value, slice);
    }
    if (!postern_spf_macro_is_valid(value.text, value.length, POSTERN_SPF_MACRO_MODIFIER))
        return "not a macro-string";
    return NULL;
}

static const char *parse_term(PosternSpfSlice term, PosternSpfRecord *record)
{
    gsize name_length;

    for (gsize i = 0; i < term.length; i++)
        if (!g_ascii_isgraph(term.text[i]))
            return "an octet that is no visible ASCII";
    name_length = modifier_name_length(term);
    if (name_length == 0)
        return parse_directive(term, record);
    return parse_modifier((PosternSpfSlice){term.text, name_length}, slice_from(term, name_length + 1),
                          record);
}

gboolean postern_spf_record_is(const char *octets, gsize length)
{
    return length >= VERSION_LENGTH && g_ascii_strncasecmp(octets, VERSION, VERSION_LENGTH) == 0 &&
           (length == VERSION_LENGTH || octets[VERSION_LENGTH] == ' ');
}

PosternSpfRecord *postern_spf_record_parse(const char *octets, gsize length, char **ret_problem)
{
    g_autoptr(PosternSpfRecord) record = g_new0(PosternSpfRecord, 1);
    gsize at = VERSION_LENGTH;

    record->directives = g_array_sized_new(FALSE, FALSE, sizeof(PosternSpfDirective), 8);
    *ret_problem = NULL;
    if (length > POSTERN_SPF_RECORD_MAX_OCTETS) {
        *ret_problem = g_strdup_printf("the record has over %d octets", POSTERN_SPF_RECORD_MAX_OCTETS);
        return NULL;
    }
    while (at < length) {
        PosternSpfSlice term = {octets + at, 0};
        const char *problem;

        if (octets[at] == ' ') {
            at++;
            continue;
        }
        while (at + term.length < length && term.text[term.length] != ' ')
            term.length++;
        problem = parse_term(term, record);
        if (problem != NULL) {
            g_autofree char *shown = postern_escape(term.text, term.length, PROBLEM_TERM_MAX_OCTETS);

            *ret_problem = g_strdup_printf("%s: \"%s\"", problem, shown);
            return NULL;
        }
        at += term.length;
    }
    return g_steal_pointer(&record);
}

void postern_spf_record_free(PosternSpfRecord *record)
{
    if (record == NULL)
        return;
    g_array_unref(record->directives);
    g_free(record);
}
