/*
 * What a check registers, in checks/NAME/describe.c: all about it but how it finds out (that is
 * checks/check.h, for the inspector alone).
 */
#pragma once

#include "base/option.h"
#include "verdict/fields.h"
#include "verdict/rules.h"
#include "verdict/verdict.h"
#include "wire/authentication_results.h"

/* Adds value under key; nothing if value is NULL or empty. */
typedef void (*PosternAdd)(gpointer out, const char *key, const char *value);

/* Any function may be NULL: the check does nothing of the kind. */
typedef struct {
    PosternStructure finding;     /* its member of PosternFindings */
    const PosternOption *options; /* rows of [policy], ended by one without a key */
    /* Whether a policy has it, if checks are those that it names in option checks; NULL: as that says. */
    gboolean (*is_wanted)(const PosternConfiguration *configuration, const PosternPolicyOptions *policy,
                          guint checks);
    guint stages;             /* mask of 1 << PosternStage, AUTHENTICATION apart: when it runs */
    gboolean of_header;       /* it is complete after stage HEADER */
    gboolean has_field;       /* a header field of its own tells what it found */
    const PosternRule *rules; /* ended by one without a name */
    /* No inspector could tell, for reason: the finding becomes a temporary error. */
    void (*fail)(PosternFindings *findings, const char *reason);
    /* postern_findings_conclude() */
    void (*conclude)(PosternFindings *findings);
    /* TRUE if it was not run, and policy might do something about what it would have found. */
    gboolean (*is_missed)(const PosternFacts *facts);
    /* Authentication-Results (RFC 8601), if policy has the check: methods and properties as registered
     * with IANA, "Email Authentication Parameters". */
    void (*add_results)(PosternAuthenticationResults *results, const PosternFacts *facts);
    /* Its words of the closing line in the log. */
    void (*add_words)(const PosternFindings *findings, PosternAdd add, gpointer out);
    /* Its lines for people. */
    void (*add_lines)(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out);
    /* Its members of a JSON object; NULL: an object of its name, of the fields that have a name in JSON. */
    void (*add_json)(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json);
    /* Calls add for what messages are counted by, with the title of the count. */
    void (*add_counts)(const PosternFindings *findings, PosternAdd add, gpointer out);
} PosternCheck;

/* Those of checks/list.h: postern_description_spf and so on. */
#define POSTERN_CHECK_DESCRIPTION(NAME, member, Type) extern const PosternCheck postern_description_##member;
POSTERN_CHECKS_LIST(POSTERN_CHECK_DESCRIPTION)
#undef POSTERN_CHECK_DESCRIPTION

/* A check with its place in PosternFindings. */
typedef struct {
    const char *name;
    PosternChecks check;
    gsize offset;
    const PosternCheck *of;
} PosternCheckEntry;

/* All, in the order of checks/list.h; POSTERN_CHECKS_COUNT. */
extern const PosternCheckEntry postern_checks[];

/* What each check adds; of Authentication-Results those that facts->policy has. The caller's. */
PosternAuthenticationResults *postern_checks_results(const PosternFacts *facts);
/* Lines for people. */
void postern_checks_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                          gpointer out);
/* Members of a JSON object. */
void postern_checks_json(const PosternFindings *findings, const PosternVerdict *verdict,
                         const PosternJson *json);
/* What messages are counted by. */
void postern_checks_counts(const PosternFindings *findings, PosternAdd add, gpointer out);

/*
 * Findings for a closing line of the log, the same words at every door: "spf", "pass", "dkim",
 * "pass:example.org,fail:example.net", "dmarc", "fail:example.org", "arc", "none", "virus", "infected:NAME";
 * and "signed", DOMAIN if it got a signature of ours. The caller's (g_strfreev()).
 */
char **postern_findings_words(const PosternFindings *findings);
