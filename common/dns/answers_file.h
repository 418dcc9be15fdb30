/*
 * The text form of answers, for `postern-scan --answers`, `[dns] answers` and tests. One record a line:
 * `NAME TYPE DATA`, or `NAME TYPE !NXDOMAIN | !NODATA | !SERVFAIL | !TIMEOUT`. TYPE is A, AAAA, MX, TXT, PTR,
 * CNAME, or `*` for any type that has no line of its own. Adjacent quoted strings are one TXT record; `\"`,
 * `\\` and `\DDD` as in RFC 1035 5.1, in names too. `.` is the root, if DATA is a name. Empty lines and
 * lines that begin with '#' or ';' are skipped. A CNAME is followed, at most POSTERN_CNAME_CHAIN_MAX links: a
 * longer chain is SERVFAIL. A name that no line begins with is NXDOMAIN; one that is there without the type
 * asked for is NODATA.
 */
#pragma once

#include "dns/answers.h"

typedef struct PosternAnswersFile PosternAnswersFile;

/* Parses text. An error names the line number and what is wrong with it. */
PosternAnswersFile *postern_answers_file_parse(const char *text, gsize length,
                                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Reads and parses a file of at most 16 MiB; an error names the path. */
PosternAnswersFile *postern_answers_file_load(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PosternAnswersFile *postern_answers_file_ref(PosternAnswersFile *file);
void postern_answers_file_unref(PosternAnswersFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternAnswersFile, postern_answers_file_unref)

/* The answer to question, a new one that the caller frees. Never NULL. */
PosternAnswer *postern_answers_file_answer(const PosternAnswersFile *file, const PosternQuestion *question);
