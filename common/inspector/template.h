/*
 * The template: a process that has loaded the signatures, or else the keys that we sign with, and forks
 * workers that share them. Reads nothing of strangers. Lives as long as its control socket, and with it all
 * of its workers.
 */
#pragma once

#include "base/configuration.h"
#include "inspector_client/packet.h"

/*
 * Serves the pool on control until that is closed; directory is its own. Workers become
 * worker_user, if that is not NULL. Then ends its workers and removes
 * directory. Returns the exit status.
 *
 * in_use: the signatures of the template that this one will take the place of, as that told; 0: there is
 * none, or it has none. Then signatures that cannot be loaded are told of, and no message is scanned; else
 * the template gives up, so that those in use stay, and over 1 (the EICAR test alone) it does so too if
 * there are none any more.
 */
int postern_template_run(PosternRole role, const PosternConfiguration *configuration, const char *worker_user,
                         int control, const char *directory, guint64 in_use);
