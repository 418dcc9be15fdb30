/*
 * A file of content rules, postern-rules(5): from its text to rules, whose patterns are compiled.
 *
 *     NAME ACTION [CONDITION]
 *         CONDITION …
 *
 * A line that begins with white space goes on with the rule above it.
 */
#pragma once

#include <glib.h>

#include "checks/rules/pattern.h"
#include "verdict/policy.h"

/* What a condition is about. */
typedef enum {
    POSTERN_RULE_FILE_NAME, /* of one file, here and below; what costs more stands behind */
    POSTERN_RULE_FILE_TYPE,
    POSTERN_RULE_FILE_PLACE,
    POSTERN_RULE_FILE_SIZE,
    POSTERN_RULE_FILE_DISGUISE,
    POSTERN_RULE_FILE_CONTENTS,
    POSTERN_RULE_FILE_SNIFFED,
    POSTERN_RULE_HEADER, /* of the message, here and below */
    POSTERN_RULE_TEXT,
    POSTERN_RULE_LINK,
    POSTERN_RULE_LINK_HOST,
    POSTERN_RULE_FILES,
    POSTERN_RULE_FILES_SIZE,
} PosternRuleSubject;
#define POSTERN_RULE_SUBJECTS 13

/* TRUE: one and the same file must meet all such conditions of a rule. */
static inline gboolean postern_rule_subject_is_file(PosternRuleSubject subject)
{
    return subject <= POSTERN_RULE_FILE_SNIFFED;
}

/* The values of LINK, as a mask. */
typedef enum {
    POSTERN_LINK_DECEPTIVE = 1 << 0, /* its text is the address of another site than it leads to */
    POSTERN_LINK_PUNYCODE = 1 << 1,  /* its host has letters beyond ASCII */
    POSTERN_LINK_ADDRESS = 1 << 2,   /* its host is an IP address */
} PosternLinkKinds;

/* The values of FILE_PLACE, as a mask. */
typedef enum {
    POSTERN_PLACE_BODY = 1 << 0,     /* text of the message, without a name */
    POSTERN_PLACE_ATTACHED = 1 << 1, /* a file, or an enclosed message */
    POSTERN_PLACE_PACKED = 1 << 2,   /* in an archive */
} PosternPlaces;
/* Their words, in the order of the bits; NULL-terminated. */
extern const char *const postern_place_words[];

typedef struct {
    PosternRuleSubject subject;
    gboolean negated;
    char *field;              /* HEADER: the name of the field, "*" is any */
    GPtrArray *patterns;      /* of PosternPattern *, or NULL: it has none */
    guint mask;               /* CONTENTS, DISGUISE, PLACE, LINK: which; one of them is enough */
    guint64 minimum, maximum; /* SIZE, FILES, FILES_SIZE: within both, included */
} PosternRuleCondition;

typedef struct {
    char *name;
    PosternAction action; /* ACCEPT: it is logged */
    char *reply;          /* or NULL */
    GPtrArray *exempt;    /* of char *; never NULL */
    GArray *conditions;   /* of PosternRuleCondition */
    guint line;
} PosternContentRule;

/*
 * Parses length octets; name is that of the file. Returns PosternContentRule *, in order. NULL and error
 * (POSTERN_ERROR_CONFIGURATION): "NAME:LINE:COLUMN: what is wrong, and what to do", a line for each mistake,
 * at most POSTERN_RULE_DIAGNOSTICS_MAX.
 */
GPtrArray *postern_rules_parse(const char *text, gsize length, const char *name,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The keyword of a subject: "name", "text". Static. */
const char *postern_rule_subject_name(PosternRuleSubject subject);
