#include "verdict/findings.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static PosternDkimFinding *signature(PosternDkimResult result, const char *domain)
{
    PosternDkimFinding *finding = postern_dkim_finding_new();

    finding->result = result;
    finding->domain = g_strdup(domain);
    return finding;
}

static PosternAttachment *attachment(const char *name, guint64 size)
{
    PosternAttachment *item = g_new0(PosternAttachment, 1);

    item->name = g_strdup(name);
    item->type = g_strdup("application/zip");
    item->size = size;
    return item;
}

static PosternFindings *sample(void)
{
    PosternFindings *findings = postern_findings_new();
    PosternDkimFinding *pass = signature(POSTERN_DKIM_PASS, "example.com");

    findings->spf.result = POSTERN_SPF_PERMERROR;
    findings->spf.helo = TRUE;
    findings->spf.domain = g_strdup("example.com");
    findings->spf.explanation = g_strdup("why");
    findings->spf.problem = g_strdup("what");
    findings->spf_helo.result = POSTERN_SPF_SOFTFAIL;
    findings->spf_helo.domain = g_strdup("mx.example.com");
    findings->dmarc.no_author = TRUE;
    pass->selector = g_strdup("s");
    pass->identity = g_strdup("@example.com");
    pass->algorithm = g_strdup("rsa-sha256");
    pass->signature_start = g_strdup("AbCdEf01");
    pass->key_bits = 2048;
    pass->body_covered = 0;
    pass->body_unsigned = 12;
    pass->testing = TRUE;
    pass->reason = g_strdup("\xff odd");
    g_ptr_array_add(findings->dkim.signatures, pass);
    g_ptr_array_add(findings->dkim.signatures, signature(POSTERN_DKIM_SKIPPED, NULL));
    findings->dkim.checked = TRUE;
    postern_virus_finding_note(&findings->virus, POSTERN_VIRUS_ENCRYPTED, "");
    postern_virus_finding_infected(&findings->virus, "Eicar-Test-Signature");
    g_ptr_array_add(findings->content.attachments, attachment("\xc3\xa4.zip", G_MAXUINT64));
    g_ptr_array_add(findings->content.attachments, attachment(NULL, 0));
    findings->content.count = 7;
    findings->not_run = POSTERN_CHECK_SPF;
    findings->content.problem = g_strdup("too deep");
    findings->dmarc.ambiguous = TRUE;
    findings->dmarc.problem = g_strdup("no colon");
    return findings;
}

/* Everything of findings in one text, to be compared. */
static char *describe(const PosternFindings *findings)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s %d %s %s %s;", postern_spf_result_name(findings->spf.result),
                           findings->spf.helo, findings->spf.domain, findings->spf.explanation,
                           findings->spf.problem);
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *dkim = g_ptr_array_index(findings->dkim.signatures, i);

        g_string_append_printf(text, "%s %s %s %s %s %s %u %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %d %s;",
                               postern_dkim_result_name(dkim->result), dkim->domain, dkim->selector,
                               dkim->identity, dkim->algorithm, dkim->signature_start, dkim->key_bits,
                               dkim->body_covered, dkim->body_unsigned, dkim->testing, dkim->reason);
    }
    g_string_append_printf(text, "%s %s %d;", postern_spf_result_name(findings->spf_helo.result),
                           findings->spf_helo.domain, findings->dmarc.no_author);
    g_string_append_printf(text, "%d;%s %s %s;", findings->dkim.checked,
                           postern_virus_result_name(findings->virus.result), findings->virus.name,
                           findings->virus.kinds[POSTERN_VIRUS_ENCRYPTED]);
    for (guint i = 0; i < findings->content.attachments->len; i++) {
        const PosternAttachment *item = g_ptr_array_index(findings->content.attachments, i);

        g_string_append_printf(text, "%s %s %" G_GUINT64_FORMAT ";", item->name, item->type, item->size);
    }
    g_string_append_printf(text, "%u %u %s", findings->content.count, findings->not_run,
                           findings->content.problem);
    g_string_append_printf(text, ";%d %d %s", findings->dmarc.from_invalid, findings->dmarc.ambiguous,
                           findings->dmarc.problem);
    return g_string_free(text, FALSE);
}

