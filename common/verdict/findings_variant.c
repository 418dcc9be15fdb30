#include "verdict/findings.h"

#include "base/error.h"
#include "base/limits.h"
#include "mail/dictionary.h"
#include "verdict/findings_members.h"

#define SIZE_MAXIMUM POSTERN_MESSAGE_MAX_OCTETS

static const PosternFindingText spf_texts[] = {
    {"domain", G_STRUCT_OFFSET(PosternSpfFinding, domain), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {"explanation", G_STRUCT_OFFSET(PosternSpfFinding, explanation), POSTERN_SPF_EXPLANATION_MAX_OCTETS},
    {"problem", G_STRUCT_OFFSET(PosternSpfFinding, problem), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {NULL},
};

static const PosternFindingText dkim_texts[] = {
    {"domain", G_STRUCT_OFFSET(PosternDkimFinding, domain), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {"selector", G_STRUCT_OFFSET(PosternDkimFinding, selector), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {"identity", G_STRUCT_OFFSET(PosternDkimFinding, identity), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {"algorithm", G_STRUCT_OFFSET(PosternDkimFinding, algorithm), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {"signature_start", G_STRUCT_OFFSET(PosternDkimFinding, signature_start),
     POSTERN_FINDING_TEXT_MAX_OCTETS},
    {"reason", G_STRUCT_OFFSET(PosternDkimFinding, reason), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {NULL},
};

static const PosternFindingText virus_texts[] = {
    {"name", G_STRUCT_OFFSET(PosternVirusFinding, name), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {"reason", G_STRUCT_OFFSET(PosternVirusFinding, reason), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {NULL},
};

static const PosternFindingText attachment_texts[] = {
    {"name", G_STRUCT_OFFSET(PosternAttachment, name), POSTERN_ATTACHMENT_NAME_MAX_OCTETS},
    {"type", G_STRUCT_OFFSET(PosternAttachment, type), POSTERN_ATTACHMENT_NAME_MAX_OCTETS},
    {NULL},
};

static const PosternFindingText content_texts[] = {
    {"mime_problem", G_STRUCT_OFFSET(PosternFindings, mime_problem), POSTERN_FINDING_TEXT_MAX_OCTETS},
    {NULL},
};

static GVariant *spf_to_variant(const PosternSpfFinding *spf)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_number(&builder, "result", spf->result);
    postern_findings_add_boolean(&builder, "helo", spf->helo);
    postern_findings_add_boolean(&builder, "uncertain", spf->uncertain);
    postern_findings_add_texts(&builder, spf_texts, spf);
    return g_variant_builder_end(&builder);
}

static gboolean spf_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternSpfFinding *spf = structure;
    guint32 result = POSTERN_SPF_NOT_CHECKED;

    if (!postern_dictionary_get_number(dictionary, "result", POSTERN_SPF_PERMERROR, &result, error) ||
        !postern_dictionary_get_boolean(dictionary, "helo", &spf->helo, error) ||
        !postern_dictionary_get_boolean(dictionary, "uncertain", &spf->uncertain, error))
        return FALSE;
    spf->result = (PosternSpfResult)result;
    return postern_findings_get_texts(dictionary, spf_texts, spf, error);
}

static GVariant *dkim_to_variant(gconstpointer structure)
{
    const PosternDkimFinding *dkim = structure;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_number(&builder, "result", dkim->result);
    postern_findings_add_number(&builder, "key_bits", dkim->key_bits);
    postern_findings_add_boolean(&builder, "testing", dkim->testing);
    if (dkim->body_covered >= 0)
        postern_findings_add_number(&builder, "body_covered",
                                    (guint32)MIN(dkim->body_covered, (gint64)SIZE_MAXIMUM));
    if (dkim->body_unsigned > 0)
        postern_findings_add_number(&builder, "body_unsigned",
                                    (guint32)MIN(dkim->body_unsigned, (gint64)SIZE_MAXIMUM));
    postern_findings_add_texts(&builder, dkim_texts, dkim);
    return g_variant_builder_end(&builder);
}

static gboolean dkim_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternDkimFinding *dkim = structure;
    guint32 result = POSTERN_DKIM_NONE;
    guint32 body_covered = G_MAXUINT32, body_unsigned = 0;

    if (!postern_dictionary_get_number(dictionary, "result", POSTERN_DKIM_SKIPPED, &result, error) ||
        !postern_dictionary_get_number(dictionary, "key_bits", G_MAXUINT32, &dkim->key_bits, error) ||
        !postern_dictionary_get_boolean(dictionary, "testing", &dkim->testing, error) ||
        !postern_dictionary_get_number(dictionary, "body_covered", SIZE_MAXIMUM, &body_covered, error) ||
        !postern_dictionary_get_number(dictionary, "body_unsigned", SIZE_MAXIMUM, &body_unsigned, error))
        return FALSE;
    dkim->body_unsigned = body_unsigned;
    dkim->result = (PosternDkimResult)result;
    if (body_covered != G_MAXUINT32)
        dkim->body_covered = body_covered;
    return postern_findings_get_texts(dictionary, dkim_texts, dkim, error);
}

static GVariant *virus_to_variant(const PosternVirusFinding *virus)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_number(&builder, "result", virus->result);
    postern_findings_add_texts(&builder, virus_texts, virus);
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++)
        postern_dictionary_add_text(&builder, postern_virus_kind_name((PosternVirusKind)i), virus->kinds[i],
                                    POSTERN_FINDING_TEXT_MAX_OCTETS);
    return g_variant_builder_end(&builder);
}

static gboolean get_kinds(GVariant *dictionary, PosternVirusFinding *virus, gboolean *ret_any, GError **error)
{
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++) {
        g_autofree char *text = NULL;

        if (!postern_dictionary_get_text(dictionary, postern_virus_kind_name((PosternVirusKind)i),
                                         POSTERN_FINDING_TEXT_MAX_OCTETS, &text, error))
            return FALSE;
        if (text == NULL)
            continue;
        *ret_any = TRUE;
        postern_virus_finding_note(virus, (PosternVirusKind)i, text);
    }
    return TRUE;
}

/* The result is made of what was found, and not believed; a result without kinds is that of a capsule from
 * before they were told apart. */
static gboolean virus_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternVirusFinding *virus = structure;
    guint32 result = POSTERN_VIRUS_NOT_CHECKED;
    gboolean any = FALSE;
    g_auto(PosternVirusFinding) told = {POSTERN_VIRUS_NOT_CHECKED};

    if (!postern_dictionary_get_number(dictionary, "result", POSTERN_VIRUS_NO_SIGNATURES, &result, error) ||
        !postern_findings_get_texts(dictionary, virus_texts, &told, error) ||
        !get_kinds(dictionary, virus, &any, error))
        return FALSE;
    if (result == POSTERN_VIRUS_INFECTED)
        postern_virus_finding_infected(virus, told.name);
    else if (result == POSTERN_VIRUS_CLEAN)
        postern_virus_finding_clean(virus);
    else if (result != POSTERN_VIRUS_NOT_CHECKED && !any)
        postern_virus_finding_note(
            virus, result == POSTERN_VIRUS_ERROR ? POSTERN_VIRUS_SCAN_ERROR : POSTERN_VIRUS_AMBIGUOUS,
            told.reason);
    return TRUE;
}

static GVariant *attachment_to_variant(gconstpointer structure)
{
    const PosternAttachment *attachment = structure;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&builder, "{sv}", "size", g_variant_new_uint64(attachment->size));
    postern_findings_add_texts(&builder, attachment_texts, attachment);
    return g_variant_builder_end(&builder);
}

static gboolean attachment_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternAttachment *attachment = structure;
    GError *problem = NULL;
    g_autoptr(GVariant) size = postern_dictionary_get(dictionary, "size", G_VARIANT_TYPE_UINT64, &problem);

    if (problem) {
        g_propagate_error(error, problem);
        return FALSE;
    }
    if (size)
        attachment->size = g_variant_get_uint64(size);
    if (!postern_findings_get_texts(dictionary, attachment_texts, attachment, error))
        return FALSE;
    if (attachment->name) {
        g_autofree char *name = g_steal_pointer(&attachment->name);

        attachment->name = g_utf8_make_valid(name, -1);
    }
    return TRUE;
}

