/*
 * The configuration of all programs: one file (GKeyFile), one table. Every option is one row: where it
 * stands, its type, unit, range, default and one line of text. The parser, --dump-config, --check-config, the
 * example file and the manual are made from the rows, so they cannot disagree.
 */
#pragma once

#include <glib.h>

/*
 * The values, all set. Strings and lists are owned by the configuration; a list is a NULL-terminated array,
 * never NULL. Choices are indices into the row's list of choices, which for [policy] actions is the order of
 * PosternAction (judge/policy.h).
 */
typedef struct {
    struct {
        char *destination;
        guint level; /* PosternLogLevel */
    } log;
    struct {
        char **listen; /* ADDRESS:PORT */
        char *hostname;
        char *backend;
        guint client_address; /* PosternClientAddress */
        char **recipient_domains;
        gboolean inspect;
        guint mode; /* PosternMode */
        char *user;
        guint threads; /* 0: one for each core */
        guint max_connections;
        guint max_connections_per_client;
        guint backend_connections;
        guint backend_wait_ms;
        guint backend_connect_timeout_ms;
        guint backend_timeout_ms;
        guint backend_idle_ms;
        guint backend_data_end_timeout_ms;
        guint client_timeout_ms;
        guint client_data_timeout_ms;
        guint inspection_timeout_ms;
        guint drain_timeout_ms;
        guint64 message_size;
        guint64 message_memory;
        guint max_recipients;
        gboolean relay_probe;
        guint bare_newline; /* PosternBareNewline */
    } proxy;
    struct {
        char *socket;
        char *socket_mode; /* octal */
        char *socket_group;
        char *hostname;
        guint mode; /* PosternMode */
        char *user;
        guint max_waiting;
        guint timeout_ms;
        guint inspection_timeout_ms;
        guint drain_timeout_ms;
        guint64 message_size;
        guint64 message_memory;
    } milter;
    struct {
        char **servers;
        char *answers;
        guint timeout_ms;
        guint64 cache_octets;
    } dns;
    struct {
        char *socket;
        char *user;
        guint workers; /* 0: one for each core */
        guint scan_timeout_ms;
        guint64 worker_memory;
        guint64 temporary_octets;
        char *temporary_directory;
    } inspector;
    struct {
        gboolean scan;
        char *database;
        guint64 scan_octets;
    } virus;
    struct {
        guint virus;
        guint unscannable;
        guint spf_fail;
        guint spf_softfail;
        guint spf_error;
        guint dkim_fail;
        guint dkim_error;
        gboolean authentication_results;
        char **allow_clients;
        char **exempt_recipients;
    } policy;
} PosternConfiguration;

typedef enum {
    POSTERN_CLIENT_ADDRESS_XCLIENT,
    POSTERN_CLIENT_ADDRESS_XFORWARD,
    POSTERN_CLIENT_ADDRESS_NONE,
} PosternClientAddress;

typedef enum {
    POSTERN_MODE_ENFORCE,
    POSTERN_MODE_OBSERVE,
} PosternMode;

typedef enum {
    POSTERN_BARE_NEWLINE_REJECT,
    POSTERN_BARE_NEWLINE_REPAIR,
} PosternBareNewline;

typedef enum {
    POSTERN_OPTION_BOOLEAN,  /* yes, no */
    POSTERN_OPTION_NUMBER,   /* guint */
    POSTERN_OPTION_OCTETS,   /* guint64; "50M": K, M, G are powers of 1024 */
    POSTERN_OPTION_DURATION, /* guint, milliseconds; "500ms", "30s", "5m", "1h"; a number alone is seconds */
    POSTERN_OPTION_STRING,
    POSTERN_OPTION_LIST,   /* items apart by ';' or ',' */
    POSTERN_OPTION_CHOICE, /* one of choices */
} PosternOptionType;

typedef struct {
    const char *group;
    const char *key;
    PosternOptionType type;
    gsize offset;               /* in PosternConfiguration */
    guint64 minimum, maximum;   /* NUMBER, OCTETS, DURATION (ms); STRING, LIST: octets, items */
    const char *const *choices; /* CHOICE: NULL-terminated */
    const char *initial;        /* the default, as a file would say it */
    const char *text;           /* one line for people */
    /*
     * What the type cannot tell, or NULL. STRING: not called for an empty one; LIST: called for each item;
     * CHOICE: called for the word, so that a row can do without some of its choices.
     */
    gboolean (*check)(const char *value, GError **error);
    gboolean lower_case; /* LIST: items are folded to lower case (ASCII) */
} PosternOption;

/* The table, and its length in *ret_length. */
const PosternOption *postern_configuration_options(gsize *ret_length);

/* All defaults. */
PosternConfiguration *postern_configuration_new(void);

/*
 * Reads path. NULL path: the compiled-in file where it exists, else the defaults. Every mistake in the file
 * is named in error: file, group, key, what is wrong, and the nearest key that exists; several mistakes come
 * as several lines. Values that contradict one another are mistakes too.
 */
PosternConfiguration *postern_configuration_load(const char *path, GError **error);

/* Text of a file instead; name is what messages call it. */
PosternConfiguration *postern_configuration_parse(const char *text, gsize length, const char *name,
                                                  GError **error);

void postern_configuration_free(PosternConfiguration *configuration);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternConfiguration, postern_configuration_free)

/* The file that says what configuration says, with each row's text as a comment; a new string. */
char *postern_configuration_dump(const PosternConfiguration *configuration);

/*
 * A table of all options in mdoc form for the manual, or in plain text where manual is FALSE; a new string.
 */
char *postern_configuration_document(gboolean manual);
