/*
 * The checks, each a pure function of message, envelope and answers: they wait for nothing and ask nobody.
 * Each returns 1: its finding is complete; 0: it has noted questions in answers and must be run again.
 * Linked by postern-inspector only: this code reads untrusted mail.
 */
#pragma once

#include "dns/answers.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "verdict/findings.h"

/*
 * SPF, RFC 7208. MAIL FROM if it has a domain, else HELO as postmaster@HELO (2.4). receiver is %{r},
 * now is %{t}, seconds since 1970. Fills findings->spf (which must be zeroed).
 */
int postern_check_spf(const PosternEnvelope *envelope, const char *receiver, gint64 now,
                      PosternAnswers *answers, PosternFindings *findings);

/*
 * libspf2, for those who need its exact behaviour. Made before the sandbox closes: it asks for the host's
 * name. One evaluation at a time. Never NULL.
 */
typedef struct PosternLibspf2Engine PosternLibspf2Engine;
PosternLibspf2Engine *postern_libspf2_engine_new(void);
void postern_libspf2_engine_free(PosternLibspf2Engine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternLibspf2Engine, postern_libspf2_engine_free)

/*
 * SPF by libspf2: its look-up hook reads answers, and its get_exp hook never lets it compile an untrusted
 * explanation, so there is none. Its result if it has one; an error of the DNS is TEMPERROR, any other
 * PERMERROR, and so is asking the DNS more than POSTERN_SPF_LIBSPF2_LOOKUPS_MAX times. It lets each loopback
 * address pass. It takes %{t} from the clock, not from now. May abort the process: for the sandbox alone.
 */
int postern_check_spf_libspf2(PosternLibspf2Engine *engine, const PosternEnvelope *envelope,
                              const char *receiver, gint64 now, PosternAnswers *answers,
                              PosternFindings *findings);

/*
 * What verifying signatures of DKIM and ARC keeps between messages: public keys, decoded. partial_body: a
 * signature of only the beginning of the body passes, with its reason; else it is POLICY. Never NULL.
 */
typedef struct PosternDkimEngine PosternDkimEngine;
PosternDkimEngine *postern_dkim_engine_new(gboolean partial_body);
void postern_dkim_engine_free(PosternDkimEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDkimEngine, postern_dkim_engine_free)

/*
 * The proof that signatures are verified, by the samples of RFC 8463 A.3: both must pass, and neither with an
 * octet of the body changed. It also loads what OpenSSL loads lazily. FALSE and error with what was found
 * instead.
 */
