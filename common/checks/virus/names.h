/*
 * What libclamav's own words mean: names of what it found, warnings, statuses.
 */
#pragma once

#include <clamav.h>

#include "verdict/findings.h"

/* TRUE: name is no virus but what *ret_kind says. */
gboolean postern_virus_names_kind(const char *name, PosternVirusKind *ret_kind);

/* What a warning or an error message is about. */
PosternVirusKind postern_virus_names_message(const char *text);

/* Of a scan that did not end well. */
PosternVirusKind postern_virus_names_status(cl_error_t status);
