/*
 * The whole DMARC check, of a hostile message and hostile answers, against a plain reading of the tree walk
 * of RFC 9989 4.10: policy, Organizational Domains and result must be the same, in whatever order answers
 * come.
 *
 * The first octet says how long the header is, in units of 8 octets; the second what SPF and DKIM say. The
 * rest is what the DNS has: each name draws its answer from a place that its letters give.
 */
#include "checks/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "checks/dmarc/conclude.h"
#include "checks/dmarc/identifiers.h"
#include "checks/dmarc/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

/* The rest of the input. */
typedef struct {
    const uint8_t *data;
    gsize size;
} World;

static PosternAnswer *answer_of(const World *world, const PosternQuestion *question)
{
    gsize at = world->size > 0 ? postern_question_hash(question) % world->size : 0;
    guint kind = world->size > 0 ? world->data[at] : 1;
    PosternAnswerStatus status = kind % 16 < 9 ? POSTERN_ANSWER_RECORDS : (PosternAnswerStatus)(kind % 4 + 1);
    PosternAnswer *answer =
        postern_answer_new(status == POSTERN_ANSWER_RECORDS ? POSTERN_ANSWER_NODATA : status);
    gsize length = world->size > at ? MIN(world->size - at - 1, (gsize)(kind >> 4) * 8 + 4) : 0;
    g_autoptr(GString) text = g_string_new(kind % 16 < 7 ? "v=DMARC1;p=reject;" : "");

    if (status != POSTERN_ANSWER_RECORDS)
        return answer;
    g_string_append_len(text, (const char *)world->data + at + 1, (gssize)length);
    postern_answer_add(answer, text->str, text->len);
    if (kind % 16 == 3)
        postern_answer_add(answer, "v=DMARC1;p=none", strlen("v=DMARC1;p=none"));
    return answer;
}

static void run(const PosternHeader *header, const PosternEnvelope *envelope, const World *world,
                gboolean last_first, PosternAnswers *answers, PosternFindings *findings)
{
    GPtrArray *noted = postern_answers_questions(answers);

    findings->explain = TRUE;
    while (postern_check_dmarc(header, envelope, answers, findings) == 0) {
        /* Of those noted all, or the later half. */
        guint left = last_first ? noted->len / 2 : 0;

        require(noted->len > 0);
        while (noted->len > left) {
            g_autoptr(PosternQuestion) question =
                postern_question_copy(g_ptr_array_index(noted, last_first ? noted->len - 1 : 0));

            postern_answers_add(answers, question, answer_of(world, question));
        }
    }
    require(postern_answers_count(answers) <= POSTERN_DMARC_QUESTIONS_MAX + 2 * POSTERN_DMARC_AUTHORS_MAX);
}

/* The record at a name, by its single answer: 1, none: 0, not known: -1. */
static int plain_record(const World *world, const char *domain, PosternDmarcRecord *record)
{
    g_autofree char *name = g_strconcat("_dmarc.", domain, NULL);
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    g_autoptr(PosternAnswer) answer = question != NULL ? answer_of(world, question) : NULL;
    GBytes *text;
    guint count;

    if (answer == NULL)
        return 0;
    if (answer->status == POSTERN_ANSWER_SERVFAIL || answer->status == POSTERN_ANSWER_TIMEOUT)
        return -1;
    return postern_dmarc_record_select(answer, record, &text, &count) ? 1 : 0;
}

/* The Organizational Domain by the steps of 4.10 and 4.10.2, one label after the other; NULL: not known. */
static char *plain_organization(const World *world, const char *domain)
{
    g_auto(GStrv) labels = g_strsplit(domain, ".", -1);
    guint count = g_strv_length(labels);
    guint chosen = 0;

    for (guint first = 0, queries = 0; first < count; queries++) {
        g_autofree char *name = g_strjoinv(".", labels + first);
        PosternDmarcRecord record;
        int found = plain_record(world, name, &record);

        require(queries < POSTERN_DMARC_WALK_QUERIES_MAX);
        if (found < 0)
            return NULL;
        if (found > 0 && record.psd == POSTERN_DMARC_PSD_YES && first > 0)
            return g_strjoinv(".", labels + first - 1);
        if (found > 0)
            chosen = first;
        if (found > 0 && record.psd != POSTERN_DMARC_PSD_UNKNOWN)
            break;
        first = first == 0 && count >= 8 ? count - 7 : first + 1;
    }
    return g_strjoinv(".", labels + chosen);
}

