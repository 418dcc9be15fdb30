/*
 * Verdicts over a hostile message and findings: replies are one printable line, temporary errors never
 * refuse for good, no forged field of our name survives, and no hostile octet makes a line.
 */
#include "verdict/verdict.h"

#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "wire/authentication_results.h"

#define OURS "mx.example.org"
#define RESULTS_FIELD "Authentication-Results"
#define QUARANTINE_FIELD "Postern-Quarantine"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const uint8_t *at;
    gsize left;
} Input;

static guint take_number(Input *input, guint end)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++ % end;
}

/* What comes before the next 0xfe octet; a new string, or NULL where that is at once. */
static char *take_text(Input *input)
{
    const uint8_t *end = input->left > 0 ? memchr(input->at, 0xfe, input->left) : NULL;
    gsize length = end ? (gsize)(end - input->at) : input->left;
    char *text = length > 0 ? g_strndup((const char *)input->at, length) : NULL;

    input->at += length + (end ? 1 : 0);
    input->left -= length + (end ? 1 : 0);
    return text;
}

static const PosternConfiguration *defaults(void)
{
    static PosternConfiguration *configuration;

    if (!configuration)
        configuration = postern_configuration_new();
    return configuration;
}

static PosternPolicy *take_policy(Input *input)
{
    PosternPolicy *policy = postern_policy_from_configuration(defaults(), OURS);
    PosternAction *const actions[] = {&policy->virus,
                                      &policy->scan_error,
                                      &policy->spf_fail,
                                      &policy->spf_softfail,
                                      &policy->spf_error,
                                      &policy->dkim_fail,
                                      &policy->dkim_error,
                                      &policy->dmarc_reject,
                                      &policy->dmarc_quarantine,
                                      &policy->dmarc_error,
                                      &policy->from_invalid,
                                      &policy->sign_error,
                                      &policy->header_ambiguous,
                                      &policy->ambiguous,
                                      &policy->encrypted,
                                      &policy->too_large,
                                      &policy->heuristic,
                                      &policy->no_signatures};
    guint flags = take_number(input, 256);
    guint more = take_number(input, 256);

    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
        *actions[i] = (PosternAction)take_number(input, POSTERN_ACTION_REJECT + 1);
    policy->checks = (PosternChecks)(~take_number(input, 256) & POSTERN_CHECKS_ALL);
    policy->received_spf = (more & 1) != 0;
    g_free(policy->subject_tag);
    policy->subject_tag = g_strdup((more & 2) ? "[SUSPECT]" : "");
    if (more & 4)
        g_ptr_array_add(policy->trusted_sealers, g_strdup("a.example"));
    if (more & 8)
        g_ptr_array_add(policy->trusted_sealers, g_strdup("b.example"));
    policy->authentication_results = (flags & 7) != 0;
    policy->observe = (flags & 0x38) == 0x38;
    if ((flags & 0xc0) == 0xc0)
        g_ptr_array_add(policy->exempt_recipients, g_strdup("postmaster"));
    return policy;
}

static void take_dmarc(Input *input, PosternDmarcFinding *dmarc)
{
    guint authors = take_number(input, 3);

    dmarc->result = (PosternDmarcResult)take_number(input, POSTERN_DMARC_PERMERROR + 1);
    dmarc->from_invalid = (gboolean)take_number(input, 2);
    dmarc->problem = take_text(input);
    for (guint i = 0; i < authors; i++) {
        PosternDmarcAuthor *author = g_new0(PosternDmarcAuthor, 1);

        author->domain = take_number(input, 2) ? g_strdup("a.example") : take_text(input);
        if (!author->domain)
            author->domain = g_strdup("");
        author->policy = (PosternDmarcPolicy)take_number(input, POSTERN_DMARC_POLICY_REJECT + 1);
        g_ptr_array_add(dmarc->authors, author);
        dmarc->decisive = author;
    }
}

