#include "checks/check.h"

#include <string.h>

#include "base/limits.h"
#include "checks/dkim_engine.h"
#include "checks/dkim_explain.h"
#include "checks/dkim_signature.h"

static gboolean is_named(const PosternHeaderField *field, const char *name)
{
    return field->name_length == strlen(name) &&
           g_ascii_strncasecmp(field->name, name, field->name_length) == 0;
}

/* The signatures to evaluate, and after them those that are only named. */
static GPtrArray *find_signatures(const PosternHeader *header, guint maximum)
{
    GPtrArray *signatures = g_ptr_array_new_with_free_func((GDestroyNotify)postern_dkim_signature_free);
    for (guint i = 0; i < header->fields->len && signatures->len < maximum; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        if (is_named(field, "DKIM-Signature"))
            g_ptr_array_add(signatures, postern_dkim_signature_new(field));
    }
    return signatures;
}

/* Asks for the keys. FALSE: some have no answer yet. */
static gboolean load_keys(GPtrArray *signatures, PosternAnswers *answers)
{
    gboolean complete = TRUE;
    for (guint i = 0; i < signatures->len; i++) {
        PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        if (signature->decided)
            continue;
        const PosternAnswer *answer = postern_answers_look_up(answers, signature->question, POSTERN_DNS_TXT);
        if (answer == NULL) {
            complete = FALSE;
            continue;
        }
        postern_dkim_key_load(&signature->key, answer, signature->finding->algorithm);
        signature->finding->key_bits = signature->key.bits;
        signature->finding->testing = signature->key.testing;
        if (signature->key.result != POSTERN_DKIM_NONE)
            postern_dkim_signature_decide(signature, signature->key.result, signature->key.reason);
    }
    return complete;
}

int postern_check_dkim_questions(const PosternHeader *header, PosternAnswers *answers)
{
    g_autoptr(GPtrArray) signatures = find_signatures(header, POSTERN_DKIM_SIGNATURES_MAX);
    return load_keys(signatures, answers) ? 1 : 0;
}

static guint count_fields(const PosternHeader *header, const char *name)
{
    guint count = 0;
    for (guint i = 0; i < header->fields->len; i++)
        count += is_named(&g_array_index(header->fields, PosternHeaderField, i), name) ? 1 : 0;
    return count;
}

/* What no signature can be right about: why, or NULL. */
static const char *header_problem(const char *octets, const PosternHeader *header)
{
    if (header->too_many)
        return "the header is too large";
    if (memchr(octets, '\0', header->header_length) != NULL)
        return "the header has a NUL octet";
    if (count_fields(header, "From") == 0)
        return "the message has no From field";
    return NULL;
}

/* A From that was put over the signed one is what people see (RFC 6376 8.15): the signature does not speak
 * for it. */
static void judge_from(PosternDkimSignature *signature, guint from_fields)
{
    if (signature->finding->result != POSTERN_DKIM_PASS || signature->from_fields >= from_fields)
        return;
    g_autofree char *reason = g_strdup_printf("the message has %u From fields and the signature covers %u",
                                              from_fields, signature->from_fields);
    postern_dkim_signature_decide(signature, POSTERN_DKIM_POLICY, reason);
}

static gboolean any_undecided(GPtrArray *signatures)
{
    for (guint i = 0; i < signatures->len; i++) {
        const PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        if (!signature->decided)
            return TRUE;
    }
    return FALSE;
}

static void explain(GPtrArray *signatures, const PosternAnswers *answers, PosternFindings *findings)
{
    if (signatures->len == 0)
        postern_findings_step(findings, POSTERN_CHECK_DKIM, "there is no field DKIM-Signature");
    for (guint i = 0; i < signatures->len; i++)
        postern_dkim_explain(g_ptr_array_index(signatures, i), i + 1, answers, findings);
}

static void report(GPtrArray *signatures, PosternFindings *findings)
{
    for (guint i = 0; i < signatures->len; i++) {
        PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        g_ptr_array_add(findings->dkim, g_steal_pointer(&signature->finding));
    }
}

static void report_skipped(const PosternHeader *header, PosternFindings *findings)
{
    g_autoptr(GPtrArray) all = find_signatures(header, POSTERN_DKIM_SIGNATURES_REPORTED_MAX);
    if (all->len <= POSTERN_DKIM_SIGNATURES_MAX)
        return;
    g_ptr_array_remove_range(all, 0, POSTERN_DKIM_SIGNATURES_MAX);
    for (guint i = 0; i < all->len; i++)
        postern_dkim_signature_decide(g_ptr_array_index(all, i), POSTERN_DKIM_SKIPPED,
                                      "the message has more signatures than are evaluated");
    postern_findings_step(findings, POSTERN_CHECK_DKIM, "%u more signatures were not evaluated", all->len);
    report(all, findings);
}

int postern_check_dkim(PosternDkimEngine *engine, const char *octets, gsize length,
                       const PosternHeader *header, gint64 now, PosternAnswers *answers,
                       PosternFindings *findings)
{
    g_autoptr(GPtrArray) signatures = find_signatures(header, POSTERN_DKIM_SIGNATURES_MAX);
    const char *problem = signatures->len > 0 ? header_problem(octets, header) : NULL;
    for (guint i = 0; i < signatures->len; i++) {
        PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        if (problem != NULL && !signature->decided)
            postern_dkim_signature_decide(signature, POSTERN_DKIM_PERMERROR, problem);
        postern_dkim_signature_judge_time(signature, now);
    }
    if (!load_keys(signatures, answers))
        return 0;
    if (any_undecided(signatures))
        postern_dkim_engine_verify(engine, octets, length, header, signatures);
    guint from_fields = count_fields(header, "From");
    for (guint i = 0; i < signatures->len; i++)
        judge_from(g_ptr_array_index(signatures, i), from_fields);
    explain(signatures, answers, findings);
    report(signatures, findings);
    report_skipped(header, findings);
    findings->dkim_checked = TRUE;
    return 1;
}
