/*
 * One message as a mail server hands it over: field by field, then the body in pieces; gathered as it was on
 * the wire, so that a signature over it still holds. Pure: no thread, no socket.
 */
#pragma once

#include "mail/message.h"
#include "milter/settings.h"

typedef enum {
    POSTERN_MILTER_WHOLE,   /* all of it is here, so far */
    POSTERN_MILTER_TOO_BIG, /* over [milter] message_size: what is here is its beginning */
    POSTERN_MILTER_NO_ROOM, /* [milter] message_memory is used up, or the system refused */
} PosternMilterExtent;

typedef struct {
    PosternMilterSettings *settings;
    PosternMessage *message; /* never NULL unless extent is NO_ROOM */
    PosternMilterExtent extent;
    guint64 octets;    /* that have come, kept or not; of a body that was skipped not all */
    guint recipients;  /* that have come, kept in the envelope or not */
    gboolean has_body; /* the empty line behind the header is there */
    GString *pending;  /* fields that are not in message yet */
} PosternMilterTransaction;

/* Takes a reference to settings. */
PosternMilterTransaction *postern_milter_transaction_new(PosternMilterSettings *settings);
void postern_milter_transaction_free(PosternMilterTransaction *transaction);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMilterTransaction, postern_milter_transaction_free)

/*
 * A header field. Line ends inside value may be LF or CRLF. leading_space: value begins right behind the
 * colon; else one space is put there.
 */
void postern_milter_transaction_add_field(PosternMilterTransaction *transaction, const char *name,
                                          const char *value, gboolean leading_space);

/* The header is over. Calls after the first do nothing. */
void postern_milter_transaction_end_header(PosternMilterTransaction *transaction);

/* A sealed message of the header alone, for POSTERN_STAGE_HEADER; NULL if it is too big or cannot be had.
 */
PosternMessage *postern_milter_transaction_header(const PosternMilterTransaction *transaction);

/* A piece of the body, as it is. FALSE: no more is wanted. */
gboolean postern_milter_transaction_add_body(PosternMilterTransaction *transaction, const void *octets,
                                             gsize length);

/* The message is over, and sealed if it could be. */
void postern_milter_transaction_end(PosternMilterTransaction *transaction);
