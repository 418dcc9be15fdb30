/*
 * The messages of all inputs, one after the other, in a stable order: a file is one message, or a mailbox of
 * many (mail/mbox.h) if it begins with "From ". Of what is read, one message is in memory and 64 KiB more.
 */
#pragma once

#include "mail/message.h"
#include "scan/walk.h"

typedef struct PosternScanSource PosternScanSource;

typedef enum {
    POSTERN_SCAN_SOURCE_ITEM,
    POSTERN_SCAN_SOURCE_WAIT_INPUT, /* whoever writes a pipe is slow */
    POSTERN_SCAN_SOURCE_WAIT_ROOM,  /* the message needs more than room */
    POSTERN_SCAN_SOURCE_END,
} PosternScanSourceStatus;

typedef struct {
    char *name;              /* the file's; of a message in a mailbox FILE:N, N from 1 */
    PosternMessage *message; /* sealed, lines end in CRLF; NULL: error says why */
    GError *error;
} PosternScanItem;

/* split_mailboxes: FALSE: each file is one message, whatever it begins with. The rest as for
 * postern_scan_walk_new. */
PosternScanSource *postern_scan_source_new(char *const *names, gboolean split_mailboxes,
                                           PosternScanComplain complain, gpointer user_data);
void postern_scan_source_free(PosternScanSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternScanSource, postern_scan_source_free)

/* The next message, whose parts are the caller's then. It is read no further than to room octets. */
PosternScanSourceStatus postern_scan_source_next(PosternScanSource *source, guint64 room,
                                                 PosternScanItem *ret_item);

/* After WAIT_INPUT: what to wait for, owned by source; -1: try again after a while. */
int postern_scan_source_descriptor(const PosternScanSource *source);

/* How much has been read: 0 to 1, and octets. */
double postern_scan_source_fraction(const PosternScanSource *source);
guint64 postern_scan_source_octets(const PosternScanSource *source);
