/*
 * Findings: the facts that checks found about one message. No opinion yet; that is judge/verdict.h.
 */
#pragma once

#include <glib.h>

/* RFC 7208 2.6. NOT_CHECKED: nothing was known to check with, or the check did not run. */
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

/*
 * CLEAN is said only when the scan ended without any error. UNSCANNABLE: the scanner could not see all of it
 * (limits, encryption, an error message of the library). ERROR: the scan itself could not be done.
 */
typedef enum {
    POSTERN_VIRUS_NOT_CHECKED,
    POSTERN_VIRUS_CLEAN,
    POSTERN_VIRUS_INFECTED,
    POSTERN_VIRUS_UNSCANNABLE,
    POSTERN_VIRUS_ERROR,
} PosternVirusResult;

/* Names as in RFC 8601 and in the interface of postern-scan: "pass", "temperror", "infected" … */
const char *postern_spf_result_name(PosternSpfResult result);
const char *postern_dkim_result_name(PosternDkimResult result);
const char *postern_virus_result_name(PosternVirusResult result);

typedef struct {
    PosternSpfResult result;
    gboolean helo;     /* the identity was HELO (RFC 7208 2.3), else MAIL FROM (2.4) */
    char *domain;      /* the domain checked, or NULL */
    char *explanation; /* FAIL: what the domain's owner says (6.2), printable ASCII, or NULL */
    char *problem;     /* PERMERROR, TEMPERROR: what was wrong, for people, or NULL */
} PosternSpfFinding;

typedef struct {
    PosternDkimResult result;
    char *domain;          /* d= */
    char *selector;        /* s= */
    char *identity;        /* i=, or NULL */
    char *algorithm;       /* a= as given, or NULL */
    char *signature_start; /* first characters of b= (RFC 6008), or NULL */
    guint key_bits;        /* 0: not known */
    gint64 body_covered;   /* l=: octets of body that are signed; -1: all */
    gboolean testing;      /* the key has t=y */
    char *reason;          /* why it is not pass, for people, or NULL */
} PosternDkimFinding;

typedef struct {
    PosternVirusResult result;
    char *name;   /* INFECTED: the signature's name */
    char *reason; /* UNSCANNABLE, ERROR: why */
} PosternVirusFinding;

typedef struct {
    char *name;   /* file name as decoded, UTF-8, or NULL */
    char *type;   /* media type, "application/zip" */
    guint64 size; /* octets decoded */
} PosternAttachment;

typedef struct {
    PosternSpfFinding spf;
    GPtrArray *dkim; /* of PosternDkimFinding *, in the order of the header; empty: no signature */
    gboolean dkim_checked;
    PosternVirusFinding virus;
    GPtrArray *attachments; /* of PosternAttachment *, at most POSTERN_ATTACHMENTS_REPORTED_MAX */
    guint attachment_count; /* all of them */
    char *mime_problem;     /* a MIME limit that was met, or NULL */
} PosternFindings;

PosternFindings *postern_findings_new(void);
void postern_findings_free(PosternFindings *findings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternFindings, postern_findings_free)

PosternDkimFinding *postern_dkim_finding_new(void); /* body_covered -1, all else zero */
void postern_dkim_finding_free(PosternDkimFinding *finding);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDkimFinding, postern_dkim_finding_free)
void postern_attachment_free(PosternAttachment *attachment);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternAttachment, postern_attachment_free)

/* Takes from source, by its ownership, what the checks named in the mask found; source keeps the rest. */
typedef enum {
    POSTERN_CHECK_SPF = 1 << 0,
    POSTERN_CHECK_DKIM = 1 << 1,
    POSTERN_CHECK_VIRUS = 1 << 2,
    POSTERN_CHECK_CONTENT = 1 << 3,
} PosternChecks;
#define POSTERN_CHECKS_ALL                                                                                   \
    (POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT)
void postern_findings_take(PosternFindings *findings, PosternFindings *source, PosternChecks checks);

/*
 * As GVariant (floating); text travels as octets (ay). Out: texts over POSTERN_FINDING_TEXT_MAX_OCTETS are
 * cut, and of signatures POSTERN_DKIM_SIGNATURES_REPORTED_MAX are told. Back: from a stranger, all bounds
 * checked; file names are made valid UTF-8.
 */
#define POSTERN_FINDINGS_VARIANT "a{sv}"
GVariant *postern_findings_to_variant(const PosternFindings *findings);
PosternFindings *postern_findings_from_variant(GVariant *variant, GError **error);
