#include "verdict/verdict.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "mail/signed_field.h"
#include "verdict/check.h"
#include "verdict/received_spf.h"
#include "verdict/subject.h"

#define RESULTS_FIELD "Authentication-Results"
#define QUARANTINE_FIELD "Postern-Quarantine"
#define MARK_FIELD "Postern-Mark"
#define RECEIVED_SPF_FIELD "Received-SPF"
#define SIGNATURE_FIELD "DKIM-Signature"
#define VIRUS_STATUS_FIELD "X-Virus-Status"
#define RULES_FIELD "X-Content-Rules"
/* Of one kind, in X-Virus-Status */
#define STATUS_TEXT_MAX_OCTETS 200
/* The fields above, and Subject. */
#define INSERTED_MAX (7 + POSTERN_SIGN_FIELDS_MAX)

/* If we add results, or our signature, forged ones of our name must not stand beside them. */
static gboolean claims_authentication(const PosternFacts *facts)
{
    return facts->policy->authentication_results || (facts->policy->checks & POSTERN_CHECK_SIGN);
}

/* Of what is scanned here nobody else says what was found. */
static gboolean claims_virus_status(const PosternFacts *facts)
{
    return facts->policy->virus_status != POSTERN_VIRUS_STATUS_NO &&
           (facts->policy->checks & POSTERN_CHECK_VIRUS) != 0;
}

/* A message that is passed on as it is although it was not found clean says so. */
static gboolean tells_virus_status(const PosternFacts *facts)
{
    return claims_virus_status(facts) && (facts->findings->virus.result != POSTERN_VIRUS_CLEAN ||
                                          facts->policy->virus_status == POSTERN_VIRUS_STATUS_ALL);
}

static gboolean claims_rules(const PosternFacts *facts)
{
    return claims_authentication(facts) && (facts->policy->checks & POSTERN_CHECK_RULES) != 0;
}

static gboolean always(const char *value, gsize length, const PosternPolicy *policy)
{
    return TRUE;
}

static gboolean results_are_ours(const char *value, gsize length, const PosternPolicy *policy)
{
    return postern_authentication_results_is_of(value, length, policy->authserv_id);
}

/* One that names no receiver is ours too if we add one: nobody could tell it from that. */
static gboolean received_spf_is_ours(const char *value, gsize length, const PosternPolicy *policy)
{
    return postern_authentication_results_mentions(value, length, policy->authserv_id) ||
           (policy->received_spf && !postern_received_spf_names_receiver(value, length));
}

/* Fields that only we may write. */
static const struct {
    const char *name;
    gboolean (*is_claimed)(const PosternFacts *facts); /* by us, in this message, there or not */
    gboolean (*is_ours)(const char *value, gsize length, const PosternPolicy *policy);
} own_fields[] = {
    {RESULTS_FIELD, claims_authentication, results_are_ours},
    {RECEIVED_SPF_FIELD, claims_authentication, received_spf_is_ours},
    {QUARANTINE_FIELD, claims_authentication, always},
    {MARK_FIELD, claims_authentication, always},
    {VIRUS_STATUS_FIELD, claims_virus_status, always},
    {RULES_FIELD, claims_rules, always},
};

/* TRUE if line, however it is written, is a forged field to somebody. */
static gboolean is_forged(const PosternHeaderField *line, const PosternFacts *facts)
{
    for (gsize i = 0; i < G_N_ELEMENTS(own_fields); i++) {
        const char *value = line->value;
        gsize length = line->value_length;

        if (own_fields[i].is_claimed(facts) &&
            (postern_header_field_is(line, own_fields[i].name) ||
             postern_header_line_hides(line, own_fields[i].name, &value, &length)) &&
            own_fields[i].is_ours(value, length, facts->policy))
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
static gboolean remove_forged(PosternEdits *edits, const PosternHeader *header, const PosternFacts *facts)
{
    if (!claims_authentication(facts) && !claims_virus_status(facts))
        return TRUE;
    for (guint i = 0; i < header->fields->len; i++)
        if (is_forged(&g_array_index(header->fields, PosternHeaderField, i), facts) &&
            !remove_field(edits, header, i))
            return FALSE;
    for (guint i = 0; i < header->odd_lines->len; i++)
        if (is_forged(&g_array_index(header->odd_lines, PosternHeaderField, i), facts) &&
            !postern_edits_remove_odd_line(edits, i))
            return FALSE;
    guint folds = facts->policy->checks & POSTERN_CHECK_SIGN ? POSTERN_SIGN_FOLDS_MAX : 0;

    return !header->too_many && edits->list->len + INSERTED_MAX + folds <= POSTERN_HEADER_EDITS_MAX;
}

/* "Clean" or "Infected (NAME)", as clamav-milter writes them and filters look for; "KIND (what), KIND
 * (what)". Each text has a bound, and no line of it is long. */
static void insert_virus_status(PosternEdits *edits, const PosternFacts *facts)
{
    const PosternVirusFinding *virus = &facts->findings->virus;
    g_autoptr(GString) value = g_string_new(NULL);

    if (virus->result == POSTERN_VIRUS_INFECTED || virus->reason == NULL) {
        g_string_append(value, postern_virus_result_name(virus->result));
        if (virus->result == POSTERN_VIRUS_INFECTED || virus->result == POSTERN_VIRUS_CLEAN)
            value->str[0] = g_ascii_toupper(value->str[0]);
        postern_rule_add_in_brackets(value, virus->name);
    }
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++) {
        if (virus->kinds[i] == NULL)
            continue;

        g_autofree char *text = g_strndup(virus->kinds[i], STATUS_TEXT_MAX_OCTETS);

        g_string_append_printf(value, "%s%s", value->len > 0 ? ",\r\n\t" : "",
                               postern_virus_kind_name((PosternVirusKind)i));
        postern_rule_add_in_brackets(value,
                                     i != POSTERN_VIRUS_SCAN_ERROR ? postern_escape_for_header(text) : NULL);
    }
    postern_edits_insert(edits, VIRUS_STATUS_FIELD, value->str);
}

static gboolean insert_signatures(PosternEdits *edits, const PosternFacts *facts)
{
    const GPtrArray *fields = facts->findings->sign.fields;
    guint count = 0;

    if (facts->policy->checks & POSTERN_CHECK_SIGN)
        for (guint i = 0; i < MIN(fields->len, (guint)POSTERN_SIGN_FIELDS_MAX); i++)
            count += postern_edits_insert(edits, SIGNATURE_FIELD, g_ptr_array_index(fields, i)) ? 1 : 0;
    return count > 0;
}

/* The fields that our signature covers, in the form that it was made for (mail/signed_field.h). */
static void fold_signed(PosternEdits *edits, const PosternHeader *header)
{
    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);

        if (!postern_signed_field_is(field) || !postern_signed_field_is_long(field))
            continue;
        g_autofree char *name = g_strndup(field->name, field->name_length);
        g_autofree char *value = postern_signed_field_fold(field);
        guint occurrence = 0;

        while (postern_header_find(header, name, occurrence) != field)
            occurrence++;
        if (value)
            postern_edits_change(edits, name, occurrence, value);
    }
}

