/*
 * "Did you mean": the name that somebody who mistyped one probably meant.
 */
#pragma once

#include <glib.h>

/*
 * The one of candidates (NULL-terminated) that is fewest edits (insert, delete, replace, swap of two in a
 * row) away from name, whatever the case of letters; if that is more than a third of name's length, one that
 * has all words of name and more, or the other way round; or NULL. The first of several. Names over
 * POSTERN_CONFIGURATION_NAME_MAX_OCTETS are like nothing.
 */
const char *postern_suggestion_for_name(const char *name, const char *const *candidates);
