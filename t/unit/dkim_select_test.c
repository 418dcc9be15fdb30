/* Many signatures, and signatures of a part of the body. */
#include "checks/dkim/select.h"

#include "checks/dkim/signature.h"
#include "unit/dkim_fixture.h"

#define FALSE_FIELD(domain, selector)                                                                        \
    "DKIM-Signature: v=1; a=ed25519-sha256; d=" domain "; s=" selector "; h=from; bh=x; b=x\r\n"

static char *repeated(const char *text, guint times)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < times; i++)
        g_string_append(out, text);
    return g_string_free(out, FALSE);
}

static guint count(const PosternFindings *findings, PosternDkimResult result)
{
    guint found = 0;
    for (guint i = 0; i < findings->dkim.signatures->len; i++)
        found += finding(findings, i)->result == result ? 1 : 0;
    return found;
}

/* The one that is right is found, wherever others stand around it. */
static void test_found(Fixture *fixture, gconstpointer data)
{
    static const struct {
        guint above, below;
        const char *field;
    } cases[] = {
        {1000, 0, FALSE_FIELD("example.com", "sel")},
        {0, 1000, FALSE_FIELD("example.com", "sel")},
        {300, 300, FALSE_FIELD("example.net", "sel")},
        {50, 50, FALSE_FIELD("mail.example.com", "sel")},
        {50, 50, FALSE_FIELD("com", "sel")},
        {90, 9, FALSE_FIELD("example.com; l=1", "sel")},
        {99, 99, "DKIM-Signature: v=1; d=example.com\r\n"},
        {9, 90, "DKIM-Signature: \r\n"},
        {4, 5, FALSE_FIELD("example.com", "sel")},
        {30, 30, FALSE_FIELD("example.com; q=x", "s")},
    };
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *right = dkim_signer_field(&signer, "sel", "example.com", HEADER, BODY);
    answer_key(fixture, fixture->key);
    answer(fixture, "sel._domainkey.example.net", POSTERN_ANSWER_NXDOMAIN, NULL, NULL);
    answer(fixture, "sel._domainkey.mail.example.com", POSTERN_ANSWER_NXDOMAIN, NULL, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *above = repeated(cases[i].field, cases[i].above);
        g_autofree char *below = repeated(cases[i].field, cases[i].below);
        g_autofree char *message = g_strconcat(above, right, below, HEADER "\r\n" BODY, NULL);
        g_autoptr(PosternFindings) findings = check_octets(fixture, message, strlen(message), NOW);
        g_assert_cmpuint(findings->dkim.signatures->len, ==,
                         MIN(cases[i].above + cases[i].below + 1, POSTERN_DKIM_SIGNATURES_REPORTED_MAX));
        if (count(findings, POSTERN_DKIM_PASS) != 1)
            g_test_fail_printf("%u above, %u below: %s", cases[i].above, cases[i].below, cases[i].field);
    }
}

/* At most so many are evaluated, and all in the order of the header. */
static void test_bound(Fixture *fixture, gconstpointer data)
{
    GString *message = g_string_new(NULL);
    for (guint i = 0; i < 40; i++)
        g_string_append_printf(message,
                               "DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=s%u; h=from; bh=x; b=x\r\n",
                               i % 4 == 0 ? "example.com" : "example.org", i);
    g_string_append(message, HEADER "\r\n" BODY);
    g_autoptr(PosternHeader) header = postern_header_parse(message->str, message->len);
    g_autoptr(GPtrArray) signatures = postern_dkim_select(header);
    g_assert_cmpuint(signatures->len, ==, 40);
    for (guint i = 0; i < signatures->len; i++) {
        const PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        g_autofree char *selector = g_strdup_printf("s%u", i);
        g_assert_cmpstr(signature->finding->selector, ==, selector);
        g_assert_cmpint(signature->decided, ==, i % 4 != 0);
        g_assert_cmpint(signature->finding->result, ==,
                        i % 4 != 0 ? POSTERN_DKIM_SKIPPED : POSTERN_DKIM_NONE);
    }
    g_string_free(message, TRUE);
}

