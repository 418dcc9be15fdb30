/*
 * What a running milter goes by: one immutable snapshot, made from the configuration, shared by all threads
 * by reference. A reload makes a new one; a message that is under way keeps its own.
 */
#pragma once

#include <glib.h>

#include "base/budget.h"
#include "base/configuration.h"
#include "judge/policy.h"

typedef struct {
    PosternConfiguration *configuration;
    PosternPolicy *policy;
    PosternBudget *budget; /* of messages in memory; the same object over reloads */
} PosternMilterSettings;

/*
 * Takes over configuration. budget: that of the running milter (a reference is taken), or NULL for a new one
 * of message_memory octets.
 */
PosternMilterSettings *postern_milter_settings_new(PosternConfiguration *configuration,
                                                   PosternBudget *budget);
PosternMilterSettings *postern_milter_settings_ref(PosternMilterSettings *settings);
void postern_milter_settings_unref(PosternMilterSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMilterSettings, postern_milter_settings_unref)
