/*
 * The table of answers: all that an inspection knows of the DNS, and the questions it still has. Pure data,
 * no network. A check looks up; if the answer is missing the question is noted and the check says that
 * it is waiting; the caller resolves the noted questions, adds the answers and runs the check again.
 */
#pragma once

#include <glib.h>

#include "base/octets.h"
#include "dns/question.h"

typedef enum {
    POSTERN_ANSWER_RECORDS,  /* at least one record */
    POSTERN_ANSWER_NXDOMAIN, /* the name does not exist (RFC 2308 2.1) */
    POSTERN_ANSWER_NODATA,   /* the name exists without that type (RFC 2308 2.2) */
    POSTERN_ANSWER_SERVFAIL, /* a server failed, or DNSSEC says bogus */
    POSTERN_ANSWER_TIMEOUT,  /* no answer before our deadline */
} PosternAnswerStatus;

/* Where an answer came from. */
typedef enum {
    POSTERN_ANSWER_SOURCE_UNKNOWN,
    POSTERN_ANSWER_SOURCE_NETWORK, /* the resolver: its cache or a server */
    POSTERN_ANSWER_SOURCE_FILE,    /* a file in place of the network */
    POSTERN_ANSWER_SOURCE_CAPSULE, /* a capsule (capsule/capsule.h) */
} PosternAnswerSource;

/*
 * One record. A, AAAA: 4 or 16 octets. MX: preference (2 octets, network order), then the name. PTR, CNAME:
 * the name. TXT: the octets of all its strings joined (RFC 7208 3.3, RFC 6376 3.6.2.2). Names are lower case
 * text without a final dot, not NUL-terminated; the root is the empty name (RFC 7505 3). TLSA: as it travels
 * (RFC 6698 2.1), at least 4 octets. SRV (RFC 2782): priority, weight and port (2 octets each, network
 * order), then the name. A record whose name no question can carry (dns/question.h) is left out. The data of
 * an empty record is not NULL.
 */
typedef struct {
    PosternAnswerStatus status;
    GPtrArray *records; /* of GBytes *, in order; empty unless RECORDS; never NULL */
    /* What follows does not travel. */
    gboolean secure; /* DNSSEC vouches for it, also for what is not there (RFC 4035 4.3) */
    guint ttl;       /* RECORDS of NETWORK: seconds that it holds, the least of its records and aliases */
    /* For people. */
    PosternAnswerSource source;
    guint milliseconds; /* NETWORK: from question to answer */
} PosternAnswer;

PosternAnswer *postern_answer_new(PosternAnswerStatus status);
void postern_answer_free(PosternAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternAnswer, postern_answer_free)

/*
 * Adds a record (octets are copied) and sets RECORDS. FALSE, and nothing changes, if
 * POSTERN_RECORDS_PER_ANSWER_MAX is met or the record is over POSTERN_RECORD_MAX_OCTETS.
 */
gboolean postern_answer_add(PosternAnswer *answer, gconstpointer octets, gsize length);

/* "records", "nxdomain", "nodata", "servfail", "timeout". */
const char *postern_answer_status_name(PosternAnswerStatus status);

typedef struct PosternAnswers PosternAnswers;

PosternAnswers *postern_answers_new(void);
PosternAnswers *postern_answers_ref(PosternAnswers *answers);
void postern_answers_unref(PosternAnswers *answers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternAnswers, postern_answers_unref)

/*
 * Looks up name and type. The answer, owned by answers; or NULL: not known, and the question is noted (once;
 * over POSTERN_QUESTIONS_PER_MESSAGE_MAX distinct questions the answer is SERVFAIL instead). A name that
 * cannot be asked is NXDOMAIN.
 */
const PosternAnswer *postern_answers_look_up(PosternAnswers *answers, const char *name, PosternDnsType type);

/*
 * Adds or replaces an answer, which is taken over; its question is no longer noted. If it has over
 * POSTERN_ANSWER_SMALL_OCTETS, and with all others of that size would pass POSTERN_ANSWERS_MAX_OCTETS, a
 * SERVFAIL is added instead; if the table is full of other questions (POSTERN_QUESTIONS_PER_MESSAGE_MAX),
 * nothing is, and a look-up gives SERVFAIL.
 */
void postern_answers_add(PosternAnswers *answers, const PosternQuestion *question, PosternAnswer *answer);

/* The answer to question, owned by answers, or NULL; nothing is noted. */
const PosternAnswer *postern_answers_get(const PosternAnswers *answers, const PosternQuestion *question);

/* The questions noted and not answered, of PosternQuestion *, owned by answers, in the order of asking. */
GPtrArray *postern_answers_questions(PosternAnswers *answers);

/*
 * The questions that have an answer, of PosternQuestion * owned by answers, sorted by name, then type. The
 * caller unrefs the array.
 */
GPtrArray *postern_answers_answered(const PosternAnswers *answers);

/* Says of all answers held that they came from source. */
void postern_answers_set_source(PosternAnswers *answers, PosternAnswerSource source);

/* Number of answers held. */
guint postern_answers_count(const PosternAnswers *answers);

/*
 * The answers (not the noted questions) as octets, sorted by question so that equal tables give equal octets;
 * and back, from an untrusted peer, into answers that has none: limits and forms are checked.
 */
void postern_answers_encode(const PosternAnswers *answers, GByteArray *out);
gboolean postern_answers_decode(PosternAnswers *answers, PosternOctets *in,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same of questions, of PosternQuestion *, which the array owns. */
void postern_questions_encode(const GPtrArray *questions, GByteArray *out);
gboolean postern_questions_decode(GPtrArray *questions, PosternOctets *in,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
