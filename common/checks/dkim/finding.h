/*
 * What DKIM found (RFC 6376): one finding for each signature.
 */
#pragma once

#include <glib.h>

/* RFC 8601 2.7.1. SKIPPED: over POSTERN_DKIM_SIGNATURES_MAX, named but not evaluated. */
typedef enum {
    POSTERN_DKIM_NONE,
    POSTERN_DKIM_PASS,
    POSTERN_DKIM_FAIL,
    POSTERN_DKIM_POLICY,
    POSTERN_DKIM_NEUTRAL,
    POSTERN_DKIM_TEMPERROR,
    POSTERN_DKIM_PERMERROR,
    POSTERN_DKIM_SKIPPED,
} PosternDkimResult;

/* As in RFC 8601: "pass", "policy" …; "skipped". */
const char *postern_dkim_result_name(PosternDkimResult result);

typedef struct {
    PosternDkimResult result;
    char *domain;          /* d= */
    char *selector;        /* s= */
    char *identity;        /* i=, or NULL */
    char *algorithm;       /* a= as given, or NULL */
    char *signature_start; /* first characters of b= (RFC 6008), or NULL */
    guint key_bits;        /* 0: not known */
    gint64 body_covered;   /* l=: octets of body that are signed; -1: all */
    gint64 body_unsigned;  /* octets of the body that l= leaves out; 0: none, or it was not evaluated */
    gboolean testing;      /* the key has t=y */
    char *reason;          /* why it is not pass, or of what alone, for people, or NULL */
} PosternDkimFinding;

typedef struct {
    GPtrArray *signatures; /* of PosternDkimFinding *, in the order of the header; never NULL */
    gboolean checked;      /* an empty list says that there is no signature */
} PosternDkimFindings;

PosternDkimFinding *postern_dkim_finding_new(void); /* body_covered -1, all else zero */
void postern_dkim_finding_free(PosternDkimFinding *finding);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDkimFinding, postern_dkim_finding_free)
