/*
 * Where greylisting keeps whom it knows: an interface, so that several machines may share one store. All of
 * it runs on one thread that does nothing else, and may block.
 */
#pragma once

#include <glib.h>

/* What is kept of an identity; seconds since 1970. */
typedef struct {
    gint64 first; /* when it was new */
    gint64 last;  /* when it was seen last */
    gboolean passed;
} PosternGreylistEntry;

/* How long things last. */
typedef struct {
    guint delay_s;    /* until it may come back */
    guint window_s;   /* from first: until it must have */
    guint lifetime_s; /* from last: how long one that has is known */
} PosternGreylistTimes;

/* Judges an identity that is seen now, and brings entry (zeroed: it is not known) up to date. Seconds that it
 * has to wait; 0: it passes. Pure. *ret_is_new: it begins to wait now. */
guint postern_greylist_judge(PosternGreylistEntry *entry, const PosternGreylistTimes *times, gint64 now,
                             gboolean *ret_is_new);

typedef struct PosternGreylistStore PosternGreylistStore;

typedef struct {
    /* Around each batch: what was put is kept whatever happens to the process once end() has said TRUE. FALSE
     * and error: nothing of the batch is kept. begin() opens what is not open. */
    gboolean (*begin)(PosternGreylistStore *store, GError **error);
    gboolean (*end)(PosternGreylistStore *store, GError **error);
    /* *ret_entry is zeroed if there is none. */
    gboolean (*get)(PosternGreylistStore *store, const char *identity, PosternGreylistEntry *ret_entry,
                    GError **error);
    gboolean (*put)(PosternGreylistStore *store, const char *identity, const PosternGreylistEntry *entry,
                    GError **error);
    /* After a failure: TRUE if what was at fault is out of the way, so that the batch may be tried again. */
    gboolean (*mend)(PosternGreylistStore *store);
    void (*free)(PosternGreylistStore *store);
} PosternGreylistStoreFunctions;

/* The head of each. */
struct PosternGreylistStore {
    const PosternGreylistStoreFunctions *functions;
};

typedef struct {
    const char *path;   /* of a file that is made if there is none; "": in memory, and forgotten at the end */
    guint entries_max;  /* more: those go first that have not passed, the oldest of them first */
    guint64 octets_max; /* of the file */
    PosternGreylistTimes times;
} PosternGreylistStoreOptions;

/* SQLite: a file that several processes of one machine may share; it is opened by the first begin(). One that
 * is damaged is set aside by mend(); one of a newer version is left alone, and begin() fails. */
PosternGreylistStore *
postern_greylist_sqlite_new(const PosternGreylistStoreOptions *options) G_GNUC_WARN_UNUSED_RESULT;
/* See postern_database_check(). */
gboolean postern_greylist_sqlite_check(const char *path, gboolean by_its_user,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
