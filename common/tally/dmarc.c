#include "tally/dmarc.h"

#include <string.h>

#include "base/limits.h"
#include "checks/dmarc/record.h"
#include "mail/envelope.h"
#include "tally/evaluation.h"

/* RFC 9990 3.1.1.14: which signatures are told first. */
typedef enum { SIGNED_STRICTLY, SIGNED_RELAXED, SIGNED_OTHERWISE, SIGNED_WRONGLY, SIGNED_RANKS } Rank;

static Rank rank_of(const PosternTallyEvaluation *evaluation, const PosternDkimFinding *signature)
{
    if (signature->result != POSTERN_DKIM_PASS)
        return SIGNED_WRONGLY;
    if (postern_tally_is_aligned(evaluation, signature->domain, TRUE))
        return SIGNED_STRICTLY;
    return postern_tally_is_aligned(evaluation, signature->domain, FALSE) ? SIGNED_RELAXED : SIGNED_OTHERWISE;
}

/* A word of a list whose separators it must not have. */
static void append_word(GString *list, const char *word)
{
    for (; word != NULL && *word != '\0'; word++)
        g_string_append_c(list, (guchar)*word <= ' ' || *word == ';' ? '?' : *word);
}

/* Those that would not fit whole are left out. */
static char *list_signatures(const PosternTallyEvaluation *evaluation)
{
    const GPtrArray *signatures = evaluation->findings->dkim.signatures;
    GString *list = g_string_new(NULL);
    for (guint rank = 0; rank < SIGNED_RANKS; rank++)
        for (guint i = 0; i < signatures->len; i++) {
            const PosternDkimFinding *signature = g_ptr_array_index(signatures, i);
            if (signature->result == POSTERN_DKIM_SKIPPED || rank_of(evaluation, signature) != rank ||
                signature->domain == NULL || signature->selector == NULL)
                continue;
            gsize start = list->len;
            g_string_append(list, start > 0 ? ";" : "");
            append_word(list, signature->domain);
            g_string_append_c(list, ' ');
            append_word(list, signature->selector);
            g_string_append_printf(list, " %s", postern_dkim_result_name(signature->result));
            if (list->len > POSTERN_TALLY_ROW_MAX_OCTETS)
                g_string_truncate(list, start);
        }
    return g_string_free(list, FALSE);
}

/* What the owner has published wants, t=y aside, is something. */
static gboolean asks_for_something(const PosternDmarcAuthor *author)
{
    PosternDmarcRecord record;
    return author->record != NULL &&
           postern_dmarc_record_parse(author->record, strlen(author->record), &record) &&
           MAX(MAX(record.policy, record.subdomain_policy), record.nonexistent_policy) >
               POSTERN_DMARC_POLICY_NONE;
}

/* RFC 9990 3.1.1.9: disposition, and the reason if that is not what the owner has published. */
static void tell_disposition(const PosternCase *mail_case, const PosternTallyEvaluation *evaluation,
                             const char **columns)
{
    const PosternDmarcAuthor *author = evaluation->author;
    const PosternVerdict *verdict = mail_case->verdict;
    const char *policy = postern_dmarc_policy_name(author->policy);
    PosternDmarcResult result = evaluation->findings->dmarc.result;
    columns[POSTERN_TALLY_DISPOSITION] = "none";
    columns[POSTERN_TALLY_REASON] = columns[POSTERN_TALLY_COMMENT] = "";
    if (result == POSTERN_DMARC_PASS) {
        if (author->policy != POSTERN_DMARC_POLICY_NONE)
            columns[POSTERN_TALLY_DISPOSITION] = "pass";
        return;
    }
    if (result != POSTERN_DMARC_FAIL) {
        columns[POSTERN_TALLY_REASON] = "other";
        columns[POSTERN_TALLY_COMMENT] = postern_dmarc_result_name(result);
        return;
    }
    if (!mail_case->observe)
        columns[POSTERN_TALLY_DISPOSITION] = verdict->disposition;
    if (verdict->arc_override) {
        columns[POSTERN_TALLY_REASON] = "trusted_forwarder";
        columns[POSTERN_TALLY_COMMENT] = "arc=pass";
    } else if (!g_str_equal(columns[POSTERN_TALLY_DISPOSITION], policy)) {
        columns[POSTERN_TALLY_REASON] = "local_policy";
        columns[POSTERN_TALLY_COMMENT] = mail_case->observe ? "observing only" : "";
    } else if (author->testing && asks_for_something(author)) {
        columns[POSTERN_TALLY_REASON] = "policy_test_mode";
    }
}

gboolean postern_tally_add_dmarc(PosternTallyRows *rows, guint day, const PosternCase *mail_case,
                                 const PosternFindings *findings, const char *reporter)
{
    if (!postern_tally_is_reported(mail_case, findings, reporter))
        return TRUE;
    const PosternTallyEvaluation evaluation = postern_tally_evaluate(findings);
    const PosternEnvelope *envelope = postern_case_envelope(mail_case);
    g_autofree char *source = postern_address_to_string(&envelope->client);
    g_autofree char *sender = envelope->sender != NULL ? postern_path_domain(envelope->sender) : NULL;
    g_autofree char *signatures = list_signatures(&evaluation);
    gboolean has_spf = findings->spf.result != POSTERN_SPF_NOT_CHECKED && findings->spf.domain != NULL;
    const char *columns[POSTERN_TALLY_DMARC_COLUMNS] = {
        [POSTERN_TALLY_DOMAIN] = evaluation.author->record_domain,
        [POSTERN_TALLY_SOURCE] = source,
        [POSTERN_TALLY_HEADER_FROM] = evaluation.author->domain,
        [POSTERN_TALLY_ENVELOPE_FROM] = sender != NULL ? sender : "",
        [POSTERN_TALLY_DKIM] = evaluation.dkim ? "pass" : "fail",
        [POSTERN_TALLY_SPF] = evaluation.spf ? "pass" : "fail",
        [POSTERN_TALLY_SPF_DOMAIN] = has_spf ? findings->spf.domain : "",
        [POSTERN_TALLY_SPF_RESULT] = has_spf ? postern_spf_result_name(findings->spf.result) : "",
        [POSTERN_TALLY_SIGNATURES] = signatures,
    };
    tell_disposition(mail_case, &evaluation, columns);
    if (!postern_tally_rows_add(rows, POSTERN_TALLY_DMARC, day, columns))
        return FALSE;
    postern_tally_rows_set_policy(rows, day, evaluation.author->record_domain,
                                  evaluation.author->record != NULL ? evaluation.author->record : "");
    return TRUE;
}
