#include "checks/dmarc/conclude.h"

#include <string.h>

typedef struct {
    const char *domain;
    const char *record_domain;
    const char *organizational;
    PosternDmarcPolicy policy;
    gboolean strict_dkim;
    gboolean strict_spf;
    gboolean temporary;
} Author;

static void add_author(PosternFindings *findings, const Author *from)
{
    PosternDmarcAuthor *author = g_new0(PosternDmarcAuthor, 1);

    author->domain = g_strdup(from->domain);
    author->record_domain = g_strdup(from->record_domain);
    author->organizational = g_strdup(from->organizational);
    author->policy = from->policy;
    author->strict_dkim = from->strict_dkim;
    author->strict_spf = from->strict_spf;
    author->temporary = from->temporary;
    g_ptr_array_add(findings->dmarc.authors, author);
}

static void add_organization(PosternFindings *findings, const char *domain, const char *organizational)
{
    PosternDmarcOrganization *organization = g_new0(PosternDmarcOrganization, 1);

    organization->domain = g_strdup(domain);
    organization->organizational = g_strdup(organizational);
    g_ptr_array_add(findings->dmarc.organizations, organization);
}

static void set_spf(PosternFindings *findings, PosternSpfResult result, const char *domain)
{
    g_free(findings->spf.domain);
    findings->spf.result = result;
    findings->spf.domain = g_strdup(domain);
}

static void add_dkim(PosternFindings *findings, PosternDkimResult result, const char *domain)
{
    PosternDkimFinding *finding = postern_dkim_finding_new();

    finding->result = result;
    finding->domain = g_strdup(domain);
    g_ptr_array_add(findings->dkim.signatures, finding);
}

static const Author plain = {"example.com", "example.com", "example.com", POSTERN_DMARC_POLICY_REJECT,
                             FALSE,         FALSE,         FALSE};

static void assert_concluded(PosternFindings *findings, PosternDmarcResult result)
{
    for (guint again = 0; again < 2; again++) {
        postern_dmarc_conclude(findings);
        g_assert_cmpstr(postern_dmarc_result_name(findings->dmarc.result), ==,
                        postern_dmarc_result_name(result));
    }
}

static void test_without_author(void)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();

    assert_concluded(findings, POSTERN_DMARC_NOT_CHECKED);
    findings->dmarc.problem = g_strdup("the inspector has gone");
    assert_concluded(findings, POSTERN_DMARC_TEMPERROR);
    findings->dmarc.from_invalid = TRUE;
    assert_concluded(findings, POSTERN_DMARC_PERMERROR);
    g_assert_null(findings->dmarc.decisive);
}

/* What no inspector could tell names no domain: it may have been any. */
static void test_unnamed(void)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();

    add_author(findings, &plain);
    set_spf(findings, POSTERN_SPF_TEMPERROR, NULL);
    assert_concluded(findings, POSTERN_DMARC_TEMPERROR);
    set_spf(findings, POSTERN_SPF_PASS, NULL);
    assert_concluded(findings, POSTERN_DMARC_FAIL);
    add_dkim(findings, POSTERN_DKIM_TEMPERROR, "");
    assert_concluded(findings, POSTERN_DMARC_TEMPERROR);
    add_dkim(findings, POSTERN_DKIM_PASS, "EXAMPLE.com");
    assert_concluded(findings, POSTERN_DMARC_PASS);
    findings->dmarc.from_invalid = TRUE;
    assert_concluded(findings, POSTERN_DMARC_PERMERROR);
}

/* Changed findings change the result: nothing of an earlier one stays. */
static void test_changes(void)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();

    add_author(findings, &plain);
    set_spf(findings, POSTERN_SPF_PASS, "example.com");
    assert_concluded(findings, POSTERN_DMARC_PASS);
    g_assert_true(findings->dmarc.decisive == g_ptr_array_index(findings->dmarc.authors, 0));
    set_spf(findings, POSTERN_SPF_FAIL, "example.com");
    assert_concluded(findings, POSTERN_DMARC_FAIL);
    g_ptr_array_set_size(findings->dmarc.authors, 0);
    assert_concluded(findings, POSTERN_DMARC_NOT_CHECKED);
    g_assert_null(findings->dmarc.decisive);
}

/* Whose client is not known may be one that SPF would have vouched for; DKIM can still pass. */
static void test_unknown_client(void)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();

    add_author(findings, &plain);
    assert_concluded(findings, POSTERN_DMARC_NOT_CHECKED);
    add_dkim(findings, POSTERN_DKIM_FAIL, "example.com");
    assert_concluded(findings, POSTERN_DMARC_NOT_CHECKED);
    add_dkim(findings, POSTERN_DKIM_TEMPERROR, "example.com");
    assert_concluded(findings, POSTERN_DMARC_TEMPERROR);
    add_dkim(findings, POSTERN_DKIM_PASS, "example.com");
    assert_concluded(findings, POSTERN_DMARC_PASS);
    findings->dmarc.from_invalid = TRUE;
    assert_concluded(findings, POSTERN_DMARC_PERMERROR);
    set_spf(findings, POSTERN_SPF_NONE, NULL);
    g_ptr_array_set_size(findings->dkim.signatures, 0);
    assert_concluded(findings, POSTERN_DMARC_FAIL);
}

