/*
 * Chains that are made here, with keys of their own.
 */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/limits.h"
#include "checks/arc/results.h"
#include "checks/check.h"
#include "checks/signature/canonical.h"

#define BODY "Hello,  you. \r\n"
#define RELAXED_BODY "Hello, you.\r\n"
#define MESSAGE "From: a@author.example\r\nSubject: chain\r\n\r\n" BODY
#define QUESTION "s._domainkey.sealer.example"

typedef struct {
    EVP_PKEY *key;
    const char *algorithm;
    const char *form; /* c= */
    const char *domain;
    char *record;
} Key;

static char *encode(const guint8 *octets, gsize length)
{
    return g_base64_encode(octets, length);
}

static Key make_key(gboolean rsa)
{
    Key key = {.algorithm = rsa ? "rsa-sha256" : "ed25519-sha256", .form = "c=relaxed/relaxed; "};

    key.domain = "sealer.example";
    guint8 *der = NULL;
    guint8 raw[32];
    gsize length = sizeof raw;

    key.key =
        rsa ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    g_assert_nonnull(key.key);
    if (rsa)
        length = (gsize)i2d_PUBKEY(key.key, &der);
    else
        g_assert_cmpint(EVP_PKEY_get_raw_public_key(key.key, raw, &length), ==, 1);
    g_autofree char *text = encode(rsa ? der : raw, length);
    OPENSSL_free(der);
    key.record = g_strdup_printf("v=DKIM1; k=%s; p=%s", rsa ? "rsa" : "ed25519", text);
    return key;
}

static void key_clear(Key *key)
{
    EVP_PKEY_free(key->key);
    g_free(key->record);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Key, key_clear)

static char *sign(const Key *key, const GString *octets)
{
    gboolean rsa = g_str_has_prefix(key->algorithm, "rsa");
    guint8 digest[EVP_MAX_MD_SIZE];
    guint8 signature[512];
    gsize length = sizeof signature;
    guint digest_length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    EVP_Digest(octets->str, octets->len, digest, &digest_length, EVP_sha256(), NULL);
    g_assert_cmpint(EVP_DigestSignInit(context, NULL, rsa ? EVP_sha256() : NULL, NULL, key->key), ==, 1);
    g_assert_cmpint(EVP_DigestSign(context, signature, &length, rsa ? (guint8 *)octets->str : digest,
                                   rsa ? octets->len : digest_length),
                    ==, 1);
    EVP_MD_CTX_free(context);
    return encode(signature, length);
}

/* Appends the field, named and valued so, relaxed. */
static void append_canonical(GString *out, const char *field, gboolean without_signature)
{
    g_autofree char *line = g_strconcat(field, "\r\n", NULL);
    g_autoptr(PosternHeader) header = postern_header_parse(line, strlen(line));
    const PosternHeaderField *parsed = &g_array_index(header->fields, PosternHeaderField, 0);

    if (without_signature)
        postern_canonical_append_unsigned(out, parsed, TRUE);
    else
        postern_canonical_append_field(out, parsed, TRUE);
}

static char *body_hash(void)
{
    guint8 digest[EVP_MAX_MD_SIZE];
    guint length = 0;

    EVP_Digest(RELAXED_BODY, strlen(RELAXED_BODY), digest, &length, EVP_sha256(), NULL);
    return encode(digest, length);
}

