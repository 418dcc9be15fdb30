#include "proxy/servers/routes.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const groups[] = {"default", "inner", "lists", "users", NULL};
static const char *const classes[] = {"own", "other", NULL};

static const char table[] = "# who takes what\n"
                            "example.org inner\n"
                            "  .Example.ORG  lists # those below\n"
                            "a.sub.example.org default\n"
                            "joe@example.org users\n"
                            "joe+list@example.org lists\n"
                            "post+@example.org lists\n"
                            "xn--bcher-kva.example inner\n"
                            "fass.example users\n"
                            "cond.example lists sender=<>\n"
                            "cond.example users class=own listener=submission\n"
                            "cond.example inner sender=.partner.example\n"
                            "cond.example default sender=boss@example.net\n"
                            "order.example inner sender=.first.example\n"
                            "order.example users class=own\n"
                            "order.example lists sender=second.example\n"
                            "order.example default sender=a@x.first.example\n"
                            "order.example default sender=third.example\n"
                            "\r\n"
                            "* inner listener=submission\n";

static PosternRoutes *parse(const char *text, GError **error)
{
    g_autofree char *copy = g_strdup(text);
    return postern_routes_parse(copy, strlen(text), "routes", groups, classes, error);
}

static void test_find(void)
{
    static const struct {
        PosternRouteSubject subject;
        int group;
    } rows[] = {
        {{"b@example.org", "", "", FALSE}, 1},
        {{"B@EXAMPLE.ORG.", "", "", FALSE}, 1},
        {{"b@x.example.org", "", "", FALSE}, 2},
        {{"b@y.x.example.org", "", "", FALSE}, 2},
        {{"b@a.sub.example.org", "", "", FALSE}, 0},
        {{"b@c.a.sub.example.org", "", "", FALSE}, 2},
        {{"b@xexample.org", "", "", FALSE}, -1},
        {{"JOE@example.org", "", "", FALSE}, 3},
        {{"\"joe\"@example.org", "", "", FALSE}, 3},
        {{"joe+other@example.org", "", "", FALSE}, 3},
        {{"joe+list@example.org", "", "", FALSE}, 2},
        {{"joe+list+x@example.org", "", "", FALSE}, 3},
        {{"joey@example.org", "", "", FALSE}, 1},
        {{"+joe@example.org", "", "", FALSE}, 1},
        {{"joe@x.example.org", "", "", FALSE}, 2},
        {{"b@b\xc3\xbc"
          "cher.example",
          "", "", FALSE},
         1},
        {{"b@fa\xc3\x9f.example", "", "", FALSE}, -1}, /* by IDNA2008 another domain than fass.example */
        {{"b@b\xc3\xbc\xff.example", "", "", FALSE}, -1},
        {{"postmaster", "", "", FALSE}, -1},
        {{"", "", "", FALSE}, -1},
        {{"@", "", "", FALSE}, -1},
        {{"b@", "", "", FALSE}, -1},
        {{"b@[192.0.2.1]", "", "", FALSE}, -1},
        {{"*", "", "", FALSE}, -1},
        {{"b@elsewhere.example", "", "", TRUE}, 1},
        {{"b@cond.example", "", "own", TRUE}, 2},
        {{"b@cond.example", "a@b.example", "own", TRUE}, 3},
        {{"b@cond.example", "a@b.example", "other", TRUE}, 1}, /* of * */
        {{"b@cond.example", "a@x.partner.example", "", FALSE}, 1},
        {{"b@cond.example", "a@partner.example", "", FALSE}, -1},
        {{"b@cond.example", "Boss@Example.net", "", FALSE}, 0},
        {{"b@cond.example", "boss+x@example.net", "", FALSE}, -1},
        {{"b@cond.example", "postmaster", "", FALSE}, -1},
        {{"b@order.example", "a@x.first.example", "", FALSE}, 1},
        {{"b@order.example", "a@second.example", "", FALSE}, 2},
        {{"b@order.example", "a@third.example", "own", FALSE}, 3},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternRoutes) routes = parse(table, &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        int group = postern_routes_find(routes, &rows[i].subject);
        if (group != rows[i].group)
            g_error("row %" G_GSIZE_FORMAT ", %s: %d, not %d", i, rows[i].subject.recipient, group,
                    rows[i].group);
    }
}

