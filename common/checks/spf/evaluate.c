#include "checks/spf/evaluate.h"

#include <stdarg.h>
#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

void postern_spf_outcome_clear(PosternSpfOutcome *outcome)
{
    g_free(outcome->domain);
    *outcome = (PosternSpfOutcome){0};
}

void postern_spf_set_problem(PosternSpfEvaluation *evaluation, const char *format, ...)
{
    va_list arguments;

    if (evaluation->problem != NULL)
        return;
    va_start(arguments, format);
    evaluation->problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
}

void postern_spf_step(const PosternSpfEvaluation *evaluation, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    if (evaluation->findings == NULL)
        return;
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    postern_findings_step(evaluation->findings, POSTERN_CHECK_SPF, "%s: %s", evaluation->values.domain, text);
}

/* At least two labels, none too long or empty (4.3). */
static gboolean can_have_record(const char *domain)
{
    gsize label = 0, labels = 1, i;

    for (i = 0; domain[i] != '\0'; i++) {
        if (domain[i] == '.') {
            if (label == 0)
                return FALSE;
            labels++;
            label = 0;
        } else if (!g_ascii_isgraph(domain[i]) || ++label > POSTERN_DOMAIN_LABEL_MAX_OCTETS) {
            return FALSE;
        }
    }
    return label > 0 && labels > 1 && i <= POSTERN_DOMAIN_NAME_MAX_OCTETS && domain[0] != '[';
}

/* A problem of the record of domain. */
static void set_record_problem(PosternSpfEvaluation *evaluation, const char *domain, const char *problem)
{
    g_autofree char *shown = postern_escape(domain, strlen(domain), POSTERN_DOMAIN_NAME_MAX_OCTETS);

    postern_spf_set_problem(evaluation, "%s: %s", shown, problem);
}

/*
 * The one SPF record of domain (RFC 7208 4.4, 4.5). 1: *ret_record; 0: waiting; -1: *ret_result says why
 * there is none.
 */
static int find_record(PosternSpfEvaluation *evaluation, const char *domain, GBytes **ret_record,
                       PosternSpfResult *ret_result)
{
    const PosternAnswer *answer = NULL;
    PosternSpfLookup status = postern_spf_look_up(evaluation, domain, POSTERN_DNS_TXT, &answer);

    *ret_record = NULL;
    *ret_result = POSTERN_SPF_NONE;
    if (status == POSTERN_SPF_MISSING)
        return 0;
    if (status == POSTERN_SPF_FAILED) {
        set_record_problem(evaluation, domain, "the DNS failed");
        *ret_result = POSTERN_SPF_TEMPERROR;
        return -1;
    }
    for (guint i = 0; i < answer->records->len; i++) {
        GBytes *record = g_ptr_array_index(answer->records, i);
        gsize length;
        const char *octets = g_bytes_get_data(record, &length);

        if (!postern_spf_record_is(octets, length))
            continue;
        if (*ret_record != NULL) {
            set_record_problem(evaluation, domain, "more than one SPF record");
            *ret_result = POSTERN_SPF_PERMERROR;
            return -1;
        }
        *ret_record = record;
    }
    return *ret_record != NULL ? 1 : -1;
}

static PosternSpfRecord *parse_record(PosternSpfEvaluation *evaluation, const char *domain, GBytes *octets)
{
    g_autofree char *problem = NULL;
    gsize length;
    const char *text = g_bytes_get_data(octets, &length);
    PosternSpfRecord *record = postern_spf_record_parse(text, length, &problem);

    postern_spf_step(evaluation, "the record is \"%.*s\"", (int)MIN(length, POSTERN_STEP_MAX_OCTETS), text);
    if (record == NULL)
        set_record_problem(evaluation, domain, problem);
    return record;
}

static void tell_directive(const PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive,
                           PosternSpfMatch match)
{
    static const char *const outcomes[] = {
        [POSTERN_SPF_NO_MATCH] = "no match",
        [POSTERN_SPF_MATCH_WAITING] = "waits for an answer",
        [POSTERN_SPF_MATCH_TEMPERROR] = "temperror",
        [POSTERN_SPF_MATCH_PERMERROR] = "permerror",
    };
    int length = (int)MIN(directive->term.length, POSTERN_STEP_MAX_OCTETS);

    if (match == POSTERN_SPF_MATCH)
        postern_spf_step(evaluation, "%.*s: match, which decides %s", length, directive->term.text,
                         postern_spf_result_name(directive->result));
    else
        postern_spf_step(evaluation, "%.*s: %s", length, directive->term.text, outcomes[match]);
}

