#include "checks/check.h"

#include <string.h>

#include "unit/dkim_fixture.h"

static void test_prove(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(postern_dkim_engine_self_test(fixture->engine, &error));
    g_assert_no_error(error);
}

static void test_forms(Fixture *fixture, gconstpointer data)
{
    static const char *const bodies[] = {"", "\r\n", "x", "x\r", "x\r\n\r\n\r\n", " \t x  y \r\n \r\nz"};
    answer_key(fixture, fixture->key);
    for (guint form = 0; form < 4; form++) {
        for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
            DkimSigner signer = plain_signer(fixture->key);
            signer.header_form = form & 1 ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED;
            signer.body_form = form & 2 ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED;
            const char *body = bodies[i];
            g_autofree char *ended = g_strconcat(body,
                                                 *body == '\0' || g_str_has_suffix(body, "\n") ? ""
                                                 : g_str_has_suffix(body, "\r")                ? "\n"
                                                                                               : "\r\n",
                                                 NULL);
            g_autofree char *field = dkim_signer_field(&signer, "sel", "example.com", HEADER, ended);
            g_autofree char *message = g_strconcat(field, HEADER "\r\n", body, NULL);
            expect(fixture, message, NOW, POSTERN_DKIM_PASS, NULL);
        }
    }
}

static void test_finding(Fixture *fixture, gconstpointer data)
{
    DkimSigner signer = plain_signer(fixture->key);
    signer.length = (ssize_t)strlen("One line.\r\n");
    answer_key(fixture, fixture->key);
    g_autofree char *message = signed_message(&signer);
    g_autoptr(PosternFindings) findings = check_octets(fixture, message, strlen(message), NOW);
    const PosternDkimFinding *first = finding(findings, 0);
    g_assert_cmpstr(first->domain, ==, "example.com");
    g_assert_cmpstr(first->selector, ==, "sel");
    g_assert_cmpstr(first->algorithm, ==, "ed25519-sha256");
    g_assert_cmpuint(strlen(first->signature_start), ==, 8);
    g_assert_cmpuint(first->key_bits, ==, 256);
    g_assert_cmpint(first->body_covered, ==, strlen("One line.\r\n"));
    g_assert_false(first->testing);
    g_assert_cmpint(first->result, ==, POSTERN_DKIM_POLICY);
}

static void test_changed(Fixture *fixture, gconstpointer data)
{
    DkimSigner signer = plain_signer(fixture->key);
    answer_key(fixture, fixture->key);
    g_autofree char *message = signed_message(&signer);
    strstr(message, "One line")[0] = 'o';
    expect(fixture, message, NOW, POSTERN_DKIM_FAIL, "body");
    strstr(message, "one line")[0] = 'O';
    strstr(message, "Subject: hello")[9] = 'H';
    expect(fixture, message, NOW, POSTERN_DKIM_FAIL, NULL);
}

static void test_from(Fixture *fixture, gconstpointer data)
{
    DkimSigner signer = plain_signer(fixture->key);
    answer_key(fixture, fixture->key);
    g_autofree char *message = signed_message(&signer);
    g_autofree char *over = g_strconcat("From: evil@example.org\r\n", message, NULL);
    expect(fixture, over, NOW, POSTERN_DKIM_POLICY, "2 From fields");
    signer.oversign = TRUE;
    g_autofree char *strict = signed_message(&signer);
    expect(fixture, strict, NOW, POSTERN_DKIM_PASS, NULL);
    g_autofree char *over_strict = g_strconcat("From: evil@example.org\r\n", strict, NULL);
    expect(fixture, over_strict, NOW, POSTERN_DKIM_FAIL, NULL);
    g_autofree char *without = g_strdup(message);
    memcpy(strstr(without, "\r\nFrom:") + 2, "Frim", 4);
    expect(fixture, without, NOW, POSTERN_DKIM_PERMERROR, "no From");
}

