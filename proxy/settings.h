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
#include "proxy/servers/server.h"
#include "proxy/tls/context.h"
#include "verdict/policies.h"

typedef struct {
    gint references; /* atomic */
    PosternConfiguration *configuration;
    PosternPolicies *policies;
    PosternBudget *budget;         /* of messages in memory; the same object over reloads */
    GHashTable *recipient_domains; /* a set of lower-case domains; empty: not limited here */
    GArray *trusted_clients;       /* of PosternNetwork: who may say XCLIENT and XFORWARD */
    GPtrArray *servers;            /* of PosternServerSettings *: the default group, at least one */
    guint generation; /* grows with each reload after which what was found out of servers holds no more */
    guint threads;
    PosternCapsuleStore *capsules; /* of the program, which outlives the settings; NULL: none are kept */
    char *dump;                    /* of configuration, for capsules, or NULL */
    PosternTlsContext *tls;        /* for clients, or NULL: off */
    PosternCounters *counters;     /* of the program, or NULL: nothing is counted */
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
/* TRUE if what was found out of the back-end under one holds under the other
 * (POSTERN_RELOAD_TRIES_BACKEND). */
gboolean postern_proxy_settings_same_backend(const PosternProxySettings *a, const PosternProxySettings *b);
/* TRUE if who may send where is the same under both: a session of one may use a connection of the other
 * (POSTERN_RELOAD_ENDS_SESSIONS). */
gboolean postern_proxy_settings_same_relaying(const PosternProxySettings *a, const PosternProxySettings *b);
PosternProxySettings *postern_proxy_settings_ref(PosternProxySettings *settings);
void postern_proxy_settings_unref(PosternProxySettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternProxySettings, postern_proxy_settings_unref)
