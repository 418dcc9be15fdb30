#include "checks/check.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "checks/sign/engine.h"
#include "checks/spf/domain.h"
#include "mail/edits.h"
#include "mail/signed_field.h"
#include "wire/mailbox.h"

/* Verifiers, and MTAs on the way, do not agree on where such a line ends. */
static gboolean has_odd_line_ends(const PosternHeaderField *field)
{
    for (gsize i = 0; i < field->value_length; i++) {
        char octet = field->value[i];
        gboolean line_end = octet == '\r' && i + 1 < field->value_length && field->value[i + 1] == '\n';
        if (line_end)
            i++;
        else if (octet == '\r' || octet == '\n')
            return TRUE;
    }
    return FALSE;
}

/* A line that is too long is folded when the field is passed on (verdict/verdict.c). */
static gboolean can_be_folded(const PosternHeaderField *field)
{
    g_autofree char *folded = postern_signed_field_fold(field);
    return folded != NULL;
}

/* Why field cannot be signed as it stands, or NULL; *folds counts those that are to be folded. */
static const char *field_problem(const PosternHeaderField *field, guint *folds)
{
    if (field->length > POSTERN_SIGN_HEADER_FIELD_MAX_OCTETS)
        return "a field that would have to be signed is too long";
    if (has_odd_line_ends(field))
        return "a field that would have to be signed has a CR or LF that is no line end";
    if (!postern_signed_field_is_long(field))
        return NULL;
    if (!can_be_folded(field))
        return "a field that would have to be signed has a word longer than a line";
    return ++*folds > POSTERN_SIGN_FOLDS_MAX ? "too many fields have lines that are too long" : NULL;
}

/* The fields to sign; NULL and *ret_reason if the header cannot be signed as it stands. */
static GPtrArray *choose_fields(const PosternHeader *header, const char **ret_reason)
{
    g_autoptr(GPtrArray) fields = g_ptr_array_new();
    guint folds = 0;
    *ret_reason = NULL;
    if (header->too_many)
        *ret_reason = "the header is too large";
    else if (header->ambiguity != POSTERN_HEADER_CLEAR)
        *ret_reason = "not all programs would read the header alike";
    for (guint i = 0; i < header->fields->len && *ret_reason == NULL; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        if (!postern_signed_field_is(field))
            continue;
        g_ptr_array_add(fields, (gpointer)(gsize)field);
        *ret_reason = field_problem(field, &folds);
        if (fields->len > POSTERN_SIGN_HEADER_FIELDS_MAX)
            *ret_reason = "the header has too many fields that would have to be signed";
    }
    return *ret_reason == NULL ? g_steal_pointer(&fields) : NULL;
}

/* The one domain that all who read the message take for its author's, lower case; or NULL and *ret_reason. */
static char *author_domain(const PosternHeader *header, const char **ret_reason)
{
    const PosternHeaderField *from = postern_header_find(header, "From", 0);
    *ret_reason = "the message has no From field";
    if (from == NULL)
        return NULL;
    g_autoptr(PosternMailboxList) list = postern_mailbox_list_parse(from->value, from->value_length);
    if (postern_header_find(header, "From", 1) != NULL)
        *ret_reason = "the message has several From fields";
    else if (list->problem != NULL)
        *ret_reason = list->problem;
    else if (list->domains->len != 1)
        *ret_reason = "From does not name one domain";
    else
        *ret_reason = NULL;
    if (*ret_reason != NULL)
        return NULL;
    char *domain = postern_spf_domain_to_ascii(g_ptr_array_index(list->domains, 0));
    if (domain == NULL)
        *ret_reason = "what From names is no domain";
    return domain;
}

/* The keys of domain, or of the closest domain above it that has any. */
static GPtrArray *find_keys(const PosternSignEngine *engine, const char *domain)
{
    for (const char *name = domain; name != NULL; name = strchr(name, '.')) {
        name += *name == '.';
        GPtrArray *keys = postern_sign_engine_keys_of(engine, name);
        if (keys != NULL)
            return keys;
    }
    return NULL;
}

