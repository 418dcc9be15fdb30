/*
 * DNS lists of addresses (RFC 5782): is a client on one? Pure: looks up in answers, and notes what is missing
 * there. A list that does not answer, or whose answer is no listing, never lists anybody.
 */
#pragma once

#include "base/configuration.h"
#include "checks/client/finding.h"
#include "dns/answers.h"
#include "mail/envelope.h"

/* Whether client is on list, with one of its codes. Private addresses are on none, and are not asked for. */
PosternListed postern_list_look_up(const PosternListOptions *list, const PosternAddress *client,
                                   PosternAnswers *answers);

/* RFC 5782 5: a list has 127.0.0.2, and has not 127.0.0.1. YES: it is as it should be; NO: it is not, and
 * would list everybody or nobody. */
PosternListed postern_list_test(const PosternListOptions *list, PosternAnswers *answers);

/* The lists of a configuration, which must outlive them, and which of them can be believed; for all threads.
 */
typedef struct PosternLists PosternLists;

PosternLists *postern_lists_new(const PosternConfiguration *configuration);
void postern_lists_free(PosternLists *lists);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternLists, postern_lists_free)

/* How many there are. */
guint postern_lists_count(const PosternLists *lists);

/*
 * TRUE: finding has what the lists that can be believed say of client; those whose time has come have been
 * tested. FALSE: answers lacks something; ask, and call again. finding NULL: nothing is concluded yet. now:
 * monotonic milliseconds.
 */
gboolean postern_lists_check(PosternLists *lists, const PosternAddress *client, gint64 now,
                             PosternAnswers *answers, PosternClientFinding *finding);
