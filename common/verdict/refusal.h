/*
 * Refusals before there is a message: what is known of a client, or of its sender, may be enough whatever
 * the message will be. Pure.
 */
#pragma once

#include "verdict/findings.h"
#include "verdict/policies.h"

typedef struct {
    const PosternPolicies *policies;
    PosternClientClass client_class;
    const PosternEnvelope *envelope;
    const PosternFindings *findings;
    PosternChecks checks;  /* those whose rules may refuse now */
    const char *recipient; /* that is asked for; NULL: none is known yet */
} PosternRefusalQuestion;

/*
 * The reply that refuses, "550 5.7.1 text", a new string; NULL: nothing does. Each policy that the client can
 * still get (with recipient: the one of that) has to reject or tempfail; the mildest is used. *ret_check: the
 * row that decided. Not if a policy has allowed senders, for who it is may be known only later, or, without
 * recipient, exempt recipients. observe is for the caller to heed.
 */
char *postern_refusal_find(const PosternRefusalQuestion *question, const char **ret_check);

/* TRUE if rules of check CLIENT can refuse at all. */
gboolean postern_refusal_has_client_rules(const PosternPolicies *policies);

/*
 * TRUE if rules of check CLIENT could refuse a client of that class, so that facts about it are worth waiting
 * for. Never users, own networks, trusted relays, this machine, or a client whose address is not known.
 */
gboolean postern_refusal_may_be_of_client(const PosternPolicies *policies, PosternClientClass client_class,
                                          const PosternEnvelope *envelope);
