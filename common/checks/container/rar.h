/*
 * RAR archives: their blocks are looked at here, for libarchive does not say of all that it leaves out.
 */
#pragma once

#include "checks/container/opening.h"

/* Octets that such an archive begins with, of either version. */
gboolean postern_rar_begins(const guint8 *octets, gsize length);
/* The same, and the first header behind them has the checksum that it should. */
gboolean postern_rar_begins_whole(const guint8 *octets, gsize length);

/*
 * Opens the one that begins at octet start: whatever libarchive does not read as a whole is
 * UNKNOWN_CONTAINER, so is one of several volumes; encryption of files or of headers is ENCRYPTED.
 */
void postern_rar_open(PosternOpening *opening, gsize start);
