/*
 * A server that takes mail from the proxy: what the administrator says of it.
 */
#pragma once

#include "mail/envelope.h"

typedef enum {
    POSTERN_SERVER_UNKNOWN, /* whether it may be used has not been found out yet: sessions wait */
    POSTERN_SERVER_UP,
    POSTERN_SERVER_DOWN, /* it must not be used: sessions are refused */
} PosternServerHealth;

typedef struct {
    char *name;             /* as the configuration has it, for the log */
    PosternAddress address; /* and port */
    guint weight;           /* its part of the load beside the others of its group, at least 1 */
    guint limit;            /* connections at the same time, at least 1 */
} PosternServerSettings;

/* name: ADDRESS:PORT, or [ADDRESS]:PORT for IPv6. NULL and error if it is not. */
PosternServerSettings *postern_server_settings_new(const char *name, guint weight, guint limit,
                                                   GError **error);
void postern_server_settings_free(PosternServerSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternServerSettings, postern_server_settings_free)
