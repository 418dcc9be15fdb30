/*
 * The table of routes: any octets; then recipients and senders that are parts of it. Errors name a line, and
 * what is found is a group that the table leads to.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "proxy/servers/routes.h"

static const char *const groups[] = {"default", "a", "b", NULL};
static const char *const classes[] = {"own", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const PosternRoutes *routes, const char *recipient, const char *sender, guint number)
{
    const PosternRouteSubject subject = {.recipient = recipient,
                                         .sender = sender,
                                         .class = number % 2 == 0 ? "" : "own",
                                         .submission = number % 4 >= 2};
    int group = postern_routes_find(routes, &subject);
    g_assert_cmpint(group, >=, -1);
    g_assert_true(group < 0 || postern_routes_lead_to(routes, (guint)group));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *octets = g_malloc0(size + 1);
    memcpy(octets, data, size);
    g_autoptr(PosternRoutes) routes = postern_routes_parse(octets, size, "routes", groups, classes, &error);
    g_assert_true((routes == NULL) == (error != NULL));
    if (routes == NULL) {
        g_assert_true(g_str_has_prefix(error->message, "routes: line "));
        return 0;
    }
    g_auto(GStrv) words = g_strsplit_set(text, " \t\r\n", 64);
    for (guint i = 0; words[i] != NULL; i++) {
        g_autofree char *mailbox = g_strconcat("user@", words[i], NULL);
        look_up(routes, words[i], words[0], i);
        look_up(routes, mailbox, words[i], i);
    }
    return 0;
}
