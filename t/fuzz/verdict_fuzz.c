/*
 * Verdicts over a stranger's message and findings: replies are one printable line, temporary errors never
 * refuse for good, no forged field of our name survives, and no octet of a stranger makes a line.
 */
#include "judge/verdict.h"

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

static PosternPolicy *take_policy(Input *input)
{
    PosternPolicy *policy = postern_policy_new();
    PosternAction *const actions[] = {&policy->virus,        &policy->unscannable, &policy->spf_fail,
                                      &policy->spf_softfail, &policy->spf_error,   &policy->dkim_fail,
                                      &policy->dkim_error};
    guint flags = take_number(input, 256);

    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
        *actions[i] = (PosternAction)take_number(input, POSTERN_ACTION_REJECT + 1);
    policy->authentication_results = (flags & 7) != 0;
    policy->observe = (flags & 0x38) == 0x38;
    g_free(policy->authserv_id);
    policy->authserv_id = g_strdup(OURS);
    if ((flags & 0xc0) == 0xc0)
        g_ptr_array_add(policy->exempt_recipients, g_strdup("postmaster"));
    return policy;
}

static PosternFindings *take_findings(Input *input)
{
    PosternFindings *findings = postern_findings_new();
    guint signatures = take_number(input, 4);

    findings->spf.result = (PosternSpfResult)take_number(input, POSTERN_SPF_PERMERROR + 1);
    findings->spf.helo = (gboolean)take_number(input, 2);
    findings->spf.domain = take_text(input);
    findings->spf.explanation = take_text(input);
    findings->spf.problem = take_text(input);
    findings->virus.result = (PosternVirusResult)take_number(input, POSTERN_VIRUS_ERROR + 1);
    findings->virus.name = take_text(input);
    findings->virus.reason = take_text(input);
    findings->dkim_checked = TRUE;
    for (guint i = 0; i < signatures; i++) {
        PosternDkimFinding *finding = postern_dkim_finding_new();

        finding->result = (PosternDkimResult)take_number(input, POSTERN_DKIM_SKIPPED + 1);
        finding->domain = take_text(input);
        finding->selector = take_text(input);
        finding->algorithm = take_text(input);
        finding->signature_start = take_text(input);
        finding->reason = take_text(input);
        g_ptr_array_add(findings->dkim, finding);
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
    for (guint i = 0; i < findings->dkim->len; i++)
        if (((PosternDkimFinding *)g_ptr_array_index(findings->dkim, i))->result == POSTERN_DKIM_TEMPERROR)
            return TRUE;
    return FALSE;
}

static void check_reply(const PosternVerdict *verdict, const PosternPolicy *policy,
                        const PosternFindings *findings)
{
    const char *reply = policy->observe ? verdict->would_reply : verdict->reply;
    gboolean refused = verdict->would == POSTERN_ACTION_REJECT;
    gboolean delayed = verdict->would == POSTERN_ACTION_TEMPFAIL;

    g_assert(verdict->action != POSTERN_ACTION_MARK && verdict->would != POSTERN_ACTION_MARK);
    g_assert(policy->observe ? !verdict->reply : !verdict->would_reply);
    g_assert(verdict->action == (policy->observe ? POSTERN_ACTION_ACCEPT : verdict->would));
    g_assert((reply != NULL) == (refused || delayed));
    check_line(verdict->authentication_results, POSTERN_HEADER_EDIT_MAX_OCTETS);
    if (!reply)
        return;
    check_line(reply, POSTERN_REFUSAL_MAX_OCTETS);
    g_assert(g_str_has_prefix(reply, refused ? "550 5.7." : "451 4."));
    if (!refused)
        return;
    g_assert(strcmp(verdict->check, "spf_error") != 0 && strcmp(verdict->check, "dkim_error") != 0);
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

/* Ours is the first field, word for word, no other claims to be; and no field came in beside what we
 * inserted. */
static void check_fields(const PosternHeader *before, const PosternHeader *after,
                         const PosternVerdict *verdict)
{
    gboolean quarantined = verdict->action == POSTERN_ACTION_QUARANTINE;
    const PosternEdit *ours = g_ptr_array_index(verdict->edits->list, verdict->edits->list->len - 1);
    const PosternHeaderField *first = &g_array_index(after->fields, PosternHeaderField, 0);
    guint inserted = quarantined ? 2 : 1;
    guint removed = verdict->edits->list->len - inserted;

    g_assert(after->fields->len == before->fields->len - removed + inserted);
    g_assert(ours->kind == POSTERN_EDIT_INSERT && has_name(first, RESULTS_FIELD));
    g_assert(first->value_length == strlen(ours->value) + 1 &&
             memcmp(first->value + 1, ours->value, first->value_length - 1) == 0);
    for (guint i = 0; i < after->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(after->fields, PosternHeaderField, i);

        if (has_name(field, RESULTS_FIELD))
            g_assert(postern_authentication_results_is_of(field->value, field->value_length, OURS) ==
                     (i == 0));
        if (has_name(field, QUARANTINE_FIELD))
            g_assert(quarantined && i == 1);
    }
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
    if (policy->authentication_results)
        check_fields(before, after, verdict);
    else
        g_assert(after->fields->len ==
                 before->fields->len + (verdict->action == POSTERN_ACTION_QUARANTINE ? 1 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = {data, size};
    g_autoptr(PosternPolicy) policy = take_policy(&input);
    g_autoptr(PosternFindings) findings = take_findings(&input);
    g_autoptr(PosternEnvelope) envelope = take_envelope(&input);
    gboolean required = (gboolean)take_number(&input, 2);
    g_autofree char *octets = g_memdup2(input.at, input.left);
    g_autoptr(PosternHeader) header = postern_header_parse(octets, input.left);
    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, header, required);
    g_autoptr(PosternVerdict) again = postern_verdict_decide(policy, findings, envelope, header, required);

    g_assert(verdict->action == again->action && g_strcmp0(verdict->reply, again->reply) == 0);
    check_reply(verdict, policy, findings);
    check_edits(verdict, policy, octets ? octets : "", input.left, header);
    return 0;
}
