/*
 * What libmilter calls. The filter (milter/runtime.h) must have been started.
 */
#pragma once

#include <libmilter/mfapi.h>

/* The name of the filter in libmilter's own lines of the system log. */
#define POSTERN_MILTER_NAME "postern-milter"

/* For smfi_register(). */
struct smfiDesc postern_milter_callbacks(void);
