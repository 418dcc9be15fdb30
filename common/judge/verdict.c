#include "judge/verdict.h"

#include <string.h>

#include "base/limits.h"
#include "judge/received_spf.h"
#include "judge/results.h"
#include "judge/rows.h"
#include "judge/subject.h"

#define RESULTS_FIELD "Authentication-Results"
#define QUARANTINE_FIELD "Postern-Quarantine"
#define RECEIVED_SPF_FIELD "Received-SPF"
#define SIGNATURE_FIELD "DKIM-Signature"
/* The fields above, and Subject. */
#define INSERTED_MAX (4 + POSTERN_SIGN_FIELDS_MAX)

/* Where we add results, or our signature, forged ones of our name must not stand beside them. */
static gboolean claims_authentication(const PosternPolicy *policy)
{
    return policy->authentication_results || (policy->checks & POSTERN_CHECK_SIGN);
}

static gboolean always(const char *value, gsize length, const PosternPolicy *policy)
{
    return TRUE;
}

static gboolean results_are_ours(const char *value, gsize length, const PosternPolicy *policy)
{
    return postern_authentication_results_is_of(value, length, policy->authserv_id);
}

/* One that names no receiver is ours too where we add one: nobody could tell it from that. */
static gboolean received_spf_is_ours(const char *value, gsize length, const PosternPolicy *policy)
{
    return postern_authentication_results_mentions(value, length, policy->authserv_id) ||
           (policy->received_spf && !postern_received_spf_names_receiver(value, length));
}

/* Fields that only we may write. */
static const struct {
    const char *name;
    gboolean (*is_ours)(const char *value, gsize length, const PosternPolicy *policy);
} own_fields[] = {
    {RESULTS_FIELD, results_are_ours},
    {RECEIVED_SPF_FIELD, received_spf_is_ours},
    {QUARANTINE_FIELD, always},
};

/* TRUE if line, however it is written, is a forged field to somebody. */
static gboolean is_forged(const PosternHeaderField *line, const PosternPolicy *policy)
{
    for (gsize i = 0; i < G_N_ELEMENTS(own_fields); i++) {
        const char *value = line->value;
        gsize length = line->value_length;

        if ((postern_header_field_is(line, own_fields[i].name) ||
             postern_header_line_hides(line, own_fields[i].name, &value, &length)) &&
            own_fields[i].is_ours(value, length, policy))
            return TRUE;
    }
    return FALSE;
}

static gboolean remove_field(PosternEdits *edits, const PosternHeader *header, guint index)
{
    const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, index);
    g_autofree char *name = g_strndup(field->name, field->name_length);
    guint occurrence = 0;

    for (guint i = 0; i < index; i++)
        if (postern_header_field_is(&g_array_index(header->fields, PosternHeaderField, i), name))
            occurrence++;
    return postern_edits_remove(edits, name, occurrence);
}

/* Adds to edits the removal of fields that only we may write. FALSE: there may be more of them than can be
 * removed. */
static gboolean remove_forged(PosternEdits *edits, const PosternHeader *header, const PosternPolicy *policy)
{
    for (guint i = 0; i < header->fields->len; i++)
        if (is_forged(&g_array_index(header->fields, PosternHeaderField, i), policy) &&
            !remove_field(edits, header, i))
            return FALSE;
    for (guint i = 0; i < header->odd_lines->len; i++)
        if (is_forged(&g_array_index(header->odd_lines, PosternHeaderField, i), policy) &&
            !postern_edits_remove_odd_line(edits, i))
            return FALSE;
    return !header->too_many && edits->list->len + INSERTED_MAX <= POSTERN_HEADER_EDITS_MAX;
}

static gboolean insert_signatures(PosternEdits *edits, const PosternCase *facts)
{
    const GPtrArray *fields = facts->findings->signatures.fields;
    guint count = 0;

    if (facts->policy->checks & POSTERN_CHECK_SIGN)
        for (guint i = 0; i < MIN(fields->len, (guint)POSTERN_SIGN_FIELDS_MAX); i++)
            count += postern_edits_insert(edits, SIGNATURE_FIELD, g_ptr_array_index(fields, i)) ? 1 : 0;
    return count > 0;
}

/* All but what is inserted on top of all. A Subject that our signature covers stays. */
static void change(PosternEdits *edits, const PosternCase *facts, const PosternRow *row, PosternAction action,
                   const PosternHeader *header)
{
    gboolean is_signed = insert_signatures(edits, facts);
    gboolean suspect = action == POSTERN_ACTION_MARK || action == POSTERN_ACTION_QUARANTINE;

    if (suspect && header && *facts->policy->subject_tag && !is_signed)
        postern_subject_tag(edits, header, facts->policy->subject_tag);
    if (action == POSTERN_ACTION_QUARANTINE) {
        g_autofree char *value = postern_row_quarantine(row, facts);

        postern_edits_insert(edits, QUARANTINE_FIELD, value);
    }
}

