/*
 * A mailbox in one file (RFC 4155; mbox(5)), read message by message, in any pieces, without waiting.
 *
 * A line that begins with "From " at the start of the file, or behind an empty line, begins a message and is
 * none of it; nor is the empty line before the next one, or before the end of the file. Of a line
 * ">From ", ">>From " … one '>' is taken away (mboxrd; what mboxo writes is read so too). Content-Length is
 * not looked at. Lines end in LF or CRLF, and stay as they are.
 */
#pragma once

#include <glib.h>

#define POSTERN_MBOX_MARK "From "

typedef struct {
    gint place;         /* where in a line the octets so far end */
    guint matched;      /* octets of "From " that the line begins with, behind its '>' */
    gboolean quoted;    /* a '>' before them is held back */
    gboolean separates; /* "From " on this line begins a message */
    gboolean begun;     /* there is a message */
    char empty[2];      /* the end of an empty line that may be none of the message */
    guint empty_length;
} PosternMbox;

/* Octets of the message, in order; never 0. */
typedef void (*PosternMboxSink)(const char *octets, gsize length, gpointer user_data);

void postern_mbox_init(PosternMbox *mbox);

/*
 * Takes octets up to where a message ends, and gives what is message to sink. Returns how many were taken.
 * If that is fewer than length, or *ret_ended is TRUE, one has ended: what comes is the next one. Octets
 * before the first message are dropped.
 */
gsize postern_mbox_feed(PosternMbox *mbox, const char *octets, gsize length, PosternMboxSink sink,
                        gpointer user_data, gboolean *ret_ended);

/* The file has ended, and its last message with it. FALSE: there was none. */
gboolean postern_mbox_finish(PosternMbox *mbox, PosternMboxSink sink, gpointer user_data);
