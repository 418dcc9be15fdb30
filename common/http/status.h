/*
 * What a program says of itself at one moment, for who reads its metrics or its page: gauges, mail servers
 * and clients. Filled anew for each reading; texts are copied.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_UNIT_NUMBER,
    POSTERN_UNIT_OCTETS,
    POSTERN_UNIT_SECONDS,
} PosternUnit;

typedef struct {
    const char *metric; /* static: a Prometheus name, without `postern_` */
    const char *help;   /* static: one line */
    const char *title;  /* static: on the page; NULL: it is not there */
    PosternUnit unit;
    const char *label; /* static: a Prometheus label, or NULL; those of one metric follow one another */
    char *value_of_label;
    double value;
} PosternGauge;

typedef struct {
    char *group;
    char *name;
    const char *health; /* static: "up", "down", "unknown" */
    char *reason;       /* or NULL */
    gboolean drained;   /* it gets nobody new */
    guint used, limit, weight;
} PosternStatusServer;

typedef struct {
    char *client;
    char *reasons; /* for people; "": none */
    guint points;
    guint connections;
    guint messages;
    guint refused;         /* recipients */
    guint blocked_seconds; /* 0: it is not blocked */
} PosternStatusClient;

typedef struct {
    gboolean observes;     /* nothing is refused by policy */
    GArray *gauges;        /* of PosternGauge */
    GPtrArray *servers;    /* of PosternStatusServer *; none: the program has none */
    GPtrArray *clients;    /* of PosternStatusClient *, the first stands out most */
    gboolean has_messages; /* SMTP comes to the program */
    gboolean has_clients;  /* and clients are told apart */
} PosternStatus;

PosternStatus *postern_status_new(void);
void postern_status_free(PosternStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternStatus, postern_status_free)

/* Adds gauge, whose value_of_label is copied. */
void postern_status_add(PosternStatus *status, const PosternGauge *gauge);
/* Adds a copy of server, and of client. */
void postern_status_add_server(PosternStatus *status, const PosternStatusServer *server);
void postern_status_add_client(PosternStatus *status, const PosternStatusClient *client);
