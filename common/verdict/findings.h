/*
 * Findings: the facts that checks found about one message. No opinion yet; that is verdict/verdict.h.
 */
#pragma once

#include <glib.h>

#include "checks/findings.h" /* each checks/NAME/finding.h, gathered by CMake */
#include "checks/list.h"

enum {
#define POSTERN_CHECK_INDEX(NAME, member, Type) POSTERN_CHECK_INDEX_##NAME,
    POSTERN_CHECKS_LIST(POSTERN_CHECK_INDEX)
#undef POSTERN_CHECK_INDEX
        POSTERN_CHECKS_COUNT
};

/* POSTERN_CHECK_SPF and so on. DMARC needs SPF and DKIM; SIGN is not a check: the message is
 * one of ours and gets our signature. */
typedef enum {
#define POSTERN_CHECK_BIT(NAME, member, Type) POSTERN_CHECK_##NAME = 1 << POSTERN_CHECK_INDEX_##NAME,
    POSTERN_CHECKS_LIST(POSTERN_CHECK_BIT)
#undef POSTERN_CHECK_BIT
} PosternChecks;
#define POSTERN_CHECKS_ALL ((1 << POSTERN_CHECKS_COUNT) - 1)
/* All but SIGN: what a verdict on a message from elsewhere is made from. */
#define POSTERN_CHECKS_VERDICT (POSTERN_CHECKS_ALL & ~POSTERN_CHECK_SIGN)
#define POSTERN_CHECKS_SPF (POSTERN_CHECK_SPF | POSTERN_CHECK_SPF_HELO)
/* All that an inspector runs; the others need none. */
#define POSTERN_CHECKS_INSPECTED (POSTERN_CHECKS_ALL & ~(POSTERN_CHECK_CLIENT | POSTERN_CHECK_GREYLIST))
/* Not run if the client is not known. */
#define POSTERN_CHECKS_CLIENT (POSTERN_CHECKS_SPF | POSTERN_CHECK_CLIENT | POSTERN_CHECK_GREYLIST)
/* Those with questions to the DNS. */
#define POSTERN_CHECKS_ASKING                                                                                \
    (POSTERN_CHECKS_CLIENT | POSTERN_CHECK_DKIM | POSTERN_CHECK_DMARC | POSTERN_CHECK_ARC)
/* The check's member of PosternFindings: "spf", "spf_helo" …; NULL for another number. */
const char *postern_check_name(PosternChecks check);

/*
 * When a check runs. ENVELOPE: at MAIL, without a message. HEADER: on the header block alone; the check asks
 * its questions, or completes. WHOLE: on the whole message; AUTHENTICATION: the same of a message of few
 * octets, for the checks that have begun in a stage before. SIGN: our own signature, in a process that has
 * the keys and reads no mail from elsewhere.
 */
typedef enum {
    POSTERN_STAGE_ENVELOPE,
    POSTERN_STAGE_HEADER,
    POSTERN_STAGE_AUTHENTICATION, /* POSTERN_MESSAGE_HEAP_MAX_OCTETS at most */
    POSTERN_STAGE_WHOLE,
    POSTERN_STAGE_SIGN,
} PosternStage;
#define POSTERN_STAGES 5

/* The checks that run in stage. */
PosternChecks postern_checks_of_stage(PosternStage stage);
/* Those that are complete once they have run in stage HEADER; of others it raises the questions. */
PosternChecks postern_checks_of_header(void);

/* A step of a check, told if the request asked for an explanation. */
typedef struct {
    guint check; /* one of PosternChecks */
    char *text;  /* one line, printable ASCII */
} PosternStep;

typedef struct {
    /* spf_helo: HELO beside MAIL FROM; NOT_CHECKED if there is no MAIL FROM: spf is it. */
#define POSTERN_CHECK_MEMBER(NAME, member, Type) Type member;
    POSTERN_CHECKS_LIST(POSTERN_CHECK_MEMBER)
#undef POSTERN_CHECK_MEMBER
    guint not_run;    /* PosternChecks that no inspector ran; what stands above of them is no finding */
    gboolean explain; /* steps are wanted */
    GPtrArray *steps; /* of PosternStep *, in order, at most POSTERN_STEPS_MAX; never NULL */
} PosternFindings;

PosternFindings *postern_findings_new(void);
void postern_findings_free(PosternFindings *findings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternFindings, postern_findings_free)

/* What would come back of postern_findings_encode(), without the steps. */
PosternFindings *postern_findings_copy(const PosternFindings *findings);

/*
 * Notes a step of check, if findings->explain is TRUE and there is room; else does nothing. What is not
 * printable ASCII is escaped, and the text is cut at POSTERN_STEP_MAX_OCTETS.
 */
void postern_findings_step(PosternFindings *findings, guint check, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Takes from source, by its ownership, what the checks named in the mask found; source keeps the rest. */
void postern_findings_take(PosternFindings *findings, PosternFindings *source, PosternChecks checks);

/* A copy of new_text in the place of *text. */
void postern_findings_replace(char **text, const char *new_text);

/* What no inspector could tell, for reason (for people), is a temporary error, never a pass. */
void postern_findings_fail(PosternFindings *findings, PosternChecks checks, const char *reason);

/* Makes of the findings together what hangs on several of them: DMARC's result. Once all checks have ended,
 * and again if one of them changes. */
void postern_findings_conclude(PosternFindings *findings);

/*
 * As octets, in the form of verdict/fields.h: an entry for each check, not_run and steps. Out: texts and
 * lists are cut at the bounds of their fields. Back: untrusted, all bounds checked; NULL and error.
 */
void postern_findings_encode(const PosternFindings *findings, GByteArray *out);
PosternFindings *postern_findings_decode(const guint8 *octets, gsize length,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
