/*
 * Findings: the facts that checks found about one message. No opinion yet; that is verdict/verdict.h.
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
 * CLEAN is said only when the scan ended without any error, with signatures, and saw all of the message. The
 * others are told apart by PosternVirusKind: ERROR has the kind SCAN_ERROR, HEURISTIC and NO_SIGNATURES those
 * of the same name, UNSCANNABLE one or more of the rest.
 */
typedef enum {
    POSTERN_VIRUS_NOT_CHECKED,
    POSTERN_VIRUS_CLEAN,
    POSTERN_VIRUS_INFECTED,
    POSTERN_VIRUS_UNSCANNABLE,
    POSTERN_VIRUS_ERROR,
    POSTERN_VIRUS_HEURISTIC,
    POSTERN_VIRUS_NO_SIGNATURES,
} PosternVirusResult;

/* Why a message is not CLEAN, although no virus was found. Several may hold. In order of gravity. */
typedef enum {
    POSTERN_VIRUS_SCAN_ERROR,        /* the scan could not be done, by no fault of the message: this passes */
    POSTERN_VIRUS_AMBIGUOUS,         /* readers of mail would see what the scan did not */
    POSTERN_VIRUS_ENCRYPTED,         /* something in it is */
    POSTERN_VIRUS_TOO_LARGE,         /* over a limit: octets, unpacked octets, files, levels, parts */
    POSTERN_VIRUS_UNKNOWN_CONTAINER, /* an archive that cannot be opened here */
    POSTERN_VIRUS_SUSPICIOUS,        /* a heuristic of ClamAV, such as that on phishing, and no signature */
    POSTERN_VIRUS_UNARMED,           /* there are no signatures but that of the EICAR test */
} PosternVirusKind;
#define POSTERN_VIRUS_KINDS 7

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

/* RFC 8617 4.4; TEMPERROR: a key could not be had for now. */
typedef enum {
    POSTERN_ARC_NOT_CHECKED,
    POSTERN_ARC_NONE,
    POSTERN_ARC_PASS,
    POSTERN_ARC_FAIL,
    POSTERN_ARC_TEMPERROR,
} PosternArcResult;

/* Names as in RFC 8601 and in the interface of postern-scan: "pass", "temperror", "infected" … */
const char *postern_spf_result_name(PosternSpfResult result);
const char *postern_dkim_result_name(PosternDkimResult result);
const char *postern_virus_result_name(PosternVirusResult result);
/* The name of the row and option of policy: "scan_error", "ambiguous", "encrypted", "too_large",
 * "unknown_container", "heuristic", "no_signatures". */
const char *postern_virus_kind_name(PosternVirusKind kind);
const char *postern_dmarc_result_name(PosternDmarcResult result);
const char *postern_dmarc_policy_name(PosternDmarcPolicy policy);
const char *postern_arc_result_name(PosternArcResult result);

typedef struct {
    PosternSpfResult result;
    gboolean helo;      /* the identity was HELO (RFC 7208 2.3), else MAIL FROM (2.4) */
    char *domain;       /* the domain checked, or NULL */
    char *explanation;  /* FAIL: what the domain's owner says (6.2), printable ASCII, or NULL */
    char *problem;      /* PERMERROR, TEMPERROR: what was wrong, for people, or NULL */
    gboolean uncertain; /* FAIL, SOFTFAIL: a reverse name that the DNS did not give may have made it a pass */
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
    gint64 body_unsigned;  /* octets of the body that l= leaves out; 0: none, or it was not evaluated */
    gboolean testing;      /* the key has t=y */
    char *reason;          /* why it is not pass, or of what alone, for people, or NULL */
} PosternDkimFinding;

/*
 * One Author Domain (RFC 9989 3.2.2) and what the DNS says of it. Not yet a result: that also needs SPF and
 * DKIM, and is made of both by verdict/dmarc.h.
 */
typedef struct {
    char *domain;              /* lower case, A-labels */
    char *record_domain;       /* where the DMARC Policy Record was found, or NULL: there is none */
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
    /* What verdict/dmarc.h makes of it. */
    PosternDmarcResult result;
    const PosternDmarcAuthor *decisive; /* of authors: who decides the result, or NULL: there is none */
} PosternDmarcFinding;

/* One ARC Set (RFC 8617 4.2). Texts are a stranger's. */
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

/* A field DKIM-Signature of ours for a message (check SIGN). */
typedef struct {
    GPtrArray *fields; /* of char *: values, folded with CRLF and white space; never NULL */
    char *domain;      /* d= of them, or NULL: no key is for this author */
    char *problem;     /* why it could not be signed, or NULL */
    char
        *unsigned_reason; /* why it has no signature though there is a key: problem, or that the message would
                             not reach the next server as it is signed; NULL: it is signed, or has no key */
} PosternSignatures;

/* A step of a check, told where the request asked for an explanation. */
typedef struct {
    guint check; /* one of PosternChecks */
    char *text;  /* one line, printable ASCII */
} PosternStep;

/* Written by postern_virus_finding_infected(), _note() and _clean() alone. */
typedef struct {
    PosternVirusResult result;
    char *name;                       /* INFECTED: the signature's name */
    char *reason;                     /* neither INFECTED nor CLEAN: why, the text of the gravest kind */
    char *kinds[POSTERN_VIRUS_KINDS]; /* by PosternVirusKind: what of it, for people, or NULL: not so */
} PosternVirusFinding;

typedef struct {
    char *name;   /* file name as decoded, UTF-8, or NULL */
    char *type;   /* media type, "application/zip" */
    guint64 size; /* octets decoded */
} PosternAttachment;

