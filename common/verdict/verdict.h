/*
 * The verdict: a pure function of policy, findings and envelope. The same input gives the same verdict at
 * every door and on every day.
 */
#pragma once

#include "mail/edits.h"
#include "mail/header.h"
#include "verdict/findings.h"
#include "verdict/policies.h"
#include "verdict/policy.h"

typedef struct {
    PosternAction action; /* never MARK: that is ACCEPT with edits */
    char *reply;          /* REJECT, TEMPFAIL: "550 5.7.1 text", printable ASCII, no id yet; else NULL */
    const char *check;   /* the row that decided: "virus", "spf_fail" …, or "header"; NULL: none. Static. */
    PosternAction would; /* observe: what would have been done; else the same as action */
    char *would_reply;   /* observe: the reply that would have been given, or NULL */
    char *authentication_results; /* the value of the field, unfolded, without its name; never NULL */
    PosternEdits *edits;          /* never NULL; empty if nothing is to be changed */
    char *policy;                 /* the name of the policy, "" of [policy]; never NULL */
    const char *disposition;      /* what DMARC alone leads to: "none", "quarantine", "reject". Static. */
    gboolean arc_override;        /* DMARC fails, and a trusted sealer's ARC set overrides that */
    char *header_problem;         /* why the header misleads (mail/header.h), or NULL */
    char *decided; /* why, for people: "CHECK: text", with what a client is not told; NULL: nothing applies */
} PosternVerdict;

/*
 * Decides. header may be NULL (nothing known of the message: no forged fields are removed then, and Subject
 * stays). What was found by checks that policy->checks does not have is ignored. A finding that is
 * NOT_CHECKED decides nothing, except that virus NOT_CHECKED or ERROR counts as unscannable if
 * policy->checks has VIRUS. What no inspector ran (not_run) is TEMPFAIL if policy does more than mark for
 * what that check might have found. Replies carry RFC 3463 and RFC 7372 codes: 5.7.1 policy, virus and
 * DMARC, 5.7.23 SPF, 5.7.20 DKIM, 4.7.24 SPF error, 4.4.3 for what DKIM and DMARC could not learn from the
 * DNS, 4.3.0 for what could not be signed, 4.7.1 for what could not be scanned,
 * 5.6.0 for an ambiguous header.
 *
 * The most severe action of all rows that apply decides; of equal ones the first. What rests on a temporary
 * error of the DNS is at most TEMPFAIL, whatever policy says; that a chain of ARC could not be read is one
 * for DMARC if there are trusted sealers. Clients of allowed_networks, and messages all of whose
 * recipients are exempt, meet the rows virus, unscannable and header alone. header: fields of our name cannot
 * all be removed (postern_header too_many, or over POSTERN_HEADER_EDITS_MAX); such a message is refused for
 * good if authentication_results is on.
 *
 * Edits, from the top: Authentication-Results, if that is on, in place of those that claim to be ours;
 * Received-SPF, if received_spf is on, and those removed that name us, or then nobody, if
 * authentication_results is on; `Postern-Quarantine: CHECK: text` with QUARANTINE, and any other removed
 * if authentication_results is on. However they are spelt, lines that some program would take for such a
 * field go too (mail/header.h). Then our DKIM-Signature fields, if checks has SIGN, and the fields that
 * they cover folded, if their lines are long (mail/signed_field.h); Subject with subject_tag, if a row
 * says mark or quarantine, but not if we sign, for Subject is signed. There are none if the message is
 * not passed on, nor with observe.
 */
PosternVerdict *postern_verdict_decide(const PosternPolicy *policy, const PosternFindings *findings,
                                       const PosternEnvelope *envelope, const PosternHeader *header);

void postern_verdict_free(PosternVerdict *verdict);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternVerdict, postern_verdict_free)