/* Ours stands on top, so that what is below it can be told from it. */
static void insert_results(PosternEdits *edits, const PosternCase *facts,
                           const PosternAuthenticationResults *results)
{
    const PosternPolicy *policy = facts->policy;

    if (policy->received_spf && (policy->checks & POSTERN_CHECK_SPF)) {
        g_autofree char *value =
            postern_received_spf_value(&facts->findings->spf, facts->envelope, policy->authserv_id);

        if (value)
            postern_edits_insert(edits, RECEIVED_SPF_FIELD, value);
    }
    if (policy->authentication_results) {
        g_autofree char *value = postern_authentication_results_format(results, TRUE);

        postern_edits_insert(edits, RESULTS_FIELD, value);
    }
}

static gboolean is_passed_on(PosternAction action)
{
    return action == POSTERN_ACTION_ACCEPT || action == POSTERN_ACTION_MARK ||
           action == POSTERN_ACTION_QUARANTINE;
}

/* What DMARC alone leads to. A temporary refusal leads to nothing: the client will be back. */
static const char *disposition_of(const PosternCase *facts)
{
    PosternAction action;
    const PosternRow *row = postern_rows_decide_list(postern_rows_dmarc, facts, &action);

    if (!row || facts->findings->dmarc.result != POSTERN_DMARC_FAIL)
        return postern_dmarc_policy_name(POSTERN_DMARC_POLICY_NONE);
    if (action == POSTERN_ACTION_REJECT || action == POSTERN_ACTION_DISCARD)
        return postern_dmarc_policy_name(POSTERN_DMARC_POLICY_REJECT);
    return postern_dmarc_policy_name(action == POSTERN_ACTION_QUARANTINE ? POSTERN_DMARC_POLICY_QUARANTINE
                                                                         : POSTERN_DMARC_POLICY_NONE);
}

static void set_action(PosternVerdict *verdict, const PosternCase *facts, const PosternRow *row,
                       PosternAction action)
{
    g_autofree char *reply = row ? postern_row_reply(row, facts, action) : NULL;

    verdict->check = row ? row->name : NULL;
    verdict->decided = row ? postern_row_quarantine(row, facts) : NULL;
    verdict->would = action == POSTERN_ACTION_MARK ? POSTERN_ACTION_ACCEPT : action;
    if (facts->policy->observe) {
        verdict->action = POSTERN_ACTION_ACCEPT;
        verdict->would_reply = g_steal_pointer(&reply);
    } else {
        verdict->action = verdict->would;
        verdict->reply = g_steal_pointer(&reply);
    }
}

PosternVerdict *postern_verdict_decide(const PosternPolicy *policy, const PosternFindings *findings,
                                       const PosternEnvelope *envelope, const PosternHeader *header)
{
    g_autoptr(PosternEdits) edits = postern_edits_new();
    gboolean cleaned =
        !claims_authentication(policy) || !header || remove_forged(edits, header, policy);
    PosternVerdict *verdict = g_new0(PosternVerdict, 1);

    verdict->header_problem = header ? postern_header_problem(header) : NULL;

    PosternCase facts = {policy, findings, envelope, !cleaned, verdict->header_problem};
    PosternAction action;
    const PosternRow *row = postern_rows_decide(&facts, &action);

    verdict->policy = g_strdup(policy->name);
    verdict->disposition = disposition_of(&facts);
    verdict->arc_override = postern_case_is_overridden(&facts, NULL);
    set_action(verdict, &facts, row, action);

    g_autoptr(PosternAuthenticationResults) results = postern_results_of_case(&facts);

    verdict->authentication_results = postern_authentication_results_format(results, FALSE);
    if (policy->observe || !is_passed_on(action)) {
        verdict->edits = postern_edits_new();
    } else {
        change(edits, &facts, row, action, header);
        insert_results(edits, &facts, results);
        verdict->edits = g_steal_pointer(&edits);
    }
    return verdict;
}

void postern_verdict_free(PosternVerdict *verdict)
{
    if (!verdict)
        return;
    g_free(verdict->reply);
    g_free(verdict->would_reply);
    g_free(verdict->authentication_results);
    g_free(verdict->policy);
    g_free(verdict->header_problem);
    g_free(verdict->decided);
    postern_edits_free(verdict->edits);
    g_free(verdict);
}
