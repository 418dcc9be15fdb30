/*
 * What a configuration names on this machine, for --check-config: files, folders, users and groups. Values
 * that are right by themselves may name what is not there, and a daemon would say so only at its start.
 */
#pragma once

#include "base/configuration.h"

/*
 * FALSE, and error with a line for each: what program ("postern-proxy", …) needs of all that configuration
 * names is missing, is of another kind, or is out of reach. name: of the file, for the lines. What only the
 * user of the daemon may read is not opened unless this process may.
 */
gboolean postern_configuration_check_surroundings(const PosternConfiguration *configuration,
                                                  const char *program, const char *name, GError **error);