/* Whoever vouches, and whatever is not known: a header that can be read in two ways fails or is an error. */
static void test_ambiguous(void)
{
    static const Author unknown = {"example.com", NULL, NULL, POSTERN_DMARC_POLICY_NONE, FALSE, FALSE, TRUE};
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternFindings) other = postern_findings_new();

    findings->dmarc.ambiguous = other->dmarc.ambiguous = TRUE;
    findings->dmarc.problem = g_strdup("line 1 has no colon");
    assert_concluded(findings, POSTERN_DMARC_PERMERROR);
    findings->dmarc.no_author = TRUE;
    assert_concluded(findings, POSTERN_DMARC_PERMERROR);
    add_author(findings, &plain);
    assert_concluded(findings, POSTERN_DMARC_PERMERROR);
    set_spf(findings, POSTERN_SPF_FAIL, "example.com");
    assert_concluded(findings, POSTERN_DMARC_FAIL);
    set_spf(findings, POSTERN_SPF_TEMPERROR, "example.com");
    assert_concluded(findings, POSTERN_DMARC_PERMERROR);
    set_spf(findings, POSTERN_SPF_PASS, "example.com");
    assert_concluded(findings, POSTERN_DMARC_PERMERROR);
    add_author(other, &unknown);
    assert_concluded(other, POSTERN_DMARC_PERMERROR);
}

static void test_several_authors(void)
{
    static const Author mild = {"example.net", "example.net", "example.net", POSTERN_DMARC_POLICY_NONE,
                                FALSE,         FALSE,         FALSE};
    static const Author silent = {"example.org", NULL,  "example.org", POSTERN_DMARC_POLICY_NONE,
                                  FALSE,         FALSE, FALSE};
    static const Author unknown = {"example.edu", NULL, NULL, POSTERN_DMARC_POLICY_NONE, FALSE, FALSE, TRUE};
    g_autoptr(PosternFindings) findings = postern_findings_new();

    set_spf(findings, POSTERN_SPF_NONE, NULL);
    add_author(findings, &silent);
    assert_concluded(findings, POSTERN_DMARC_NONE);
    add_author(findings, &unknown);
    assert_concluded(findings, POSTERN_DMARC_TEMPERROR);
    add_author(findings, &mild);
    assert_concluded(findings, POSTERN_DMARC_FAIL);
    g_assert_cmpstr(findings->dmarc.decisive->domain, ==, "example.net");
    add_author(findings, &plain);
    assert_concluded(findings, POSTERN_DMARC_FAIL);
    g_assert_cmpstr(findings->dmarc.decisive->domain, ==, "example.com");
    add_dkim(findings, POSTERN_DKIM_PASS, "example.com");
    assert_concluded(findings, POSTERN_DMARC_FAIL);
    g_assert_cmpstr(findings->dmarc.decisive->domain, ==, "example.net");
    add_dkim(findings, POSTERN_DKIM_PASS, "example.net");
    assert_concluded(findings, POSTERN_DMARC_TEMPERROR);
}

static void test_alignment(void)
{
    static const struct {
        const char *author;
        const char *organizational;
        const char *identifier;
        gboolean strict;
        gboolean aligned;
        gboolean temporary;
    } cases[] = {
        {"example.com", "example.com", "example.com", TRUE, TRUE, FALSE},
        {"example.com", NULL, "EXAMPLE.COM", TRUE, TRUE, FALSE},
        {"a.example.com", "example.com", "Example.com", FALSE, TRUE, FALSE},
        {"a.example.com", "example.com", "example.com", TRUE, FALSE, FALSE},
        {"example.com", "example.com", "known.example.com", FALSE, TRUE, FALSE},
        {"example.com", "example.com", "KNOWN.example.com", FALSE, TRUE, FALSE},
        {"example.com", "example.com", "known.example.com", TRUE, FALSE, FALSE},
        {"example.com", "example.com", "own.example.com", FALSE, FALSE, FALSE},
        {"example.com", "example.com", "failed.example.com", FALSE, FALSE, TRUE},
        {"example.com", "example.com", "unasked.example.com", FALSE, FALSE, TRUE},
        {"example.com", "example.com", "notexample.com", FALSE, FALSE, FALSE},
        {"example.com", "example.com", ".example.com", FALSE, FALSE, FALSE},
        {"example.com", "example.com", "com", FALSE, FALSE, FALSE},
        {"example.com", NULL, "other.com", FALSE, FALSE, TRUE},
        {"example.com", NULL, "com", FALSE, FALSE, TRUE},
        {"example.com", NULL, "example.net", FALSE, FALSE, FALSE},
        {"example.com", NULL, "other.com", TRUE, FALSE, FALSE},
        {"x.com", "x.com", "evil.com", FALSE, FALSE, FALSE},
        {"victim.com", "victim.com", "x.com", FALSE, FALSE, FALSE},
    };
    g_autoptr(PosternFindings) findings = postern_findings_new();

    add_organization(findings, "known.example.com", "example.com");
    add_organization(findings, "own.example.com", "own.example.com");
    add_organization(findings, "failed.example.com", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        PosternDmarcAuthor author = {.domain = g_strdup(cases[i].author),
                                     .organizational = g_strdup(cases[i].organizational)};
        gboolean temporary = TRUE;
        gboolean aligned = postern_dmarc_is_aligned(&findings->dmarc, &author, cases[i].identifier,
                                                    cases[i].strict, &temporary);

        g_test_message("%s %s", cases[i].author, cases[i].identifier);
        g_assert_cmpint(aligned, ==, cases[i].aligned);
        g_assert_cmpint(temporary, ==, cases[i].temporary);
        g_free(author.domain);
        g_free(author.organizational);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dmarc-conclude/ambiguous", test_ambiguous);
    g_test_add_func("/dmarc/conclude/unknown-client", test_unknown_client);
    g_test_add_func("/dmarc/conclude/without-author", test_without_author);
    g_test_add_func("/dmarc/conclude/unnamed", test_unnamed);
    g_test_add_func("/dmarc/conclude/changes", test_changes);
    g_test_add_func("/dmarc/conclude/several-authors", test_several_authors);
    g_test_add_func("/dmarc/conclude/alignment", test_alignment);
    return g_test_run();
}
