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
    g_ptr_array_add(findings->dkim, pass);
    g_ptr_array_add(findings->dkim, signature(POSTERN_DKIM_SKIPPED, NULL));
    findings->dkim_checked = TRUE;
    postern_virus_finding_note(&findings->virus, POSTERN_VIRUS_ENCRYPTED, "");
    postern_virus_finding_infected(&findings->virus, "Eicar-Test-Signature");
    g_ptr_array_add(findings->attachments, attachment("\xc3\xa4.zip", G_MAXUINT64));
    g_ptr_array_add(findings->attachments, attachment(NULL, 0));
    findings->attachment_count = 7;
    findings->not_run = POSTERN_CHECK_SPF;
    findings->mime_problem = g_strdup("too deep");
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
    for (guint i = 0; i < findings->dkim->len; i++) {
        const PosternDkimFinding *dkim = g_ptr_array_index(findings->dkim, i);

        g_string_append_printf(text, "%s %s %s %s %s %s %u %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %d %s;",
                               postern_dkim_result_name(dkim->result), dkim->domain, dkim->selector,
                               dkim->identity, dkim->algorithm, dkim->signature_start, dkim->key_bits,
                               dkim->body_covered, dkim->body_unsigned, dkim->testing, dkim->reason);
    }
    g_string_append_printf(text, "%s %s %d;", postern_spf_result_name(findings->spf_helo.result),
                           findings->spf_helo.domain, findings->dmarc.no_author);
    g_string_append_printf(text, "%d;%s %s %s;", findings->dkim_checked,
                           postern_virus_result_name(findings->virus.result), findings->virus.name,
                           findings->virus.kinds[POSTERN_VIRUS_ENCRYPTED]);
    for (guint i = 0; i < findings->attachments->len; i++) {
        const PosternAttachment *item = g_ptr_array_index(findings->attachments, i);

        g_string_append_printf(text, "%s %s %" G_GUINT64_FORMAT ";", item->name, item->type, item->size);
    }
    g_string_append_printf(text, "%u %u %s", findings->attachment_count, findings->not_run,
                           findings->mime_problem);
    g_string_append_printf(text, ";%d %d %s", findings->dmarc.from_invalid, findings->dmarc.ambiguous,
                           findings->dmarc.problem);
    return g_string_free(text, FALSE);
}

static PosternFindings *round_trip(const PosternFindings *findings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) variant = g_variant_ref_sink(postern_findings_to_variant(findings));
    PosternFindings *back = postern_findings_from_variant(variant, &error);

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

static void test_variant(void)
{
    g_autoptr(PosternFindings) findings = sample();
    g_autoptr(PosternFindings) back = round_trip(findings);
    g_autofree char *before = describe(findings);
    g_autofree char *after = describe(back);

    g_assert_cmpstr(before, ==, after);
}

static void test_variant_of_nothing(void)
{
    g_autoptr(PosternFindings) empty = postern_findings_new();
    g_autoptr(PosternFindings) back = round_trip(empty);
    g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new_parsed("@a{sv} {}"));
    g_autoptr(PosternFindings) from_none = postern_findings_from_variant(none, NULL);
    g_autofree char *before = describe(empty);
    g_autofree char *after = describe(back);
    g_autofree char *absent = describe(from_none);

    g_assert_cmpstr(before, ==, after);
    g_assert_cmpstr(before, ==, absent);
}

static void test_variant_cuts(void)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();

    findings->virus.result = POSTERN_VIRUS_INFECTED;
    findings->virus.name = g_strnfill(2 * POSTERN_FINDING_TEXT_MAX_OCTETS, 'v');
    for (guint i = 0; i < 2 * POSTERN_DKIM_SIGNATURES_REPORTED_MAX; i++)
        g_ptr_array_add(findings->dkim, signature(POSTERN_DKIM_FAIL, "example.com"));
    for (guint i = 0; i < 2 * POSTERN_ATTACHMENTS_REPORTED_MAX; i++)
        g_ptr_array_add(findings->attachments, attachment("x", i));

    g_autofree char *long_name = g_strnfill(POSTERN_ATTACHMENT_NAME_MAX_OCTETS - 1, 'n');

    g_free(((PosternAttachment *)g_ptr_array_index(findings->attachments, 0))->name);
    ((PosternAttachment *)g_ptr_array_index(findings->attachments, 0))->name =
        g_strconcat(long_name, "\xe2\x82\xac", NULL);

    g_autoptr(PosternFindings) back = round_trip(findings);

    g_assert_cmpuint(strlen(back->virus.name), ==, POSTERN_FINDING_TEXT_MAX_OCTETS);
    g_assert_cmpuint(back->dkim->len, ==, POSTERN_DKIM_SIGNATURES_REPORTED_MAX);
    g_assert_cmpuint(back->attachments->len, ==, POSTERN_ATTACHMENTS_REPORTED_MAX);
    g_assert_cmpstr(((PosternAttachment *)g_ptr_array_index(back->attachments, 0))->name, ==, long_name);
}

