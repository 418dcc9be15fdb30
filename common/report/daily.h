/*
 * `postern-report daily`: what happened on a day, for the administrator.
 */
#pragma once

#include "base/configuration.h"
#include "tally/store.h"

/* The page of day (since 1970, UTC) as text, or as HTML; a new string, or NULL and error. */
char *postern_daily_page(PosternTallyStore *store, guint day, gboolean html,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Mails it to an address, both as text and as HTML, from [report] email. again: also if this day's was sent
 * before. *ret_left: it is to be tried again. FALSE and error.
 */
gboolean postern_daily_send(const PosternConfiguration *configuration, PosternTallyStore *store, guint day,
                            const char *to, gboolean again, gboolean *ret_left,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
