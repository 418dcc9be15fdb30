/*
 * What the files of the configuration share: mistakes, values, groups and keys, and lists of networks.
 */
#pragma once

#include <glib.h>

#include "base/option.h"

/*
 * The mistakes of one configuration file, gathered so that an administrator sees all of them at once.
 */

typedef struct PosternDiagnostics PosternDiagnostics;

/* For the file called name, which must outlive it; lines as in PosternConfiguration, or NULL: not known. */
PosternDiagnostics *postern_diagnostics_new(const char *name, GHashTable *lines);
void postern_diagnostics_free(PosternDiagnostics *diagnostics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDiagnostics, postern_diagnostics_free)

/*
 * Adds "NAME: [GROUP] KEY: what", with "line NUMBER: " behind NAME if the file says something there. group or
 * key may be NULL. All three may be untrusted: they are escaped and cut. Mistakes over
 * POSTERN_CONFIGURATION_DIAGNOSTICS_MAX are only counted.
 */
void postern_diagnostics_add(PosternDiagnostics *diagnostics, const char *group, const char *key,
                             const char *format, ...) G_GNUC_PRINTF(4, 5);

/*
 * TRUE if there are none. Else FALSE, and error is POSTERN_ERROR_CONFIGURATION with a line for each, and
 * one for those that were only counted.
 */
gboolean postern_diagnostics_none(const PosternDiagnostics *diagnostics,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The rows of [screen] and [class], and of [servers], and how many in *ret_length. */
const PosternOption *postern_configuration_screen_options(gsize *ret_length);
const PosternOption *postern_configuration_servers_options(gsize *ret_length);

/* The rows of [report]; what of them does not go together. */
const PosternOption *postern_configuration_report_options(gsize *ret_length);
void postern_configuration_agree_report(const PosternConfiguration *configuration,
                                        PosternDiagnostics *diagnostics);

/* "same", then the words for PosternClientAddress; NULL-terminated. */
extern const char *const postern_client_addresses[];

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

/* What a file would say of an option in [GROUP NAME], or in [GROUP] if name is NULL, with the key file's own
 * escapes; a new string. The name of this machine, which was not said, is the default. */
char *postern_configuration_option_text(const PosternConfiguration *configuration, const char *name,
                                        const PosternOption *option);

/* Puts a copy of the value at source in place, which owns nothing yet. */
void postern_configuration_value_copy(gpointer place, gconstpointer source, const PosternOption *option);

/* Frees what the value owns, and leaves that zero. */
void postern_configuration_value_clear(gpointer place, const PosternOption *option);

/* What may be written: "yes or no", "a time from 1s to 1h", "one of enforce, observe"; a new string. */
char *postern_option_range(const PosternOption *option);

/*
 * Groups of which there may be many: [GROUP NAME] has what [GROUP] says if it does not say otherwise.
 */

typedef struct {
    const char *group;
    gsize offset, size; /* of what [GROUP] says, in PosternConfiguration */
    gsize table;        /* offset of the GHashTable: NAME to a structure of that size */
    guint maximum;
    const char *text; /* one line for people */
} PosternNamedGroup;

/* All of them, and how many in *ret_length. */
const PosternNamedGroup *postern_named_groups(gsize *ret_length);

/* The one that is called group, "policy"; or NULL. */
const PosternNamedGroup *postern_named_group(const char *group);

/* The one of which "policy NAME" is; *ret_name is NAME, in group, or "": it is none. NULL: it is no such. */
const PosternNamedGroup *postern_named_group_of(const char *group, const char **ret_name);

/* The group whose rows a policy of any name has, and the policy that there always is. */
#define POSTERN_POLICY_GROUP "policy"
#define POSTERN_POLICY_SUBMISSION "submission"

/* Begins with no named ones; and frees all of them. */
void postern_configuration_named_init(PosternConfiguration *configuration);
void postern_configuration_named_clear(PosternConfiguration *configuration);

/* Makes [GROUP NAME] with what such a group has before it says anything: what [GROUP] has now. Nothing if it
 * exists. */
void postern_configuration_named_add(PosternConfiguration *configuration, const char *group,
                                     const char *name);

/* postern_configuration_place, to write to. */
gpointer postern_configuration_named_place(PosternConfiguration *configuration, const char *name,
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
/* What of the screen and of classes does not go together. */
void postern_configuration_agree_screen(const PosternConfiguration *configuration,
                                        PosternDiagnostics *diagnostics);

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
