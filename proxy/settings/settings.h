/*
 * What a running proxy goes by: one immutable snapshot, made from the configuration, shared by all threads
 * and sessions by reference. A reload makes a new one; sessions that run keep theirs.
 */
#pragma once

#include <glib.h>

#include "base/budget.h"
#include "base/configuration.h"
#include "base/counters.h"
#include "capsule/store.h"
#include "checks/client/client.h"
#include "proxy/screen/screen.h"
#include "proxy/screen/transfers.h"
#include "proxy/servers/group.h"
#include "proxy/servers/routes.h"
#include "proxy/tls/context.h"
#include "tally/tally.h"
#include "verdict/policies.h"

/* The states that sessions are counted in: PosternSessionState, and parked. */
#define POSTERN_STATES_COUNTED 11

/* A group of servers, as one configuration has it. */
typedef struct {
    char *name; /* of [servers NAME], or POSTERN_DEFAULT_GROUP */
    PosternClientAddress client_address;
    guint software;              /* 0: as they greet, else 1 + PosternMailServer */
    const char *probe_recipient; /* as [proxy] relay_probe_recipient */
    guint place;                 /* among the groups */
    gboolean is_reached;         /* mail may go to it */
    PosternGroupSettings settings;
    PosternTlsServers tls_servers;
    PosternTlsContext *tls;      /* with them, or NULL: off */
    PosternServerGroup *servers; /* what is shared by all threads; the same object over reloads */
} PosternProxyGroup;

typedef struct {
    gint references; /* atomic */
    PosternConfiguration *configuration;
    PosternPolicies *policies;
    PosternBudget *budget;         /* of messages in memory; the same object over reloads */
    PosternTransfers *transfers;   /* likewise: those that take much of it */
    GHashTable *recipient_domains; /* a set of lower-case domains; empty: not limited here */
    GArray *trusted_clients;       /* of PosternNetwork: who may say XCLIENT and XFORWARD */
    GArray *balancers;             /* likewise: who begins with a PROXY header */
    GArray *late_balancers;        /* likewise: who says it only before its client's first octets */
    GArray *tls_required;          /* of PosternNetwork: clients whose level is ENCRYPT */
    GArray *tls_excluded;          /* likewise, OFF */
    GPtrArray *groups;             /* of PosternProxyGroup *, the first is the default group */
    GPtrArray *former_groups;      /* likewise, those that are gone; they may have connections still */
    PosternRoutes *routes;         /* or NULL: all mail goes to the default group */
    guint groups_made;             /* since the program began */
    guint serial;                  /* grows with each reload */
    guint threads;
    PosternCapsuleStore *capsules; /* of the program, which outlives the settings; NULL: none are kept */
    char *dump;                    /* of configuration, for capsules, or NULL */
    PosternTlsContext *tls;        /* for clients, or NULL: off */
    PosternScreenRules *screen;
    PosternClientRules *client_rules;
    guint discarded_capabilities; /* mask of PosternCapability: not offered whatever the back-ends do */
    PosternCounters *counters;    /* of the program, or NULL: nothing is counted */
    guint state_places[POSTERN_STATES_COUNTED]; /* in counters, of each state */
    PosternTally *tally;                        /* likewise, for postern-report */
} PosternProxySettings;

/*
 * Takes over configuration in any case. running: what a reload goes on from, with its budget and threads, or
 * NULL. NULL and error if a value cannot be used.
 */
PosternProxySettings *postern_proxy_settings_new(PosternConfiguration *configuration,
                                                 const PosternProxySettings *running,
                                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* TRUE if address is one of trusted_clients. */
gboolean postern_proxy_settings_trusts(const PosternProxySettings *settings, const PosternAddress *address);
/* What TLS is to a client at address. submission: it has come in by [proxy] submission_listen. */
PosternTls postern_proxy_settings_tls_level(const PosternProxySettings *settings,
                                            const PosternAddress *address, gboolean submission);
/* Octets that the messages of one client may take of the budget. */
guint64 postern_proxy_settings_client_share(const PosternProxySettings *settings);
/* Of these, those that it has whatever is left for others: one message that takes more than half, or what the
 * administrator gives to each. */
guint64 postern_proxy_settings_client_assured(const PosternProxySettings *settings);
/* TRUE as smtpd_proxy_filter: between two smtpd of one Postfix. */
gboolean postern_proxy_settings_is_filter(const PosternProxySettings *settings);
/* Before any message goes by settings: it may be kept in capsules (NULL: it may not), and is counted. */
void postern_proxy_settings_keep(PosternProxySettings *settings, PosternCapsuleStore *capsules,
                                 PosternCounters *counters);
/* Before any client goes by settings: where all of them are counted. */
void postern_proxy_settings_count_in(PosternProxySettings *settings, PosternClientTable *clients);
/* The group whose servers these are, or NULL: it has none such. Owned by settings. */
const PosternProxyGroup *postern_proxy_settings_group(const PosternProxySettings *settings,
                                                      const PosternServerGroup *servers);
/* TRUE if who may send where is the same under both: sessions of one may go on under the other
 * (POSTERN_RELOAD_ENDS_SESSIONS). */
gboolean postern_proxy_settings_same_relaying(const PosternProxySettings *a, const PosternProxySettings *b);
/* Likewise for a connection to group, of other: a session of settings may use it. */
gboolean postern_proxy_settings_suit(const PosternProxySettings *settings, const PosternProxySettings *other,
                                     const PosternProxyGroup *group);
PosternProxySettings *postern_proxy_settings_ref(PosternProxySettings *settings);
void postern_proxy_settings_unref(PosternProxySettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternProxySettings, postern_proxy_settings_unref)
