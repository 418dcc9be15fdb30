/*
 * ARC-Authentication-Results (RFC 8617 4.1.1): what a sealer says that it found.
 */
#pragma once

#include <glib.h>

/* The instance: the number in `i=N;` at the beginning; 0: there is none, or none from 1 to
 * POSTERN_ARC_SETS_MAX. */
guint postern_arc_results_instance(const char *value, gsize length);

/*
 * The result of dmarc and its header.from, in new lower-case strings; NULL if it has none, or two, or they
 * are quoted.
 */
void postern_arc_results_dmarc(const char *value, gsize length, char **ret_result, char **ret_domain);
