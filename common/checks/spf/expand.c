#include "checks/spf/evaluate.h"

#include <string.h>

#include "base/limits.h"

static const char *best_validated_name(GPtrArray *names, const char *domain)
{
    const char *best = names->len > 0 ? g_ptr_array_index(names, 0) : NULL;
    gboolean under = FALSE;

    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        if (g_ascii_strcasecmp(name, domain) == 0)
            return name;
        if (!under && postern_spf_name_is_under(name, domain)) {
            under = TRUE;
            best = name;
        }
    }
    return best;
}

/* Sets values->validated_name if text asks for it; names owns it. MATCH, WAITING, or an error. */
static PosternSpfMatch set_validated_name(PosternSpfEvaluation *evaluation, PosternSpfSlice text,
                                          GPtrArray *names, PosternSpfMacroValues *values)
{
    if (!postern_spf_macro_uses(text.text, text.length, "p"))
        return POSTERN_SPF_MATCH;
    if (!evaluation->validation_counted && !postern_spf_count_lookup(evaluation))
        return POSTERN_SPF_MATCH_PERMERROR;
    evaluation->validation_counted = TRUE;
    if (postern_spf_validate_client(evaluation, names) == POSTERN_SPF_MISSING)
        return POSTERN_SPF_MATCH_WAITING;
    values->validated_name = best_validated_name(names, values->domain);
    return POSTERN_SPF_MATCH;
}

static void tell_expansion(const PosternSpfEvaluation *evaluation, PosternSpfSlice text, const char *expanded)
{
    int length = (int)MIN(text.length, POSTERN_STEP_MAX_OCTETS);

    if (evaluation->findings != NULL && memchr(text.text, '%', text.length) != NULL)
        postern_spf_step(evaluation, "\"%.*s\" stands for \"%s\"", length, text.text, expanded);
}

PosternSpfMatch postern_spf_expand(PosternSpfEvaluation *evaluation, PosternSpfSlice domain, char **ret_name)
{
    PosternSpfMacroValues values = evaluation->values;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    PosternSpfMatch match;

    if (!g_str_is_ascii(values.local_part) && postern_spf_macro_uses(domain.text, domain.length, "sl"))
        return POSTERN_SPF_NO_MATCH;
    match = set_validated_name(evaluation, domain, names, &values);
    if (match == POSTERN_SPF_MATCH) {
        *ret_name = postern_spf_macro_expand_domain(domain.text, domain.length, &values);
        tell_expansion(evaluation, domain, *ret_name);
    }
    return match;
}

PosternSpfMatch postern_spf_expand_explanation(PosternSpfEvaluation *evaluation, PosternSpfSlice text,
                                               char **ret_explanation)
{
    PosternSpfMacroValues values = evaluation->values;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    PosternSpfMatch match = set_validated_name(evaluation, text, names, &values);

    if (match == POSTERN_SPF_MATCH) {
        *ret_explanation = postern_spf_macro_expand_explanation(text.text, text.length, &values);
        tell_expansion(evaluation, text, *ret_explanation);
    }
    return match;
}
