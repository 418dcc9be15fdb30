/*
 * Postern's verdict in a program of your own: what postern-proxy, postern-milter and postern-scan would say
 * of a message. What parses the message is postern-inspector, which is started as a child, or the shared one
 * that the configuration names; nothing of it runs in your process.
 *
 *     cc program.c $(pkg-config --cflags --libs postern)
 */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Signatures loaded, connections open: made once, for many messages. */
typedef struct PosternJudge PosternJudge;

/* A message, and what SMTP said of it. Pointers are the caller's, and only read during the call. */
typedef struct {
    const char *octets; /* header, empty line, body; lines end in CRLF, or in LF, which is taken for CRLF */
    size_t length;
    const char *client;            /* address of the SMTP client, "192.0.2.1"; NULL: not known, no SPF */
    const char *helo;              /* what it said in EHLO; or NULL */
    const char *sender;            /* of MAIL, without brackets; "": the null sender; NULL: not known */
    const char *const *recipients; /* of RCPT, without brackets, NULL-terminated; or NULL */
} PosternJudgeMail;

/* In order of severity. */
typedef enum {
    POSTERN_JUDGE_ACCEPT,
    POSTERN_JUDGE_MARK, /* accept, and add authentication_results to the header */
    POSTERN_JUDGE_QUARANTINE,
    POSTERN_JUDGE_DISCARD,
    POSTERN_JUDGE_TEMPFAIL,
    POSTERN_JUDGE_REJECT,
} PosternJudgeAction;

/* The verdict. Strings are printable ASCII, owned by it, and NULL if there are none. */
typedef struct {
    PosternJudgeAction action;
    char *reply;                  /* REJECT, TEMPFAIL: "550 5.7.1 text", what to answer to the dot */
    char *check;                  /* what decided: a rule's name, "virus", "spf_fail" ... */
    char *authentication_results; /* the value of that header field (RFC 8601) */
    char *findings;               /* what each check found: lines "Name: text" */
    char *problem;                /* what could not be checked, and why */
} PosternJudgement;

/*
 * Begins with the configuration at path; NULL: the installed one, or defaults. NULL if it cannot, and
 * *ret_error, if ret_error is not NULL, is a sentence that says why, to be freed with free().
 */
PosternJudge *postern_judge_new(const char *path, char **ret_error);

/* Ends it, with its inspector. NULL is nothing. */
void postern_judge_free(PosternJudge *judge);

/*
 * Judges mail, and waits for that: for DNS at most as long as [dns] timeout says, and in all as [proxy]
 * inspection_timeout. One call at a time; a judge may move between threads. 1: *ret_judgement is the verdict,
 * to be cleared. 0: there is none, *ret_judgement is empty, and *ret_error as above; the next message may do.
 */
int postern_judge_message(PosternJudge *judge, const PosternJudgeMail *mail, PosternJudgement *ret_judgement,
                          char **ret_error);

/* Frees what judgement holds. */
void postern_judgement_clear(PosternJudgement *judgement);

#ifdef __cplusplus
}
#endif
