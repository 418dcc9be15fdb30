#include "wire/tag_list.h"

#include <string.h>

#include <glib.h>

#include "base/limits.h"
#include "trickle.h"

static void show(const char *text)
{
    g_autofree char *escaped = g_strescape(text, NULL);

    g_test_message("%s", escaped);
}

static PosternTagList *parse(const char *text, gsize length)
{
    g_autofree char *copy = trickle_copy(text, length);
    const char *problem = NULL;
    PosternTagList *list = postern_tag_list_parse(copy, length, &problem);

    g_assert_cmpint(list == NULL, ==, problem != NULL);
    return list;
}

/* `name=[value]` of each tag, one behind the other. */
static char *join(const PosternTagList *list)
{
    g_autoptr(GString) joined = g_string_new(NULL);

    g_assert_cmpuint(list->names->len, ==, list->values->len);
    for (guint i = 0; i < list->names->len; i++)
        g_string_append_printf(joined, "%s=[%s]", (const char *)g_ptr_array_index(list->names, i),
                               (const char *)g_ptr_array_index(list->values, i));
    return g_string_free(g_steal_pointer(&joined), FALSE);
}

static const struct {
    const char *text;
    const char *joined; /* NULL: refused */
} lists[] = {
    {"v=1", "v=[1]"},
    {"v=DKIM1; k=rsa; p=MIGf", "v=[DKIM1]k=[rsa]p=[MIGf]"},
    {"v=1;a=b;", "v=[1]a=[b]"},
    {"v=1; ", "v=[1]"},
    {"v=1;\r\n ", "v=[1]"},
    {" v = 1 ; a\t=\tb ", "v=[1]a=[b]"},
    {"p=", "p=[]"},
    {"p= ;t=s", "p=[]t=[s]"},
    {"b=YWJj\r\n\tZGVm; d=example.org", "b=[YWJj\r\n\tZGVm]d=[example.org]"},
    {"\r\n v=1;\r\n\ta=b\r\n ;c=d", "v=[1]a=[b]c=[d]"},
    {"v=1\r\n \r\n ;a=b", "v=[1]a=[b]"},
    {"b=a=b==", "b=[a=b==]"},
    {"h=from : to", "h=[from : to]"},
    {"V=1;v=2", "V=[1]v=[2]"},
    {"a_1=x", "a_1=[x]"},
    {"n=\303\244", "n=[\303\244]"},
    {"x=!\"#$%&'()*+,-./:<=>?@[\\]^_`{|}~", "x=[!\"#$%&'()*+,-./:<=>?@[\\]^_`{|}~]"},

    {"", NULL},
    {" ", NULL},
    {";", NULL},
    {"v", NULL},
    {"v=1;;a=b", NULL},
    {";v=1", NULL},
    {"v=1; ;", NULL},
    {"=1", NULL},
    {"1v=1", NULL},
    {"_v=1", NULL},
    {"v-w=1", NULL},
    {"v w=1", NULL},
    {"v=1;v=2", NULL},
    {"v=1;a=b; v=1", NULL},
    {"v=1\n", NULL},
    {"v=1\r\n", NULL},
    {"v=1\r\n;a=b", NULL},
    {"v=1\r a", NULL},
    {"v=1\n a", NULL},
    {"v=a\001b", NULL},
    {"v=a\177b", NULL},
    {"n=\344", NULL},
    {"n=\303", NULL},
};

static void test_lists(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(PosternTagList) list = parse(lists[i].text, strlen(lists[i].text));

        show(lists[i].text);
        g_assert_cmpint(list != NULL, ==, lists[i].joined != NULL);
        if (list != NULL) {
            g_autofree char *joined = join(list);

            g_assert_cmpstr(joined, ==, lists[i].joined);
        }
    }
}

/* A list that is cut anywhere is a shorter list, or refused, and never read past its end. */
static void test_every_prefix(void)
{
    static const char text[] = " v=1;\r\n\ta=rsa-sha256 ; b=YWJj\r\n ZGVm; d=\303\244.example;";

    for (gsize length = 0; length < sizeof(text); length++) {
        g_autoptr(PosternTagList) list = parse(text, length);

        if (list == NULL)
            continue;
        g_assert_cmpstr(postern_tag_list_get(list, "v"), ==, length < strlen(" v=1") ? "" : "1");
    }
    g_assert_null(parse("v=1;n=\0", 7));
}

static void test_get(void)
{
    g_autoptr(PosternTagList) list = parse("v=1; D=x; d=example.org; p=", 27);

    g_assert_cmpstr(postern_tag_list_get(list, "d"), ==, "example.org");
    g_assert_cmpstr(postern_tag_list_get(list, "p"), ==, "");
    g_assert_null(postern_tag_list_get(list, "P"));
    g_assert_null(postern_tag_list_get(list, "s"));
}

static void test_count(void)
{
    for (guint count = POSTERN_DKIM_TAGS_MAX; count <= POSTERN_DKIM_TAGS_MAX + 1; count++) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(PosternTagList) list = NULL;

        for (guint i = 0; i < count; i++)
            g_string_append_printf(text, "x%u=1;", i);
        list = parse(text->str, text->len);
        g_assert_cmpint(list != NULL, ==, count <= POSTERN_DKIM_TAGS_MAX);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/tag-list/lists", test_lists);
    g_test_add_func("/wire/tag-list/every-prefix", test_every_prefix);
    g_test_add_func("/wire/tag-list/get", test_get);
    g_test_add_func("/wire/tag-list/count", test_count);
    return g_test_run();
}
