/*
 * The evaluation of SPF records: check_host() of RFC 7208 4. It runs from scratch on what answers hold. If
 * an answer is missing it is waiting: it goes on as if that term did not match, only to note the questions
 * that the rest may ask (bounded by the same limits and by POSTERN_SPF_PREFETCH_QUESTIONS_MAX), and what it
 * counts then decides nothing.
 */
#pragma once

#include "checks/spf/macro.h"
#include "checks/spf/record.h"
#include "dns/answers.h"

typedef struct {
    PosternSpfMacroValues values; /* domain is set by each postern_spf_check_host */
    PosternAnswers *answers;
    guint lookups;               /* terms that ask the DNS, of POSTERN_SPF_LOOKUPS_MAX */
    guint void_lookups;          /* terms whose questions had no record, of POSTERN_SPF_VOID_LOOKUPS_MAX */
    guint missing;               /* questions that had no answer yet */
    gboolean validation_counted; /* %{p} has its place in lookups */
    char *problem;               /* what led to the first error, or NULL; owned */
    gboolean uncertain;          /* a reverse name could not be had, and so did not match */
    PosternFindings *findings;   /* that steps are told to, or NULL: nobody asked for them */
} PosternSpfEvaluation;

typedef struct {
    PosternSpfResult result;
    PosternSpfSlice explanation; /* FAIL: the exp= that applies, or not given; borrowed from answers */
    char *domain;                /* whose record that was; owned */
} PosternSpfOutcome;

void postern_spf_outcome_clear(PosternSpfOutcome *outcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternSpfOutcome, postern_spf_outcome_clear)

/* What a mechanism says of the client. */
typedef enum {
    POSTERN_SPF_NO_MATCH,
    POSTERN_SPF_MATCH,
    POSTERN_SPF_MATCH_WAITING,
    POSTERN_SPF_MATCH_TEMPERROR,
    POSTERN_SPF_MATCH_PERMERROR,
} PosternSpfMatch;

/* What a question has. */
typedef enum {
    POSTERN_SPF_FOUND,   /* records, in *ret_answer */
    POSTERN_SPF_VOID,    /* none: the name or the type does not exist */
    POSTERN_SPF_FAILED,  /* the DNS failed */
    POSTERN_SPF_MISSING, /* no answer yet */
} PosternSpfLookup;

/* check_host() of domain. 1: *outcome (zeroed before) is set; 0: questions are noted. */
int postern_spf_check_host(PosternSpfEvaluation *evaluation, const char *domain, PosternSpfOutcome *outcome);

/* Does directive match the client? */
PosternSpfMatch postern_spf_match(PosternSpfEvaluation *evaluation, const PosternSpfDirective *directive);

/* Counts a term that asks the DNS; FALSE: there are too many (4.6.4). */
gboolean postern_spf_count_lookup(PosternSpfEvaluation *evaluation);

/*
 * The name that a domain-spec stands for: MATCH and *ret_name, a new string; NO_MATCH: it stands for none
 * (RFC 8616 4: a local part that is not ASCII); or an error, or WAITING.
 */
PosternSpfMatch postern_spf_expand(PosternSpfEvaluation *evaluation, PosternSpfSlice domain, char **ret_name);

/* The same for a valid explain-string, which always stands for something. */
PosternSpfMatch postern_spf_expand_explanation(PosternSpfEvaluation *evaluation, PosternSpfSlice text,
                                               char **ret_explanation);

/* Looks up. Beyond POSTERN_SPF_PREFETCH_QUESTIONS_MAX missing answers nothing more is asked in this run. */
PosternSpfLookup postern_spf_look_up(PosternSpfEvaluation *evaluation, const char *name, PosternDnsType type,
                                     const PosternAnswer **ret_answer);

/* Looks up the addresses of name, of the client's family. */
PosternSpfLookup postern_spf_look_up_addresses(PosternSpfEvaluation *evaluation, const char *name,
                                               const PosternAnswer **ret_answer);

/* TRUE if an address of answer shares its first bits with the client's, by family. */
gboolean postern_spf_answer_has_client(const PosternSpfEvaluation *evaluation, const PosternAnswer *answer,
                                       guint ipv4_bits, guint ipv6_bits);

/* The name in a record behind skip octets: a new string, or NULL if it is none that can be asked. */
char *postern_spf_record_name(GBytes *record, gsize skip);

/*
 * Appends the validated domain names of the client (5.5) to names, of char *. FOUND: the reverse name exists
 * and all of its names are looked at. MISSING: some are not, names has the others.
 */
PosternSpfLookup postern_spf_validate_client(PosternSpfEvaluation *evaluation, GPtrArray *names);

/* TRUE if name is domain or ends in "." domain, case ignored. */
gboolean postern_spf_name_is_under(const char *name, const char *domain);

/* Tells a step of the evaluation of the current domain, if findings are given. */
void postern_spf_step(const PosternSpfEvaluation *evaluation, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Sets the problem, if none is set. */
void postern_spf_set_problem(PosternSpfEvaluation *evaluation, const char *format, ...) G_GNUC_PRINTF(2, 3);
