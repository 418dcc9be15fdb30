#include "checks/check.h"

#include "base/limits.h"
#include "checks/spf/domain.h"
#include "checks/spf/evaluate.h"
#include "checks/spf/identity.h"

/* The text that exp= leads to (RFC 7208 6.2); whatever goes wrong, there is none. */
static PosternSpfLookup find_explanation(PosternSpfEvaluation *evaluation, PosternSpfSlice domain,
                                         PosternSpfSlice *ret_text)
{
    g_autofree char *name = NULL;
    const PosternAnswer *answer = NULL;
    PosternSpfMatch expanded = postern_spf_expand(evaluation, domain, &name);
    PosternSpfLookup status;

    if (expanded == POSTERN_SPF_MATCH_WAITING)
        return POSTERN_SPF_MISSING;
    if (expanded != POSTERN_SPF_MATCH)
        return POSTERN_SPF_VOID;
    status = postern_spf_look_up(evaluation, name, POSTERN_DNS_TXT, &answer);
    if (status != POSTERN_SPF_FOUND)
        return status;
    if (answer->records->len != 1)
        return POSTERN_SPF_VOID;
    ret_text->text = g_bytes_get_data(g_ptr_array_index(answer->records, 0), &ret_text->length);
    if (ret_text->length == 0 || ret_text->length > POSTERN_SPF_RECORD_MAX_OCTETS)
        return POSTERN_SPF_VOID;
    return postern_spf_macro_is_valid(ret_text->text, ret_text->length, POSTERN_SPF_MACRO_EXPLANATION)
               ? POSTERN_SPF_FOUND
               : POSTERN_SPF_VOID;
}

/* 1: *ret_explanation, or NULL; 0: waiting. The limits of the evaluation, which is over, do not count here.
 */
static int explain(const PosternSpfEvaluation *evaluation, const PosternSpfOutcome *outcome,
                   char **ret_explanation)
{
    PosternSpfEvaluation aside = {
        .values = evaluation->values, .answers = evaluation->answers, .findings = evaluation->findings};
    PosternSpfSlice text = {0};
    PosternSpfLookup found;

    aside.values.domain = outcome->domain;
    found = find_explanation(&aside, outcome->explanation, &text);
    if (found == POSTERN_SPF_FOUND &&
        postern_spf_expand_explanation(&aside, text, ret_explanation) == POSTERN_SPF_MATCH_WAITING)
        found = POSTERN_SPF_MISSING;
    g_free(aside.problem);
    return found == POSTERN_SPF_MISSING ? 0 : 1;
}

static void tell_result(const PosternSpfEvaluation *evaluation, const PosternSpfFinding *finding)
{
    if (evaluation->findings == NULL)
        return;
    postern_findings_step(evaluation->findings, POSTERN_CHECK_SPF,
                          "%s, with %u of %d terms that ask the DNS and %u of %d void look-ups%s%s",
                          postern_spf_result_name(finding->result), evaluation->lookups,
                          POSTERN_SPF_LOOKUPS_MAX, evaluation->void_lookups, POSTERN_SPF_VOID_LOOKUPS_MAX,
                          finding->problem != NULL ? ": " : "",
                          finding->problem != NULL ? finding->problem : "");
    if (finding->explanation != NULL)
        postern_findings_step(evaluation->findings, POSTERN_CHECK_SPF, "the owner's explanation is \"%s\"",
                              finding->explanation);
}

static int evaluate(PosternSpfEvaluation *evaluation, const char *domain, PosternSpfFinding *finding)
{
    g_auto(PosternSpfOutcome) outcome = {0};
    g_autofree char *explanation = NULL;

    if (postern_spf_check_host(evaluation, domain, &outcome) == 0)
        return 0;
    if (outcome.result == POSTERN_SPF_FAIL && outcome.explanation.text != NULL &&
        explain(evaluation, &outcome, &explanation) == 0)
        return 0;
    finding->result = outcome.result;
    finding->uncertain = evaluation->uncertain &&
                         (outcome.result == POSTERN_SPF_FAIL || outcome.result == POSTERN_SPF_SOFTFAIL);
    finding->explanation = g_steal_pointer(&explanation);
    if (outcome.result == POSTERN_SPF_TEMPERROR || outcome.result == POSTERN_SPF_PERMERROR)
        finding->problem = g_steal_pointer(&evaluation->problem);
    tell_result(evaluation, finding);
    return 1;
}