gboolean postern_dkim_engine_self_test(PosternDkimEngine *engine, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Notes in answers the questions that verifying the first POSTERN_DKIM_SIGNATURES_MAX signatures of header
 * will ask. 1: all are answered; 0: not.
 */
int postern_check_dkim_questions(const PosternHeader *header, PosternAnswers *answers);

/*
 * DKIM, RFC 6376, 8301, 8463. octets is the whole message, lines ended by CRLF, that header indexes; now
 * judges x= and t=. Appends to findings->dkim in the order of the header: at most POSTERN_DKIM_SIGNATURES_MAX
 * are evaluated (dkim/select.h), others are SKIPPED; at most POSTERN_DKIM_SIGNATURES_REPORTED_MAX are named.
 *
 * POLICY, never PASS: rsa-sha1, RSA keys under 1024 bits (RFC 8301), and a signature that is right but does
 * not cover every From field (RFC 6376 8.15), or not the whole body (l=, 8.2). Expired, of the
 * future: FAIL. No key: PERMERROR; the DNS failed: TEMPERROR.
 */
int postern_check_dkim(PosternDkimEngine *engine, const char *octets, gsize length,
                       const PosternHeader *header, gint64 now, PosternAnswers *answers,
                       PosternFindings *findings);

/*
 * DMARC, RFC 9989: who the authors are (From), what the owners of their domains ask for, and the
 * Organizational Domains that alignment will compare (tree walks, 4.10), of the authors, of what SPF checks
 * in envelope, and of d= of the first POSTERN_DKIM_SIGNATURES_MAX signatures. Needs neither the body nor the
 * results of SPF and DKIM: those are joined to it by checks/dmarc/conclude.h. Fills findings->dmarc but its
 * result.
 */
int postern_check_dmarc(const PosternHeader *header, const PosternEnvelope *envelope, PosternAnswers *answers,
                        PosternFindings *findings);

/* Notes in answers the questions that validating the chain of header will ask. 1: all answered; 0: not. */
int postern_check_arc_questions(const PosternHeader *header, PosternAnswers *answers);

/*
 * ARC, RFC 8617 5.2: validates the chain, and reads from its ARC-Authentication-Results what each sealer said
 * of dmarc. octets is the whole message, lines ended by CRLF, that header indexes. Fills findings->arc.
 */
int postern_check_arc(PosternDkimEngine *engine, const char *octets, gsize length,
                      const PosternHeader *header, PosternAnswers *answers, PosternFindings *findings);

/*
 * The keys that we sign with (RFC 6376), loaded once, by a process that parses no untrusted mail. table: the
 * file of [sign] table, one key a line: "DOMAIN SELECTOR FILE", FILE the absolute path of a private key in
 * PEM form, RSA of at least POSTERN_DKIM_RSA_MIN_BITS or Ed25519; '#' begins a comment. warnings (of char *,
 * or NULL) get what an administrator must be told: files that others can read or change, short keys. NULL and
 * error name file and line, and what to do.
 */
typedef struct PosternSignEngine PosternSignEngine;
PosternSignEngine *postern_sign_engine_new(const char *table, GPtrArray *warnings,
                                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_sign_engine_free(PosternSignEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternSignEngine, postern_sign_engine_free)

/* The keys loaded. */
guint postern_sign_engine_count(const PosternSignEngine *engine);

/* The DNS records to publish, one a line as in a zone file; a new string. */
char *postern_sign_engine_records(const PosternSignEngine *engine);

/*
 * The proof that each key (every FALSE: one of each algorithm) signs a built-in message such that dkim finds
 * it right, with the record that is to be published. FALSE and error name the key.
 */
gboolean postern_sign_engine_self_test(PosternSignEngine *engine, PosternDkimEngine *dkim, gboolean every,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Signs for the author's domain (From), or the closest domain above it that has a key: one field for each of
 * its keys, relaxed/relaxed, all octets of the body, From and Subject oversigned (RFC 6376 8.15). now: t=.
 * Fills findings->sign. A message that cannot be signed as it is (no key for its author, several
 * authors, a header that no verifier would read as it stands) is no problem: fields stay empty, and a step
 * says why. Always 1.
 */
int postern_check_sign(PosternSignEngine *engine, const char *octets, gsize length,
                       const PosternHeader *header, gint64 now, PosternFindings *findings);

/*
 * GMime, and the character sets of mail loaded: once in a process, before its sandbox closes; libclamav opens
 * the same converters for HTML in UTF-16. Never NULL.
 */
typedef struct PosternContentEngine PosternContentEngine;
PosternContentEngine *postern_content_engine_new(void);
void postern_content_engine_free(PosternContentEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternContentEngine, postern_content_engine_free)

/* Virus signatures, loaded once in a process and shared with those it forks. */
typedef struct PosternVirusEngine PosternVirusEngine;

typedef struct {
    const char *database; /* absolute path of a directory of signatures, or of a file of them; NULL: none */
    const char *loaded_from;       /* a directory with the same files, which is loaded instead; or NULL */
    PosternContentEngine *content; /* which must outlive it: it takes mail apart */
    guint64 scan_octets;   /* largest message looked into; a file in it may unpack to twice, all to four times
                              as much */
    gboolean phishing;     /* whole messages are given to libclamav's own reader of mail too, for
                              Heuristics.Phishing     alone: what else that reader says is not heard */
    guint scan_timeout_ms; /* the library's own bound; the pool's deadline stands behind it */
    guint workers;         /* processes that scan at once and share one temporary directory; 0: one */
    const char *temporary_directory; /* for the load alone; NULL: the system's */
} PosternVirusOptions;

/*
 * Loads. *ret_signatures: how many, with that of the EICAR test; *ret_warning (a new string or NULL): what an
 * administrator must be told: that there are none. NULL and error: they could not be loaded all; what to do.
 */
PosternVirusEngine *postern_virus_engine_new(const PosternVirusOptions *options, guint *ret_signatures,
                                             char **ret_warning, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_virus_engine_free(PosternVirusEngine *engine);
/* When the newest of its signatures were made: Unix time; 0: not known. */
gint64 postern_virus_engine_built(const PosternVirusEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternVirusEngine, postern_virus_engine_free)

/* A connection to clamd, of one message. */
typedef struct {
    int descriptor;
    gboolean begun; /* its session (IDSESSION) was begun */
} PosternScanner;

/* clamd, at a socket, in the place of signatures; place is for people. options as above, without database. */
PosternVirusEngine *postern_virus_engine_new_clamd(const PosternVirusOptions *options, const char *place);

/* Whether clamd is there, and finds the EICAR test file: *ret_version, what it calls itself, a new string.
 * FALSE and error: why not. The engine is of use all the same: each message is tried. */
gboolean postern_virus_engine_ask_clamd(PosternVirusEngine *engine, const PosternScanner *scanner,
                                        char **ret_version, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Scans the message of length octets, one at a time in a process. Temporary files go to temporary_directory,
 * best a tmpfs: with less room there than four times scan_octets, twice, for each worker, less is unpacked
 * and large archives are TOO_LARGE. Fills *finding (which must be zeroed).
 *
 * CLEAN is said only if libclamav said it, looked at the message, wrote no warning and no error, raised no
 * alert, there are signatures, and files, descriptors and memory lasted; else see PosternVirusKind. A virus
 * is INFECTED whatever else was wrong.
 */
void postern_check_virus(PosternVirusEngine *engine, const char *octets, gsize length,
                         const char *temporary_directory, PosternVirusFinding *finding);

/* What the scan of the last message took; all of it is at most a few times the message and what it unpacks
 * to. */
typedef struct {
    guint scans;             /* of the message, enclosed ones and files, each begun anew */
    guint layers;            /* that libclamav looked into, in all of them */
    guint64 octets;          /* given to it */
    guint64 unpacked_octets; /* that it scanned, by its own count */
} PosternVirusWork;

/* Of the last message. */
PosternVirusWork postern_virus_engine_work(const PosternVirusEngine *engine);

/*
 * The proof that a worker scans: EICAR in a zip in a MIME message, made in memory, must be found. FALSE and
 * error with what was found instead.
 */
gboolean postern_virus_engine_self_test(PosternVirusEngine *engine, const char *temporary_directory,
                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Content rules, postern-rules(5): parsed and compiled once in a process. checks/rules/engine.h has what they
 * are made from.
 */
typedef struct PosternRulesEngine PosternRulesEngine;
void postern_rules_engine_free(PosternRulesEngine *engine);
/* TRUE: what is found hangs on fields of trace (mail/fingerprint.h), too. */
gboolean postern_rules_engine_reads_trace(const PosternRulesEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternRulesEngine, postern_rules_engine_free)

/* Loaded once, in the template; each worker inherits them. */
typedef struct {
    PosternLibspf2Engine *libspf2; /* NULL: SPF is evaluated by our own code */
    PosternDkimEngine *dkim;
    PosternContentEngine *content;
    PosternVirusEngine *virus; /* NULL: this inspector does not scan; the finding is then ERROR */
    char *virus_problem;       /* why there is none although it should, or NULL */
    PosternRulesEngine
        *rules; /* NULL: there are none; rules_problem: why those are not known that there should be */
    char *rules_problem;
    PosternSignEngine *sign; /* role SIGN alone; it has no other engine but dkim, for its own proof */
} PosternEngines;

/* One run of one check; nothing is owned. */
typedef struct {
    const PosternEngines *engines;
    const char *temporary_directory; /* for the virus engine */
    const PosternScanner *scanner;   /* likewise: a connection to clamd; NULL: there is none */
    const PosternEnvelope *envelope;
    PosternAnswers *answers;
    const char *receiver;
    gint64 now;
    guint64 scan_octets; /* largest message that is scanned */
    const char *octets;  /* of the message, or of its header in stage HEADER; "" in stage ENVELOPE */
    gsize length;
    const PosternHeader *header; /* NULL in stage ENVELOPE */
    PosternFindings *findings;   /* what it found goes there */
} PosternCheckRun;

/* A part of the message, checks/content/item.h. */
typedef struct PosternItem PosternItem;

/*
 * How a check takes part in the one walk over the items of a message, in stage WHOLE; its finding is complete
 * when it ends. No begin: it does not.
 */
typedef struct {
    /* Before the walk. What it returns is data of the others; NULL: no items are wanted, and end is not
     * called. */
    gpointer (*begin)(const PosternCheckRun *run);
    gboolean (*take)(const PosternItem *item, gpointer data); /* as in PosternItemVisitor; FALSE: no more */
    void (*note)(PosternVirusKind kind, const char *text, gpointer data); /* likewise; NULL: of no interest */
    void (*end)(const PosternCheckRun *run, gpointer data);               /* frees data */
} PosternItemUse;

/* What a check registers for the inspector, beside its description (verdict/check.h). */
typedef struct {
    /* By stage, those of its description: 1: it is complete; 0: it waits for answers. */
    int (*run[POSTERN_STAGES])(const PosternCheckRun *run);
    PosternItemUse item; /* beside run[POSTERN_STAGE_WHOLE], or in its place */
    /* The proof that a worker can do it, inside the sandbox; NULL: it needs none. FALSE and error. */
    gboolean (*self_test)(const PosternEngines *engines, const char *temporary_directory, GError **error);
} PosternEvaluation;

/* Those of checks/list.h: postern_evaluation_spf and so on. */
#define POSTERN_CHECK_EVALUATION(NAME, member, Type)                                                         \
    extern const PosternEvaluation postern_evaluation_##member;
POSTERN_CHECKS_LIST(POSTERN_CHECK_EVALUATION)
#undef POSTERN_CHECK_EVALUATION

/* All, in the order of checks/list.h; POSTERN_CHECKS_COUNT. */
extern const PosternEvaluation *const postern_evaluations[];

/* Runs the checks of the mask in a stage, items included. Returns those that are complete. */
guint postern_checks_run(const PosternCheckRun *run, guint checks, PosternStage stage);
