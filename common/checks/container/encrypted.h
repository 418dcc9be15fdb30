/*
 * Documents and archives whose encryption is told by a mark, and that libclamav opens if they have none.
 */
#pragma once

#include "checks/container/opening.h"

/*
 * Notes an office document with a password as ENCRYPTED: of OOXML (MS-OFFCRYPTO 2.3.4), Excel
 * (MS-XLS 2.4.117), Word (MS-DOC 2.5.2) and PowerPoint (MS-PPT 2.3.2), in an OLE2 file (MS-CFB). No member is
 * handed on.
 */
void postern_ole2_open(PosternOpening *opening);

/* Notes an ARJ archive with a password as ENCRYPTED, one that is cut as AMBIGUOUS, one of several volumes as
 * UNKNOWN_CONTAINER. No member is handed on. */
void postern_arj_open(PosternOpening *opening);
