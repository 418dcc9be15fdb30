/* What the DKIM check tells of its steps. */
#include "unit/dkim_fixture.h"

static char *steps_of(Fixture *fixture, const char *message, gboolean explain)
{
    gsize length = strlen(message);
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternHeader) header = postern_header_parse(message, length);
    GString *text = g_string_new(NULL);
    findings->explain = explain;
    g_assert_cmpint(
        postern_check_dkim(fixture->engine, message, length, header, NOW, fixture->answers, findings), ==, 1);
    for (guint i = 0; i < findings->steps->len; i++) {
        const PosternStep *step = g_ptr_array_index(findings->steps, i);
        g_assert_cmpuint(step->check, ==, POSTERN_CHECK_DKIM);
        g_string_append_printf(text, "%s\n", step->text);
    }
    return g_string_free(text, FALSE);
}

static char *replaced(const char *message, const char *old_text, const char *new_text)
{
    g_auto(GStrv) parts = g_strsplit(message, old_text, -1);
    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    return g_strjoinv(new_text, parts);
}

static void expect_steps(Fixture *fixture, const char *message, const char *const *wanted)
{
    g_autofree char *text = steps_of(fixture, message, TRUE);
    for (; *wanted != NULL; wanted++)
        if (strstr(text, *wanted) == NULL)
            g_error("no '%s' in:\n%s", *wanted, text);
}

static void test_pass(Fixture *fixture, gconstpointer data)
{
    static const char *const wanted[] = {"signature 1: d=example.com s=sel a=ed25519-sha256 i=",
                                         "canonicalization (c=) relaxed/simple; signed fields (h=) ",
                                         "body hash (bh=) ",
                                         "signed at 1750000000 (t=)",
                                         "the key at " KEY_NAME " has 256 bits",
                                         "the hash of the body is right; the signature over the header is "
                                         "right",
                                         "signature 1: pass\n",
                                         NULL};
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *message = signed_message(&signer);
    answer_key(fixture, fixture->key);
    expect_steps(fixture, message, wanted);
    g_autofree char *none = steps_of(fixture, message, FALSE);
    g_assert_cmpstr(none, ==, "");
}

static void test_other_body(Fixture *fixture, gconstpointer data)
{
    static const char *const wanted[] = {
        "the hash of the body is wrong; the signature over the header is right",
        "signature 1: fail: the body is not the one that was signed", NULL};
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *message = signed_message(&signer);
    g_autofree char *other = replaced(message, "One line.", "Two line.");
    answer_key(fixture, fixture->key);
    expect_steps(fixture, other, wanted);
}

static void test_other_header(Fixture *fixture, gconstpointer data)
{
    static const char *const wanted[] = {"the signature over the header is wrong",
                                         "signature 1: fail: ", NULL};
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *message = signed_message(&signer);
    g_autofree char *other = replaced(message, "Subject: hello", "Subject: hallo");
    answer_key(fixture, fixture->key);
    expect_steps(fixture, other, wanted);
}

static void test_no_key(Fixture *fixture, gconstpointer data)
{
    static const char *const wanted[] = {"the key at " KEY_NAME " cannot be used: no key",
                                         "signature 1: permerror: no key", NULL};
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *message = signed_message(&signer);
    answer(fixture, KEY_NAME, POSTERN_ANSWER_NXDOMAIN, NULL, NULL);
    expect_steps(fixture, message, wanted);
}

static void test_hostile_field(Fixture *fixture, gconstpointer data)
{
    static const char *const wanted[] = {"signature 1: d=- s=-", "no key was asked for",
                                         "signature 1: permerror: the field is malformed", NULL};
    expect_steps(fixture, "From: a@b.c\r\nDKIM-Signature: v=1; d=a\033b; s=x; h=from; b=; bh=\r\n\r\n",
                 wanted);
}

static void test_no_signature(Fixture *fixture, gconstpointer data)
{
    static const char *const wanted[] = {"there is no field DKIM-Signature\n", NULL};
    expect_steps(fixture, HEADER "\r\n" BODY, wanted);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add("/dkim-explain/" name, Fixture, NULL, set_up, test, tear_down)
    ADD("pass", test_pass);
    ADD("other-body", test_other_body);
    ADD("other-header", test_other_header);
    ADD("no-key", test_no_key);
    ADD("hostile-field", test_hostile_field);
    ADD("no-signature", test_no_signature);
    return g_test_run();
}
