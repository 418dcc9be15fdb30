/*
 * Parameters of delivery status notifications (RFC 3461 4, RFC 6533 3).
 */
#pragma once

#include <glib.h>

/* TRUE if keyword (case ignored) is one of MAIL's (RET, ENVID), or of RCPT's (NOTIFY, ORCPT). */
gboolean postern_dsn_is_parameter(const char *keyword, gboolean of_recipient);

/* Why value, or NULL: there is none, cannot stand behind such a keyword: a static reply, "501 5.5.4 text".
 * NULL: it can. */
const char *postern_dsn_problem(const char *keyword, const char *value);