static GByteArray *encode(const PosternFindings *findings)
{
    GByteArray *octets = g_byte_array_new();
    postern_findings_encode(findings, octets);
    return octets;
}

static PosternFindings *round_trip(const PosternFindings *findings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) octets = encode(findings);
    PosternFindings *back = postern_findings_decode(octets->data, octets->len, &error);

    g_assert_no_error(error);
    return back;
}

static void test_names(void)
{
    g_assert_cmpstr(postern_spf_result_name(POSTERN_SPF_NONE), ==, "none");
    g_assert_cmpstr(postern_spf_result_name(POSTERN_SPF_PERMERROR), ==, "permerror");
    g_assert_cmpstr(postern_dkim_result_name(POSTERN_DKIM_NONE), ==, "none");
    g_assert_cmpstr(postern_dkim_result_name(POSTERN_DKIM_TEMPERROR), ==, "temperror");
    g_assert_cmpstr(postern_virus_result_name(POSTERN_VIRUS_CLEAN), ==, "clean");
    g_assert_cmpstr(postern_virus_result_name(POSTERN_VIRUS_ERROR), ==, "error");
    g_assert_cmpstr(postern_virus_result_name((PosternVirusResult)99), ==, "unknown");
}

static void test_octets(void)
{
    g_autoptr(PosternFindings) findings = sample();
    g_autoptr(PosternFindings) back = round_trip(findings);
    g_autofree char *before = describe(findings);
    g_autofree char *after = describe(back);

    g_assert_cmpstr(before, ==, after);
}

static void test_octets_of_nothing(void)
{
    g_autoptr(PosternFindings) empty = postern_findings_new();
    g_autoptr(PosternFindings) back = round_trip(empty);
    g_autoptr(PosternFindings) from_none = postern_findings_decode(NULL, 0, NULL);
    g_autofree char *before = describe(empty);
    g_autofree char *after = describe(back);
    g_autofree char *absent = describe(from_none);

    g_assert_cmpstr(before, ==, after);
    g_assert_cmpstr(before, ==, absent);
}

static void test_octets_are_cut(void)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();

    findings->virus.result = POSTERN_VIRUS_INFECTED;
    findings->virus.name = g_strnfill(2 * POSTERN_FINDING_TEXT_MAX_OCTETS, 'v');
    for (guint i = 0; i < 2 * POSTERN_DKIM_SIGNATURES_REPORTED_MAX; i++)
        g_ptr_array_add(findings->dkim.signatures, signature(POSTERN_DKIM_FAIL, "example.com"));
    for (guint i = 0; i < 2 * POSTERN_ATTACHMENTS_REPORTED_MAX; i++)
        g_ptr_array_add(findings->content.attachments, attachment("x", i));

    g_autofree char *long_name = g_strnfill(POSTERN_ATTACHMENT_NAME_MAX_OCTETS - 1, 'n');

    g_free(((PosternAttachment *)g_ptr_array_index(findings->content.attachments, 0))->name);
    ((PosternAttachment *)g_ptr_array_index(findings->content.attachments, 0))->name =
        g_strconcat(long_name, "\xe2\x82\xac", NULL);

    g_autoptr(PosternFindings) back = round_trip(findings);

    g_assert_cmpuint(strlen(back->virus.name), ==, POSTERN_FINDING_TEXT_MAX_OCTETS);
    g_assert_cmpuint(back->dkim.signatures->len, ==, POSTERN_DKIM_SIGNATURES_REPORTED_MAX);
    g_assert_cmpuint(back->content.attachments->len, ==, POSTERN_ATTACHMENTS_REPORTED_MAX);
    g_assert_cmpstr(((PosternAttachment *)g_ptr_array_index(back->content.attachments, 0))->name, ==,
                    long_name);
}

