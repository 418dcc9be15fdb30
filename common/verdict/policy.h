/*
 * Policy: what the administrator wants done about findings. Plain data, made from the configuration
 * (base/configuration.h, groups [policy] and [policy NAME]); never changed once made.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"
#include "mail/envelope.h"
#include "verdict/findings.h"

/* More than mark: a message meets another fate. */
gboolean postern_action_does_something(PosternAction action);

/* "accept", "mark", "quarantine", "discard", "tempfail", "reject". */
const char *postern_action_name(PosternAction action);

/* What a reply that refuses says: REJECT for 5yz, else TEMPFAIL (RFC 5321 4.2.1). */
PosternAction postern_action_of_reply(const char *reply);

typedef struct {
    PosternAddress address;
    guint bits;
} PosternNetwork;

typedef struct {
    char *name;               /* NAME of [policy NAME], "" of [policy]; never NULL */
    PosternChecks checks;     /* what this policy goes by; all else that was found is ignored */
    PosternAction virus;      /* a virus was found */
    PosternAction scan_error; /* the scan could not be done */
    PosternAction ambiguous;  /* here and below: by PosternVirusKind */
    PosternAction encrypted;
    PosternAction too_large;
    PosternAction unknown_container;
    PosternAction heuristic;
    PosternAction no_signatures;
    PosternAction spf_fail;
    PosternAction spf_softfail;
    PosternAction spf_helo;         /* fail only; ACCEPT: checks does not have SPF_HELO */
    PosternAction spf_error;        /* temperror only; permerror is only reported */
    PosternAction dkim_fail;        /* there are signatures, none passes, and at least one is fail */
    PosternAction dkim_error;       /* there are signatures, none passes, and one is temperror */
    PosternAction dmarc_reject;     /* DMARC fails, and the policy that applies is p=reject */
    PosternAction dmarc_quarantine; /* the same, p=quarantine; under p=none nothing is done */
    PosternAction dmarc_error;      /* temperror only */
    PosternAction from_invalid;
    PosternAction header_ambiguous;  /* not all programs read the header alike */
    GPtrArray *trusted_sealers;      /* of char *: domains, lower case; never NULL */
    gboolean authentication_results; /* insert the header, and remove forged ones of our name */
    gboolean received_spf;           /* insert Received-SPF (RFC 7208 9.1) */
    PosternVirusStatus virus_status; /* whether to insert X-Virus-Status in what is passed on */
    char *subject_tag;               /* what marked and quarantined messages have in Subject; never NULL */
    gboolean sign;                   /* messages get our signature; checks has SIGN if there are keys too */
    PosternAction sign_error;        /* it could not be made */
    PosternCheckOptions of_checks[POSTERN_CHECKS_MAX]; /* by check: options of a structure of its own */
    gboolean observe;           /* pass everything unedited, say what would have been done */
    char *authserv_id;          /* RFC 8601 2.2; never NULL */
    GArray *allowed_networks;   /* of PosternNetwork: clients that nothing is refused for but a virus */
    GPtrArray *allowed_senders; /* of char *: domains, lower case, that nothing but a virus is refused for,
                                   if SPF or DKIM passes for one */
    GPtrArray
        *exempt_recipients; /* of char *: local parts, lower case, that nothing but a virus is refused for */
} PosternPolicy;

PosternPolicy *postern_policy_new(void); /* the defaults of the configuration table */

/*
 * What configuration says in [policy], and observe from [proxy] mode. authserv_id: NULL takes [proxy]
 * hostname, and if that is empty the name of this machine. An item of allow_clients that is no network
 * allows nobody.
 *
 * checks: of [policy] checks; virus brings CONTENT with it, and stands for VIRUS only if [virus] scan is
 * yes. SIGN is there if sign is yes, and [sign] table is not empty; SPF_HELO if SPF is, and spf_helo is
 * not accept.
 */
PosternPolicy *postern_policy_from_configuration(const PosternConfiguration *configuration,
                                                 const char *authserv_id);

/* The same of [policy NAME], which there must be. */
PosternPolicy *postern_policy_from_group(const PosternConfiguration *configuration, const char *name,
                                         const char *authserv_id);

void postern_policy_free(PosternPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternPolicy, postern_policy_free)

/* Adds what items, "ADDRESS" or "ADDRESS/BITS", name to networks (of PosternNetwork); others are left out. */
void postern_networks_add(GArray *networks, char *const *items);

/* TRUE if address is in one of networks. */
gboolean postern_networks_contain(const GArray *networks, const PosternAddress *address);
