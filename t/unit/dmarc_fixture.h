/*
 * What the tests of DMARC share: a message with a From field and signatures, a zone, and what SPF and DKIM
 * said.
 */
#pragma once

#include <string.h>

#include "base/limits.h"
#include "checks/check.h"
#include "checks/dmarc/conclude.h"
#include "dns/answers_file.h"

typedef struct {
    const char *name;
    const char *zone; /* an answers file; names that are not in it do not exist */
    const char *from; /* the value of From, or a whole header where it begins with "From:" or "Sender:" */
    const char *spf;  /* "pass example.com": result and MAIL FROM domain, or NULL: none */
    const char *dkim; /* "fail example.net, pass example.com", or NULL: no signature */
    /* "RESULT", and where a record applies " POLICY RECORD-DOMAIN ORGANIZATIONAL-DOMAIN"; " invalid" where
       From is not what it should be. */
    const char *expected;
} DmarcCase;

static inline PosternSpfResult dmarc_spf_result(const char *name)
{
    for (guint i = 0; i <= POSTERN_SPF_PERMERROR; i++)
        if (strcmp(postern_spf_result_name((PosternSpfResult)i), name) == 0)
            return (PosternSpfResult)i;
    g_assert_not_reached();
}

static inline PosternDkimResult dmarc_dkim_result(const char *name)
{
    for (guint i = 0; i <= POSTERN_DKIM_SKIPPED; i++)
        if (strcmp(postern_dkim_result_name((PosternDkimResult)i), name) == 0)
            return (PosternDkimResult)i;
    g_assert_not_reached();
}

static inline GStrv dmarc_signatures(const DmarcCase *item)
{
    return g_strsplit(item->dkim != NULL ? item->dkim : "", ", ", -1);
}

static inline GString *dmarc_header(const DmarcCase *item)
{
    g_auto(GStrv) signatures = dmarc_signatures(item);
    GString *header = g_string_new(NULL);

    for (guint i = 0; signatures[i] != NULL && *signatures[i] != '\0'; i++) {
        const char *domain = strchr(signatures[i], ' ') + 1;

        g_string_append_printf(
            header, "DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=s%u; h=from; bh=aA==; b=aA==\r\n", domain, i);
    }
    if (!g_str_has_prefix(item->from, "From:") && !g_str_has_prefix(item->from, "Sender:"))
        g_string_append(header, "From: ");
    g_string_append(header, item->from);
    g_string_append(header, "\r\nSubject: s\r\n\r\n");
    return header;
}

static inline PosternEnvelope *dmarc_envelope(const DmarcCase *item)
{
    PosternEnvelope *envelope = postern_envelope_new();

    envelope->helo = g_strdup("mail.relay.example");
    if (item->spf != NULL)
        envelope->sender = g_strconcat("sender@", strchr(item->spf, ' ') + 1, NULL);
    else
        envelope->sender = g_strdup("");
    return envelope;
}

static inline void dmarc_add_results(const DmarcCase *item, PosternFindings *findings)
{
    g_auto(GStrv) signatures = dmarc_signatures(item);

    findings->spf.result = POSTERN_SPF_NONE;
    if (item->spf != NULL) {
        g_auto(GStrv) words = g_strsplit(item->spf, " ", 2);

        findings->spf.result = dmarc_spf_result(words[0]);
        g_free(findings->spf.domain);
        findings->spf.domain = g_strdup(words[1]);
    }
    for (guint i = 0; signatures[i] != NULL && *signatures[i] != '\0'; i++) {
        g_auto(GStrv) words = g_strsplit(signatures[i], " ", 2);
        PosternDkimFinding *finding = postern_dkim_finding_new();

        finding->result = dmarc_dkim_result(words[0]);
        finding->domain = g_strdup(words[1]);
        g_ptr_array_add(findings->dkim.signatures, finding);
    }
}

static inline PosternAnswersFile *dmarc_zone(const char *text)
{
    g_autoptr(GError) error = NULL;
    PosternAnswersFile *zone = postern_answers_file_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return zone;
}

/* Answers all that is noted. */
static inline void dmarc_answer(PosternAnswers *answers, const PosternAnswersFile *zone)
{
    GPtrArray *noted = postern_answers_questions(answers);

    while (noted->len > 0) {
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(noted, 0));

        postern_answers_add(answers, question, postern_answers_file_answer(zone, question));
    }
}

/* The findings of item, concluded; answers is what was asked for on the way. */
static inline PosternFindings *dmarc_run(const DmarcCase *item, PosternAnswers *answers)
{
    g_autoptr(GString) octets = dmarc_header(item);
    g_autoptr(PosternHeader) header = postern_header_parse(octets->str, octets->len);
    g_autoptr(PosternEnvelope) envelope = dmarc_envelope(item);
    g_autoptr(PosternAnswersFile) zone = dmarc_zone(item->zone);
    PosternFindings *findings = postern_findings_new();
    guint rounds = 0;

    findings->explain = TRUE;
    while (postern_check_dmarc(header, envelope, answers, findings) == 0) {
        g_assert_cmpuint(++rounds, <=, 3);
        g_assert_cmpuint(postern_answers_questions(answers)->len, >, 0);
        dmarc_answer(answers, zone);
    }
    g_assert_cmpuint(postern_answers_count(answers), <=,
                     POSTERN_DMARC_QUESTIONS_MAX + 2 * POSTERN_DMARC_AUTHORS_MAX);
    dmarc_add_results(item, findings);
    postern_findings_conclude(findings);
    return findings;
}

/* As DmarcCase.expected. */
static inline char *dmarc_describe(const PosternDmarcFinding *dmarc)
{
    const PosternDmarcAuthor *author = dmarc->decisive;
    GString *text = g_string_new(postern_dmarc_result_name(dmarc->result));

    if (author != NULL && author->record_domain != NULL)
        g_string_append_printf(text, " %s %s %s", postern_dmarc_policy_name(author->policy),
                               author->record_domain,
                               author->organizational != NULL ? author->organizational : "-");
    if (dmarc->from_invalid)
        g_string_append(text, " invalid");
    return g_string_free(text, FALSE);
}

static inline void dmarc_print_steps(const PosternFindings *findings)
{
    for (guint i = 0; i < findings->steps->len; i++) {
        const PosternStep *step = g_ptr_array_index(findings->steps, i);

        g_test_message("%s", step->text);
    }
}

static inline void dmarc_check_case(gconstpointer data)
{
    const DmarcCase *item = data;
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings = dmarc_run(item, answers);
    g_autofree char *found = dmarc_describe(&findings->dmarc);

    dmarc_print_steps(findings);
    if (strcmp(found, item->expected) != 0)
        g_test_fail_printf("found \"%s\", expected \"%s\"", found, item->expected);
}
