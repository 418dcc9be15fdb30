#include "checks/content/finding.h"

#include "base/limits.h"
#include "verdict/check.h"

static void settle_attachment(gpointer structure)
{
    PosternAttachment *attachment = structure;
    g_autofree char *name = g_steal_pointer(&attachment->name);
    attachment->name = name != NULL ? g_utf8_make_valid(name, -1) : NULL;
}

static const PosternField attachment_fields[] = {
    {.name = "name",
     .type = POSTERN_FIELD_TEXT,
     .offset = G_STRUCT_OFFSET(PosternAttachment, name),
     .maximum = POSTERN_ATTACHMENT_NAME_MAX_OCTETS,
     .json = "name"},
    {.name = "type",
     .type = POSTERN_FIELD_TEXT,
     .offset = G_STRUCT_OFFSET(PosternAttachment, type),
     .maximum = POSTERN_ATTACHMENT_NAME_MAX_OCTETS,
     .json = "type"},
    {POSTERN_FIELD_OCTETS_OF(PosternAttachment, size, G_MAXUINT64), .json = "size", .always = TRUE},
    {.name = NULL},
};

static void attachment_free(gpointer data);

static const PosternStructure attachment_structure = {.size = sizeof(PosternAttachment),
                                                      .fields = attachment_fields,
                                                      .free = attachment_free,
                                                      .settle = settle_attachment};

static void attachment_free(gpointer data)
{
    postern_structure_free(&attachment_structure, data);
}

static const PosternField fields[] = {
    {POSTERN_FIELD_LIST_OF(PosternContentFinding, attachments, POSTERN_ATTACHMENTS_REPORTED_MAX,
                           attachment_structure),
     .json = "attachments", .always = TRUE},
    {POSTERN_FIELD_NUMBER_OF(PosternContentFinding, count, G_MAXUINT32)},
    {POSTERN_FIELD_TEXT_OF(PosternContentFinding, problem), .json = "mime_problem"},
    {.name = NULL},
};

static void set_failed(PosternFindings *findings, const char *reason)
{
    postern_findings_replace(&findings->content.problem, reason);
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    const PosternContentFinding *content = &findings->content;
    for (guint i = 0; i < content->attachments->len; i++) {
        const PosternAttachment *attachment = g_ptr_array_index(content->attachments, i);
        g_autofree char *text =
            g_strdup_printf("%s (%s, %" G_GUINT64_FORMAT " octets)",
                            attachment->name != NULL ? attachment->name : "without a name",
                            attachment->type != NULL ? attachment->type : "-", attachment->size);
        add(out, "Attachment", text);
    }
    if (content->count > content->attachments->len) {
        g_autofree char *text = g_strdup_printf("and %u more", content->count - content->attachments->len);
        add(out, "Attachment", text);
    }
    add(out, "MIME", content->problem);
}

static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    postern_structure_tell(&postern_description_content.finding, &findings->content, json);
}

static gboolean is_wanted(const PosternConfiguration *configuration, const PosternPolicyOptions *policy,
                          guint checks)
{
    return (checks & POSTERN_CHECK_VIRUS) != 0;
}

const PosternCheck postern_description_content = {
    .finding = {.size = sizeof(PosternContentFinding), .fields = fields},
    .is_wanted = is_wanted,
    .stages = 1 << POSTERN_STAGE_WHOLE,
    .fail = set_failed,
    .add_lines = add_lines,
    .add_json = add_json,
};
