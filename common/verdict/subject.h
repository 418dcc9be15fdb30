/*
 * The Subject of messages that people are warned of. Inner part of verdict/verdict.h.
 */
#pragma once

#include "mail/edits.h"
#include "mail/header.h"

/*
 * Puts tag (printable ASCII, not empty) and a space before the value of the first Subject, which else stays
 * as it is, folds and encoded words (RFC 2047) with it, and is cut if it would be over
 * POSTERN_HEADER_EDIT_MAX_OCTETS. If there is none, one is inserted; if the value begins with tag
 * already, nothing is done.
 */
void postern_subject_tag(PosternEdits *edits, const PosternHeader *header, const char *tag);
