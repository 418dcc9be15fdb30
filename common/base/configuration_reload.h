/*
 * What a reload can take over, by the column of the option table that says so (PosternReload): one rule for
 * all daemons.
 */
#pragma once

#include "base/configuration.h"

/*
 * FALSE, and error: wanted differs from running in options that one of programs (a mask of
 * POSTERN_RELOAD_RESTARTS_*) takes at a restart only; error names all of them. Then nothing of wanted is
 * taken.
 */
gboolean postern_configuration_can_reload(const PosternConfiguration *running,
                                          const PosternConfiguration *wanted, guint programs, GError **error);

/* TRUE if a and b differ in an option of which reload, a mask of PosternReload, is said. */
gboolean postern_configuration_differs(const PosternConfiguration *a, const PosternConfiguration *b,
                                       guint reload);

/* What option's row says of a reload, for people: "needs a restart". Static. */
const char *postern_option_reload_text(const PosternOption *option);
