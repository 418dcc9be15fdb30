#include "checks/spf/evaluate.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

#define MX_PREFERENCE_OCTETS 2

gboolean postern_spf_count_lookup(PosternSpfEvaluation *evaluation)
{
    if (evaluation->lookups >= POSTERN_SPF_LOOKUPS_MAX) {
        postern_spf_set_problem(evaluation, "more than %d terms that ask the DNS", POSTERN_SPF_LOOKUPS_MAX);
        return FALSE;
    }
    evaluation->lookups++;
    return TRUE;
}

/* A term whose questions had no record: no match, or one too many of them. */
static PosternSpfMatch count_void(PosternSpfEvaluation *evaluation)
{
    if (evaluation->void_lookups >= POSTERN_SPF_VOID_LOOKUPS_MAX) {
        postern_spf_set_problem(evaluation, "more than %d terms whose names do not exist",
                                POSTERN_SPF_VOID_LOOKUPS_MAX);
        return POSTERN_SPF_MATCH_PERMERROR;
    }
    evaluation->void_lookups++;
    return POSTERN_SPF_NO_MATCH;
}

/* What a question without records means to most mechanisms. */
static PosternSpfMatch without_records(PosternSpfEvaluation *evaluation, const char *name,
                                       PosternSpfLookup status)
{
    switch (status) {
    case POSTERN_SPF_MISSING:
        return POSTERN_SPF_MATCH_WAITING;
    case POSTERN_SPF_VOID:
        return count_void(evaluation);
    default: {
        g_autofree char *shown = postern_escape(name, strlen(name), POSTERN_DOMAIN_NAME_MAX_OCTETS);

        postern_spf_set_problem(evaluation, "the DNS failed for \"%s\"", shown);
        return POSTERN_SPF_MATCH_TEMPERROR;
    }
    }
}

static PosternSpfMatch match_all(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                                 const char *name)
{
    return POSTERN_SPF_MATCH;
}

static PosternSpfMatch match_network(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                                     const char *name)
{
    guint bits = directive->network.family == AF_INET ? directive->ipv4_bits : directive->ipv6_bits;

    return postern_address_in_network(&evaluation->values.client, &directive->network, bits)
               ? POSTERN_SPF_MATCH
               : POSTERN_SPF_NO_MATCH;
}

static PosternSpfMatch match_a(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                               const char *name)
{
    const PosternAnswer *answer = NULL;
    PosternSpfLookup status = postern_spf_look_up_addresses(evaluation, name, &answer);

    if (status != POSTERN_SPF_FOUND)
        return without_records(evaluation, name, status);
    return postern_spf_answer_has_client(evaluation, answer, directive->ipv4_bits, directive->ipv6_bits)
               ? POSTERN_SPF_MATCH
               : POSTERN_SPF_NO_MATCH;
}

static PosternSpfMatch match_exists(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                                    const char *name)
{
    const PosternAnswer *answer = NULL;
    PosternSpfLookup status = postern_spf_look_up(evaluation, name, POSTERN_DNS_A, &answer);

    return status == POSTERN_SPF_FOUND ? POSTERN_SPF_MATCH : without_records(evaluation, name, status);
}

/* The hosts in their order; once one is waited for, the rest is only asked. */
static PosternSpfMatch match_mx_hosts(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                                      const PosternAnswer *hosts)
{
    gboolean waiting = FALSE, found = FALSE, asked = FALSE;

    for (guint i = 0; i < hosts->records->len; i++) {
        g_autofree char *host =
            postern_spf_record_name(g_ptr_array_index(hosts->records, i), MX_PREFERENCE_OCTETS);
        const PosternAnswer *answer = NULL;
        PosternSpfLookup status;

        if (host == NULL)
            continue;
        status = postern_spf_look_up_addresses(evaluation, host, &answer);
        asked = TRUE;
        found = found || status == POSTERN_SPF_FOUND;
        waiting = waiting || status == POSTERN_SPF_MISSING;
        if (waiting)
            continue;
        if (status == POSTERN_SPF_FAILED)
            return without_records(evaluation, host, status);
        if (status == POSTERN_SPF_FOUND &&
            postern_spf_answer_has_client(evaluation, answer, directive->ipv4_bits, directive->ipv6_bits))
            return POSTERN_SPF_MATCH;
    }
    if (waiting)
        return POSTERN_SPF_MATCH_WAITING;
    return asked && !found ? count_void(evaluation) : POSTERN_SPF_NO_MATCH;
}

