/*
 * What clamd answers inside a session (clamd(8), IDSESSION): "ID: NAME: OK", "ID: NAME: SIGNATURE FOUND" or
 * "ID: TEXT ERROR", each ended by NUL.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_CLAMD_OK,
    POSTERN_CLAMD_FOUND, /* text: the name of the signature */
    POSTERN_CLAMD_ERROR, /* text: why */
    POSTERN_CLAMD_OTHER, /* text: all of it, as of VERSION */
} PosternClamdResult;

typedef struct {
    guint64 id; /* of the command in the session, from 1; 0: it is about the session */
    PosternClamdResult result;
    char *text; /* printable ASCII, '?' in place of all else; owned */
} PosternClamdReply;

void postern_clamd_reply_clear(PosternClamdReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternClamdReply, postern_clamd_reply_clear)

/*
 * 1: the reply that octets begin with, to be cleared, and *ret_taken octets of it; 0: it is not whole yet;
 * -1: it is none, or longer than POSTERN_CLAMD_REPLY_MAX_OCTETS.
 */
int postern_clamd_reply_parse(const char *octets, gsize length, PosternClamdReply *ret_reply,
                              gsize *ret_taken);
