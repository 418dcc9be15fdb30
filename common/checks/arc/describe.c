#include "checks/arc/finding.h"

#include "base/configuration/check.h"
#include "base/limits.h"
#include "verdict/check.h"

static const char *const results[] = {
    [POSTERN_ARC_NOT_CHECKED] = "not_checked",
    [POSTERN_ARC_NONE] = "none",
    [POSTERN_ARC_PASS] = "pass",
    [POSTERN_ARC_FAIL] = "fail",
    [POSTERN_ARC_TEMPERROR] = "temperror",
};
G_STATIC_ASSERT(G_N_ELEMENTS(results) == POSTERN_ARC_TEMPERROR + 1);

const char *postern_arc_result_name(PosternArcResult result)
{
    return postern_choice(results, result);
}

static const PosternField set_fields[] = {
    {POSTERN_FIELD_NUMBER_OF(PosternArcSet, instance, POSTERN_ARC_SETS_MAX), .json = "instance",
     .always = TRUE},
    {POSTERN_FIELD_TEXT_OF(PosternArcSet, sealer), .json = "sealer"},
    {POSTERN_FIELD_TEXT_OF(PosternArcSet, selector), .json = "selector"},
    {POSTERN_FIELD_TEXT_OF(PosternArcSet, dmarc), .json = "dmarc"},
    {POSTERN_FIELD_TEXT_OF(PosternArcSet, dmarc_domain), .json = "dmarc_domain"},
    {.name = NULL},
};

static void set_free(gpointer data);

static const PosternStructure set_structure = {
    .size = sizeof(PosternArcSet), .fields = set_fields, .free = set_free};

static void set_free(gpointer data)
{
    postern_structure_free(&set_structure, data);
}

static const PosternField fields[] = {
    {POSTERN_FIELD_CHOICE(PosternArcFinding, result, results), .json = "result", .always = TRUE},
    {POSTERN_FIELD_TEXT_OF(PosternArcFinding, reason), .json = "reason"},
    {POSTERN_FIELD_LIST_OF(PosternArcFinding, sets, POSTERN_ARC_SETS_MAX, set_structure), .json = "sets"},
    {.name = NULL},
};

static void set_failed(PosternFindings *findings, const char *reason)
{
    findings->arc.result = POSTERN_ARC_TEMPERROR;
    postern_findings_replace(&findings->arc.reason, reason);
}

/* smtp.remote-ip; there is no temperror: such a chain is arc=fail, and the reason says so. */
static void add_results(PosternAuthenticationResults *out, const PosternFacts *facts)
{
    const PosternArcFinding *arc = &facts->findings->arc;
    gboolean temporary = arc->result == POSTERN_ARC_TEMPERROR;
    g_autofree char *client = postern_address_to_string(&facts->envelope->client);
    g_autofree char *reason = NULL;
    if (arc->result == POSTERN_ARC_NOT_CHECKED)
        return;
    if (temporary)
        reason = g_strconcat("temporary error: ", arc->reason ? arc->reason : "the DNS did not answer", NULL);
    postern_authentication_results_add(out, "arc",
                                       postern_arc_result_name(temporary ? POSTERN_ARC_FAIL : arc->result),
                                       temporary ? reason : arc->reason);
    if (facts->envelope->client.family != AF_UNSPEC)
        postern_authentication_results_add_property(out, "smtp", "remote-ip", client);
}

static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    add(out, "arc", postern_arc_result_name(findings->arc.result));
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    const PosternArcFinding *arc = &findings->arc;
    if (arc->result == POSTERN_ARC_NOT_CHECKED || arc->result == POSTERN_ARC_NONE)
        return;
    g_autoptr(GString) text = g_string_new(postern_arc_result_name(arc->result));
    if (arc->sets->len > 0) {
        const PosternArcSet *newest = g_ptr_array_index(arc->sets, arc->sets->len - 1);
        g_string_append_printf(text, ": %u sets, the newest of %s", arc->sets->len,
                               newest->sealer != NULL ? newest->sealer : "-");
    }
    if (arc->reason != NULL)
        g_string_append_printf(text, ": %s", arc->reason);
    add(out, "ARC", text->str);
}

static void add_counts(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    PosternArcResult result = findings->arc.result;
    add(out, "ARC", result == POSTERN_ARC_NOT_CHECKED ? "not checked" : postern_arc_result_name(result));
}

static const PosternOption options[] = {
    {"policy", "trusted_sealers", POSTERN_OPTION_LIST,
     G_STRUCT_OFFSET(PosternConfiguration, policy.trusted_sealers), 0, POSTERN_LIST_ITEMS_MAX, NULL, "",
     "Domains whose ARC seal overrides a DMARC failure if it says that DMARC had passed.",
     postern_configuration_check_domain, TRUE},
    {NULL},
};

const PosternCheck postern_description_arc = {
    .finding = {.size = sizeof(PosternArcFinding), .fields = fields},
    .options = options,
    .stages = 1 << POSTERN_STAGE_HEADER | 1 << POSTERN_STAGE_WHOLE,
    .fail = set_failed,
    .add_results = add_results,
    .add_words = add_words,
    .add_lines = add_lines,
    .add_counts = add_counts,
};
