/*
 * Signatures that libopendkim misreads, and those of several keys: checks/dkim/verify.h. The signer here is
 * written for the test: any field, signed by OpenSSL, canonical forms by hand.
 */
#include "unit/dkim_fixture.h"

/* relaxed/relaxed, of fields and bodies that are so already, but for the case of names. */
#define SIGNED "from:alice@example.com\r\nsubject:hello\r\n"
#define FIELDS "From: alice@example.com\r\nSubject: hello\r\n"
#define SHORT_BODY "One line.\r\n"

static char *digest_of(const char *text, gsize length)
{
    guint8 digest[32];
    unsigned int octets = sizeof digest;
    g_assert_cmpint(EVP_Digest(text, length, digest, &octets, EVP_sha256(), NULL), ==, 1);
    return g_base64_encode(digest, octets);
}

/* Where the value of b= goes is the '*' of field, one line in relaxed form; BODYHASH stands for that. */
static char *sign_field(EVP_PKEY *key, const char *template, const char *covered, const char *body)
{
    g_autofree char *hash = digest_of(body, strlen(body));
    GString *field = g_string_new(template);
    g_string_replace(field, "BODYHASH", hash, 1);
    g_auto(GStrv) halves = g_strsplit(field->str, "*", 2);
    g_string_free(field, TRUE);
    g_autofree char *before = g_strchomp(g_strdup(halves[0]));
    g_autofree char *text = g_strconcat(covered, "dkim-signature:", before, halves[1], NULL);
    guint8 digest[32], signature[512];
    unsigned int octets = sizeof digest;
    size_t length = sizeof signature;
    EVP_Digest(text, strlen(text), digest, &octets, EVP_sha256(), NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    gboolean rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    g_assert_cmpint(EVP_DigestSignInit(context, NULL, rsa ? EVP_sha256() : NULL, NULL, key), ==, 1);
    const guint8 *octets_signed = rsa ? (const guint8 *)text : digest;
    g_assert_cmpint(
        EVP_DigestSign(context, signature, &length, octets_signed, rsa ? strlen(text) : sizeof digest), ==,
        1);
    EVP_MD_CTX_free(context);
    g_autofree char *value = g_base64_encode(signature, length);
    return g_strconcat("DKIM-Signature: ", halves[0], value, halves[1], "\r\n", NULL);
}

#define TAGS "v=1; a=ed25519-sha256; c=relaxed/relaxed; "
#define NAMES "d=example.com; s=sel; h=from:subject; bh=BODYHASH; "

/* Each is right; and wrong as soon as a signed octet or one of b= is another. */
static void test_read(Fixture *fixture, gconstpointer data)
{
    static const char *const templates[] = {
        TAGS NAMES "b=*",
        TAGS NAMES "b =*",
        TAGS NAMES "b = *",
        TAGS NAMES "b= *; x=9999999999",
        TAGS "b =*; " NAMES "z=x",
        TAGS NAMES "bb=x; b=*",
        TAGS NAMES "b=*; bb=x",
        TAGS NAMES "ab=b=x; b=*",
        TAGS NAMES "b_b =bx; b =*",
        TAGS NAMES "b=*; n=b=x",
        TAGS NAMES "i=j\xc3\xb6rg@example.com; b=*",
        TAGS NAMES "i=@sub.example.com; y=\xc3\xb6; b=*",
        TAGS NAMES "i=a=40b@example.com; b=*",
        TAGS NAMES "l=11; y=\xc3\xb6; b=*",
    };
    answer_key(fixture, fixture->key);
    for (gsize i = 0; i < G_N_ELEMENTS(templates); i++) {
        g_autofree char *field = sign_field(fixture->key, templates[i], SIGNED, SHORT_BODY);
        g_autofree char *message = g_strconcat(field, FIELDS "\r\n" SHORT_BODY, NULL);
        expect(fixture, message, NOW, POSTERN_DKIM_PASS, NULL);
        *strstr(message, "hello") = 'H';
        expect(fixture, message, NOW, POSTERN_DKIM_FAIL, NULL);
        *strstr(message, "Hello") = 'h';
        *strstr(message, "One") = 'o';
        expect(fixture, message, NOW, POSTERN_DKIM_FAIL, "body");
        *strstr(message, "one") = 'O';
        *strstr(message, "v=1") = 'V';
        expect(fixture, message, NOW, POSTERN_DKIM_PERMERROR, "v=");
        *strstr(message, "V=1") = 'v';
        *strstr(message, "from:") = 'F';
        expect(fixture, message, NOW, POSTERN_DKIM_FAIL, NULL);
    }
}

/* What libopendkim refuses is refused here too. */
static void test_refused(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *template;
        PosternDkimResult wanted;
        const char *reason;
    } cases[] = {
        {TAGS NAMES "i=a@example.org; b =*", POSTERN_DKIM_PERMERROR, "i="},
        {TAGS NAMES "i=a@example.com@example.org; b =*", POSTERN_DKIM_PERMERROR, "i="},
        {TAGS NAMES "i=a@xexample.com; b =*", POSTERN_DKIM_PERMERROR, "i="},
        {TAGS NAMES "i=example.com; b =*", POSTERN_DKIM_PERMERROR, "i="},
        {TAGS NAMES "l=12; b =*", POSTERN_DKIM_PERMERROR, "l="},
        {TAGS NAMES "l=0; b =*", POSTERN_DKIM_FAIL, "body"},
        {TAGS NAMES "b =*!", POSTERN_DKIM_PERMERROR, "b="},
        {TAGS "d=example.com; s=sel; h=from; bh=x%; b =*", POSTERN_DKIM_PERMERROR, "bh="},
        {TAGS "d=example.com; s=sel; h=from; bh=AAAA; b =*", POSTERN_DKIM_FAIL, NULL},
        {"v=1; a=rsa-sha256; c=relaxed/relaxed; " NAMES "b =*", POSTERN_DKIM_PERMERROR, "k="},
        {"v=1; a=ed25519-sha256; c=relaxed/future; " NAMES "b =*", POSTERN_DKIM_PERMERROR, "c="},
        {TAGS NAMES "b =*; b=x", POSTERN_DKIM_PERMERROR, "malformed"},
        {TAGS NAMES ";b =*", POSTERN_DKIM_PERMERROR, "malformed"},
    };
    answer_key(fixture, fixture->key);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *field = sign_field(fixture->key, cases[i].template, SIGNED, SHORT_BODY);
        g_autofree char *message = g_strconcat(field, FIELDS "\r\n" SHORT_BODY, NULL);
        expect(fixture, message, NOW, cases[i].wanted, cases[i].reason);
    }
}

