/*
 * clamd as the scanner of messages.
 */
#pragma once

#include "checks/virus/clamd.h"

/* A session for one message; the connection outlives it. Before the first of a process, and again every
 * POSTERN_CLAMD_PROOF_SECONDS, clamd has to prove itself. NULL: nothing is scanned, which is noted. */
PosternClamd *postern_virus_engine_begin_clamd(PosternVirusEngine *engine, const PosternScanner *scanner,
                                               PosternVirusFinding *finding);
