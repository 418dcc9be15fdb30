/*
 * The rows of a verdict as they applied to one message, for people.
 */
#pragma once

#include "verdict/rules.h"

/* A row that applies. Texts are valid during the call. */
typedef struct {
    const char *name;
    const char *group; /* of the option that gives its action: "policy", "policy NAME"; NULL: none does */
    PosternAction configured; /* what the option says; REJECT where there is none */
    PosternAction action;     /* what comes of it: an error that passes is never REJECT */
    gboolean suspended;       /* not for this client, or these recipients: action is ACCEPT */
    gboolean decides;
    const char *text; /* what is wrong, with what a stranger need not know */
} PosternRowNote;

typedef void (*PosternRulesExplain)(const PosternRowNote *note, gpointer user_data);

/* Calls note for each row that applies, in the order of the rows. */
void postern_rules_explain(const PosternCase *facts, PosternRulesExplain note, gpointer user_data);
