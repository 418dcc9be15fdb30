/*
 * What the scan for viruses found.
 */
#pragma once

#include <glib.h>

#include "verdict/fields.h"

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

/* "clean", "infected" …, "not_checked". */
const char *postern_virus_result_name(PosternVirusResult result);
/* The name of the rule and option of policy: "scan_error", "ambiguous", "encrypted", "too_large",
 * "unknown_container", "heuristic", "no_signatures". */
const char *postern_virus_kind_name(PosternVirusKind kind);

/* Written by postern_virus_finding_infected(), _note() and _clean() alone. */
typedef struct {
    PosternVirusResult result;
    char *name;                       /* INFECTED: the signature's name */
    const char *reason;               /* neither INFECTED nor CLEAN: why, the text of the gravest kind */
    char *kinds[POSTERN_VIRUS_KINDS]; /* by PosternVirusKind: what of it, for people, or NULL: not so */
} PosternVirusFinding;

/* A virus was found; of several names the first stays. What else was found stays in kinds. */
void postern_virus_finding_infected(PosternVirusFinding *finding, const char *name);
/* Notes a kind; of several texts the first stays, cut at POSTERN_FINDING_TEXT_MAX_OCTETS; NULL is "". */
void postern_virus_finding_note(PosternVirusFinding *finding, PosternVirusKind kind, const char *text);
/* The scan has ended: CLEAN if nothing was found. */
void postern_virus_finding_clean(PosternVirusFinding *finding);
/* Frees what it holds: NOT_CHECKED. */
void postern_virus_finding_clear(PosternVirusFinding *finding);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternVirusFinding, postern_virus_finding_clear)
/* "RESULT", "infected:NAME" or "RESULT:KIND,KIND", for the log; a new string. */
char *postern_virus_finding_word(const PosternVirusFinding *finding);
/* Its members of a JSON object. */
void postern_virus_finding_tell(const PosternVirusFinding *finding, const PosternJson *json);