typedef struct {
    PosternSpfFinding spf;
    PosternSpfFinding
        spf_helo;    /* HELO beside MAIL FROM; NOT_CHECKED where there is no MAIL FROM: spf is it */
    GPtrArray *dkim; /* of PosternDkimFinding *, in the order of the header; empty: no signature */
    gboolean dkim_checked;
    PosternVirusFinding virus;
    GPtrArray *attachments; /* of PosternAttachment *, at most POSTERN_ATTACHMENTS_REPORTED_MAX */
    guint attachment_count; /* all of them */
    char *mime_problem;     /* a MIME limit that was met, or NULL */
    PosternDmarcFinding dmarc;
    PosternArcFinding arc;
    PosternSignatures signatures;
    guint not_run;    /* PosternChecks that no inspector ran; what stands above of them is no finding */
    gboolean explain; /* steps are wanted */
    GPtrArray *steps; /* of PosternStep *, in order, at most POSTERN_STEPS_MAX; never NULL */
} PosternFindings;

PosternFindings *postern_findings_new(void);
void postern_findings_free(PosternFindings *findings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternFindings, postern_findings_free)

/*
 * The signatures that are told in a line or a field, at most POSTERN_DKIM_SIGNATURES_LISTED_MAX: all of so
 * many, in the order of the header; of more those that pass first, and those that were not evaluated last. Of
 * PosternDkimFinding *, borrowed.
 */
GPtrArray *postern_findings_listed_signatures(const PosternFindings *findings);

/* A virus was found; of several names the first stays. What else was found stays in kinds. */
void postern_virus_finding_infected(PosternVirusFinding *finding, const char *name);
/* Notes a kind; of several texts the first stays, cut at POSTERN_FINDING_TEXT_MAX_OCTETS; NULL is "". */
void postern_virus_finding_note(PosternVirusFinding *finding, PosternVirusKind kind, const char *text);
/* The scan has ended: CLEAN where nothing was found. */
void postern_virus_finding_clean(PosternVirusFinding *finding);
/* Frees what it holds: NOT_CHECKED. */
void postern_virus_finding_clear(PosternVirusFinding *finding);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternVirusFinding, postern_virus_finding_clear)
/* "RESULT", "infected:NAME" or "RESULT:KIND,KIND", for the log; a new string. */
char *postern_virus_finding_word(const PosternVirusFinding *finding);

PosternDkimFinding *postern_dkim_finding_new(void); /* body_covered -1, all else zero */
void postern_dkim_finding_free(PosternDkimFinding *finding);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDkimFinding, postern_dkim_finding_free)
void postern_dmarc_author_free(PosternDmarcAuthor *author);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDmarcAuthor, postern_dmarc_author_free)
void postern_dmarc_organization_free(PosternDmarcOrganization *organization);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDmarcOrganization, postern_dmarc_organization_free)
void postern_arc_set_free(PosternArcSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternArcSet, postern_arc_set_free)
void postern_attachment_free(PosternAttachment *attachment);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternAttachment, postern_attachment_free)

/*
 * Notes a step of check, where findings->explain is TRUE and there is room; else does nothing. What is not
 * printable ASCII is escaped, and the text is cut at POSTERN_STEP_MAX_OCTETS.
 */
void postern_findings_step(PosternFindings *findings, guint check, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Takes from source, by its ownership, what the checks named in the mask found; source keeps the rest. */
typedef enum {
    POSTERN_CHECK_SPF = 1 << 0,
    POSTERN_CHECK_DKIM = 1 << 1,
    POSTERN_CHECK_VIRUS = 1 << 2,
    POSTERN_CHECK_CONTENT = 1 << 3,
    POSTERN_CHECK_DMARC = 1 << 4, /* of no use without SPF and DKIM */
    POSTERN_CHECK_ARC = 1 << 5,
    POSTERN_CHECK_SIGN = 1 << 6, /* not a check: the message is one of ours and gets our signature */
    POSTERN_CHECK_SPF_HELO = 1 << 7,
} PosternChecks;
#define POSTERN_CHECKS_ALL                                                                                   \
    (POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT |                  \
     POSTERN_CHECK_DMARC | POSTERN_CHECK_ARC | POSTERN_CHECK_SIGN | POSTERN_CHECK_SPF_HELO)
/* All but SIGN: what a verdict on a message from elsewhere is made from. */
#define POSTERN_CHECKS_VERDICT                                                                               \
    (POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT |                  \
     POSTERN_CHECK_DMARC | POSTERN_CHECK_ARC | POSTERN_CHECK_SPF_HELO)
/* Of no use where the client is not known. */
#define POSTERN_CHECKS_CLIENT (POSTERN_CHECK_SPF | POSTERN_CHECK_SPF_HELO)
/* "spf", "dkim", "virus", "content", "dmarc", "arc", "sign", "spf_helo"; NULL for another number. */
const char *postern_check_name(PosternChecks check);
void postern_findings_take(PosternFindings *findings, PosternFindings *source, PosternChecks checks);

/*
 * As GVariant (floating); text travels as octets (ay). Out: texts over POSTERN_FINDING_TEXT_MAX_OCTETS are
 * cut, and of signatures POSTERN_DKIM_SIGNATURES_REPORTED_MAX are told. Back: from a stranger, all bounds
 * checked; file names are made valid UTF-8.
 */
#define POSTERN_FINDINGS_VARIANT "a{sv}"
GVariant *postern_findings_to_variant(const PosternFindings *findings);
PosternFindings *postern_findings_from_variant(GVariant *variant, GError **error);