static void take_arc(Input *input, PosternArcFinding *arc)
{
    static const char *const names[] = {"a.example", "b.example", "c.example", NULL};
    static const char *const results[] = {"pass", "fail", NULL, "none"};
    guint sets = take_number(input, 4);

    arc->result = (PosternArcResult)take_number(input, POSTERN_ARC_TEMPERROR + 1);
    arc->reason = take_text(input);
    for (guint i = 0; i < sets; i++) {
        PosternArcSet *set = g_new0(PosternArcSet, 1);

        set->instance = i + 1;
        set->sealer = g_strdup(names[take_number(input, 4)]);
        set->dmarc = g_strdup(results[take_number(input, 4)]);
        set->dmarc_domain = g_strdup(names[take_number(input, 4)]);
        g_ptr_array_add(arc->sets, set);
    }
}

static void take_signatures(Input *input, PosternSignFinding *signatures)
{
    guint fields = take_number(input, POSTERN_SIGN_FIELDS_MAX + 2);

    signatures->problem = take_text(input);
    for (guint i = 0; i < fields; i++)
        g_ptr_array_add(signatures->fields, g_strdup("v=1; d=example.org;\r\n\tb=x"));
}

static PosternFindings *take_findings(Input *input)
{
    PosternFindings *findings = postern_findings_new();
    guint signatures = take_number(input, 4);

    take_dmarc(input, &findings->dmarc);
    take_arc(input, &findings->arc);
    take_signatures(input, &findings->sign);

    findings->spf.result = (PosternSpfResult)take_number(input, POSTERN_SPF_PERMERROR + 1);
    findings->spf.helo = (gboolean)take_number(input, 2);
    findings->spf.domain = take_text(input);
    findings->spf.explanation = take_text(input);
    findings->spf.problem = take_text(input);
    guint kinds = take_number(input, 256);
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++) {
        g_autofree char *text = (kinds & 1U << i) != 0 ? take_text(input) : NULL;

        if ((kinds & 1U << i) != 0)
            postern_virus_finding_note(&findings->virus, (PosternVirusKind)i, text);
    }
    if ((kinds & 128) != 0) {
        g_autofree char *name = take_text(input);

        postern_virus_finding_infected(&findings->virus, name);
    }
    postern_virus_finding_clean(&findings->virus);
    findings->dkim.checked = TRUE;
    for (guint i = 0; i < signatures; i++) {
        PosternDkimFinding *finding = postern_dkim_finding_new();

        finding->result = (PosternDkimResult)take_number(input, POSTERN_DKIM_SKIPPED + 1);
        finding->domain = take_text(input);
        finding->selector = take_text(input);
        finding->algorithm = take_text(input);
        finding->signature_start = take_text(input);
        finding->reason = take_text(input);
        g_ptr_array_add(findings->dkim.signatures, finding);
    }
    return findings;
}

static PosternEnvelope *take_envelope(Input *input)
{
    PosternEnvelope *envelope = postern_envelope_new();
    g_autofree char *recipient = NULL;

    envelope->helo = take_text(input);
    envelope->sender = take_text(input);
    recipient = take_text(input);
    g_ptr_array_add(envelope->recipients, recipient ? g_steal_pointer(&recipient) : g_strdup("postmaster"));
    return envelope;
}

static void check_line(const char *text, gsize maximum)
{
    g_assert(strlen(text) <= maximum);
    for (; *text; text++)
        g_assert(*text >= 0x20 && *text <= 0x7e);
}

static gboolean has_temporary_error(const PosternFindings *findings)
{
    for (guint i = 0; i < findings->dkim.signatures->len; i++)
        if (((PosternDkimFinding *)g_ptr_array_index(findings->dkim.signatures, i))->result ==
            POSTERN_DKIM_TEMPERROR)
            return TRUE;
    return FALSE;
}

