/*
 * The configuration of all programs: one file (GKeyFile), one table. Every option is one row: where it
 * stands, its type, unit, range, default and one line of text (base/option.h). The parser, --dump-config,
 * --check-config, the example file and the manual are made from the rows, so they cannot disagree.
 */
#pragma once

#include <glib.h>

#include "base/configuration/servers.h"
#include "base/limits.h"

/*
 * The values, all set. Strings and lists are owned by the configuration; a list is a NULL-terminated array,
 * never NULL. Choices are indices into the row's list of choices, which for [policy] actions is the order of
 * PosternAction (verdict/policy.h).
 */

/* An action of [policy] that is what unscannable says; behind the last of PosternAction. */
#define POSTERN_CONFIGURATION_AS_UNSCANNABLE 6

/* In order of severity: of several reasons the last in this list wins. */
typedef enum {
    POSTERN_ACTION_ACCEPT,
    POSTERN_ACTION_MARK, /* accepted, with what was found in Authentication-Results */
    POSTERN_ACTION_QUARANTINE,
    POSTERN_ACTION_DISCARD,
    POSTERN_ACTION_TEMPFAIL,
    POSTERN_ACTION_REJECT,
} PosternAction;

/* The words for them, by number; NULL-terminated. */
extern const char *const postern_actions[POSTERN_ACTION_REJECT + 2];

/* Room for the options of a check that has a structure of its own for them: numbers, and no pointers. */
typedef union {
    guint8 octets[POSTERN_CHECK_OPTIONS_MAX_OCTETS];
    guint64 alignment;
} PosternCheckOptions;

/*
 * One policy: group [policy], and each [policy NAME], which has the values of [policy] if it does not say
 * otherwise. [policy submission] always exists, and begins with checks = virus; rules, sign = yes if [sign]
 * table names keys, authentication_results = no, and accept for all that SPF, DKIM and DMARC find.
 */
typedef struct {
    char **checks; /* names of checks that are wanted */
    guint virus;
    guint unscannable;
    guint scan_error; /* this and the next four: or POSTERN_CONFIGURATION_AS_UNSCANNABLE */
    guint ambiguous;
    guint encrypted;
    guint too_large;
    guint unknown_container;
    guint heuristic;
    guint no_signatures;
    guint spf_fail;
    guint spf_softfail;
    guint spf_error;
    guint spf_helo;
    guint dkim_fail;
    guint dkim_error;
    guint dmarc_reject;
    guint dmarc_quarantine;
    guint dmarc_error;
    guint from_invalid;
    guint header_ambiguous;
    char **trusted_sealers;
    gboolean authentication_results;
    gboolean received_spf;
    guint virus_status; /* PosternVirusStatus */
    char *subject_tag;
    gboolean sign;
    guint sign_error;
    char **allow_clients;
    char **allow_senders;
    char **exempt_recipients;
    PosternCheckOptions of_checks[POSTERN_CHECKS_MAX]; /* by the place of the check in checks/list.h */
} PosternPolicyOptions;

/* What is counted of a client, in a sliding window ([screen] rate_window). */
typedef enum {
    POSTERN_COUNT_CONNECTIONS,
    POSTERN_COUNT_MESSAGES,   /* MAIL */
    POSTERN_COUNT_RECIPIENTS, /* RCPT */
    POSTERN_COUNT_REFUSED_RECIPIENTS,
    POSTERN_COUNT_ERRORS, /* mistakes in commands */
    POSTERN_COUNT_AUTH_FAILURES,
    POSTERN_COUNT_UNSCANNABLE,
    POSTERN_COUNT_TIMEOUTS,
    POSTERN_COUNT_KIBIBYTES,
    POSTERN_COUNTS,
} PosternClientCount;

/* A class of clients: group [class], and each [class NAME], which has the values of [class] if it does not
 * say otherwise. [class] is that of all whom none of the others describes. */
typedef struct {
    char **networks;
    char **names; /* domains */
    gboolean screen;
    guint over_limit;             /* PosternOverLimit */
    guint connections;            /* at once; 0: [proxy] max_connections_per_client */
    guint rates[POSTERN_COUNTS];  /* in the window; 0: any. KIBIBYTES is in octet_rate. */
    guint64 octet_rate;           /* likewise */
    guint network_factor;         /* 0: a network is not limited */
    guint total_factor;           /* 0: all clients of the class together are not */
    guint64 connection_data_rate; /* octets of messages a second, of one connection; 0: any */
    guint64 client_data_rate;     /* likewise, of one client */
    guint64 class_data_rate;      /* likewise, of all clients of the class */
} PosternClassOptions;