static void test_octets_make_names_valid(void)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();

    g_ptr_array_add(findings->content.attachments, attachment("a\xff.zip", 1));

    g_autoptr(PosternFindings) back = round_trip(findings);

    g_assert_cmpstr(((PosternAttachment *)g_ptr_array_index(back->content.attachments, 0))->name, ==,
                    "a\xef\xbf\xbd.zip");
}

/* An entry: the name and the octets of its value. */
static void add(GByteArray *out, const char *name, gconstpointer value, gsize length)
{
    guint8 name_length = (guint8)strlen(name);
    guint32 size = GUINT32_TO_LE((guint32)length);

    g_byte_array_append(out, &name_length, 1);
    g_byte_array_append(out, (const guint8 *)name, name_length);
    g_byte_array_append(out, (const guint8 *)&size, sizeof size);
    g_byte_array_append(out, value, (guint)length);
}

static void add_number(GByteArray *out, const char *name, guint64 number)
{
    number = GUINT64_TO_LE(number);
    add(out, name, &number, sizeof number);
}

/* The entry `inner` in a structure `outer`, of any check; outer NULL: inner alone. */
static GByteArray *nested(const char *outer, const char *list, GByteArray *inner)
{
    GByteArray *at = g_byte_array_ref(inner);
    const char *const names[] = {list, outer};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        GByteArray *around = g_byte_array_new();

        if (names[i] == NULL) {
            g_byte_array_unref(around);
            continue;
        }
        add(around, names[i], at->data, at->len);
        g_byte_array_unref(at);
        at = around;
    }
    return at;
}

static void assert_refused(const GByteArray *octets, PosternError code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(postern_findings_decode(octets->data, octets->len, &error));
    g_assert_error(error, POSTERN_ERROR, code);
}

static void test_hostile_values(void)
{
    static const struct {
        const char *outer, *list, *name;
        const char *text; /* or NULL: number */
        gsize length;
        guint64 number;
        PosternError code;
    } cases[] = {
        {"spf", NULL, "result", NULL, 0, POSTERN_SPF_PERMERROR + 1, POSTERN_ERROR_LIMIT},
        {"spf", NULL, "result", "pass", 4, 0, POSTERN_ERROR_PROTOCOL},
        {"spf", NULL, "helo", NULL, 0, 2, POSTERN_ERROR_LIMIT},
        {"spf", NULL, "helo", "", 0, 0, POSTERN_ERROR_PROTOCOL},
        {"spf_helo", NULL, "domain", "a\0b", 3, 0, POSTERN_ERROR_PROTOCOL},
        {"dkim", "signatures", "result", NULL, 0, POSTERN_DKIM_SKIPPED + 1, POSTERN_ERROR_LIMIT},
        {"dkim", "signatures", "body_covered", NULL, 0, G_MAXUINT64, POSTERN_ERROR_LIMIT},
        {"dkim", "signatures", "key_bits", NULL, 0, G_GUINT64_CONSTANT(1) << 32, POSTERN_ERROR_LIMIT},
        {"dkim", NULL, "checked", NULL, 0, 2, POSTERN_ERROR_LIMIT},
        {"dkim", NULL, "signatures", "x", 1, 0, POSTERN_ERROR_PROTOCOL},
        {"dmarc", "authors", "policy", NULL, 0, POSTERN_DMARC_POLICY_REJECT + 1, POSTERN_ERROR_LIMIT},
        {"arc", "sets", "instance", NULL, 0, POSTERN_ARC_SETS_MAX + 1, POSTERN_ERROR_LIMIT},
        {"virus", NULL, "result", NULL, 0, POSTERN_VIRUS_NO_SIGNATURES + 1, POSTERN_ERROR_LIMIT},
        {"virus", NULL, "encrypted", "\0", 1, 0, POSTERN_ERROR_PROTOCOL},
        {"content", "attachments", "size", "1234567", 7, 0, POSTERN_ERROR_PROTOCOL},
        {"content", "attachments", "name", "x\0", 2, 0, POSTERN_ERROR_PROTOCOL},
        {"content", NULL, "count", NULL, 0, G_MAXUINT64, POSTERN_ERROR_LIMIT},
        {NULL, NULL, "not_run", NULL, 0, POSTERN_CHECKS_ALL + 1, POSTERN_ERROR_LIMIT},
        {NULL, "steps", "check", NULL, 0, POSTERN_CHECKS_ALL + 1, POSTERN_ERROR_LIMIT},
        {NULL, NULL, "spf", "\6result", 7, 0, POSTERN_ERROR_PROTOCOL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) inner = g_byte_array_new();

        if (cases[i].text != NULL)
            add(inner, cases[i].name, cases[i].text, cases[i].length);
        else
            add_number(inner, cases[i].name, cases[i].number);

        g_autoptr(GByteArray) octets = nested(cases[i].outer, cases[i].list, inner);

        assert_refused(octets, cases[i].code);
    }
}

