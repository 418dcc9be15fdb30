/*
 * Where a daemon keeps capsules: [capsule] directory, which, size, age. Written by a thread of its own, so
 * that neither a loop nor a session waits for a disk. Trouble with it never touches the mail: it is told in
 * the log's words, at most once a minute, through warn.
 *
 * The directory belongs to the daemon's user alone (mode 0700, files 0600). Several daemons of one user may
 * share it. Names are SESSION-TIME.capsule, TIME in UTC to the microsecond. The oldest go when all take more
 * room than size; those over age go within a minute.
 */
#pragma once

#include "capsule/capsule.h"

/* From the store's thread: what is wrong, and how many capsules were lost since the last time. */
typedef void (*PosternCapsuleWarn)(const char *text, guint lost, gpointer user_data);

typedef struct PosternCapsuleStore PosternCapsuleStore;

/*
 * Makes [capsule] directory if it is missing, gives it to user if this process is root, and opens it:
 * before privileges are dropped. *ret_store is NULL if no directory is set up. FALSE and error: it cannot
 * be had, or it is not a directory of that user's alone.
 */
gboolean postern_capsule_store_open(const PosternConfiguration *configuration, const char *user,
                                    PosternCapsuleWarn warn, gpointer user_data,
                                    PosternCapsuleStore **ret_store,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Starts its thread, once threads may exist. store may be NULL. */
void postern_capsule_store_start(PosternCapsuleStore *store);

/* Goes by which, size and age of configuration from now on; store may be NULL. Any thread. */
void postern_capsule_store_reload(PosternCapsuleStore *store, const PosternConfiguration *configuration);

/* TRUE if a message with that verdict is to be kept; store may be NULL. Any thread. */
gboolean postern_capsule_store_wants(PosternCapsuleStore *store, const PosternVerdict *verdict);

/*
 * Keeps capsule (taken over), under session's name; its versions are filled in. Returns at once: if as
 * much as is allowed waits already, it is lost, and counted. Its answers must not change any more: the
 * store's thread reads them. Any thread.
 */
void postern_capsule_store_put(PosternCapsuleStore *store, PosternCapsule *capsule, const char *session);

/* Writes what waits, and ends. store may be NULL. */
void postern_capsule_store_free(PosternCapsuleStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternCapsuleStore, postern_capsule_store_free)
