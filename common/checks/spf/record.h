/*
 * An SPF record (RFC 7208 4.5, 4.6.1, 5, 6): its text to terms.
 */
#pragma once

#include <glib.h>

#include "mail/envelope.h"
#include "verdict/findings.h"

/* A part of the text that was parsed, borrowed from it; text NULL: not given. */
typedef struct {
    const char *text;
    gsize length;
} PosternSpfSlice;

typedef enum {
    POSTERN_SPF_ALL,
    POSTERN_SPF_INCLUDE,
    POSTERN_SPF_A,
    POSTERN_SPF_MX,
    POSTERN_SPF_PTR,
    POSTERN_SPF_IP4,
    POSTERN_SPF_IP6,
    POSTERN_SPF_EXISTS,
} PosternSpfMechanism;

typedef struct {
    PosternSpfMechanism mechanism;
    PosternSpfResult result; /* what the qualifier says of a match (4.6.2) */
    PosternSpfSlice term;    /* the whole of it */
    PosternSpfSlice domain;  /* a valid domain-spec, or not given: the current domain */
    PosternAddress network;  /* IP4, IP6 */
    guint ipv4_bits;         /* A, MX, IP4 */
    guint ipv6_bits;         /* A, MX, IP6 */
} PosternSpfDirective;

typedef struct {
    GArray *directives;          /* of PosternSpfDirective, in order */
    PosternSpfSlice redirect;    /* a valid domain-spec, or not given (6.1) */
    PosternSpfSlice explanation; /* exp=, likewise (6.2) */
} PosternSpfRecord;

/* TRUE if a TXT record says that it is an SPF record: "v=spf1", then a space or the end (4.5). */
gboolean postern_spf_record_is(const char *octets, gsize length);

/*
 * Parses a record that postern_spf_record_is. The record borrows octets. NULL: a syntax error anywhere (4.6),
 * and *ret_problem, a new string of printable ASCII, says what and where.
 */
PosternSpfRecord *postern_spf_record_parse(const char *octets, gsize length, char **ret_problem);
void postern_spf_record_free(PosternSpfRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternSpfRecord, postern_spf_record_free)
