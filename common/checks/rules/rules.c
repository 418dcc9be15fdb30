#include <string.h>

#include "base/error.h"
#include "checks/check.h"
#include "checks/rules/contents.h"
#include "checks/rules/evaluation.h"

static gpointer begin(const PosternCheckRun *run)
{
    PosternRulesEngine *engine = run->engines->rules;
    if (engine == NULL || engine->rules->len == 0) {
        const char *problem = run->engines->rules_problem;
        run->findings->rules.checked = problem == NULL;
        postern_findings_replace(&run->findings->rules.undecided, problem);
        return NULL;
    }
    PosternRulesEvaluation *evaluation = postern_rules_evaluation_new(engine);
    postern_rules_take_header(evaluation, run->header);
    return evaluation;
}

static void explain(const PosternCheckRun *run, const PosternRulesEvaluation *evaluation)
{
    const PosternRulesFinding *rules = &run->findings->rules;
    postern_findings_step(run->findings, POSTERN_CHECK_RULES, "%u rules, %u parts and files",
                          evaluation->engine->rules->len, evaluation->items);
    for (guint i = 0; i < rules->matches->len; i++) {
        const PosternRuleMatch *match = g_ptr_array_index(rules->matches, i);
        postern_findings_step(run->findings, POSTERN_CHECK_RULES, "rule %s (%s) holds%s%s: %s", match->rule,
                              match->action == POSTERN_ACTION_ACCEPT ? "log" : postern_actions[match->action],
                              match->file != NULL ? " for " : "", match->file != NULL ? match->file : "",
                              match->reason);
    }
    if (rules->unread != NULL)
        postern_findings_step(run->findings, POSTERN_CHECK_RULES, "not looked into: %s", rules->unread);
    if (rules->undecided != NULL)
        postern_findings_step(run->findings, POSTERN_CHECK_RULES, "undecided: %s", rules->undecided);
}

static void end(const PosternCheckRun *run, gpointer data)
{
    g_autoptr(PosternRulesEvaluation) evaluation = data;
    PosternRulesFinding *rules = &run->findings->rules;
    postern_rules_conclude(evaluation, rules);
    if (run->engines->rules_problem != NULL && rules->undecided == NULL)
        rules->undecided = g_strdup(run->engines->rules_problem);
    explain(run, evaluation);
}

/* PCRE2, libxml2, libmagic and iconv, inside the sandbox: a call that it denies would end the worker. */
static gboolean self_test(const PosternEngines *engines, const char *temporary_directory, GError **error)
{
    static const char page[] =
        "<html><body onload=\"go()\">caf\xe9 <a href=\"http://a.example/\">http://b.example"
        "</a></body></html>";
    PosternRulesEngine *engine = engines->rules;
    if (engine == NULL || engine->rules->len == 0)
        return TRUE;
    g_autoptr(GBytes) octets = g_bytes_new_static(page, strlen(page));
    const PosternItem item = {.kind = POSTERN_ITEM_FILE,
                              .names = (const char *const[]){"self-test.html", NULL},
                              .types = (const char *const[]){"text/html", NULL},
                              .octets = octets};
    g_autoptr(PosternRulesEvaluation) evaluation = postern_rules_evaluation_new(engine);
    evaluation->facts = (PosternItemFacts){.item = &item, .octets = page, .length = strlen(page)};
    const PosternHtml *html = postern_rules_item_html(evaluation);
    gboolean read = html != NULL && html->script && html->links->len == 1 &&
                    strstr(html->text->str, "caf\xc3\xa9") != NULL;
    g_clear_pointer(&evaluation->facts.html, postern_html_free);
    (void)postern_rules_take_item(&item, evaluation);
    gboolean sniffed = engine->magic == NULL || magic_buffer(engine->magic, "PK\3\4", 4) != NULL;
    if (!read || !sniffed)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                    "the content rules cannot work: %s cannot read what it should",
                    !read ? "libxml2" : "libmagic");
    return read && sniffed;
}

const PosternEvaluation postern_evaluation_rules = {
    .item = {.begin = begin, .take = postern_rules_take_item, .note = postern_rules_take_note, .end = end},
    .self_test = self_test,
};
