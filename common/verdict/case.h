/*
 * A case: one mail transaction as the verdict sees it. Proxy, milter, scan and replay fill it by the same
 * calls, in this order, and keep only their input and output:
 *
 *   new (MAIL)  ->  checks_begun, refuses_at_mail  ->  add_recipient (RCPT)  ->  header, checks
 *   ->  decide, refuse or fail  ->  edits, record
 *
 * Pure, and of one thread at a time.
 */
#pragma once

#include "mail/message.h"
#include "verdict/record.h"
#include "verdict/verdict.h"

typedef struct {
    PosternPolicies *policies; /* a reference is taken */
    const char *receiver;      /* our name in Authentication-Results, copied; NULL: that of policies */
    gboolean submission;       /* it came in where only users who have logged in do */
    gboolean local;            /* it was handed in on this machine, not by a connection */
    gboolean refuse_at_mail;   /* what SPF refuses may be refused at MAIL */
    gboolean no_received;      /* no client is looked for in Received fields */
    gboolean takes_all;        /* recipients need not agree on a policy: the first one's is used */
} PosternCaseOptions;

/* What findings were made from. */
typedef enum {
    POSTERN_CASE_WHOLE,
    POSTERN_CASE_BEGINNING,   /* of a message that is too large: of its body nothing but a virus counts */
    POSTERN_CASE_NOT_IN_TIME, /* nothing: the inspection did not end */
} PosternCaseExtent;

/* To be read only, but for what is told. */
typedef struct {
    PosternPolicies *policies; /* NULL: of a replay */
    PosternEnvelope *envelope; /* the caller's, which outlives the case */
    PosternEnvelope *origin;   /* the same with the client that a trusted relay names, or NULL */
    PosternClientClass client_class;
    const PosternPolicy *policy; /* of the recipients so far, or NULL: there are none */
    char *receiver;
    gboolean observe; /* mode = observe: what policy refuses passes */
    gboolean refuse_at_mail;
    gboolean splits;       /* a message has recipients of one policy only */
    gboolean differs;      /* recipients of several policies were taken all the same: set by the caller */
    gboolean seeks_origin; /* the client is the one that the header will name */
    gboolean header_seen;
    char *message_id; /* of the header, or NULL */
    char *header_from;
    char *subject;
    PosternCaseExtent extent;
    guint64 long_lines; /* of more than 998 octets; with nul set by the caller, or by measure() */
    gboolean nul;
    char **findings;   /* postern_findings_words(), or NULL: none */
    char *problem;     /* what could not be checked, and why; or NULL */
    char *not_scanned; /* the same of the scan for viruses */
    PosternVerdict *verdict;
    const char *check; /* refused at MAIL: the row that decided; static */
    char *reply;       /* "550 5.7.1 text", without id: what refuses the message; NULL: nothing does */
    char *would_reply; /* observe: what would have refused it apart from a verdict, or NULL */
    PosternEdits *edits;
} PosternCase;

/*
 * At MAIL: envelope knows client and sender. The class is that of the client (verdict/policies.h); of others,
 * what is local is as good as OWN_NETWORK.
 */
PosternCase *postern_case_new(const PosternCaseOptions *options, PosternEnvelope *envelope);
/* Of a message that is judged once more, by a policy that is known and outlives the case. */
PosternCase *postern_case_new_of_policy(const PosternPolicy *policy, PosternClientClass client_class,
                                        PosternEnvelope *envelope);
void postern_case_free(PosternCase *mail_case);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternCase, postern_case_free)

/*
 * The checks to begin with: those that any recipient's policy may want. SPF is none of them if the address of
 * the client tells nothing of the sender's domain: it is not known, it is this machine's own loopback
 * address, or the user has logged in. DMARC then passes by DKIM, and never fails.
 */
PosternChecks postern_case_checks_begun(const PosternCase *mail_case);

/* The checks that the policy of the message wants, once its header has been seen; of a trusted relay that
 * names no client SPF is left out too. */
