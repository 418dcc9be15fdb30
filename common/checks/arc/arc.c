#include "checks/check.h"

#include <openssl/evp.h>
#include <string.h>

#include "checks/arc/chain.h"
#include "checks/arc/results.h"
#include "checks/dkim/engine.h"
#include "checks/signature/digest.h"

typedef struct {
    PosternDkimKeyRing *ring;
    const PosternArcChain *chain;
    const PosternHeader *header;
    PosternDigestBody body;
    PosternAnswers *answers;
    PosternFindings *findings;
    char *failure; /* why the chain fails, or NULL */
    char *trouble; /* what could not be had for now, or NULL */
} Validation;

/* Asks for the keys of all seals and of the newest signature. FALSE: some have no answer yet. */
static gboolean ask_for_keys(const PosternArcChain *chain, PosternAnswers *answers)
{
    gboolean complete = TRUE;

    for (guint i = 0; i < chain->count; i++) {
        const PosternArcLink *link = &chain->links[i];

        if (postern_answers_look_up(answers, link->seal.question, POSTERN_DNS_TXT) == NULL)
            complete = FALSE;
        if (i + 1 == chain->count &&
            postern_answers_look_up(answers, link->message.question, POSTERN_DNS_TXT) == NULL)
            complete = FALSE;
    }
    return complete;
}

int postern_check_arc_questions(const PosternHeader *header, PosternAnswers *answers)
{
    g_autoptr(PosternArcChain) chain = postern_arc_chain_new(header);

    return chain->problem != NULL || ask_for_keys(chain, answers) ? 1 : 0;
}

static void tell(Validation *validation, const PosternArcSignature *signature, const char *what,
                 guint instance, const char *outcome)
{
    postern_findings_step(validation->findings, POSTERN_CHECK_ARC, "%s i=%u of %s (key %s): %s", what,
                          instance, signature->domain, signature->question, outcome);
}

typedef enum {
    STANDING_RIGHT,
    STANDING_WRONG,
    STANDING_UNKNOWN, /* the DNS did not give the key */
} Standing;

/* *ret_reason: why it is not right, a new string. */
static Standing verify(const Validation *validation, const PosternArcSignature *signature,
                       const guint8 *digest, char **ret_reason)
{
    const PosternAnswer *answer =
        postern_answers_look_up(validation->answers, signature->question, POSTERN_DNS_TXT);
    g_autoptr(GPtrArray) keys = postern_dkim_keys_load(validation->ring, answer, signature->algorithm);
    const PosternDkimKey *first = g_ptr_array_index(keys, 0);

    if (postern_dkim_keys_find(keys, digest, POSTERN_DIGEST_OCTETS, signature->signature) != NULL)
        return STANDING_RIGHT;
    *ret_reason = g_strdup(first->key == NULL ? first->reason : "does not verify");
    return first->result == POSTERN_DKIM_TEMPERROR ? STANDING_UNKNOWN : STANDING_WRONG;
}

/* What is wrong is kept once; the newest comes first. */
static void judge(Validation *validation, const PosternArcSignature *signature, const char *what,
                  guint instance, const guint8 *digest)
{
    g_autofree char *reason = NULL;
    Standing standing = verify(validation, signature, digest, &reason);

    tell(validation, signature, what, instance, standing == STANDING_RIGHT ? "is right" : reason);
    if (standing == STANDING_RIGHT)
        return;
    char **text = standing == STANDING_UNKNOWN ? &validation->trouble : &validation->failure;
    if (*text == NULL)
        *text = g_strdup_printf("the %s %u of %s: %s", what, instance, signature->domain, reason);
}

static void digest_text(EVP_MD_CTX *digest, GString *text)
{
    EVP_DigestUpdate(digest, text->str, text->len);
    g_string_truncate(text, 0);
}

static gboolean body_is_right(Validation *validation, PosternCanonicalisation form)
{
    const PosternArcChain *chain = validation->chain;
    guint8 digest[POSTERN_DIGEST_OCTETS];
    gsize expected_length = 0;
    const guint8 *expected = g_bytes_get_data(chain->body_hash, &expected_length);
    gsize canonical = postern_digest_body(&validation->body, form.relaxed_body, -1, digest);

    if (chain->body_length >= 0 && (guint64)chain->body_length != canonical)
        return FALSE;
    return expected_length == sizeof digest && memcmp(digest, expected, sizeof digest) == 0;
}

/* TRUE if nothing is left to be tried: the signature is right in that form, or in no other. */
static gboolean try_message(Validation *validation, PosternCanonicalisation form, gboolean last)
{
    const PosternArcChain *chain = validation->chain;
    const PosternArcSignature *signature = &chain->links[chain->count - 1].message;
    gboolean body = body_is_right(validation, form);
    guint8 digest[POSTERN_DIGEST_OCTETS];

    postern_digest_header(validation->header, postern_tag_list_get(signature->tags, "h"), signature->field,
                          form.relaxed_header, digest);
    g_autofree char *ignored = NULL;
    if (!last && !(body && verify(validation, signature, digest, &ignored) != STANDING_WRONG))
        return FALSE;
    if (!body) {
        tell(validation, signature, "message signature", chain->count, "the body has been changed");
        validation->failure = g_strdup("the body is not as the newest message signature says");
    }
    judge(validation, signature, "message signature", chain->count, digest);
    return TRUE;
}

