/*
 * Content rules of each kind on any message: they end in time, and what is found is within its bounds.
 * Patterns that are searched together with others are found as by themselves.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "support/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "n1 log name *.exe\n"
    "n2 reject name /(a+)+b$/\n"
    "n3 log not name *.txt\n place attached\n"
    "t1 log type text/* message/partial\n"
    "s1 log sniffed image/* application/x-dosexec\n"
    "c1 mark contents program script java installer shortcut url-shortcut disk-image\n"
    "c2 mark contents compiled-help onenote macro macro-sheet html html-script svg-script\n"
    "d1 log disguise double-extension blanks bidi\n"
    "z1 log size >10 <1k\n"
    "h1 log header * /x.*y/ prize\n"
    "x1 log text prize \"big win\" /[0-9]{3}(\\w+)\\1/\n"
    "l1 log link deceptive punycode address\n"
    "l2 log link-host *.example\n"
    "f1 log files >2\n files-size >9\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static PosternContentEngine *content;
    static PosternRulesEngine *engine;
    if (content == NULL) {
        content = postern_content_engine_new();
        engine = rules_engine_of(rules, content);
    }
    gint64 begin = postern_rule_time_now();
    g_autoptr(PosternFindings) findings = rules_check(engine, content, (const char *)data, size);
    g_assert_cmpint(postern_rule_time_now() - begin, <, 20 * G_USEC_PER_SEC);
    for (guint i = 0; i < findings->rules.matches->len; i++) {
        const PosternRuleMatch *match = g_ptr_array_index(findings->rules.matches, i);
        g_assert_nonnull(match->rule);
        g_assert_true(match->file == NULL || g_utf8_validate(match->file, -1, NULL));
    }
    g_autoptr(PosternFindings) copy = postern_findings_copy(findings);
    g_assert_cmpuint(copy->rules.matches->len, ==, findings->rules.matches->len);
    return 0;
}
