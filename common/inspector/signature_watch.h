/*
 * Notices that the files of [virus] database are others than those that were loaded: freshclam has fetched
 * new ones, or an administrator has mended them. For a template, which polls.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"

typedef struct PosternSignatureWatch PosternSignatureWatch;

/* The files are about to be loaded as they are now (base/signature_files.h). Nothing is watched if
 * configuration says so: [virus] self_check, or no scan. It is there as long as the process. */
PosternSignatureWatch *postern_signature_watch_new(const PosternConfiguration *configuration);

/* Becomes readable when something has changed there, or in the folder above; -1: the kernel does not tell. */
int postern_signature_watch_descriptor(const PosternSignatureWatch *watch);
/* When postern_signature_watch_look() is due next: monotonic microseconds; G_MAXINT64: never. */
gint64 postern_signature_watch_due(const PosternSignatureWatch *watch);

/*
 * To be called when the descriptor is readable and when it is due. TRUE, once for each state of them: the
 * files are others than those that were loaded, and have stayed the same for a moment.
 */
gboolean postern_signature_watch_look(PosternSignatureWatch *watch);
