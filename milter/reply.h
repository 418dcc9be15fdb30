/*
 * A verdict's words in the form that libmilter takes them. Pure.
 */
#pragma once

#include <glib.h>

#include "mail/edits.h"

typedef struct {
    char *code;     /* "550" */
    char *enhanced; /* "5.7.1" */
    char *text;     /* with an id in brackets; '%' doubled, as smfi_setreply() wants it */
} PosternMilterReply;

/* From "550 5.7.1 text". NULL if it is no such reply: that is an error of ours. */
PosternMilterReply *postern_milter_reply_new(const char *reply, const char *session);
void postern_milter_reply_free(PosternMilterReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMilterReply, postern_milter_reply_free)

/*
 * The edits in an order in which each means what it says, however the server counts fields that are gone:
 * removals and changes from the last field to the first, then what is inserted. Of PosternEdit *, owned by
 * edits.
 */
GPtrArray *postern_milter_edits_in_order(const PosternEdits *edits);

/* A field's value as a server takes it: lines end in LF, and a space comes first if it adds none itself.
 */
char *postern_milter_edit_value(const PosternEdit *edit, gboolean leading_space);

/* Why a message is held, for the server's queue and log: what Postern-Quarantine says, else check. */
char *postern_milter_quarantine_reason(const PosternEdits *edits, const char *check, const char *session);