GVariant *postern_findings_to_variant(const PosternFindings *findings)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(POSTERN_FINDINGS_VARIANT));
    g_variant_builder_add(&builder, "{sv}", "spf", spf_to_variant(&findings->spf));
    g_variant_builder_add(&builder, "{sv}", "spf_helo", spf_to_variant(&findings->spf_helo));
    g_variant_builder_add(
        &builder, "{sv}", "dkim",
        postern_findings_list(findings->dkim, POSTERN_DKIM_SIGNATURES_REPORTED_MAX, dkim_to_variant));
    postern_findings_add_boolean(&builder, "dkim_checked", findings->dkim_checked);
    g_variant_builder_add(&builder, "{sv}", "virus", virus_to_variant(&findings->virus));
    g_variant_builder_add(&builder, "{sv}", "attachments",
                          postern_findings_list(findings->attachments, POSTERN_ATTACHMENTS_REPORTED_MAX,
                                                attachment_to_variant));
    postern_findings_add_number(&builder, "attachment_count", findings->attachment_count);
    postern_findings_add_number(&builder, "not_run", findings->not_run);
    postern_findings_add_texts(&builder, content_texts, findings);
    postern_findings_add_authentication(&builder, findings);
    return g_variant_builder_end(&builder);
}

static gpointer new_dkim(void)
{
    return postern_dkim_finding_new();
}

static gpointer new_attachment(void)
{
    return g_new0(PosternAttachment, 1);
}

static const PosternFindingList dkim_list = {"dkim", POSTERN_DKIM_SIGNATURES_REPORTED_MAX, new_dkim,
                                             dkim_from_variant};
static const PosternFindingList attachment_list = {"attachments", POSTERN_ATTACHMENTS_REPORTED_MAX,
                                                   new_attachment, attachment_from_variant};

PosternFindings *postern_findings_from_variant(GVariant *variant, GError **error)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();

    if (!postern_dictionary_is_acceptable(variant, "findings", error) ||
        !postern_findings_get_member(variant, "spf", spf_from_variant, &findings->spf, error) ||
        !postern_findings_get_member(variant, "spf_helo", spf_from_variant, &findings->spf_helo, error) ||
        !postern_findings_get_list(variant, &dkim_list, findings->dkim, error) ||
        !postern_dictionary_get_boolean(variant, "dkim_checked", &findings->dkim_checked, error) ||
        !postern_findings_get_member(variant, "virus", virus_from_variant, &findings->virus, error) ||
        !postern_findings_get_list(variant, &attachment_list, findings->attachments, error) ||
        !postern_dictionary_get_number(variant, "attachment_count", G_MAXUINT32, &findings->attachment_count,
                                       error) ||
        !postern_dictionary_get_number(variant, "not_run", POSTERN_CHECKS_ALL, &findings->not_run, error) ||
        !postern_findings_get_texts(variant, content_texts, findings, error) ||
        !postern_findings_get_authentication(variant, findings, error))
        return NULL;
    return g_steal_pointer(&findings);
}
