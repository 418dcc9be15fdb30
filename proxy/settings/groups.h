/*
 * The groups of servers among the settings of a proxy: [proxy] backend, and each [servers NAME].
 */
#pragma once

#include "proxy/settings/settings.h"

/* Those of settings, whose configuration is set: of PosternProxyGroup *. They go on from those of running, or
 * NULL. NULL and error name the group. */
GPtrArray *postern_proxy_groups_new(PosternProxySettings *settings, const PosternProxySettings *running,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads [proxy] routes, once settings has its groups. FALSE and error. */
gboolean postern_proxy_groups_read_routes(PosternProxySettings *settings,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Connections that all servers of all groups together may see. */
guint64 postern_proxy_groups_limit(const PosternProxySettings *settings);

/* TRUE if none that is in both of groups and others is told of clients in another way. */
gboolean postern_proxy_groups_tell_the_same(const GPtrArray *groups, const GPtrArray *others);
