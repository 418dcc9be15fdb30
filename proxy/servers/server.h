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
    PosternAddress address; /* and port; of one that has a host AF_UNSPEC */
    char *host;             /* servers whose addresses the DNS has (names.h), or NULL */
    gboolean srv;           /* host has SRV records */
    char *certificate_name; /* that the administrator calls it by; NULL: by its address */
    char *target;           /* of one that the DNS has: whose A or AAAA record it is; else NULL */
    gint64 found_at;        /* likewise, when the DNS had it last (monotonic milliseconds) */
    gboolean lmtp;          /* it speaks LMTP */
    guint weight;           /* its part of the load beside the others of its group, at least 1 */
    guint limit;            /* connections at the same time, at least 1 */
    guint priority;         /* while those with a lower one serve it does not (RFC 2782) */
    gboolean backup;        /* it is used only if all that are none are down */
    gboolean drain;         /* it gets no new clients */
} PosternServerSettings;

/* text: as base/server_entry.h has it; limit: of one that has none of its own, at least 1. NULL and error if
 * it is wrong. */
PosternServerSettings *postern_server_settings_new(const char *text, guint limit,
                                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
PosternServerSettings *postern_server_settings_copy(const PosternServerSettings *settings);
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
gboolean postern_server_speaks_lmtp(const PosternServer *server);
/* The name that its certificate must have if the options have none (RFC 7817 3): the administrator's own word
 * for it, which no DNS answer changes; a new string, or NULL: it is known by its address. */
char *postern_server_certificate_name(PosternServer *server);

/* Until then (monotonic milliseconds) it is served without TLS, with which it fails. */
void postern_server_do_without_tls(PosternServer *server, gint64 until);
gboolean postern_server_does_without_tls(PosternServer *server, gint64 now);

/* Logs what is wrong with it (NULL: nothing is wrong any more), unless that was the last to be said. */
void postern_server_note_problem(PosternServer *server, const char *text);
/* The same for a warning: it is in service all the same. NULL: there is none any more; that is not logged. */
void postern_server_warn(PosternServer *server, const char *text);
