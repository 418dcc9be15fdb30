/*
 * The rows of a verdict: each is a reason to do something about a message, with the action that policy has
 * for it and the words that a client is told. Inner part of judge/verdict.h.
 */
#pragma once

#include "judge/findings.h"
#include "judge/policy.h"

/* What a verdict is made from; nothing is owned. */
typedef struct {
    const PosternPolicy *policy;
    const PosternFindings *findings;
    const PosternEnvelope *envelope;
    gboolean virus_required;
    gboolean header_unsafe; /* forged fields cannot all be removed */
} PosternCase;

typedef struct {
    const char *name;
    gboolean (*applies)(const PosternCase *facts);
    gssize action_offset;                               /* in PosternPolicy; -1: always REJECT */
    gboolean suspendable;                               /* not for allowed clients and exempt recipients */
    gboolean (*is_temporary)(const PosternCase *facts); /* TRUE: never REJECT; NULL: no */
    const char *refused;                                /* reply code and enhanced code, with REJECT */
    const char *delayed;                                /* the same with TEMPFAIL */
    /* Appends what is wrong, for the client; inside: for ourselves, with what a stranger need not know. */
    void (*describe)(const PosternCase *facts, gboolean inside, GString *text);
} PosternRow;

/* The row that decides, or NULL: none applies with more than ACCEPT. *ret_action is its action, or ACCEPT. */
const PosternRow *postern_rows_decide(const PosternCase *facts, PosternAction *ret_action);

/* The reply for action, TEMPFAIL or REJECT: printable ASCII, at most POSTERN_REFUSAL_MAX_OCTETS; a new
 * string. NULL for the other actions. */
char *postern_row_reply(const PosternRow *row, const PosternCase *facts, PosternAction action);

/* The value of Postern-Quarantine, "CHECK: text", within the same bounds; a new string. */
char *postern_row_quarantine(const PosternRow *row, const PosternCase *facts);