/* A DNS list of addresses (RFC 5782): group [list NAME]; [list] is what all of them begin with. */
typedef struct {
    char *zone; /* "": it is none */
    char **codes;
    guint weight;
    gboolean allow;
    gboolean tell_zone;
} PosternListOptions;

typedef struct {
    struct {
        char *destination;
        guint level;  /* PosternLogLevel */
        guint format; /* PosternLogFormat */
        gboolean subject;
        gboolean recipients;
    } log;
    struct {
        char *listen; /* ADDRESS:PORT, unix:PATH or "" */
        char *milter_listen;
        char *inspector_listen;
        char *password_file; /* a path, or "" */
    } http;
    struct {
        char **listen; /* ADDRESS:PORT */
        char *hostname;
        char *routes;         /* path of a table, or "" */
        char *drain_file;     /* path of servers, one a line, or "" */
        char **backend;       /* as [servers] address: the default group */
        guint client_address; /* PosternClientAddress */
        char **recipient_domains;
        gboolean inspect;
        guint mode; /* PosternMode */
        char *user;
        guint threads; /* 0: one for each core */
        gboolean gather_clients;
        guint max_connections;
        guint max_connections_per_client;
        guint backend_connections;
        guint backend_wait_ms;
        guint backend_connect_timeout_ms;
        guint backend_timeout_ms;
        guint backend_lost_timeout_ms;
        guint backend_idle_ms;
        guint backend_data_end_timeout_ms;
        guint client_timeout_ms;
        guint client_data_timeout_ms;
        guint inspection_timeout_ms;
        guint drain_timeout_ms;
        guint64 message_size;
        guint64 message_memory;
        guint64 message_memory_per_client; /* 0: a quarter of message_memory */
        guint64 burst_size;
        guint64 min_data_rate; /* octets a second; 0: any */
        guint max_recipients;
        guint lmtp_recipients;
        guint max_refused_recipients; /* 0: any */
        gboolean relay_probe;
        char *relay_probe_client;    /* an address, or "" */
        char *relay_probe_recipient; /* a mailbox, or "" */
        guint tls;                   /* PosternTls */
        guint auth;                  /* PosternAuth */
        guint max_failed_logins;     /* 0: any */
        guint bare_newline;          /* PosternBareNewline */
        gboolean refuse_nul;
        gboolean refuse_long_lines;
        gboolean strict_envelopes;
        char **discard_ehlo_keywords;
        guint role; /* PosternProxyRole */
        char **submission_listen;
        char **tls_listen;
        char **submission_tls_listen;
        char **trusted_clients;
        char **proxy_protocol;
        char **proxy_protocol_late;
        guint filter_timeout_ms;
        gboolean hostname_of_machine; /* hostname is the name of the machine: the file says none */
    } proxy;
    struct {
        char **certificates;
        char **keys;
        guint min_version; /* PosternTlsVersion */
        char *ciphers;
        guint submission; /* 0: as [proxy] tls, else 1 + PosternTls */
        char **required_networks;
        char **excluded_networks;
        char *client_authorities; /* a path, or "" */
        guint servers;            /* PosternTls */
        char *server_name;        /* "": the address */
        char *server_authorities; /* a path; "": the system's */
        char **server_pins;       /* 64 hexadecimal digits each, colons between them or not */
        char *server_certificate; /* a path, or "" */
        char *server_key;         /* a path; "": it is in the same file */
    } tls;
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
        gboolean refuse_at_mail;
    } milter;
    struct {
        char **servers;
        char *answers;
        guint timeout_ms;
        guint64 cache_octets;
        char *trust_anchor_file;
    } dns;
    struct {
        char *socket;
        char *socket_group; /* "": that of [proxy] user */
        char *user;
        guint workers; /* 0: one for each core */
        guint scan_timeout_ms;
        guint64 worker_memory;
        guint64 temporary_octets;
        char *temporary_directory;
        guint spf_engine; /* PosternSpfEngine */
        gboolean dkim_partial_body;
    } inspector;
    struct {
        gboolean scan;
        char *clamd;    /* empty: libclamav */
        char *database; /* "": base/signature_files.h */
        guint64 scan_octets;
        gboolean phishing;
        guint self_check_ms; /* 0: never */
        guint warn_days;     /* 0: never */
        guint reminder_ms;
        guint reload; /* PosternSignaturesReload */
    } virus;
    struct {
        char *rules; /* path of a table, or "" */
        gboolean default_rules;
    } content;
    struct {
        char **own_networks;
        char **trusted_relays;
        char *authenticated_policy;
        char *own_networks_policy;
        char *recipients; /* path of a table, or "" */
        char *networks;   /* likewise */
        guint refuse_at;  /* PosternRefuseAt */
    } clients;
    PosternPolicyOptions policy;
    GHashTable *policies; /* NAME (char *) to PosternPolicyOptions *: groups [policy NAME]; never NULL */
    struct {
        char *table;
    } sign;
    struct {
        char *directory;
        guint which; /* PosternCapsuleWhich */
        guint64 octets;
        guint age_ms;
    } capsule;
    struct {
        guint pause; /* PosternPause */
        guint greeting_pause_ms;
        guint slow_from;   /* points of suspicion */
        guint refuse_from; /* 0: never */
        char **points;
        guint trickle_ms;
        guint reply_ms;
        guint64 data_rate; /* octets a second; 0: any */
        guint64 total_data_rate;
        guint64 receive_window; /* octets; 0: as the system says */
        guint forget_ms;
        guint good_days;
        guint rate_window_ms;
        guint max_clients;
        char *control;     /* path of a socket, or "" */
        guint ipv4_prefix; /* bits; what counts as one client, and as one network */
        guint ipv6_prefix;
        guint ipv4_network;
        guint ipv6_network;
    } screen;
    PosternServersOptions servers;
    GHashTable *groups; /* NAME (char *) to PosternServersOptions *: groups [servers NAME]; never NULL */
    struct {
        char *file; /* path, or "": in memory */
        guint delay_ms;
        guint retry_hours;
        guint lifetime_days;
        guint entries;
        guint64 octets;
        guint ipv4_prefix;
        guint ipv6_prefix;
    } greylist;
    struct {
        char *store; /* path, or "": nothing is kept */
        gboolean dmarc;
        gboolean failures;
        guint failure_rate;
        char *organization;
        char *email;
        char *contact;
        char *envelope_sender;
        char *daily; /* an address, or "" */
        char *server;
        guint keep_days;
        guint max_rows;
        guint interval_ms;
    } report;
    PosternClassOptions class;
    PosternListOptions list;
    GHashTable *lists;     /* NAME (char *) to PosternListOptions *: groups [list NAME]; never NULL */
    GHashTable *classes;   /* NAME (char *) to PosternClassOptions *: groups [class NAME]; never NULL */
    GHashTable *lines;     /* "GROUP\nKEY" and "GROUP\n" to the line of the file that has it; or NULL */
    char *given_inspector; /* of the command line: a shared inspector if inspector.socket is ""; or NULL */
} PosternConfiguration;