/* Lines that some program reads otherwise than libopendkim: no key is asked for, nothing passes. */
static void test_ambiguous_header(Fixture *fixture, gconstpointer data)
{
    static const char *const lines[] = {
        "no colon",
        "Subject\t: evil",
        "X-Other : x",
        "From\r\n : b@example.org",
        ": x",
        "--x: y",
        "\vSubject: evil",
        "Subject: evil",
        "DKIM-Signature\t: v=1; a=rsa-sha256; d=example.com; s=sel; h=from; bh=aA==; b=aA==",
    };
    DkimSigner signer = plain_signer(fixture->key);
    g_autofree char *message = signed_message(&signer);
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *above = g_strconcat(lines[i], "\r\n", message, NULL);
        g_autoptr(PosternHeader) header = postern_header_parse(above, strlen(above));
        g_assert_cmpint(postern_check_dkim_questions(header, fixture->answers), ==, 1);
        expect(fixture, above, NOW, POSTERN_DKIM_PERMERROR, "the header is ambiguous: line ");
    }
    g_assert_cmpuint(postern_answers_questions(fixture->answers)->len, ==, 0);
    answer_key(fixture, fixture->key);
    expect(fixture, message, NOW, POSTERN_DKIM_PASS, NULL);
}

/* Whose From cannot be parsed as an address is signed all the same. */
static void test_odd_from(Fixture *fixture, gconstpointer data)
{
    static const char *const values[] = {"", "nobody", "a@b@c", "Group: a@example.com;", "=?x", "\"unclosed"};
    DkimSigner signer = plain_signer(fixture->key);
    answer_key(fixture, fixture->key);
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *header = g_strdup_printf("From: %s\r\nTo: b@example.net\r\n", values[i]);
        g_autofree char *field = dkim_signer_field(&signer, "sel", "example.com", header, BODY);
        g_autofree char *message = g_strconcat(field, header, "\r\n" BODY, NULL);
        expect(fixture, message, NOW, POSTERN_DKIM_PASS, NULL);
    }
}

static void test_time(Fixture *fixture, gconstpointer data)
{
    static const struct {
        gint64 signed_at, lifetime, now;
        PosternDkimResult wanted;
    } cases[] = {
        {NOW, 0, NOW, POSTERN_DKIM_PASS},
        {NOW, 600, NOW + 900, POSTERN_DKIM_PASS},
        {NOW, 600, NOW + 901, POSTERN_DKIM_FAIL},
        {NOW, 0, NOW - 300, POSTERN_DKIM_PASS},
        {NOW, 0, NOW - 301, POSTERN_DKIM_FAIL},
        {NOW, 0, NOW + 1000000000, POSTERN_DKIM_PASS},
        {1150000000, 100, 1150000050, POSTERN_DKIM_PASS},
        {1150000000, 100, 1150000500, POSTERN_DKIM_FAIL},
        {4000000000, 100, 4000000050, POSTERN_DKIM_PASS},
        {1, 0, NOW, POSTERN_DKIM_PASS},
    };
    answer_key(fixture, fixture->key);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        DkimSigner signer = plain_signer(fixture->key);
        signer.signed_at = (uint64_t)cases[i].signed_at;
        signer.lifetime = (uint64_t)cases[i].lifetime;
        g_autofree char *message = signed_message(&signer);
        expect(fixture, message, cases[i].now, cases[i].wanted, NULL);
    }
}

