/*
 * The content rules alone, as the inspector runs them.
 */
#pragma once

#include <unistd.h>

#include "checks/rules/engine.h"

/* text: of a file of rules; NULL: the default rules. */
static inline PosternRulesEngine *rules_engine_of(const char *text, PosternContentEngine *content)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    if (text != NULL) {
        int descriptor = g_file_open_tmp("rules-XXXXXX", &path, &error);
        g_assert_no_error(error);
        close(descriptor);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
    }
    const PosternRulesOptions options = {.file = path, .defaults = text == NULL, .content = content};
    PosternRulesEngine *engine = postern_rules_engine_new(&options, &error);
    g_assert_no_error(error);
    if (path != NULL)
        unlink(path);
    return engine;
}

static inline PosternFindings *rules_check(PosternRulesEngine *engine, PosternContentEngine *content,
                                           const char *octets, gsize length)
{
    const PosternEngines engines = {.content = content, .rules = engine};
    g_autofree char *copy = g_memdup2(octets, MAX(length, 1));
    g_autoptr(PosternHeader) header = postern_header_parse(copy, length);
    PosternFindings *findings = postern_findings_new();
    const PosternCheckRun run = {
        .engines = &engines, .octets = copy, .length = length, .header = header, .findings = findings};
    findings->explain = TRUE;
    g_assert_cmpuint(postern_checks_run(&run, POSTERN_CHECK_RULES, POSTERN_STAGE_WHOLE), ==,
                     POSTERN_CHECK_RULES);
    g_assert_cmpuint(findings->rules.matches->len, <=, POSTERN_RULE_MATCHES_MAX);
    return findings;
}