static void test_lead(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternRoutes) routes = parse(table, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < 4; i++)
        g_assert_true(postern_routes_lead_to(routes, i));
    g_assert_false(postern_routes_lead_to(routes, 4));
    g_assert_true(postern_routes_lead_all_to(routes, 1));
    g_assert_false(postern_routes_lead_all_to(routes, 2));
}

static void test_mistakes(void)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"example.org", "routes: line 1: write DOMAIN GROUP"},
        {"\n\nexample.org # inner", "routes: line 3: write DOMAIN GROUP"},
        {"example.org iner", "there is no group [servers iner] (did you mean 'inner'?)"},
        {"example.org quite-another", "there is no group [servers quite-another]"},
        {"example..org inner", "'example..org'"},
        {"@example.org inner", "is not a local part"},
        {"joe@ inner", "''"},
        {".. inner", "'"},
        {"example.org inner\nEXAMPLE.org lists", "line 2: 'example.org' stands there already"},
        {"* inner\n* lists", "line 2: '*' stands there already"},
        {"example.org inner sender=", "'"},
        {"example.org inner sender=a b", "'"},
        {"example.org inner class=", "'class=' is none of sender="},
        {"example.org inner class=owm", "there is no group [class owm] (did you mean 'own'?)"},
        {"example.org inner\nexample.org lists sender=<>", "line 2: 'example.org' stands there already"},
        {"* inner sender=<>\n* lists sender=<>", "line 2: '*' stands there already"},
        {"example.org inner listener=both", "'listener=both' is none of"},
        {"example.org inner backup", "'backup' is none of"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(rows[i].text, &error));
        g_assert_nonnull(error);
        if (strstr(error->message, rows[i].says) == NULL ||
            !g_str_has_prefix(error->message, "routes: line "))
            g_error("'%s' says '%s'", rows[i].text, error->message);
    }
    g_autoptr(GError) error = NULL;
    char text[] = "example.org\0 inner\n";
    g_assert_null(postern_routes_parse(text, sizeof text - 1, "routes", groups, classes, &error));
    g_assert_nonnull(strstr(error->message, "octet 0"));
}

/* Each of many leads where it says; how long that takes is told, not judged. */
static void test_many(void)
{
    const guint count = 120000;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < count; i++)
        g_string_append_printf(text, i % 3 == 0 ? "user%u@d%u.example %s\n" : "d%u.x%u.example %s\n", i,
                               i % 1000, groups[i % 4]);
    gint64 start = g_get_monotonic_time();
    g_autoptr(PosternRoutes) routes =
        postern_routes_parse(text->str, text->len, "routes", groups, classes, &error);
    g_assert_no_error(error);
    g_test_message("%u routes in %.0f ms", count, (double)(g_get_monotonic_time() - start) / 1000);
    for (guint i = 0; i < count; i++) {
        g_autofree char *recipient =
            g_strdup_printf(i % 3 == 0 ? "user%u+x@d%u.example" : "b@d%u.x%u.example", i, i % 1000);
        const PosternRouteSubject subject = {.recipient = recipient, .sender = "", .class = ""};
        g_assert_cmpint(postern_routes_find(routes, &subject), ==, (int)(i % 4));
    }
}

/* Each of many senders too, of one recipient. */
static void test_many_senders(void)
{
    const guint count = 120000;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < count; i++)
        g_string_append_printf(text, "* %s sender=d%u.example\n", groups[i % 4], i);
    g_autoptr(PosternRoutes) routes =
        postern_routes_parse(text->str, text->len, "routes", groups, classes, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < count; i++) {
        g_autofree char *sender = g_strdup_printf("a@d%u.example", i);
        const PosternRouteSubject subject = {.recipient = "b@example.org", .sender = sender, .class = ""};
        g_assert_cmpint(postern_routes_find(routes, &subject), ==, (int)(i % 4));
    }
}

/* A FIFO that nobody writes into is not waited for. */
static void test_no_file(void)
{
    g_autofree char *folder = g_dir_make_tmp("routes-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "routes", NULL);
    g_autofree char *fifo = g_strdup_printf("%s: [proxy] routes cannot be read: it is no regular file", path);
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    g_assert_null(postern_routes_load(path, groups, classes, &error));
    g_assert_cmpstr(error->message, ==, fifo);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/routes/find", test_find);
    g_test_add_func("/routes/lead", test_lead);
    g_test_add_func("/routes/mistakes", test_mistakes);
    g_test_add_func("/routes/no_file", test_no_file);
    g_test_add_func("/routes/many", test_many);
    g_test_add_func("/routes/many_senders", test_many_senders);
    return g_test_run();
}