/* The field's text with a piece replaced: syntax is judged before the signature is. */
static void test_fields(Fixture *fixture, gconstpointer data)
{
    g_autofree char *wide = g_strnfill(300, 'w');
    g_autofree char *wide_identity = g_strdup_printf("i=%s@example.com; d=example.com", wide);
    g_autofree char *huge = g_strnfill(POSTERN_DKIM_FIELD_MAX_OCTETS, 'z');
    g_autofree char *huge_tag = g_strdup_printf("z=%s; d=example.com", huge);
    const struct {
        const char *from, *to;
        PosternDkimResult wanted;
        const char *reason;
    } cases[] = {
        {"a=ed25519-sha256", "a=rsa-sha1", POSTERN_DKIM_POLICY, "8301"},
        {"a=ed25519-sha256", "a=rsa-md5", POSTERN_DKIM_PERMERROR, "algorithm"},
        {"a=ed25519-sha256", "x=1", POSTERN_DKIM_PERMERROR, "a="},
        {"v=1", "v=2", POSTERN_DKIM_PERMERROR, "v="},
        {"v=1", "v=", POSTERN_DKIM_PERMERROR, "v="},
        {"d=example.com", "d=example.com; d=example.com", POSTERN_DKIM_PERMERROR, "malformed"},
        {"d=example.com", "d=ex ample.com; q=http", POSTERN_DKIM_PERMERROR, "q="},
        {"d=example.com", "d=", POSTERN_DKIM_PERMERROR, "d="},
        {"d=example.com", "d=com", POSTERN_DKIM_PERMERROR, "asked"},
        {"d=example.com", "d=ex\"ample.com", POSTERN_DKIM_PERMERROR, "d="},
        {"d=example.com", "d=a..b", POSTERN_DKIM_PERMERROR, "asked"},
        {"d=example.com", "x=12a; d=example.com", POSTERN_DKIM_PERMERROR, "x="},
        {"d=example.com", "x=99999999999999999999; d=example.com", POSTERN_DKIM_PERMERROR, "x="},
        {"d=example.com", "x=10; d=example.com", POSTERN_DKIM_PERMERROR, "x= is before t="},
        {"d=example.com", "l=-1; d=example.com", POSTERN_DKIM_PERMERROR, "l="},
        {"d=example.com", "l=9999999; d=example.com", POSTERN_DKIM_PERMERROR, NULL},
        {"d=example.com", "i=@example.org; d=example.com", POSTERN_DKIM_PERMERROR, NULL},
        {"d=example.com", wide_identity, POSTERN_DKIM_PERMERROR, "i="},
        {"d=example.com", huge_tag, POSTERN_DKIM_PERMERROR, "too long"},
        {"c=relaxed/simple", "c=future/simple", POSTERN_DKIM_PERMERROR, NULL},
        {"h=From", "h=Fromm", POSTERN_DKIM_PERMERROR, "From"},
        {"; b=", "; bb=", POSTERN_DKIM_PERMERROR, "b="},
        {"bh=", "bx=", POSTERN_DKIM_PERMERROR, "bh="},
    };
    DkimSigner signer = plain_signer(fixture->key);
    answer_key(fixture, fixture->key);
    g_autofree char *message = signed_message(&signer);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *changed = g_string_new(message);
        g_string_replace(changed, "\r\n\tb=", "; b=", 1);
        g_string_replace(changed, ";; b=", "; b=", 1);
        g_assert_cmpuint(g_string_replace(changed, cases[i].from, cases[i].to, 1), ==, 1);
        expect(fixture, changed->str, NOW, cases[i].wanted, cases[i].reason);
        g_string_free(changed, TRUE);
    }
}

