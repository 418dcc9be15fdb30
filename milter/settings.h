/*
 * What a running milter goes by: one immutable snapshot, made from the configuration, shared by all threads
 * by reference. A reload makes a new one; a message that is under way keeps its own.
 */
#pragma once

#include <glib.h>

#include "base/budget.h"
#include "base/configuration.h"
#include "base/counters.h"
#include "capsule/store.h"
#include "checks/client/client.h"
#include "tally/tally.h"
#include "verdict/policies.h"

typedef struct {
    gint references; /* atomic */
    PosternConfiguration *configuration;
    PosternPolicies *policies;
    PosternClientRules *client_rules;
    PosternBudget *budget;         /* of messages in memory; the same object over reloads */
    const char *receiver;          /* our name, in Authentication-Results and for SPF; owned by policies */
    gboolean receiver_is_server;   /* no hostname is configured: the mail server's own name is ours */
    gboolean observe;              /* everything passes */
    gboolean by_recipient;         /* recipients may have policies of their own */
    PosternCapsuleStore *capsules; /* of the process; NULL: none are kept */
    char *dump;                    /* of configuration, for capsules, or NULL */
    PosternCounters *counters;     /* of the program, or NULL: nothing is counted */
    PosternTally *tally;           /* likewise, for postern-report */
} PosternMilterSettings;

/*
 * Takes over configuration, on failure too. budget: that of the running milter (a reference is taken), or
 * NULL for a new one of message_memory octets. NULL and error if policies cannot be made of it.
 */
PosternMilterSettings *postern_milter_settings_new(PosternConfiguration *configuration, PosternBudget *budget,
                                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/*
 * One name for the mail server and its filter: what a reader of the mail knows it by (RFC 8601 5). server:
 * what it calls itself, or NULL; if no hostname is configured and it is a domain, that is our name too.
 */
const char *postern_milter_settings_receiver(const PosternMilterSettings *settings, const char *server);
/* Before any message goes by settings: it may be kept in capsules (NULL: it may not), and is counted. */
void postern_milter_settings_keep(PosternMilterSettings *settings, PosternCapsuleStore *capsules,
                                  PosternCounters *counters);
PosternMilterSettings *postern_milter_settings_ref(PosternMilterSettings *settings);
void postern_milter_settings_unref(PosternMilterSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMilterSettings, postern_milter_settings_unref)
