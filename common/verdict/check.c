#include "verdict/check.h"

PosternChecks postern_checks_of_stage(PosternStage stage)
{
    guint checks = 0;
    if (stage == POSTERN_STAGE_AUTHENTICATION)
        return (postern_checks_of_stage(POSTERN_STAGE_ENVELOPE) |
                postern_checks_of_stage(POSTERN_STAGE_HEADER)) &
               postern_checks_of_stage(POSTERN_STAGE_WHOLE);
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if ((postern_checks[i].of->stages & (1U << stage)) != 0)
            checks |= (guint)postern_checks[i].check;
    return (PosternChecks)checks;
}

PosternChecks postern_checks_of_header(void)
{
    guint checks = 0;
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if (postern_checks[i].of->of_header)
            checks |= (guint)postern_checks[i].check;
    return (PosternChecks)checks;
}

/* Those that nothing suspends come first, as their rules do. */
static gboolean comes_first(const PosternCheck *check)
{
    return check->rules != NULL && check->rules->name != NULL && !check->rules->suspendable;
}

const PosternOption *postern_check_options(guint index)
{
    static const PosternOption none = {NULL};
    for (gint first = TRUE; first >= FALSE; first--)
        for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
            if (comes_first(postern_checks[i].of) == first && index-- == 0)
                return postern_checks[i].of->options != NULL ? postern_checks[i].of->options : &none;
    return NULL;
}

PosternAuthenticationResults *postern_checks_results(const PosternFacts *facts)
{
    PosternAuthenticationResults *results = postern_authentication_results_new(facts->policy->authserv_id);
    const char *login = facts->envelope->login;
    if (login != NULL && login[0] != '\0') { /* RFC 8601 2.7.4 */
        postern_authentication_results_add(results, "auth", "pass", NULL);
        postern_authentication_results_add_property(results, "smtp", "auth", login);
    }
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if ((facts->policy->checks & postern_checks[i].check) != 0 && postern_checks[i].of->add_results)
            postern_checks[i].of->add_results(results, facts);
    return results;
}

void postern_checks_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                          gpointer out)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if (postern_checks[i].of->add_lines != NULL)
            postern_checks[i].of->add_lines(findings, verdict, add, out);
}

void postern_checks_json(const PosternFindings *findings, const PosternVerdict *verdict,
                         const PosternJson *json)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++) {
        const PosternCheckEntry *entry = &postern_checks[i];
        if (entry->of->add_json != NULL) {
            entry->of->add_json(findings, verdict, json);
            continue;
        }
        json->begin(json->out, entry->name, FALSE);
        postern_structure_tell(&entry->of->finding, (const guint8 *)findings + entry->offset, json);
        json->end(json->out, FALSE);
    }
}

void postern_checks_counts(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if (postern_checks[i].of->add_counts != NULL)
            postern_checks[i].of->add_counts(findings, add, out);
}

static void add_word(gpointer out, const char *key, const char *value)
{
    if (value == NULL || *value == '\0')
        return;
    g_strv_builder_add(out, key);
    g_strv_builder_add(out, value);
}

char **postern_findings_words(const PosternFindings *findings)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if (postern_checks[i].of->add_words != NULL)
            postern_checks[i].of->add_words(findings, add_word, words);
    return g_strv_builder_end(words);
}
