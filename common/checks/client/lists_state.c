#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/option.h"
#include "checks/client/client.h"
#include "checks/client/lists.h"

/* All but name and options is atomic: threads share it. */
typedef struct {
    const char *name;
    const PosternListOptions *options;
    gint test_at;  /* monotonic seconds */
    gint failures; /* in a row */
    gint sound;
    gint told; /* the log knows that it is not */
} List;

struct PosternLists {
    GArray *lists; /* of List */
};

PosternLists *postern_lists_new(const PosternConfiguration *configuration)
{
    PosternLists *self = g_new0(PosternLists, 1);
    g_autoptr(GPtrArray) names = postern_configuration_names(configuration, "list");
    self->lists = g_array_new(FALSE, FALSE, sizeof(List));
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        const List list = {.name = name, .options = g_hash_table_lookup(configuration->lists, name)};
        if (list.options->zone[0] != '\0')
            g_array_append_val(self->lists, list);
    }
    return self;
}

void postern_lists_free(PosternLists *lists)
{
    if (lists == NULL)
        return;
    g_array_unref(lists->lists);
    g_free(lists);
}

guint postern_lists_count(const PosternLists *lists)
{
    return lists->lists->len;
}

static void doubt(List *list, const char *why, gint now)
{
    g_atomic_int_set(&list->sound, FALSE);
    g_atomic_int_set(&list->failures, 0);
    g_atomic_int_set(&list->test_at, now + POSTERN_LIST_RETRY_MS / 1000);
    if (g_atomic_int_compare_and_exchange(&list->told, FALSE, TRUE))
        postern_log(POSTERN_LOG_WARNING, "[list %s] %s: %s; it is not asked until it passes its test",
                    list->name, list->options->zone, why);
}

static void believe(List *list, gint now)
{
    g_atomic_int_set(&list->sound, TRUE);
    g_atomic_int_set(&list->test_at, now + POSTERN_LIST_TEST_MS / 1000);
    if (g_atomic_int_compare_and_exchange(&list->told, TRUE, FALSE))
        postern_log(POSTERN_LOG_NOTICE, "[list %s] %s: is asked again", list->name, list->options->zone);
}

static void note_failure(List *list, gboolean failed, gint now)
{
    if (!failed)
        g_atomic_int_set(&list->failures, 0);
    else if (g_atomic_int_add(&list->failures, 1) + 1 >= POSTERN_LIST_FAILURES_MAX)
        doubt(list, "gave no answer, or no listing, several times in a row", now);
}

/* The test is due, and over: what comes of it. */
static void judge(List *list, PosternListed result, gint now)
{
    if (result == POSTERN_LISTED_YES)
        believe(list, now);
    else if (result == POSTERN_LISTED_NO)
        doubt(list, "lists everybody or nobody (RFC 5782 5: 127.0.0.2 has to be listed, 127.0.0.1 not)", now);
    else
        doubt(list, "does not answer its test (RFC 5782 5)", now);
}

static void add(PosternClientFinding *finding, const List *list, PosternListed listed)
{
    PosternClientListing *listing = g_new0(PosternClientListing, 1);
    listing->name = g_strdup(list->name);
    listing->zone = list->options->tell_zone ? g_strdup(list->options->zone) : NULL;
    listing->result = listed;
    listing->allow = list->options->allow;
    listing->weight = list->options->weight;
    g_ptr_array_add(finding->lists, listing);
    if (listed != POSTERN_LISTED_YES)
        return;
    finding->weight += listing->allow ? 0 : listing->weight;
    finding->vouched |= listing->allow;
}

gboolean postern_lists_check(PosternLists *lists, const PosternAddress *client, gint64 now,
                             PosternAnswers *answers, PosternClientFinding *finding)
{
    gboolean waiting = FALSE;
    gint seconds = (gint)(now / 1000);
    for (guint i = 0; i < lists->lists->len; i++) {
        List *list = &g_array_index(lists->lists, List, i);
        gboolean due = seconds >= g_atomic_int_get(&list->test_at);
        PosternListed test = due ? postern_list_test(list->options, answers) : POSTERN_LISTED_YES;
        if (due && test != POSTERN_LISTED_WAITING)
            judge(list, test, seconds);
        gboolean asked = due || g_atomic_int_get(&list->sound);
        waiting |= test == POSTERN_LISTED_WAITING ||
                   (asked && postern_list_look_up(list->options, client, answers) == POSTERN_LISTED_WAITING);
    }
    for (guint i = 0; i < lists->lists->len && !waiting && finding != NULL; i++) {
        List *list = &g_array_index(lists->lists, List, i);
        if (!g_atomic_int_get(&list->sound))
            continue;
        PosternListed listed = postern_list_look_up(list->options, client, answers);
        note_failure(list, listed == POSTERN_LISTED_FAILED, seconds);
        if (listed != POSTERN_LISTED_NO && listed != POSTERN_LISTED_WAITING)
            add(finding, list, listed);
    }
    return !waiting;
}
