/*
 * The lines of a text that begin with two dashes, found once, and those of them that are a boundary (RFC 2046
 * 5.1.1).
 */
#pragma once

#include <glib.h>

/* Places in octets, ascending (of gsize). */
GArray *postern_boundaries_find(const char *octets, gsize length);

/* The first of them at or behind place. */
guint postern_boundaries_behind(const GArray *dashes, gsize place);

/* Where the text from start ends that has a line end before place, or place: there is none. */
gsize postern_boundaries_before_line_end(const char *octets, gsize start, gsize place);

typedef struct {
    gsize end;  /* of what is before it, without its line end */
    gsize next; /* where the line behind it begins */
    gboolean closes;
} PosternBoundary;

/*
 * The boundary lines in octets from start to end, in order, with those that close. loose: also those with
 * text behind them, and those that a CR without LF begins or ends; *ret_loose: there are such. *work grows by
 * the lines looked at. New, of PosternBoundary.
 */
GArray *postern_boundaries_of(const char *octets, gsize start, gsize end, const GArray *dashes,
                              const char *boundary, gboolean loose, gboolean *ret_loose, guint64 *work);