static void check_reply(const PosternVerdict *verdict, const PosternPolicy *policy,
                        const PosternFindings *findings)
{
    const char *reply = policy->observe ? verdict->would_reply : verdict->reply;
    gboolean refused = verdict->would == POSTERN_ACTION_REJECT;
    gboolean delayed = verdict->would == POSTERN_ACTION_TEMPFAIL;

    g_assert((verdict->check != NULL) == (verdict->decided != NULL));
    if (verdict->decided)
        check_line(verdict->decided, POSTERN_REFUSAL_MAX_OCTETS);
    g_assert(verdict->action != POSTERN_ACTION_MARK && verdict->would != POSTERN_ACTION_MARK);
    g_assert(policy->observe ? !verdict->reply : !verdict->would_reply);
    g_assert(verdict->action == (policy->observe ? POSTERN_ACTION_ACCEPT : verdict->would));
    g_assert((reply != NULL) == (refused || delayed));
    check_line(verdict->authentication_results, POSTERN_HEADER_EDIT_MAX_OCTETS);
    if (!reply)
        return;
    check_line(reply, POSTERN_REFUSAL_MAX_OCTETS);
    gboolean ambiguous = strcmp(verdict->check, "header_ambiguous") == 0;
    g_assert(g_str_has_prefix(reply, !refused ? "451 4." : ambiguous ? "550 5.6.0 " : "550 5.7."));
    if (!refused)
        return;
    g_assert(!g_str_has_suffix(verdict->check, "_error"));
    g_assert(!g_str_has_prefix(verdict->check, "dmarc_") || !(policy->checks & POSTERN_CHECK_ARC) ||
             findings->arc.result != POSTERN_ARC_TEMPERROR || policy->trusted_sealers->len == 0);
    g_assert(!verdict->arc_override || !g_str_has_prefix(verdict->check, "dmarc_"));
    g_assert(strcmp(verdict->check, "dkim_fail") != 0 || !has_temporary_error(findings));
}

static gboolean has_name(const PosternHeaderField *field, const char *name)
{
    return field->name_length == strlen(name) &&
           g_ascii_strncasecmp(field->name, name, field->name_length) == 0;
}

static GString *edit(const char *octets, gsize length, const PosternEdits *edits)
{
    g_autoptr(PosternMessage) message = postern_message_new(length, NULL, NULL);
    GString *edited = g_string_new(NULL);
    const char *piece;
    gsize piece_length;

    g_assert(postern_message_append(message, octets, length, NULL) && postern_message_seal(message, NULL));

    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(message, edits, NULL);

    while (postern_message_reader_next(reader, 65536, &piece, &piece_length))
        g_string_append_len(edited, piece, (gssize)piece_length);
    return edited;
}

static guint count_edits(const PosternEdits *edits, PosternEditKind kind)
{
    guint count = 0;

    for (guint i = 0; i < edits->list->len; i++)
        count += ((const PosternEdit *)g_ptr_array_index(edits->list, i))->kind == kind;
    return count;
}

/* The fields that were inserted are the first, word for word, and in their order; but for what a header may
 * have that begins with white space. */
static void check_inserted(const PosternHeader *after, const PosternEdits *edits)
{
    guint place = 0;

    for (guint i = edits->list->len; i > 0; i--) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i - 1);

        if (edit->kind != POSTERN_EDIT_INSERT)
            continue;

        const PosternHeaderField *field = &g_array_index(after->fields, PosternHeaderField, place++);

        g_assert(has_name(field, edit->name));
        g_assert(field->value_length == strlen(edit->value) + 1 &&
                 memcmp(field->value + 1, edit->value, field->value_length - 1) == 0);
    }
}

/* No field came in beside what we inserted; none but the first claims to be our results. */
static void check_fields(const PosternHeader *before, const PosternHeader *after, const PosternPolicy *policy,
                         const PosternVerdict *verdict)
{
    gboolean quarantined = verdict->action == POSTERN_ACTION_QUARANTINE;
    guint inserted = count_edits(verdict->edits, POSTERN_EDIT_INSERT);
    guint removed = count_edits(verdict->edits, POSTERN_EDIT_REMOVE);

    g_assert(after->fields->len == before->fields->len - removed + inserted);
    g_assert(after->odd_lines->len ==
             before->odd_lines->len - count_edits(verdict->edits, POSTERN_EDIT_REMOVE_ODD_LINE));
    g_assert(inserted <= 4 + POSTERN_SIGN_FIELDS_MAX);
    check_inserted(after, verdict->edits);
    for (guint i = 0; i < after->fields->len && policy->authentication_results; i++) {
        const PosternHeaderField *field = &g_array_index(after->fields, PosternHeaderField, i);

        if (has_name(field, RESULTS_FIELD))
            g_assert(postern_authentication_results_is_of(field->value, field->value_length, OURS) ==
                     (i == 0));
        if (has_name(field, QUARANTINE_FIELD))
            g_assert(quarantined && i < inserted);
    }
}

