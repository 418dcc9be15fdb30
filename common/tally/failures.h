/*
 * Failures that wait for the store of [report]: like ones counted together, few of each domain and hour.
 */
#pragma once

#include "base/database.h"
#include "tally/failure.h"

typedef struct PosternTallyFailures PosternTallyFailures;

/* At most rate different ones of a domain and hour (RFC 9991 8.1). */
PosternTallyFailures *postern_tally_failures_new(guint rate);
void postern_tally_failures_free(PosternTallyFailures *failures);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTallyFailures, postern_tally_failures_free)

/* TRUE: failure is one more of what is known, or there is no room for it; it needs no text. FALSE: add it. */
gboolean postern_tally_failures_count(PosternTallyFailures *failures, const PosternTallyFailure *failure);
/* Takes failure over, which has its text. */
void postern_tally_failures_add(PosternTallyFailures *failures, PosternTallyFailure *failure);
/* Different ones. */
guint postern_tally_failures_length(const PosternTallyFailures *failures);

/* The table that they are kept in, for the schema of the store. */
extern const char postern_tally_failures_schema[];
/*
 * Adds them (NULL: none) to the table, within a transaction of the caller's; those of a domain and hour that
 * has its rate already, or beyond maximum in all, are left out. FALSE and error.
 */
gboolean postern_tally_failures_write(const PosternTallyFailures *failures, PosternDatabase *database,
                                      guint maximum, GError **error) G_GNUC_WARN_UNUSED_RESULT;
