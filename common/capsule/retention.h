/*
 * The room that capsules take in a directory. Inner part of capsule/store.h.
 */
#pragma once

#include <glib.h>

/*
 * Removes from directory (a descriptor) the capsules that are older than age_ms, then the oldest until all
 * that stay have at most octets, and what writers that died have left half done. Returns the octets that
 * stay.
 */
guint64 postern_retention_tidy(int directory, guint64 octets, guint age_ms);
