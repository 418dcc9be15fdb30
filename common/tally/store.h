/*
 * The file of [report] store: rows by day, the policies that applied, and which reports were sent. Several
 * processes share it. One thread at a time.
 */
#pragma once

#include "base/database.h"
#include "tally/failures.h"
#include "tally/rows.h"

typedef struct PosternTallyStore PosternTallyStore;

typedef struct {
    const char *path;
    guint keep_days;
    guint max_rows;
    gboolean must_exist; /* for who only reads what others keep */
} PosternTallyStoreOptions;

/* path outlives it. *ret_aside: see postern_database_open(). NULL and error. */
PosternTallyStore *postern_tally_store_open(const PosternTallyStoreOptions *options, char **ret_aside,
                                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* See postern_database_check(). */
gboolean postern_tally_store_check(const char *path, gboolean by_its_user,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_tally_store_free(PosternTallyStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTallyStore, postern_tally_store_free)

/*
 * Adds rows and failures, all of them or, with FALSE and error, none. now: seconds since 1970, for the days
 * that are kept. *ret_lost: new rows that were left out, for their day has half of max_rows already.
 */
gboolean postern_tally_store_add(PosternTallyStore *store, const PosternTallyRows *rows,
                                 const PosternTallyFailures *failures, gint64 now, guint *ret_lost,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* For a file that is damaged; see postern_database_set_aside(). Free the store then. */
char *postern_tally_store_set_aside(PosternTallyStore *store, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* For is_current and is_damaged, and for who reads. Owned by store. */
PosternDatabase *postern_tally_store_database(PosternTallyStore *store);
