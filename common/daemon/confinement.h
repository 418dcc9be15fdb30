/*
 * What a serving program may still touch once it serves: the files that it reads again while it runs, its
 * log, and what a private inspector needs that it starts again.
 */
#pragma once

#include "base/configuration.h"

/*
 * Confines this process to that (base/privileges.h, postern_privileges_confine). path: where configuration
 * came from, NULL: the compiled-in place. inspector_directory: of the private inspector that this process
 * starts again, NULL: none; it is started with the same bounds and confines itself further: it needs
 * programs, signatures, the keys that we sign with (below /etc, or beside their table), and its temporary
 * directory.
 */
gboolean postern_confinement_enter(const PosternConfiguration *configuration, const char *path,
                                   const char *inspector_directory, gboolean *ret_confined,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