int postern_check_spf(const PosternEnvelope *envelope, const char *receiver, gint64 now,
                      PosternAnswers *answers, PosternFindings *findings)
{
    PosternSpfFinding *finding = &findings->spf;
    g_auto(PosternSpfIdentity) identity = {0};
    g_autofree char *helo = NULL;
    PosternSpfEvaluation evaluation = {.answers = answers, .findings = findings->explain ? findings : NULL};
    guint steps = findings->steps->len;
    int done = 1;

    if (!postern_spf_identity_find(envelope, findings, &identity))
        return 1;
    helo = envelope->helo != NULL ? postern_spf_domain_to_ascii(envelope->helo) : NULL;
    evaluation.values = (PosternSpfMacroValues){
        .local_part = identity.local_part,
        .sender_domain = identity.ascii,
        .helo = helo != NULL ? helo : "unknown",
        .receiver = receiver != NULL ? receiver : "unknown",
        .client = envelope->client,
        .now = now,
    };
    if (identity.ascii == NULL)
        finding->result = POSTERN_SPF_NONE;
    else
        done = evaluate(&evaluation, identity.ascii, finding);
    g_free(evaluation.problem);
    if (done) {
        finding->helo = identity.helo;
        finding->domain = g_strdup(identity.ascii != NULL ? identity.ascii : identity.domain);
    } else {
        /* A run that waits is run again, and tells its steps again. */
        g_ptr_array_set_size(findings->steps, (gint)steps);
    }
    return done;
}

static int run_engine(const PosternCheckRun *run, const PosternEnvelope *envelope, PosternFindings *findings)
{
    PosternLibspf2Engine *libspf2 = run->engines->libspf2;
    if (libspf2 != NULL)
        return postern_check_spf_libspf2(libspf2, envelope, run->receiver, run->now, run->answers, findings);
    return postern_check_spf(envelope, run->receiver, run->now, run->answers, findings);
}

static int run_mail_from(const PosternCheckRun *run)
{
    return run_engine(run, run->envelope, run->findings);
}

/* HELO is what is checked if there is no MAIL FROM (RFC 7208 2.4); without one, that has been done. */
static int run_helo(const PosternCheckRun *run)
{
    const char *sender = run->envelope->sender;
    const char *at = sender != NULL ? strrchr(sender, '@') : NULL;
    if (at == NULL || at[1] == '\0')
        return 1;
    g_autoptr(PosternEnvelope) envelope = postern_envelope_copy(run->envelope);
    g_autoptr(PosternFindings) found = postern_findings_new();
    found->explain = run->findings->explain;
    g_free(envelope->sender);
    envelope->sender = g_strdup("");
    if (run_engine(run, envelope, found) == 0)
        return 0;
    for (guint i = 0; i < found->steps->len; i++)
        ((PosternStep *)g_ptr_array_index(found->steps, i))->check = POSTERN_CHECK_SPF_HELO;
    found->spf_helo = found->spf;
    found->spf = (PosternSpfFinding){POSTERN_SPF_NOT_CHECKED};
    postern_findings_take(run->findings, found, POSTERN_CHECK_SPF_HELO);
    return 1;
}

const PosternEvaluation postern_evaluation_spf = {
    .run = {[POSTERN_STAGE_ENVELOPE] = run_mail_from, [POSTERN_STAGE_WHOLE] = run_mail_from},
};

const PosternEvaluation postern_evaluation_spf_helo = {
    .run = {[POSTERN_STAGE_ENVELOPE] = run_helo, [POSTERN_STAGE_WHOLE] = run_helo},
};
