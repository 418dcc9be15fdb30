#include "checks/rules/table.h"

#include <string.h>

#include "base/error.h"
#include "checks/rules/contents.h"

static GPtrArray *parse(const char *text, GError **error)
{
    g_autofree char *copy = g_memdup2(text, MAX(strlen(text), 1));
    return postern_rules_parse(copy, strlen(text), "rules", error);
}

static const PosternRuleCondition *condition_of(const PosternContentRule *rule, guint i)
{
    g_assert_cmpuint(i, <, rule->conditions->len);
    return &g_array_index(rule->conditions, PosternRuleCondition, i);
}

static const char *pattern_of(const PosternRuleCondition *condition, guint i)
{
    g_assert_nonnull(condition->patterns);
    g_assert_cmpuint(i, <, condition->patterns->len);
    return postern_pattern_text(g_ptr_array_index(condition->patterns, i));
}

static void test_whole(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rules = parse("# a comment\r\n"
                                       "\n"
                                       "programs reject name *.exe \"a b.scr\"\r\n"
                                       "\tnot type image/*\n"
                                       "   # another\n"
                                       "  reply \"No \\ programs\"  \n"
                                       "  exempt submission -\n"
                                       "spam.1 log\n"
                                       "  header Subject prize /^(win|won)\\/x/imsx\n"
                                       "  contents program macro\n"
                                       "  size >10k <2M\n"
                                       "  files <3\n"
                                       "  place packed\n"
                                       "last mark text caf\xc3\xa9",
                                       &error);
    g_assert_no_error(error);
    g_assert_cmpuint(rules->len, ==, 3);
    const PosternContentRule *rule = g_ptr_array_index(rules, 0);
    g_assert_cmpstr(rule->name, ==, "programs");
    g_assert_cmpint(rule->action, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpstr(rule->reply, ==, "No \\ programs");
    g_assert_cmpuint(rule->exempt->len, ==, 2);
    g_assert_cmpstr(g_ptr_array_index(rule->exempt, 1), ==, "-");
    g_assert_cmpstr(pattern_of(condition_of(rule, 0), 1), ==, "a b.scr");
    g_assert_true(condition_of(rule, 1)->negated);
    rule = g_ptr_array_index(rules, 1);
    g_assert_cmpint(rule->action, ==, POSTERN_ACTION_ACCEPT);
    g_assert_cmpstr(condition_of(rule, 0)->field, ==, "Subject");
    g_assert_cmpstr(pattern_of(condition_of(rule, 0), 1), ==, "/^(win|won)/x/");
    g_assert_cmpuint(condition_of(rule, 1)->mask, ==, POSTERN_CONTENTS_PROGRAM | POSTERN_CONTENTS_MACRO);
    g_assert_cmpuint(condition_of(rule, 2)->minimum, ==, 10 * 1024 + 1);
    g_assert_cmpuint(condition_of(rule, 2)->maximum, ==, 2 * 1024 * 1024 - 1);
    g_assert_cmpuint(condition_of(rule, 3)->maximum, ==, 2);
    g_assert_cmpuint(condition_of(rule, 4)->mask, ==, POSTERN_PLACE_PACKED);
    g_assert_cmpuint(((PosternContentRule *)g_ptr_array_index(rules, 2))->line, ==, 14);
}

static void test_mistakes(void)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"a\n", "rules:1:2: after the name of a rule its action is missing"},
        {"a reject\n", "rules:1:1: rule a has no condition"},
        {"a!b reject name x\n", "rules:1:1: a rule begins with its name"},
        {"a tempfail name x\n", "rules:1:3: what a message holds is the same at every retry"},
        {"a rejct name x\n", "rules:1:3: unknown action 'rejct'; did you mean reject?"},
        {"a reject nmae x\n", "rules:1:10: unknown condition 'nmae'; did you mean name?"},
        {"a reject bicycle x\n", "there are: name, type, sniffed"},
        {"a reject name\n", "rules:1:14: 'name' must be followed by something"},
        {"a reject name x\na mark name y\n", "rules:2:1: there is already a rule a"},
        {"  name x\n",
         "rules:1:3: a line that begins with white space goes on with a rule, and there is none"},
        {"a reject name /x\n", "rules:1:15: there is no second '/'"},
        {"a reject name \"x\n", "rules:1:15: there is no second '\"'"},
        {"a reject text lottery # not ours\n", "rules:1:23: a comment stands on a line of its own"},
        {"a reject name x\n exempt staff #boss\n", "rules:2:15: a comment stands on a line of its own"},
        {"a reject name *.exe, *.scr\n", "rules:1:15: separate values by blanks"},
        {"a reject name \"x\"y\n", "rules:1:18: put a blank behind"},
        {"a reject name /x/g\n", "rules:1:18: behind the second '/'"},
        {"a reject name /a(b/\n", "rules:1:19: in this expression: missing closing parenthesis"},
        {"a reject name //\n", "rules:1:15: there is nothing in it"},
        {"a reject contents macros\n", "rules:1:19: unknown kind of contents 'macros'; did you mean macro?"},
        {"a reject disguise x\n", "there are: double-extension"},
        {"a reject size 10\n", "rules:1:15: write '>' or '<' and a number"},
        {"a reject size >\n", "write '>' or '<'"},
        {"a reject size >1T\n", "write '>' or '<'"},
        {"a reject size >99999999999999999999G\n", "write '>' or '<'"},
        {"a reject size <0\n", "write '>' or '<'"},
        {"a reject header Subject\n", "behind the name of the field"},
        {"a reject header Subject: x\n", "without its colon"},
        {"a reject header /x/ y\n", "the name of a field comes first"},
        {"a reject not reply x\n", "rules:1:14: 'not' stands before a condition only"},
        {"a reject reply caf\xc3\xa9\n", "a reply is printable ASCII"},
        {"a reject name x\n reply a\n reply b\n", "rules:3:2: there is a reply already"},
        {"a reject name \xff\n", "rules:1:15: this is not UTF-8"},
        {"a reject exempt a\n", "rule a has no condition"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(cases[i].text, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        if (strstr(error->message, cases[i].wanted) == NULL)
            g_error("%s: '%s' is not in '%s'", cases[i].text, cases[i].wanted, error->message);
    }
}