/* Nor does a line that is no field, to anybody who takes it for one. */
static void check_odd_lines(const PosternHeader *after, const PosternPolicy *policy)
{
    for (guint i = 0; i < after->odd_lines->len && policy->authentication_results; i++) {
        const PosternHeaderField *line = &g_array_index(after->odd_lines, PosternHeaderField, i);
        const char *value;
        gsize length;

        g_assert(!postern_header_line_hides(line, QUARANTINE_FIELD, &value, &length));
        g_assert(!postern_header_line_hides(line, RESULTS_FIELD, &value, &length) ||
                 !postern_authentication_results_is_of(value, length, OURS));
    }
}

/* One that hides a field of ours behind a CR has gone. */
static gboolean subject_is_removed(const PosternEdits *edits)
{
    for (guint i = 0; i < edits->list->len; i++) {
        const PosternEdit *edit = g_ptr_array_index(edits->list, i);

        if (edit->kind == POSTERN_EDIT_REMOVE && g_ascii_strcasecmp(edit->name, "Subject") == 0)
            return TRUE;
    }
    return FALSE;
}

/* A tagged message has the tag before its first Subject, once. */
static void check_subject(const PosternHeader *before, const PosternHeader *after,
                          const PosternPolicy *policy, const PosternVerdict *verdict)
{
    const PosternHeaderField *subject = postern_header_find(after, "Subject", 0);
    guint changed = count_edits(verdict->edits, POSTERN_EDIT_CHANGE);

    g_assert(changed <= 1);
    if (subject_is_removed(verdict->edits))
        return;
    if (verdict->action == POSTERN_ACTION_QUARANTINE && *policy->subject_tag && !before->too_many &&
        !postern_header_find(after, "DKIM-Signature", 0))
        g_assert(subject);
    if (changed == 0)
        return;
    g_assert(subject && *policy->subject_tag);

    g_autofree char *value = postern_header_field_unfold(subject);
    g_autofree char *twice = g_strdup_printf("%s %s", policy->subject_tag, policy->subject_tag);

    g_assert(g_str_has_prefix(value, policy->subject_tag) && !g_str_has_prefix(value, twice));
}

static void check_edits(const PosternVerdict *verdict, const PosternPolicy *policy, const char *octets,
                        gsize length, const PosternHeader *before)
{
    gboolean passed_on =
        verdict->action == POSTERN_ACTION_ACCEPT || verdict->action == POSTERN_ACTION_QUARANTINE;
    gsize body = length - before->body_offset;

    if (policy->observe || !passed_on) {
        g_assert(verdict->edits->list->len == 0);
        return;
    }

    g_autoptr(GString) edited = edit(octets, length, verdict->edits);
    g_autoptr(PosternHeader) after = postern_header_parse(edited->str, edited->len);

    g_assert(edited->len - after->body_offset == body);
    g_assert(body == 0 || memcmp(edited->str + after->body_offset, octets + before->body_offset, body) == 0);
    check_fields(before, after, policy, verdict);
    check_odd_lines(after, policy);
    check_subject(before, after, policy, verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = {data, size};
    g_autoptr(PosternPolicy) policy = take_policy(&input);
    g_autoptr(PosternFindings) findings = take_findings(&input);
    g_autoptr(PosternEnvelope) envelope = take_envelope(&input);
    g_autofree char *octets = g_memdup2(input.at, input.left);
    g_autoptr(PosternHeader) header = postern_header_parse(octets, input.left);
    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header);
    g_autoptr(PosternVerdict) again = postern_verdict_decide(policy, findings, envelope, header);

    g_assert(strcmp(verdict->authentication_results, again->authentication_results) == 0);
    g_assert(verdict->action == again->action && g_strcmp0(verdict->reply, again->reply) == 0);
    check_reply(verdict, policy, findings);
    check_edits(verdict, policy, octets ? octets : "", input.left, header);
    return 0;
}
