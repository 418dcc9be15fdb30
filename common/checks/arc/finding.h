/*
 * What ARC found (RFC 8617).
 */
#pragma once

#include <glib.h>

/* RFC 8617 4.4; TEMPERROR: the DNS failed to give a key. */
typedef enum {
    POSTERN_ARC_NOT_CHECKED,
    POSTERN_ARC_NONE,
    POSTERN_ARC_PASS,
    POSTERN_ARC_FAIL,
    POSTERN_ARC_TEMPERROR,
} PosternArcResult;

/* As in RFC 8601: "pass", "fail" …; "temperror", "not_checked". */
const char *postern_arc_result_name(PosternArcResult result);

/* One ARC Set (RFC 8617 4.2). Its texts are untrusted. */
typedef struct {
    guint instance;     /* i= */
    char *sealer;       /* d= of ARC-Seal */
    char *selector;     /* s= of ARC-Seal */
    char *dmarc;        /* the result of dmarc in ARC-Authentication-Results, lower case, or NULL */
    char *dmarc_domain; /* its header.from, lower case, or NULL */
} PosternArcSet;

typedef struct {
    PosternArcResult result;
    GPtrArray *sets; /* of PosternArcSet *, by instance, the newest last; never NULL; empty unless PASS */
    char *reason;    /* FAIL, TEMPERROR: why, for people, or NULL */
} PosternArcFinding;