/* All but what is inserted on top of all. A Subject that our signature covers stays. */
static void change(PosternEdits *edits, const PosternFacts *facts, const PosternRule *rule,
                   PosternAction action, const PosternHeader *header)
{
    gboolean is_signed = insert_signatures(edits, facts);
    gboolean suspect = action == POSTERN_ACTION_MARK || action == POSTERN_ACTION_QUARANTINE;

    if (is_signed && header)
        fold_signed(edits, header);
    if (suspect && header && *facts->policy->subject_tag && !is_signed)
        postern_subject_tag(edits, header, facts->policy->subject_tag);
    if (tells_virus_status(facts))
        insert_virus_status(edits, facts);
    if (claims_rules(facts)) {
        g_autofree char *value = postern_rules_finding_field(&facts->findings->rules, facts->policy->name);

        if (value)
            postern_edits_insert(edits, RULES_FIELD, value);
    }
    g_autofree char *marks = claims_authentication(facts) ? postern_rules_marking(facts) : NULL;
    if (marks)
        postern_edits_insert(edits, MARK_FIELD, marks);
    if (action == POSTERN_ACTION_QUARANTINE) {
        g_autofree char *value = postern_rule_quarantine(rule, facts);

        postern_edits_insert(edits, QUARANTINE_FIELD, value);
    }
}

/* Ours stands on top, so that what is below it can be told from it. */
static void insert_results(PosternEdits *edits, const PosternFacts *facts,
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
static const char *disposition_of(const PosternFacts *facts)
{
    PosternAction action;
    const PosternRule *rule = postern_rules_decide(facts, POSTERN_CHECK_DMARC, &action);

    if (!rule || facts->findings->dmarc.result != POSTERN_DMARC_FAIL)
        return postern_dmarc_policy_name(POSTERN_DMARC_POLICY_NONE);
    if (action == POSTERN_ACTION_REJECT || action == POSTERN_ACTION_DISCARD)
        return postern_dmarc_policy_name(POSTERN_DMARC_POLICY_REJECT);
    return postern_dmarc_policy_name(action == POSTERN_ACTION_QUARANTINE ? POSTERN_DMARC_POLICY_QUARANTINE
                                                                         : POSTERN_DMARC_POLICY_NONE);
}

static void set_action(PosternVerdict *verdict, const PosternFacts *facts, const PosternRule *rule,
                       PosternAction action)
{
    g_autofree char *reply = rule ? postern_rule_reply(rule, facts, action) : NULL;

    verdict->check = rule ? rule->name : NULL;
    verdict->decided = rule ? postern_rule_quarantine(rule, facts) : NULL;
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
    PosternVerdict *verdict = g_new0(PosternVerdict, 1);

    verdict->header_problem =
        header && postern_header_misleads(header) ? postern_header_problem(header) : NULL;

    PosternFacts facts = {policy, findings, envelope, FALSE, verdict->header_problem};
    PosternAction action;

    facts.header_unsafe = header && !remove_forged(edits, header, &facts);
    const PosternRule *rule = postern_rules_decide(&facts, POSTERN_CHECKS_ALL, &action);

    verdict->policy = g_strdup(policy->name);
    verdict->disposition = disposition_of(&facts);
    verdict->arc_override = postern_facts_are_overridden(&facts, NULL);
    set_action(verdict, &facts, rule, action);

    g_autoptr(PosternAuthenticationResults) results = postern_checks_results(&facts);

    verdict->authentication_results = postern_authentication_results_format(results, FALSE);
    if (policy->observe || !is_passed_on(action)) {
        verdict->edits = postern_edits_new();
    } else {
        change(edits, &facts, rule, action, header);
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
