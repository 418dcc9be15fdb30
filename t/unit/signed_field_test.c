/* Fields with long lines, folded for the next server. */
#include "mail/signed_field.h"

#include <string.h>

#include "base/limits.h"
#include "checks/signature/canonical.h"
#include "mail/edits.h"

/* The folded value of `Name: value` in a header of its own, or NULL; what must hold of it is checked. */
static char *fold(const char *name, const char *value)
{
    g_autofree char *text = g_strdup_printf("%s:%s\r\n\r\n", name, value);
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
    g_assert_cmpuint(header->fields->len, ==, 1);
    const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, 0);
    char *folded = postern_signed_field_fold(field);
    if (folded == NULL)
        return NULL;
    g_autofree char *again = g_strdup_printf("%s: %s\r\n\r\n", name, folded);
    g_autoptr(PosternHeader) other = postern_header_parse(again, strlen(again));
    const PosternHeaderField *changed = &g_array_index(other->fields, PosternHeaderField, 0);
    g_autoptr(GString) before = g_string_new(NULL);
    g_autoptr(GString) after = g_string_new(NULL);
    g_autoptr(PosternEdits) edits = postern_edits_new();
    postern_canonical_append_field(before, field, TRUE);
    postern_canonical_append_field(after, changed, TRUE);
    g_assert_cmpstr(before->str, ==, after->str);
    g_assert_false(postern_signed_field_is_long(changed));
    g_assert_true(postern_edits_change(edits, name, 0, folded));
    return folded;
}

static void test_cases(void)
{
    g_autofree char *limit = g_strnfill(POSTERN_SIGN_LINE_MAX_OCTETS, 'x');
    const char *word = limit + strlen("To: ");
    const struct {
        const char *before, *after;
        const char *wanted; /* NULL: it cannot be folded; %s is word */
    } cases[] = {
        {" ", "", "%s"},
        {"", " y", "%s\r\n y"},
        {"", " \t y z ", "%s\r\n \t y z "},
        {" a ", "", "a\r\n %s"},
        {"\r\n ", "", "%s"},
        {" a\r\n\t", "\r\n b", "a\r\n\t%s\r\n b"},
        {" ", "x", NULL},
        {" ", "   ", NULL}, /* the blanks would be a line of their own */
        {" a\r\n \r\n ", " b", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *value = g_strconcat(cases[i].before, word, cases[i].after, NULL);
        g_autofree char *found = fold("To", value);
        GString *wanted = g_string_new(cases[i].wanted);
        g_string_replace(wanted, "%s", word, 0);
        g_test_message("%zu", i);
        g_assert_cmpstr(found, ==, cases[i].wanted != NULL ? wanted->str : NULL);
        g_string_free(wanted, TRUE);
    }
}

static void test_random(void)
{
    static const char *const pieces[] = {"word", "x",     " ",        "  ",      "\t",
                                         ",",    "\r\n ", "\xc3\xa9", "\"a b\"", "=?utf-8?q?x?="};
    g_autoptr(GRand) random = g_rand_new_with_seed(998);
    guint folded_ones = 0;
    for (guint round = 0; round < 3000; round++) {
        g_autoptr(GString) value = g_string_new(NULL);
        guint count = (guint)g_rand_int_range(random, 0, 800);
        gint long_words = g_rand_int_range(random, 1, 300);
        for (guint i = 0; i < count; i++) {
            g_string_append(value, pieces[g_rand_int_range(random, 0, G_N_ELEMENTS(pieces))]);
            for (gint j = g_rand_int_range(random, 0, long_words); i % 40 == 0 && j > 0; j--)
                g_string_append_c(value, 'l');
        }
        g_autofree char *folded = fold("References", value->str);
        folded_ones += folded != NULL;
    }
    g_assert_cmpuint(folded_ones, >, 100);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/signed-field/cases", test_cases);
    g_test_add_func("/signed-field/random", test_random);
    return g_test_run();
}
