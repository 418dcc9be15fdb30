/*
 * Our own DKIM signatures for a message: not a check, but made if checks are run.
 */
#pragma once

#include <glib.h>

typedef struct {
    GPtrArray *fields; /* of char *: values of DKIM-Signature, folded with CRLF and white space; never NULL */
    char *domain;      /* d= of them, or NULL: no key is for this author */
    char *problem;     /* why it could not be signed, or NULL */
    /* Why it has no signature though there is a key: problem, or that the message would not reach the next
     * server as it is signed; NULL: it is signed, or has no key. */
    char *unsigned_reason;
} PosternSignFinding;
