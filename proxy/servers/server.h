/*
 * A server that takes mail from the proxy. What the administrator says of it, and what is found out of it:
 * one object for all threads.
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
                                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_server_settings_free(PosternServerSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternServerSettings, postern_server_settings_free)

typedef struct PosternServer PosternServer;

/* Any thread may call these. */
PosternServer *postern_server_ref(PosternServer *server);
void postern_server_unref(PosternServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternServer, postern_server_unref)

/* Both as long as the server. */
const char *postern_server_name(const PosternServer *server);
const PosternAddress *postern_server_address(const PosternServer *server);

/* Logs what is wrong with it (NULL: nothing is wrong any more), unless that was the last to be said. */
void postern_server_note_problem(PosternServer *server, const char *text);
/* The same for a warning: it is in service all the same. NULL: there is none any more; that is not logged. */
void postern_server_warn(PosternServer *server, const char *text);
