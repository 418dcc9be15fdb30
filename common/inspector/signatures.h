/*
 * The signatures of a template that scans: loads and proves them, and says for as long as it lasts what is
 * wrong with them.
 */
#pragma once

#include "base/log.h"
#include "checks/check.h"
#include "inspector/signature_watch.h"

typedef struct {
    const PosternConfiguration *configuration;
    const char *directory; /* for temporary files */
    guint64 at_least;      /* 0: nothing serves; else fewer must not take the place of those that do */
    gboolean background;   /* others serve: nothing is to wait for us */
    const GPtrArray *held; /* what is loaded if the others cannot be (inspector/held_files.h); may be empty */
    gboolean only_held;    /* the others have ended the process that loaded them */
    void (*log)(PosternLogLevel level, const char *text, gpointer log_data);
    gpointer log_data;
} PosternSignaturesOptions;

typedef struct {
    const PosternSignaturesOptions *options;
    PosternSignatureWatch *watch; /* of the files as they were before they were loaded */
    guint count;                  /* with that of the EICAR test; 0: no message can be scanned */
    const char *problem;          /* why: engines->virus_problem; or NULL */
    char *fallback;               /* why those that are held were loaded, or NULL */
    char *warning;                /* or NULL */
    GPtrArray *files;             /* that were loaded, held open: only if [virus] reload needs that */
    gint64 built;                 /* the newest of them: Unix time, 0: not known */
    gint64 remind;                /* monotonic: when to tell again */
} PosternSignatures;

/*
 * Loads the whole of them into engines->virus, or else none: then engines->virus_problem says why, and what
 * else a worker checks it checks without them; or, if at_least is not 0 and none are held, FALSE and error.
 * Uses engines->content. signatures begins as {options}, and keeps options.
 */
gboolean postern_signatures_load(PosternSignatures *signatures, PosternEngines *engines,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Sends the pool what is to be held of those that were loaded. FALSE: it is gone. */
gboolean postern_signatures_hand_over(const PosternSignatures *signatures, int socket);

/* The monotonic time at which postern_signatures_check() is due, microseconds. */
gint64 postern_signatures_due(const PosternSignatures *signatures);

/* To be called when it is due, and when the watch is readable: says again what is wrong, each [virus]
 * reminder. TRUE: they should be loaded anew: the files have changed, or it is time to try again. */
gboolean postern_signatures_check(PosternSignatures *signatures);
