/*
 * What libclamav's own words mean: names of what it found, warnings, statuses.
 */
#pragma once

#include <clamav.h>

#include "verdict/findings.h"

/* TRUE: name is no virus but what *ret_kind says. */
gboolean postern_virus_names_kind(const char *name, PosternVirusKind *ret_kind);

/* TRUE: it is a limit on the structure of mail. shallow: no file within files was deep enough to meet the one
 * that both have in common. */
gboolean postern_virus_names_is_mail_limit(const char *name, gboolean shallow);

/* A warning or an error message. TRUE: it is about the structure of mail alone, of which we have a reading of
 * our own; else *ret_kind. */
gboolean postern_virus_names_message(const char *text, PosternVirusKind *ret_kind);

/* Of a scan that did not end well. */
PosternVirusKind postern_virus_names_status(cl_error_t status);