/* Signs with l=, by libopendkim where it can, and by a field it would misread where it cannot. */
static PosternFindings *check_part(Fixture *fixture, dkim_canon_t form, ssize_t length, const char *body,
                                   const char *sent)
{
    DkimSigner signer = plain_signer(fixture->key);
    signer.length = length;
    signer.body_form = form;
    g_autofree char *field = dkim_signer_field(&signer, "sel", "example.com", HEADER, body);
    g_autofree char *message = g_strconcat(field, HEADER "\r\n", sent, NULL);
    return check_octets(fixture, message, strlen(message), NOW);
}

static void test_part(Fixture *fixture, gconstpointer data)
{
    static const struct {
        dkim_canon_t form;
        ssize_t length;
        const char *body, *sent;
        PosternDkimResult wanted;
        gint64 left_out;
    } cases[] = {
        {DKIM_CANON_SIMPLE, 5, "abc\r\n", "abc\r\n", POSTERN_DKIM_PASS, 0},
        {DKIM_CANON_SIMPLE, 5, "abc\r\n", "abc\r\n\r\n\r\n", POSTERN_DKIM_PASS, 0},
        {DKIM_CANON_SIMPLE, 5, "abc\r\n", "abc\r\nd\r\n", POSTERN_DKIM_POLICY, 3},
        {DKIM_CANON_SIMPLE, 0, "abc\r\n", "other\r\n", POSTERN_DKIM_POLICY, 7},
        {DKIM_CANON_SIMPLE, 0, "abc\r\n", "", POSTERN_DKIM_PASS, 0},
        {DKIM_CANON_SIMPLE, 4, "abc\r\n", "abc\r\n", POSTERN_DKIM_POLICY, 1},
        {DKIM_CANON_SIMPLE, 5, "abc\r\n", "abc\r\n \r\n", POSTERN_DKIM_POLICY, 3},
        {DKIM_CANON_RELAXED, 5, "abc\r\n", "abc  \r\n \r\n", POSTERN_DKIM_PASS, 0},
        {DKIM_CANON_RELAXED, 5, "abc\r\n", "abc\r\n\r\n \r\nd", POSTERN_DKIM_POLICY, 7},
        {DKIM_CANON_RELAXED, 0, "abc\r\n", " \r\n\r\n", POSTERN_DKIM_PASS, 0},
        {DKIM_CANON_RELAXED, 5, "abc\r\nd\r\n", "abd\r\nd\r\n", POSTERN_DKIM_FAIL, 0},
    };
    answer_key(fixture, fixture->key);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternFindings) findings =
            check_part(fixture, cases[i].form, cases[i].length, cases[i].body, cases[i].sent);
        const PosternDkimFinding *first = finding(findings, 0);
        g_test_message("%zu: %s %s", i, postern_dkim_result_name(first->result), first->reason);
        g_assert_cmpint(first->result, ==, cases[i].wanted);
        g_assert_cmpint(first->body_unsigned, ==, cases[i].left_out);
        g_assert_cmpint(first->body_covered, ==, cases[i].length);
        if (cases[i].left_out > 0)
            g_assert_nonnull(strstr(first->reason, "(l=)"));
    }
    postern_dkim_engine_free(fixture->engine);
    fixture->engine = postern_dkim_engine_new(TRUE);
    g_autoptr(PosternFindings) accepted =
        check_part(fixture, DKIM_CANON_SIMPLE, 5, "abc\r\n", "abc\r\nd\r\n");
    g_assert_cmpint(finding(accepted, 0)->result, ==, POSTERN_DKIM_PASS);
    g_assert_cmpint(finding(accepted, 0)->body_unsigned, ==, 3);
    g_assert_cmpstr(finding(accepted, 0)->reason, ==,
                    "only the first 5 of 8 octets of the body are signed (l=)");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/dkim-select/found", test_found},
        {"/dkim-select/bound", test_bound},
        {"/dkim-select/part", test_part},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