/* A key with t=s wants i= of the very domain. */
static void test_strict_key(Fixture *fixture, gconstpointer data)
{
    g_autofree char *public = dkim_signer_public(fixture->key, FALSE);
    g_autofree char *record = g_strdup_printf("v=DKIM1; k=ed25519; t=s; p=%s", public);
    answer(fixture, KEY_NAME, POSTERN_ANSWER_RECORDS, record, NULL);
    g_autofree char *below =
        sign_field(fixture->key, TAGS NAMES "i=@a.example.com; b =*", SIGNED, SHORT_BODY);
    g_autofree char *same = sign_field(fixture->key, TAGS NAMES "i=@Example.com; b =*", SIGNED, SHORT_BODY);
    g_autofree char *bad = g_strconcat(below, FIELDS "\r\n" SHORT_BODY, NULL);
    g_autofree char *good = g_strconcat(same, FIELDS "\r\n" SHORT_BODY, NULL);
    expect(fixture, bad, NOW, POSTERN_DKIM_PERMERROR, "i=");
    expect(fixture, good, NOW, POSTERN_DKIM_PASS, NULL);
}

/* RFC 8616 4: U-labels in d=, s= and i= are asked for, and told, as A-labels. */
static void test_international(Fixture *fixture, gconstpointer data)
{
    g_autofree char *record = dkim_signer_record(fixture->key);
    answer(fixture, "xn--s-1ga._domainkey.xn--bcher-kva.example", POSTERN_ANSWER_RECORDS, record, NULL);
    g_autofree char *field = sign_field(fixture->key,
                                        TAGS "d=b\xc3\xbc"
                                             "cher.example; s=s\xc3\xb6; h=from:subject; "
                                             "i=x@a.B\xc3\xbc"
                                             "cher.example; bh=BODYHASH; b=*",
                                        SIGNED, SHORT_BODY);
    g_autofree char *message = g_strconcat(field, FIELDS "\r\n" SHORT_BODY, NULL);
    g_autoptr(PosternFindings) findings = check_octets(fixture, message, strlen(message), NOW);
    g_assert_cmpint(finding(findings, 0)->result, ==, POSTERN_DKIM_PASS);
    g_assert_cmpstr(finding(findings, 0)->domain, ==, "xn--bcher-kva.example");
    g_assert_cmpstr(finding(findings, 0)->selector, ==, "xn--s-1ga");
    for (const char *wrong = "\xff\xc0"; *wrong != '\0'; wrong++) {
        g_autofree char *broken = g_strdup(message);
        *strstr(broken, "\xc3\xbc") = *wrong;
        expect(fixture, broken, NOW, POSTERN_DKIM_PERMERROR, NULL);
    }
}

