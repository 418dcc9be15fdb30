/*
 * The names of groups and keys: which there are, and what somebody who wrote another probably meant. Inner
 * part of base/configuration.h.
 */
#pragma once

#include "base/configuration.h"
#include "base/configuration_diagnostics.h"

/* Whether rows of the table are in group. */
gboolean postern_configuration_has_group(const char *group);

/* The row, or NULL; of any group where group is NULL. */
const PosternOption *postern_configuration_find(const char *group, const char *key);

/* Adds that there is no such group, and which was probably meant. */
void postern_configuration_add_unknown_group(PosternDiagnostics *diagnostics, const char *group);

/* The same of a key. group: as the file has it; rows: the group of the table whose rows it has. */
void postern_configuration_add_unknown_key(PosternDiagnostics *diagnostics, const char *group,
                                           const char *rows, const char *key);
