#include "base/identifier.h"

#include <string.h>

#define THREADS 4
#define IDS 5000

static void assert_form(const char *text)
{
    g_assert_cmpuint(strlen(text), ==, POSTERN_IDENTIFIER_LENGTH);
    for (const char *octet = text; *octet != '\0'; octet++)
        g_assert_true(g_ascii_isalnum(*octet));
}

static void test_form(void)
{
    PosternIdentifier first = postern_identifier_new();
    PosternIdentifier second = postern_identifier_new();
    assert_form(first.text);
    assert_form(second.text);
    g_assert_cmpstr(first.text, !=, second.text);
    g_assert_cmpint(strncmp(first.text, second.text, POSTERN_IDENTIFIER_RUN_LENGTH), ==, 0);
}

static void test_ours(void)
{
    PosternIdentifier ours = postern_identifier_new();
    g_assert_true(postern_identifier_is_ours(ours.text, POSTERN_IDENTIFIER_LENGTH));
    g_assert_false(postern_identifier_is_ours(ours.text, POSTERN_IDENTIFIER_LENGTH - 1));
    g_assert_false(postern_identifier_is_ours(NULL, POSTERN_IDENTIFIER_LENGTH));

    char unended[POSTERN_IDENTIFIER_LENGTH];
    memcpy(unended, ours.text, sizeof unended);
    g_assert_true(postern_identifier_is_ours(unended, sizeof unended));
}

static void test_not_ours(void)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    PosternIdentifier ours = postern_identifier_new();

    for (guint i = 0; i < POSTERN_IDENTIFIER_RUN_LENGTH; i++) {
        PosternIdentifier other = ours;
        other.text[i] = other.text[i] == 'a' ? 'b' : 'a';
        g_assert_false(postern_identifier_is_ours(other.text, POSTERN_IDENTIFIER_LENGTH));
    }
    for (guint i = 0; i < POSTERN_IDENTIFIER_LENGTH; i++) {
        PosternIdentifier other = ours;
        other.text[i] = '-';
        g_assert_false(postern_identifier_is_ours(other.text, POSTERN_IDENTIFIER_LENGTH));
        other.text[i] = '\0';
        g_assert_false(postern_identifier_is_ours(other.text, POSTERN_IDENTIFIER_LENGTH));
    }
    /* Of this run, but a number that it has not come to yet. */
    PosternIdentifier future = ours;
    future.text[POSTERN_IDENTIFIER_RUN_LENGTH] = alphabet[sizeof alphabet - 2];
    g_assert_false(postern_identifier_is_ours(future.text, POSTERN_IDENTIFIER_LENGTH));
}

static gpointer make_ids(gpointer data)
{
    PosternIdentifier *ids = data;
    for (guint i = 0; i < IDS; i++)
        ids[i] = postern_identifier_new();
    return NULL;
}

static void test_unique_in_threads(void)
{
    g_autofree PosternIdentifier *ids = g_new0(PosternIdentifier, THREADS * IDS);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GThread *threads[THREADS];

    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("identifier", make_ids, ids + i * IDS);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < THREADS * IDS; i++) {
        assert_form(ids[i].text);
        g_assert_true(g_hash_table_add(seen, ids[i].text));
        g_assert_true(postern_identifier_is_ours(ids[i].text, POSTERN_IDENTIFIER_LENGTH));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/identifier/form", test_form);
    g_test_add_func("/identifier/ours", test_ours);
    g_test_add_func("/identifier/not-ours", test_not_ours);
    g_test_add_func("/identifier/unique-in-threads", test_unique_in_threads);
    return g_test_run();
}