static void test_questions(Fixture *fixture, gconstpointer data)
{
    GString *message = g_string_new(NULL);
    for (guint i = 0; i < POSTERN_DKIM_SIGNATURES_MAX + 2; i++)
        g_string_append_printf(
            message, "DKIM-Signature: v=1; a=rsa-sha256; d=Example%u.com; s=a.b; h=from; bh=x; b=x\r\n", i);
    g_string_append(message, HEADER "\r\n" BODY);
    g_autoptr(PosternHeader) header = postern_header_parse(message->str, message->len);
    g_assert_cmpint(postern_check_dkim_questions(header, fixture->answers), ==, 0);
    GPtrArray *questions = postern_answers_questions(fixture->answers);
    g_assert_cmpuint(questions->len, ==, POSTERN_DKIM_SIGNATURES_MAX);
    const PosternQuestion *last = g_ptr_array_index(questions, POSTERN_DKIM_SIGNATURES_MAX - 1);
    g_assert_cmpstr(last->name, ==, "a.b._domainkey.example11.com");
    g_assert_cmpint(last->type, ==, POSTERN_DNS_TXT);

    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_assert_cmpint(postern_check_dkim(fixture->engine, message->str, message->len, header, NOW,
                                       fixture->answers, findings),
                    ==, 0);
    g_assert_cmpuint(findings->dkim.signatures->len, ==, 0);
    g_assert_false(findings->dkim.checked);
    while (questions->len > 0) {
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(questions, 0));
        postern_answers_add(fixture->answers, question, postern_answer_new(POSTERN_ANSWER_NXDOMAIN));
    }
    g_assert_cmpint(postern_check_dkim_questions(header, fixture->answers), ==, 1);
    g_string_free(message, TRUE);
}

static void test_nul(Fixture *fixture, gconstpointer data)
{
    DkimSigner signer = plain_signer(fixture->key);
    answer_key(fixture, fixture->key);
    g_autofree char *message = signed_message(&signer);
    gsize length = strlen(message);
    *strstr(message, "  there") = '\0';
    g_autoptr(PosternFindings) findings = check_octets(fixture, message, length, NOW);
    g_assert_cmpint(finding(findings, 0)->result, ==, POSTERN_DKIM_PERMERROR);
}

/* Cut anywhere, or with any octet changed, a message is never right; but how b= is padded is nothing. */
static void test_every_octet(Fixture *fixture, gconstpointer data)
{
    DkimSigner signer = plain_signer(fixture->key);
    signer.header_form = DKIM_CANON_SIMPLE;
    answer_key(fixture, fixture->key);
    g_autofree char *field = dkim_signer_field(&signer, "sel", "example.com", HEADER, "One line.\r\n");
    g_autofree char *message = g_strconcat(field, HEADER "\r\nOne line.\r\n", NULL);
    gsize length = strlen(message);
    gsize padding = strlen(field) - strlen("==\r\n");
    for (gsize i = 0; i + 2 < length; i++) {
        for (guint cut = 0; cut < 2; cut++) {
            g_autofree char *copy = g_strdup(message);
            copy[i] = (char)(copy[i] ^ 0x01);
            gsize octets = cut ? i : length;
            g_autoptr(PosternFindings) findings = postern_findings_new();
            g_autoptr(PosternHeader) header = postern_header_parse(copy, octets);
            postern_check_dkim(fixture->engine, copy, octets, header, NOW, fixture->answers, findings);
            for (guint k = 0; k < findings->dkim.signatures->len; k++)
                if (i < padding || i >= padding + 2 || cut)
                    g_assert_cmpint(finding(findings, k)->result, !=, POSTERN_DKIM_PASS);
        }
    }
}

static void test_unsigned(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PosternFindings) findings =
        check_octets(fixture, HEADER "\r\n" BODY, strlen(HEADER "\r\n" BODY), NOW);
    g_assert_cmpuint(findings->dkim.signatures->len, ==, 0);
    g_autoptr(PosternFindings) empty = check_octets(fixture, "", 0, NOW);
    g_assert_cmpuint(empty->dkim.signatures->len, ==, 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/dkim/prove", test_prove},
        {"/dkim/forms", test_forms},
        {"/dkim/finding", test_finding},
        {"/dkim/changed", test_changed},
        {"/dkim/from", test_from},
        {"/dkim/odd-from", test_odd_from},
        {"/dkim/ambiguous-header", test_ambiguous_header},
        {"/dkim/time", test_time},
        {"/dkim/fields", test_fields},
        {"/dkim/questions", test_questions},
        {"/dkim/nul", test_nul},
        {"/dkim/every-octet", test_every_octet},
        {"/dkim/unsigned", test_unsigned},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
