/*
 * Archives that other programs open and libclamav passes over in silence.
 */
#pragma once

#include <glib.h>

/* Why octets, a zip archive, are not all seen by libclamav (static), or NULL: they are, or are no zip. */
const char *postern_virus_container_problem(const char *octets, gsize length);
