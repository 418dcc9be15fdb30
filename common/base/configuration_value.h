/*
 * One option's value: from and to the text that a file has for it. Only here is known what a type looks like.
 * place is where the value stands (postern_configuration_place): a row of group policy has one in each
 * policy.
 */
#pragma once

#include "base/configuration.h"

/*
 * Puts text, as its option's type, range and check want it, in place of the value at place. FALSE, and
 * nothing changed, where they do not take it; error (POSTERN_ERROR_CONFIGURATION) says why, without file and
 * key.
 */
gboolean postern_configuration_value_set(gpointer place, const PosternOption *option, const char *text,
                                         GError **error);

/* What a file would say; a new string, that postern_configuration_value_set takes. */
char *postern_configuration_value_text(gconstpointer place, const PosternOption *option);

/* Puts a copy of the value at source in place, which owns nothing yet. */
void postern_configuration_value_copy(gpointer place, gconstpointer source, const PosternOption *option);

/* Frees what the value owns, and leaves that zero. */
void postern_configuration_value_clear(gpointer place, const PosternOption *option);

/* What may be written: "yes or no", "a time from 1s to 1h", "one of enforce, observe"; a new string. */
char *postern_option_range(const PosternOption *option);
