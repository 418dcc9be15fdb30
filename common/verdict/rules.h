/*
 * The rules of a verdict: each is a reason to do something about a message, with the action that policy has
 * for it and the words that a client is told. Inner part of verdict/verdict.h.
 */
#pragma once

#include "verdict/findings.h"
#include "verdict/policy.h"

/* What a verdict is made from; nothing is owned. */
typedef struct {
    const PosternPolicy *policy;
    const PosternFindings *findings;
    const PosternEnvelope *envelope;
    gboolean header_unsafe;     /* forged fields cannot all be removed */
    const char *header_problem; /* why the header misleads, for people, or NULL */
} PosternFacts;

/* A row of a table of rules; one may be made at run time, too. */
typedef struct PosternRule PosternRule;
struct PosternRule {
    const char *name; /* NULL: the end of a table */
    guint checks;     /* PosternChecks: it applies only if policy has one of them; 0: always */
    gboolean (*applies)(const PosternRule *rule, const PosternFacts *facts);
    gssize action_offset; /* in PosternPolicy, or POSTERN_RULE_ALWAYS(action) */
    gboolean suspendable; /* not for allowed clients and exempt recipients */
    /* TRUE: at most TEMPFAIL; NULL: no */
    gboolean (*is_temporary)(const PosternRule *rule, const PosternFacts *facts);
    const char *refused; /* reply code and enhanced code, with REJECT */
    const char *delayed; /* the same with TEMPFAIL */
    /* Appends what is wrong, for the client; inside: for our own log and header, with what clients are not
     * told. */
    void (*describe)(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text);
    gconstpointer data; /* what its functions go by, or NULL */
};

/* For tables of rules. */
#define POSTERN_RULE_ALWAYS(action) (-1 - (gssize)(action))
#define POSTERN_RULE_POLICY(member) ((gssize)G_STRUCT_OFFSET(PosternPolicy, member))
/* The same of the structure type that the options of check NAME have of their own. */
#define POSTERN_RULE_OPTION(NAME, type, member)                                                              \
    ((gssize)(G_STRUCT_OFFSET(PosternPolicy, of_checks[POSTERN_CHECK_INDEX_##NAME]) +                        \
              G_STRUCT_OFFSET(type, member)))
gboolean postern_rule_always(const PosternRule *rule, const PosternFacts *facts);
gboolean postern_rule_has_text(const char *text);
void postern_rule_add_in_brackets(GString *text, const char *detail); /* " (detail)", nothing for none */

/* TRUE if policy has check, and no inspector ran it. */
gboolean postern_facts_lack(const PosternFacts *facts, PosternChecks check);

/*
 * The rule that decides, or NULL: none applies with more than ACCEPT. *ret_action is its action, or ACCEPT.
 * Of equal actions the first wins: of the rules that nothing suspends, those of the checks in the order of
 * checks/list.h, then those about the header; then likewise the others, and last what could not be found out.
 * of: POSTERN_CHECKS_ALL, or the rules that need a check, and no other than these.
 */
const PosternRule *postern_rules_decide(const PosternFacts *facts, PosternChecks of,
                                        PosternAction *ret_action);

/* TRUE if an option of policy refuses for something that check could find. */
gboolean postern_rules_may_refuse(const PosternPolicy *policy, PosternChecks check);

/*
 * TRUE if DMARC fails, and a trusted sealer says that it had passed before: no action is taken then. From
 * the newest ARC Set down, as long as each sealer is trusted: the oldest of these decides, for those below
 * it are anybody's. *ret_sealer (or NULL): who said so; owned by facts.
 */
gboolean postern_facts_are_overridden(const PosternFacts *facts, const char **ret_sealer);

/* The reply for action, TEMPFAIL or REJECT: printable ASCII, at most POSTERN_REFUSAL_MAX_OCTETS; a new
 * string. NULL for the other actions. */
char *postern_rule_reply(const PosternRule *rule, const PosternFacts *facts, PosternAction action);

/* The rules, "NAME, NAME", whose action is MARK and of which neither Authentication-Results nor
 * X-Virus-Status tells the next filter, a new string; NULL: there are none. */
char *postern_rules_marking(const PosternFacts *facts);

/* The value of Postern-Quarantine, "CHECK: text", within the same bounds; a new string. */
char *postern_rule_quarantine(const PosternRule *rule, const PosternFacts *facts);

/* A rule that applies, for people. Texts are valid during the call. */
typedef struct {
    const char *name;
    const char *group; /* of the option that gives its action: "policy", "policy NAME"; NULL: none does */
    PosternAction configured; /* what the option says; REJECT if there is none */
    PosternAction action;     /* what comes of it: an error that passes is never REJECT */
    gboolean suspended;       /* not for this client, or these recipients: action is ACCEPT */
    gboolean decides;
    const char *text; /* what is wrong, with what clients are not told */
} PosternRuleNote;

typedef void (*PosternRulesExplain)(const PosternRuleNote *note, gpointer user_data);

/* Calls note for each rule that applies, in the order above. */
void postern_rules_explain(const PosternFacts *facts, PosternRulesExplain note, gpointer user_data);
