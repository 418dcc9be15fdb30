/* The inside of the screen: what screen.c (what is known of a client) and treatment.c (what it meets) share.
 */
#pragma once

#include "proxy/screen/screen.h"

struct PosternScreenRules {
    const PosternConfiguration *configuration;
    PosternClientTable *table;
    PosternClasses *classes;
    GArray *own_networks; /* of PosternNetwork */
    guint points[POSTERN_REASONS];
    PosternClass nothing; /* that of servers that speak for others */
};

static inline const PosternScreenRules *postern_screen_rules_of(const PosternScreen *screen)
{
    return screen->class->user_data;
}

static inline PosternClientTable *postern_screen_table_of(const PosternScreen *screen)
{
    return postern_screen_rules_of(screen)->table;
}

static inline gboolean postern_screen_observes(const PosternScreen *screen)
{
    return postern_screen_rules_of(screen)->configuration->proxy.mode == POSTERN_MODE_OBSERVE;
}