/* Puts one more set on top of message; seals has the canonical octets of those below it. */
static void add_set(GString *message, GString *seals, const Key *key, guint instance, const char *names,
                    const char *results)
{
    g_autofree char *hash = body_hash();
    g_autofree char *aar = g_strdup_printf("ARC-Authentication-Results: i=%u; %s", instance, results);
    g_autofree char *ams = g_strdup_printf("ARC-Message-Signature: i=%u; a=%s; %s"
                                           "d=%s; s=s; h=%s; bh=%s; b=",
                                           instance, key->algorithm, key->form, key->domain, names, hash);
    g_autofree char *seal = g_strdup_printf("ARC-Seal: i=%u; a=%s; cv=%s; d=%s; s=s; t=1; b=", instance,
                                            key->algorithm, instance == 1 ? "none" : "pass", key->domain);
    g_autoptr(GString) octets = g_string_new(NULL);

    if (strstr(names, "from") != NULL)
        append_canonical(octets, "From: a@author.example", FALSE);
    append_canonical(octets, ams, TRUE);
    g_autofree char *ams_signature = sign(key, octets);
    g_autofree char *ams_signed = g_strconcat(ams, ams_signature, NULL);
    append_canonical(seals, aar, FALSE);
    append_canonical(seals, ams_signed, FALSE);
    g_string_assign(octets, seals->str);
    append_canonical(octets, seal, TRUE);
    g_autofree char *seal_signature = sign(key, octets);
    g_autofree char *seal_signed = g_strconcat(seal, seal_signature, NULL);
    append_canonical(seals, seal_signed, FALSE);
    g_autofree char *set = g_strconcat(seal_signed, "\r\n", ams_signed, "\r\n", aar, "\r\n", NULL);
    g_string_prepend(message, set);
}

static GString *make_chain(const Key *key, guint count, const char *names, const char *results)
{
    GString *message = g_string_new(MESSAGE);
    g_autoptr(GString) seals = g_string_new(NULL);

    for (guint instance = 1; instance <= count; instance++)
        add_set(message, seals, key, instance, names, results);
    return message;
}

/* Other keys than ours there are none. */
static void answer_others(PosternAnswers *answers, const PosternQuestion *ours)
{
    GPtrArray *questions = postern_answers_questions(answers);

    for (guint i = questions->len; i > 0; i--) {
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(questions, i - 1));

        if (!postern_question_equal(question, ours))
            postern_answers_add(answers, question, postern_answer_new(POSTERN_ANSWER_NXDOMAIN));
    }
}

/* status: of the answer where it has no record. Either may be NULL. */
static PosternFindings *check_records(const GString *message, const char *record, const char *more,
                                      PosternAnswerStatus status)
{
    g_autoptr(PosternDkimEngine) engine = postern_dkim_engine_new(FALSE);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternHeader) header = postern_header_parse(message->str, message->len);
    g_autoptr(PosternQuestion) question = postern_question_new(QUESTION, POSTERN_DNS_TXT);
    PosternFindings *findings = postern_findings_new();
    PosternAnswer *answer = postern_answer_new(status);

    if (record != NULL)
        postern_answer_add(answer, record, strlen(record));
    if (more != NULL)
        postern_answer_add(answer, more, strlen(more));
    if (postern_check_arc(engine, message->str, message->len, header, answers, findings) == 0) {
        g_assert_cmpint(findings->arc.result, ==, POSTERN_ARC_NOT_CHECKED);
        answer_others(answers, question);
        postern_answers_add(answers, question, g_steal_pointer(&answer));
        g_assert_cmpint(postern_check_arc(engine, message->str, message->len, header, answers, findings), ==,
                        1);
    }
    postern_answer_free(answer);
    return findings;
}

static PosternFindings *check(const GString *message, const char *record, PosternAnswerStatus status)
{
    return check_records(message, record, NULL, status);
}

#define SAYS "mx.example; dmarc=pass header.from=Author.Example"

static void test_pass(gconstpointer rsa)
{
    g_auto(Key) key = make_key(rsa != NULL);
    g_autoptr(GString) message = make_chain(&key, 3, "from:subject", SAYS);
    g_autoptr(GString) sealed = make_chain(&key, 3, "from", SAYS);
    g_autoptr(PosternFindings) wrong = check(message, key.record, POSTERN_ANSWER_NODATA);
    g_autoptr(PosternFindings) findings = check(sealed, key.record, POSTERN_ANSWER_NODATA);

    g_assert_cmpint(wrong->arc.result, ==, POSTERN_ARC_FAIL); /* Subject is not in what was signed */
    g_assert_cmpstr(findings->arc.reason, ==, NULL);
    g_assert_cmpint(findings->arc.result, ==, POSTERN_ARC_PASS);
    g_assert_cmpuint(findings->arc.sets->len, ==, 3);
    PosternArcSet *newest = g_ptr_array_index(findings->arc.sets, 2);
    g_assert_cmpuint(newest->instance, ==, 3);
    g_assert_cmpstr(newest->sealer, ==, "sealer.example");
    g_assert_cmpstr(newest->dmarc, ==, "pass");
    g_assert_cmpstr(newest->dmarc_domain, ==, "author.example");
}

