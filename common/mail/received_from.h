/*
 * The FROM clause of a Received field, with its comments: who the client was, as the relay saw him.
 */
#pragma once

#include "mail/envelope.h"

typedef struct {
    char *word;             /* behind FROM, or NULL */
    char *helo;             /* told apart from word: (helo=NAME), (HELO NAME); or NULL */
    char *name;             /* the reverse name beside the address, or NULL */
    PosternAddress address; /* TCP-info, or AF_UNSPEC */
    gboolean contradictory; /* several addresses that differ */
    gboolean told_apart;    /* word is what the relay saw, not what the client said */
    gboolean verified_word; /* and a verified name, if it is a name (Exim) */
    gboolean authenticated;
} PosternReceivedFrom;

void postern_received_from_clear(PosternReceivedFrom *from);

/* A comment of the clause, and what comments inside it say. One that says nothing of the client changes
 * nothing. */
void postern_received_from_comment(PosternReceivedFrom *from, const char *text, const char *nested);

/* A word of the clause. The first one is what follows FROM. */
void postern_received_from_word(PosternReceivedFrom *from, const char *text);

/* The address that word is, "192.0.2.1", "[192.0.2.1]" or "[192.0.2.1]:25"; FALSE: it is none. */
gboolean postern_received_from_address(const char *word, PosternAddress *ret_address);
