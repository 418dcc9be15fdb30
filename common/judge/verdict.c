#include "judge/verdict.h"

#include <string.h>

#include "base/limits.h"
#include "judge/results.h"
#include "judge/rows.h"

#define RESULTS_FIELD "Authentication-Results"
#define QUARANTINE_FIELD "Postern-Quarantine"
#define INSERTED_MAX 2

static gboolean has_name(const PosternHeaderField *field, const char *name)
{
    return field->name_length == strlen(name) &&
           g_ascii_strncasecmp(field->name, name, field->name_length) == 0;
}

/* Adds to edits the removal of fields that only we may write. FALSE: there may be more of them than can be
 * removed. */
static gboolean remove_forged(PosternEdits *edits, const PosternHeader *header, const char *authserv_id)
{
    guint results = 0;
    guint quarantines = 0;

    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        gboolean removed = TRUE;

        if (has_name(field, QUARANTINE_FIELD)) {
            removed = postern_edits_remove(edits, QUARANTINE_FIELD, quarantines++);
        } else if (has_name(field, RESULTS_FIELD)) {
            if (postern_authentication_results_is_of(field->value, field->value_length, authserv_id))
                removed = postern_edits_remove(edits, RESULTS_FIELD, results);
            results++;
        }
        if (!removed)
            return FALSE;
    }
    return !header->too_many && edits->list->len + INSERTED_MAX <= POSTERN_HEADER_EDITS_MAX;
}

/* Ours stands on top, so that what is below it can be told from it. */
static void insert_ours(PosternEdits *edits, const PosternCase *facts, const PosternRow *row,
                        PosternAction action, const PosternAuthenticationResults *results)
{
    if (action == POSTERN_ACTION_QUARANTINE) {
        g_autofree char *value = postern_row_quarantine(row, facts);

        postern_edits_insert(edits, QUARANTINE_FIELD, value);
    }
    if (facts->policy->authentication_results) {
        g_autofree char *value = postern_authentication_results_format(results, TRUE);

        postern_edits_insert(edits, RESULTS_FIELD, value);
    }
}

static gboolean is_passed_on(PosternAction action)
{
    return action == POSTERN_ACTION_ACCEPT || action == POSTERN_ACTION_QUARANTINE;
}

PosternVerdict *postern_verdict_decide(const PosternPolicy *policy, const PosternFindings *findings,
                                       const PosternEnvelope *envelope, const PosternHeader *header,
                                       gboolean virus_required)
{
    g_autoptr(PosternEdits) edits = postern_edits_new();
    gboolean cleaned =
        !policy->authentication_results || !header || remove_forged(edits, header, policy->authserv_id);
    PosternCase facts = {policy, findings, envelope, virus_required, !cleaned};
    g_autoptr(PosternAuthenticationResults) results =
        postern_results_of_findings(policy->authserv_id, findings, envelope);
    PosternVerdict *verdict = g_new0(PosternVerdict, 1);
    PosternAction action;
    const PosternRow *row = postern_rows_decide(&facts, &action);
    g_autofree char *reply = row ? postern_row_reply(row, &facts, action) : NULL;

    if (action == POSTERN_ACTION_MARK)
        action = POSTERN_ACTION_ACCEPT;
    verdict->check = row ? row->name : NULL;
    verdict->would = action;
    verdict->authentication_results = postern_authentication_results_format(results, FALSE);
    if (policy->observe) {
        verdict->action = POSTERN_ACTION_ACCEPT;
        verdict->would_reply = g_steal_pointer(&reply);
    } else {
        verdict->action = action;
        verdict->reply = g_steal_pointer(&reply);
    }
    if (policy->observe || !is_passed_on(action)) {
        verdict->edits = postern_edits_new();
    } else {
        insert_ours(edits, &facts, row, action, results);
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
    postern_edits_free(verdict->edits);
    g_free(verdict);
}
