/*
 * Containers: files that other files are packed in. A container yields what its directory names, whole, or
 * what is wrong with it is noted.
 *
 * Kinds are known by their first octets (and zip archives by their last), in one table. zip and gzip are read
 * here, strictly; all other archives and packed files by libarchive, with the one format that the table
 * names; what neither opens is told as unknown. Encryption that hides the content from a scanner is
 * recognised. Encrypted mail (S/MIME, PGP) is no container: it is meant for its reader alone, and wanted.
 */
#pragma once

#include "checks/content/item.h"

typedef enum {
    POSTERN_CONTAINER_NONE,    /* octets are no container that is known */
    POSTERN_CONTAINER_OPENED,  /* all its members were handed on */
    POSTERN_CONTAINER_PROBLEM, /* not all, or in doubt: that was noted */
} PosternContainerResult;

/*
 * Opens one level: visitor->take gets each file in it as an item of kind MEMBER whose parent is item, with
 * its name in every spelling; one whose octets cannot be had (it is encrypted) has none. visitor->take may
 * call this again for a member.
 *
 * The budget counts down: one part a member, and the octets unpacked; what it does not allow is noted as
 * TOO_LARGE, so is what unpacks to more than POSTERN_CONTAINER_RATIO_MAX times its size or needs more memory
 * than there is. Memory: twice the octets of one member, and what libarchive needs for a dictionary.
 * What cannot be read whole, or would be read in several ways, is noted as AMBIGUOUS; as much of it as can be
 * found is handed on nevertheless.
 */
PosternContainerResult postern_container_open(const PosternItem *item, PosternItemBudget *budget,
                                              const PosternItemVisitor *visitor);

/* TRUE: octets look like a container. At most 100,000 of them are looked at. */
gboolean postern_container_is(const guint8 *octets, gsize length);