static PosternSpfMatch match_mx(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                                const char *name)
{
    const PosternAnswer *hosts = NULL;
    PosternSpfLookup status = postern_spf_look_up(evaluation, name, POSTERN_DNS_MX, &hosts);

    if (status != POSTERN_SPF_FOUND)
        return without_records(evaluation, name, status);
    if (hosts->records->len > POSTERN_SPF_MX_NAMES_MAX) {
        g_autofree char *shown = postern_escape(name, strlen(name), POSTERN_DOMAIN_NAME_MAX_OCTETS);

        postern_spf_set_problem(evaluation, "more than %d MX records of \"%s\"", POSTERN_SPF_MX_NAMES_MAX,
                                shown);
        return POSTERN_SPF_MATCH_PERMERROR;
    }
    return match_mx_hosts(evaluation, directive, hosts);
}

static PosternSpfMatch match_ptr(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                                 const char *name)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    PosternSpfLookup status = postern_spf_validate_client(evaluation, names);

    for (guint i = 0; i < names->len; i++)
        if (postern_spf_name_is_under(g_ptr_array_index(names, i), name))
            return POSTERN_SPF_MATCH;
    if (status == POSTERN_SPF_MISSING)
        return POSTERN_SPF_MATCH_WAITING;
    /* RFC 7208 5.5: a failure of the DNS, which the client may bring about, is no match. */
    evaluation->uncertain = evaluation->uncertain || status == POSTERN_SPF_FAILED;
    return status == POSTERN_SPF_VOID ? count_void(evaluation) : POSTERN_SPF_NO_MATCH;
}

static PosternSpfMatch match_include(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                                     const char *name)
{
    g_auto(PosternSpfOutcome) outcome = {0};

    if (postern_spf_check_host(evaluation, name, &outcome) == 0)
        return POSTERN_SPF_MATCH_WAITING;
    switch (outcome.result) {
    case POSTERN_SPF_PASS:
        return POSTERN_SPF_MATCH;
    case POSTERN_SPF_FAIL:
    case POSTERN_SPF_SOFTFAIL:
    case POSTERN_SPF_NEUTRAL:
        return POSTERN_SPF_NO_MATCH;
    case POSTERN_SPF_TEMPERROR:
        return POSTERN_SPF_MATCH_TEMPERROR;
    default: {
        g_autofree char *shown = postern_escape(name, strlen(name), POSTERN_DOMAIN_NAME_MAX_OCTETS);

        postern_spf_set_problem(evaluation, "the included \"%s\" has no SPF record", shown);
        return POSTERN_SPF_MATCH_PERMERROR;
    }
    }
}

static const struct {
    gboolean asks; /* the DNS; counted (RFC 7208 4.6.4) */
    PosternSpfMatch (*match)(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                             const char *name);
} matchers[] = {
    [POSTERN_SPF_ALL] = {FALSE, match_all},     [POSTERN_SPF_INCLUDE] = {TRUE, match_include},
    [POSTERN_SPF_A] = {TRUE, match_a},          [POSTERN_SPF_MX] = {TRUE, match_mx},
    [POSTERN_SPF_PTR] = {TRUE, match_ptr},      [POSTERN_SPF_IP4] = {FALSE, match_network},
    [POSTERN_SPF_IP6] = {FALSE, match_network}, [POSTERN_SPF_EXISTS] = {TRUE, match_exists},
};

PosternSpfMatch postern_spf_match(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive)
{
    g_autofree char *name = NULL;
    PosternSpfMatch expanded;

    if (!matchers[directive->mechanism].asks)
        return matchers[directive->mechanism].match(evaluation, directive, NULL);
    if (!postern_spf_count_lookup(evaluation))
        return POSTERN_SPF_MATCH_PERMERROR;
    if (directive->domain.text == NULL)
        return matchers[directive->mechanism].match(evaluation, directive, evaluation->values.domain);
    expanded = postern_spf_expand(evaluation, directive->domain, &name);
    if (expanded != POSTERN_SPF_MATCH)
        return expanded;
    return matchers[directive->mechanism].match(evaluation, directive, name);
}