/* Without c= the standard means simple; sealers that follow the published suite mean relaxed. */
static void validate_message(Validation *validation)
{
    const PosternArcChain *chain = validation->chain;
    const PosternCanonicalisation relaxed = {TRUE, TRUE};

    if (!try_message(validation, chain->canonicalisation, chain->canonicalisation_given))
        try_message(validation, relaxed, TRUE);
}

/* The digest of seal i goes over all sets before it and its own, relaxed (RFC 8617 5.1.1): each is the
 * beginning of the next. */
static void validate_seals(Validation *validation)
{
    const PosternArcChain *chain = validation->chain;
    EVP_MD_CTX *sets = EVP_MD_CTX_new();
    EVP_MD_CTX *seal = EVP_MD_CTX_new();
    g_autoptr(GString) text = g_string_new(NULL);
    guint8 digest[EVP_MAX_MD_SIZE];

    EVP_DigestInit_ex(sets, EVP_sha256(), NULL);
    for (guint i = 0; i < chain->count; i++) {
        const PosternArcLink *link = &chain->links[i];

        postern_canonical_append_field(text, link->results, TRUE);
        postern_canonical_append_field(text, link->message.field, TRUE);
        digest_text(sets, text);
        EVP_MD_CTX_copy_ex(seal, sets);
        postern_canonical_append_unsigned(text, link->seal.field, TRUE);
        digest_text(seal, text);
        EVP_DigestFinal_ex(seal, digest, NULL);
        judge(validation, &link->seal, "seal", i + 1, digest);
        postern_canonical_append_field(text, link->seal.field, TRUE);
        digest_text(sets, text);
    }
    EVP_MD_CTX_free(seal);
    EVP_MD_CTX_free(sets);
}

/* What the sealers say is told of a chain that passes alone; and of dmarc only if From is sealed too. */
static void report_sets(const PosternArcChain *chain, PosternArcFinding *finding)
{
    for (guint i = 0; i < chain->count; i++) {
        const PosternArcLink *link = &chain->links[i];
        PosternArcSet *set = g_new0(PosternArcSet, 1);

        set->instance = i + 1;
        set->sealer = g_ascii_strdown(link->seal.domain, -1);
        set->selector = g_strdup(link->seal.selector);
        if (chain->covers_from)
            postern_arc_results_dmarc(link->results->value, link->results->value_length, &set->dmarc,
                                      &set->dmarc_domain);
        g_ptr_array_add(finding->sets, set);
    }
}

static void conclude(Validation *validation)
{
    PosternArcFinding *finding = &validation->findings->arc;

    if (validation->failure != NULL) {
        finding->result = POSTERN_ARC_FAIL;
        finding->reason = g_steal_pointer(&validation->failure);
    } else if (validation->trouble != NULL) {
        finding->result = POSTERN_ARC_TEMPERROR;
        finding->reason = g_steal_pointer(&validation->trouble);
    } else {
        finding->result = POSTERN_ARC_PASS;
        report_sets(validation->chain, finding);
    }
    g_free(validation->failure);
    g_free(validation->trouble);
    postern_findings_step(validation->findings, POSTERN_CHECK_ARC, "chain of %u: %s%s%s",
                          validation->chain->count, postern_arc_result_name(finding->result),
                          finding->reason != NULL ? ", " : "",
                          finding->reason != NULL ? finding->reason : "");
}

int postern_check_arc(PosternDkimEngine *engine, const char *octets, gsize length,
                      const PosternHeader *header, PosternAnswers *answers, PosternFindings *findings)
{
    g_autoptr(PosternArcChain) chain = postern_arc_chain_new(header);
    Validation validation = {
        .ring = engine->ring,
        .chain = chain,
        .header = header,
        .body = {.octets = octets + header->body_offset, .length = length - header->body_offset},
        .answers = answers,
        .findings = findings};

    if (chain->problem != NULL) {
        validation.failure = g_strdup(chain->problem);
    } else if (chain->count == 0) {
        findings->arc.result = POSTERN_ARC_NONE;
        return 1;
    } else if (!ask_for_keys(chain, answers)) {
        return 0;
    } else {
        validate_message(&validation);
        validate_seals(&validation);
    }
    conclude(&validation);
    return 1;
}

static int run_questions(const PosternCheckRun *run)
{
    return postern_check_arc_questions(run->header, run->answers);
}

static int run_whole(const PosternCheckRun *run)
{
    return postern_check_arc(run->engines->dkim, run->octets, run->length, run->header, run->answers,
                             run->findings);
}

const PosternEvaluation postern_evaluation_arc = {
    .run = {[POSTERN_STAGE_HEADER] = run_questions, [POSTERN_STAGE_WHOLE] = run_whole},
};
