/*
 * The checks, each a pure function of message, envelope and answers: they wait for nothing and ask nobody.
 * Each returns 1: its finding is complete; 0: it has noted questions in answers and must be run again.
 * Linked by postern-inspector only: this code reads strangers' mail.
 */
#pragma once

#include "dns/answers.h"
#include "judge/findings.h"
#include "mail/envelope.h"
#include "mail/header.h"

/*
 * SPF, RFC 7208. MAIL FROM where it has a domain, else HELO as postmaster@HELO (2.4). receiver is %{r},
 * now is %{t}, seconds since 1970. Fills *finding (which must be zeroed).
 */
int postern_check_spf(const PosternEnvelope *envelope, const char *receiver, gint64 now,
                      PosternAnswers *answers, PosternSpfFinding *finding);

/*
 * libopendkim, set up once in a process, before its sandbox closes; forked workers inherit it. One message at
 * a time.
 */
typedef struct PosternDkimEngine PosternDkimEngine;
PosternDkimEngine *postern_dkim_engine_new(GError **error);
void postern_dkim_engine_free(PosternDkimEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDkimEngine, postern_dkim_engine_free)

/*
 * The proof that signatures are verified, by the samples of RFC 8463 A.3: both must pass, and neither with an
 * octet of the body changed. It also loads what OpenSSL loads lazily. FALSE and error with what was found
 * instead.
 */
gboolean postern_dkim_engine_prove(PosternDkimEngine *engine, GError **error);

/*
 * Notes in answers the questions that verifying the first POSTERN_DKIM_SIGNATURES_MAX signatures of header
 * will ask. 1: all are answered; 0: not.
 */
int postern_check_dkim_questions(const PosternHeader *header, PosternAnswers *answers);

/*
 * DKIM, RFC 6376, 8301, 8463. octets is the whole message, lines ended by CRLF, that header indexes; now
 * judges x= and t=. Appends to findings->dkim in the order of the header: at most POSTERN_DKIM_SIGNATURES_MAX
 * are evaluated, others are SKIPPED, and beyond POSTERN_DKIM_SIGNATURES_REPORTED_MAX not named.
 *
 * POLICY, never PASS: rsa-sha1, RSA keys under 1024 bits (RFC 8301), and a signature that is right but does
 * not cover every From field (RFC 6376 8.15). Expired, of the future: FAIL. No key: PERMERROR; the DNS
 * failed: TEMPERROR.
 */
int postern_check_dkim(PosternDkimEngine *engine, const char *octets, gsize length,
                       const PosternHeader *header, gint64 now, PosternAnswers *answers,
                       PosternFindings *findings);

/*
 * GMime, and the character sets of mail loaded: once in a process, before its sandbox closes; libclamav opens
 * the same converters for HTML in UTF-16. Never NULL.
 */
typedef struct PosternContentEngine PosternContentEngine;
PosternContentEngine *postern_content_engine_new(void);
void postern_content_engine_free(PosternContentEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternContentEngine, postern_content_engine_free)

/*
 * MIME structure (RFC 2045, 2046) and attachments: parts that are named, said to be attachments, or neither
 * text/plain nor text/html; those of enclosed messages too. Beyond POSTERN_MIME_DEPTH_MAX levels a part is
 * not looked into, and POSTERN_MIME_PARTS_MAX parts end the walk: mime_problem. Memory does not grow with the
 * message.
 */
int postern_check_content(PosternContentEngine *engine, const char *octets, gsize length,
                          PosternFindings *findings);

/* Virus signatures, loaded once in a process and shared with those it forks. */
typedef struct PosternVirusEngine PosternVirusEngine;

typedef struct {
    const char *database;  /* directory of signatures; NULL, missing or empty: the EICAR signature alone */
    guint64 scan_octets;   /* largest message looked into; a file in it may unpack to twice, all to four times
                              as much */
    guint scan_timeout_ms; /* the library's own bound; the pool's deadline stands behind it */
    guint workers;         /* processes that scan at once and share one temporary directory; 0: one */
    const char *temporary_directory; /* for the load alone; NULL: the system's */
} PosternVirusOptions;

/*
 * Loads. *ret_signatures: how many; *ret_warning (a new string or NULL): what an administrator must be told,
 * such as that there is no database and how freshclam fetches one.
 */
PosternVirusEngine *postern_virus_engine_new(const PosternVirusOptions *options, guint *ret_signatures,
                                             char **ret_warning, GError **error);
void postern_virus_engine_free(PosternVirusEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternVirusEngine, postern_virus_engine_free)

/*
 * Scans the message of length octets, one at a time in a process. Temporary files go to temporary_directory,
 * best a tmpfs: with less room there than four times scan_octets, twice, for each worker, less is unpacked
 * and large archives are UNSCANNABLE. Fills *finding (which must be zeroed).
 *
 * CLEAN is said only where libclamav said it, looked at the message, wrote no warning and no error, raised no
 * alert, and files, descriptors and memory lasted; what was not looked into (encrypted, over a limit, a RAR
 * archive without libclamunrar) is UNSCANNABLE, a scan that could not be done is ERROR. A virus is INFECTED
 * whatever else was wrong.
 */
void postern_check_virus(PosternVirusEngine *engine, const char *octets, gsize length,
                         const char *temporary_directory, PosternVirusFinding *finding);

/*
 * The proof that a worker scans: EICAR in a zip in a MIME message, made in memory, must be found. FALSE and
 * error with what was found instead.
 */
gboolean postern_virus_engine_prove(PosternVirusEngine *engine, const char *temporary_directory,
                                    GError **error);
