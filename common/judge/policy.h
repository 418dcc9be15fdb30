/*
 * Policy: what the administrator wants done about findings. Plain data, made from the configuration
 * (base/configuration.h, group [policy]); never changed once made.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"
#include "mail/envelope.h"

/* In order of severity: of several reasons the last in this list wins. */
typedef enum {
    POSTERN_ACTION_ACCEPT,
    POSTERN_ACTION_MARK, /* accepted, with what was found in Authentication-Results */
    POSTERN_ACTION_QUARANTINE,
    POSTERN_ACTION_DISCARD,
    POSTERN_ACTION_TEMPFAIL,
    POSTERN_ACTION_REJECT,
} PosternAction;

/* "accept", "mark", "quarantine", "discard", "tempfail", "reject". */
const char *postern_action_name(PosternAction action);

typedef struct {
    PosternAddress address;
    guint bits;
} PosternNetwork;

typedef struct {
    PosternAction virus;       /* a virus was found */
    PosternAction unscannable; /* the scan could not see all, or could not be done */
    PosternAction spf_fail;
    PosternAction spf_softfail;
    PosternAction spf_error;  /* temperror only; permerror is only reported */
    PosternAction dkim_fail;  /* there are signatures, none passes, and at least one is fail or permerror */
    PosternAction dkim_error; /* there are signatures, none passes, and one is temperror */
    gboolean authentication_results; /* insert the header, and remove forged ones of our name */
    gboolean observe;                /* pass everything unedited, say what would have been done */
    char *authserv_id;               /* RFC 8601 2.2; never NULL */
    GArray *allowed_networks;        /* of PosternNetwork: clients that nothing is refused for but a virus */
    GPtrArray
        *exempt_recipients; /* of char *: local parts, lower case, that nothing but a virus is refused for */
} PosternPolicy;

PosternPolicy *postern_policy_new(void); /* the defaults of the configuration table */

/*
 * What configuration says in [policy], and observe from [proxy] mode. authserv_id: NULL takes [proxy]
 * hostname, and where that is empty the name of this machine. An item of allow_clients that is no network
 * allows nobody.
 */
PosternPolicy *postern_policy_from_configuration(const PosternConfiguration *configuration,
                                                 const char *authserv_id);

void postern_policy_free(PosternPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternPolicy, postern_policy_free)
