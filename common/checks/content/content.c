#include "base/limits.h"
#include "checks/content/item.h"

/* The check of one message. */
typedef struct {
    PosternFindings *findings;
    guint parts;
} Content;

static gboolean is_attachment(const PosternItem *item)
{
    if (item->attachment || item->names[0] != NULL)
        return TRUE;
    return item->kind != POSTERN_ITEM_TEXT && !g_str_equal(item->types[0], "text/html") &&
           !g_str_has_prefix(item->types[0], "multipart/");
}

/* In what is a message only by its content, or in a container. */
static gboolean is_inside_file(const PosternItem *item)
{
    while (item->parent != NULL && item->parent->kind == POSTERN_ITEM_MESSAGE)
        item = item->parent;
    return item->parent != NULL;
}

static gboolean take(const PosternItem *item, gpointer data)
{
    Content *content = data;
    PosternContentFinding *finding = &content->findings->content;
    if (item->reading != 0 || is_inside_file(item))
        return TRUE;
    content->parts++;
    if (!is_attachment(item) || ++finding->count > POSTERN_ATTACHMENTS_REPORTED_MAX)
        return TRUE;
    PosternAttachment *attachment = g_new0(PosternAttachment, 1);
    attachment->name = g_strdup(item->names[0]);
    attachment->type = g_strdup(item->types[0]);
    attachment->size = g_bytes_get_size(item->octets);
    g_ptr_array_add(finding->attachments, attachment);
    return TRUE;
}

static void note(PosternVirusKind kind, const char *text, gpointer data)
{
    PosternContentFinding *finding = &((Content *)data)->findings->content;
    if (finding->problem == NULL)
        finding->problem = g_strdup(text);
}

static gpointer begin(const PosternCheckRun *run)
{
    Content *content = g_new0(Content, 1);
    content->findings = run->findings;
    return content;
}

static void end(const PosternCheckRun *run, gpointer data)
{
    g_autofree Content *content = data;
    PosternFindings *findings = content->findings;
    postern_findings_step(findings, POSTERN_CHECK_CONTENT, "%u MIME parts, %u of them attachments",
                          content->parts, findings->content.count);
    for (guint i = 0; i < findings->content.attachments->len; i++) {
        const PosternAttachment *attachment = g_ptr_array_index(findings->content.attachments, i);
        postern_findings_step(findings, POSTERN_CHECK_CONTENT,
                              "attachment %u: %s, %s, %" G_GUINT64_FORMAT " octets decoded", i + 1,
                              attachment->name != NULL ? attachment->name : "without a name",
                              attachment->type, attachment->size);
    }
    if (findings->content.problem != NULL)
        postern_findings_step(findings, POSTERN_CHECK_CONTENT, "problem: %s", findings->content.problem);
}

const PosternEvaluation postern_evaluation_content = {
    .item = {.begin = begin, .take = take, .note = note, .end = end}};
