/*
 * What DMARC found (RFC 9989).
 */
#pragma once

#include <glib.h>

/* RFC 9989 5.3; TEMPERROR: the DNS failed, PERMERROR: From names no author that could be asked for. */
typedef enum {
    POSTERN_DMARC_NOT_CHECKED,
    POSTERN_DMARC_NONE,
    POSTERN_DMARC_PASS,
    POSTERN_DMARC_FAIL,
    POSTERN_DMARC_TEMPERROR,
    POSTERN_DMARC_PERMERROR,
} PosternDmarcResult;

/* What a domain's owner asks for (RFC 9989 4.7, p=, sp=, np=). In order of severity. */
typedef enum {
    POSTERN_DMARC_POLICY_NONE,
    POSTERN_DMARC_POLICY_QUARANTINE,
    POSTERN_DMARC_POLICY_REJECT,
} PosternDmarcPolicy;

/* As in RFC 8601: "pass", "temperror" …; "not_checked". */
const char *postern_dmarc_result_name(PosternDmarcResult result);
/* "none", "quarantine", "reject". */
const char *postern_dmarc_policy_name(PosternDmarcPolicy policy);

/*
 * One Author Domain (RFC 9989 3.2.2) and what the DNS says of it. Not yet a result: that also needs SPF and
 * DKIM, and is made of both by checks/dmarc/conclude.h.
 */
typedef struct {
    char *domain;              /* lower case, A-labels */
    char *record_domain;       /* where the DMARC Policy Record was found, or NULL: there is none */
    char *record;              /* its text, or NULL */
    char *organizational;      /* the Organizational Domain (4.10.2), or NULL: not known */
    PosternDmarcPolicy policy; /* the one that applies: p, sp or np, eased by t=y (4.7) */
    gboolean testing;          /* t=y */
    gboolean strict_dkim;      /* adkim=s */
    gboolean strict_spf;       /* aspf=s */
    gboolean temporary;        /* the DNS failed on the way: nothing else holds */
} PosternDmarcAuthor;

/* The Organizational Domain of a domain that SPF or DKIM may vouch for. */
typedef struct {
    char *domain;         /* lower case, A-labels */
    char *organizational; /* NULL: the DNS failed on the way */
} PosternDmarcOrganization;

typedef struct {
    /* What the check finds out, from the header, the envelope and the DNS. */
    GPtrArray *authors;       /* of PosternDmarcAuthor *, at most POSTERN_DMARC_AUTHORS_MAX; never NULL */
    GPtrArray *organizations; /* of PosternDmarcOrganization *; never NULL */
    gboolean from_invalid;    /* From is missing, double, malformed, or does not name one domain */
    gboolean from_missing;    /* there is none at all: nobody is impersonated; from_invalid too */
    gboolean no_author;       /* From says so (RFC 6854): DMARC does not apply */
    gboolean ambiguous;       /* not all programs read the header alike (mail/header.h) */
    char *problem;            /* why from_invalid, no_author, ambiguous, PERMERROR, TEMPERROR, or NULL */
    /* What postern_dmarc_conclude() makes of it. */
    PosternDmarcResult result;
    const PosternDmarcAuthor *decisive; /* of authors: who decides the result, or NULL: there is none */
} PosternDmarcFinding;
