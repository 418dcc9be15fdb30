#include "dns/resolver_health.h"

#include <string.h>

#include "base/limits.h"

typedef struct {
    guint reports;
    gboolean answers;
} Seen;

static void report(gboolean answers, const char *text, gpointer user_data)
{
    Seen *seen = user_data;
    *seen = (Seen){seen->reports + 1, answers};
    g_assert_true((strstr(text, "questions in a row have failed for 5 s") == NULL) == answers);
}

/* Fails count questions, each about a domain of its own, in the second. */
static void fail(PosternResolverHealth *health, guint count, guint second)
{
    for (guint i = 0; i < count; i++) {
        g_autofree char *domain = g_strdup_printf("d%u.example", i);
        postern_resolver_health_note(health, domain, FALSE, second * G_USEC_PER_SEC);
    }
}

static void test_one_line_a_change(void)
{
    Seen seen = {0};
    g_autoptr(PosternResolverHealth) health = postern_resolver_health_new(report, &seen);
    postern_resolver_health_note(health, "a.example", TRUE, 0);
    fail(health, POSTERN_RESOLVER_DEAD_QUESTIONS, 1);
    g_assert_cmpuint(seen.reports, ==, 0);
    for (guint second = 2; second < 100; second++)
        fail(health, POSTERN_RESOLVER_DEAD_QUESTIONS, second);
    g_assert_cmpuint(seen.reports, ==, 1);
    g_assert_false(seen.answers);
    for (guint i = 0; i < 10; i++)
        postern_resolver_health_note(health, "a.example", TRUE, 100 * G_USEC_PER_SEC);
    g_assert_cmpuint(seen.reports, ==, 2);
    g_assert_true(seen.answers);
}

static void test_one_dead_domain_is_not_all(void)
{
    Seen seen = {0};
    g_autoptr(PosternResolverHealth) health = postern_resolver_health_new(report, &seen);
    for (guint second = 0; second < 1000; second++)
        postern_resolver_health_note(health, "lame.example", FALSE, second * G_USEC_PER_SEC);
    g_assert_cmpuint(seen.reports, ==, 0);
}

static void test_an_answer_between(void)
{
    Seen seen = {0};
    g_autoptr(PosternResolverHealth) health = postern_resolver_health_new(report, &seen);
    for (guint second = 0; second < 1000; second++) {
        fail(health, POSTERN_RESOLVER_DEAD_QUESTIONS - 1, second);
        postern_resolver_health_note(health, "a.example", TRUE, second * G_USEC_PER_SEC);
    }
    g_assert_cmpuint(seen.reports, ==, 0);
    postern_resolver_health_note(NULL, "a.example", TRUE, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resolver-health/one-line-a-change", test_one_line_a_change);
    g_test_add_func("/resolver-health/one-dead-domain-is-not-all", test_one_dead_domain_is_not_all);
    g_test_add_func("/resolver-health/an-answer-between", test_an_answer_between);
    return g_test_run();
}
