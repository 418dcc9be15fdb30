/*
 * Which policy a message goes by, and so which checks are made of it: the class of its client, then its
 * recipients, and for a trusted relay the client that its Received fields name. Pure.
 */
#pragma once

#include "mail/message.h"
#include "milter/settings.h"

typedef struct {
    const PosternMilterSettings *settings; /* of the message; outlives the choice */
    PosternClientClass client_class;
    const PosternPolicy *policy; /* of the recipients so far, or NULL: there are none; owned by settings */
    gboolean differs;            /* recipients of several policies were taken: it has no policy */
    char *receiver;              /* our name, in Authentication-Results and for SPF */
    PosternEnvelope *origin;     /* of a trusted relay: the envelope with the client that it names, or NULL */
} PosternMilterPolicyMatch;

/* local: the mail was handed in on the server's own machine, which is as good as OWN_NETWORK. */
PosternClientClass postern_milter_policy_match_class(const PosternMilterSettings *settings,
                                                     const PosternEnvelope *envelope, gboolean local);

/*
 * At MAIL; local as above. server: what the mail server calls itself, or NULL; if no hostname is configured
 * and it is a domain, that is our name too.
 */
void postern_milter_policy_match_begin(PosternMilterPolicyMatch *choice,
                                       const PosternMilterSettings *settings, const PosternEnvelope *envelope,
                                       gboolean local, const char *server);
void postern_milter_policy_match_clear(PosternMilterPolicyMatch *choice);

/* The checks that any recipient's policy may want: those to begin with. */
PosternChecks postern_milter_policy_match_checks_begun(const PosternMilterPolicyMatch *choice,
                                                       const PosternEnvelope *envelope);

/* Whether what SPF says may be refused before a recipient is known. */
gboolean postern_milter_policy_match_may_refuse_at_mail(const PosternMilterPolicyMatch *choice,
                                                        const PosternEnvelope *envelope);

/* FALSE: recipient has another policy than those before it (RFC 5321 4.5.3.1.10: 452 4.5.3). It is none of
 * the message's, unless it is taken all the same: then differs has to be set. Where policy only observes,
 * nobody is refused for that. */
gboolean postern_milter_policy_match_add_recipient(PosternMilterPolicyMatch *choice, const char *recipient);

/*
 * The header is there (sealed, the header block alone). TRUE: origin was found in it. FALSE too for a client
 * that is no trusted relay.
 */
gboolean postern_milter_policy_match_find_origin(PosternMilterPolicyMatch *choice,
                                                 const PosternEnvelope *envelope, PosternMessage *header);

/* The policy of the message, that of no recipient if it has none, with our name as authserv_id. Its members
 * are owned by choice and its settings: it lives as long as both. */
PosternPolicy postern_milter_policy_match_policy(const PosternMilterPolicyMatch *choice);

/* The envelope to judge by: envelope, or origin with its recipients. Lives as long as both. */
const PosternEnvelope *postern_milter_policy_match_envelope(const PosternMilterPolicyMatch *choice,
                                                            const PosternEnvelope *envelope);

/* The checks that the policy wants, of those that can be made: SPF, and DMARC that rests on it, need a client
 * that is a stranger and known. */
PosternChecks postern_milter_policy_match_checks(const PosternMilterPolicyMatch *choice,
                                                 const PosternEnvelope *envelope);
