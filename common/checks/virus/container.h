/*
 * Archives that other programs open and libclamav passes over in silence, and documents whose encryption it
 * does not see.
 */
#pragma once

#include "verdict/findings.h"

/*
 * Why octets are not all seen by libclamav (static), with *ret_kind, or NULL: they are, or nothing is known
 * of them. One pass over octets at most for each kind of file.
 */
const char *postern_virus_container_problem(const char *octets, gsize length, PosternVirusKind *ret_kind);
