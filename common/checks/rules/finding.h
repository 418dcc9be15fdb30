/*
 * What the content rules found (postern-rules(5)).
 */
#pragma once

#include <glib.h>

/* What a rule calls [policy]. */
#define POSTERN_RULE_POLICY_ITSELF "-"

/* A rule that holds. It carries what the rule says, so that a verdict needs no table of rules. */
typedef struct {
    char *rule;        /* its name */
    guint action;      /* PosternAction: ACCEPT is only logged */
    char *file;        /* which file, "a.zip/b.exe"; NULL: the rule is about the message */
    char *reason;      /* which of its conditions hold, and why */
    char *reply;       /* what clients are told, or NULL */
    GPtrArray *exempt; /* of char *: names of policies that it is not for; never NULL */
} PosternRuleMatch;

typedef struct {
    gboolean checked;
    /* Of PosternRuleMatch *, one for each rule that holds, at most POSTERN_RULE_MATCHES_MAX; never NULL */
    GPtrArray *matches;
    char *unread;    /* what the walk could not look into, and why, or NULL */
    char *undecided; /* why it is not known of some rule whether it holds, or NULL */
} PosternRulesFinding;

/*
 * The value of X-Content-Rules, for a message that goes by the policy of that name ("" is [policy]): the
 * rules that hold and do more than log, with their files, and "undecided", a fold behind each; a new string,
 * or NULL.
 */
char *postern_rules_finding_field(const PosternRulesFinding *finding, const char *policy);

/* A new one, empty. */
PosternRuleMatch *postern_rule_match_new(void);
void postern_rule_match_free(PosternRuleMatch *match);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternRuleMatch, postern_rule_match_free)
