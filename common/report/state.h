/*
 * What became of the reports of a day, in the store: by domain; "": the day's summary.
 */
#pragma once

#include "base/database.h"

/* SENDING: the mail server may have taken it, and it is never sent again. */
#define POSTERN_REPORT_FAILED "failed"
#define POSTERN_REPORT_SENDING "sending"
#define POSTERN_REPORT_SENT "sent"
#define POSTERN_REPORT_REFUSED "refused"

/*
 * One process sends at a time: two would both find a report that is still to be sent. A descriptor that holds
 * the right until it is closed; store: the path of [report] store. -1 and error.
 */
int postern_report_lock(const char *store, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Notes state, and tried more tries. */
gboolean postern_report_set_state(PosternDatabase *database, guint day, const char *domain, const char *state,
                                  guint tried, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* *ret_due: it is still to be sent: never tried, or it failed less than POSTERN_REPORT_TRIES_MAX times. */
gboolean postern_report_is_due(PosternDatabase *database, guint day, const char *domain, gboolean *ret_due,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
