#include <string.h>

#include "base/limits.h"
#include "checks/content/engine.h"
#include "checks/rules/contents.h"
#include "checks/rules/evaluation.h"
#include "checks/rules/link.h"

static gboolean ends_with(const char *name, const char *const *endings)
{
    g_autofree char *lower = g_ascii_strdown(name, -1);
    for (; *endings != NULL; endings++)
        if (g_str_has_suffix(lower, *endings))
            return TRUE;
    return FALSE;
}

static gboolean has_type(const PosternItem *item, const char *const *types)
{
    for (const char *const *type = item->types; *type != NULL; type++)
        if (g_strv_contains(types, *type))
            return TRUE;
    return FALSE;
}

static gboolean is_html(const PosternItemFacts *facts)
{
    static const char *const types[] = {"text/html", "application/xhtml+xml", "image/svg+xml", NULL};
    static const char *const endings[] = {".html", ".htm", ".shtml", ".xhtml", ".xht", ".svg", ".hta", NULL};
    if (has_type(facts->item, types))
        return TRUE;
    for (const char *const *name = facts->item->names; *name != NULL; name++) {
        g_autofree char *opened = postern_name_as_opened(*name);
        if (ends_with(opened, endings))
            return TRUE;
    }
    return (postern_contents_of(facts->octets, MIN(facts->length, 1024)) & POSTERN_CONTENTS_HTML) != 0;
}

static gboolean is_plain_text(const PosternItem *item)
{
    if (item->kind == POSTERN_ITEM_TEXT)
        return TRUE;
    for (const char *const *type = item->types; *type != NULL; type++)
        if (g_str_has_prefix(*type, "text/") && !g_str_equal(*type, "text/html"))
            return TRUE;
    return FALSE;
}

static char *decode(const PosternRulesEvaluation *evaluation, gsize *ret_length)
{
    const PosternItemFacts *facts = &evaluation->facts;
    return postern_content_engine_to_utf8(evaluation->engine->content, facts->item->charset, facts->octets,
                                          facts->length, ret_length);
}

const PosternHtml *postern_rules_item_html(PosternRulesEvaluation *evaluation)
{
    PosternItemFacts *facts = &evaluation->facts;
    if (!facts->html_known && is_html(facts)) {
        gsize length = 0;
        g_autofree char *text = decode(evaluation, &length);
        facts->html = postern_html_read(text, length, &evaluation->time);
    }
    facts->html_known = TRUE;
    return facts->html;
}

typedef struct {
    guint kinds;
    const char *address, *shown;
} Link;

static void note_link(PosternRulesEvaluation *evaluation, guint number, gpointer data)
{
    const Link *link = data;
    const PosternNumberedCondition *numbered =
        &g_array_index(evaluation->engine->conditions, PosternNumberedCondition, number);
    if ((numbered->condition->mask & link->kinds) == 0 || evaluation->message.holds[number] == POSTERN_HOLDS)
        return;
    evaluation->message.holds[number] = POSTERN_HOLDS;
    if (evaluation->link == NULL)
        evaluation->link = link->shown != NULL ? g_strdup_printf("%s shows %s", link->address, link->shown)
                                               : g_strdup(link->address);
}

/* text: what it shows, or NULL. */
static void take_link(PosternRulesEvaluation *evaluation, const char *target, const char *text)
{
    g_autofree char *shown = NULL;
    g_autofree char *host = postern_link_host(target);
    if (host == NULL)
        return;
    Link link = {.kinds = postern_link_kinds(target, text, &shown), .address = host, .shown = shown};
    if (link.kinds != 0)
        postern_rules_each(evaluation, POSTERN_RULE_LINK, note_link, &link);
    postern_rules_search(evaluation, POSTERN_RULE_LINK_HOST, &evaluation->message, host, strlen(host), NULL);
}

static void take_links_of_text(PosternRulesEvaluation *evaluation, const char *text, gsize length)
{
    gsize offset = 0;
    for (guint i = 0; i < POSTERN_RULES_LINKS_MAX && !postern_rule_time_is_spent(&evaluation->time); i++) {
        g_autofree char *address = postern_link_next(text, length, &offset);
        if (address == NULL)
            return;
        take_link(evaluation, address, NULL);
    }
}

static void take_links(PosternRulesEvaluation *evaluation, const PosternHtml *html)
{
    for (guint i = 0; i < html->links->len && !postern_rule_time_is_spent(&evaluation->time); i++) {
        const PosternHtmlLink *link = g_ptr_array_index(html->links, i);
        take_link(evaluation, link->target, link->text->str);
    }
}

void postern_rules_take_text(PosternRulesEvaluation *evaluation)
{
    const PosternRulesEngine *engine = evaluation->engine;
    gboolean links = engine->subjects[POSTERN_RULE_LINK] + engine->subjects[POSTERN_RULE_LINK_HOST] > 0;
    if (engine->subjects[POSTERN_RULE_TEXT] == 0 && !links)
        return;
    const PosternHtml *html = postern_rules_item_html(evaluation);
    if (html != NULL) {
        postern_rules_search(evaluation, POSTERN_RULE_TEXT, &evaluation->message, html->text->str,
                             html->text->len, NULL);
        if (links)
            take_links(evaluation, html);
    }
    if (is_plain_text(evaluation->facts.item)) {
        gsize length = 0;
        g_autofree char *text = decode(evaluation, &length);
        postern_rules_search(evaluation, POSTERN_RULE_TEXT, &evaluation->message, text, length, NULL);
        if (links)
            take_links_of_text(evaluation, text, length);
    }
}
