#include "milter/reply.h"

static void test_reply(void)
{
    static const struct {
        const char *reply;
        const char *code;
        const char *enhanced;
        const char *text;
    } cases[] = {
        {"550 5.7.1 Message refused", "550", "5.7.1", "Message refused [id]"},
        {"451 4.7.24 100% sure, %s and %%", "451", "4.7.24", "100%% sure, %%s and %%%% [id]"},
        {"550 5.7.23 a", "550", "5.7.23", "a [id]"},
        {"550 5.7.1 ", "550", "5.7.1", " [id]"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternMilterReply) reply = postern_milter_reply_new(cases[i].reply, "id");
        g_assert_cmpstr(reply->code, ==, cases[i].code);
        g_assert_cmpstr(reply->enhanced, ==, cases[i].enhanced);
        g_assert_cmpstr(reply->text, ==, cases[i].text);
    }
}

/* What libmilter would not take, or would say otherwise than it is meant. */
static void test_no_reply(void)
{
    static const char *const replies[] = {"",           "550",           "550 5.7.1",  "250 2.0.0 fine",
                                          "55 5.7.1 x", "5500 5.7.1 xx", "5x0 5.7 xx", "550 4.7.1 mixed"};
    for (gsize i = 0; i < G_N_ELEMENTS(replies); i++)
        g_assert_null(postern_milter_reply_new(replies[i], "id"));
}

static char *describe(const GPtrArray *edits)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < edits->len; i++) {
        const PosternEdit *edit = g_ptr_array_index(edits, i);
        g_string_append_printf(text, "%c%s%u ", "+-="[edit->kind], edit -> name, edit -> occurrence);
    }
    return g_string_free(text, FALSE);
}

static void test_order(void)
{
    g_autoptr(PosternEdits) edits = postern_edits_new();
    postern_edits_remove(edits, "A", 0);
    postern_edits_insert(edits, "First", "1");
    postern_edits_remove(edits, "B", 2);
    postern_edits_remove(edits, "A", 3);
    postern_edits_insert(edits, "Top", "2");
    postern_edits_remove(edits, "A", 1);
    postern_edits_change(edits, "A", 2, "x");
    postern_edits_change(edits, "Subject", 0, "[x] y");
    g_autoptr(GPtrArray) order = postern_milter_edits_in_order(edits);
    g_autofree char *text = describe(order);
    g_assert_cmpstr(text, ==, "-A3 -B2 =A2 -A1 -A0 =Subject0 +First0 +Top0 ");
}

static void test_value(void)
{
    g_autoptr(PosternEdits) edits = postern_edits_new();
    postern_edits_insert(edits, "A", "mx; none\r\n\tx=y\r\n z");
    g_autofree char *with = postern_milter_edit_value(g_ptr_array_index(edits->list, 0), TRUE);
    g_autofree char *without = postern_milter_edit_value(g_ptr_array_index(edits->list, 0), FALSE);
    g_assert_cmpstr(with, ==, " mx; none\n\tx=y\n z");
    g_assert_cmpstr(without, ==, "mx; none\n\tx=y\n z");
}

static void test_quarantine(void)
{
    g_autoptr(PosternEdits) edits = postern_edits_new();
    g_autofree char *plain = postern_milter_quarantine_reason(edits, "spf_fail", "id");
    g_assert_cmpstr(plain, ==, "postern: spf_fail [id]");
    g_autofree char *bare = postern_milter_quarantine_reason(edits, NULL, "id");
    g_assert_cmpstr(bare, ==, "postern: policy [id]");
    postern_edits_remove(edits, "Postern-Quarantine", 0);
    postern_edits_insert(edits, "Postern-Quarantine", "virus: 50% Name");
    g_autofree char *told = postern_milter_quarantine_reason(edits, "virus", "id");
    g_assert_cmpstr(told, ==, "postern: virus: 50%% Name [id]");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/milter-reply/reply", test_reply);
    g_test_add_func("/milter-reply/none", test_no_reply);
    g_test_add_func("/milter-reply/order", test_order);
    g_test_add_func("/milter-reply/value", test_value);
    g_test_add_func("/milter-reply/quarantine", test_quarantine);
    return g_test_run();
}