/* A pass by one of several keys is a pass, whatever the others are. */
static void test_several_keys(Fixture *fixture, gconstpointer data)
{
    EVP_PKEY *rsa = dkim_signer_rsa(1024);
    EVP_PKEY *other = dkim_signer_rsa(2048);
    g_autofree char *right = dkim_signer_record(rsa);
    g_autofree char *wrong = dkim_signer_record(other);
    g_autofree char *ed25519 = dkim_signer_record(fixture->key);
    const struct {
        const char *first, *second;
        PosternDkimResult wanted;
        guint bits;
    } cases[] = {
        {right, wrong, POSTERN_DKIM_PASS, 1024},   {wrong, right, POSTERN_DKIM_PASS, 1024},
        {right, right, POSTERN_DKIM_PASS, 1024},   {"v=DKIM1; p=", right, POSTERN_DKIM_PASS, 1024},
        {ed25519, right, POSTERN_DKIM_PASS, 1024}, {right, "v=DKIM1; p=x", POSTERN_DKIM_PASS, 1024},
        {wrong, wrong, POSTERN_DKIM_FAIL, 2048},   {wrong, ed25519, POSTERN_DKIM_FAIL, 2048},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        DkimSigner signer = plain_signer(rsa);
        g_autofree char *message = signed_message(&signer);
        answer(fixture, KEY_NAME, POSTERN_ANSWER_RECORDS, cases[i].first, cases[i].second);
        g_autoptr(PosternFindings) findings = check_octets(fixture, message, strlen(message), NOW);
        g_assert_cmpint(finding(findings, 0)->result, ==, cases[i].wanted);
        g_assert_cmpuint(finding(findings, 0)->key_bits, ==, cases[i].bits);
    }
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other);
}

/* Another signature that is signed too, and not evaluated itself; the signature itself is not its own. */
static void test_signed_signature(Fixture *fixture, gconstpointer data)
{
    g_autofree char *field = sign_field(
        fixture->key, TAGS "d=example.com; s=sel; h=dkim-signature:from:dkim-signature; bh=BODYHASH; b=*",
        "dkim-signature:other\r\nfrom:alice@example.com\r\n", SHORT_BODY);
    answer_key(fixture, fixture->key);
    for (guint below = 0; below < 2; below++) {
        g_autofree char *message =
            g_strconcat(below ? field : "DKIM-Signature: other\r\n",
                        below ? "DKIM-Signature: other\r\n" : field, FIELDS "\r\n" SHORT_BODY, NULL);
        g_autoptr(PosternFindings) findings = check_octets(fixture, message, strlen(message), NOW);
        g_assert_cmpint(finding(findings, below ? 0 : 1)->result, ==, POSTERN_DKIM_PASS);
    }
}

/* More names in h= than libopendkim takes, and as many fields. */
static void test_many_names(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GString) names = g_string_new(TAGS "d=example.com; s=sel; bh=BODYHASH; h=from");
    for (guint i = 0; i < 2000; i++)
        g_string_append(names, ":x:from");
    g_string_append(names, "; b=*");
    g_autofree char *field =
        sign_field(fixture->key, names->str, "from:alice@example.com\r\nx:2\r\nx:1\r\n", SHORT_BODY);
    g_autofree char *message = g_strconcat(field, FIELDS "X: 1\r\nX: 2\r\n\r\n" SHORT_BODY, NULL);
    answer_key(fixture, fixture->key);
    expect(fixture, message, NOW, POSTERN_DKIM_PASS, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/dkim-verify/read", test_read},
        {"/dkim-verify/refused", test_refused},
        {"/dkim-verify/strict-key", test_strict_key},
        {"/dkim-verify/international", test_international},
        {"/dkim-verify/several-keys", test_several_keys},
        {"/dkim-verify/signed-signature", test_signed_signature},
        {"/dkim-verify/many-names", test_many_names},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
