/*
 * The content rules on one message: it takes the items of the walk (checks/content/item.h), and concludes.
 */
#pragma once

#include "checks/content/item.h"
#include "checks/rules/engine.h"
#include "checks/rules/html.h"

/* What is known of a condition. */
typedef enum {
    POSTERN_HOLDS_NOT,
    POSTERN_HOLDS,
    POSTERN_HOLDS_PERHAPS, /* it could not be found out */
} PosternHolds;

/* By number of the condition; why: the pattern that fits, the engine's, or NULL. */
typedef struct {
    guint8 *holds; /* PosternHolds */
    const PosternPattern **why;
} PosternConditionStates;

/* What is known of the item at hand, found out at most once. */
typedef struct {
    const PosternItem *item;
    const char *octets;
    gsize length;
    guint place;    /* PosternPlaces */
    guint contents; /* PosternContents */
    guint disguises;
    gboolean contents_known, disguises_known, sniffed_known, html_known;
    PosternHtml *html; /* NULL: it is no HTML */
} PosternItemFacts;

typedef struct {
    PosternRulesEngine *engine;
    PosternRuleTime time;
    PosternConditionStates item, message; /* conditions on files are in item */
    PosternItemFacts facts;
    guint8 *rules;  /* by number of the rule, PosternHolds: its conditions on files, for the files so far */
    char **files;   /* by number of the rule, of those that hold: which file */
    char **reasons; /* likewise */
    char *link;     /* what is told of the last link that a condition holds for, or NULL */
    guint items, file_count;
    guint64 file_octets;
    char *undecided; /* the first reason why a rule is, or NULL */
    char *unread;    /* the first that the walk had */
} PosternRulesEvaluation;

/* engine is used by one evaluation at a time. Never NULL. */
PosternRulesEvaluation *postern_rules_evaluation_new(PosternRulesEngine *engine);
void postern_rules_evaluation_free(PosternRulesEvaluation *evaluation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternRulesEvaluation, postern_rules_evaluation_free)

/* The fields of the header. */
void postern_rules_take_header(PosternRulesEvaluation *evaluation, const PosternHeader *header);

/* Visitor's, checks/content/item.h; evaluation is data. */
gboolean postern_rules_take_item(const PosternItem *item, gpointer evaluation);
void postern_rules_take_note(PosternVirusKind kind, const char *text, gpointer evaluation);

/* Once all is taken: fills finding, which must be empty. */
void postern_rules_conclude(PosternRulesEvaluation *evaluation, PosternRulesFinding *finding);

/*
 * The text and links of the item at hand, for the conditions on them (checks/rules/text.c).
 */
void postern_rules_take_text(PosternRulesEvaluation *evaluation);

/* The item as HTML, read once, or NULL: nobody would take it for HTML. */
const PosternHtml *postern_rules_item_html(PosternRulesEvaluation *evaluation);

/* Searches the patterns of subject in text, any octets; states: where what fits is noted. field: HEADER:
 * whose value it is; NULL otherwise. */
void postern_rules_search(PosternRulesEvaluation *evaluation, PosternRuleSubject subject,
                          PosternConditionStates *states, const char *text, gsize length, const char *field);

/* Notes that it is not known whether the rule of condition number holds. */
void postern_rules_note_undecided(PosternRulesEvaluation *evaluation, guint condition);

/* Calls note for each condition of that subject. */
typedef void (*PosternConditionNote)(PosternRulesEvaluation *evaluation, guint condition, gpointer data);
void postern_rules_each(PosternRulesEvaluation *evaluation, PosternRuleSubject subject,
                        PosternConditionNote note, gpointer data);

/* Of two conditions that both must hold. */
PosternHolds postern_holds_both(PosternHolds a, PosternHolds b);
/* Of "not". */
PosternHolds postern_holds_turn_over(PosternHolds holds, gboolean negated);

/* Appends what of condition number is so, for people. */
void postern_rules_add_reason(const PosternRulesEvaluation *evaluation, const PosternConditionStates *states,
                              guint number, GString *reason);
