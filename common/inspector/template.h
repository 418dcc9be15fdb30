/*
 * The template: a process that has loaded the signatures, or else the keys that we sign with, and forks
 * workers that share them. Reads nothing of strangers. Lives as long as its control socket, and with it all
 * of its workers.
 */
#pragma once

#include "base/configuration.h"
#include "inspect/packet.h"

/*
 * Serves the pool on control until that is closed; directory is its own. Then ends its workers and removes
 * directory. Returns the exit status.
 */
int postern_template_run(PosternRole role, const PosternConfiguration *configuration, int control,
                         const char *directory);
