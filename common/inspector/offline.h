/*
 * What an administrator asks of the inspector without starting it: --check-config and --print-keys.
 */
#pragma once

#include "base/configuration.h"
#include "checks/sign/engine.h"

/* FALSE and error: [content] rules are wrong. They are parsed, and not made ready: nothing is kept. */
gboolean postern_offline_check_rules(const PosternConfiguration *configuration,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The keys of table; NULL and error. What is only unwise goes to standard error. */
PosternSignEngine *postern_offline_load_keys(const char *table, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Prints the DNS records of the keys of table. */
gboolean postern_offline_print_keys(const char *table, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Loads the signatures, as a template would: nothing less says that none is damaged. Started as root, as the
 * user who will load them. */
gboolean postern_offline_check_signatures(const PosternConfiguration *configuration,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