static void check_author(const World *world, const PosternDmarcAuthor *author)
{
    g_autofree char *organizational = plain_organization(world, author->domain);
    PosternDmarcRecord record;
    int own = plain_record(world, author->domain, &record);

    require(g_strcmp0(organizational, author->organizational) == 0);
    if (author->temporary)
        require(organizational == NULL && own != 1 && author->record_domain == NULL);
    if (own == 1 && record.usable) {
        require(author->record_domain != NULL && strcmp(author->record_domain, author->domain) == 0);
        require(author->policy <= record.policy);
    }
    if (author->record_domain != NULL)
        require(g_str_has_suffix(author->domain, author->record_domain));
}

static void check_organizations(const World *world, const PosternDmarcFinding *dmarc)
{
    for (guint i = 0; i < dmarc->organizations->len; i++) {
        const PosternDmarcOrganization *organization = g_ptr_array_index(dmarc->organizations, i);
        g_autofree char *organizational = plain_organization(world, organization->domain);

        if (organization->organizational != NULL)
            require(g_strcmp0(organizational, organization->organizational) == 0);
    }
}

/* What SPF and DKIM say of the identifiers: by the bits of mood. */
static void add_results(PosternFindings *findings, const GPtrArray *identifiers, guint mood)
{
    for (guint i = 0; i < identifiers->len; i++) {
        const PosternDmarcIdentifier *identifier = g_ptr_array_index(identifiers, i);
        guint bits = mood >> i % 7;

        if (identifier->spf) {
            findings->spf.domain = g_strdup(identifier->domain);
            findings->spf.result = bits & 1   ? POSTERN_SPF_PASS
                                   : bits & 2 ? POSTERN_SPF_TEMPERROR
                                              : POSTERN_SPF_FAIL;
            continue;
        }
        PosternDkimFinding *finding = postern_dkim_finding_new();

        finding->domain = g_strdup(identifier->domain);
        finding->result = bits & 1   ? POSTERN_DKIM_PASS
                          : bits & 2 ? POSTERN_DKIM_TEMPERROR
                                     : POSTERN_DKIM_FAIL;
        g_ptr_array_add(findings->dkim.signatures, finding);
    }
}

static gboolean vouches(const World *world, const PosternDmarcAuthor *author, const char *identifier,
                        gboolean strict)
{
    g_autofree char *organizational = plain_organization(world, identifier);

    return strcmp(author->domain, identifier) == 0 ||
           (!strict && organizational != NULL && g_strcmp0(organizational, author->organizational) == 0);
}

static void check_result(const World *world, const PosternFindings *findings)
{
    const PosternDmarcFinding *dmarc = &findings->dmarc;
    const PosternDmarcAuthor *author = dmarc->decisive;
    gboolean vouched = FALSE;

    if (author == NULL || author->record_domain == NULL)
        require(dmarc->result != POSTERN_DMARC_PASS && dmarc->result != POSTERN_DMARC_FAIL);
    if (dmarc->from_invalid)
        require(dmarc->result != POSTERN_DMARC_PASS && dmarc->result != POSTERN_DMARC_NONE);
    if (dmarc->result != POSTERN_DMARC_PASS && dmarc->result != POSTERN_DMARC_FAIL)
        return;
    if (findings->spf.result == POSTERN_SPF_PASS)
        vouched |= vouches(world, author, findings->spf.domain, author->strict_spf);
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim.signatures, i);

        if (finding->result == POSTERN_DKIM_PASS)
            vouched |= vouches(world, author, finding->domain, author->strict_dkim);
    }
    require(vouched == (dmarc->result == POSTERN_DMARC_PASS));
}

static char *describe(const PosternFindings *findings)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();

    postern_findings_encode(findings, octets);
    return g_base64_encode(octets->data, octets->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    gsize length = MIN((gsize)data[0] * 8, size - 2);
    g_autofree char *octets = g_memdup2(length > 0 ? (gconstpointer)(data + 2) : "", MAX(length, 1));
    World world = {data + 2 + length, size - 2 - length};
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    const PosternHeaderField *sender = postern_header_find(header, "Sender", 0);

    envelope->sender = sender != NULL ? postern_header_field_unfold(sender) : NULL;
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternAnswers) others = postern_answers_new();
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternFindings) again = postern_findings_new();

    run(header, envelope, &world, FALSE, answers, findings);
    run(header, envelope, &world, TRUE, others, again);
    g_autofree char *text = describe(findings);
    g_autofree char *other_text = describe(again);

    require(strcmp(text, other_text) == 0);
    for (guint i = 0; i < findings->dmarc.authors->len; i++)
        check_author(&world, g_ptr_array_index(findings->dmarc.authors, i));
    check_organizations(&world, &findings->dmarc);
    g_autoptr(GPtrArray) identifiers = postern_dmarc_identifiers(header, envelope);

    add_results(findings, identifiers, data[1]);
    postern_findings_conclude(findings);
    check_result(&world, findings);
    return 0;
}
