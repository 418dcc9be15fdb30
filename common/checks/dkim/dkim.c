#include "checks/check.h"

#include "checks/dkim/engine.h"
#include "checks/dkim/explain.h"
#include "checks/dkim/select.h"
#include "checks/dkim/signature.h"
#include "checks/dkim/verify.h"

PosternDkimEngine *postern_dkim_engine_new(gboolean partial_body)
{
    PosternDkimEngine *engine = g_new0(PosternDkimEngine, 1);
    engine->ring = postern_dkim_key_ring_new();
    engine->partial_body = partial_body;
    return engine;
}

void postern_dkim_engine_free(PosternDkimEngine *engine)
{
    if (engine == NULL)
        return;
    postern_dkim_key_ring_free(engine->ring);
    g_free(engine);
}

/* Asks for the keys, and takes those that have come into ring, or NULL: they are only asked for. FALSE: some
 * have no answer yet. */
static gboolean load_keys(GPtrArray *signatures, PosternDkimKeyRing *ring, PosternAnswers *answers)
{
    gboolean complete = TRUE;
    for (guint i = 0; i < signatures->len; i++) {
        PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        if (signature->decided)
            continue;
        const PosternAnswer *answer = postern_answers_look_up(answers, signature->question, POSTERN_DNS_TXT);
        if (answer == NULL)
            complete = FALSE;
        else if (ring != NULL)
            postern_dkim_signature_load_keys(signature, ring, answer);
    }
    return complete;
}

/* What no signature can be right about: why, a new string, or NULL. */
static char *header_problem(const PosternHeader *header)
{
    g_autofree char *ambiguity = postern_header_problem(header);
    if (header->too_many)
        return g_strdup("the header is too large");
    if (ambiguity != NULL)
        return g_strconcat("the header is ambiguous: ", ambiguity, NULL);
    if (postern_header_count(header, "From") == 0)
        return g_strdup("the message has no From field");
    return NULL;
}

/* No key is asked for then. */
static void judge_header(GPtrArray *signatures, const PosternHeader *header)
{
    g_autofree char *problem = signatures->len > 0 ? header_problem(header) : NULL;
    for (guint i = 0; problem != NULL && i < signatures->len; i++) {
        PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        if (!signature->decided)
            postern_dkim_signature_decide(signature, POSTERN_DKIM_PERMERROR, problem);
    }
}

int postern_check_dkim_questions(const PosternHeader *header, PosternAnswers *answers)
{
    g_autoptr(GPtrArray) signatures = postern_dkim_select(header);
    judge_header(signatures, header);
    return load_keys(signatures, NULL, answers) ? 1 : 0;
}

/* A From that was put over the signed one is what people see (RFC 6376 8.15): the signature does not speak
 * for it. */
static void judge_from(PosternDkimSignature *signature, guint from_fields)
{
    if (signature->finding->result != POSTERN_DKIM_PASS || signature->from_fields >= from_fields)
        return;
    g_autofree char *reason = g_strdup_printf("the message has %u From fields and the signature covers %u",
                                              from_fields, signature->from_fields);
    postern_dkim_signature_decide(signature, POSTERN_DKIM_POLICY, reason);
}

/* Anybody may have written what stands behind the octets that l= counts (RFC 6376 8.2). */
static void judge_body_length(const PosternDkimEngine *engine, PosternDkimSignature *signature,
                              PosternDigestBody *body)
{
    PosternDkimFinding *finding = signature->finding;
    guint8 digest[POSTERN_DIGEST_OCTETS];
    if (finding->result != POSTERN_DKIM_PASS || finding->body_covered < 0)
        return;
    gint64 all = (gint64)postern_digest_body(body, signature->form.relaxed_body, -1, digest);
    gboolean empty = postern_digest_body(body, TRUE, -1, digest) == 0;
    if (empty || all <= finding->body_covered)
        return;
    finding->body_unsigned = all - finding->body_covered;
    finding->reason = g_strdup_printf("only the first %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                                      " octets of the body are signed (l=)",
                                      finding->body_covered, all);
    if (!engine->partial_body)
        finding->result = POSTERN_DKIM_POLICY;
}

static void evaluate(const PosternDkimEngine *engine, const PosternHeader *header, PosternDigestBody *body,
                     GPtrArray *signatures)
{
    guint from_fields = postern_header_count(header, "From");
    for (guint i = 0; i < signatures->len; i++) {
        PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        if (!signature->decided)
            postern_dkim_verify(signature, header, body);
        judge_from(signature, from_fields);
        judge_body_length(engine, signature, body);
    }
}

static void explain(GPtrArray *signatures, const PosternAnswers *answers, PosternFindings *findings)
{
    if (signatures->len == 0)
        postern_findings_step(findings, POSTERN_CHECK_DKIM, "there is no field DKIM-Signature");
    for (guint i = 0; i < signatures->len; i++)
        postern_dkim_explain(g_ptr_array_index(signatures, i), i + 1, answers, findings);
}

static void report(GPtrArray *signatures, PosternFindings *findings)
{
    for (guint i = 0; i < signatures->len; i++) {
        PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        g_ptr_array_add(findings->dkim.signatures, g_steal_pointer(&signature->finding));
    }
}

int postern_check_dkim(PosternDkimEngine *engine, const char *octets, gsize length,
                       const PosternHeader *header, gint64 now, PosternAnswers *answers,
                       PosternFindings *findings)
{
    g_autoptr(GPtrArray) signatures = postern_dkim_select(header);
    PosternDigestBody body = {.octets = octets + header->body_offset, .length = length - header->body_offset};
    judge_header(signatures, header);
    for (guint i = 0; i < signatures->len; i++)
        postern_dkim_signature_judge_time(g_ptr_array_index(signatures, i), now);
    if (!load_keys(signatures, engine->ring, answers))
        return 0;
    evaluate(engine, header, &body, signatures);
    explain(signatures, answers, findings);
    report(signatures, findings);
    findings->dkim.checked = TRUE;
    return 1;
}

static int run_questions(const PosternCheckRun *run)
{
    return postern_check_dkim_questions(run->header, run->answers);
}

static int run_whole(const PosternCheckRun *run)
{
    return postern_check_dkim(run->engines->dkim, run->octets, run->length, run->header, run->now,
                              run->answers, run->findings);
}

static gboolean self_test(const PosternEngines *engines, const char *temporary_directory, GError **error)
{
    return postern_dkim_engine_self_test(engines->dkim, error);
}

const PosternEvaluation postern_evaluation_dkim = {
    .run = {[POSTERN_STAGE_HEADER] = run_questions, [POSTERN_STAGE_WHOLE] = run_whole},
    .self_test = self_test,
};
