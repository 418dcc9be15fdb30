/*
 * What the tests of our own signatures share: a folder with keys and a table, and a verifier of what they
 * sign.
 */
#pragma once

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "checks/check.h"
#include "dkim_signer.h"

#define NOW G_GINT64_CONSTANT(1750000000)

typedef struct {
    char *folder;
    GString *table;
    PosternAnswers *answers; /* the records of all keys made */
    GPtrArray *warnings;
} SignFixture;

static inline char *sign_path(const SignFixture *fixture, const char *name)
{
    return g_build_filename(fixture->folder, name, NULL);
}

static inline void sign_write(const SignFixture *fixture, const char *name, const char *text, mode_t mode)
{
    g_autofree char *path = sign_path(fixture, name);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

static inline void sign_set_up(SignFixture *fixture)
{
    fixture->folder = g_dir_make_tmp("postern-sign-XXXXXX", NULL);
    g_assert_nonnull(fixture->folder);
    fixture->table = g_string_new("# keys of the test\n\n");
    fixture->answers = postern_answers_new();
    fixture->warnings = g_ptr_array_new_with_free_func(g_free);
}

static inline void sign_tear_down(SignFixture *fixture)
{
    g_autoptr(GDir) folder = g_dir_open(fixture->folder, 0, NULL);
    for (const char *name = g_dir_read_name(folder); name != NULL; name = g_dir_read_name(folder)) {
        g_autofree char *path = sign_path(fixture, name);
        g_unlink(path);
    }
    g_rmdir(fixture->folder);
    g_free(fixture->folder);
    g_string_free(fixture->table, TRUE);
    postern_answers_unref(fixture->answers);
    g_ptr_array_unref(fixture->warnings);
}

/* A key in a file of its own, a line in the table, and its record in the answers. Takes key. */
static inline void sign_add_key(SignFixture *fixture, const char *domain, const char *selector, EVP_PKEY *key)
{
    g_autofree char *name = g_strdup_printf("%s.%s.pem", selector, domain);
    g_autofree char *path = sign_path(fixture, name);
    g_autofree char *secret = dkim_signer_secret(key);
    g_autofree char *record = dkim_signer_record(key);
    g_autofree char *asked = g_strdup_printf("%s._domainkey.%s", selector, domain);
    g_autoptr(PosternQuestion) question = postern_question_new(asked, POSTERN_DNS_TXT);
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_RECORDS);
    postern_answer_add(answer, record, strlen(record));
    postern_answers_add(fixture->answers, question, answer);
    sign_write(fixture, name, secret, 0600);
    g_string_append_printf(fixture->table, "%s %s %s\n", domain, selector, path);
    EVP_PKEY_free(key);
}

static inline PosternSignEngine *sign_load(SignFixture *fixture, GError **error)
{
    g_autofree char *path = sign_path(fixture, "table");
    sign_write(fixture, "table", fixture->table->str, 0600);
    return postern_sign_engine_new(path, fixture->warnings, error);
}

static inline PosternFindings *sign_octets(PosternSignEngine *engine, const char *message, gsize length)
{
    PosternFindings *findings = postern_findings_new();
    findings->explain = TRUE;
    g_autofree char *copy = g_memdup2(message, MAX(length, 1));
    g_autoptr(PosternHeader) header = postern_header_parse(copy, length);
    __lsan_disable();
    g_assert_cmpint(postern_check_sign(engine, copy, length, header, NOW, findings), ==, 1);
    __lsan_enable();
    return findings;
}

/* message with the fields of findings above it. */
static inline GString *sign_join(const PosternFindings *findings, const char *message, gsize length)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < findings->sign.fields->len; i++)
        g_string_append_printf(out, "DKIM-Signature: %s\r\n",
                               (const char *)g_ptr_array_index(findings->sign.fields, i));
    g_string_append_len(out, message, (gssize)length);
    return out;
}

/* How many of the signatures in message are found right. */
static inline guint sign_count_right(SignFixture *fixture, PosternDkimEngine *dkim, const char *message,
                                     gsize length)
{
    guint right = 0;
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternHeader) header = postern_header_parse(message, length);
    g_assert_cmpint(postern_check_dkim(dkim, message, length, header, NOW, fixture->answers, findings), ==,
                    1);
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim.signatures, i);
        right += finding->result == POSTERN_DKIM_PASS;
    }
    return right;
}
