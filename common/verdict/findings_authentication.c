#include "verdict/findings_members.h"

#include "base/error.h"
#include "base/limits.h"
#include "mail/dictionary.h"

#define TEXT(type, member)                                                                                   \
    {                                                                                                        \
#member, G_STRUCT_OFFSET(type, member), POSTERN_FINDING_TEXT_MAX_OCTETS                              \
    }

static const PosternFindingText author_texts[] = {
    TEXT(PosternDmarcAuthor, domain),
    TEXT(PosternDmarcAuthor, record_domain),
    TEXT(PosternDmarcAuthor, organizational),
    {NULL},
};

static const PosternFindingText organization_texts[] = {
    TEXT(PosternDmarcOrganization, domain),
    TEXT(PosternDmarcOrganization, organizational),
    {NULL},
};

static const PosternFindingText dmarc_texts[] = {TEXT(PosternDmarcFinding, problem), {NULL}};

static const PosternFindingText set_texts[] = {
    TEXT(PosternArcSet, sealer),
    TEXT(PosternArcSet, selector),
    TEXT(PosternArcSet, dmarc),
    TEXT(PosternArcSet, dmarc_domain),
    {NULL},
};

static const PosternFindingText arc_texts[] = {TEXT(PosternArcFinding, reason), {NULL}};

static const PosternFindingText signature_texts[] = {
    TEXT(PosternSignatures, domain),
    TEXT(PosternSignatures, problem),
    TEXT(PosternSignatures, unsigned_reason),
    {NULL},
};

static const PosternFindingText field_texts[] = {{"value", 0, POSTERN_HEADER_EDIT_MAX_OCTETS}, {NULL}};

static const PosternFindingText step_texts[] = {
    {"text", G_STRUCT_OFFSET(PosternStep, text), POSTERN_STEP_MAX_OCTETS},
    {NULL},
};

static GVariant *author_to_variant(gconstpointer structure)
{
    const PosternDmarcAuthor *author = structure;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_number(&builder, "policy", author->policy);
    postern_findings_add_boolean(&builder, "testing", author->testing);
    postern_findings_add_boolean(&builder, "strict_dkim", author->strict_dkim);
    postern_findings_add_boolean(&builder, "strict_spf", author->strict_spf);
    postern_findings_add_boolean(&builder, "temporary", author->temporary);
    postern_findings_add_texts(&builder, author_texts, author);
    return g_variant_builder_end(&builder);
}

static gboolean author_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternDmarcAuthor *author = structure;
    guint32 policy = POSTERN_DMARC_POLICY_NONE;

    if (!postern_dictionary_get_number(dictionary, "policy", POSTERN_DMARC_POLICY_REJECT, &policy, error) ||
        !postern_dictionary_get_boolean(dictionary, "testing", &author->testing, error) ||
        !postern_dictionary_get_boolean(dictionary, "strict_dkim", &author->strict_dkim, error) ||
        !postern_dictionary_get_boolean(dictionary, "strict_spf", &author->strict_spf, error) ||
        !postern_dictionary_get_boolean(dictionary, "temporary", &author->temporary, error))
        return FALSE;
    author->policy = (PosternDmarcPolicy)policy;
    return postern_findings_get_texts(dictionary, author_texts, author, error);
}

static GVariant *organization_to_variant(gconstpointer structure)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_texts(&builder, organization_texts, structure);
    return g_variant_builder_end(&builder);
}

static gboolean organization_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    return postern_findings_get_texts(dictionary, organization_texts, structure, error);
}

static GVariant *set_to_variant(gconstpointer structure)
{
    const PosternArcSet *set = structure;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_number(&builder, "instance", set->instance);
    postern_findings_add_texts(&builder, set_texts, set);
    return g_variant_builder_end(&builder);
}

static gboolean set_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternArcSet *set = structure;

    return postern_dictionary_get_number(dictionary, "instance", POSTERN_ARC_SETS_MAX, &set->instance,
                                         error) &&
           postern_findings_get_texts(dictionary, set_texts, set, error);
}

static GVariant *step_to_variant(gconstpointer structure)
{
    const PosternStep *step = structure;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_number(&builder, "check", step->check);
    postern_findings_add_texts(&builder, step_texts, step);
    return g_variant_builder_end(&builder);
}

static gboolean step_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternStep *step = structure;

    return postern_dictionary_get_number(dictionary, "check", POSTERN_CHECKS_ALL, &step->check, error) &&
           postern_findings_get_texts(dictionary, step_texts, step, error);
}

static GVariant *field_to_variant(gconstpointer value)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_texts(&builder, field_texts, &value);
    return g_variant_builder_end(&builder);
}

static gboolean field_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    return postern_findings_get_texts(dictionary, field_texts, structure, error);
}

static gpointer new_author(void)
{
    return g_new0(PosternDmarcAuthor, 1);
}

static gpointer new_organization(void)
{
    return g_new0(PosternDmarcOrganization, 1);
}

static gpointer new_set(void)
{
    return g_new0(PosternArcSet, 1);
}

static gpointer new_step(void)
{
    return g_new0(PosternStep, 1);
}

/* More domains than these raise no question: the signatures that are evaluated, and SPF's two identities. */
#define ORGANIZATIONS_MAX (POSTERN_DMARC_AUTHORS_MAX + POSTERN_DKIM_SIGNATURES_MAX + 2)

static const PosternFindingList author_list = {"authors", POSTERN_DMARC_AUTHORS_MAX, new_author,
                                               author_from_variant};
