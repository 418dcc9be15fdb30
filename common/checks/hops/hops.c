#include "checks/check.h"

static int count_hops(const PosternCheckRun *run)
{
    PosternHopsFinding *hops = &run->findings->hops;
    hops->checked = TRUE;
    for (guint i = 0; i < run->header->fields->len; i++)
        hops->count +=
            postern_header_field_is(&g_array_index(run->header->fields, PosternHeaderField, i), "Received")
                ? 1
                : 0;
    postern_findings_step(run->findings, POSTERN_CHECK_HOPS, "%u Received fields", hops->count);
    return 1;
}

const PosternEvaluation postern_evaluation_hops = {
    .run = {[POSTERN_STAGE_HEADER] = count_hops, [POSTERN_STAGE_WHOLE] = count_hops},
};