/* l= counts only if it counts all of the body. */
static void test_body_length(void)
{
    g_auto(Key) key = make_key(FALSE);

    for (gint more = -1; more <= 1; more++) {
        g_autofree char *form =
            g_strdup_printf("c=relaxed/relaxed; l=%d; ", (gint)strlen(RELAXED_BODY) + more);
        key.form = form;
        g_autoptr(GString) message = make_chain(&key, 1, "from", SAYS);
        g_autoptr(PosternFindings) findings = check(message, key.record, POSTERN_ANSWER_NODATA);
        g_assert_cmpint(findings->arc.result, ==, more == 0 ? POSTERN_ARC_PASS : POSTERN_ARC_FAIL);
        g_string_append(message, "What was added.\r\n");
        g_autoptr(PosternFindings) longer = check(message, key.record, POSTERN_ANSWER_NODATA);
        g_assert_cmpint(longer->arc.result, ==, POSTERN_ARC_FAIL);
    }
}

/* Each of several keys is tried, and U-labels in d= are A-labels in the DNS, as for DKIM. */
static void test_keys_and_names(void)
{
    g_auto(Key) key = make_key(TRUE);
    g_auto(Key) other = make_key(TRUE);

    key.domain = "\xef\xbd\x93"
                 "ealer.example";
    g_autoptr(GString) message = make_chain(&key, 2, "from", SAYS);
    g_autoptr(PosternFindings) first =
        check_records(message, key.record, other.record, POSTERN_ANSWER_NODATA);
    g_autoptr(PosternFindings) last = check_records(message, other.record, key.record, POSTERN_ANSWER_NODATA);
    g_autoptr(PosternFindings) none = check_records(message, other.record, NULL, POSTERN_ANSWER_NODATA);

    g_assert_cmpint(first->arc.result, ==, POSTERN_ARC_PASS);
    g_assert_cmpint(last->arc.result, ==, POSTERN_ARC_PASS);
    g_assert_cmpint(none->arc.result, ==, POSTERN_ARC_FAIL);
    g_assert_cmpstr(((PosternArcSet *)g_ptr_array_index(last->arc.sets, 0))->sealer, ==, "sealer.example");
}

/* Any octet of what is sealed that is another one breaks the chain. */
static void test_altered(void)
{
    g_auto(Key) key = make_key(FALSE);
    g_autoptr(GString) message = make_chain(&key, 2, "from", SAYS);

    for (gsize at = 0; at < message->len; at += 7) {
        char octet = message->str[at];
        if (!g_ascii_isalnum(octet))
            continue;
        message->str[at] = octet == 'x' ? 'y' : 'x';
        g_autoptr(PosternFindings) findings = check(message, key.record, POSTERN_ANSWER_NODATA);
        gboolean subject = at >= message->len - strlen("Subject: chain\r\n\r\n" BODY) &&
                           at < message->len - strlen("\r\n\r\n" BODY);
        g_assert_true((findings->arc.result == POSTERN_ARC_PASS) == subject);
        message->str[at] = octet;
    }
}

static void test_dns(void)
{
    g_auto(Key) key = make_key(FALSE);
    g_autoptr(GString) message = make_chain(&key, 1, "from", SAYS);
    static const struct {
        PosternAnswerStatus status;
        PosternArcResult result;
    } cases[] = {{POSTERN_ANSWER_SERVFAIL, POSTERN_ARC_TEMPERROR},
                 {POSTERN_ANSWER_TIMEOUT, POSTERN_ARC_TEMPERROR},
                 {POSTERN_ANSWER_NXDOMAIN, POSTERN_ARC_FAIL},
                 {POSTERN_ANSWER_NODATA, POSTERN_ARC_FAIL}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternFindings) findings = check(message, NULL, cases[i].status);
        g_assert_cmpint(findings->arc.result, ==, cases[i].result);
        g_assert_nonnull(findings->arc.reason);
        g_assert_cmpuint(findings->arc.sets->len, ==, 0);
    }
}

