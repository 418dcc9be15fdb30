/*
 * Ids of sessions and messages: in log lines, refusals and in what the back-end is told. 16 characters of
 * [0-9A-Za-z]: 4 that name this run of the program (random at start), then 12 of a counter and randomness,
 * so ids never repeat within a run, and a back-end that is ourselves is known by the first four (a loop).
 */
#pragma once

#include <glib.h>

#define POSTERN_IDENTIFIER_LENGTH 16
#define POSTERN_IDENTIFIER_RUN_LENGTH 4

typedef struct {
    char text[POSTERN_IDENTIFIER_LENGTH + 1];
} PosternIdentifier;

/* A new id. Any thread. */
PosternIdentifier postern_identifier_new(void);

/* TRUE if text (length octets, need not end in NUL) is an id that this run of the program gave out. */
gboolean postern_identifier_is_ours(const char *text, gsize length);
