/*
 * Which policy a message has: by the class of the client that sends it, and, for mail from elsewhere, by its
 * recipients. Immutable once made; made anew at a reload.
 */
#pragma once

#include "verdict/findings.h"
#include "verdict/policy.h"

/* In the order in which they are looked for. */
typedef enum {
    POSTERN_CLIENT_AUTHENTICATED, /* it has logged in (RFC 4954) */
    POSTERN_CLIENT_OWN_NETWORK,   /* [clients] own_networks */
    POSTERN_CLIENT_TRUSTED_RELAY, /* [clients] trusted_relays: its Received names the client */
    POSTERN_CLIENT_OTHER,
    POSTERN_CLIENT_UNKNOWN, /* of a message that is judged once more: it is not known any more */
} PosternClientClass;

/* "authenticated", "own_network", "trusted_relay", "other", "unknown". */
const char *postern_client_class_name(PosternClientClass client_class);

typedef struct PosternPolicies PosternPolicies;

/*
 * [policy], each [policy NAME], [clients], and the table of [clients] recipients. authserv_id: as in
 * postern_policy_from_configuration(); it and observe hold for each of them. NULL and error if the table
 * cannot be read, or it names a policy that there is not (file and line are named).
 *
 * The table has a line `user@example.org NAME`, `example.org NAME` or `user@ NAME` for each recipient, domain
 * or local part whose mail has [policy NAME]; '#' begins a comment. It is asked in that order, in lower case,
 * without the quotes of a quoted local part and with A-labels; user+extension@ is looked for before user@.
 */
PosternPolicies *postern_policies_new(const PosternConfiguration *configuration, const char *authserv_id,
                                      gboolean observe, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PosternPolicies *postern_policies_ref(PosternPolicies *policies);
void postern_policies_unref(PosternPolicies *policies);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternPolicies, postern_policies_unref)

/* The class of envelope's client: login, then client. An unknown address is OTHER. */
PosternClientClass postern_policies_client_class(const PosternPolicies *policies,
                                                 const PosternEnvelope *envelope);

/* The policy for mail of that class; for TRUSTED_RELAY and OTHER, recipient (a forward path; NULL: none yet)
 * decides. Owned by policies, never NULL; two recipients have the same policy if the pointers are equal.
 */
const PosternPolicy *postern_policies_of(const PosternPolicies *policies, PosternClientClass client_class,
                                         const char *recipient);

/* All policies that mail of that class can have: of const PosternPolicy *, what recipients have that are in
 * no table first; owned by policies. */
const GPtrArray *postern_policies_of_class(const PosternPolicies *policies, PosternClientClass client_class);

/* The checks that any policy for that class wants: what may be begun before the recipients are known. SIGN is
 * among them only if a policy of that class signs, and [sign] table is not empty; never for TRUSTED_RELAY
 * and OTHER, whose policies do not have it, whatever the configuration says: they may call themselves
 * anybody.
 */
PosternChecks postern_policies_checks(const PosternPolicies *policies, PosternClientClass client_class);

/* TRUE if external clients are greylisted, by any policy. */
gboolean postern_policies_greylist(const PosternPolicies *policies);

/* TRUE if there is a table of [clients] networks, which may refuse any client. */
gboolean postern_policies_know_networks(const PosternPolicies *policies);

/*
 * For mail/received.h: TRUE if whoever is at address, of [clients] trusted_relays or own_networks, or within
 * the machine (a loopback address), is not the client that a message came from. policies: PosternPolicies.
 */
gboolean postern_policies_trust(const PosternAddress *address, gconstpointer policies);