typedef enum {
    POSTERN_LOG_FORMAT_TEXT,
    POSTERN_LOG_FORMAT_JSON,
} PosternLogFormat;

typedef enum {
    POSTERN_MODE_ENFORCE,
    POSTERN_MODE_OBSERVE,
} PosternMode;

/* When rules about clients (check client) refuse; what is left over is decided at the end of the message. */
typedef enum {
    POSTERN_REFUSE_AT_CONNECT,
    POSTERN_REFUSE_AT_HELO,
    POSTERN_REFUSE_AT_MAIL,
    POSTERN_REFUSE_AT_RCPT,
    POSTERN_REFUSE_AT_END,
} PosternRefuseAt;

/* What a client meets that is over a limit of its class. */
typedef enum {
    POSTERN_OVER_LIMIT_SLOW,     /* it goes on, as a suspect does */
    POSTERN_OVER_LIMIT_TEMPFAIL, /* 450 for what is too much; a connection gets 421 */
    POSTERN_OVER_LIMIT_CLOSE,    /* 421, and it has to go */
} PosternOverLimit;

/* Who has to wait for the greeting. */
typedef enum {
    POSTERN_PAUSE_NOBODY,
    POSTERN_PAUSE_SUSPECTS,
    POSTERN_PAUSE_UNKNOWN, /* those too of whom nothing good is remembered */
} PosternPause;

typedef enum {
    POSTERN_TLS_OFF,
    POSTERN_TLS_MAY,
    POSTERN_TLS_ENCRYPT,
    /* Of servers alone. */
    POSTERN_TLS_VERIFY,
    POSTERN_TLS_DANE,      /* RFC 7672: VERIFY if there are TLSA records, else MAY */
    POSTERN_TLS_DANE_ONLY, /* likewise, else nothing */
} PosternTls;

