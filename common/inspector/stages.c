#include "inspector/stages.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

typedef struct {
    const PosternStageResources *resources;
    const PosternRequest *request;
    PosternResponse *response;
    const char *octets;
    gsize length;
    PosternHeader *header;
} Run;

/* Each returns as the checks do: 1 complete, 0 waits for answers. */
static int evaluate_spf(const Run *run, const PosternEnvelope *envelope, PosternFindings *findings)
{
    const PosternRequest *request = run->request;
    PosternLibspf2Engine *libspf2 = run->resources->engines->libspf2;
    if (libspf2 != NULL)
        return postern_check_spf_libspf2(libspf2, envelope, request->receiver, request->now, request->answers,
                                         findings);
    return postern_check_spf(envelope, request->receiver, request->now, request->answers, findings);
}

static int run_spf(Run *run)
{
    return evaluate_spf(run, run->request->envelope, run->response->findings);
}

/* HELO is what is checked where there is no MAIL FROM (RFC 7208 2.4); without one, that has been done. */
static int run_spf_helo(Run *run)
{
    const char *sender = run->request->envelope->sender;
    const char *at = sender != NULL ? strrchr(sender, '@') : NULL;
    if (at == NULL || at[1] == '\0')
        return 1;
    g_autoptr(PosternEnvelope) envelope = postern_envelope_copy(run->request->envelope);
    g_autoptr(PosternFindings) found = postern_findings_new();
    found->explain = run->request->explain;
    g_free(envelope->sender);
    envelope->sender = g_strdup("");
    if (evaluate_spf(run, envelope, found) == 0)
        return 0;
    for (guint i = 0; i < found->steps->len; i++)
        ((PosternStep *)g_ptr_array_index(found->steps, i))->check = POSTERN_CHECK_SPF_HELO;
    found->spf_helo = found->spf;
    found->spf = (PosternSpfFinding){POSTERN_SPF_NOT_CHECKED};
    postern_findings_take(run->response->findings, found, POSTERN_CHECK_SPF_HELO);
    return 1;
}

static int run_dkim(Run *run)
{
    return postern_check_dkim(run->resources->engines->dkim, run->octets, run->length, run->header,
                              run->request->now, run->request->answers, run->response->findings);
}

static int run_dkim_questions(Run *run)
{
    return postern_check_dkim_questions(run->header, run->request->answers);
}

static int run_arc(Run *run)
{
    return postern_check_arc(run->resources->engines->arc, run->octets, run->length, run->header,
                             run->request->answers, run->response->findings);
}

static int run_arc_questions(Run *run)
{
    return postern_check_arc_questions(run->header, run->request->answers);
}

static int run_dmarc(Run *run)
{
    return postern_check_dmarc(run->header, run->request->envelope, run->request->answers,
                               run->response->findings);
}

static int run_content(Run *run)
{
    return postern_check_content(run->resources->engines->content, run->octets, run->length,
                                 run->response->findings);
}

static void explain_virus(const Run *run)
{
    PosternFindings *findings = run->response->findings;
    const PosternVirusFinding *finding = &findings->virus;
    const char *detail = finding->name != NULL ? finding->name : finding->reason;
    if (run->resources->engines->virus != NULL && finding->result != POSTERN_VIRUS_NOT_CHECKED) {
        PosternVirusWork work = postern_virus_engine_work(run->resources->engines->virus);
        postern_findings_step(findings, POSTERN_CHECK_VIRUS,
                              "%" G_GSIZE_FORMAT
                              " octets were given to libclamav, of at most %" G_GUINT64_FORMAT
                              " ([virus] scan_size); in all %u scans of %u files",
                              run->length, run->request->scan_octets, work.scans, work.layers);
    }
    postern_findings_step(findings, POSTERN_CHECK_VIRUS, "%s%s%s", postern_virus_result_name(finding->result),
                          detail != NULL ? ": " : "", detail != NULL ? detail : "");
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++)
        if (finding->kinds[i] != NULL)
            postern_findings_step(findings, POSTERN_CHECK_VIRUS, "%s: %s",
                                  postern_virus_kind_name((PosternVirusKind)i), finding->kinds[i]);
}

static int run_virus(Run *run)
{
    PosternVirusFinding *finding = &run->response->findings->virus;
    if (run->resources->engines->virus == NULL) {
        const char *problem = run->resources->engines->virus_problem;
        postern_virus_finding_note(finding, POSTERN_VIRUS_SCAN_ERROR,
                                   problem != NULL ? problem
                                                   : "the inspector's configuration has [virus] scan = no");
    } else if (run->length > run->request->scan_octets) {
        g_autofree char *text =
            g_strdup_printf("%" G_GSIZE_FORMAT " octets are over [virus] scan_size, %" G_GUINT64_FORMAT,
                            run->length, run->request->scan_octets);
        postern_virus_finding_note(finding, POSTERN_VIRUS_TOO_LARGE, text);
    } else {
        postern_check_virus(run->resources->engines->virus, run->octets, run->length,
                            run->resources->temporary_directory, finding);
    }
    explain_virus(run);
    return 1;
}

