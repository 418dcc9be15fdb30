/*
 * What the pool remembers of messages by their fingerprint (mail/fingerprint.h): what was found in those that
 * took long, for their clients may have given up and come again; and those that cost workers. Bounded: what
 * was not asked for longest goes first, of each kind for itself, so that no number of slow messages drives
 * out one that kills, and no number of messages that killed once one that did twice. In balanced trees, for
 * senders choose what the keys are of. Pure; times are monotonic microseconds.
 */
#pragma once

#include <glib.h>

#include "mail/fingerprint.h"

typedef struct PosternMemory PosternMemory;

PosternMemory *postern_memory_new(void);
void postern_memory_free(PosternMemory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMemory, postern_memory_free)

/* Keeps findings (octets nobody looks into; a reference is taken), made by the signatures and options of
 * version, a text. */
void postern_memory_keep(PosternMemory *memory, const guint8 *fingerprint, const char *version,
                         GBytes *findings);
/* What was kept, owned by memory until its next call, or NULL: nothing, or by another version. */
GBytes *postern_memory_find(PosternMemory *memory, const guint8 *fingerprint, const char *version);

/* A message of user's programs cost a worker. TRUE: it is the second that it cost, as far as is known; it is
 * one that kills from now on, for POSTERN_INSPECTOR_KILLER_SECONDS. */
gboolean postern_memory_note_death(PosternMemory *memory, guint user, const guint8 *fingerprint, gint64 now);
/* TRUE if it is one that kills. */
gboolean postern_memory_kills(PosternMemory *memory, guint user, const guint8 *fingerprint, gint64 now);
/* Forgets who killed: what killed may do so no more. */
void postern_memory_forgive(PosternMemory *memory);
