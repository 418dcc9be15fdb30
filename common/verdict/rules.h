/*
 * The rows of a verdict: each is a reason to do something about a message, with the action that policy has
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
} PosternCase;

typedef struct {
    const char *name; /* NULL: the end of a list of rows */
    guint checks;     /* PosternChecks: it applies only where policy has one of them; 0: always */
    gboolean (*applies)(const PosternCase *facts);
    gssize action_offset;                               /* in PosternPolicy, or POSTERN_ROW_ALWAYS_… */
    gboolean suspendable;                               /* not for allowed clients and exempt recipients */
    gboolean (*is_temporary)(const PosternCase *facts); /* TRUE: at most TEMPFAIL; NULL: no */
    const char *refused;                                /* reply code and enhanced code, with REJECT */
    const char *delayed;                                /* the same with TEMPFAIL */
    /* Appends what is wrong, for the client; inside: for ourselves, with what a stranger need not know. */
    void (*describe)(const PosternCase *facts, gboolean inside, GString *text);
} PosternRow;

/* For lists of rows. */
#define POSTERN_ROW_ALWAYS_REJECT (-1)
#define POSTERN_ROW_ALWAYS_TEMPFAIL (-2)
#define POSTERN_ROW_POLICY(member) ((gssize)G_STRUCT_OFFSET(PosternPolicy, member))
gboolean postern_row_always(const PosternCase *facts);
gboolean postern_row_has_text(const char *text);
void postern_row_add_in_brackets(GString *text, const char *detail); /* " (detail)", nothing for none */

/* The lists, each ended by a row without a name. Of equal actions the first row of the first list wins. */
extern const PosternRow postern_rules_content[]; /* rows_content.c: virus, unscannable, header … */
extern const PosternRow postern_rules_spf[];     /* rows_spf.c */
extern const PosternRow postern_rules_dkim[];    /* rows_dkim.c: those of strangers, and ours */
extern const PosternRow postern_rules_dmarc[];   /* rows_dmarc.c */

extern const PosternRow postern_rules_inspection[]; /* rows_inspection.c: what could not be found out */

/* All of them, in order; NULL-terminated. */
extern const PosternRow *const postern_rules_lists[];

/* What policy has for row. */
PosternAction postern_row_configured_action(const PosternRow *row, const PosternCase *facts);

/* The row that decides, or NULL: none applies with more than ACCEPT. *ret_action is its action, or ACCEPT. */
const PosternRow *postern_rules_decide(const PosternCase *facts, PosternAction *ret_action);

/* The same of one list alone. */
const PosternRow *postern_rules_decide_list(const PosternRow *rows, const PosternCase *facts,
                                            PosternAction *ret_action);

/*
 * TRUE where DMARC fails, and a trusted sealer says that it had passed before: no action is taken then. From
 * the newest ARC Set down, as long as each sealer is trusted: the oldest of these decides, for those below
 * it are anybody's. *ret_sealer (or NULL): who said so; owned by facts.
 */
gboolean postern_case_is_overridden(const PosternCase *facts, const char **ret_sealer);

/* TRUE if facts->envelope's client is allowed, or all its recipients are exempt, or SPF or DKIM passes for
 * a sender that is allowed. */
gboolean postern_case_is_suspended(const PosternCase *facts);

/* The reply for action, TEMPFAIL or REJECT: printable ASCII, at most POSTERN_REFUSAL_MAX_OCTETS; a new
 * string. NULL for the other actions. */
char *postern_row_reply(const PosternRow *row, const PosternCase *facts, PosternAction action);

/* The value of Postern-Quarantine, "CHECK: text", within the same bounds; a new string. */
char *postern_row_quarantine(const PosternRow *row, const PosternCase *facts);