static int run_sign(Run *run)
{
    return postern_check_sign(run->resources->engines->sign, run->octets, run->length, run->header,
                              run->request->now, run->response->findings);
}

static const struct {
    PosternStage stage;
    PosternChecks check;
    int (*run)(Run *run);
} steps[] = {
    {POSTERN_STAGE_ENVELOPE, POSTERN_CHECK_SPF, run_spf},
    {POSTERN_STAGE_ENVELOPE, POSTERN_CHECK_SPF_HELO, run_spf_helo},
    {POSTERN_STAGE_HEADER, POSTERN_CHECK_DKIM, run_dkim_questions},
    {POSTERN_STAGE_HEADER, POSTERN_CHECK_ARC, run_arc_questions},
    {POSTERN_STAGE_HEADER, POSTERN_CHECK_DMARC, run_dmarc},
    {POSTERN_STAGE_AUTHENTICATION, POSTERN_CHECK_SPF, run_spf},
    {POSTERN_STAGE_AUTHENTICATION, POSTERN_CHECK_SPF_HELO, run_spf_helo},
    {POSTERN_STAGE_AUTHENTICATION, POSTERN_CHECK_DKIM, run_dkim},
    {POSTERN_STAGE_AUTHENTICATION, POSTERN_CHECK_ARC, run_arc},
    {POSTERN_STAGE_AUTHENTICATION, POSTERN_CHECK_DMARC, run_dmarc},
    {POSTERN_STAGE_WHOLE, POSTERN_CHECK_SPF, run_spf},
    {POSTERN_STAGE_WHOLE, POSTERN_CHECK_SPF_HELO, run_spf_helo},
    {POSTERN_STAGE_WHOLE, POSTERN_CHECK_DKIM, run_dkim},
    {POSTERN_STAGE_WHOLE, POSTERN_CHECK_ARC, run_arc},
    {POSTERN_STAGE_WHOLE, POSTERN_CHECK_DMARC, run_dmarc},
    {POSTERN_STAGE_WHOLE, POSTERN_CHECK_CONTENT, run_content},
    {POSTERN_STAGE_WHOLE, POSTERN_CHECK_VIRUS, run_virus},
    {POSTERN_STAGE_SIGN, POSTERN_CHECK_SIGN, run_sign},
};

static PosternChecks checks_of(PosternStage stage)
{
    PosternChecks checks = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
        checks |= steps[i].stage == stage ? steps[i].check : 0;
    return checks;
}

/* The keys are where no stranger's mail is read, and nowhere else. */
static gboolean is_for(PosternRole role, PosternStage stage, GError **error)
{
    static const char *const work[POSTERN_ROLES] = {"scans", "reads envelopes, headers and small messages",
                                                    "signs"};
    if (postern_stage_role(stage) == role)
        return TRUE;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "stage %u is not for a worker that %s", stage,
                work[role]);
    return FALSE;
}

static gboolean is_consistent(const PosternRequest *request, const PosternMessage *message, GError **error)
{
    if ((request->checks & ~checks_of(request->stage)) != 0) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "stage %u does not have checks %#x",
                    request->stage, (guint)request->checks);
        return FALSE;
    }
    if ((message == NULL) != (request->stage == POSTERN_STAGE_ENVELOPE)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "stage %u %s", request->stage,
                    message == NULL ? "needs a message" : "takes no message");
        return FALSE;
    }
    return TRUE;
}

/* What takes long is not for those who must not. */
static gboolean is_small_enough(PosternStage stage, gsize length, GError **error)
{
    if (stage != POSTERN_STAGE_AUTHENTICATION || length <= POSTERN_MESSAGE_HEAP_MAX_OCTETS)
        return TRUE;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT, "stage %u takes a message of %d octets at most",
                stage, POSTERN_MESSAGE_HEAP_MAX_OCTETS);
    return FALSE;
}

PosternResponse *postern_stage_run(const PosternStageResources *resources, const PosternRequest *request,
                                   PosternMessage *message, GError **error)
{
    g_autoptr(PosternResponse) response = postern_response_new();
    g_autoptr(PosternHeader) header = NULL;
    response->findings->explain = request->explain;
    Run run = {.resources = resources, .request = request, .response = response, .octets = ""};
    if (!is_for(resources->role, request->stage, error) || !is_consistent(request, message, error))
        return NULL;
    if (message != NULL) {
        run.octets = postern_message_octets(message, &run.length, error);
        if (run.octets == NULL || !is_small_enough(request->stage, run.length, error))
            return NULL;
        header = postern_header_parse(run.octets, run.length);
        run.header = header;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
        if (steps[i].stage == request->stage && (request->checks & steps[i].check) != 0 &&
            steps[i].run(&run) == 1)
            response->complete |= steps[i].check;
    GPtrArray *questions = postern_answers_questions(request->answers);
    for (guint i = 0; i < questions->len; i++)
        g_ptr_array_add(response->questions, postern_question_copy(g_ptr_array_index(questions, i)));
    return g_steal_pointer(&response);
}
