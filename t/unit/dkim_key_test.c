#include "checks/check.h"

#include <string.h>

#include "unit/dkim_fixture.h"

static void test_answers(Fixture *fixture, gconstpointer data)
{
    static const struct {
        PosternAnswerStatus status;
        PosternDkimResult wanted;
        const char *reason;
    } cases[] = {
        {POSTERN_ANSWER_NXDOMAIN, POSTERN_DKIM_PERMERROR, "no key"},
        {POSTERN_ANSWER_NODATA, POSTERN_DKIM_PERMERROR, "no key"},
        {POSTERN_ANSWER_SERVFAIL, POSTERN_DKIM_TEMPERROR, "DNS"},
        {POSTERN_ANSWER_TIMEOUT, POSTERN_DKIM_TEMPERROR, "DNS"},
    };
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *message = signed_message(&signer);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        answer(fixture, KEY_NAME, cases[i].status, NULL, NULL);
        expect(fixture, message, NOW, cases[i].wanted, cases[i].reason);
    }
}

static void test_key_records(Fixture *fixture, gconstpointer data)
{
    g_autofree char *notes = g_strnfill(3000, 'n');
    g_autofree char *long_note = g_strdup_printf("v=DKIM1; k=ed25519; n=%s; p=%%s", notes);
    const struct {
        const char *format;
        PosternDkimResult wanted;
        const char *reason;
    } cases[] = {
        {"v=DKIM1; k=ed25519; p=%s", POSTERN_DKIM_PASS, NULL},
        {"k=ed25519; p=%s", POSTERN_DKIM_PASS, NULL},
        {" v = DKIM1 ; k = ed25519 ;\tp = %s ; ", POSTERN_DKIM_PASS, NULL},
        {long_note, POSTERN_DKIM_PASS, NULL},
        {"v=DKIM1; t=y:s; s=email; h=sha1:sha256; k=ed25519; p=%s", POSTERN_DKIM_PASS, NULL},
        {"v=DKIM1; s=other:*; k=ed25519; p=%s", POSTERN_DKIM_PASS, NULL},
        {"v=DKIM1; s=chat; k=ed25519; p=%s", POSTERN_DKIM_PERMERROR, "e-mail"},
        {"v=DKIM1; h=sha1; k=ed25519; p=%s", POSTERN_DKIM_PERMERROR, "sha256"},
        {"v=DKIM1; p=%s", POSTERN_DKIM_PERMERROR, "k="},
        {"v=DKIM1; k=rsa; p=%s", POSTERN_DKIM_PERMERROR, "k="},
        {"v=DKIM2; k=ed25519; p=%s", POSTERN_DKIM_PERMERROR, "version"},
        {"k=ed25519; v=DKIM1; p=%s", POSTERN_DKIM_PERMERROR, "version"},
        {"v=DKIM1; k=ed25519; p=%s; p=", POSTERN_DKIM_PERMERROR, "malformed"},
        {"v=DKIM1; k=ed25519; p=A%s", POSTERN_DKIM_PERMERROR, "Ed25519"},
        {"v=DKIM1; k=ed25519; p=; n=%s", POSTERN_DKIM_PERMERROR, "revoked"},
        {"v=DKIM1; k=ed25519; n=%s", POSTERN_DKIM_PERMERROR, "malformed"},
        {"%.0s", POSTERN_DKIM_PERMERROR, "malformed"},
    };
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *message = signed_message(&signer);
    g_autofree char *public = dkim_signer_public(fixture->key, FALSE);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *record = g_string_new(cases[i].format);
        g_string_replace(record, "%.0s", "", 0);
        g_string_replace(record, "%s", public, 0);
        answer(fixture, KEY_NAME, POSTERN_ANSWER_RECORDS, record->str, NULL);
        expect(fixture, message, NOW, cases[i].wanted, cases[i].reason);
        g_string_free(record, TRUE);
    }
}

static void test_several_records(Fixture *fixture, gconstpointer data)
{
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *message = signed_message(&signer);
    g_autofree char *record = dkim_signer_record(fixture->key);
    answer(fixture, KEY_NAME, POSTERN_ANSWER_RECORDS, "v=spf1 -all", record);
    expect(fixture, message, NOW, POSTERN_DKIM_PASS, NULL);
    answer(fixture, KEY_NAME, POSTERN_ANSWER_RECORDS, record, "v=spf1 -all");
    expect(fixture, message, NOW, POSTERN_DKIM_PASS, NULL);
    answer(fixture, KEY_NAME, POSTERN_ANSWER_RECORDS, record, "v=DKIM1; p=");
    expect(fixture, message, NOW, POSTERN_DKIM_PASS, NULL);
}

static void test_rsa_keys(Fixture *fixture, gconstpointer data)
{
    static const struct {
        guint bits;
        gboolean bare;
        PosternDkimResult wanted;
    } cases[] = {
        {768, FALSE, POSTERN_DKIM_POLICY}, {1023, TRUE, POSTERN_DKIM_POLICY},
        {1024, FALSE, POSTERN_DKIM_PASS},  {1024, TRUE, POSTERN_DKIM_PASS},
        {2048, TRUE, POSTERN_DKIM_PASS},   {2048, FALSE, POSTERN_DKIM_PASS},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EVP_PKEY *key = dkim_signer_rsa(cases[i].bits);
        DkimSigner signer = plain_signer(key);
        g_autofree char *message = signed_message(&signer);
        g_autofree char *public = dkim_signer_public(key, cases[i].bare);
        g_autofree char *record = g_strdup_printf("v=DKIM1; p=%s", public);
        answer(fixture, KEY_NAME, POSTERN_ANSWER_RECORDS, record, NULL);
        g_autoptr(PosternFindings) findings = check_octets(fixture, message, strlen(message), NOW);
        g_assert_cmpstr(postern_dkim_result_name(finding(findings, 0)->result), ==,
                        postern_dkim_result_name(cases[i].wanted));
        g_assert_cmpuint(finding(findings, 0)->key_bits, ==, cases[i].bits);
        EVP_PKEY_free(key);
    }
}

static void test_testing_key(Fixture *fixture, gconstpointer data)
{
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *message = signed_message(&signer);
    g_autofree char *public = dkim_signer_public(fixture->key, FALSE);
    g_autofree char *record = g_strdup_printf("v=DKIM1; k=ed25519; t=s:y; p=%s", public);
    answer(fixture, KEY_NAME, POSTERN_ANSWER_RECORDS, record, NULL);
    g_autoptr(PosternFindings) findings = check_octets(fixture, message, strlen(message), NOW);
    g_assert_true(finding(findings, 0)->testing);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/dkim-key/answers", test_answers},
        {"/dkim-key/key-records", test_key_records},
        {"/dkim-key/several-records", test_several_records},
        {"/dkim-key/rsa-keys", test_rsa_keys},
        {"/dkim-key/testing-key", test_testing_key},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