static const PosternFindingList organization_list = {"organizations", ORGANIZATIONS_MAX, new_organization,
                                                     organization_from_variant};
static const PosternFindingList set_list = {"sets", POSTERN_ARC_SETS_MAX, new_set, set_from_variant};
static const PosternFindingList step_list = {"steps", POSTERN_STEPS_MAX, new_step, step_from_variant};

static GVariant *dmarc_to_variant(const PosternDmarcFinding *dmarc)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_boolean(&builder, "from_invalid", dmarc->from_invalid);
    postern_findings_add_boolean(&builder, "from_missing", dmarc->from_missing);
    postern_findings_add_boolean(&builder, "no_author", dmarc->no_author);
    postern_findings_add_boolean(&builder, "ambiguous", dmarc->ambiguous);
    g_variant_builder_add(
        &builder, "{sv}", "authors",
        postern_findings_list(dmarc->authors, POSTERN_DMARC_AUTHORS_MAX, author_to_variant));
    g_variant_builder_add(
        &builder, "{sv}", "organizations",
        postern_findings_list(dmarc->organizations, ORGANIZATIONS_MAX, organization_to_variant));
    postern_findings_add_texts(&builder, dmarc_texts, dmarc);
    return g_variant_builder_end(&builder);
}

static gboolean dmarc_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternDmarcFinding *dmarc = structure;

    return postern_dictionary_get_boolean(dictionary, "from_invalid", &dmarc->from_invalid, error) &&
           postern_dictionary_get_boolean(dictionary, "from_missing", &dmarc->from_missing, error) &&
           postern_dictionary_get_boolean(dictionary, "no_author", &dmarc->no_author, error) &&
           postern_dictionary_get_boolean(dictionary, "ambiguous", &dmarc->ambiguous, error) &&
           postern_findings_get_list(dictionary, &author_list, dmarc->authors, error) &&
           postern_findings_get_list(dictionary, &organization_list, dmarc->organizations, error) &&
           postern_findings_get_texts(dictionary, dmarc_texts, dmarc, error);
}

static GVariant *arc_to_variant(const PosternArcFinding *arc)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    postern_findings_add_number(&builder, "result", arc->result);
    g_variant_builder_add(&builder, "{sv}", "sets",
                          postern_findings_list(arc->sets, POSTERN_ARC_SETS_MAX, set_to_variant));
    postern_findings_add_texts(&builder, arc_texts, arc);
    return g_variant_builder_end(&builder);
}

static gboolean arc_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternArcFinding *arc = structure;
    guint32 result = POSTERN_ARC_NOT_CHECKED;

    if (!postern_dictionary_get_number(dictionary, "result", POSTERN_ARC_TEMPERROR, &result, error) ||
        !postern_findings_get_list(dictionary, &set_list, arc->sets, error))
        return FALSE;
    arc->result = (PosternArcResult)result;
    return postern_findings_get_texts(dictionary, arc_texts, arc, error);
}

static GVariant *signatures_to_variant(const PosternSignatures *signatures)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(
        &builder, "{sv}", "fields",
        postern_findings_list(signatures->fields, POSTERN_SIGN_FIELDS_MAX, field_to_variant));
    postern_findings_add_texts(&builder, signature_texts, signatures);
    return g_variant_builder_end(&builder);
}

/* The fields are texts themselves: each is read into its place in the list. */
static gboolean fields_from_variant(GVariant *dictionary, GPtrArray *fields, GError **error)
{
    GError *problem = NULL;
    g_autoptr(GVariant) rows =
        postern_dictionary_get(dictionary, "fields", G_VARIANT_TYPE("aa{sv}"), &problem);
    gsize count = rows ? g_variant_n_children(rows) : 0;

    if (problem) {
        g_propagate_error(error, problem);
        return FALSE;
    }
    if (count > POSTERN_SIGN_FIELDS_MAX) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT, "findings have too many signatures");
        return FALSE;
    }
    for (gsize i = 0; i < count; i++) {
        g_autoptr(GVariant) row = g_variant_get_child_value(rows, i);
        char *value = NULL;

        if (!field_from_variant(row, &value, error))
            return FALSE;
        g_ptr_array_add(fields, value ? value : g_strdup(""));
    }
    return TRUE;
}

static gboolean signatures_from_variant(GVariant *dictionary, gpointer structure, GError **error)
{
    PosternSignatures *signatures = structure;

    return fields_from_variant(dictionary, signatures->fields, error) &&
           postern_findings_get_texts(dictionary, signature_texts, signatures, error);
}

void postern_findings_add_authentication(GVariantBuilder *builder, const PosternFindings *findings)
{
    g_variant_builder_add(builder, "{sv}", "dmarc", dmarc_to_variant(&findings->dmarc));
    g_variant_builder_add(builder, "{sv}", "arc", arc_to_variant(&findings->arc));
    g_variant_builder_add(builder, "{sv}", "signatures", signatures_to_variant(&findings->signatures));
    g_variant_builder_add(builder, "{sv}", "steps",
                          postern_findings_list(findings->steps, POSTERN_STEPS_MAX, step_to_variant));
}

gboolean postern_findings_get_authentication(GVariant *variant, PosternFindings *findings, GError **error)
{
    return postern_findings_get_member(variant, "dmarc", dmarc_from_variant, &findings->dmarc, error) &&
           postern_findings_get_member(variant, "arc", arc_from_variant, &findings->arc, error) &&
           postern_findings_get_member(variant, "signatures", signatures_from_variant, &findings->signatures,
                                       error) &&
           postern_findings_get_list(variant, &step_list, findings->steps, error);
}
