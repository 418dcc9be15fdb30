/*
 * The configuration of all programs: one file (GKeyFile), one table. Every option is one row: where it
 * stands, its type, unit, range, default and one line of text. The parser, --dump-config, --check-config, the
 * example file and the manual are made from the rows, so they cannot disagree.
 */
#pragma once

#include <glib.h>

#include "base/limits.h"

/*
 * The values, all set. Strings and lists are owned by the configuration; a list is a NULL-terminated array,
 * never NULL. Choices are indices into the row's list of choices, which for [policy] actions is the order of
 * PosternAction (verdict/policy.h).
 */

/*
 * One policy: group [policy], and each [policy NAME], which has the values of [policy] if it does not say
 * otherwise. [policy submission] always exists, and begins with checks = virus; rules, sign = yes
 * if [sign] table names keys, authentication_results = no, and accept for all that SPF, DKIM and DMARC find;
 * the rest as in [policy].
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
        guint max_refused_recipients; /* 0: any */
        gboolean relay_probe;
        char *relay_probe_client;    /* an address, or "" */
        char *relay_probe_recipient; /* a mailbox, or "" */
        guint tls;                   /* PosternTls */
        guint bare_newline;          /* PosternBareNewline */
        gboolean refuse_nul;
        gboolean refuse_long_lines;
        gboolean strict_envelopes;
        guint role; /* PosternProxyRole */
        char **submission_listen;
        char **trusted_clients;
        guint filter_timeout_ms;
        gboolean hostname_of_machine; /* hostname is the name of the machine: the file says none */
    } proxy;
    struct {
        char **certificates;
        char **keys;
        guint min_version; /* PosternTlsVersion */
        char *ciphers;
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
    POSTERN_TLS_OFF,
    POSTERN_TLS_MAY,
    POSTERN_TLS_ENCRYPT,
} PosternTls;

typedef enum {
    POSTERN_TLS_1_2,
    POSTERN_TLS_1_3,
} PosternTlsVersion;

typedef enum {
    POSTERN_BARE_NEWLINE_REJECT,
    POSTERN_BARE_NEWLINE_REPAIR,
} PosternBareNewline;

typedef enum {
    POSTERN_ROLE_BORDER,
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

typedef enum {
    POSTERN_OPTION_BOOLEAN,  /* yes, no */
    POSTERN_OPTION_NUMBER,   /* guint */
    POSTERN_OPTION_OCTETS,   /* guint64; "50M": K, M, G are powers of 1024 */
    POSTERN_OPTION_DURATION, /* guint, milliseconds; "500ms", "30s", "5m", "1h"; a number alone is seconds */
    POSTERN_OPTION_STRING,
    POSTERN_OPTION_LIST,   /* items apart by ';' or ',' */
    POSTERN_OPTION_CHOICE, /* one of choices */
} PosternOptionType;

/* What a reload (SIGHUP) makes of a new value. 0: what begins from then on, a session, a message or a scan,
 * goes by it. */
typedef enum {
    POSTERN_RELOAD_RESTARTS_PROXY = 1 << 0, /* this program takes it at a restart only */
    POSTERN_RELOAD_RESTARTS_MILTER = 1 << 1,
    POSTERN_RELOAD_RESTARTS_INSPECTOR = 1 << 2,
    /* Who may send where hangs on it: the proxy lets clients of before go after their message. */
    POSTERN_RELOAD_ENDS_SESSIONS = 1 << 3,
    /* What was found out of the back-end hangs on it: the proxy connects to it, and tries it, anew. */
    POSTERN_RELOAD_TRIES_BACKEND = 1 << 4,
} PosternReload;

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
    /*
     * LIST of networks whose clients are trusted: what an external client among them could do, for people.
     * Such a list may not hold everybody (base/configuration/agree.c). NULL: it is no such list.
     */
    const char *trust;
    gboolean trust_of_peers; /* only who connects to the proxy can be among them */
    guint reload;            /* mask of PosternReload */
} PosternOption;

/*
 * The beginning of a row of [policy] whose value is an action: key, the member of PosternPolicyOptions of the
 * same name; the default.
 */
#define POSTERN_OPTION_ACTION(key, initial)                                                                  \
    "policy", #key, POSTERN_OPTION_CHOICE, G_STRUCT_OFFSET(PosternConfiguration, policy.key), 0, 0,          \
        postern_actions, initial
/* The offset of member of the structure type that the options of check number index have of their own. */
#define POSTERN_OPTION_OF_CHECK(index, type, member)                                                         \
    (G_STRUCT_OFFSET(PosternConfiguration, policy.of_checks[index]) + G_STRUCT_OFFSET(type, member))

/* The rows of [policy] that check number index (in the order of the table) adds, ended by one without a key;
 * NULL: there are no more checks. It is the layer of the checks that has it (verdict/check.c). */
const PosternOption *postern_check_options(guint index);

/* The table, and its length in *ret_length. */
const PosternOption *postern_configuration_options(gsize *ret_length);

/*
 * Where the value of option stands in configuration. policy: NULL, or the NAME of a group [policy NAME] that
 * there is; it matters for the rows of group policy alone.
 */
gconstpointer postern_configuration_place(const PosternConfiguration *configuration, const char *policy,
                                          const PosternOption *option);

/* The names of the groups [policy NAME], sorted; free the container with g_ptr_array_unref. */
GPtrArray *postern_configuration_policy_names(const PosternConfiguration *configuration);

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

/* All options in mdoc form, for the manual; a new string. */
char *postern_configuration_document(void);

/*
 * What a reload can take over, by the column of the option table that says so (PosternReload): one rule for
 * all daemons.
 */

/*
 * FALSE, and error: wanted differs from running in options that one of programs (a mask of
 * POSTERN_RELOAD_RESTARTS_*) takes at a restart only; error names all of them. Then nothing of wanted is
 * taken.
 */
gboolean postern_configuration_can_reload(const PosternConfiguration *running,
                                          const PosternConfiguration *wanted, guint programs,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* TRUE if a and b differ in an option of which reload, a mask of PosternReload, is said. */
gboolean postern_configuration_differs(const PosternConfiguration *a, const PosternConfiguration *b,
                                       guint reload);

/* What option's row says of a reload, for people: "needs a restart". Static. */
const char *postern_option_reload_text(const PosternOption *option);

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
