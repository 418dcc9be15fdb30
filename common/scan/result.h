/*
 * What became of one input, and how it is shown.
 */
#pragma once

#include <glib.h>

#include "verdict/case.h"

/* Exit status of the program; the order of severity is in postern_scan_worse(). */
typedef enum {
    POSTERN_SCAN_ACCEPT = 0,
    POSTERN_SCAN_REJECT = 1,
    POSTERN_SCAN_TEMPFAIL = 2,
    POSTERN_SCAN_QUARANTINE = 3,
    POSTERN_SCAN_USAGE = 64,
    POSTERN_SCAN_NO_INPUT = 66,
} PosternScanStatus;

typedef struct {
    char *path;
    PosternEnvelope *envelope; /* NULL if error is set, as are those below */
    PosternCase *mail_case;
    PosternFindings *findings;
    const PosternVerdict *verdict; /* of mail_case */
    guint64 octets;
    char *error;         /* the input could not be read, or NULL */
    char *problem;       /* a check could not be done, or NULL */
    char *client;        /* whose address was checked and who says so, for people, or NULL */
    gboolean no_message; /* it is empty, or does not begin with a header field or an empty line */
    double milliseconds;
    char *explanation; /* --explain: lines for a person, or NULL */
    char *note;        /* what the user should know beside the result, or NULL */
    gboolean
        incomplete; /* a replay that could not be done: whatever the verdict is, it is not to be trusted */
    /* --rescan: what today's signatures say, and what comes of it; NULL: the body was not scanned again. */
    PosternFindings *today; /* virus alone */
    PosternVerdict *today_verdict;
    gboolean today_differs; /* from the scan that was recorded */
} PosternScanResult;

PosternScanResult *postern_scan_result_new(const char *path);
void postern_scan_result_free(PosternScanResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternScanResult, postern_scan_result_free)

/* What a verdict means as an exit status. */
PosternScanStatus postern_scan_verdict_status(const PosternVerdict *verdict);

/* The exit status for this input alone: of a scan that was made again it is that of today. */
PosternScanStatus postern_scan_result_status(const PosternScanResult *result);

/* The more severe of two: reject, quarantine, tempfail, unreadable, accept. */
PosternScanStatus postern_scan_worse(PosternScanStatus a, PosternScanStatus b);

/* One line of JSON with its line end, valid UTF-8; a new string. */
char *postern_scan_result_to_json(const PosternScanResult *result);

/* Some lines for a person; colour: with terminal colours. A new string. */
char *postern_scan_result_to_text(const PosternScanResult *result, gboolean colour);
