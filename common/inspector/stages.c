#include "inspector/stages.h"

#include "base/error.h"
#include "base/limits.h"
#include "verdict/check.h"

/* The keys are where no untrusted mail is read, and nowhere else. */
static gboolean is_for(PosternRole role, PosternStage stage, GError **error)
{
    static const char *const work[POSTERN_ROLES] = {"scans", "reads envelopes, headers and small messages",
                                                    "signs"};
    if (postern_stage_role(stage) == role)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_PROTOCOL, "stage %u is not for a worker that %s", stage,
                             work[role]);
}

static gboolean is_consistent(const PosternRequest *request, const PosternMessage *message, GError **error)
{
    if ((request->checks & ~postern_checks_of_stage(request->stage)) != 0)
        return postern_error_set(error, POSTERN_ERROR_PROTOCOL, "stage %u does not have checks %#x",
                                 request->stage, (guint)request->checks);
    if ((message == NULL) != (request->stage == POSTERN_STAGE_ENVELOPE))
        return postern_error_set(error, POSTERN_ERROR_PROTOCOL, "stage %u %s", request->stage,
                                 message == NULL ? "needs a message" : "takes no message");
    return TRUE;
}

/* What takes long is not for those who must not. */
static gboolean is_small_enough(PosternStage stage, gsize length, GError **error)
{
    if (stage != POSTERN_STAGE_AUTHENTICATION || length <= POSTERN_MESSAGE_HEAP_MAX_OCTETS)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_LIMIT, "stage %u takes a message of %d octets at most",
                             stage, POSTERN_MESSAGE_HEAP_MAX_OCTETS);
}

PosternResponse *postern_stage_run(const PosternStageResources *resources, const PosternRequest *request,
                                   PosternMessage *message, GError **error)
{
    g_autoptr(PosternResponse) response = postern_response_new();
    g_autoptr(PosternHeader) header = NULL;
    response->findings->explain = request->explain;
    PosternCheckRun run = {.engines = resources->engines,
                           .temporary_directory = resources->temporary_directory,
                           .scanner = resources->scanner,
                           .envelope = request->envelope,
                           .answers = request->answers,
                           .receiver = request->receiver,
                           .now = request->now,
                           .scan_octets = request->scan_octets,
                           .octets = "",
                           .findings = response->findings};
    if (!is_for(resources->role, request->stage, error) || !is_consistent(request, message, error))
        return NULL;
    if (message != NULL) {
        run.octets = postern_message_octets(message, &run.length, error);
        if (run.octets == NULL || !is_small_enough(request->stage, run.length, error))
            return NULL;
        header = postern_header_parse(run.octets, run.length);
        run.header = header;
    }
    PosternStage stage =
        request->stage == POSTERN_STAGE_AUTHENTICATION ? POSTERN_STAGE_WHOLE : request->stage;
    response->complete = postern_checks_run(&run, request->checks, stage);
    GPtrArray *questions = postern_answers_questions(request->answers);
    for (guint i = 0; i < questions->len; i++)
        g_ptr_array_add(response->questions, postern_question_copy(g_ptr_array_index(questions, i)));
    return g_steal_pointer(&response);
}