/* When clients may log in (RFC 4954). */
typedef enum {
    POSTERN_AUTH_OFF,
    POSTERN_AUTH_PROTECTED, /* if nobody can read along: TLS, submission_listen, own networks */
    POSTERN_AUTH_ALWAYS,
} PosternAuth;

typedef enum {
    POSTERN_TLS_1_2,
    POSTERN_TLS_1_3,
} PosternTlsVersion;

typedef enum {
    POSTERN_BARE_NEWLINE_REJECT,
    POSTERN_BARE_NEWLINE_REPAIR,
} PosternBareNewline;

typedef enum {
    POSTERN_ROLE_EDGE,
    POSTERN_ROLE_BEFORE_QUEUE_FILTER,
} PosternProxyRole;

typedef enum {
    POSTERN_SPF_ENGINE_POSTERN,
    POSTERN_SPF_ENGINE_LIBSPF2,
} PosternSpfEngine;

/* How signatures are loaded while others are in use. */
typedef enum {
    POSTERN_SIGNATURES_BESIDE, /* twice the memory, for a while */
    POSTERN_SIGNATURES_IF_MEMORY_ALLOWS,
    POSTERN_SIGNATURES_STOP_FIRST, /* no more memory, and messages wait */
} PosternSignaturesReload;

typedef enum {
    POSTERN_VIRUS_STATUS_NO,
    POSTERN_VIRUS_STATUS_YES, /* of messages that were not found clean */
    POSTERN_VIRUS_STATUS_ALL,
} PosternVirusStatus;

typedef enum {
    POSTERN_CAPSULE_REFUSED, /* messages that are not plainly accepted */
    POSTERN_CAPSULE_ALL,
} PosternCapsuleWhich;

/* The group [policy NAME], [policy] if name is NULL or empty, or NULL if there is no such group. */
const PosternPolicyOptions *postern_configuration_policy(const PosternConfiguration *configuration,
                                                         const char *name);

/* All defaults. */
PosternConfiguration *postern_configuration_new(void);

/*
 * Reads path. NULL path: the compiled-in file if it exists, else the defaults. Every mistake in the file
 * is named in error: file, group, key, what is wrong, and the nearest key that exists; several mistakes come
 * as several lines. Values that contradict one another are mistakes too.
 */
PosternConfiguration *postern_configuration_load(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Text of a file instead; name is what messages call it. */
PosternConfiguration *postern_configuration_parse(const char *text, gsize length, const char *name,
                                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * What --check-config says of a file without mistakes, or, for NULL if there is no compiled-in file, that
 * the defaults hold; a new string, one line without its end.
 */
char *postern_configuration_ok_message(const char *path);

void postern_configuration_free(PosternConfiguration *configuration);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternConfiguration, postern_configuration_free)

/* The file that says what configuration says, with each row's text as a comment; a new string. */
char *postern_configuration_dump(const PosternConfiguration *configuration);

/* The shortest file that says the same: options that differ from their defaults, without comments, and every
 * [GROUP NAME]; "" if all are defaults. A new string. */
char *postern_configuration_dump_changed(const PosternConfiguration *configuration);

/* All options in mdoc form, for the manual; a new string. */
char *postern_configuration_document(void);

/*
 * FALSE, and error: wanted differs from running in options that one of programs (a mask of
 * POSTERN_RELOAD_RESTARTS_*, by the rows' column of PosternReload) takes at a restart only; error names all
 * of them. Then nothing of wanted is taken.
 */
gboolean postern_configuration_can_reload(const PosternConfiguration *running,
                                          const PosternConfiguration *wanted, guint programs,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* TRUE if a and b differ in an option of which reload, a mask of PosternReload, is said. */
gboolean postern_configuration_differs(const PosternConfiguration *a, const PosternConfiguration *b,
                                       guint reload);

/*
 * What a configuration names on this machine, for --check-config: files, folders, users and groups. Values
 * that are right by themselves may name what is not there, and a daemon would say so only at its start.
 */

/*
 * FALSE, and error with a line for each: what program ("postern-proxy", …) needs of all that configuration
 * names is missing, is of another kind, or is out of reach. name: of the file, for the lines. What only the
 * user of the daemon may read is not opened unless this process may.
 */
gboolean postern_configuration_check_surroundings(const PosternConfiguration *configuration,
                                                  const char *program, const char *name,
                                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
