/*
 * The groups [policy NAME] of a configuration. Inner part of base/configuration.h.
 */
#pragma once

#include "base/configuration.h"

/* The group whose rows a policy of any name has. */
#define POSTERN_POLICY_GROUP "policy"

/* The policy that there always is. */
#define POSTERN_POLICY_SUBMISSION "submission"

/* NAME of group "policy NAME", in group, or NULL: it is another. "": there is none, or it is no name. */
const char *postern_configuration_policy_of_group(const char *group);

/* An empty table, that owns its names and policies. */
GHashTable *postern_configuration_policies_new(void);

/*
 * Makes [policy NAME] with what such a group has before it says anything: what configuration->policy has now.
 * Nothing where it exists.
 */
void postern_configuration_policies_add(PosternConfiguration *configuration, const char *name);

/* postern_configuration_place, to write to. */
gpointer postern_configuration_policies_place(PosternConfiguration *configuration, const char *policy,
                                              const PosternOption *option);
