/*
 * What the tests of the DKIM check share: an engine, a table of answers, a key, and messages signed with it.
 */
#pragma once

#include <string.h>

#include "base/limits.h"
#include "checks/check.h"
#include "unit/dkim_signer.h"

#define NOW G_GINT64_CONSTANT(1750000000)
#define HEADER                                                                                               \
    "From: Alice <alice@example.com>\r\nTo: bob@example.net\r\nSubject: hello  there\r\nDate: today\r\n"
#define BODY "One line.\r\n  Two   lines. \r\n\r\n\r\n"
#define KEY_NAME "sel._domainkey.example.com"

typedef struct {
    PosternDkimEngine *engine;
    PosternAnswers *answers;
    EVP_PKEY *key;
} Fixture;

static inline void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->engine = postern_dkim_engine_new(FALSE);
    fixture->answers = postern_answers_new();
    fixture->key = dkim_signer_ed25519();
}

static inline void tear_down(Fixture *fixture, gconstpointer data)
{
    postern_dkim_engine_free(fixture->engine);
    postern_answers_unref(fixture->answers);
    EVP_PKEY_free(fixture->key);
}

static inline void answer(Fixture *fixture, const char *name, PosternAnswerStatus status, const char *first,
                          const char *second)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    PosternAnswer *answer = postern_answer_new(status);
    if (first != NULL)
        postern_answer_add(answer, first, strlen(first));
    if (second != NULL)
        postern_answer_add(answer, second, strlen(second));
    postern_answers_add(fixture->answers, question, answer);
}

static inline void answer_key(Fixture *fixture, EVP_PKEY *key)
{
    g_autofree char *record = dkim_signer_record(key);
    answer(fixture, KEY_NAME, POSTERN_ANSWER_RECORDS, record, NULL);
}

static inline DkimSigner plain_signer(EVP_PKEY *key)
{
    gboolean rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    return (DkimSigner){.key = key,
                        .algorithm = rsa ? DKIM_SIGN_RSASHA256 : DKIM_SIGN_ED25519SHA256,
                        .header_form = DKIM_CANON_RELAXED,
                        .body_form = DKIM_CANON_SIMPLE,
                        .length = -1,
                        .signed_at = NOW};
}

static inline char *signed_message(const DkimSigner *signer)
{
    g_autofree char *field = dkim_signer_field(signer, "sel", "example.com", HEADER, BODY);
    return g_strconcat(field, HEADER "\r\n" BODY, NULL);
}

static inline PosternFindings *check_octets(Fixture *fixture, const char *message, gsize length, gint64 now)
{
    PosternFindings *findings = postern_findings_new();
    g_autofree char *copy = g_memdup2(message, MAX(length, 1));
    g_autoptr(PosternHeader) header = postern_header_parse(copy, length);
    g_assert_cmpint(
        postern_check_dkim(fixture->engine, copy, length, header, now, fixture->answers, findings), ==, 1);
    g_assert_true(findings->dkim.checked);
    return findings;
}

static inline const PosternDkimFinding *finding(const PosternFindings *findings, guint index)
{
    g_assert_cmpuint(findings->dkim.signatures->len, >, index);
    return g_ptr_array_index(findings->dkim.signatures, index);
}

static inline void expect(Fixture *fixture, const char *message, gint64 now, PosternDkimResult wanted,
                          const char *reason)
{
    g_autoptr(PosternFindings) findings = check_octets(fixture, message, strlen(message), now);
    const PosternDkimFinding *first = finding(findings, 0);
    if (first->result != wanted)
        g_error("%s (%s), wanted %s, for:\n%s", postern_dkim_result_name(first->result), first->reason,
                postern_dkim_result_name(wanted), message);
    g_assert_true((wanted == POSTERN_DKIM_PASS) == (first->reason == NULL));
    if (reason != NULL && strstr(first->reason, reason) == NULL)
        g_error("reason '%s', wanted '%s'", first->reason, reason);
}