static void test_variant_makes_names_valid(void)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();

    g_ptr_array_add(findings->attachments, attachment("a\xff.zip", 1));

    g_autoptr(PosternFindings) back = round_trip(findings);

    g_assert_cmpstr(((PosternAttachment *)g_ptr_array_index(back->attachments, 0))->name, ==,
                    "a\xef\xbf\xbd.zip");
}

static void test_variant_of_stranger(void)
{
    static const char *const texts[] = {
        "{'spf': <1>}",
        "{'spf': <{'result': <uint32 8>}>}",
        "{'spf': <{'result': <'pass'>}>}",
        "{'spf': <{'helo': <uint32 1>}>}",
        "{'spf': <{'domain': <'example.com'>}>}",
        "{'spf': <{'domain': <[byte 0x61, 0x00]>}>}",
        "{'dkim': <{'result': <uint32 1>}>}",
        "{'dkim': <[{'result': <uint32 8>}]>}",
        "{'dkim': <[{'body_covered': <uint32 0xffffffff>}]>}",
        "{'dkim_checked': <uint32 1>}",
        "{'virus': <{'result': <uint32 7>}>}",
        "{'virus': <{'encrypted': <uint32 1>}>}",
        "{'virus': <{'name': <1.5>}>}",
        "{'attachments': <[{'size': <uint32 1>}]>}",
        "{'attachments': <[{'name': <'x'>}]>}",
        "{'attachment_count': <-1>}",
        "{'not_run': <uint32 0x80000000>}",
        "{'mime_problem': <'x'>}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) variant = g_variant_parse(G_VARIANT_TYPE_VARDICT, texts[i], NULL, NULL, &error);

        g_assert_no_error(error);
        g_assert_null(postern_findings_from_variant(variant, &error));
        g_assert_true(error && error->domain == POSTERN_ERROR);
    }
}

static void assert_list_over_limit(const char *key, guint count)
{
    g_autoptr(GError) error = NULL;
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < count; i++)
        g_variant_builder_add_parsed(&list, "@a{sv} {}");

    g_autoptr(GVariant) variant =
        g_variant_ref_sink(g_variant_new_parsed("{%s: <%@aa{sv}>}", key, g_variant_builder_end(&list)));

    g_assert_null(postern_findings_from_variant(variant, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
}

static void test_variant_limits(void)
{
    assert_list_over_limit("dkim", POSTERN_DKIM_SIGNATURES_REPORTED_MAX + 1);
    assert_list_over_limit("attachments", POSTERN_ATTACHMENTS_REPORTED_MAX + 1);
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

    taken->mime_problem[0] = 'X';
    postern_findings_take(taken, source, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(each); i++)
        postern_findings_take(taken, source, each[i]);

    g_autofree char *after = describe(taken);
    g_autofree char *left = describe(source);

    g_assert_cmpstr(after, ==, whole);
    g_assert_cmpstr(left, ==, none);
    postern_findings_take(taken, nothing, POSTERN_CHECK_SPF | POSTERN_CHECK_CONTENT);
    g_assert_cmpint(taken->spf.result, ==, POSTERN_SPF_NOT_CHECKED);
    g_assert_null(taken->mime_problem);
    g_assert_cmpuint(taken->dkim->len, ==, 2);
    g_assert_cmpint(taken->virus.result, ==, POSTERN_VIRUS_INFECTED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/findings/names", test_names);
    g_test_add_func("/findings/variant", test_variant);
    g_test_add_func("/findings/variant-of-nothing", test_variant_of_nothing);
    g_test_add_func("/findings/variant-cuts", test_variant_cuts);
    g_test_add_func("/findings/variant-makes-names-valid", test_variant_makes_names_valid);
    g_test_add_func("/findings/variant-of-stranger", test_variant_of_stranger);
    g_test_add_func("/findings/variant-limits", test_variant_limits);
    g_test_add_func("/findings/take", test_take);
    return g_test_run();
}
