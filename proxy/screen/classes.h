/*
 * The classes of clients ([class], [class NAME]): which one a client is of. Those of one configuration, which
 * must outlive them; immutable, for all threads.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"
#include "mail/envelope.h"
#include "proxy/screen/bucket.h"
#include "proxy/screen/shared_rate.h"

typedef struct {
    const char *name; /* of [class NAME]; "": [class] */
    const PosternClassOptions *options;
    PosternBucket *bucket;   /* all of its clients together; for all threads */
    PosternSharedRate *done; /* [POSTERN_COUNTS], likewise: what is limited by total_factor */
    gconstpointer user_data; /* of postern_classes_new() */
} PosternClass;

typedef struct PosternClasses PosternClasses;

/* user_data is for who finds a class. */
PosternClasses *postern_classes_new(const PosternConfiguration *configuration, gconstpointer user_data);
void postern_classes_free(PosternClasses *classes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternClasses, postern_classes_free)

/* Whether names matter. */
gboolean postern_classes_have_names(const PosternClasses *classes);

/* The class whose networks have the longest that client is in; else the first, by name, whose names have a
 * domain that name (verified, or NULL) is in; else [class]. Owned by classes. */
const PosternClass *postern_classes_find(const PosternClasses *classes, const PosternAddress *client,
                                         const char *name);