/* All of them at once, so many. */
static void test_several_mistakes(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < POSTERN_RULE_DIAGNOSTICS_MAX + 5; i++)
        g_string_append(text, "a nothing\n");
    g_assert_null(parse(text->str, &error));
    g_assert_nonnull(strstr(error->message, "rules:20:3: "));
    g_assert_null(strstr(error->message, "rules:21:"));
    g_assert_nonnull(strstr(error->message, "and 5 more mistakes"));
}

static void test_limits(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i <= POSTERN_RULES_MAX; i++)
        g_string_append_printf(text, "r%u log files >1\n", i);
    g_assert_null(parse(text->str, &error));
    g_assert_nonnull(strstr(error->message, "rules:10001:1: there are more than 10000 rules"));
}

/* What is looked for first stands in all that fits; better none than a wrong one. */
static void test_literals(void)
{
    static const struct {
        const char *expression, *literal;
    } cases[] = {
        {"lottery", "lottery"},
        {"won .* prize", " prize"},
        {"a(bcd)ef", "ef"},
        {"abc?", "ab"},
        {"abcd*x", "abc"},
        {"ab+cd", "ab"},
        {"abc{2}d", "ab"},
        {"a|bcd", NULL},
        {"x[abc]yz", "yz"},
        {"\\bword\\b", "word"},
        {"1\\.exe$", "1.exe"},
        {"(?i)abc", NULL},
        {"\\x41bc", NULL},
        {"abc\\Q.\\E", NULL},
        {"[]abc]de", "de"},
        {"[[:alpha:]]bc", "bc"},
        {"a(b(c)d)(?:e)fg\\(", "fg("},
        {"caf\xc3\xa9s x", "caf"},
        {"ab{x}cd", "}cd"},
        {"(*UTF)abc", NULL},
        {"(?:ab)?", NULL},
        {"a", NULL},
        {"(a|b)cde(f|g)", "cde"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gsize offset = 0;
        g_autoptr(PosternPattern) pattern =
            postern_pattern_new_expression(cases[i].expression, (PosternPatternFlags){0}, &offset, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(postern_pattern_literal(pattern), ==, cases[i].literal);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rules_table/whole", test_whole);
    g_test_add_func("/rules_table/mistakes", test_mistakes);
    g_test_add_func("/rules_table/several_mistakes", test_several_mistakes);
    g_test_add_func("/rules_table/limits", test_limits);
    g_test_add_func("/rules_table/literals", test_literals);
    return g_test_run();
}
