/*
 * One container at hand: what the files of this folder share.
 */
#pragma once

#include "checks/container/container.h"

typedef struct {
    const PosternItem *item;
    PosternItemBudget *budget;
    const PosternItemVisitor *visitor;
    const guint8 *octets; /* those of the item */
    gsize length;
    const char *what; /* "a zip archive" */
    guint64 unpacked; /* octets so far */
    gboolean problem; /* something was noted */
    gboolean over;    /* no more is wanted, or allowed */
} PosternOpening;

/* Notes "WHAT: text", or "WHAT" if text is NULL. */
void postern_opening_note(PosternOpening *opening, PosternVirusKind kind, const char *text);
/* The same, and nothing more is opened: the budget or the memory is used up. */
void postern_opening_stop(PosternOpening *opening, const char *text);

/* Octets that are being unpacked. Zero-initialised; free with postern_unpacked_clear(). */
typedef struct {
    guint8 *octets;
    gsize length;
    gsize room;
} PosternUnpacked;

/*
 * Where the next octets go, *ret_room at least 1 of them; expected is how many will come, 0: unknown. NULL:
 * no more may be unpacked, which is noted.
 */
guint8 *postern_unpacked_room(PosternOpening *opening, PosternUnpacked *unpacked, guint64 expected,
                              gsize *ret_room);
/* So many came there. */
void postern_unpacked_add(PosternOpening *opening, PosternUnpacked *unpacked, gsize length);
/* Its octets, which it no longer has. */
GBytes *postern_unpacked_steal(PosternUnpacked *unpacked);
void postern_unpacked_clear(PosternUnpacked *unpacked);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternUnpacked, postern_unpacked_clear)

/* Takes length octets that were not unpacked but stand in the container as they are. FALSE: that is more than
 * is allowed, which is noted. */
gboolean postern_opening_allow(PosternOpening *opening, guint64 length);

/* Adds name, made UTF-8, unless it is there already: by its octets as UTF-8, else as code page 437. */
void postern_names_add(GPtrArray *names, const void *name, gsize length);
/* Names of what a packed file unpacks to: those of the item without their ending (".gz"; ".tgz" is ".tar").
 */
void postern_opening_names_inside(const PosternOpening *opening, GPtrArray *names);

/* Hands a member on, of names (of char *; owned by names); octets NULL: they cannot be had. */
void postern_opening_member(PosternOpening *opening, GPtrArray *names, GBytes *octets);

/* Little-endian numbers. */
static inline guint16 postern_octets_16(const guint8 *octets)
{
    return (guint16)(octets[0] | octets[1] << 8);
}

static inline guint32 postern_octets_32(const guint8 *octets)
{
    return postern_octets_16(octets) | (guint32)postern_octets_16(octets + 2) << 16;
}

static inline guint64 postern_octets_64(const guint8 *octets)
{
    return postern_octets_32(octets) | (guint64)postern_octets_32(octets + 4) << 32;
}

/* TRUE: nothing but NUL and white space, such as fills a block or ends a text. */
gboolean postern_octets_are_blank(const guint8 *octets, gsize length);
