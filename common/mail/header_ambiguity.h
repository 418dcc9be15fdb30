/*
 * Which lines of a header not all programs read alike. Inner part of mail/header.h.
 */
#pragma once

#include "mail/header.h"

/*
 * Why one line, with its folds, is ambiguous by itself; CLEAR: it is not. line is a field, or an odd line;
 * first: it is the first of the header.
 */
PosternHeaderAmbiguity postern_header_line_ambiguity(const PosternHeaderField *line, gboolean first);

/* The first field that disagrees with one before it of the same name, or NULL. */
const PosternHeaderField *postern_header_disagreeing_field(const PosternHeader *header);
