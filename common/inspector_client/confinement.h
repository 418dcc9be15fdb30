/*
 * What a serving program may still touch once it serves: the files that it reads again while it runs, its
 * log, and what a private inspector needs that it starts again.
 */
#pragma once

#include "base/configuration.h"

typedef struct {
    const PosternConfiguration *configuration;
    const char *configuration_path;  /* where it came from; NULL: the compiled-in place */
    const char *inspector_directory; /* of the private inspector that this process starts again; NULL: none */
} PosternConfinement;

/*
 * Confines this process to that (base/privileges.h, postern_privileges_confine). The inspector is started
 * with the same bounds and confines itself further: it needs programs, signatures, the keys that we sign with
 * (below /etc, or beside their table), and its temporary directory.
 */
gboolean postern_confinement_enter(const PosternConfinement *confinement, gboolean *ret_confined,
                                   GError **error);
