/*
 * The verdict: a pure function of policy, findings and envelope. The same input gives the same verdict at
 * every door and on every day.
 */
#pragma once

#include "judge/findings.h"
#include "judge/policy.h"
#include "mail/edits.h"
#include "mail/header.h"

typedef struct {
    PosternAction action; /* never MARK: that is ACCEPT with edits */
    char *reply;       /* REJECT, TEMPFAIL: "550 5.7.1 text", printable ASCII, no session id yet; else NULL */
    const char *check; /* the row that decided: "virus", "spf_fail" …, or "header"; NULL: none. Static. */
    PosternAction would;          /* observe: what would have been done; else the same as action */
    char *would_reply;            /* observe: the reply that would have been given, or NULL */
    char *authentication_results; /* the value of the field, unfolded, without its name; never NULL */
    PosternEdits *edits;          /* never NULL; empty where nothing is to be changed */
} PosternVerdict;

/*
 * Decides. header may be NULL (nothing known of the message: no forged fields are removed then). A finding
 * that is NOT_CHECKED decides nothing, except that virus NOT_CHECKED or ERROR counts as unscannable whenever
 * virus_required is TRUE. Replies carry RFC 3463 and RFC 7372 codes: 5.7.1 policy and virus, 5.7.23
 * SPF, 5.7.20 DKIM, 4.7.24 SPF error, 4.4.3 for keys of DKIM that the DNS did not give, 4.7.1 for what could
 * not be scanned.
 *
 * The most severe action of all rows that apply decides; of equal ones the first. What rests on a temporary
 * error of the DNS is at most TEMPFAIL, whatever policy says. Clients of allowed_networks, and messages all
 * of whose recipients are exempt, meet the rows virus, unscannable and header alone. header: fields of our
 * name cannot all be removed (postern_header too_many, or over POSTERN_HEADER_EDITS_MAX); such a message is
 * refused for good where authentication_results is on.
 *
 * Edits, where authentication_results is on: fields Authentication-Results that claim to be ours, and all
 * Postern-Quarantine, are removed, and ours is inserted. QUARANTINE inserts `Postern-Quarantine: CHECK:
 * text`. There are none where the message is not passed on, nor with observe.
 */
PosternVerdict *postern_verdict_decide(const PosternPolicy *policy, const PosternFindings *findings,
                                       const PosternEnvelope *envelope, const PosternHeader *header,
                                       gboolean virus_required);

void postern_verdict_free(PosternVerdict *verdict);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternVerdict, postern_verdict_free)
