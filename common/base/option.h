/*
 * The rows of the table of options, of which the parser, --dump-config, --check-config, the example file and
 * the manual are made.
 */
#pragma once

#include "base/configuration.h"

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
    const char *former; /* CHOICE: a word of before for the first of choices, which is still taken; or NULL */
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
 * Where the value of option stands in configuration. name: NULL, or the NAME of a group [GROUP NAME] that
 * there is, if the group of option is one of which there may be many.
 */
gconstpointer postern_configuration_place(const PosternConfiguration *configuration, const char *name,
                                          const PosternOption *option);

/* The names of the groups [GROUP NAME], sorted; none if group is no such. Free the container with
 * g_ptr_array_unref. */
GPtrArray *postern_configuration_names(const PosternConfiguration *configuration, const char *group);

/* What option's row says of a reload, for people: "needs a restart". Static. */
const char *postern_option_reload_text(const PosternOption *option);
