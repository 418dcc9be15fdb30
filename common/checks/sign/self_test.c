#include "checks/sign/engine.h"

#include <string.h>

#include "base/error.h"

#define SIGNED_AT 1750000000

static const char sample[] = "From: Postern <postern@postern.invalid>\r\n"
                             "Subject: proof\r\n"
                             "Date: Sun, 15 Jun 2025 15:06:40 +0000\r\n"
                             "\r\n"
                             "Signed to be verified.\r\n";

static PosternAnswers *answers_with(const PosternSignKey *key)
{
    g_autofree char *name = postern_sign_key_name(key);
    g_autofree char *record = postern_sign_key_record(key);
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    PosternAnswers *answers = postern_answers_new();
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_RECORDS);
    postern_answer_add(answer, record, strlen(record));
    if (question != NULL)
        postern_answers_add(answers, question, answer);
    else
        postern_answer_free(answer);
    return answers;
}

/* TRUE if message, with field above it, is found right by dkim. */
static gboolean verifies(PosternDkimEngine *dkim, const PosternSignKey *key, const char *field,
                         const char **ret_reason)
{
    g_autofree char *message = g_strconcat("DKIM-Signature: ", field, "\r\n", sample, NULL);
    g_autoptr(PosternHeader) header = postern_header_parse(message, strlen(message));
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternAnswers) answers = answers_with(key);
    postern_check_dkim(dkim, message, strlen(message), header, SIGNED_AT, answers, findings);
    const PosternDkimFinding *finding =
        findings->dkim.signatures->len == 1 ? g_ptr_array_index(findings->dkim.signatures, 0) : NULL;
    *ret_reason = finding != NULL ? postern_dkim_result_name(finding->result) : "nothing";
    return finding != NULL && finding->result == POSTERN_DKIM_PASS;
}

static gboolean prove_key(PosternSignEngine *engine, PosternDkimEngine *dkim, const PosternSignKey *key,
                          GError **error)
{
    const char *reason = NULL;
    g_autoptr(PosternHeader) header = postern_header_parse(sample, strlen(sample));
    g_autoptr(GPtrArray) fields = g_ptr_array_new();
    for (guint i = 0; i < header->fields->len; i++)
        g_ptr_array_add(fields, &g_array_index(header->fields, PosternHeaderField, i));
    g_autofree char *field =
        postern_sign_engine_field(engine, key, fields, sample + header->body_offset,
                                  strlen(sample) - header->body_offset, SIGNED_AT, error);
    if (field == NULL)
        return FALSE;
    if (verifies(dkim, key, field, &reason))
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_UNAVAILABLE,
                             "a signature by key %s of %s is found '%s' by libopendkim, where pass is right",
                             key->selector, key->domain, reason);
}

gboolean postern_sign_engine_self_test(PosternSignEngine *engine, PosternDkimEngine *dkim, gboolean every,
                                       GError **error)
{
    GPtrArray *keys = postern_sign_engine_all(engine);
    gboolean proved[] = {FALSE, FALSE};
    for (guint i = 0; i < keys->len; i++) {
        const PosternSignKey *key = g_ptr_array_index(keys, i);
        gboolean *seen = &proved[key->ed25519 ? 1 : 0];
        if (*seen && !every)
            continue;
        if (!prove_key(engine, dkim, key, error))
            return FALSE;
        *seen = TRUE;
    }
    return TRUE;
}
