/*
 * The content check: any octets.
 */
#include "checks/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "support/content.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static PosternContentEngine *engine(void)
{
    static PosternContentEngine *once;
    if (once == NULL)
        once = postern_content_engine_new();
    return once;
}

static void hold(const PosternAttachment *attachment, gsize size)
{
    if (attachment->type == NULL || attachment->size > size)
        abort();
    if (attachment->name != NULL && (strlen(attachment->name) > POSTERN_ATTACHMENT_NAME_MAX_OCTETS ||
                                     !g_utf8_validate(attachment->name, -1, NULL)))
        abort();
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autofree char *copy = g_memdup2(size > 0 ? data : (const guint8 *)"", MAX(size, 1));
    content_check(engine(), copy, size, findings);
    if (findings->content.attachments->len != MIN(findings->content.count, POSTERN_ATTACHMENTS_REPORTED_MAX))
        abort();
    for (guint i = 0; i < findings->content.attachments->len; i++)
        hold(g_ptr_array_index(findings->content.attachments, i), size);
    return 0;
}
