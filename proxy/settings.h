/*
 * What a running proxy goes by: one immutable snapshot, made from the configuration, shared by all threads
 * and sessions by reference. A reload makes a new one; sessions that run keep theirs.
 */
#pragma once

#include <glib.h>

#include "base/budget.h"
#include "base/configuration.h"
#include "judge/policy.h"

typedef struct {
    gint references; /* atomic */
    PosternConfiguration *configuration;
    PosternPolicy *policy;
    PosternBudget *budget;         /* of messages in memory; the same object over reloads */
    GHashTable *recipient_domains; /* a set of lower-case domains; empty: not limited here */
    PosternAddress backend;        /* address and port */
    guint threads;
} PosternProxySettings;

/*
 * Takes over configuration in any case. budget: that of the running proxy (a reference is taken), or NULL for
 * a new one of message_memory octets. NULL and error where a value cannot be used.
 */
PosternProxySettings *postern_proxy_settings_new(PosternConfiguration *configuration, PosternBudget *budget,
                                                 GError **error);
/* TRUE where both mean the same back-end, told of clients in the same way and proved in the same way. */
gboolean postern_proxy_settings_same_backend(const PosternProxySettings *a, const PosternProxySettings *b);
PosternProxySettings *postern_proxy_settings_ref(PosternProxySettings *settings);
void postern_proxy_settings_unref(PosternProxySettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternProxySettings, postern_proxy_settings_unref)