PosternChecks postern_case_checks(const PosternCase *mail_case);

/* TRUE if what SPF says could refuse the message before a recipient is known, with refuse_at_mail. */
gboolean postern_case_may_refuse_at_mail(const PosternCase *mail_case);
/*
 * TRUE, with reply and check: SPF, in findings of the envelope stage, is enough to refuse whatever the
 * recipients will be. Each policy that the client can still get rejects or tempfails; the mildest is used.
 * Never with observe, for trusted relays (SPF is not theirs to pass), for clients that one of the policies
 * allows, and if one has exempt recipients or allowed senders.
 */
gboolean postern_case_refuses_at_mail(PosternCase *mail_case, const PosternFindings *findings);

/* The policy that recipient, a forward path, has; owned by policies. */
const PosternPolicy *postern_case_policy_of(const PosternCase *mail_case, const char *recipient);
/* FALSE: a recipient of that policy cannot be added to those before it (RFC 5321 4.5.3.1.10: 452 4.5.3). */
gboolean postern_case_takes(const PosternCase *mail_case, const PosternPolicy *policy);
/*
 * Adds recipient (taken over) to the envelope; the first one gives the message its policy. Those over
 * POSTERN_RECIPIENTS_MAX share the last place, as an empty path, which no list of exempt recipients names.
 * FALSE: it has another policy, and was not added.
 */
gboolean postern_case_add_recipient(PosternCase *mail_case, char *recipient);

/*
 * The header is whole; octets begin with it. For the record it is read; of a trusted relay the client is
 * looked for that its Received fields name (mail/received.h), past own networks, trusted relays and loopback
 * addresses. TRUE: there is an origin now. Calls after the first do nothing.
 */
gboolean postern_case_header(PosternCase *mail_case, const char *octets, gsize length);

/* Sets nul and long_lines from message, sealed. */
void postern_case_measure(PosternCase *mail_case, PosternMessage *message);

/* The policy of the message, or that of no recipient, with our name as authserv_id. Its members live as long
 * as the case. */
PosternPolicy postern_case_policy(const PosternCase *mail_case);
/* The envelope to judge by: with the origin's client, if there is one. Lives as long as the case. */
const PosternEnvelope *postern_case_envelope(const PosternCase *mail_case);

/* Notes that findings are not of the whole message, and takes out of them what then does not count. */
void postern_case_reduce(PosternCase *mail_case, PosternFindings *findings, PosternCaseExtent extent);

/*
 * Decides by findings on message (sealed). problem: what could not be done, or NULL; copied. Sets verdict,
 * findings and reply. FALSE, with a reply 451: message cannot be looked at, so that forged fields in it could
 * not be seen either.
 */
gboolean postern_case_decide(PosternCase *mail_case, PosternMessage *message, const PosternFindings *findings,
                             const char *problem);

/* Policy refuses for reply, whatever the message says. FALSE: with observe it passes, and the record says
 * what would have been. The first reason counts. */
gboolean postern_case_refuse(PosternCase *mail_case, const char *reply);
/* The same for trouble of ours: the message is not judged, and problem says so. */
gboolean postern_case_defer(PosternCase *mail_case, const char *reply);
/* The message is refused for reply whatever the mode is: nothing can be made of it. */
void postern_case_fail(PosternCase *mail_case, const char *reply);

/* Adds a Received field of ours (RFC 5321 4.4), by hostname, that names the client. */
void postern_case_add_received(PosternCase *mail_case, const char *hostname);
/* What is changed in the message that is passed on; owned by the case. NULL: nothing. */
const PosternEdits *postern_case_edits(const PosternCase *mail_case);
/* The same, the caller's, for the last time. */
PosternEdits *postern_case_take_edits(PosternCase *mail_case);

/* Fills in what the case knows; the rest stays. Lives as long as the case. */
void postern_case_record(const PosternCase *mail_case, PosternRecord *record);
