/*
 * What SPF found (RFC 7208), of MAIL FROM and of HELO.
 */
#pragma once

#include <glib.h>

/* RFC 7208 2.6. NOT_CHECKED: the client is not known, or the check did not run. */
typedef enum {
    POSTERN_SPF_NOT_CHECKED,
    POSTERN_SPF_NONE,
    POSTERN_SPF_NEUTRAL,
    POSTERN_SPF_PASS,
    POSTERN_SPF_FAIL,
    POSTERN_SPF_SOFTFAIL,
    POSTERN_SPF_TEMPERROR,
    POSTERN_SPF_PERMERROR,
} PosternSpfResult;

/* As in RFC 8601: "pass", "temperror" …; "not_checked". */
const char *postern_spf_result_name(PosternSpfResult result);

typedef struct {
    PosternSpfResult result;
    gboolean helo;      /* the identity was HELO (RFC 7208 2.3), else MAIL FROM (2.4) */
    char *domain;       /* the domain checked, or NULL */
    char *explanation;  /* FAIL: what the domain's owner says (6.2), printable ASCII, or NULL */
    char *problem;      /* PERMERROR, TEMPERROR: what was wrong, for people, or NULL */
    gboolean uncertain; /* FAIL, SOFTFAIL: a reverse name that the DNS did not give may have made it a pass */
} PosternSpfFinding;