/*
 * The directives in their order (4.6.2). TRUE: one decides *ret_result; FALSE: none matches. *waiting is set
 * if one waits, and what comes after it then decides nothing.
 */
static gboolean evaluate_directives(PosternSpfEvaluation *evaluation, GArray *directives, gboolean *waiting,
                                    PosternSpfResult *ret_result)
{
    for (guint i = 0; i < directives->len; i++) {
        const PosternSpfDirective *directive = &g_array_index(directives, PosternSpfDirective, i);
        PosternSpfMatch match = postern_spf_match(evaluation, directive);

        tell_directive(evaluation, directive, match);
        switch (match) {
        case POSTERN_SPF_NO_MATCH:
            continue;
        case POSTERN_SPF_MATCH_WAITING:
            *waiting = TRUE;
            continue;
        case POSTERN_SPF_MATCH:
            *ret_result = directive->result;
            return TRUE;
        case POSTERN_SPF_MATCH_TEMPERROR:
            *ret_result = POSTERN_SPF_TEMPERROR;
            return TRUE;
        case POSTERN_SPF_MATCH_PERMERROR:
            *ret_result = POSTERN_SPF_PERMERROR;
            return TRUE;
        }
    }
    return FALSE;
}

/* Where a record whose directives do not match leads (6.1): *ret_target, a new string, or a result. */
static void follow_redirect(PosternSpfEvaluation *evaluation, PosternSpfSlice redirect, gboolean *waiting,
                            PosternSpfOutcome *outcome, char **ret_target)
{
    outcome->result = POSTERN_SPF_NEUTRAL;
    if (redirect.text == NULL)
        return;
    outcome->result = POSTERN_SPF_PERMERROR;
    if (!postern_spf_count_lookup(evaluation))
        return;
    switch (postern_spf_expand(evaluation, redirect, ret_target)) {
    case POSTERN_SPF_NO_MATCH:
        outcome->result = POSTERN_SPF_NEUTRAL;
        break;
    case POSTERN_SPF_MATCH_WAITING:
        *waiting = TRUE;
        break;
    case POSTERN_SPF_MATCH:
        postern_spf_step(evaluation, "no directive matches, redirect leads to %s", *ret_target);
        break;
    default:
        break;
    }
}

/* The record of the current domain: a result in *outcome, or *ret_target if another domain's record
 * counts. */
static void check_domain(PosternSpfEvaluation *evaluation, gboolean *waiting, PosternSpfOutcome *outcome,
                         char **ret_target)
{
    g_autoptr(PosternSpfRecord) record = NULL;
    const char *domain = evaluation->values.domain;
    GBytes *octets = NULL;
    int found;

    outcome->result = POSTERN_SPF_NONE;
    if (!can_have_record(domain))
        return;
    found = find_record(evaluation, domain, &octets, &outcome->result);
    if (found == 0)
        *waiting = TRUE;
    if (found != 1) {
        postern_spf_step(evaluation, "no SPF record: %s", postern_spf_result_name(outcome->result));
        return;
    }
    outcome->result = POSTERN_SPF_PERMERROR;
    record = parse_record(evaluation, domain, octets);
    if (record == NULL)
        return;
    if (!evaluate_directives(evaluation, record->directives, waiting, &outcome->result)) {
        follow_redirect(evaluation, record->redirect, waiting, outcome, ret_target);
    } else if (outcome->result == POSTERN_SPF_FAIL) {
        outcome->explanation = record->explanation;
        outcome->domain = g_strdup(domain);
    }
}

/* Each turn of the loop, and each level of include, takes one of POSTERN_SPF_LOOKUPS_MAX. */
int postern_spf_check_host(PosternSpfEvaluation *evaluation, const char *domain, PosternSpfOutcome *outcome)
{
    const char *outer = evaluation->values.domain;
    g_autofree char *current = g_strdup(domain);
    gboolean waiting = FALSE, redirected = FALSE;

    for (;;) {
        char *target = NULL;

        evaluation->values.domain = current;
        check_domain(evaluation, &waiting, outcome, &target);
        if (target == NULL)
            break;
        redirected = TRUE;
        g_free(current);
        current = target;
    }
    evaluation->values.domain = outer;
    if (redirected && outcome->result == POSTERN_SPF_NONE) {
        set_record_problem(evaluation, current, "the target of a redirect has no SPF record");
        outcome->result = POSTERN_SPF_PERMERROR;
    }
    return waiting ? 0 : 1;
}