/* A header that can be read in two ways has no chain that says anything. */
static void test_ambiguous_header(void)
{
    static const char *const lines[] = {"no colon\r\n", "X-Other\t: x\r\n", "Subject: other\r\n",
                                        "ARC-Seal : i=2; a=rsa-sha256\r\n", "From\r\n : b@other.example\r\n"};
    g_auto(Key) key = make_key(FALSE);

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GString) message = make_chain(&key, 1, "from", SAYS);
        g_string_prepend(message, lines[i]);
        g_autoptr(PosternFindings) findings = check(message, key.record, POSTERN_ANSWER_NODATA);
        g_assert_cmpint(findings->arc.result, ==, POSTERN_ARC_FAIL);
        g_assert_cmpuint(findings->arc.sets->len, ==, 0);
    }
}

/* Who did not seal From cannot vouch for it; nor for two of them. */
static void test_uncovered_from(void)
{
    g_auto(Key) key = make_key(FALSE);
    g_autoptr(GString) uncovered = make_chain(&key, 1, "date", SAYS);
    g_autoptr(GString) doubled = make_chain(&key, 1, "from", SAYS);

    g_string_prepend(doubled, "From: b@other.example\r\n");
    GString *messages[] = {uncovered, doubled};
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        g_autoptr(PosternFindings) findings = check(messages[i], key.record, POSTERN_ANSWER_NODATA);
        g_assert_cmpint(findings->arc.result, ==, POSTERN_ARC_PASS);
        PosternArcSet *set = g_ptr_array_index(findings->arc.sets, 0);
        g_assert_cmpstr(set->dmarc, ==, NULL);
        g_assert_cmpstr(set->dmarc_domain, ==, NULL);
    }
}

/* Without c= both forms are tried; while the key is missing, neither is known to be wrong. */
static void test_unnamed_form(void)
{
    static const struct {
        PosternAnswerStatus status;
        PosternArcResult result;
    } cases[] = {{POSTERN_ANSWER_SERVFAIL, POSTERN_ARC_TEMPERROR},
                 {POSTERN_ANSWER_NXDOMAIN, POSTERN_ARC_FAIL}};
    guint8 digest[EVP_MAX_MD_SIZE];
    guint length = 0;

    EVP_Digest(BODY, strlen(BODY), digest, &length, EVP_sha256(), NULL);
    g_autofree char *hash = encode(digest, length);
    g_autoptr(GString) message = g_string_new(NULL);

    g_string_printf(
        message,
        "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=sealer.example; s=s; b=AAAA\r\n"
        "ARC-Message-Signature: i=1; a=rsa-sha256; d=sealer.example; s=s; h=from; bh=%s; b=AAAA\r\n"
        "ARC-Authentication-Results: i=1; " SAYS "\r\nFrom: a@author.example\r\n\r\n" BODY,
        hash);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternFindings) findings = check(message, NULL, cases[i].status);
        g_assert_cmpint(findings->arc.result, ==, cases[i].result);
    }

    g_auto(Key) key = make_key(FALSE);
    key.form = "";
    g_autoptr(GString) relaxed = make_chain(&key, 1, "from", SAYS);
    g_autoptr(PosternFindings) findings = check(relaxed, key.record, POSTERN_ANSWER_NODATA);
    g_assert_cmpstr(findings->arc.reason, ==, NULL);
    g_assert_cmpint(findings->arc.result, ==, POSTERN_ARC_PASS);
}