/* What a mail server on the way would change in the body: why, or NULL. */
static const char *body_problem(const char *body, gsize length)
{
    for (gsize at = 0; at < length;) {
        const char *newline = memchr(body + at, '\n', length - at);
        gsize line = newline != NULL ? (gsize)(newline - body) - at : length - at;
        const char *end = line > 0 ? memchr(body + at, '\r', line) : NULL;
        if (newline != NULL ? end != newline - 1 : end != NULL && end != body + length - 1)
            return "the body has a CR or LF that is no line end";
        if (line > POSTERN_SIGN_BODY_LINE_MAX_OCTETS + (newline != NULL ? 1 : 0))
            return "a line of the body is longer than " G_STRINGIFY(
                POSTERN_SIGN_BODY_LINE_MAX_OCTETS) " octets, and mail servers break such lines";
        at += line + 1;
    }
    return memchr(body, '\0', length) != NULL ? "the body has a NUL octet" : NULL;
}

/* Told whoever runs this: there is a key, and yet no signature. */
static void refuse(PosternFindings *findings, const char *reason)
{
    findings->sign.unsigned_reason = g_strdup(reason);
    postern_findings_step(findings, POSTERN_CHECK_SIGN, "not signed: %s", reason);
}

/* FALSE: there is none, and why is said. */
static gboolean add_signature(PosternFindings *findings, const PosternSignKey *key, const char *value)
{
    g_autoptr(PosternEdits) probe = postern_edits_new();
    if (!postern_edits_insert(probe, "DKIM-Signature", value)) {
        findings->sign.problem = g_strdup("libopendkim made no header field");
        refuse(findings, findings->sign.problem);
        return FALSE;
    }
    g_ptr_array_add(findings->sign.fields, g_strdup(value));
    postern_findings_step(findings, POSTERN_CHECK_SIGN, "signed: d=%s s=%s a=%s", key->domain, key->selector,
                          key->ed25519 ? "ed25519-sha256" : "rsa-sha256");
    return TRUE;
}

/* What the library cannot read is no problem of ours, and would be none that passes. */
static void note_failure(PosternFindings *findings, const GError *error)
{
    if (!g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_INPUT))
        findings->sign.problem = g_strdup(error->message);
    refuse(findings, error->message);
}

static void sign_with(PosternSignEngine *engine, GPtrArray *keys, GPtrArray *fields, const char *body,
                      gsize length, gint64 now, PosternFindings *findings)
{
    PosternSignFinding *signatures = &findings->sign;
    for (guint i = 0; i < keys->len; i++) {
        const PosternSignKey *key = g_ptr_array_index(keys, i);
        g_autoptr(GError) error = NULL;
        g_autofree char *value = postern_sign_engine_field(engine, key, fields, body, length, now, &error);
        if (value == NULL)
            note_failure(findings, error);
        if (value == NULL || !add_signature(findings, key, value)) {
            g_ptr_array_set_size(signatures->fields, 0);
            return;
        }
    }
    const PosternSignKey *any = g_ptr_array_index(keys, 0);
    signatures->domain = g_strdup(any->domain);
}

int postern_check_sign(PosternSignEngine *engine, const char *octets, gsize length,
                       const PosternHeader *header, gint64 now, PosternFindings *findings)
{
    const char *reason = NULL;
    const char *body = octets + header->body_offset;
    gsize body_length = length - header->body_offset;
    g_autofree char *author = author_domain(header, &reason);
    GPtrArray *keys = author != NULL ? find_keys(engine, author) : NULL;
    g_autoptr(GPtrArray) fields = keys != NULL ? choose_fields(header, &reason) : NULL;
    if (fields != NULL)
        reason = body_problem(body, body_length);
    if (author != NULL && keys == NULL)
        postern_findings_step(findings, POSTERN_CHECK_SIGN,
                              "not signed: [sign] table has no key for %s, nor for a domain above it",
                              author);
    else if (reason != NULL)
        refuse(findings, reason);
    else
        sign_with(engine, keys, fields, body, body_length, now, findings);
    return 1;
}

static int run_sign(const PosternCheckRun *run)
{
    return postern_check_sign(run->engines->sign, run->octets, run->length, run->header, run->now,
                              run->findings);
}

static gboolean self_test(const PosternEngines *engines, const char *temporary_directory, GError **error)
{
    return engines->sign == NULL || postern_sign_engine_self_test(engines->sign, engines->dkim, FALSE, error);
}

const PosternEvaluation postern_evaluation_sign = {
    .run = {[POSTERN_STAGE_SIGN] = run_sign},
    .self_test = self_test,
};