/* What is longer than its bound, is there twice, or is not known. */
static void test_hostile_entries(void)
{
    g_autofree char *text = g_strnfill(POSTERN_FINDING_TEXT_MAX_OCTETS + 1, 't');
    g_autoptr(GByteArray) too_long = g_byte_array_new();
    g_autoptr(GByteArray) twice = g_byte_array_new();
    g_autoptr(GByteArray) unknown = g_byte_array_new();

    add(too_long, "domain", text, strlen(text));
    add_number(twice, "result", POSTERN_SPF_PASS);
    add_number(twice, "result", POSTERN_SPF_PASS);
    add(unknown, "colour", "red", 3);
    add_number(unknown, "result", POSTERN_SPF_FAIL);

    g_autoptr(GByteArray) long_octets = nested("spf", NULL, too_long);
    g_autoptr(GByteArray) twice_octets = nested("spf", NULL, twice);
    g_autoptr(GByteArray) unknown_octets = nested("spf", NULL, unknown);
    g_autoptr(PosternFindings) findings =
        postern_findings_decode(unknown_octets->data, unknown_octets->len, NULL);

    assert_refused(long_octets, POSTERN_ERROR_LIMIT);
    assert_refused(twice_octets, POSTERN_ERROR_PROTOCOL);
    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_FAIL);
}

/* Octets that are cut off anywhere are refused, or are what came before; they are read in exact memory. */
static void test_cut_off(void)
{
    g_autoptr(PosternFindings) findings = sample();
    g_autoptr(GByteArray) octets = encode(findings);
    guint read = 0;

    for (guint length = 0; length < octets->len; length++) {
        g_autofree guint8 *exact = g_memdup2(octets->data, length);
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternFindings) back = postern_findings_decode(exact, length, &error);

        g_assert_true((back == NULL) == (error != NULL));
        read += back != NULL ? 1 : 0;
    }
    g_assert_cmpuint(read, ==, POSTERN_CHECKS_COUNT + 1); /* each check, and nothing at all */
}

static void assert_list_over_limit(const char *outer, const char *list, guint maximum)
{
    g_autoptr(GByteArray) entries = g_byte_array_new();

    for (guint i = 0; i <= maximum; i++)
        add(entries, list, "", 0);

    g_autoptr(GByteArray) octets = nested(outer, NULL, entries);

    assert_refused(octets, POSTERN_ERROR_LIMIT);
}

static void test_hostile_lists(void)
{
    assert_list_over_limit("dkim", "signatures", POSTERN_DKIM_SIGNATURES_REPORTED_MAX);
    assert_list_over_limit("content", "attachments", POSTERN_ATTACHMENTS_REPORTED_MAX);
    assert_list_over_limit("dmarc", "authors", POSTERN_DMARC_AUTHORS_MAX);
    assert_list_over_limit("arc", "sets", POSTERN_ARC_SETS_MAX);
    assert_list_over_limit("sign", "fields", POSTERN_SIGN_FIELDS_MAX);
    assert_list_over_limit(NULL, "steps", POSTERN_STEPS_MAX);
}