/* A From that is named behind the names that are read is not sealed. */
static void test_too_many_names(void)
{
    g_auto(Key) key = make_key(FALSE);
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint i = 0; i < POSTERN_ARC_SIGNED_FIELDS_MAX; i++)
        g_string_append(names, "x:");
    g_string_append(names, "FROM");
    g_autoptr(GString) message = make_chain(&key, 1, names->str, SAYS);
    g_autoptr(PosternFindings) findings = check(message, key.record, POSTERN_ANSWER_NODATA);

    g_assert_cmpint(findings->arc.result, ==, POSTERN_ARC_FAIL);
}

static void test_count(void)
{
    g_auto(Key) key = make_key(FALSE);
    g_autoptr(GString) most = make_chain(&key, POSTERN_ARC_SETS_MAX, "from", SAYS);
    g_autoptr(GString) over = make_chain(&key, POSTERN_ARC_SETS_MAX + 1, "from", SAYS);
    g_autoptr(PosternFindings) passes = check(most, key.record, POSTERN_ANSWER_NODATA);
    g_autoptr(PosternFindings) fails = check(over, key.record, POSTERN_ANSWER_NODATA);

    g_assert_cmpint(passes->arc.result, ==, POSTERN_ARC_PASS);
    g_assert_cmpint(fails->arc.result, ==, POSTERN_ARC_FAIL);
}

typedef struct {
    const char *value;
    guint instance;
    const char *dmarc;
    const char *domain;
} Results;

static const Results results[] = {
    {" i=1; mx.example; dmarc=pass header.from=a.example", 1, "pass", "a.example"},
    {" i = 12 ;mx.example;spf=fail;dmarc = FAIL (p=reject) header.from = A.Example", 12, "fail", "a.example"},
    {"(c) i=1 (;) ; mx.example; x=y; dmarc/1=pass", 1, NULL, NULL},
    {" i=1; mx; dmarc=pass header.from=a.example; dmarc=pass header.from=b.example", 1, NULL, NULL},
    {" i=1; mx; x=\"; dmarc=pass header.from=a.example\"", 1, NULL, NULL},
    {" i=1; mx; x=\"\\\"; dmarc=pass header.from=a.example\"", 1, NULL, NULL},
    {" i=1; mx; (; dmarc=pass header.from=a.example)", 1, NULL, NULL},
    {" i=1; mx; (\\); dmarc=pass header.from=a.example)", 1, NULL, NULL},
    {" i=1; mx; dmarc=\"pass\" header.from=a.example", 1, NULL, NULL},
    {" i=1; mx; dmarc=none", 1, "none", NULL},
    {" mx.example; dmarc=pass", 0, "pass", NULL},
    {" i=0; mx", 0, NULL, NULL},
    {" i=51; mx", 0, NULL, NULL},
    {" i=1", 0, NULL, NULL},
    {" i=1x; mx", 0, NULL, NULL},
    {"", 0, NULL, NULL},
};

static void test_results(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(results); i++) {
        g_autofree char *dmarc = NULL;
        g_autofree char *domain = NULL;
        gsize length = strlen(results[i].value);

        g_test_message("%s", results[i].value);
        g_assert_cmpuint(postern_arc_results_instance(results[i].value, length), ==, results[i].instance);
        postern_arc_results_dmarc(results[i].value, length, &dmarc, &domain);
        g_assert_cmpstr(dmarc, ==, results[i].dmarc);
        g_assert_cmpstr(domain, ==, results[i].domain);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/arc/pass/rsa", GINT_TO_POINTER(1), test_pass);
    g_test_add_data_func("/arc/pass/ed25519", NULL, test_pass);
    g_test_add_func("/arc/body-length", test_body_length);
    g_test_add_func("/arc/keys-and-names", test_keys_and_names);
    g_test_add_func("/arc/altered", test_altered);
    g_test_add_func("/arc/dns", test_dns);
    g_test_add_func("/arc/uncovered-from", test_uncovered_from);
    g_test_add_func("/arc/ambiguous-header", test_ambiguous_header);
    g_test_add_func("/arc/unnamed-form", test_unnamed_form);
    g_test_add_func("/arc/too-many-names", test_too_many_names);
    g_test_add_func("/arc/count", test_count);
    g_test_add_func("/arc/results", test_results);
    return g_test_run();
}
