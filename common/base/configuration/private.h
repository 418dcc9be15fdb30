/*
 * What the files of the configuration share: mistakes, values, groups and keys, and lists of networks.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"

/*
 * The mistakes of one configuration file, gathered so that an administrator sees all of them at once.
 */

typedef struct PosternDiagnostics PosternDiagnostics;

/* For the file called name, which must outlive it. */
PosternDiagnostics *postern_diagnostics_new(const char *name);
void postern_diagnostics_free(PosternDiagnostics *diagnostics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDiagnostics, postern_diagnostics_free)

/*
 * Adds "NAME: [GROUP] KEY: what". group or key may be NULL. All three may be a stranger's: they are escaped
 * and cut. Mistakes over POSTERN_CONFIGURATION_DIAGNOSTICS_MAX are only counted.
 */
void postern_diagnostics_add(PosternDiagnostics *diagnostics, const char *group, const char *key,
                             const char *format, ...) G_GNUC_PRINTF(4, 5);

/*
 * TRUE if there are none. Else FALSE, and error is POSTERN_ERROR_CONFIGURATION with a line for each, and
 * one for those that were only counted.
 */
gboolean postern_diagnostics_none(const PosternDiagnostics *diagnostics,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * One option's value: from and to the text that a file has for it. Only here is known what a type looks like.
 * place is where the value stands (postern_configuration_place): a row of group policy has one in each
 * policy.
 */

/*
 * Puts text, as its option's type, range and check want it, in place of the value at place. FALSE, and
 * nothing changed, if they do not take it; error (POSTERN_ERROR_CONFIGURATION) says why, without file and
 * key.
 */
gboolean postern_configuration_value_set(gpointer place, const PosternOption *option, const char *text,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What a file would say; a new string, that postern_configuration_value_set takes. */
char *postern_configuration_value_text(gconstpointer place, const PosternOption *option);

/* Puts a copy of the value at source in place, which owns nothing yet. */
void postern_configuration_value_copy(gpointer place, gconstpointer source, const PosternOption *option);

/* Frees what the value owns, and leaves that zero. */
void postern_configuration_value_clear(gpointer place, const PosternOption *option);

/* What may be written: "yes or no", "a time from 1s to 1h", "one of enforce, observe"; a new string. */
char *postern_option_range(const PosternOption *option);

/*
 * The groups [policy NAME] of a configuration.
 */

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
 * Nothing if it exists.
 */
void postern_configuration_policies_add(PosternConfiguration *configuration, const char *name);

/* postern_configuration_place, to write to. */
gpointer postern_configuration_policies_place(PosternConfiguration *configuration, const char *policy,
                                              const PosternOption *option);

/*
 * The names of groups and keys: which there are, and what somebody who wrote another probably meant.
 */

/* Whether rows of the table are in group. */
gboolean postern_configuration_has_group(const char *group);

/* The row, or NULL; of any group if group is NULL. */
const PosternOption *postern_configuration_find(const char *group, const char *key);

/* Adds that there is no such group, and which was probably meant. */
void postern_configuration_add_unknown_group(PosternDiagnostics *diagnostics, const char *group);

/* The same of a key. group: as the file has it; rows: the group of the table whose rows it has. */
void postern_configuration_add_unknown_key(PosternDiagnostics *diagnostics, const char *group,
                                           const char *rows, const char *key);

/*
 * Values that are right each by itself and wrong together.
 */

/* Adds what contradicts itself in configuration, whose values have all passed their own checks. */
void postern_configuration_agree(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics);

/*
 * Lists of networks whose clients are believed, or spared (PosternOption.trust). Whom anybody may be,
 * everybody is: such a list may not hold so many networks that each external client is on it.
 */

/*
 * Whether networks, "ADDRESS" or "ADDRESS/BITS" each, NULL-terminated, add up to so many of the public IPv4
 * or of the public IPv6 addresses (POSTERN_TRUST_PUBLIC_PARTS) that they are no longer somebody's. Private
 * networks do not count: no external client has such an address. IPv4-mapped IPv6 networks are IPv4; what is
 * no network counts for nothing. Overlaps count once.
 */
gboolean postern_networks_are_everybody(const char *const *networks);