/* A virus, or that nothing could be scanned, is not believed away. */
static void test_virus_is_not_believed_clean(void)
{
    g_autoptr(GByteArray) inner = g_byte_array_new();

    add_number(inner, "result", POSTERN_VIRUS_CLEAN);
    add(inner, "encrypted", "a zip", 5);

    g_autoptr(GByteArray) octets = nested("virus", NULL, inner);
    g_autoptr(PosternFindings) findings = postern_findings_decode(octets->data, octets->len, NULL);

    g_assert_cmpint(findings->virus.result, ==, POSTERN_VIRUS_UNSCANNABLE);
    g_assert_cmpstr(findings->virus.reason, ==, "a zip");
}

/* Whoever reads it need not ask whether there is one. */
static void test_author_has_a_domain(void)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(GByteArray) octets = g_byte_array_new();
    PosternDmarcAuthor *nobody = g_new0(PosternDmarcAuthor, 1);
    nobody->record_domain = g_strdup("a.example");
    g_ptr_array_add(findings->dmarc.authors, nobody);
    postern_findings_encode(findings, octets);
    g_autoptr(PosternFindings) back = postern_findings_decode(octets->data, octets->len, NULL);
    const PosternDmarcAuthor *author = g_ptr_array_index(back->dmarc.authors, 0);
    g_assert_cmpstr(author->domain, ==, "");
}

static void test_take(void)
{
    static const PosternChecks each[] = {POSTERN_CHECK_SPF,     POSTERN_CHECK_DKIM,     POSTERN_CHECK_VIRUS,
                                         POSTERN_CHECK_CONTENT, POSTERN_CHECK_SPF_HELO, POSTERN_CHECK_DMARC};
    g_autoptr(PosternFindings) expected = sample();
    g_autoptr(PosternFindings) source = sample();
    g_autoptr(PosternFindings) nothing = postern_findings_new();
    g_autoptr(PosternFindings) taken = sample();
    g_autofree char *whole = describe(expected);
    g_autofree char *none = describe(nothing);

    taken->content.problem[0] = 'X';
    postern_findings_take(taken, source, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(each); i++)
        postern_findings_take(taken, source, each[i]);

    g_autofree char *after = describe(taken);
    g_autofree char *left = describe(source);

    g_assert_cmpstr(after, ==, whole);
    g_assert_cmpstr(left, ==, none);
    postern_findings_take(taken, nothing, POSTERN_CHECK_SPF | POSTERN_CHECK_CONTENT);
    g_assert_cmpint(taken->spf.result, ==, POSTERN_SPF_NOT_CHECKED);
    g_assert_null(taken->content.problem);
    g_assert_cmpuint(taken->dkim.signatures->len, ==, 2);
    g_assert_cmpint(taken->virus.result, ==, POSTERN_VIRUS_INFECTED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/findings/names", test_names);
    g_test_add_func("/findings/octets", test_octets);
    g_test_add_func("/findings/octets-of-nothing", test_octets_of_nothing);
    g_test_add_func("/findings/octets-are-cut", test_octets_are_cut);
    g_test_add_func("/findings/octets-make-names-valid", test_octets_make_names_valid);
    g_test_add_func("/findings/hostile-values", test_hostile_values);
    g_test_add_func("/findings/hostile-entries", test_hostile_entries);
    g_test_add_func("/findings/hostile-lists", test_hostile_lists);
    g_test_add_func("/findings/cut-off", test_cut_off);
    g_test_add_func("/findings/virus-is-not-believed-clean", test_virus_is_not_believed_clean);
    g_test_add_func("/findings/author-has-a-domain", test_author_has_a_domain);
    g_test_add_func("/findings/take", test_take);
    return g_test_run();
}
