/*
 * Files of signatures that are held open: what was loaded from them can be loaded again when their folder has
 * others, or none. Their descriptors go from process to process.
 */
#pragma once

#include <glib.h>

#include "inspector_client/packet.h"

/* A new list of PosternHeldFile, of which nobody else has to know more. */
GPtrArray *postern_held_files_new(void);

/* Opens those of [virus] database into files. If one of them cannot be, or there are over
 * POSTERN_SIGNATURES_HELD_MAX, files is left empty. */
void postern_held_files_open(GPtrArray *files, const char *database);

/* Makes the folder path with links to files, for who can only load by path. FALSE and error. */
gboolean postern_held_files_link(const GPtrArray *files, const char *path,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Sends all of them, each in a packet FILE. FALSE: the peer is gone, or has no room. */
gboolean postern_held_files_send(const GPtrArray *files, int socket);

/* Adds the one that came in packet, of that kind. */
void postern_held_files_take(GPtrArray *files, PosternPacket *packet);
