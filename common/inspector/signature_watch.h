/*
 * Notices that the files of [virus] database are others than those that were loaded: freshclam has fetched
 * new ones, or an administrator has mended them.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "base/configuration.h"

typedef struct PosternSignatureWatch PosternSignatureWatch;

/* TRUE: they are being loaded now. FALSE: not yet; it is called again soon. */
typedef gboolean (*PosternSignaturesChanged)(gpointer user_data);

/* Nothing is watched yet. changed is called from loop. */
PosternSignatureWatch *postern_signature_watch_new(struct event_base *loop, PosternSignaturesChanged changed,
                                                   gpointer user_data);
void postern_signature_watch_free(PosternSignatureWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternSignatureWatch, postern_signature_watch_free)

/*
 * The files of [virus] database (base/signature_files.h) are about to be loaded: changed is called once they
 * are others, and have stayed the same for a moment; a look each [virus] self_check. 0, or no scan: never.
 */
void postern_signature_watch_begin(PosternSignatureWatch *watch, const PosternConfiguration *configuration);
