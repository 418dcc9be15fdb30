/*
 * A session with clamd, over a connected socket that somebody else has made: a worker has no right to make
 * one. Files are passed as descriptors (FILDES) where the socket and clamd take them, else as octets
 * (INSTREAM). Nothing here is believed but a reply to each command: whatever else comes of it (no reply in
 * time, an end of the connection, an ERROR, a reply to what was not asked) is noted as SCAN_ERROR.
 */
#pragma once

#include "checks/check.h"

typedef struct PosternClamd PosternClamd;

/*
 * socket is not owned and made non-blocking; begun: IDSESSION has been sent. passes: descriptors are tried.
 * end: monotonic, microseconds, until which clamd must have answered all. finding gets what is found, and
 * must outlive it.
 */
PosternClamd *postern_clamd_new(int socket, gboolean begun, gboolean passes, gint64 end,
                                PosternVirusFinding *finding);
void postern_clamd_free(PosternClamd *clamd);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternClamd, postern_clamd_free)

/*
 * Has octets scanned; what they are comes with postern_clamd_wait(), for several scans go on at once. name
 * (or NULL): of the file, for people. Octets may go when it returns. FALSE: no more can be scanned, which is
 * noted.
 */
gboolean postern_clamd_scan(PosternClamd *clamd, const char *octets, gsize length, const char *name);

/* Waits for the replies to all scans. FALSE: not all came, which is noted. */
gboolean postern_clamd_wait(PosternClamd *clamd);

/* Has the EICAR test file scanned, and waits: FALSE if it is not found, which is noted with what was said. */
gboolean postern_clamd_prove(PosternClamd *clamd);

/* What it calls itself: "ClamAV 1.0.7/27500/Mon Nov …", engine, version of the signatures and their date; a
 * new string. NULL: it does not say. */
char *postern_clamd_version(PosternClamd *clamd);

/* FALSE once a descriptor was passed and refused. */
gboolean postern_clamd_passes(const PosternClamd *clamd);
